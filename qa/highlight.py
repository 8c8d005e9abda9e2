"""Which sentence of a passage is nearest to the question."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from qa.corpus import sentences
from qa.embed import Encoder
from qa.search import Query
from qa.segment import Segmenter

Float = np.ndarray[tuple[int, ...], np.dtype[np.float32]]
MOST_PASSAGES = 4096  # whose sentences are kept cut and encoded


@dataclass(frozen=True, slots=True)
class _Sentences:
    spans: tuple[tuple[int, int], ...]
    grams: tuple[frozenset[str], ...]


class Highlighter:
    """Marks sentences. Passages shown before are not cut and encoded again."""

    def __init__(self, segmenter: Segmenter, encoder: Encoder) -> None:
        self._segmenter = segmenter
        self._encoder = encoder
        self._cut = lru_cache(MOST_PASSAGES)(self._cut_text)
        self._vectors = lru_cache(MOST_PASSAGES)(self._encode_text)

    def spans(self, query: Query, text: str) -> tuple[tuple[int, int], ...]:
        """Return the span of the sentence nearest to the question, or none if none is near.

        Nearness is the share of the question's character n-grams, plus the cosine where the
        question has a vector.
        """
        cut = self._cut(text)
        if not cut.spans:
            return ()
        asked = set(query.segments.grams(2))
        shares = [len(asked & grams) / max(len(asked), 1) for grams in cut.grams]
        scores = np.array(shares, np.float32)
        if query.vector is not None:
            scores += self._vectors(text) @ query.vector
        best = int(np.argmax(scores))
        return (cut.spans[best],) if scores[best] > 0 else ()

    def _cut_text(self, text: str) -> _Sentences:
        spans = tuple(sentences(text))
        texts = [text[start:end] for start, end in spans]
        grams = tuple(frozenset(self._segmenter.segment(part).grams(2)) for part in texts)
        return _Sentences(spans, grams)

    def _encode_text(self, text: str) -> Float:
        """Return the vectors of a text's sentences, shape (sentences, dim)."""
        vectors: Float = self._encoder.encode([text[a:b] for a, b in self._cut(text).spans])
        return vectors
