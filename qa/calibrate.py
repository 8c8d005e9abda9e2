"""Learn a build's ranker from the questions that it holds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from qa.corpus import OFF_TOPIC
from qa.index import Index
from qa.index.build import TrainingSet
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

# Enough questions for ten weights, few enough for a rebuild of seconds.
MOST_QUESTIONS = 2500
# Fewer cannot teach thirteen weights: those that the shipped corpus taught serve.
FEWEST_QUESTIONS = 200
# Training questions are stranger than people's, and each has one right topic where people would
# accept two: the log-odds that they teach are too low. Platt's correction and the confidence from
# which an answer is given, with and without reserve, were chosen on the dev fold of the judged
# questions (docs/evaluation.md, "Confidence").
SLOPE, OFFSET = 1.08, 1.61
RETRIEVAL = 1.14, 2.06  # the same of the model that judges by retrieval alone
ANSWERED, UNCERTAIN = 0.7, 0.45


def fit(index: Index) -> Ranker:
    """Return the ranker of a new build.

    Every training question is judged as if it were not in the index, and only those that the
    encoder was not trained on count: it knows its own too well. Where no document has question
    variants there is nothing to learn from, and ``DEFAULT_RANKER`` serves.
    """
    training = index.training
    if training is None:
        return DEFAULT_RANKER
    unseen = _unseen(training)
    places = unseen[:: -(-len(unseen) // MOST_QUESTIONS)]
    if len(places) < FEWEST_QUESTIONS:
        choice = replace(DEFAULT_CHOICE, slope=SLOPE, offset=OFFSET)
        return Ranker(DEFAULT_RANKER.retrieval, choice, ANSWERED, UNCERTAIN)
    judged = [_judged(index, training, place) for place in places]
    features = np.concatenate([one.features for one in judged])
    right = [i == one.right for one in judged for i in range(len(one.features))]
    retrieval = fit_logistic(features[:, : len(RETRIEVAL_FEATURES)], right)
    choice = replace(fit_choice(judged), slope=SLOPE, offset=OFFSET)
    return Ranker(retrieval.calibrated(*RETRIEVAL), choice, ANSWERED, UNCERTAIN)


def _unseen(training: TrainingSet) -> list[int]:
    """Return the places of questions that the encoder was not trained on.

    An encoder that was trained on every answerable question leaves nothing to judge it by: all
    questions count then, and confidence is too high.
    """
    unseen = [place for place, seen in enumerate(training.seen) if not seen]
    if any(training.labels[place] != OFF_TOPIC for place in unseen):
        return unseen
    return list(range(len(training.labels)))


def _judged(index: Index, training: TrainingSet, place: int) -> Judged:
    """Return the candidates of a training question that the classifier knows."""
    query = Query(training.segments[place], training.vectors[place])
    found = gather(index, query, (training, place))
    known = ~np.isnan(found.features).any(axis=1)
    topics = [index.passages[rows[0]].topic for rows in found.rows]
    kept = [topic for topic, is_known in zip(topics, known, strict=True) if is_known]
    label = training.labels[place]
    right = kept.index(label) if label in kept else None
    return Judged(found.features[known], found.question, right)
