"""The rankings that are compared: topics, best first, by parts of the engine and by the whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import Any

import numpy as np

from qa.answer import Engine
from qa.corpus import OFF_TOPIC
from qa.index.build import Progress, bm25, bm25_scores, searched_text
from qa.search import Hit, Query

NEAREST = 200  # passages, and as many questions, of the dense ranking


class Systems:
    """Ranks topics in each of the compared ways.

    Args:
        depth: how many topics a ranking has at most.
        progress: told of the passages that are cut anew for ``plain``.
    """

    def __init__(
        self, engine: Engine, depth: int, progress: Progress = lambda what, done, of: None
    ) -> None:
        self.engine = engine
        self.depth = depth
        self._progress = progress

    def plain(self, query: Query) -> list[str]:
        """Return topics by the BM25 of plain jieba words: no parts of words, no synonyms."""
        words = [word for word, _ in query.segments.words]
        return self._by_score(bm25_scores(self._plain, words))

    def sparse(self, query: Query) -> list[str]:
        """Return topics by the BM25 of their best passage: words, synonyms and n-grams."""
        return self._by_score(self.engine.index.sparse(query.segments).bm25)

    def dense(self, query: Query) -> list[str]:
        """Return topics by the cosine of their nearest passage, title or question variant.

        A title is part of its passages: where there are no variants, passages are enough.
        """
        index = self.engine.index
        assert query.vector is not None
        nearest = index.nearest(query.vector, NEAREST)
        pairs = [(cosine, index.passages[row].topic) for row, cosine in nearest]
        if index.manifest.questions:
            asked = index.nearest_questions(query.vector, NEAREST)
            topics = ((cosine, index.question_topics[row]) for row, cosine in asked)
            pairs += [(cosine, topic) for cosine, topic in topics if topic != OFF_TOPIC]
        return self._topics(topic for _, topic in sorted(pairs, key=lambda p: (-p[0], p[1])))

    def fused(self, hits: Iterable[Hit]) -> list[str]:
        """Return topics as they are answered."""
        return self._topics(hit.passage.topic for hit in hits)

    @cached_property
    def _plain(self) -> Any:
        return bm25(self._words())

    def _words(self) -> Iterator[list[str]]:
        """Yield the words of each passage."""
        passages, segmenter = self.engine.index.passages, self.engine.segmenter
        for i, passage in enumerate(passages, 1):
            yield [word for word, _ in segmenter.segment(searched_text(passage)).words]
            self._progress("words", i, len(passages))

    def _by_score(self, scores: np.ndarray) -> list[str]:
        """Return the topics of the best passages above zero, ties by row."""
        passages = self.engine.index.passages
        found: dict[str, None] = {}
        # To sort 57,420 passages and name their topics takes longer than all else of a ranking.
        for wanted in (self.depth, self.depth * 16, len(scores)):
            rows = _highest(scores, wanted)
            found = dict.fromkeys(passages[row].topic for row in rows if scores[row] > 0)
            if len(found) >= self.depth or not rows or scores[rows[-1]] <= 0:
                break
        return self._topics(found)

    def _topics(self, ranked: Iterable[str]) -> list[str]:
        return list(dict.fromkeys(ranked))[: self.depth]


SYSTEMS: dict[str, Callable[[Systems, Query], list[str]]] = {
    "plain": Systems.plain,
    "sparse": Systems.sparse,
    "dense": Systems.dense,
}
FUSED = "fused"


def _highest(scores: np.ndarray, k: int) -> list[int]:
    """Return the rows of at least the k highest scores, best first, ties by row."""
    if k >= len(scores):
        kept = np.arange(len(scores))
    else:
        kept = np.flatnonzero(scores >= np.partition(scores, -k)[-k])
    order: list[int] = kept[np.argsort(-scores[kept], kind="stable")].tolist()
    return order
