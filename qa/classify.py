"""Topic classifiers learned from the question variants: kernel ridge regression.

Each training question is a row; its target is one at its topic and zero elsewhere. The kernel is
the inner product of sublinear tf-idf over character 1- to 3-grams and words, plus ``DENSE`` times
the inner product of the encoder's vectors. A second one reads ``PAIRS``: words and neighbouring
words, in order, without vectors (ADR 0021). The kernel matrix is never made: it is applied, factor
by factor, in conjugate gradients (Hestenes and Stiefel 1952). What common features and vectors
say is solved beforehand, so that some ten steps are enough (ADR 0022). The solution is kept as
weights, one row a feature: a score is a sum of rows, and the largest weights of a topic say what it
was recognised by.
"""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from qa.segment import Segments

# Chosen on the dev fold of the judged questions (docs/evaluation.md, "Classifier").
RIDGE = 2.0
DENSE = 0.3
LONGEST_GRAM = 3
# A feature seen in one question only says nothing about another.
FEWEST_QUESTIONS = 2
# Questions from which a feature is a dense column, and solved beforehand (ADR 0022).
COMMON = 200
TOLERANCE = 5e-4  # of the residual, relative to the targets: scores are then within 0.002
MOST_STEPS = 1000
# Each fits a classifier of its own. Threads within a product, which wait for one another at each,
# would be slower on two cores, and far slower on busy ones.
THREADS = 2
# Of all questions, those left out at once: each held-out one is scored by nearly all others.
MOST_LEFT_OUT = 0.1
WORD = "w:"  # before the name of a word, which is not an n-gram
# What a classifier reads of a question: n-grams and words, or words and neighbouring pairs.
GRAMS, PAIRS = "grams", "pairs"
BETWEEN = "|"  # the words of a pair; beside nothing, the end of the question

_NONE, _ALL = np.array([], np.int64), slice(None)
_TINY = np.float32(1e-30)  # a column that is solved has nothing left to divide by

Float = np.ndarray[tuple[int, ...], np.dtype[np.float32]]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Scores of questions that the classifier did not learn from, shape (held, classes)."""

    scores: Float
    by_words: Float  # the same without what their vectors say


@dataclass(frozen=True)
class TopicClassifier:
    """Weights from which every class is scored."""

    classes: tuple[str, ...]
    features: dict[str, int]  # n-gram or "w:" + word -> row of ``weights``
    idf: Float  # (features,)
    weights: np.ndarray  # float16 (features, classes)
    dense: Float  # (dim, classes)
    labels: np.ndarray  # int32 (questions,): the class of each training question
    # The tf-idf of the training questions, feature by feature (CSC): those of feature f are
    # places[starts[f]:starts[f + 1]], with values at the same places.
    starts: np.ndarray  # int32 (features + 1,)
    places: np.ndarray  # int32
    values: np.ndarray  # float16
    reads: str = GRAMS

    def scores(self, segments: Segments, vector: Float | None) -> Float:
        """Return a score for each class, shape (classes,): near 1 for the right one, near 0 else.

        Args:
            segments: the question, cut.
            vector: the question's vector, shape (dim,), unit length; None to go by words alone.
        """
        rows, values = _tfidf(Counter(_features(segments, self.reads)), self.features, self.idf)
        scores: Float = values @ self.weights[rows].astype(np.float32)
        return scores if vector is None else scores + vector @ self.dense

    def similarities(self, segments: Segments) -> Float:
        """Return the cosine of the tf-idf of a question with each training question's."""
        rows, weights = _tfidf(Counter(_features(segments, self.reads)), self.features, self.idf)
        starts, ends = self.starts[rows].tolist(), self.starts[1:][rows].tolist()
        spans = [slice(start, end) for start, end in zip(starts, ends, strict=True)]
        if not spans:
            return np.zeros(len(self.labels), np.float32)
        places = np.concatenate([self.places[span] for span in spans])
        lengths = [span.stop - span.start for span in spans]
        values = np.concatenate([self.values[span] for span in spans]) * np.repeat(weights, lengths)
        found = np.bincount(places, values, minlength=len(self.labels))
        return found.astype(np.float32)

    def unknown_words(self, segments: Segments) -> float:
        """Return the share of a question's words, stop words aside, that no other question has."""
        words = {word for word, _ in segments.words if word not in segments.stop_words}
        unknown = sum(f"{WORD}{word}" not in self.features for word in words)
        return unknown / max(len(words), 1)


@contextmanager
def workers() -> Iterator[ThreadPoolExecutor]:
    """Open threads for fits side by side; waits for all of them at the end of the block."""
    with threadpool_limits(limits=1, user_api="blas"), ThreadPoolExecutor(THREADS) as pool:
        yield pool


def fit(
    questions: Sequence[Segments],
    labels: Sequence[str],
    vectors: Float,
    held: Sequence[int] = (),
    ridge: float = RIDGE,
    reads: str = GRAMS,
) -> tuple[TopicClassifier, LeftOut]:
    """Return the classifier of all questions, and what others like it say of the held-out ones.

    Args:
        questions: the training questions, cut.
        labels: the class of each.
        vectors: their vectors, float32 (questions, dim), unit rows; zeros to do without.
        held: places of questions; each is scored by a classifier fitted without it and without
            as many others of them as ``MOST_LEFT_OUT`` allows.
        reads: ``GRAMS`` or ``PAIRS``.
    """
    features, idf, matrix = _matrix(questions, reads)
    classes = tuple(sorted(set(labels)))
    number = {name: i for i, name in enumerate(classes)}
    targets = np.zeros((len(labels), len(classes)), np.float32)
    classes_of = np.array([number[label] for label in labels], np.int32)
    targets[np.arange(len(labels)), classes_of] = 1
    with threadpool_limits(limits=1, user_api="blas"):  # see THREADS
        system = _System.of(matrix, vectors, ridge)
        dual = system.solve(targets)
        left_out = _held_out(system, vectors.shape[1], targets, dual, np.array(held, np.int64))
    by_feature = matrix.tocsc()
    by_feature.sort_indices()
    classifier = TopicClassifier(
        classes=classes,
        features=features,
        idf=idf,
        weights=(matrix.T @ dual).astype(np.float16),
        dense=(DENSE * (vectors.T @ dual)).astype(np.float32),
        labels=classes_of,
        starts=by_feature.indptr.astype(np.int32),
        places=by_feature.indices.astype(np.int32),
        values=by_feature.data.astype(np.float16),
        reads=reads,
    )
    return classifier, left_out


def _held_out(system: _System, dim: int, targets: Float, dual: Float, held: np.ndarray) -> LeftOut:
    scores, by_words = np.zeros((2, len(held), targets.shape[1]), np.float32)
    folds = min(len(held), math.ceil(len(held) / (MOST_LEFT_OUT * len(targets))))
    for fold in range(folds):
        left = held[fold::folds]
        weights = system.sums(system.solve(targets, left, start=dual))
        scores[fold::folds] = system.dot(weights, left)
        weights[0][-dim:] = 0  # of the vectors, which stand last
        by_words[fold::folds] = system.dot(weights, left)
    return LeftOut(scores, by_words)


@dataclass(frozen=True)
class _System:
    """The equations (kernel + ridge · I) · dual = targets; the kernel is made of questions' rows.

    Products of sparse matrices spend their time on the few features that many questions have:
    those stand in a dense matrix, the vectors beside them. They also make up most of the kernel,
    so that its dense part, inverted, is the preconditioner.
    """

    dense: Float  # (questions, common features + dim)
    rare: Any  # sparse, (questions, rare features)
    rare_by_feature: Any  # its transpose, by rows
    ridge: float

    @classmethod
    def of(cls, matrix: Any, vectors: Float, ridge: float) -> _System:
        common = np.bincount(matrix.indices, minlength=matrix.shape[1]) >= COMMON
        scale = np.float32(math.sqrt(DENSE))
        dense = np.hstack([matrix[:, common].toarray(), scale * vectors], dtype=np.float32)
        rare = matrix[:, ~common]
        return cls(dense, rare, rare.T.tocsr(), ridge)

    @cached_property
    def gram(self) -> Float:
        """Inner products of the dense columns, and the ridge: one matrix for all folds."""
        found: Float = self.dense.T @ self.dense
        found[np.diag_indices_from(found)] += self.ridge
        return found

    def sums(self, dual: Float) -> tuple[Float, Float]:
        """Return what each feature weighs, for a weight of each row."""
        return self.dense.T @ dual, self.rare_by_feature @ dual

    def dot(self, weights: tuple[Float, Float], places: Any = _ALL) -> Float:
        """Return what each row scores, or some, for a weight of each feature."""
        found: Float = self.dense[places] @ weights[0] + self.rare[places] @ weights[1]
        return found

    def solve(self, targets: Float, left: np.ndarray = _NONE, start: Float | None = None) -> Float:
        """Return the dual weights, by conjugate gradients for all classes at once.

        Args:
            left: rows that take no part; their weights are zero.
            start: dual weights to begin from.
        """
        inverse = self._inverse(left)
        dual = np.zeros_like(targets) if start is None else start.copy()
        dual[left] = 0
        residual = targets.copy()
        residual[left] = 0
        enough = TOLERANCE**2 * np.square(residual).sum(axis=0)
        if dual.any():
            residual -= self.dot(self.sums(dual)) + self.ridge * dual
            residual[left] = 0
        # ``image`` is what the dense part and the ridge make of ``direction``: as its inverse
        # makes the one of the other, it needs no product of its own.
        direction, image = np.zeros_like(targets), np.zeros_like(targets)
        before = np.full(targets.shape[1], np.inf, np.float32)
        for _ in range(MOST_STEPS):
            if (np.square(residual).sum(axis=0) <= enough).all():
                break
            near = self.dense @ (inverse @ (self.dense.T @ residual))
            near = np.subtract(residual, near, out=near)
            near /= self.ridge
            near[left] = 0
            now = np.einsum("ij,ij->j", residual, near)
            direction *= now / before
            direction += near
            image *= now / before
            image += residual
            applied = self.rare @ (self.rare_by_feature @ direction)
            applied += image
            applied[left] = 0
            step = now / np.maximum(np.einsum("ij,ij->j", direction, applied), _TINY)
            dual += step * direction
            residual -= step * applied
            before = np.maximum(now, _TINY)
        return dual

    def _inverse(self, left: np.ndarray) -> Float:
        """Return the inverse of ``gram`` without some rows (Woodbury's identity)."""
        from scipy.linalg import cho_factor, cho_solve

        gram = self.gram - self.dense[left].T @ self.dense[left]
        found: Float = cho_solve(cho_factor(gram), np.eye(len(gram), dtype=np.float32))
        return found


def _features(segments: Segments, reads: str) -> list[str]:
    """Return the features of a question, with repeats."""
    words = [word for word, _ in segments.words]
    named = [f"{WORD}{word}" for word in words]
    if reads == PAIRS:
        return [*named, *(f"{one}{BETWEEN}{next}" for one, next in pairwise(["", *words, ""]))]
    return [*segments.grams(LONGEST_GRAM), *named]


def _matrix(questions: Sequence[Segments], reads: str) -> tuple[dict[str, int], Float, Any]:
    """Return the features with their idf, and the questions' tf-idf, sparse, by rows."""
    from scipy.sparse import csr_array

    met, rows, numbers, counts = _counted(questions, reads)
    seen = np.bincount(numbers, minlength=len(met)).tolist()
    features, idf = _vocabulary(dict(zip(met, seen, strict=True)), len(questions))
    columns = np.array([features.get(name, -1) for name in met], np.int32)[numbers]
    known = columns >= 0
    rows, columns, counts = rows[known], columns[known], counts[known]
    weights = idf[columns] * (1 + np.log(counts.astype(np.float32)))
    lengths = np.sqrt(np.bincount(rows, np.square(weights), minlength=len(questions)))
    entries = (weights / lengths[rows]).astype(np.float32)
    return features, idf, csr_array((entries, (rows, columns)), (len(questions), len(features)))


def _counted(
    questions: Sequence[Segments], reads: str
) -> tuple[list[str], np.ndarray, np.ndarray, np.ndarray]:
    """Return the features met, and columns: question, place of a feature it has, how often."""
    place: dict[str, int] = {}
    lengths, places = [], array("q")
    for segments in questions:
        names = _features(segments, reads)
        lengths.append(len(names))
        places.extend([place.setdefault(name, len(place)) for name in names])
    width = max(len(place), 1)
    pairs = np.repeat(np.arange(len(questions)), lengths) * width + np.array(places, np.int64)
    distinct, counts = np.unique(pairs, return_counts=True)
    rows, numbers = np.divmod(distinct, width)
    return list(place), rows, numbers, counts


def _vocabulary(seen: Mapping[str, int], questions: int) -> tuple[dict[str, int], Float]:
    """Return the number of each feature that is kept, in sorted order, and its idf.

    Args:
        seen: in how many of the questions each feature is.
        questions: how many there are.
    """
    kept = sorted(name for name, count in seen.items() if count >= FEWEST_QUESTIONS)
    idf = [math.log((1 + questions) / (1 + seen[name])) + 1 for name in kept]
    return {name: i for i, name in enumerate(kept)}, np.array(idf, np.float32)


def _tfidf(counts: Counter[str], features: dict[str, int], idf: Float) -> tuple[list[int], Float]:
    """Return the known features and their weights (1 + ln count) · idf, of unit length together."""
    known = sorted((features[name], count) for name, count in counts.items() if name in features)
    rows = [row for row, _ in known]
    weights = idf[rows] * (1 + np.log(np.array([count for _, count in known], np.float32)))
    weights /= max(float(np.linalg.norm(weights)), 1e-9)
    return rows, weights
