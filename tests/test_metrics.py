"""Every measure on cases worked by hand, and against slow definitions."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qa.evaluate import metrics

shares = st.floats(0, 1, width=32)
labelled = st.lists(st.tuples(shares, st.booleans()), min_size=1, max_size=60)
topics = st.lists(st.sampled_from("abcdefghijklmnop"), unique=True, max_size=16)


def test_the_measures_of_one_ranking_worked_by_hand():
    found = metrics.measures(["x", "a", "y", "b"], {"a", "b", "c"}, 30)
    assert found["hit@1"] == 0
    assert found["hit@3"] == 1
    assert found["recall@5"] == found["recall@30"] == pytest.approx(2 / 3)
    assert found["MRR@10"] == 1 / 2
    best = 1 + 1 / math.log2(3) + 1 / 2
    assert found["nDCG@10"] == pytest.approx((1 / math.log2(3) + 1 / math.log2(5)) / best)


def test_what_lies_deeper_than_a_measure_looks_counts_for_nothing():
    found = metrics.measures([*map(str, range(10)), "a"], {"a"}, 30)
    assert (found["hit@3"], found["MRR@10"], found["nDCG@10"], found["recall@10"]) == (0, 0, 0, 0)
    assert found["recall@30"] == 1


def test_recall_is_measured_no_deeper_than_rankings_go():
    assert "recall@100" not in metrics.measures([], {"a"}, 30)
    ranking = [*map(str, range(99)), "a", "b"]
    assert metrics.measures(ranking, {"a", "b"}, 100)["recall@100"] == 1 / 2


def test_more_relevant_topics_than_ten_can_be_ranked_perfectly():
    relevant = [str(i) for i in range(12)]
    assert metrics.measures(relevant, set(relevant), 30)["nDCG@10"] == pytest.approx(1)


@given(topics, st.sets(st.sampled_from("abcdefghijklmnop"), min_size=1))
def test_every_measure_is_a_share_and_deeper_recall_is_no_smaller(ranking, relevant):
    found = metrics.measures(ranking, relevant, 100)
    assert all(0 <= value <= 1 + 1e-12 for value in found.values())
    recalls = [found[f"recall@{k}"] for k in metrics.RECALL]
    assert recalls == sorted(recalls)
    assert found["hit@1"] <= found["hit@3"]


def test_auroc_worked_by_hand():
    # 0.9 beats both, 0.5 beats one and ties with the other: 3½ of four pairs.
    assert metrics.auroc(np.array([0.9, 0.5]), np.array([0.5, 0.1])) == 3.5 / 4


@given(st.lists(shares, min_size=1, max_size=20), st.lists(shares, min_size=1, max_size=20))
def test_auroc_is_the_share_of_pairs_in_order(positive, negative):
    pairs = [(p > n) + (p == n) / 2 for p in positive for n in negative]
    found = metrics.auroc(np.array(positive), np.array(negative))
    assert found == pytest.approx(sum(pairs) / len(pairs))
    assert metrics.auroc(np.array(negative), np.array(positive)) == pytest.approx(1 - found)


def test_calibration_worked_by_hand():
    confidence = np.array([0.85, 0.9, 0.3, 0.0])
    right = np.array([True, False, True, False])
    # 0.85 and 0.9 share a bin: said 0.875, half were right. 0.3 lies in (0.2, 0.3].
    bins = metrics.reliability(confidence, right)
    assert [bin.n for bin in bins] == [1, 0, 1, 0, 0, 0, 0, 0, 2, 0]
    assert (bins[8].confidence, bins[8].right) == (pytest.approx(0.875), 0.5)
    error = metrics.calibration_error(confidence, right)
    assert error == pytest.approx(0.375 * 2 / 4 + 0.7 / 4)


@given(labelled)
def test_calibration_error_is_the_weighted_gap_of_the_bins(pairs):
    confidence, right = np.array([p[0] for p in pairs]), np.array([p[1] for p in pairs])
    bins = metrics.reliability(confidence, right)
    assert sum(bin.n for bin in bins) == len(pairs)
    gaps = sum(bin.n * abs(bin.right - bin.confidence) for bin in bins) / len(pairs)
    assert metrics.calibration_error(confidence, right) == pytest.approx(gaps)
    for bin in bins:
        assert bin.n == 0 or bin.low - 1e-6 <= bin.confidence <= bin.high + 1e-6


@settings(deadline=None)
@given(st.lists(shares, min_size=1, max_size=40))
def test_an_interval_contains_the_mean_and_stays_among_the_values(values):
    found = metrics.mean_estimate(values)
    assert found.value == pytest.approx(sum(values) / len(values))
    assert min(values) - 1e-9 <= found.low <= found.value + 1e-9
    assert found.value - 1e-9 <= found.high <= max(values) + 1e-9


def test_an_interval_is_that_of_the_normal_approximation_for_many_questions():
    values = [1.0] * 400 + [0.0] * 100
    found = metrics.mean_estimate(values)
    half = 1.96 * math.sqrt(0.8 * 0.2 / 500)
    assert (found.low, found.high) == pytest.approx((0.8 - half, 0.8 + half), abs=0.004)


def test_intervals_are_the_same_in_every_run():
    metrics._resamples.cache_clear()
    first = metrics.mean_estimate([0.1, 0.9, 0.4])
    metrics._resamples.cache_clear()
    assert metrics.mean_estimate([0.1, 0.9, 0.4]) == first


def test_resamples_in_several_parts_draw_every_question_alike(monkeypatch):
    metrics._resamples.cache_clear()
    monkeypatch.setattr(metrics, "_AT_ONCE", 1000)
    parts = metrics._resamples(10, 0)
    assert [len(part) for part in parts] == [100] * 20
    assert all(part.sum(axis=1) == pytest.approx(np.ones(len(part))) for part in parts)
    assert sum(part.sum(axis=0) for part in parts) == pytest.approx(np.full(10, 200), rel=0.1)
    metrics._resamples.cache_clear()


@settings(deadline=None)
@given(labelled)
def test_auroc_and_calibration_intervals_are_ordered_shares(pairs):
    confidence, right = np.array([p[0] for p in pairs]), np.array([p[1] for p in pairs])
    auroc = metrics.auroc_estimate(confidence[right], confidence[~right])
    assert (auroc.value is None) == (right.all() or not right.any())
    for found in (auroc, metrics.calibration_estimate(confidence, right)):
        if found.value is not None:
            assert 0 <= found.low <= found.high <= 1 + 1e-9


def test_scores_apart_have_an_auroc_of_one_whatever_is_drawn():
    found = metrics.auroc_estimate(np.array([0.8, 0.9]), np.array([0.1, 0.2, 0.3]))
    assert (found.n, found.value) == (5, 1)
    assert (found.low, found.high) == pytest.approx((1, 1))


def test_nothing_to_measure_is_none_and_not_zero():
    nothing = np.array([])
    assert metrics.mean_estimate([]).to_json() == {"n": 0, "value": None, "low": None, "high": None}
    assert metrics.auroc_estimate(nothing, np.array([0.5])).value is None
    assert metrics.calibration_estimate(nothing, nothing.astype(bool)).value is None
