"""Engines made in memory for the sake of measuring: nothing is written, nothing replaced."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from qa.answer import Engine
from qa.calibrate import fit
from qa.corpus import Corpus, Document, Passage
from qa.embed import Encoder
from qa.evaluate.judged import Text, read_texts
from qa.index import build
from qa.index.build import Progress
from qa.segment import Segmenter


def engine_of(corpus: Corpus, segmenter: Segmenter, encoder: Encoder, progress: Progress) -> Engine:
    """Return the engine that ``qa rebuild`` would put into service."""
    draft = build(corpus, segmenter, encoder, {}, progress)
    progress("learn", 0, 1)
    # What the ranker learned from is large and of no more use.
    return Engine(replace(draft, ranker=fit(draft), held_out=()), segmenter, encoder)


def read_collection(folder: Path) -> Corpus:
    """Return the documents of a folder in BEIR's shape as a corpus without question variants.

    A document is one passage and one topic, which has the document's id.

    Raises:
        JudgedInvalid: names file and line.
    """
    texts = read_texts(folder)
    digest = hashlib.sha256("\0".join(f"{t.id}\0{t.title}\0{t.text}" for t in texts).encode())
    return Corpus(
        documents=_documents(texts),
        chapters=(),
        off_topic=(),
        contacts=(),
        never=(),
        urgent=(),
        examples=(),
        replies=(),
        lookalikes={},
        sha256=digest.hexdigest(),
    )


def _documents(texts: Sequence[Text]) -> tuple[Document, ...]:
    return tuple(
        Document(
            id=text.id,
            title=text.title,
            chapter="",
            questions=(),
            sources=(),
            reviewed=None,
            related=(),
            often=False,
            passages=(
                Passage(text.id, text.id, text.id, text.title, "", text.text, (), None, text.line),
            ),
            path="corpus.jsonl",
            lines={},
        )
        for text in texts
    )
