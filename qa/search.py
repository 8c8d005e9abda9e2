"""A question, cut and encoded → the passages that may answer it, best first.

No HTTP, no files, no thresholds: what to say of the hits is decided in ``answer``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from math import isnan

import numpy as np

from qa.corpus import OFF_TOPIC, Passage
from qa.index import Index
from qa.index.build import QUESTION_DEPTH, HeldOut, Pairs, best
from qa.rank import FEATURES, QUESTION_FEATURES, TOPIC_FEATURES, Ranker
from qa.segment import Segments
from qa.timing import RANK, SEARCH, stage

Float = np.ndarray[tuple[int, ...], np.dtype[np.float32]]

# Each list contributes this many rows to the candidates; all candidates get all features.
DEPTH = 50
TOPIC_DEPTH = 10
# In logits of the retrieval model: the lead answers the title, so another section of its topic
# must be clearly nearer to be shown in its place.
LEAD_ADVANTAGE = 1.5
# Of a topic's questions, so many of the nearest speak for it.
NEAREST = 3


@dataclass(frozen=True, slots=True)
class Query:
    """The question as searched."""

    segments: Segments
    vector: Float | None  # (dim,), unit length; None to search by words alone


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage that may answer, with the probability that it does."""

    passage: Passage
    score: float  # probability in [0, 1]; orders the list
    evidence: dict[str, float]  # the features that the score was made of


@dataclass(frozen=True, slots=True)
class Candidates:
    """Groups of passages, one of each to be shown, and the evidence about each group."""

    rows: tuple[tuple[int, ...], ...]  # the passage rows of each group
    nearness: tuple[np.ndarray, ...]  # (rows of the group, RETRIEVAL_FEATURES)
    features: np.ndarray  # (groups, FEATURES), NaN where a topic is unknown to the classifier
    question: np.ndarray  # (QUESTION_FEATURES,), zeros where there is no classifier

    def __len__(self) -> int:
        return len(self.rows)


def search(index: Index, query: Query, k: int) -> list[Hit]:
    """Return at most k hits, one passage of each group, best first, ties by passage id."""
    ranker = index.ranker if query.vector is not None else index.word_ranker
    assert ranker is not None
    with stage(SEARCH):
        candidates = gather(index, query, depth=max(DEPTH, k))
    with stage(RANK):
        scores = ranker.probabilities(candidates.features, candidates.question)
    shown = [index.passages[row] for row in _shown(index, ranker, candidates)]
    order = sorted(range(len(candidates)), key=lambda i: (-scores[i], shown[i].id))[:k]
    return [Hit(shown[i], float(scores[i]), _named(candidates.features[i])) for i in order]


def gather(
    index: Index,
    query: Query,
    held: HeldOut | None = None,
    depth: int = DEPTH,
) -> Candidates:
    """Return the candidates of a query and the evidence about them.

    What only a vector can say is zero for all of them where the query has none.

    Args:
        held: the held-out question that the query is; its evidence is then what it would be if
            the index had never seen that question.
        depth: how many rows each list contributes.
    """
    topics, about = _question_evidence(index, query, held)
    sparse = held.sparse if held else index.sparse(query.segments)
    chosen = {int(row) for row in best(sparse.bm25, depth) if sparse.bm25[row] > 0}
    if query.vector is not None:
        chosen |= {row for row, _ in index.nearest(query.vector, depth)}
    likely = sorted(topics, key=lambda topic: (-topics[topic][0], topic))[:TOPIC_DEPTH]
    # A topic is judged as a whole, its lead included; a plain file by the passages found in it.
    likely += [index.passages[row].topic for row in chosen if index.passages[row].topic in topics]
    chosen |= {row for topic in likely for row in index.rows_of_topic[topic]}
    rows = sorted(chosen)
    lexical = (sparse.bm25[rows], sparse.word_share[rows], sparse.gram_share[rows])
    cosines: Float = np.zeros(len(rows), np.float32)
    if query.vector is not None:
        cosines = index.cosines(query.vector, rows)
    evidence = np.stack([cosines, *lexical], axis=1, dtype=np.float64)
    groups: dict[str, list[int]] = {}
    for place, row in enumerate(rows):
        groups.setdefault(index.passages[row].group, []).append(place)
    members = tuple(tuple(rows[place] for place in places) for places in groups.values())
    starts = list(accumulate(map(len, members), initial=0))
    evidence = evidence[[place for places in groups.values() for place in places]]
    unknown = (np.nan,) * len(TOPIC_FEATURES)
    known = [topics.get(index.passages[group[0]].topic, unknown) for group in members]
    highest = np.maximum.reduceat(evidence, starts[:-1]) if members else evidence
    return Candidates(
        members,
        tuple(evidence[start:end] for start, end in pairwise(starts)),
        np.hstack([highest, np.array(known).reshape(len(members), len(TOPIC_FEATURES))]),
        np.array(about, np.float64),
    )


def _question_evidence(
    index: Index, query: Query, held: HeldOut | None
) -> tuple[dict[str, tuple[float, ...]], tuple[float, ...]]:
    """Return the TOPIC_FEATURES of each topic that the classifier knows, and QUESTION_FEATURES."""
    classifier, wording = index.classifier, index.wording
    if classifier is None or wording is None:
        return {}, (0.0,) * len(QUESTION_FEATURES)
    if held is None:
        scores = classifier.scores(query.segments, query.vector)
        worded = wording.scores(query.segments, None)
        similar = index.similar_questions(query.segments, QUESTION_DEPTH)
    else:
        scores = held.word_scores if query.vector is None else held.scores
        worded, similar = held.wording, _pairs(held.similar)
    known, off_topic = _scored(classifier.classes, scores)
    by_words, off_topic_wording = _scored(wording.classes, worded)
    nearest: Pairs = []
    if query.vector is not None:
        nearest = (
            _pairs(held.nearest) if held else index.nearest_questions(query.vector, QUESTION_DEPTH)
        )
    alike = _of_each([(index.question_topics[row], cosine) for row, cosine in nearest], index)
    written = _of_each(
        [(classifier.classes[classifier.labels[place]], found) for place, found in similar], index
    )
    evidence: dict[str, tuple[float, ...]] = {
        topic: (*pair, *by_words[topic], alike[topic], written[topic])
        for topic, pair in known.items()
    }
    unknown = classifier.unknown_words(query.segments)
    nothing = (off_topic, off_topic_wording, unknown, alike[OFF_TOPIC], written[OFF_TOPIC])
    return evidence, nothing


def _pairs(rows: np.ndarray) -> Pairs:
    return [(int(row), similarity) for row, similarity in rows.tolist()]


def _scored(classes: Sequence[str], scores: Float) -> tuple[dict[str, tuple[float, float]], float]:
    """Return each topic's score and its lead over the best other one, and "off topic"'s score."""
    known = dict(zip(classes, scores.tolist(), strict=True))
    off_topic = known.pop(OFF_TOPIC, 0.0)
    first, second = [*sorted(known.values(), reverse=True), 0.0][:2]
    margins = {
        topic: (score, score - (second if score == first else first))
        for topic, score in known.items()
    }
    return margins, off_topic


def _of_each(nearest: Sequence[tuple[str, float]], index: Index) -> dict[str, float]:
    """Return, for every topic, the mean similarity of its NEAREST questions.

    Args:
        nearest: topics and similarities of the nearest questions, the nearest first. A question
            that is not among them is no nearer than the last of them.
    """
    found: dict[str, list[float]] = {}
    for topic, similarity in nearest:
        found.setdefault(topic, []).append(similarity)
    fill = [nearest[-1][1] if nearest else 0.0] * NEAREST
    means = dict.fromkeys((*index.topic, OFF_TOPIC), sum(fill) / NEAREST)
    for topic, similarities in found.items():
        means[topic] = sum([*similarities, *fill][:NEAREST]) / NEAREST
    return means


def _shown(index: Index, ranker: Ranker, candidates: Candidates) -> Iterator[int]:
    """Yield the row of the passage that is shown for each group: the nearest, or the lead."""
    weights = np.array(ranker.retrieval.weights)
    is_known = (~np.isnan(candidates.features).any(axis=1)).tolist()
    for rows, nearness, known in zip(candidates.rows, candidates.nearness, is_known, strict=True):
        first = index.rows_of_topic[index.passages[rows[0]].topic][0]
        if len(rows) == 1:
            yield rows[0]
            continue
        logits = nearness @ weights
        if rows[0] == first and known:
            logits[0] += LEAD_ADVANTAGE
        yield rows[int(np.argmax(logits))]


def _named(features: np.ndarray) -> dict[str, float]:
    named = zip(FEATURES, features.tolist(), strict=True)
    return {name: value for name, value in named if not isnan(value)}
