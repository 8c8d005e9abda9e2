"""Corpus → index in service: the one way to change what the service knows."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass, replace
from pathlib import Path

from qa import index
from qa.calibrate import fit
from qa.corpus import read
from qa.embed import Encoder
from qa.errors import IndexProblem
from qa.index.build import Progress
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
    unchanged: bool = False  # the build in service was made of the same, and serves on


def rebuild(
    corpus: Path, folder: Path, segmenter: Segmenter, encoder: Encoder, progress: Progress
) -> Report:
    """Build the corpus, verify the build, switch to it; the result is that of a full build.

    A build in service that is whole and was made of the same corpus, by the same tools and code,
    is that result: nothing is done then.

    Raises:
        CorpusError: the guidance is missing or faulty; the index in service is unchanged.
        IndexLocked, IndexUnwritable: nothing was changed either.
    """
    guidance = read(corpus)
    with index.locked(folder):
        before = _in_service(folder, segmenter, encoder)
        if before and _without_files(before) == index.manifest(guidance, segmenter, encoder):
            index.tidy(folder)
            return replace(_report(before, set(before.keys)), unchanged=True)
        known = before.known_vectors() if before else {}
        with segmenter.remembering():
            draft = index.build(guidance, segmenter, encoder, known, progress)
        progress("learn", 0, 1)
        built = replace(draft, ranker=fit(draft), word_ranker=fit(draft, by_words=True))
        saved = index.save(folder, built, segmenter, encoder)
    return _report(saved, known.keys())


def _report(build: index.Index, known: Set[str]) -> Report:
    manifest = build.manifest
    reused = len(set(build.keys) & known)
    return Report(
        build=manifest.build,
        topics=manifest.topics,
        passages=manifest.passages,
        questions=manifest.questions,
        encoded=len(set(build.keys)) - reused,
        reused=reused,
    )


def _in_service(folder: Path, segmenter: Segmenter, encoder: Encoder) -> index.Index | None:
    """Return the build in service, if it is whole and was made with the same tools."""
    try:
        return index.load(folder, segmenter, encoder)
    except IndexProblem:
        return None


def _without_files(build: index.Index) -> index.Manifest:
    return build.manifest.model_copy(update={"files": {}})
