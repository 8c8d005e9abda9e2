"""From evidence about a candidate to the probability that it answers the question.

Two logistic models over a few readable features: one for topics that the classifier knows, one
for text that only retrieval can judge (an operator's own files). Both give probabilities of the
same thing, so that their candidates stand in one list. A question's confidence is the
probability of its best candidate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

Float = np.ndarray[tuple[int, ...], np.dtype[np.float64]]

# What retrieval alone can say of a passage, then what the topic's questions add.
RETRIEVAL_FEATURES = ("cosine", "bm25", "word_share", "gram_share")
TOPIC_FEATURES = ("question_cosine", "topic", "margin", "off_topic")
FEATURES = (*RETRIEVAL_FEATURES, *TOPIC_FEATURES)


@dataclass(frozen=True, slots=True)
class Logistic:
    """P = 1 / (1 + exp(−(bias + weights · features)))."""

    weights: tuple[float, ...]
    bias: float

    def probabilities(self, features: Float) -> Float:
        """Return the probability of each row, shape (n,), for features of shape (n, weights)."""
        logits = features @ np.array(self.weights) + self.bias
        chances: Float = 1 / (1 + np.exp(-np.clip(logits, -30, 30)))
        return chances

    def calibrated(self, slope: float, offset: float) -> Logistic:
        """Return the model whose log-odds are ``slope`` times these plus ``offset`` (Platt)."""
        return Logistic(
            tuple(slope * weight for weight in self.weights), slope * self.bias + offset
        )


@dataclass(frozen=True, slots=True)
class Ranker:
    """The two models and the thresholds on confidence, as one build keeps them."""

    retrieval: Logistic  # over RETRIEVAL_FEATURES
    topic: Logistic | None  # over FEATURES; None where no document has question variants
    answered: float  # confidence from which the first passage is said to answer
    uncertain: float  # confidence from which the nearest guidance is shown at all

    def probabilities(self, features: Float) -> Float:
        """Return the probability that each candidate answers, shape (n,).

        Args:
            features: shape (n, FEATURES); NaN in the columns of TOPIC_FEATURES where the
                candidate's topic is not known to the classifier.
        """
        chances = self.retrieval.probabilities(features[:, : len(RETRIEVAL_FEATURES)])
        known = ~np.isnan(features).any(axis=1)
        if self.topic is not None and known.any():
            chances[known] = self.topic.probabilities(features[known])
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
        retrieval, topic = (
            data[name] and Logistic(tuple(data[name]["weights"]), data[name]["bias"])
            for name in ("retrieval", "topic")
        )
        return cls(retrieval, topic, data["answered"], data["uncertain"])


def fit_logistic(features: Float, labels: Sequence[bool]) -> Logistic:
    """Return the logistic model of labelled rows, shape (n, features)."""
    from sklearn.linear_model import LogisticRegression  # 1 s to import: only a rebuild needs it

    model = LogisticRegression(C=10.0, max_iter=1000).fit(features, labels)
    return Logistic(tuple(map(float, model.coef_[0])), float(model.intercept_[0]))


# Where no document has question variants there is nothing to learn from, and this one serves:
# fitted on the shipped corpus with an encoder that had not seen it (bench/default_ranker.py;
# docs/evaluation.md, "Without question variants").
DEFAULT_RANKER = Ranker(
    retrieval=Logistic((3.19, 5.85, 0.95, 1.40), -8.78),
    topic=None,
    answered=0.3,
    uncertain=0.083,
)
