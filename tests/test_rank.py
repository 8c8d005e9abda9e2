"""From evidence to probability, and back from JSON."""

import json
from dataclasses import replace

import numpy as np
import pytest

from qa.rank import (
    DEFAULT_RANKER,
    FEATURES,
    QUESTION_FEATURES,
    RETRIEVAL_FEATURES,
    TOPIC_FEATURES,
    Choice,
    Judged,
    Logistic,
    Ranker,
    fit_choice,
    fit_logistic,
)

TWO = Logistic((1.0, -2.0), 0.5)
# Reads the last feature of a candidate and the first of the question; without evidence for any
# candidate, "none" is twice as likely as each.
LAST = Choice(
    weights=(*[0.0] * (len(FEATURES) - 1), 1.0),
    none=(1.0, *[0.0] * (len(QUESTION_FEATURES) - 1)),
    bias=float(np.log(2)),
)
ON_TOPIC = np.zeros(len(QUESTION_FEATURES))


def candidates(*last: float) -> np.ndarray:
    """Return candidates whose last feature is as given, all others zero."""
    rows = np.zeros((len(last), len(FEATURES)))
    rows[:, -1] = last
    return rows


def judged(n: int) -> list[Judged]:
    """Return training questions: the candidate with the highest last feature answers, if any does.

    Every third is off-topic, which its first question feature says.
    """
    random = np.random.default_rng(0)
    found = []
    for i in range(n):
        features = random.normal(size=(4, len(FEATURES)))
        question = random.normal(size=len(QUESTION_FEATURES)) / 10
        question[0] += 2.0 * (i % 3 == 0)
        right = None if i % 3 == 0 else int(features[:, -1].argmax())
        found.append(Judged(features, question, right))
    return found


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


def test_choice_worked_by_hand():
    # Candidates weigh 2 and 4, "none" weighs 2: 2/8 and 4/8.
    chances = LAST.probabilities(candidates(np.log(2), np.log(4)), ON_TOPIC)
    np.testing.assert_allclose(chances, [1 / 4, 1 / 2])


def test_what_speaks_for_none_takes_from_every_candidate():
    # "None" weighs 2 · 5: 2/16 and 4/16.
    question = np.array([np.log(5), *ON_TOPIC[1:]])
    chances = LAST.probabilities(candidates(np.log(2), np.log(4)), question)
    np.testing.assert_allclose(chances, [1 / 8, 1 / 4])


def test_slope_and_offset_correct_log_odds_worked_by_hand():
    # Odds 1/3 and 1 become 3 · (1/3)² = 1/3 and 3 · 1² = 3: probabilities 1/4 and 3/4.
    corrected = replace(LAST, slope=2.0, offset=float(np.log(3)))
    chances = corrected.probabilities(candidates(np.log(2), np.log(4)), ON_TOPIC)
    np.testing.assert_allclose(chances, [1 / 4, 3 / 4])


def test_candidates_of_a_question_compete():
    alone = LAST.probabilities(candidates(np.log(2)), ON_TOPIC)
    beside = LAST.probabilities(candidates(np.log(2), np.log(4)), ON_TOPIC)
    np.testing.assert_allclose(alone, [1 / 2])
    assert beside[0] < alone[0]


@pytest.mark.parametrize("value", [1e300, -1e300])
def test_extreme_evidence_for_a_candidate_stays_a_probability(value):
    chances = LAST.probabilities(candidates(value, 0.0), ON_TOPIC)
    assert np.isfinite(chances).all()
    assert (chances > 0).all()
    assert (chances < 1).all()
    assert (chances[0] > chances[1]) == (value > 0)


def test_candidates_of_unknown_topics_are_judged_by_retrieval_alone():
    # The logistic model reads the last of its features only: ln 3 and 0 give 3/4 and 1/2. The
    # one candidate left weighs 2 and "none" 2: 1/2.
    retrieval = Logistic((*[0.0] * (len(RETRIEVAL_FEATURES) - 1), 1.0), 0.0)
    rows = np.full((3, len(FEATURES)), 9.0)
    rows[[0, 2], len(RETRIEVAL_FEATURES) :] = np.nan
    rows[[0, 2], len(RETRIEVAL_FEATURES) - 1] = [np.log(3), 0]
    rows[1, -1] = np.log(2)
    both = Ranker(retrieval, LAST, answered=0.6, uncertain=0.1)
    np.testing.assert_allclose(both.probabilities(rows, ON_TOPIC), [0.75, 0.5, 0.5])
    alone = Ranker(retrieval, None, answered=0.6, uncertain=0.1)
    np.testing.assert_allclose(alone.probabilities(rows, ON_TOPIC)[[0, 2]], [0.75, 0.5])


def test_a_ranker_without_any_candidate_has_no_probability():
    ranker = Ranker(DEFAULT_RANKER.retrieval, LAST, answered=0.6, uncertain=0.1)
    assert ranker.probabilities(candidates(), ON_TOPIC).shape == (0,)


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


@pytest.mark.parametrize("topic", [None, LAST], ids=["retrieval-only", "both"])
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


def test_json_of_a_choice_has_its_correction():
    topic = replace(LAST, slope=1.5, offset=-0.5)
    data = Ranker(TWO, topic, answered=0.6, uncertain=0.1).to_json()["topic"]
    assert list(data) == ["weights", "none", "bias", "slope", "offset"]
    assert (data["slope"], data["offset"]) == (1.5, -0.5)


def test_fitted_choice_picks_the_candidate_that_answers():
    questions = judged(90)
    choice = fit_choice(questions)
    assert (len(choice.weights), len(choice.none)) == (len(FEATURES), len(QUESTION_FEATURES))
    for one in questions:
        chances = choice.probabilities(one.features, one.question)
        if one.right is None:
            assert chances.sum() < 0.5
        else:
            assert chances.argmax() == one.right
    assert choice.weights[-1] == max(map(abs, choice.weights))
    spread = np.std([one.question for one in questions], axis=0)
    assert np.abs(choice.none * spread).argmax() == 0
    numbers = (*choice.weights, *choice.none, choice.bias, choice.slope, choice.offset)
    assert {type(number) for number in numbers} == {float}


def test_questions_may_have_different_numbers_of_candidates():
    one, two, three = judged(3)
    few = Judged(two.features[[two.right]], two.question, 0)
    none = Judged(np.zeros((0, len(FEATURES))), one.question, None)
    choice = fit_choice([none, few, three])
    assert np.isfinite((*choice.weights, *choice.none, choice.bias)).all()


def test_fitting_a_choice_twice_gives_the_same_model():
    assert fit_choice(judged(30)) == fit_choice(judged(30))


def test_features_of_a_candidate_and_of_a_question_are_named_once():
    assert FEATURES == RETRIEVAL_FEATURES + TOPIC_FEATURES
    names = FEATURES + QUESTION_FEATURES
    assert len(set(names)) == len(names)
    assert "cosine" in RETRIEVAL_FEATURES
    assert "topic" in TOPIC_FEATURES
    assert "off_topic" in QUESTION_FEATURES


def test_default_ranker_serves_text_without_question_variants():
    assert DEFAULT_RANKER.topic is None
    assert len(DEFAULT_RANKER.retrieval.weights) == len(RETRIEVAL_FEATURES)
    assert 0 < DEFAULT_RANKER.uncertain < DEFAULT_RANKER.answered < 1
