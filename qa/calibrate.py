"""Learn a build's ranker from the questions that it holds."""

from __future__ import annotations

import numpy as np

from qa.corpus import OFF_TOPIC
from qa.index import Index
from qa.index.build import TrainingSet
from qa.rank import DEFAULT_RANKER, RETRIEVAL_FEATURES, Ranker, fit_logistic
from qa.search import Candidates, Query, gather

# Enough questions for ten weights, few enough for a rebuild of seconds.
MOST_QUESTIONS = 2500
# Training questions are stranger than people's, and each has one right topic where people would
# accept two: the log-odds that they teach are too low. Platt's correction and the confidence from
# which an answer is given, with and without reserve, were chosen on the dev fold of the judged
# questions (docs/evaluation.md, "Confidence").
SLOPE, OFFSET = 1.08, 1.95
ANSWERED, UNCERTAIN = 0.7, 0.34


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
    gathered = [_candidates(index, training, place) for place in places]
    features = np.concatenate([candidates.features for candidates in gathered])
    topics = [[index.passages[rows[0]].topic for rows in found.rows] for found in gathered]
    labels = [
        topic == training.labels[place]
        for place, found in zip(places, topics, strict=True)
        for topic in found
    ]
    known = ~np.isnan(features).any(axis=1)
    right = np.array(labels)[known]
    retrieval = fit_logistic(features[known, : len(RETRIEVAL_FEATURES)], right)
    topic = fit_logistic(features[known], right)
    return Ranker(
        retrieval.calibrated(SLOPE, OFFSET), topic.calibrated(SLOPE, OFFSET), ANSWERED, UNCERTAIN
    )


def _unseen(training: TrainingSet) -> list[int]:
    """Return the places of questions that the encoder was not trained on.

    An encoder that was trained on every answerable question leaves nothing to judge it by: all
    questions count then, and confidence is too high.
    """
    unseen = [place for place, seen in enumerate(training.seen) if not seen]
    if any(training.labels[place] != OFF_TOPIC for place in unseen):
        return unseen
    return list(range(len(training.labels)))


def _candidates(index: Index, training: TrainingSet, place: int) -> Candidates:
    query = Query(training.segments[place], training.vectors[place])
    return gather(index, query, (training, place))
