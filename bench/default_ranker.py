"""Fit the ranker that serves where no document has question variants (qa.rank.DEFAULT_RANKER).

    python bench/default_ranker.py DATA SCRATCH

An operator's own text is new to the encoder, as is a question about it. So the encoder is trained
in SCRATCH without the corpus and without every fifth of the statute questions, and the ranker is
fitted on both: the corpus's questions over its passages, and those statute questions over 57,420
articles (``DATA/eval/stard``, fold ``train``; never ``dev``). Candidates are judged by retrieval
alone; thresholds are quantiles of the confidence of the corpus's answerable questions.
"""

from __future__ import annotations

import gzip
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.optimize import minimize

from qa import index
from qa.corpus import OFF_TOPIC, Corpus, read
from qa.embed import Encoder, open_encoder
from qa.evaluate import read_collection, read_judged
from qa.index import Index
from qa.index.build import HeldOut
from qa.paths import CORPUS
from qa.rank import RETRIEVAL_FEATURES, Logistic, fit_logistic
from qa.search import Query, gather
from qa.segment import Segmenter
from qa.train import train
from qa.train.recipe import Recipe

HELD_OUT_EVERY = 5
STATUTE_SOURCES = ("stard_train", "lecoqa_train")
FOUND = len(RETRIEVAL_FEATURES)
PENALTY = 1e-3

Candidates = tuple[np.ndarray, np.ndarray]  # their retrieval features, and which are right


def main(data: Path, scratch: Path) -> None:
    segmenter = Segmenter(CORPUS)
    statutes = data / "eval/stard"
    questions = read_judged(statutes, "train")[::HELD_OUT_EVERY]
    model = scratch / "m0"
    if not model.is_dir():
        _train(data, scratch, segmenter, {question.text for question in questions})
    encoder = open_encoder(str(model), segmenter)

    corpus = _build(read(CORPUS), segmenter, encoder)
    asked = [(Query(held.segments, held.vector), held, {held.label}) for held in corpus.held_out]
    own = [_candidates(corpus, *question) for question in asked]
    articles = _build(read_collection(statutes), segmenter, encoder)
    others = [
        _candidates(
            articles,
            Query(segmenter.question(question.text), encoder.encode_query(question.text)),
            None,
            set(question.topics),
        )
        for question in questions
    ]
    model_of = _fit(own, others)
    print("features ", RETRIEVAL_FEATURES)
    print("weights  ", tuple(round(weight, 2) for weight in model_of.weights))
    print("bias     ", round(model_of.bias, 2))
    labels = [next(iter(question[2])) for question in asked]
    _thresholds(model_of, own, [label != OFF_TOPIC for label in labels])
    _ranks(model_of, others)


def _train(data: Path, scratch: Path, segmenter: Segmenter, held_out: set[str]) -> None:
    """Train without the corpus and without the pairs of some questions."""
    source = scratch / "data"
    shutil.copytree(data / "train", source / "train", dirs_exist_ok=True)
    for name in STATUTE_SOURCES:
        path = source / "train" / f"{name}.tsv.gz"
        path.chmod(0o644)
        with gzip.open(path, "rt", encoding="utf-8") as file:
            kept = [line for line in file if line.split("\t")[0] not in held_out]
        with gzip.open(path, "wt", encoding="utf-8") as file:
            file.writelines(kept)
    nothing = replace(read(CORPUS), documents=(), off_topic=())
    train(source, nothing, (), segmenter, scratch / "m0", Recipe(), lambda *_: None)


def _build(corpus: Corpus, segmenter: Segmenter, encoder: Encoder) -> Index:
    return index.build(corpus, segmenter, encoder, {}, lambda *_: None)


def _candidates(built: Index, query: Query, held: HeldOut | None, right: set[str]) -> Candidates:
    """Return the retrieval features of a question's candidates, and which are right."""
    found = gather(built, query, held)
    topics = [built.passages[rows[0]].topic for rows in found.rows]
    return found.features[:, :FOUND], np.array([topic in right for topic in topics])


def _fit(own: list[Candidates], others: list[Candidates]) -> Logistic:
    """Fit the order on both sets, each weighing the same, and the probability on the own one.

    A conditional logit of the right among a question's candidates gives the weights; the odds
    that the first of them is right, by the sum that it has, give slope and bias.
    """
    order = _order(own, others)
    best = [
        (float((rows @ order).max()), bool(right[int((rows @ order).argmax())]))
        for rows, right in own
    ]
    odds = fit_logistic(np.array([[score] for score, _ in best]), [right for _, right in best])
    slope = odds.weights[0]
    return Logistic(tuple(float(slope * weight) for weight in order), odds.bias)


def _order(own: list[Candidates], others: list[Candidates]) -> np.ndarray:
    sets = [[one for one in part if one[1].any() and not one[1].all()] for part in (own, others)]
    judged = [one for part in sets for one in part]
    weights = np.array([1 / len(part) for part in sets for _ in part])
    weights /= weights.sum()
    starts = np.cumsum([0, *(len(rows) for rows, _ in judged)])
    owner = np.repeat(np.arange(len(judged)), np.diff(starts))
    rows = np.concatenate([one for one, _ in judged])
    right = np.concatenate([one for _, one in judged])

    def loss(guess: np.ndarray) -> tuple[float, np.ndarray]:
        useful = rows @ guess
        odds = np.exp(useful - np.maximum.reduceat(useful, starts[:-1])[owner])
        total = np.add.reduceat(odds, starts[:-1])
        hit = np.add.reduceat(odds * right, starts[:-1])
        pull = (odds * right / hit[owner] - odds / total[owner]) * weights[owner]
        value = PENALTY / 2 * float(guess @ guess) - float(weights @ np.log(hit / total))
        return value, PENALTY * guess - rows.T @ pull

    found = minimize(loss, np.zeros(FOUND), jac=True, method="L-BFGS-B")
    return np.array(found.x)


def _thresholds(model: Logistic, judged: list[Candidates], answerable: list[bool]) -> None:
    best = [_first(model, rows, right) for rows, right in judged]
    confidence = np.array([chance for chance, _ in best])
    right = np.array([is_right for _, is_right in best])
    known = np.array(answerable)
    for share in (0.02, 0.05, 0.1, 0.2):
        threshold = float(np.quantile(confidence[known], share))
        refused = float((confidence[~known] < threshold).mean())
        print(
            f"uncertain from {threshold:.3f}: refuses {share:.0%} of answerable "
            f"(n = {known.sum()}), {refused:.0%} of off-topic (n = {(~known).sum()})"
        )
    for threshold in (0.1, 0.15, 0.2, 0.3, 0.5):
        kept = confidence >= threshold
        print(f"answered from {threshold}: first right {right[kept].mean():.2f} (n = {kept.sum()})")


def _first(model: Logistic, rows: np.ndarray, right: np.ndarray) -> tuple[float, bool]:
    chances = model.probabilities(rows)
    return float(chances.max()), bool(right[int(chances.argmax())])


def _ranks(model: Logistic, judged: list[Candidates]) -> None:
    """Print how high the right articles stand, and by BM25 and by the cosine alone."""
    ways: Iterator[tuple[str, Logistic]] = iter(
        [("fitted", model), ("bm25", _only("bm25")), ("cosine", _only("cosine"))]
    )
    for name, way in ways:
        firsts = [
            right[np.argsort(-way.probabilities(rows), kind="stable")] for rows, right in judged
        ]
        top = [f[:10].any() for f in firsts]
        print(f"{name}: right article in the first ten {np.mean(top):.3f} (n = {len(judged)})")


def _only(feature: str) -> Logistic:
    return Logistic(tuple(float(name == feature) for name in RETRIEVAL_FEATURES), 0.0)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
