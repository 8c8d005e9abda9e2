"""From evidence to probability, and back from JSON."""

import json

import numpy as np
import pytest

from qa.rank import (
    DEFAULT_RANKER,
    FEATURES,
    RETRIEVAL_FEATURES,
    TOPIC_FEATURES,
    Logistic,
    Ranker,
    fit_logistic,
)

TWO = Logistic((1.0, -2.0), 0.5)


def test_logistic_worked_by_hand():
    # Logits 0.5, 0 and ln 3: e^0.5 / (1 + e^0.5) = 0.62246, 1/2, 3/4.
    rows = np.array([[0, 0], [1.5, 1], [np.log(3) - 0.5, 0]])
    np.testing.assert_allclose(TWO.probabilities(rows), [0.62246, 0.5, 0.75], atol=1e-5)


def test_no_rows_give_no_probabilities():
    assert TWO.probabilities(np.zeros((0, 2))).shape == (0,)


@pytest.mark.parametrize(("value", "expected"), [(1e308, 1), (-1e308, 0)])
def test_extreme_evidence_stays_a_probability(value, expected):
    (chance,) = TWO.probabilities(np.array([[value, 0]]))
    assert 0 < chance < 1
    assert chance == pytest.approx(expected, abs=1e-12)


def test_candidates_of_unknown_topics_are_judged_by_retrieval_alone():
    # Each model reads its last feature only: logits ln 3, ln 3 and 0 give 3/4, 3/4 and 1/2.
    retrieval = Logistic((*[0.0] * (len(RETRIEVAL_FEATURES) - 1), 1.0), 0.0)
    topic = Logistic((*[0.0] * (len(FEATURES) - 1), 1.0), 0.0)
    rows = np.full((3, len(FEATURES)), 9.0)
    rows[[0, 2], len(RETRIEVAL_FEATURES) :] = np.nan
    rows[[0, 2], len(RETRIEVAL_FEATURES) - 1] = [np.log(3), 0]
    rows[1, -1] = np.log(3)
    both = Ranker(retrieval, topic, answered=0.6, uncertain=0.1)
    np.testing.assert_allclose(both.probabilities(rows), [0.75, 0.75, 0.5])
    alone = Ranker(retrieval, None, answered=0.6, uncertain=0.1)
    np.testing.assert_allclose(alone.probabilities(rows)[[0, 2]], [0.75, 0.5])


@pytest.mark.parametrize(
    ("confidence", "status"),
    [
        (1, "answered"),
        (0.6, "answered"),
        (0.5999, "uncertain"),
        (0.1, "uncertain"),
        (0.0999, "unanswered"),
        (0, "unanswered"),
    ],
)
def test_status_from_its_threshold_upwards(confidence, status):
    assert Ranker(TWO, None, answered=0.6, uncertain=0.1).status(confidence) == status


def test_equal_thresholds_leave_nothing_uncertain():
    ranker = Ranker(TWO, None, answered=0.6, uncertain=0.6)
    assert [ranker.status(confidence) for confidence in (0.6, 0.59)] == ["answered", "unanswered"]


@pytest.mark.parametrize("topic", [None, TWO], ids=["retrieval-only", "both"])
def test_ranker_comes_back_from_json(topic):
    ranker = Ranker(Logistic((0.1 + 0.2,), -1 / 3), topic, answered=0.6, uncertain=0.123)
    again = Ranker.from_json(json.loads(json.dumps(ranker.to_json())))
    assert again == ranker
    assert hash(again) == hash(ranker)  # tuples again, not lists


def test_json_is_plain():
    assert Ranker(TWO, None, answered=0.6, uncertain=0.1).to_json() == {
        "retrieval": {"weights": (1.0, -2.0), "bias": 0.5},
        "topic": None,
        "answered": 0.6,
        "uncertain": 0.1,
    }


def test_fitted_model_tells_the_labels_apart():
    rows = np.array([[0.1, 5], [0.2, 3], [0.8, 4], [0.9, 4]])
    model = fit_logistic(rows, [False, False, True, True])
    low, lower_middle, upper_middle, high = model.probabilities(rows)
    assert low < lower_middle < 0.5 < upper_middle < high
    assert model.weights[0] > abs(model.weights[1])
    assert {type(number) for number in (*model.weights, model.bias)} == {float}


def test_fitting_twice_gives_the_same_model():
    rows = np.random.default_rng(0).normal(size=(50, 3))
    labels = list(rows[:, 0] + rows[:, 1] / 2 > 0)
    assert fit_logistic(rows, labels) == fit_logistic(rows, labels)


def test_topics_are_judged_by_all_that_retrieval_knows_and_more():
    assert FEATURES == RETRIEVAL_FEATURES + TOPIC_FEATURES
    assert len(set(FEATURES)) == len(FEATURES)
    assert "cosine" in RETRIEVAL_FEATURES
    assert {"topic", "off_topic"} <= set(TOPIC_FEATURES)


def test_default_ranker_serves_text_without_question_variants():
    assert DEFAULT_RANKER.topic is None
    assert len(DEFAULT_RANKER.retrieval.weights) == len(RETRIEVAL_FEATURES)
    assert 0 < DEFAULT_RANKER.uncertain < DEFAULT_RANKER.answered < 1
