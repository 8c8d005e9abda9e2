"""Learn a build's ranker from the questions that it holds."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from qa.index import Index
from qa.index.build import HeldOut
from qa.rank import (
    DEFAULT_CHOICE,
    DEFAULT_RANKER,
    DEFAULT_WORD_CHOICE,
    DEFAULT_WORD_RANKER,
    NEVER,
    RETRIEVAL_FEATURES,
    Choice,
    Judged,
    Ranker,
    fit_choice,
    fit_logistic,
)
from qa.search import Query, gather

# Fewer cannot teach sixteen weights: those that the shipped corpus taught serve.
FEWEST_QUESTIONS = 200
# Training questions are stranger than people's, and each has one right topic where people would
# accept two: the log-odds that they teach are too low. Platt's correction and the confidence from
# which an answer is given, with and without reserve, were chosen on the dev fold of the judged
# questions (docs/evaluation.md, "Confidence").
SLOPE, OFFSET = 1.20, 1.06
RETRIEVAL = 1.14, 2.06  # the same of the model that judges by retrieval alone
ANSWERED, UNCERTAIN = 0.7, 0.37
# The same of questions without a vector (docs/evaluation.md, "By words alone"). What is found for
# them is a stopgap, and never said to answer.
WORD_SLOPE, WORD_OFFSET = 1.02, 1.33
WORD_RETRIEVAL = 1.79, 2.65


@dataclass(frozen=True, slots=True)
class _Chosen:
    """What is not learned from a build, for questions with or without a vector."""

    default: Ranker  # serves where there is nothing to learn from
    choice: Choice  # serves where there is too little
    platt: tuple[float, float]
    retrieval: tuple[float, float]
    answered: float


_ALL = _Chosen(DEFAULT_RANKER, DEFAULT_CHOICE, (SLOPE, OFFSET), RETRIEVAL, ANSWERED)
_WORDS = _Chosen(
    DEFAULT_WORD_RANKER, DEFAULT_WORD_CHOICE, (WORD_SLOPE, WORD_OFFSET), WORD_RETRIEVAL, NEVER
)


def fit(index: Index, *, by_words: bool = False) -> Ranker:
    """Return a ranker of a new build.

    Every held-out question is judged as if it were not in the index. Where no document has
    question variants there is nothing to learn from, and ``DEFAULT_RANKER`` serves, or
    ``DEFAULT_WORD_RANKER``.

    Args:
        by_words: for questions without a vector.
    """
    chosen = _WORDS if by_words else _ALL
    if index.classifier is None:
        return chosen.default
    slope, offset = chosen.platt
    if len(index.held_out) < FEWEST_QUESTIONS:
        choice = replace(chosen.choice, slope=slope, offset=offset)
        return Ranker(chosen.default.retrieval, choice, chosen.answered, UNCERTAIN)
    judged = [_judged(index, held, by_words) for held in index.held_out]
    features = np.concatenate([one.features for one in judged])
    right = [i == one.right for one in judged for i in range(len(one.features))]
    retrieval = fit_logistic(features[:, : len(RETRIEVAL_FEATURES)], right)
    choice = replace(fit_choice(judged), slope=slope, offset=offset)
    return Ranker(retrieval.calibrated(*chosen.retrieval), choice, chosen.answered, UNCERTAIN)


def _judged(index: Index, held: HeldOut, by_words: bool = False) -> Judged:
    """Return the candidates of a held-out question that the classifier knows."""
    found = gather(index, Query(held.segments, None if by_words else held.vector), held)
    known = ~np.isnan(found.features).any(axis=1)
    topics = [index.passages[rows[0]].topic for rows in found.rows]
    kept = [topic for topic, is_known in zip(topics, known, strict=True) if is_known]
    right = kept.index(held.label) if held.label in kept else None
    return Judged(found.features[known], found.question, right)
