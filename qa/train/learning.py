"""Learn the rows: pairs that belong together come close, sentences meet their English side.

Multiple negatives ranking in both directions (Henderson et al. 2017, arXiv:1705.00652), at several
lengths of the vector at once (Matryoshka: Kusupati et al. 2022, arXiv:2205.13147), with token
dropout on both sides. All losses are learned together, so that none overwrites another. Articles
that a first run takes for answers and that are none are negatives of the second (hard negatives:
Xiong et al. 2020, arXiv:2007.00808).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from qa.index.build import Progress
from qa.segment import Segmenter
from qa.train.data import SOURCES, STATUTES, Material
from qa.train.recipe import Recipe
from qa.train.rows import Float, Tokens, unit

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Batches:
    """Every text that is learned from, cut into tokens."""

    pairs: dict[str, tuple[list[Tokens], list[Tokens]]]
    translations: list[Tokens]  # their Chinese side
    renderings: list[Tokens]  # their Chinese side
    questions: list[list[Tokens]]  # of each topic
    passages: list[list[Tokens]]  # of each topic
    off_topic: list[Tokens]
    articles: list[Tokens]
    answers: list[frozenset[int]]  # of each pair of STATUTES, its places in ``articles``

    @classmethod
    def cut(cls, material: Material, segmenter: Segmenter, progress: Progress) -> Batches:
        """Cut all texts."""
        cut: dict[str, tuple[list[Tokens], list[Tokens]]] = {}
        for i, (name, found) in enumerate(material.pairs.items(), 1):
            left = [segmenter.tokens(pair.left) for pair in found]
            cut[name] = left, [segmenter.tokens(pair.right) for pair in found]
            progress("segment", i, len(material.pairs))
        return cls(
            cut,
            [segmenter.tokens(pair.left) for pair in material.translations],
            [segmenter.tokens(pair.left) for pair in material.renderings],
            [[segmenter.tokens(text) for text in topic.questions] for topic in material.topics],
            [[segmenter.tokens(text) for text in topic.passages] for topic in material.topics],
            [segmenter.tokens(text) for text in material.off_topic],
            [segmenter.tokens(text) for text in material.articles],
            material.answers,
        )

    @property
    def outside(self) -> list[Tokens]:
        """The texts that are not the corpus's."""
        sides = [text for pair in self.pairs.values() for side in pair for text in side]
        return [*dict.fromkeys(sides), *self.translations]

    @property
    def own(self) -> list[Tokens]:
        """The corpus's texts."""
        topics = [*self.questions, *self.passages]
        return [text for topic in topics for text in topic]

    @property
    def texts(self) -> list[Tokens]:
        """All texts."""
        return self.outside + self.own


@dataclass(frozen=True)
class Run:
    """What every loss of one training shares."""

    table: torch.nn.EmbeddingBag
    number: dict[str, int]  # token -> row
    recipe: Recipe
    rng: np.random.Generator


def fit(
    rows: Float,
    words: Sequence[str],
    batches: Batches,
    teacher: Float,
    recipe: Recipe,
    progress: Progress,
    near: list[np.ndarray] | None = None,
) -> Float:
    """Return the learned rows, shape as given.

    Args:
        teacher: unit vectors of the English side of ``batches.translations`` and then of
            ``batches.renderings``, in the same order.
        near: what ``nearest`` found with the rows of an earlier run.
    """
    import torch

    torch.manual_seed(recipe.seed)
    table = torch.nn.EmbeddingBag.from_pretrained(torch.tensor(rows), freeze=False, mode="sum")
    optimiser = torch.optim.Adam(table.parameters(), lr=recipe.learning_rate)
    number = {word: i for i, word in enumerate(words)}
    run = Run(table, number, recipe, np.random.default_rng(recipe.seed))
    steps = _in_random_order(losses(run, batches, teacher, near), run.rng)
    for step, loss in enumerate(steps):
        warmth = min(1, (step + 1) / recipe.warm_up)
        optimiser.param_groups[0]["lr"] = recipe.learning_rate * warmth * (1 - step / len(steps))
        optimiser.zero_grad()
        loss().backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        progress("train", step + 1, len(steps))
    learned: Float = table.weight.detach().numpy()
    return learned


def nearest(
    rows: Float, words: Sequence[str], batches: Batches, recipe: Recipe
) -> list[np.ndarray]:
    """Return for each pair of STATUTES the articles that look like answers to it and are none.

    Those of the ranks ``recipe.near``, the nearest first, as places in ``batches.articles``.
    """
    number = {word: i for i, word in enumerate(words)}
    articles, questions = (
        unit(np.stack([rows[known].sum(axis=0) for known in _numbers(texts, number, recipe)]))
        for texts in (batches.articles, batches.pairs[STATUTES][0])
    )
    first, last = recipe.near
    found = []
    for question, right in zip(questions, batches.answers, strict=True):
        order = np.argsort(-(articles @ question), kind="stable")[:last]
        found.append(np.array([i for i in order[first:] if i not in right], np.int64))
    return found


Loss = Callable[[], "torch.Tensor"]


def _in_random_order(counted: Iterable[tuple[Loss, float]], rng: np.random.Generator) -> list[Loss]:
    steps = [loss for loss, count in counted for _ in range(max(1, round(count)))]
    return [steps[place] for place in rng.permutation(len(steps))]


def losses(
    run: Run, batches: Batches, teacher: Float, near: list[np.ndarray] | None = None
) -> Iterator[tuple[Loss, float]]:
    """Yield what computes the loss of a batch, and how many batches of it are learned from.

    Args:
        near: for each pair of STATUTES, the articles that look like answers and are none.
    """
    recipe = run.recipe
    for name, (left, right) in batches.pairs.items():
        pairs = _PairLoss(run, left, right)
        if near and name == STATUTES:
            pairs = _StatuteLoss(run, left, right, batches.articles, near)
        yield pairs, recipe.passes * SOURCES[name] * len(left) / recipe.batch
    taught = np.split(teacher, [len(batches.translations)])
    sides = (batches.translations, batches.renderings)
    repeats = (recipe.translation_repeats, recipe.english_repeats)
    for chinese, english, times in zip(sides, taught, repeats, strict=True):
        if chinese and times:
            count = recipe.passes * times * len(chinese) / recipe.translation_batch
            yield _TeacherLoss(run, chinese, english), count
    if batches.questions:
        own = _TopicLoss(run, batches)
        count = recipe.passes * recipe.own_repeats * own.count / recipe.batch
        yield own.with_passages, count
        yield own.with_questions, count / 2


class _Bag:
    """Texts as row numbers."""

    def __init__(self, run: Run, texts: Sequence[Tokens]) -> None:
        self._run = run
        self._rows = _numbers(texts, run.number, run.recipe)

    def __len__(self) -> int:
        return len(self._rows)

    def vectors(self, places: np.ndarray, dropout: float) -> torch.Tensor:
        """Return the sums of the rows of some texts, of each text's tokens a random part."""
        import torch

        rows = [self._rows[place] for place in places]
        kept = [found[self._run.rng.random(len(found)) >= dropout] for found in rows]
        rows = [some if len(some) else found for some, found in zip(kept, rows, strict=True)]
        starts = np.cumsum([0, *map(len, rows[:-1])])
        vectors: torch.Tensor = self._run.table(
            torch.from_numpy(np.concatenate(rows)), torch.from_numpy(starts)
        )
        return vectors


def _numbers(texts: Sequence[Tokens], number: dict[str, int], recipe: Recipe) -> list[np.ndarray]:
    """Return the row numbers of each text's known tokens, at least one."""
    known = ([number[token] for token in text if token in number] for text in texts)
    return [np.array(rows[: recipe.longest] or [0], np.int64) for rows in known]


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

    def __init__(self, run: Run, left: Sequence[Tokens], right: Sequence[Tokens]) -> None:
        self._recipe = run.recipe
        self._left, self._right = _Bag(run, left), _Bag(run, right)
        self._draw = _Draw(len(left), run.rng)
        self._keys = [_keys(bag) for bag in (self._left, self._right)]

    def __call__(self) -> torch.Tensor:
        places = self._draw.take(min(self._recipe.batch, len(self._left)))
        left, right = (keys[places] for keys in self._keys)
        same = (left[:, None] == left[None]) | (right[:, None] == right[None])
        dropout = self._recipe.dropout
        return _ranking(
            self._left.vectors(places, dropout),
            self._right.vectors(places, dropout),
            same,
            self._recipe,
            self._strangers(places),
        )

    def _strangers(self, places: np.ndarray) -> torch.Tensor | None:
        return None


class _StatuteLoss(_PairLoss):
    """The same, with an article beside each question that looks like its answer and is none."""

    def __init__(
        self,
        run: Run,
        left: Sequence[Tokens],
        right: Sequence[Tokens],
        articles: Sequence[Tokens],
        near: Sequence[np.ndarray],
    ) -> None:
        super().__init__(run, left, right)
        self._articles, self._near, self._rng = _Bag(run, articles), near, run.rng

    def _strangers(self, places: np.ndarray) -> torch.Tensor | None:
        chosen = [self._rng.choice(self._near[i]) for i in places if len(self._near[i])]
        return self._articles.vectors(np.array(chosen), self._recipe.dropout) if chosen else None


class _TopicLoss:
    """Questions of the corpus find what belongs to their topic; off-topic ones find nothing."""

    def __init__(self, run: Run, batches: Batches) -> None:
        self._recipe, self._rng = run.recipe, run.rng
        self._questions = _Bag(run, [q for topic in batches.questions for q in topic])
        self._passages = _Bag(run, [p for topic in batches.passages for p in topic])
        self._off_topic = _Bag(run, batches.off_topic)
        self._topics = np.repeat(
            np.arange(len(batches.questions)), [len(topic) for topic in batches.questions]
        )
        self._of_topic = [np.flatnonzero(self._topics == t) for t in range(len(batches.questions))]
        self._first_passage = np.cumsum([0, *(len(topic) for topic in batches.passages)])
        self._draw = _Draw(len(self._questions), run.rng)
        self._draw_off_topic = _Draw(len(self._off_topic), run.rng)
        self.count = len(self._questions)

    def with_passages(self) -> torch.Tensor:
        """Return the loss of questions with a passage each."""
        places, topics = self._places()
        first, last = self._first_passage[topics], self._first_passage[topics + 1]
        return self._loss(places, self._passages, self._rng.integers(first, last), topics)

    def with_questions(self) -> torch.Tensor:
        """Return the loss of questions with another of the same topic each."""
        places, topics = self._places()
        chosen = np.array([self._rng.choice(self._of_topic[topic]) for topic in topics])
        return self._loss(places, self._questions, chosen, topics)

    def _places(self) -> tuple[np.ndarray, np.ndarray]:
        places = self._draw.take(min(self._recipe.batch, self.count))
        return places, self._topics[places]

    def _loss(
        self, places: np.ndarray, bag: _Bag, chosen: np.ndarray, topics: np.ndarray
    ) -> torch.Tensor:
        dropout = self._recipe.dropout
        same = topics[:, None] == topics[None]
        left, right = self._questions.vectors(places, dropout), bag.vectors(chosen, dropout)
        size = min(self._recipe.off_topic, len(self._off_topic))
        if not size:
            return _ranking(left, right, same, self._recipe)
        strangers = self._off_topic.vectors(self._draw_off_topic.take(size), dropout)
        return _ranking(left, right, same, self._recipe, strangers)


class _TeacherLoss:
    """A Chinese sentence meets the teacher's vector of its English side."""

    def __init__(self, run: Run, chinese: Sequence[Tokens], teacher: Float) -> None:
        import torch

        self._recipe, self._bag = run.recipe, _Bag(run, chinese)
        self._teacher = torch.from_numpy(teacher)
        self._draw = _Draw(len(chinese), run.rng)

    def __call__(self) -> torch.Tensor:
        import torch
        from torch.nn import functional

        places = self._draw.take(min(self._recipe.translation_batch, len(self._bag)))
        vectors = self._bag.vectors(places, self._recipe.translation_dropout)
        ours, theirs = functional.normalize(vectors, dim=1), self._teacher[places]
        nearness = ours @ theirs.T * self._recipe.translation_scale
        ranking = functional.cross_entropy(nearness, torch.arange(len(places)))
        return (1 - (ours * theirs).sum(dim=1)).mean() + 0.5 * ranking


def _ranking(
    left: torch.Tensor,
    right: torch.Tensor,
    same: np.ndarray,
    recipe: Recipe,
    strangers: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return the loss of finding each row's partner among all, both ways, at every length.

    Args:
        strangers: vectors that are nobody's partner.
    """
    import torch
    from torch.nn import functional

    np.fill_diagonal(same, False)
    masked, partner = torch.from_numpy(same), torch.arange(len(left))
    loss = torch.zeros(())
    for length, weight in recipe.lengths:
        a, b = (functional.normalize(side[:, :length], dim=1) for side in (left, right))
        nearness = (a @ b.T * recipe.scale).masked_fill(masked, -1e4)
        ways = [nearness, nearness.T]
        if strangers is not None:
            far = functional.normalize(strangers[:, :length], dim=1).T * recipe.scale
            ways = [torch.cat(pair, dim=1) for pair in zip(ways, (a @ far, b @ far), strict=True)]
        loss = loss + weight * sum(functional.cross_entropy(way, partner) for way in ways) / 2
    return loss


def _keys(bag: _Bag) -> np.ndarray:
    """Number the distinct texts of a bag, so that equal ones have equal numbers."""
    seen: dict[bytes, int] = {}
    return np.array([seen.setdefault(rows.tobytes(), len(seen)) for rows in bag._rows])
