"""From evidence about candidates to the probability that each answers the question.

Topics that the classifier knows compete with each other and with "none of them" in a conditional
logit (McFadden 1974, "Conditional logit analysis of qualitative choice behavior"); text that only
retrieval can judge (an operator's own files) is judged candidate by candidate by a logistic model.
Both give probabilities of the same thing, so that their candidates stand in one list. A question's
confidence is the probability of its best candidate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

Float = np.ndarray[tuple[int, ...], np.dtype[np.float64]]

# What retrieval alone can say of a passage, then what the topic's questions add.
RETRIEVAL_FEATURES = ("cosine", "bm25", "word_share", "gram_share")
TOPIC_FEATURES = (
    "topic",
    "margin",
    "wording",
    "wording_margin",
    "question_cosine",
    "question_grams",
)
FEATURES = (*RETRIEVAL_FEATURES, *TOPIC_FEATURES)
# What speaks for "none of them", whatever the candidate.
QUESTION_FEATURES = (
    "off_topic",
    "off_topic_wording",
    "unknown_words",
    "off_topic_cosine",
    "off_topic_grams",
)

NEVER = 2.0  # a threshold that no confidence reaches

# On the squares of weights, of features of unit spread: of no consequence for thousands of training
# questions, enough to keep weights finite for hundreds.
PENALTY = 1e-4
SHRINK = 0.1  # the same of the logistic model's, beside the sum over all rows


@dataclass(frozen=True, slots=True)
class Logistic:
    """P = 1 / (1 + exp(−(bias + weights · features)))."""

    weights: tuple[float, ...]
    bias: float

    def probabilities(self, features: Float) -> Float:
        """Return the probability of each row, shape (n,), for features of shape (n, weights)."""
        return _logistic(features @ np.array(self.weights) + self.bias)

    def calibrated(self, slope: float, offset: float) -> Logistic:
        """Return the model whose log-odds are ``slope`` times these plus ``offset`` (Platt)."""
        return Logistic(
            tuple(slope * weight for weight in self.weights), slope * self.bias + offset
        )


@dataclass(frozen=True, slots=True)
class Choice:
    """P(i) = exp(u(i)) / (exp(u(none)) + Σ exp(u(j))), then Platt's correction of its log-odds.

    u(i) = weights · features of candidate i; u(none) = none · features of the question + bias.
    """

    weights: tuple[float, ...]  # of FEATURES
    none: tuple[float, ...]  # of QUESTION_FEATURES
    bias: float
    slope: float = 1.0
    offset: float = 0.0

    def probabilities(self, features: Float, question: Float) -> Float:
        """Return the probability of each candidate, shape (n,).

        Args:
            features: shape (n, FEATURES), of all candidates that compete.
            question: shape (QUESTION_FEATURES,).
        """
        useful = features @ np.array(self.weights)
        nothing = float(question @ np.array(self.none)) + self.bias
        highest = max(float(useful.max()), nothing)
        odds = np.exp(useful - highest)
        rest = float(odds.sum()) + np.exp(nothing - highest) - odds
        # Log-odds stay finite where a candidate leaves nothing to the others, or has nothing.
        log_odds = np.log(np.maximum(odds, 1e-12)) - np.log(np.maximum(rest, 1e-12))
        return _logistic(self.slope * log_odds + self.offset)


@dataclass(frozen=True, slots=True)
class Ranker:
    """The two models and the thresholds on confidence, as one build keeps them."""

    retrieval: Logistic  # over RETRIEVAL_FEATURES
    topic: Choice | None  # None where no document has question variants
    answered: float  # confidence from which the first passage is said to answer
    uncertain: float  # confidence from which the nearest guidance is shown at all

    def probabilities(self, features: Float, question: Float) -> Float:
        """Return the probability that each candidate answers, shape (n,).

        Args:
            features: shape (n, FEATURES); NaN in the columns of TOPIC_FEATURES where the
                candidate's topic is not known to the classifier.
            question: shape (QUESTION_FEATURES,).
        """
        chances = self.retrieval.probabilities(features[:, : len(RETRIEVAL_FEATURES)])
        known = ~np.isnan(features).any(axis=1)
        if self.topic is not None and known.any():
            chances[known] = self.topic.probabilities(features[known], question)
        return chances

    def status(self, confidence: float) -> str:
        """Return "answered", "uncertain" or "unanswered"."""
        if confidence >= self.answered:
            return "answered"
        return "uncertain" if confidence >= self.uncertain else "unanswered"

    def to_json(self) -> dict[str, Any]:
        """Return plain data that ``from_json`` reads back."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Ranker:
        """Return the ranker that ``to_json`` wrote."""
        retrieval, topic = data["retrieval"], data["topic"]
        return cls(
            Logistic(tuple(retrieval["weights"]), retrieval["bias"]),
            topic
            and Choice(
                **{**topic, "weights": tuple(topic["weights"]), "none": tuple(topic["none"])}
            ),
            data["answered"],
            data["uncertain"],
        )


@dataclass(frozen=True, slots=True)
class Judged:
    """The candidates of one training question."""

    features: Float  # (candidates, FEATURES), no NaN
    question: Float  # (QUESTION_FEATURES,)
    right: int | None  # the candidate that answers; None where none does


def fit_logistic(features: Float, labels: Sequence[bool]) -> Logistic:
    """Return the logistic model of labelled rows, shape (n, features), by maximum likelihood."""
    design = np.hstack([features, np.ones((len(features), 1))])
    right = np.array(labels, np.float64)
    penalty = np.array([*[SHRINK] * features.shape[1], 0.0])  # none on the bias

    def loss(weights: Float) -> tuple[float, Float]:
        logits = design @ weights
        unlikely = np.logaddexp(0, logits) - right * logits
        slope = design.T @ (_logistic(logits) - right) + penalty * weights
        return float(unlikely.sum() + penalty @ np.square(weights) / 2), slope

    def curvature(weights: Float) -> Float:
        chances = _logistic(design @ weights)
        found: Float = design.T @ (design * (chances * (1 - chances))[:, None]) + np.diag(penalty)
        return found

    found = _lowest(loss, curvature, design.shape[1])
    return Logistic(tuple(map(float, found[:-1])), float(found[-1]))


def fit_choice(judged: Sequence[Judged]) -> Choice:
    """Return the conditional logit of training questions, by maximum likelihood.

    Every question is a row: its candidates' features and, as one more candidate, "none".
    """
    rows, columns = sum(len(one.features) for one in judged), len(FEATURES)
    width = columns + len(QUESTION_FEATURES) + 1
    design = np.zeros((rows + len(judged), width))
    starts, chosen, at = [], [], 0
    for one in judged:
        starts.append(at)
        n = len(one.features)
        design[at : at + n, :columns] = one.features
        design[at + n, columns:] = [*one.question, 1.0]
        chosen.append(at + (n if one.right is None else one.right))
        at += n + 1
    owner = np.repeat(np.arange(len(judged)), np.diff([*starts, at]))
    scale = design.std(axis=0) + 1e-9
    design /= scale

    def chances(weights: Float) -> tuple[Float, Float]:
        """Return the probability of every row, and the logarithm of those chosen."""
        useful = design @ weights
        highest = np.maximum.reduceat(useful, starts)
        odds = np.exp(useful - highest[owner])
        total = np.add.reduceat(odds, starts)
        return odds / total[owner], useful[chosen] - highest - np.log(total)

    def loss(weights: Float) -> tuple[float, Float]:
        likely, log_chosen = chances(weights)
        slope = (design.T @ likely - design[chosen].sum(axis=0)) / len(judged)
        penalty = PENALTY / 2 * float(weights @ weights)
        return penalty - float(log_chosen.mean()), PENALTY * weights + slope

    def curvature(weights: Float) -> Float:
        weighted = design * chances(weights)[0][:, None]
        expected = np.add.reduceat(weighted, starts)
        spread: Float = (design.T @ weighted - expected.T @ expected) / len(judged)
        return spread + PENALTY * np.eye(width)

    found = _lowest(loss, curvature, width)
    weights = tuple(map(float, found / scale))
    return Choice(weights[:columns], weights[columns:-1], weights[-1])


def _lowest(
    loss: Callable[[Float], tuple[float, Float]], curvature: Callable[[Float], Float], width: int
) -> Float:
    """Return where a convex loss is lowest, by Newton's method: some ten steps."""
    from scipy.optimize import minimize  # only a rebuild needs it

    found = minimize(
        loss,
        np.zeros(width),
        jac=True,
        hess=curvature,
        method="trust-exact",
        options={"gtol": 1e-6},
    )
    lowest: Float = found.x
    return lowest


def _logistic(logits: Float) -> Float:
    chances: Float = 1 / (1 + np.exp(-np.clip(logits, -30, 30)))
    return chances


# Where no document has question variants there is nothing to learn from, and this one serves:
# fitted on the shipped corpus with an encoder that had not seen it (bench/default_ranker.py;
# docs/evaluation.md, "Without question variants").
DEFAULT_RANKER = Ranker(
    retrieval=Logistic((4.47, 1.53, 0.62, 1.58), -4.62),
    topic=None,
    answered=0.5,
    uncertain=0.099,
)

# What the shipped corpus teaches: for one with too few question variants to learn it from.
DEFAULT_CHOICE = Choice(
    weights=(6.49, 0.69, 0.04, 2.80, 3.25, -4.31, 12.1, -1.70, 6.48, 4.18),
    none=(4.83, 5.97, 6.01, 8.33, 9.00),
    bias=2.87,
)

# The same two where the question has no vector (bench/by_words.py): evidence that only a vector
# gives weighs nothing, and no confidence is enough to say that a passage answers.
DEFAULT_WORD_RANKER = Ranker(
    retrieval=Logistic((0.0, 9.15, 1.63, 1.25), -10.9),
    topic=None,
    answered=NEVER,
    uncertain=0.046,
)
DEFAULT_WORD_CHOICE = Choice(
    weights=(0.0, 2.39, 0.72, 2.51, -0.45, -3.15, 21.6, -4.60, 0.0, 11.8),
    none=(7.65, 4.21, 5.84, 0.0, 13.9),
    bias=4.04,
)
