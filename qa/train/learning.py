"""Learn the rows: pairs that belong together come close, sentences meet their English side.

Multiple negatives ranking in both directions (Henderson et al. 2017, arXiv:1705.00652), at several
lengths of the vector at once (Matryoshka: Kusupati et al. 2022, arXiv:2205.13147), with token
dropout on both sides. All losses are learned together, so that none overwrites another.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from qa.index.build import Progress
from qa.segment import Segmenter
from qa.train.data import SOURCES, Pair, Topic
from qa.train.rows import Float, Tokens

if TYPE_CHECKING:
    import torch

# Chosen in the trials of docs/encoder.md.
PASSES = 3
OWN_REPEATS = 5.0  # passes over the corpus's questions for one over the outside pairs
TRANSLATION_REPEATS = 2.0
BATCH = 1024
TRANSLATION_BATCH = 512
LEARNING_RATE = 0.01
WARM_UP = 50  # steps
DROPOUT = 0.4
TRANSLATION_DROPOUT = 0.3
SCALE = 14.0
TRANSLATION_SCALE = 20.0
LENGTHS = ((64, 0.5), (128, 0.5), (256, 1.0))  # (leading dimensions, weight)
LONGEST = 400  # tokens of a text


@dataclass(frozen=True)
class Batches:
    """Every text that is learned from, cut into tokens."""

    pairs: dict[str, tuple[list[Tokens], list[Tokens]]]
    chinese: list[Tokens]  # the Chinese side of the translations
    questions: list[list[Tokens]]  # of each topic
    passages: list[list[Tokens]]  # of each topic

    @classmethod
    def cut(
        cls,
        pairs: dict[str, list[Pair]],
        translations: Sequence[Pair],
        topics: Sequence[Topic],
        segmenter: Segmenter,
        progress: Progress,
    ) -> Batches:
        """Cut all texts."""
        cut: dict[str, tuple[list[Tokens], list[Tokens]]] = {}
        for i, (name, found) in enumerate(pairs.items(), 1):
            left = [segmenter.tokens(pair.left) for pair in found]
            cut[name] = left, [segmenter.tokens(pair.right) for pair in found]
            progress("segment", i, len(pairs))
        return cls(
            cut,
            [segmenter.tokens(pair.left) for pair in translations],
            [[segmenter.tokens(text) for text in topic.questions] for topic in topics],
            [[segmenter.tokens(text) for text in topic.passages] for topic in topics],
        )

    @property
    def outside(self) -> list[Tokens]:
        """The texts that are not the corpus's."""
        sides = [text for pair in self.pairs.values() for side in pair for text in side]
        return [*dict.fromkeys(sides), *self.chinese]

    @property
    def own(self) -> list[Tokens]:
        """The corpus's texts."""
        return [
            text for part in (self.questions, self.passages) for topic in part for text in topic
        ]

    @property
    def texts(self) -> list[Tokens]:
        """All texts."""
        return self.outside + self.own


def fit(
    rows: Float,
    words: Sequence[str],
    batches: Batches,
    teacher: Float,
    seed: int,
    progress: Progress,
) -> Float:
    """Return the learned rows, shape as given.

    Args:
        teacher: unit vectors of the English side of ``batches.chinese``, in the same order.
    """
    import torch

    torch.manual_seed(seed)
    table = torch.nn.EmbeddingBag.from_pretrained(torch.tensor(rows), freeze=False, mode="sum")
    optimiser = torch.optim.Adam(table.parameters(), lr=LEARNING_RATE)
    steps = list(_losses(table, words, batches, teacher, np.random.default_rng(seed)))
    for step, loss in enumerate(steps):
        rate = LEARNING_RATE * min(1, (step + 1) / WARM_UP) * (1 - step / len(steps))
        optimiser.param_groups[0]["lr"] = rate
        optimiser.zero_grad()
        loss().backward()
        optimiser.step()
        progress("train", step + 1, len(steps))
    learned: Float = table.weight.detach().numpy()
    return learned


def _losses(
    table: torch.nn.EmbeddingBag,
    words: Sequence[str],
    batches: Batches,
    teacher: Float,
    rng: np.random.Generator,
) -> Iterator[Any]:
    """Yield, in random order, what computes the loss of each batch of the training."""
    number = {word: i for i, word in enumerate(words)}
    made: list[Any] = []
    for name, (left, right) in batches.pairs.items():
        loss = _PairLoss(table, _Bag(left, number), _Bag(right, number), rng)
        made += [loss] * max(1, round(PASSES * SOURCES[name] * len(left) / BATCH))
    if batches.chinese:
        meaning = _TeacherLoss(table, _Bag(batches.chinese, number), teacher, rng)
        count = PASSES * TRANSLATION_REPEATS * len(batches.chinese) / TRANSLATION_BATCH
        made += [meaning] * max(1, round(count))
    if batches.questions:
        own = _TopicLoss(table, batches, number, rng)
        count = round(PASSES * OWN_REPEATS * own.count / BATCH)
        made += [own.with_passages] * max(1, count) + [own.with_questions] * max(1, count // 2)
    for i in rng.permutation(len(made)):
        yield made[i]


class _Bag:
    """Texts as row numbers."""

    def __init__(self, texts: Sequence[Tokens], number: dict[str, int]) -> None:
        known = ([number[token] for token in text if token in number] for text in texts)
        self._rows = [np.array(rows[:LONGEST] or [0], np.int64) for rows in known]

    def __len__(self) -> int:
        return len(self._rows)

    def vectors(
        self,
        table: torch.nn.EmbeddingBag,
        places: Sequence[int] | np.ndarray,
        dropout: float,
        rng: np.random.Generator,
    ) -> torch.Tensor:
        """Return the sums of the rows of some texts, of each text's tokens a random part."""
        import torch

        rows = [self._rows[place] for place in places]
        kept = [found[rng.random(len(found)) >= dropout] for found in rows]
        rows = [some if len(some) else found for some, found in zip(kept, rows, strict=True)]
        starts = np.cumsum([0, *map(len, rows[:-1])])
        vectors: torch.Tensor = table(
            torch.from_numpy(np.concatenate(rows)), torch.from_numpy(starts)
        )
        return vectors


class _Draw:
    """Places in random order, without end, each once before any twice."""

    def __init__(self, count: int, rng: np.random.Generator) -> None:
        self._count, self._rng = count, rng
        self._left = np.array([], np.int64)

    def take(self, size: int) -> np.ndarray:
        while len(self._left) < size:
            self._left = np.concatenate([self._left, self._rng.permutation(self._count)])
        taken, self._left = self._left[:size], self._left[size:]
        return taken


class _PairLoss:
    """Questions find their passages among those of the batch; equal texts are no negatives."""

    def __init__(
        self, table: torch.nn.EmbeddingBag, left: _Bag, right: _Bag, rng: np.random.Generator
    ) -> None:
        self._table, self._left, self._right, self._rng = table, left, right, rng
        self._draw = _Draw(len(left), rng)
        self._keys = [_keys(bag) for bag in (left, right)]

    def __call__(self) -> torch.Tensor:
        places = self._draw.take(min(BATCH, len(self._left)))
        left, right = (keys[places] for keys in self._keys)
        same = (left[:, None] == left[None]) | (right[:, None] == right[None])
        return _ranking(
            self._left.vectors(self._table, places, DROPOUT, self._rng),
            self._right.vectors(self._table, places, DROPOUT, self._rng),
            same,
        )


class _TopicLoss:
    """A question finds a passage of its topic, or another question, among those of the batch."""

    def __init__(
        self,
        table: torch.nn.EmbeddingBag,
        batches: Batches,
        number: dict[str, int],
        rng: np.random.Generator,
    ) -> None:
        self._table, self._rng = table, rng
        self._questions = _Bag([q for topic in batches.questions for q in topic], number)
        self._passages = _Bag([p for topic in batches.passages for p in topic], number)
        self._topics = np.repeat(
            np.arange(len(batches.questions)), [len(topic) for topic in batches.questions]
        )
        self._of_topic = [np.flatnonzero(self._topics == t) for t in range(len(batches.questions))]
        self._first_passage = np.cumsum([0, *(len(topic) for topic in batches.passages)])
        self._draw = _Draw(len(self._questions), rng)
        self.count = len(self._questions)

    def with_passages(self) -> torch.Tensor:
        """Return the loss of questions with a passage each."""
        places, topics = self._places()
        first, last = self._first_passage[topics], self._first_passage[topics + 1]
        chosen = self._rng.integers(first, last)
        return self._loss(places, self._passages, chosen, topics)

    def with_questions(self) -> torch.Tensor:
        """Return the loss of questions with another of the same topic each."""
        places, topics = self._places()
        chosen = np.array([self._rng.choice(self._of_topic[topic]) for topic in topics])
        return self._loss(places, self._questions, chosen, topics)

    def _places(self) -> tuple[np.ndarray, np.ndarray]:
        places = self._draw.take(min(BATCH, self.count))
        return places, self._topics[places]

    def _loss(
        self, places: np.ndarray, bag: _Bag, chosen: np.ndarray, topics: np.ndarray
    ) -> torch.Tensor:
        return _ranking(
            self._questions.vectors(self._table, places, DROPOUT, self._rng),
            bag.vectors(self._table, chosen, DROPOUT, self._rng),
            topics[:, None] == topics[None],
        )


class _TeacherLoss:
    """A Chinese sentence meets the teacher's vector of its English side."""

    def __init__(
        self, table: torch.nn.EmbeddingBag, bag: _Bag, teacher: Float, rng: np.random.Generator
    ) -> None:
        import torch

        self._table, self._bag, self._rng = table, bag, rng
        self._teacher = torch.from_numpy(teacher)
        self._draw = _Draw(len(bag), rng)

    def __call__(self) -> torch.Tensor:
        import torch
        from torch.nn import functional

        places = self._draw.take(min(TRANSLATION_BATCH, len(self._bag)))
        vectors = self._bag.vectors(self._table, places, TRANSLATION_DROPOUT, self._rng)
        ours, theirs = functional.normalize(vectors, dim=1), self._teacher[places]
        nearness = ours @ theirs.T * TRANSLATION_SCALE
        ranking = functional.cross_entropy(nearness, torch.arange(len(places)))
        return (1 - (ours * theirs).sum(dim=1)).mean() + 0.5 * ranking


def _ranking(left: torch.Tensor, right: torch.Tensor, same: np.ndarray) -> torch.Tensor:
    """Return the loss of finding each row's partner among all, both ways, at every length."""
    import torch
    from torch.nn import functional

    np.fill_diagonal(same, False)
    masked, partner = torch.from_numpy(same), torch.arange(len(left))
    loss = torch.zeros(())
    for length, weight in LENGTHS:
        a, b = (functional.normalize(side[:, :length], dim=1) for side in (left, right))
        nearness = (a @ b.T * SCALE).masked_fill(masked, -1e4)
        both = (
            functional.cross_entropy(nearness, partner),
            functional.cross_entropy(nearness.T, partner),
        )
        loss = loss + weight * (both[0] + both[1]) / 2
    return loss


def _keys(bag: _Bag) -> np.ndarray:
    """Number the distinct texts of a bag, so that equal ones have equal numbers."""
    seen: dict[bytes, int] = {}
    return np.array([seen.setdefault(rows.tobytes(), len(seen)) for rows in bag._rows])
