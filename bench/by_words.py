"""What is found by words alone, when the time limit for a question runs out.

    python bench/by_words.py

Builds in memory. Prints the constants of qa.rank and qa.calibrate that such answers rest on, then
what is answered on fold dev of the judged questions, by words and as always: hit@1, hit@3, what
is refused, calibration error, precision from a confidence on, and the same of stories and of two
questions in one message. Fit anew when the corpus changes much.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from qa import index
from qa.answer import Engine
from qa.calibrate import fit
from qa.corpus import OFF_TOPIC, read
from qa.embed import open_encoder
from qa.evaluate import Judged, read_judged
from qa.evaluate.metrics import calibration_estimate
from qa.evaluate.perturb import TWO, Asked, Writer, asked
from qa.index import Index
from qa.paths import CORPUS
from qa.rank import RETRIEVAL_FEATURES, Logistic, fit_logistic
from qa.search import Candidates, Query, gather
from qa.segment import Segmenter

FOUND = len(RETRIEVAL_FEATURES)
DEPTH = 10
REFUSED_ANSWERABLE = 0.02  # by the default threshold, as in bench/default_ranker.py
FORMS = ("story", TWO)

Top = tuple[float, bool]  # the confidence of the first candidate, and whether it is right


def main() -> None:
    segmenter = Segmenter(CORPUS)
    encoder = open_encoder("", segmenter)
    draft = index.build(read(CORPUS), segmenter, encoder, {}, lambda *_: None)
    _defaults(draft)
    ranked = replace(draft, ranker=fit(draft), word_ranker=fit(draft, by_words=True))
    engine = Engine(ranked, segmenter, encoder)
    judged = read_judged(CORPUS / "judged", "dev")
    _corrections(engine.by_words, judged)
    for name, one in (("by words", engine.by_words), ("as always", engine)):
        _report(name, one, judged)


def _defaults(draft: Index) -> None:
    """Print DEFAULT_WORD_CHOICE, and DEFAULT_WORD_RANKER: what retrieval alone makes of it."""
    print("choice   ", fit(draft, by_words=True).topic)
    judged = [
        _candidates(gather(draft, Query(held.segments, None), held), draft, {held.label})
        for held in draft.held_out
    ]
    rows = np.concatenate([features for features, _ in judged])
    model = fit_logistic(rows, np.concatenate([right for _, right in judged]).tolist())
    chances = [model.probabilities(features) for features, _ in judged]
    firsts = [int(chance.argmax()) for chance in chances]
    model = model.calibrated(
        *_platt(
            [
                (float(chance[first]), bool(right[first]))
                for chance, first, (_, right) in zip(chances, firsts, judged, strict=True)
            ]
        )
    )
    print("retrieval", model)
    answerable = [
        float(model.probabilities(features).max())
        for held, (features, _) in zip(draft.held_out, judged, strict=True)
        if held.label != OFF_TOPIC
    ]
    print("uncertain", np.quantile(answerable, REFUSED_ANSWERABLE))


def _candidates(found: Candidates, draft: Index, right: set[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return the retrieval features of a question's candidates, and which are right."""
    topics = [draft.passages[rows[0]].topic for rows in found.rows]
    return found.features[:, :FOUND], np.array([topic in right for topic in topics])


def _corrections(engine: Engine, judged: Sequence[Judged]) -> None:
    """Print what Platt's corrections would still change: slope 1 and offset 0 are nothing."""
    ranker = engine.index.word_ranker
    assert ranker is not None
    for name, tried in (("topic", ranker), ("retrieval", replace(ranker, topic=None))):
        one = replace(engine, index=replace(engine.index, word_ranker=tried))
        print("correction of", name, _platt([_top(one, question) for question in judged]))


def _top(engine: Engine, question: Judged) -> Top:
    findings = engine.read(question.text, 1)
    topics = {found.hit.passage.topic for found in findings.found[:1]}
    return findings.confidence, bool(topics & question.topics)


def _platt(tops: Sequence[Top]) -> tuple[float, float]:
    """Return the slope and offset of the log-odds that the first candidate is right."""
    chances = np.clip([confidence for confidence, _ in tops], 1e-4, 1 - 1e-4)
    found: Logistic = fit_logistic(np.log(chances / (1 - chances))[:, None], [r for _, r in tops])
    return found.weights[0], found.bias


def _report(name: str, engine: Engine, judged: Sequence[Judged]) -> None:
    answerable = [question for question in judged if question.topics]
    replies = {question.id: engine.read(question.text, DEPTH) for question in judged}
    topics = {id: [one.hit.passage.topic for one in r.found] for id, r in replies.items()}
    hits = [np.mean([bool(q.topics & set(topics[q.id][:k])) for q in answerable]) for k in (1, 3)]
    print(f"{name}: hit@1 {hits[0]:.3f}, hit@3 {hits[1]:.3f} (n = {len(answerable)})")
    for kind in ("answerable", "near", "far"):
        of = [replies[q.id].status == "unanswered" for q in judged if q.kind == kind]
        print(f"  {kind} refused {sum(of)} of {len(of)}")
    confidence = np.array([replies[q.id].confidence for q in judged])
    right = np.array([bool(q.topics & set(topics[q.id][:1])) for q in judged])
    error = calibration_estimate(confidence, right)
    print(f"  ECE {error.value:.3f} [{error.low:.3f}, {error.high:.3f}] (n = {error.n})")
    for least in (0.35, 0.7, 0.9):
        kept = confidence >= least
        print(f"  precision from {least}: {right[kept].mean():.3f} (n = {kept.sum()})")
    writer = Writer(engine.segmenter)
    for form in FORMS:
        _form(form, engine, asked(writer, form, answerable))


def _form(form: str, engine: Engine, messages: Sequence[Asked]) -> None:
    firsts, thirds = [], []
    for message in messages:
        found = engine.read(message.text, 3)
        topics = [one.hit.passage.topic for one in found.found]
        k = 3 * max(len(found.parts), 1)
        firsts.append(any(set(topics[:1]) & q.topics for q in message.questions))
        thirds.append(all(set(topics[:k]) & q.topics for q in message.questions))
    print(f"  {form}: hit@1 {np.mean(firsts):.3f}, hit@3 {np.mean(thirds):.3f}")


if __name__ == "__main__":
    main()
