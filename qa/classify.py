"""A topic classifier learned from the question variants: kernel ridge regression.

Each training question is a row; its target is one at its topic and zero elsewhere. The kernel is
the inner product of sublinear tf-idf over character 1- to 3-grams and words, plus ``DENSE`` times
the inner product of the encoder's vectors. Solved in closed form, so that training is exact and
repeatable, and every training question's score by a model that never saw it (leave one out)
comes for free: Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), §5.4.2.
The solution is kept as weights, one row a feature: a score is a sum of rows, and the largest
weights of a topic say what it was recognised by.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qa.segment import Segments

# Chosen on the dev fold of the judged questions (docs/evaluation.md, "Classifier").
RIDGE = 2.0
DENSE = 0.3
LONGEST_GRAM = 3
# A feature seen in one question only says nothing about another.
FEWEST_QUESTIONS = 2

Float = np.ndarray[tuple[int, ...], np.dtype[np.float32]]


@dataclass(frozen=True)
class TopicClassifier:
    """Weights from which every class is scored."""

    classes: tuple[str, ...]
    features: dict[str, int]  # n-gram or "w:" + word -> row of ``weights``
    idf: Float  # (features,)
    weights: np.ndarray  # float16 (features, classes)
    dense: Float  # (dim, classes)

    def scores(self, segments: Segments, vector: Float) -> Float:
        """Return a score for each class, shape (classes,): near 1 for the right one, near 0 else.

        Args:
            segments: the question, cut.
            vector: the question's vector, shape (dim,), unit length.
        """
        rows, values = _tfidf(_features(segments), self.features, self.idf)
        scores: Float = values @ self.weights[rows].astype(np.float32) + vector @ self.dense
        return scores


def fit(
    questions: Sequence[Segments], labels: Sequence[str], vectors: Float
) -> tuple[TopicClassifier, Float]:
    """Return the classifier and its leave-one-out scores, shape (questions, classes).

    Args:
        questions: the training questions, cut.
        labels: the class of each.
        vectors: their vectors, float32 (questions, dim), unit rows.
    """
    from scipy.sparse import csr_array

    counts = [_features(segments) for segments in questions]
    features, idf = _vocabulary(counts)
    matrix = csr_array(_entries(counts, features, idf), (len(counts), len(features)))
    kernel = (matrix @ matrix.T).toarray() + DENSE * (vectors @ vectors.T)
    classes = tuple(sorted(set(labels)))
    number = {name: i for i, name in enumerate(classes)}
    targets = np.zeros((len(labels), len(classes)), np.float32)
    targets[np.arange(len(labels)), [number[label] for label in labels]] = 1
    inverse = _inverse(kernel)
    dual = inverse @ targets
    left_out = targets - dual / np.diag(inverse)[:, None]
    weights = (matrix.T @ dual).astype(np.float16)
    classifier = TopicClassifier(
        classes, features, idf, weights, (DENSE * (vectors.T @ dual)).astype(np.float32)
    )
    return classifier, left_out


def _inverse(kernel: Float) -> Float:
    """Return (kernel + RIDGE · I)⁻¹ of a symmetric positive kernel, by Cholesky.

    Single precision is enough: the ridge bounds the condition number at a few thousand.
    """
    from scipy.linalg import lapack

    ridged = np.asfortranarray(kernel, np.float32)
    ridged.flat[:: len(ridged) + 1] += RIDGE
    factor, _ = lapack.spotrf(ridged, lower=1, overwrite_a=1)
    lower, _ = lapack.spotri(factor, lower=1, overwrite_c=1)
    inverse: Float = np.tril(lower) + np.tril(lower, -1).T
    return inverse


def _features(segments: Segments) -> Counter[str]:
    words = (f"w:{word}" for word, _ in segments.words)
    return Counter((*segments.grams(LONGEST_GRAM), *words))


def _vocabulary(counts: Sequence[Counter[str]]) -> tuple[dict[str, int], Float]:
    """Return the number of each feature, in sorted order, and its idf."""
    frequency = Counter(feature for count in counts for feature in count)
    kept = sorted(name for name, seen in frequency.items() if seen >= FEWEST_QUESTIONS)
    idf = [math.log((1 + len(counts)) / (1 + frequency[name])) + 1 for name in kept]
    return {name: i for i, name in enumerate(kept)}, np.array(idf, np.float32)


def _tfidf(counts: Counter[str], features: dict[str, int], idf: Float) -> tuple[list[int], Float]:
    """Return the known features and their weights (1 + ln count) · idf, of unit length together."""
    known = sorted((features[name], count) for name, count in counts.items() if name in features)
    rows = [row for row, _ in known]
    weights = idf[rows] * (1 + np.log(np.array([count for _, count in known], np.float32)))
    weights /= max(float(np.linalg.norm(weights)), 1e-9)
    return rows, weights


def _entries(
    counts: Sequence[Counter[str]], features: dict[str, int], idf: Float
) -> tuple[Float, tuple[list[int], list[int]]]:
    """Return the tf-idf weights of all questions with their (question, feature) places."""
    weighted = [_tfidf(count, features, idf) for count in counts]
    rows = [row for row, (columns, _) in enumerate(weighted) for _ in columns]
    columns = [column for columns, _ in weighted for column in columns]
    values: Float = np.concatenate([values for _, values in weighted])
    return values, (rows, columns)
