"""Learn a build's ranker from the questions that it holds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from qa.index import Index
from qa.index.build import HeldOut
from qa.rank import (
    DEFAULT_CHOICE,
    DEFAULT_RANKER,
    RETRIEVAL_FEATURES,
    Judged,
    Ranker,
    fit_choice,
    fit_logistic,
)
from qa.search import Query, gather

# Fewer cannot teach thirteen weights: those that the shipped corpus taught serve.
FEWEST_QUESTIONS = 200
# Training questions are stranger than people's, and each has one right topic where people would
# accept two: the log-odds that they teach are too low. Platt's correction and the confidence from
# which an answer is given, with and without reserve, were chosen on the dev fold of the judged
# questions (docs/evaluation.md, "Confidence").
SLOPE, OFFSET = 1.20, 1.06
RETRIEVAL = 1.14, 2.06  # the same of the model that judges by retrieval alone
ANSWERED, UNCERTAIN = 0.7, 0.35


def fit(index: Index) -> Ranker:
    """Return the ranker of a new build.

    Every held-out question is judged as if it were not in the index. Where no document has
    question variants there is nothing to learn from, and ``DEFAULT_RANKER`` serves.
    """
    if index.classifier is None:
        return DEFAULT_RANKER
    if len(index.held_out) < FEWEST_QUESTIONS:
        choice = replace(DEFAULT_CHOICE, slope=SLOPE, offset=OFFSET)
        return Ranker(DEFAULT_RANKER.retrieval, choice, ANSWERED, UNCERTAIN)
    judged = [_judged(index, held) for held in index.held_out]
    features = np.concatenate([one.features for one in judged])
    right = [i == one.right for one in judged for i in range(len(one.features))]
    retrieval = fit_logistic(features[:, : len(RETRIEVAL_FEATURES)], right)
    choice = replace(fit_choice(judged), slope=SLOPE, offset=OFFSET)
    return Ranker(retrieval.calibrated(*RETRIEVAL), choice, ANSWERED, UNCERTAIN)


def _judged(index: Index, held: HeldOut) -> Judged:
    """Return the candidates of a held-out question that the classifier knows."""
    found = gather(index, Query(held.segments, held.vector), held)
    known = ~np.isnan(found.features).any(axis=1)
    topics = [index.passages[rows[0]].topic for rows in found.rows]
    kept = [topic for topic, is_known in zip(topics, known, strict=True) if is_known]
    right = kept.index(held.label) if held.label in kept else None
    return Judged(found.features[known], found.question, right)
