"""Train the shipped encoder: one command, from outside pairs, an English teacher and the corpus.

The steps, and what was tried before them, are in docs/encoder.md. torch, scikit-learn and the
teacher are needed here only (``pip install '.[train]'``).
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from qa.corpus import Corpus, Rendering
from qa.embed import save_static
from qa.index.build import Progress
from qa.segment import Segmenter
from qa.train.data import Material, gather
from qa.train.learning import Batches, fit, nearest
from qa.train.recipe import Recipe
from qa.train.rows import Float, first_rows, frequencies, vocabulary

NAME = "mediation-notice-static"
# Of each topic's question variants, every fourth is kept from the encoder: the ranker, which must
# not judge the encoder by questions that it has learned, is fitted on these (ADR 0009).
HELD_OUT_EVERY = 4


@dataclass(frozen=True, slots=True)
class TrainingReport:
    """What one training run wrote."""

    folder: Path
    tokens: int
    dim: int
    questions: int  # question variants trained on
    held_out: int  # question variants kept back for the ranker
    seconds: float
    sha256: str  # of model.safetensors

    def __str__(self) -> str:
        return (
            f"已写入 {self.folder}：{self.tokens} 个词，{self.dim} 维；"
            f"学了 {self.questions} 种问法，留出 {self.held_out} 种；"
            f"用时 {self.seconds:.0f} 秒；sha256 {self.sha256}"
        )


def train(
    source: Path,
    corpus: Corpus,
    rendered: Iterable[Rendering],
    segmenter: Segmenter,
    out: Path,
    recipe: Recipe,
    progress: Progress,
) -> TrainingReport:
    """Train an encoder and write it as a model folder.

    Args:
        source: folder with ``train/``: the outside pairs, glosses and translations.
        corpus: its documents' questions and passages are learned too; it may have none.
        rendered: texts of the corpus with their English.

    Raises:
        TrainingDataMissing: a file of the source, or the teacher's package, is not there.
    """
    start = time.perf_counter()
    material = gather(source, corpus, rendered, HELD_OUT_EVERY)
    batches = Batches.cut(material, segmenter, progress)
    words, rows = learn(material, batches, recipe, progress)
    seen = material.questions + (material.off_topic if recipe.off_topic else [])
    save_static(out, f"{NAME}-{recipe.dim}", dict(zip(words, rows, strict=True)), seen)
    known = sum(len(document.questions) + 1 for document in corpus.documents)
    return TrainingReport(
        folder=out,
        tokens=len(words),
        dim=rows.shape[1],
        questions=len(material.questions),
        held_out=known - len(material.questions),
        seconds=time.perf_counter() - start,
        sha256=hashlib.sha256((out / "model.safetensors").read_bytes()).hexdigest(),
    )


def learn(
    material: Material, batches: Batches, recipe: Recipe, progress: Progress
) -> tuple[list[str], Float]:
    """Return the tokens and their rows, (tokens, dim)."""
    words = vocabulary(frequencies(batches.outside), frequencies(batches.own), recipe)
    rows, teacher = first_rows(
        words, batches, material.glosses, material.english, recipe.dim, progress
    )
    near = None
    if recipe.near[0] < recipe.near[1]:
        first = fit(rows, words, batches, teacher, recipe, progress)
        near = nearest(first, words, batches, recipe)
    return words, fit(rows, words, batches, teacher, recipe, progress, near)
