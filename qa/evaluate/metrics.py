"""The measures and their intervals, in numpy alone.

Rankings list topics, best first. A question's measures lie in [0, 1], and the measure of a system
is their mean over the questions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import numpy as np

DEPTH = 10  # of MRR and nDCG
RECALL = (5, 10, 30, 100)
RESAMPLES = 2000
COVERED = 0.95
BINS = 10
SEED = 20261124
# A resample holds each question as often as it was drawn; this many numbers fill 8 MB.
_AT_ONCE = 1_000_000

Float = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
Bool = np.ndarray[tuple[int, ...], np.dtype[np.bool_]]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A measure over n questions and its 95 % interval; None where there is nothing to measure."""

    n: int
    value: float | None
    low: float | None = None
    high: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain data, rounded to four decimals."""
        rounded = {
            name: None if number is None else round(number, 4)
            for name, number in (("value", self.value), ("low", self.low), ("high", self.high))
        }
        return {"n": self.n, **rounded}


@dataclass(frozen=True, slots=True)
class Bin:
    """The questions whose confidence lies in (low, high]."""

    low: float
    high: float
    n: int
    confidence: float  # mean; 0 where n is 0
    right: float  # share whose first passage is right; 0 where n is 0

    def to_json(self) -> dict[str, Any]:
        """Return plain data, rounded to four decimals."""
        return {name: round(value, 4) for name, value in asdict(self).items()}


def measures(ranking: Sequence[str], relevant: AbstractSet[str], depth: int) -> dict[str, float]:
    """Return every measure of one question's ranking.

    Args:
        ranking: distinct topics, best first; what lies below ``depth`` counts for nothing.
        relevant: at least one topic.
        depth: how long a ranking can be; recall deeper than that is not measured.
    """
    places = [i for i, topic in enumerate(ranking[:depth], 1) if topic in relevant]
    recalls = {f"recall@{k}": recall(places, k, len(relevant)) for k in RECALL if k <= depth}
    return {
        "hit@1": hit(places, 1),
        "hit@3": hit(places, 3),
        **recalls,
        "MRR@10": reciprocal_rank(places),
        "nDCG@10": ndcg(places, len(relevant)),
    }


def hit(places: Sequence[int], k: int) -> float:
    """Return 1 if a relevant topic is among the first k, else 0.

    Also called success@k: Voorhees & Harman (eds.), TREC, MIT Press 2005.

    Args:
        places: 1-based ranks of the relevant topics, ascending; also in the functions below.
    """
    return float(bool(places) and places[0] <= k)


def recall(places: Sequence[int], k: int, relevant: int) -> float:
    """Return the share of the relevant topics that is among the first k.

    Manning, Raghavan & Schütze, Introduction to Information Retrieval, 2008, section 8.3.
    """
    return sum(place <= k for place in places) / relevant


def reciprocal_rank(places: Sequence[int]) -> float:
    """Return 1/rank of the first relevant topic, 0 below the tenth place.

    Voorhees, The TREC-8 Question Answering Track Report, 1999; the cut at ten as in MS MARCO.
    """
    return 1 / places[0] if places and places[0] <= DEPTH else 0.0


def ndcg(places: Sequence[int], relevant: int) -> float:
    """Return the discounted gain of the first ten over that of the best order, gain 1 or 0.

    Järvelin & Kekäläinen, Cumulated gain-based evaluation of IR techniques, ACM TOIS 20(4), 2002,
    with the discount 1/log2(rank + 1) of trec_eval.
    """
    gain = sum(1 / math.log2(place + 1) for place in places if place <= DEPTH)
    best = sum(1 / math.log2(place + 1) for place in range(1, min(relevant, DEPTH) + 1))
    return gain / best


def auroc(positive: Float, negative: Float) -> float:
    """Return the chance that a positive score is above a negative one; a tie counts half.

    The Mann-Whitney form: Hanley & McNeil, The meaning and use of the area under a receiver
    operating characteristic (ROC) curve, Radiology 143(1), 1982.
    """
    return float(_above(positive, negative).mean())


def reliability(confidence: Float, right: Bool) -> list[Bin]:
    """Return ten bins of equal width and how often their questions were answered rightly.

    DeGroot & Fienberg, The comparison and evaluation of forecasters, The Statistician 32, 1983.

    Args:
        confidence: in [0, 1], shape (n,).
        right: whether the first passage answers, shape (n,).
    """
    places = _bins(confidence)
    bins = []
    for i in range(BINS):
        inside = places == i
        n = int(inside.sum())
        means = (confidence[inside].mean(), right[inside].mean()) if n else (0.0, 0.0)
        bins.append(Bin(i / BINS, (i + 1) / BINS, n, float(means[0]), float(means[1])))
    return bins


def calibration_error(confidence: Float, right: Bool) -> float:
    """Return the expected calibration error: mean over questions of their bin's |right − said|.

    Ten bins of equal width, (low, high]: Guo, Pleiss, Sun & Weinberger, On calibration of modern
    neural networks, ICML 2017.
    """
    return float(np.abs(_gaps(confidence, right).mean(axis=0)).sum())


def mean_estimate(values: Float | Sequence[float] | Bool) -> Estimate:
    """Return the mean of a measure over questions, with its bootstrap interval."""
    return table_estimates({"": values})[""]


def table_estimates(columns: Mapping[str, Float | Sequence[float] | Bool]) -> dict[str, Estimate]:
    """Return the mean of each column of measures, all over the same questions.

    The interval is the percentile interval of the bootstrap over questions: Efron & Tibshirani,
    An Introduction to the Bootstrap, 1993, chapter 13; for search, Sakai, Evaluating evaluation
    metrics based on the bootstrap, SIGIR 2006. The resamples are the same in every run.
    """
    table = np.array([np.asarray(column, np.float64) for column in columns.values()]).T
    n = len(table)
    if not n:
        return {name: Estimate(0, None) for name in columns}
    drawn = np.concatenate([part @ table for part in _resamples(n, 0)])
    lows, highs = _interval(drawn)
    return {
        name: Estimate(n, float(mean), float(low), float(high))
        for name, mean, low, high in zip(columns, table.mean(axis=0), lows, highs, strict=True)
    }


def auroc_estimate(positive: Float, negative: Float) -> Estimate:
    """Return the AUROC; positive and negative questions are resampled apart."""
    n = len(positive) + len(negative)
    if not len(positive) or not len(negative):
        return Estimate(n, None)
    above = _above(positive, negative)
    by_positive = np.concatenate([part @ above for part in _resamples(len(positive), 0)])
    weights = np.concatenate(list(_resamples(len(negative), 1)))
    low, high = _interval((by_positive * weights).sum(axis=1))
    return Estimate(n, float(above.mean()), float(low), float(high))


def calibration_estimate(confidence: Float, right: Bool) -> Estimate:
    """Return the expected calibration error with its bootstrap interval.

    Chance gaps of a bin count as errors, more of them in a resample than in the questions
    themselves: of a small error the interval may lie above it.
    """
    if not len(confidence):
        return Estimate(0, None)
    gaps = _gaps(confidence, right)
    drawn = np.concatenate(
        [np.abs(part @ gaps).sum(axis=1) for part in _resamples(len(confidence), 0)]
    )
    low, high = _interval(drawn)
    return Estimate(len(confidence), calibration_error(confidence, right), float(low), float(high))


def _above(positive: Float, negative: Float) -> Float:
    """Return 1, ½ or 0 for each pair, shape (positive, negative)."""
    above: Float = (positive[:, None] > negative) + (positive[:, None] == negative) / 2
    return above


def _bins(confidence: Float) -> np.ndarray:
    return np.digitize(confidence, np.arange(1, BINS) / BINS, right=True)


def _gaps(confidence: Float, right: Bool) -> Float:
    """Return right − confidence of each question in the column of its bin, shape (n, BINS)."""
    gaps = np.zeros((len(confidence), BINS))
    gaps[np.arange(len(confidence)), _bins(confidence)] = right - confidence
    return gaps


@lru_cache(maxsize=8)
def _resamples(n: int, stream: int) -> tuple[Float, ...]:
    """Return each question's share of each resample, shape (RESAMPLES, n) in all, in parts.

    Args:
        stream: questions that are drawn apart take different ones.
    """
    generator = np.random.default_rng([SEED, stream])
    rows = max(_AT_ONCE // n, 1)
    parts = []
    for start in range(0, RESAMPLES, rows):
        size = min(rows, RESAMPLES - start)
        drawn = generator.integers(n, size=(size, n)) + np.arange(size)[:, None] * n
        parts.append(np.bincount(drawn.ravel(), minlength=size * n).reshape(size, n) / n)
    return tuple(parts)


def _interval(drawn: Float) -> np.ndarray:
    """Return the two ends of the middle 95 % of resampled measures, along the first axis."""
    tail = (1 - COVERED) / 2
    ends: np.ndarray = np.quantile(drawn, [tail, 1 - tail], axis=0)
    return ends
