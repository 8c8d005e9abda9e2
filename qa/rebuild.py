"""Corpus → index in service: the one way to change what the service knows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from qa import index
from qa.calibrate import fit
from qa.corpus import read
from qa.embed import Encoder
from qa.errors import IndexProblem
from qa.index.build import Float, Progress
from qa.segment import Segmenter


@dataclass(frozen=True, slots=True)
class Report:
    """What one rebuild did."""

    build: str
    topics: int
    passages: int
    questions: int
    encoded: int  # texts that were new or changed
    reused: int  # texts whose vectors came from the build that served before


def rebuild(
    corpus: Path, folder: Path, segmenter: Segmenter, encoder: Encoder, progress: Progress
) -> Report:
    """Build the corpus, verify the build, switch to it; the result is that of a full build.

    Raises:
        CorpusError: the guidance is missing or faulty; the index in service is unchanged.
        IndexLocked, IndexUnwritable: nothing was changed either.
    """
    guidance = read(corpus)
    with index.locked(folder):
        known = _known(folder, segmenter, encoder)
        with segmenter.remembering():
            draft = index.build(guidance, segmenter, encoder, known, progress)
        progress("learn", 0, 1)
        built = replace(draft, ranker=fit(draft), word_ranker=fit(draft, by_words=True))
        saved = index.save(folder, built, segmenter, encoder)
    manifest = saved.manifest
    reused = len(set(saved.keys) & known.keys())
    return Report(
        build=manifest.build,
        topics=manifest.topics,
        passages=manifest.passages,
        questions=manifest.questions,
        encoded=len(set(saved.keys)) - reused,
        reused=reused,
    )


def _known(folder: Path, segmenter: Segmenter, encoder: Encoder) -> dict[str, Float]:
    """Return the vectors of the build in service, if it was made with the same tools."""
    try:
        return index.load(folder, segmenter, encoder).known_vectors()
    except IndexProblem:
        return {}
