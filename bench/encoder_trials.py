"""Train encoders by other recipes and measure them: the rows of the table in docs/encoder.md.

    python bench/encoder_trials.py DATA SCRATCH NAME... [--no-statutes]

DATA is what ``qa train --data`` takes, with ``eval/stard`` beside ``train``. Models, cut texts and
the teacher's vectors are kept in SCRATCH, so that a second trial is quicker. A name is a key of
TRIALS, with ``.float32`` behind it its rows as last trained and not rounded, or a folder that holds
a model in our format. ``--no-statutes`` leaves the outside yardstick out. Nothing here reads the
fold ``test``.
"""

from __future__ import annotations

import gzip
import json
import pickle
import sys
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse import csr_array, load_npz, save_npz
from sklearn.metrics import roc_auc_score

import qa.train as training
from qa import classify, embed
from qa.corpus import OFF_TOPIC, read, renderings
from qa.evaluate import read_judged
from qa.index.build import searched_text
from qa.normalise import normalise
from qa.paths import CORPUS
from qa.segment import Segmenter, Segments, _grams
from qa.train import HELD_OUT_EVERY, learn, learning, rows
from qa.train.data import gather
from qa.train.learning import Batches
from qa.train.recipe import Recipe

NOT_HASHED = -1
SOFTNESS = 0.1  # of the classifier's scores, before they become a distribution


@dataclass(frozen=True)
class Trial:
    """A recipe, and what no recipe can say."""

    recipe: Recipe
    rendered: bool = True  # with the corpus's English
    buckets: int = 0  # for hashed n-grams beside the segmenter's tokens; NOT_HASHED: plain ones
    longest: int = 2  # characters of an n-gram
    idf: str = "first"  # "first" rows times idf, "none", or "fixed": a multiplier never learned
    distilled: float = 0.0  # repeats of the loss that meets the scores of held-out questions
    seeds: tuple[int, ...] = ()  # side by side, reduced to the recipe's dimensions


# What the others differ from by one knob each; the rest as the recipe has it.
BASE = replace(Recipe(), most_tokens=40000, english_repeats=3.0, off_topic=0, near=(0, 0))


def _with(**knobs: object) -> Trial:
    return Trial(replace(BASE, **knobs))  # type: ignore[arg-type]


def _grammed(buckets: int, **knobs: object) -> Trial:
    """Return a trial with hashed n-grams; each bucket has a row."""
    return replace(_with(most_tokens=60000, **knobs), buckets=buckets)


TRIALS = {
    "default": Trial(Recipe()),
    "as-v1": replace(_with(english_repeats=0.0), rendered=False),
    "english-1": _with(english_repeats=1.0),
    "english-3": _with(english_repeats=3.0),
    "english-6": _with(english_repeats=6.0),
    "near": _with(near=Recipe().near),
    "off-topic-256": _with(off_topic=256),
    "off-topic-1024": _with(off_topic=1024),
    "dim-128": _with(dim=128, lengths=((64, 0.5), (128, 1.0))),
    "dim-384": _with(dim=384, lengths=((64, 0.5), (128, 0.5), (384, 1.0))),
    "vocabulary-20k": _with(most_tokens=20000),
    "vocabulary-40k": _with(fewest_words=2),
    "hashed": _grammed(8192),
    "hashed-seed-1": _grammed(8192, seed=1),
    "hashed-32k-rows": replace(_with(most_tokens=32000), buckets=8192),
    "hashed-4k": _grammed(4096),
    "hashed-16k": _grammed(16384),
    "hashed-trigrams": replace(_grammed(16384), longest=3),
    "bigrams-40k": replace(_with(most_tokens=40000), buckets=NOT_HASHED),
    "hashed-off-topic-256": _grammed(8192, off_topic=256),
    "hashed-english-0": _grammed(8192, english_repeats=0.0),
    "hashed-english-1": _grammed(8192, english_repeats=1.0),
    "hashed-english-6": _grammed(8192, english_repeats=6.0),
    "hashed-own-3": _grammed(8192, own_repeats=3.0),
    "hashed-own-8": _grammed(8192, own_repeats=8.0),
    "hashed-dropout-0.5": _grammed(8192, dropout=0.5),
    "hashed-passes-6": _grammed(8192, passes=6),
    "hashed-three-seeds": replace(_grammed(8192), seeds=(0, 1, 2)),
    "no-idf": Trial(BASE, idf="none"),
    "fixed-idf": Trial(BASE, idf="fixed"),
    "one-length": _with(lengths=((256, 1.0),)),
    "distilled": Trial(BASE, distilled=5.0),
    "three-seeds": Trial(BASE, seeds=(0, 1, 2)),
    "seed-1": _with(seed=1),
    "passes-6": _with(passes=6),
    "own-3": _with(own_repeats=3.0),
    "own-8": _with(own_repeats=8.0),
    "dropout-0.5": _with(dropout=0.5),
    "dropout-0.3": _with(dropout=0.3),
}


class Cut:
    """A segmenter that remembers what it has cut."""

    def __init__(self, scratch: Path, segmenter: Segmenter) -> None:
        self._path, self.segmenter = scratch / "cut.pkl", segmenter
        self._known: dict[str, tuple[str, ...]] = _read(self._path) or {}
        self._count = len(self._known)

    def tokens(self, text: str) -> tuple[str, ...]:
        if text not in self._known:
            self._known[text] = self.uncached(text)
        return self._known[text]

    def uncached(self, text: str) -> tuple[str, ...]:
        return self.segmenter.tokens(text)

    def save(self) -> None:
        if len(self._known) > self._count:
            _write(self._path, self._known)
            self._count = len(self._known)


class Grams:
    """Adds a text's character n-grams, each as the number of the bucket that it falls into."""

    def __init__(self, inner: Cut, buckets: int, longest: int) -> None:
        self._inner, self._buckets, self._longest = inner, buckets, longest
        self.name = f"{buckets}-{longest}"

    def tokens(self, text: str) -> tuple[str, ...]:
        return self._with_grams(text, self._inner.tokens(text))

    def uncached(self, text: str) -> tuple[str, ...]:
        return self._with_grams(text, self._inner.uncached(text))

    def _with_grams(self, text: str, tokens: tuple[str, ...]) -> tuple[str, ...]:
        grams = _grams(normalise(text).text, self._longest)
        return (*tokens, *(self._token(gram) for gram in grams if len(gram) > 1))

    def _token(self, gram: str) -> str:
        if self._buckets == NOT_HASHED:
            return gram
        return f"#{zlib.crc32(gram.encode()) % self._buckets}"


def _cut(trial: Trial, cut: Cut) -> Cut | Grams:
    return Grams(cut, trial.buckets, trial.longest) if trial.buckets else cut


def _read(path: Path) -> object:
    return pickle.loads(path.read_bytes()) if path.is_file() else None


def _write(path: Path, content: object) -> None:
    path.write_bytes(pickle.dumps(content))


def _remember_the_teacher(scratch: Path) -> None:
    """Let training ask the teacher only for what it has not been asked before."""
    path = scratch / "teacher.pkl"
    texts, vectors = _read(path) or ([], np.zeros((0, 384), np.float32))
    known = dict(zip(texts, vectors, strict=True))
    ask = embed.encode_in_batches

    def remembered(folder: Path, wanted: list[str]) -> np.ndarray:
        if new := [text for text in dict.fromkeys(wanted) if text not in known]:
            known.update(zip(new, ask(folder, new), strict=True))
            _write(path, (list(known), np.array(list(known.values()))))
        return np.stack([known[text] for text in wanted])

    rows.encode_in_batches = remembered  # type: ignore[assignment]


class Bench:
    """The texts of every measure."""

    def __init__(self, data: Path, scratch: Path, statutes_too: bool) -> None:
        self.data, self.scratch, self.statutes_too = data, scratch, statutes_too
        self.corpus = read(CORPUS)
        self.cut = Cut(scratch, Segmenter.open(CORPUS))
        _remember_the_teacher(scratch)
        documents = self.corpus.documents
        asked = [(q, d.id, i) for d in documents for i, q in enumerate((d.title, *d.questions))]
        held = [bool(i) and i % HELD_OUT_EVERY == 0 for _, _, i in asked]
        self.questions = [text for text, _, _ in asked]
        self.topics = np.array([topic for _, topic, _ in asked])
        self.held = np.array(held)
        self.passages = [searched_text(passage) for passage in self.corpus.passages]
        self.passage_topics = np.array([passage.topic for passage in self.corpus.passages])
        judged = read_judged(CORPUS / "judged", "dev")
        self.answerable = [one for one in judged if one.topics]
        self.unanswerable = [one for one in judged if not one.topics]

    @cached_property
    def classifier(self) -> tuple[np.ndarray, list[int], np.ndarray, list[str], list[str]]:
        """The lexical kernel of learned and held questions, which no encoder changes."""
        off_topic = [question.text for question in self.corpus.off_topic]
        texts = [*self.questions, *off_topic]
        labels = [*self.topics.tolist(), *[OFF_TOPIC] * len(off_topic)]
        learned = [i for i in range(len(texts)) if i >= len(self.held) or not self.held[i]]
        segments = [self.cut.segmenter.segment(text) for text in texts]
        counts = [classify._features(one) for one in segments]
        features, idf = classify._vocabulary([counts[i] for i in learned])
        shape = (len(texts), len(features))
        matrix = csr_array(classify._entries(counts, features, idf), shape)
        kernel = (matrix @ matrix[learned].T).toarray().astype(np.float32)
        return kernel, learned, np.flatnonzero(self.held), texts, labels

    def statutes(
        self, cut: Cut | Grams
    ) -> tuple[list[str], csr_array, csr_array, np.ndarray, list[set[int]]]:
        """Tokens, articles and questions of eval/stard over them, BM25, relevant articles."""
        folder = self.scratch / (f"stard-{cut.name}" if isinstance(cut, Grams) else "stard")
        if not (folder / "rest.pkl").is_file():
            folder.mkdir(exist_ok=True)
            rest = _read_statutes(self.data / "eval/stard", self.cut.segmenter, cut, folder)
            _write(folder / "rest.pkl", rest)
        words, bm25, relevant = _read(folder / "rest.pkl")  # type: ignore[misc]
        articles, questions = (
            load_npz(folder / f"{side}.npz") for side in ("articles", "questions")
        )
        return words, articles, questions, bm25, relevant


def _read_statutes(
    folder: Path, segmenter: Segmenter, cut: Cut | Grams, scratch: Path
) -> tuple[list[str], np.ndarray, list[set[int]]]:
    articles = [json.loads(line) for line in _gzipped(folder / "corpus.jsonl.gz")]
    lines = (folder / "queries.jsonl").read_text("utf-8").splitlines()
    asked = {one["_id"]: one["text"] for one in map(json.loads, lines)}
    place = {article["_id"]: i for i, article in enumerate(articles)}
    gold: dict[str, set[int]] = {}
    for line in (folder / "qrels/dev.tsv").read_text("utf-8").splitlines()[1:]:
        question, article, score = line.split("\t")
        if int(score) > 0:
            gold.setdefault(question, set()).add(place[article])
    questions = [segmenter.segment(asked[id]) for id in gold]
    number: dict[str, int] = {}
    _save_counts(scratch / "questions.npz", [cut.uncached(asked[id]) for id in gold], number)
    grams = [Counter(one.grams(2)) for one in questions]
    wanted = {gram: i for i, gram in enumerate(dict.fromkeys(g for one in grams for g in one))}
    tokens, found, lengths = [], [], []
    for article in articles:
        text = segmenter.segment(article["text"])
        tokens.append(cut.uncached(article["text"]))
        every = Counter(text.grams(2))
        lengths.append(every.total())
        found.append({wanted[gram]: n for gram, n in every.items() if gram in wanted})
    _save_counts(scratch / "articles.npz", tokens, number)
    bm25 = _bm25(
        found, np.array(lengths), [{wanted[g]: n for g, n in one.items()} for one in grams]
    )
    return list(number), bm25, list(gold.values())


def _gzipped(path: Path) -> list[str]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return file.read().splitlines()


def _save_counts(path: Path, texts: list[tuple[str, ...]], number: dict[str, int]) -> None:
    columns = [number.setdefault(token, len(number)) for text in texts for token in text]
    starts = np.cumsum([0, *map(len, texts)])
    ones = np.ones(len(columns), np.float32)
    save_npz(path, csr_array((ones, columns, starts), (len(texts), len(number))))


def _matrix(counts: list[dict[int, int]], width: int) -> csr_array:
    starts = np.cumsum([0, *map(len, counts)])
    columns = [column for one in counts for column in one]
    values = np.array([n for one in counts for n in one.values()], np.float32)
    return csr_array((values, columns, starts), (len(counts), width))


def _bm25(
    found: list[dict[int, int]], lengths: np.ndarray, asked: list[dict[int, int]]
) -> np.ndarray:
    """Return BM25 (k1 = 1.5, b = 0.75, Lucene's idf) of each question with each article."""
    width = 1 + max(column for one in asked for column in one)
    matrix = _matrix(found, width).tocoo()
    seen = np.bincount(matrix.col, minlength=width)
    idf = np.log(1 + (len(found) - seen + 0.5) / (seen + 0.5))
    share = 1.5 * (0.25 + 0.75 * lengths[matrix.row] / lengths.mean())
    values = (idf[matrix.col] * matrix.data / (matrix.data + share)).astype(np.float32)
    weights = csr_array((values, (matrix.row, matrix.col)), (len(found), width))
    scores: np.ndarray = (_matrix(asked, width) @ weights.T).toarray()
    return scores.astype(np.float32)


class Measured:
    """Every measure of one model."""

    def __init__(self, bench: Bench, cut: Cut | Grams, words: dict[str, np.ndarray]) -> None:
        self._bench, self._cut, self._rows = bench, cut, words
        self._dim = len(next(iter(words.values())))
        self.passages = self._vectors(bench.passages)
        self.questions = self._vectors(bench.questions)

    def _vectors(self, texts: list[str]) -> np.ndarray:
        vectors = np.zeros((len(texts), self._dim), np.float32)
        for vector, text in zip(vectors, texts, strict=True):
            known = [row for t in self._cut.tokens(text) if (row := self._rows.get(t)) is not None]
            if known:
                vector[:] = np.sum(known, axis=0)
        return rows.unit(vectors)

    def row(self, unseen: np.ndarray) -> dict[str, float]:
        return {**self._dev(), **self._held(unseen), **self._classified(unseen), **self._statutes()}

    def _nearness(self, asked: np.ndarray, kept: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the cosine of each topic's nearest text, (asked, topics), and the topics."""
        bench = self._bench
        topics = np.concatenate([bench.passage_topics, bench.topics[kept]])
        cosines = asked @ np.concatenate([self.passages, self.questions[kept]]).T
        names, starts = np.unique(topics, return_inverse=True)
        order = np.argsort(starts, kind="stable")
        first = np.searchsorted(starts[order], np.arange(len(names)))
        return np.maximum.reduceat(cosines[:, order], first, axis=1), names

    def _dev(self) -> dict[str, float]:
        bench = self._bench
        every = np.ones(len(bench.questions), bool)
        asked = self._vectors([one.text for one in bench.answerable])
        near, names = self._nearness(asked, every)
        ranked = names[np.argsort(-near, axis=1)[:, :3]]
        hits = [
            [t in q.topics for t in row] for q, row in zip(bench.answerable, ranked, strict=True)
        ]
        others = self._vectors([one.text for one in bench.unanswerable])
        best = np.concatenate([near.max(axis=1), self._nearness(others, every)[0].max(axis=1)])
        known = [True] * len(near) + [False] * len(others)
        return {
            "dev@1": float(np.mean([hit[0] for hit in hits])),
            "dev@3": float(np.mean([any(hit) for hit in hits])),
            "auroc": float(roc_auc_score(known, best)),
        }

    def _held(self, unseen: np.ndarray) -> dict[str, float]:
        bench = self._bench
        near, names = self._nearness(self.questions[unseen], ~bench.held)
        return _hits("held", near, names, bench.topics[unseen])

    def _classified(self, unseen: np.ndarray) -> dict[str, float]:
        kernel, learned, _, texts, labels = self._bench.classifier
        vectors = self._vectors(texts)
        full = kernel + classify.DENSE * (vectors @ vectors[learned].T)
        names, classes = np.unique([labels[i] for i in learned], return_inverse=True)
        topics = names != OFF_TOPIC
        square = full[learned]
        square.flat[:: len(square) + 1] += classify.RIDGE
        factor = cho_factor(square, overwrite_a=True, check_finite=False)
        dual = cho_solve(factor, np.eye(len(names), dtype=np.float32)[classes])
        return _hits(
            "class", full[unseen] @ dual[:, topics], names[topics], self._bench.topics[unseen]
        )

    def _statutes(self) -> dict[str, float]:
        if not self._bench.statutes_too:
            return {}
        words, articles, questions, bm25, relevant = self._bench.statutes(self._cut)
        zero = np.zeros(self._dim, np.float32)
        table = np.array([self._rows.get(word, zero) for word in words], np.float32)
        dense = rows.unit(questions @ table[: questions.shape[1]]) @ rows.unit(articles @ table).T
        fused = sum(part / part.max(axis=1, keepdims=True) for part in (bm25, dense))
        top = np.argpartition(-fused, 100, axis=1)[:, :100]
        order = np.take_along_axis(top, np.argsort(-np.take_along_axis(fused, top, 1), 1), 1)
        found = [[a in gold for a in row] for gold, row in zip(relevant, order, strict=True)]
        sizes = np.array([len(gold) for gold in relevant])
        first = [next((1 / (i + 1) for i, hit in enumerate(f[:10]) if hit), 0.0) for f in found]
        return {
            "stard R@10": float(np.mean([sum(f[:10]) for f in found] / sizes)),
            "stard R@100": float(np.mean([sum(f) for f in found] / sizes)),
            "stard MRR": float(np.mean(first)),
        }


def _hits(name: str, near: np.ndarray, names: np.ndarray, right: np.ndarray) -> dict[str, float]:
    ranked = names[np.argsort(-near, axis=1)[:, :3]] == right[:, None]
    return {f"{name}@1": float(ranked[:, 0].mean()), f"{name}@3": float(ranked.any(axis=1).mean())}


def _train(name: str, bench: Bench) -> dict[str, np.ndarray]:
    """Return the rows that a trial learns; its model lies in SCRATCH/name, for ``qa rebuild``."""
    trial = TRIALS[name]
    rendered = renderings(CORPUS) if trial.rendered else ()
    material = gather(bench.data, bench.corpus, rendered, HELD_OUT_EVERY)
    cut = _cut(trial, bench.cut)
    batches = Batches.cut(material, cut, lambda *_: None)  # type: ignore[arg-type]
    bench.cut.save()
    learned = []
    for seed in trial.seeds or (trial.recipe.seed,):
        with _changed(trial, material.questions, bench.cut.segmenter):
            words, table = learn(material, batches, replace(trial.recipe, seed=seed), _progress)
        learned.append(table)
    table = dict(zip(words, _joined(learned, words, batches, trial.recipe.dim), strict=True))
    seen = material.questions + (material.off_topic if trial.recipe.off_topic else [])
    embed.save_static(bench.scratch / name, name, table, seen)
    return table


def _joined(tables: list[np.ndarray], words: list[str], batches: Batches, dim: int) -> np.ndarray:
    """Return rows side by side, reduced to what sets the texts of the training apart."""
    if len(tables) == 1:
        return tables[0]
    wide = np.concatenate(tables, axis=1)
    number = {word: i for i, word in enumerate(words)}
    texts = [[number[t] for t in text if t in number] for text in batches.texts[::2]]
    vectors = rows.unit(np.array([wide[text].sum(axis=0) for text in texts if text]))
    _, axes = np.linalg.eigh(vectors.T @ vectors)
    return wide @ axes[:, ::-1][:, :dim]


@contextmanager
def _changed(trial: Trial, questions: list[str], segmenter: Segmenter) -> Iterator[None]:
    """Put what no recipe can say into the training, for one run."""
    kept = first_rows, fit, losses = training.first_rows, training.fit, learning.losses
    if trial.idf == "none":
        training.first_rows = lambda *given: _without_idf(first_rows(*given))
    if trial.idf == "fixed":
        training.fit = _fixed
    if trial.distilled:
        segments = [segmenter.segment(text) for text in questions]
        learning.losses = lambda run, batches, *rest: (
            *losses(run, batches, *rest),
            _distilled(run, batches, segments, trial.distilled),
        )
    try:
        yield
    finally:
        training.first_rows, training.fit, learning.losses = kept


def _distilled(
    run: learning.Run, batches: Batches, segments: list[Segments], repeats: float
) -> tuple[learning.Loss, float]:
    """Return the loss that meets the scores of held-out questions over the topics."""
    import torch
    from torch.nn import functional

    own = learning._TopicLoss(run, batches)
    labels = [f"{topic:04}" for topic in own._topics]
    nowhere = np.zeros((len(segments), 1), np.float32)
    _, left_out = classify.fit(segments, labels, nowhere, range(len(segments)))
    soft = functional.softmax(torch.from_numpy(left_out) / SOFTNESS, dim=1)

    def loss() -> torch.Tensor:
        places, _ = own._places()
        chosen = run.rng.integers(own._first_passage[:-1], own._first_passage[1:])
        left = own._questions.vectors(places, run.recipe.dropout)
        right = own._passages.vectors(chosen, run.recipe.dropout)
        near = functional.normalize(left, dim=1) @ functional.normalize(right, dim=1).T
        return functional.cross_entropy(near * run.recipe.scale, soft[places])

    return loss, run.recipe.passes * repeats * own.count / run.recipe.batch


def _without_idf(first: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    table, teacher = first
    return rows.unit(table) * np.linalg.norm(table, axis=1).mean(), teacher


def _fixed(table: np.ndarray, *rest: object) -> np.ndarray:
    """Learn unit rows that are multiplied by idf, which stays as it is."""
    import torch

    idf = torch.from_numpy(np.linalg.norm(table, axis=1, keepdims=True).astype(np.float32))
    make = torch.nn.EmbeddingBag.from_pretrained

    class Times(torch.nn.Module):
        def forward(self, weight: torch.Tensor) -> torch.Tensor:
            return weight * idf

        def right_inverse(self, weight: torch.Tensor) -> torch.Tensor:
            return weight / idf.clamp(min=1e-6)

    def multiplied(*args: object, **flags: object) -> torch.nn.EmbeddingBag:
        bag = make(*args, **flags)
        torch.nn.utils.parametrize.register_parametrization(bag, "weight", Times())
        return bag

    torch.nn.EmbeddingBag.from_pretrained = multiplied  # type: ignore[assignment]
    try:
        return learning.fit(table, *rest)  # type: ignore[arg-type]
    finally:
        torch.nn.EmbeddingBag.from_pretrained = make  # type: ignore[method-assign]


def _progress(what: str, done: int, of: int) -> None:
    if sys.stderr.isatty():
        print(f"\r{what} {done}/{of} ", end="", file=sys.stderr)


def _rounded(table: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return rows as a model file keeps them: int8 with a scale each."""
    kept = {}
    for word, row in table.items():
        scale = np.abs(row).max() / np.float32(127) or np.float32(1)
        kept[word] = np.rint(row / scale) * scale
    return kept


def _of_folder(folder: Path, bench: Bench) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return the rows of a model, and which held-out questions it has not seen."""
    encoder = embed.StaticEncoder(folder, bench.cut.segmenter)
    table = encoder._table * encoder._scales[:, None]
    unseen = bench.held & ~np.array([encoder.has_seen(text) for text in bench.questions])
    return {word: table[row] for word, row in encoder._rows.items()}, unseen


def main(data: str, scratch: str, *names: str) -> None:
    Path(scratch).mkdir(parents=True, exist_ok=True)
    bench = Bench(Path(data), Path(scratch), "--no-statutes" not in names)
    for name in (name for name in names if not name.startswith("--")):
        start = time.perf_counter()
        key, unseen = name.removesuffix(".float32"), bench.held
        if key in TRIALS:
            cut, path = _cut(TRIALS[key], bench.cut), Path(scratch) / f"{key}.rows.pkl"
            if name == key:
                _write(path, _train(key, bench))
            table = _read(path)
        else:
            table, unseen = _of_folder(Path(name), bench)
            cut = Grams(bench.cut, 8192, 2) if "#0" in table else bench.cut
        seconds = time.perf_counter() - start
        table = table if name.endswith(".float32") else _rounded(table)
        found = Measured(bench, cut, table).row(np.flatnonzero(unseen))
        numbers = " ".join(f"{key} {value:.3f}" for key, value in found.items())
        size = len(table) * (len(next(iter(table.values()))) + 4) / 1e6
        print(
            f"{name}: {numbers} | {size:.1f} MB, {seconds:.0f} s, held {unseen.sum()}", flush=True
        )
        bench.cut.save()


if __name__ == "__main__":
    main(*sys.argv[1:])
