"""What each part of the ranking adds, on the judged questions of fold dev.

    python bench/ablation.py [EARLIER_MODEL]

Prints one row a part: hit@1, hit@3, MRR@10 of topics over the answerable questions. With the
folder of an earlier encoder, its rows follow. Builds in memory; the index in service is left alone.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np

from qa import classify, index
from qa.answer import Engine
from qa.calibrate import fit
from qa.classify import TopicClassifier
from qa.corpus import OFF_TOPIC, read
from qa.embed import open_encoder
from qa.evaluate import Judged, read_judged, score
from qa.evaluate.metrics import calibration_estimate
from qa.evaluate.systems import Systems
from qa.index import Index
from qa.index.build import LONGEST_GRAM, bm25_scores
from qa.normalise import normalise
from qa.paths import CORPUS
from qa.search import Query, gather, search
from qa.segment import Segmenter

DEPTH = 10
Ranking = Callable[[Judged], list[str]]


def main(earlier: str | None) -> None:
    segmenter = Segmenter(CORPUS)
    judged = read_judged(CORPUS / "judged", "dev")
    engine = _engine(segmenter, "")
    answerable = [question for question in judged if question.topics]
    for name, ranking in _parts(engine).items():
        _row(name, answerable, ranking)
    _row("classifier, n-grams and words only", answerable, _without_vectors(segmenter))
    _calibration(engine, judged)
    if earlier:
        before = _engine(segmenter, earlier)
        parts = _parts(before)
        for name in ("vectors: passages", "vectors: passages, titles, variants", "all"):
            _row(f"{name} (earlier encoder)", answerable, parts[name])


def _engine(segmenter: Segmenter, model: str) -> Engine:
    encoder = open_encoder(model, segmenter)
    draft = index.build(read(CORPUS), segmenter, encoder, {}, lambda *_: None)
    return Engine(replace(draft, ranker=fit(draft)), segmenter, encoder)


def _parts(engine: Engine) -> dict[str, Ranking]:
    built, segmenter, systems = engine.index, engine.segmenter, Systems(engine, DEPTH)

    def written(question: Judged) -> Query:
        """Return the question as it was typed, not put right."""
        text = normalise(question.text).text
        return Query(segmenter.question(text), engine.encoder.encode_query(text))

    def by(scores: np.ndarray) -> list[str]:
        order = np.argsort(-scores, kind="stable")
        return _first(built.passages[row].topic for row in order if scores[row] > 0)

    def words(question: Judged, synonyms: bool) -> list[str]:
        cut = written(question).segments
        return by(bm25_scores(built.words, (*cut.terms, *(cut.synonyms if synonyms else ()))))

    def grams(question: Judged) -> list[str]:
        return by(bm25_scores(built.grams, written(question).segments.grams(LONGEST_GRAM)))

    def passages(question: Judged) -> list[str]:
        nearest = built.nearest(written(question).vector, len(built))
        return _first(built.passages[row].topic for row, _ in nearest)

    return {
        "BM25, jieba words": lambda q: systems.plain(written(q)),
        "BM25, words and the words inside them": lambda q: words(q, synonyms=False),
        "the same with synonyms": lambda q: words(q, synonyms=True),
        "BM25, characters and pairs": grams,
        "words, synonyms, characters and pairs (sparse)": lambda q: systems.sparse(written(q)),
        "vectors: passages": passages,
        "vectors: passages, titles, variants": lambda q: systems.dense(written(q)),
        "retrieval model: sparse and vectors of passages": lambda q: _retrieved(built, written(q)),
        "classifier of topics": lambda q: _classified(built.classifier, written(q)),
        "classifier of wording": lambda q: _classified(built.wording, written(q)),
        "ranker": lambda q: _first(hit.passage.topic for hit in search(built, written(q), DEPTH)),
        "ranker, questions put right": lambda q: _first(
            hit.passage.topic for hit in search(built, engine.query(q.text), DEPTH)
        ),
        "all": lambda q: _first(hit.passage.topic for hit in engine.rank(q.text, DEPTH)),
    }


def _retrieved(built: Index, query: Query) -> list[str]:
    assert built.ranker is not None
    found = gather(built, query)
    weights = np.array(built.ranker.retrieval.weights)
    order = np.argsort(-(found.features[:, : len(weights)] @ weights), kind="stable")
    return _first(built.passages[found.rows[i][0]].topic for i in order)


def _classified(classifier: TopicClassifier | None, query: Query) -> list[str]:
    assert classifier is not None
    vector = query.vector if classifier.reads == classify.GRAMS else None
    return _best(classifier.classes, classifier.scores(query.segments, vector))


def _without_vectors(segmenter: Segmenter) -> Ranking:
    corpus = read(CORPUS)
    asked = [(q, d.id) for d in corpus.documents for q in (d.title, *d.questions)]
    asked += [(question.text, OFF_TOPIC) for question in corpus.off_topic]
    segments = [segmenter.question(text) for text, _ in asked]
    nowhere = np.zeros((len(asked), 1), np.float32)
    classifier, _ = classify.fit(segments, [topic for _, topic in asked], nowhere)

    def ranking(question: Judged) -> list[str]:
        scores = classifier.scores(segmenter.question(question.text), None)
        return _best(classifier.classes, scores)

    return ranking


def _calibration(engine: Engine, judged: list[Judged]) -> None:
    """Print the calibration error with Platt's correction and without it."""
    ranker = engine.index.ranker
    assert ranker is not None
    assert ranker.topic is not None
    plain = replace(ranker, topic=replace(ranker.topic, slope=1.0, offset=0.0))
    for name, used in (("as learned", plain), ("corrected", ranker)):
        measured = Engine(replace(engine.index, ranker=used), engine.segmenter, engine.encoder)
        hits = [measured.read(question.text, 1).found for question in judged]
        sure = np.array([found[0].hit.score if found else 0.0 for found in hits])
        right = np.array(
            [
                bool(found) and found[0].hit.passage.topic in question.topics
                for found, question in zip(hits, judged, strict=True)
            ]
        )
        print(f"| calibration error, {name} | {calibration_estimate(sure, right).value:.3f} | | |")


def _first(topics: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(topics))[:DEPTH]


def _best(classes: tuple[str, ...], scores: np.ndarray) -> list[str]:
    ranked = [classes[i] for i in np.argsort(-scores, kind="stable")]
    return [topic for topic in ranked if topic != OFF_TOPIC][:DEPTH]


def _row(name: str, judged: list[Judged], ranking: Ranking) -> None:
    scores = score(judged, [ranking(question) for question in judged], DEPTH)
    values = (scores[measure].value for measure in ("hit@1", "hit@3", "MRR@10"))
    print(f"| {name} |", " | ".join(f"{value:.3f}" for value in values), "|", flush=True)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)
