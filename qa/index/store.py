"""Builds on disk: written beside the one in service, verified, then switched by one rename.

A build is complete or absent: it is written under a temporary name, read back, and renamed. The
pointer changes last. A reader sees the old build or the new one, never a mixture. What was damaged
afterwards is found by the digest of every file, and the build that served before takes over.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import bm25s
import faiss
import numpy as np

from qa.classify import TopicClassifier
from qa.corpus import Contact, Passage, Reply, Urgent
from qa.embed import Encoder
from qa.errors import IndexCorrupt, IndexMissing, IndexProblem, IndexStale
from qa.index.build import FORMAT, Index, Manifest, Topic
from qa.index.folder import (
    BUILDS,
    CURRENT,
    Pointer,
    builds,
    candidates,
    corrupt,
    current,
    locked,
    point,
    pointer_text,
    sync,
    written,
)
from qa.rank import Ranker
from qa.repair import Vocabulary
from qa.segment import Segmenter

MANIFEST = "manifest.json"
_UNFINISHED = ".unfinished-"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Serving:
    """The build that can serve, and what is wrong with the one that should."""

    index: Index
    fault: IndexProblem | None = None


@dataclass(frozen=True, slots=True)
class Verified:
    """One build, every byte of it checked."""

    build: str
    files: int  # the manifest included; 0 where it is what is damaged
    size: int  # bytes
    damaged: tuple[str, ...]  # paths below the build


def save(folder: Path, index: Index, segmenter: Segmenter, encoder: Encoder) -> Index:
    """Write a build, read it back, switch to it, and return it as read.

    The caller holds ``locked(folder)``. The build that served before is kept, older ones go.

    Raises:
        IndexUnwritable: the disk is full, fails or is read-only; a build that is whole serves on.
    """
    beside = folder / BUILDS
    with written(folder):
        _sweep(folder)
        temporary = beside / f"{_UNFINISHED}{os.getpid()}"
        temporary.mkdir()
        try:
            name = _write(temporary, index)
            _put_in_place(temporary, beside / name)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    loaded = load_build(beside / name, segmenter, encoder)
    with written(folder):
        _switch(folder, name)
    return loaded


def tidy(folder: Path) -> None:
    """Leave the folder as a rebuild does, after one that was killed; the caller holds the lock.

    Raises:
        IndexCorrupt, IndexMissing: there is no pointer to say what is left over.
        IndexUnwritable: the disk fails or is read-only.
    """
    pointer = current(folder)
    with written(folder):
        if pointer.previous and not _is_whole(folder / BUILDS / pointer.previous):
            pointer = Pointer(pointer.current)
            point(folder, pointer)
        _sweep(folder)
        _prune(folder, pointer)
        (folder / f"{CURRENT}.new").unlink(missing_ok=True)
        sync(folder)


def load(folder: Path, segmenter: Segmenter, encoder: Encoder) -> Index:
    """Return the build in service, after checking every byte of it.

    Raises:
        IndexMissing: nothing was ever built here.
        IndexCorrupt: a file is missing or is not what the manifest says; names it.
        IndexStale: made with another format, model or dictionary than is running; names which.
    """
    return load_build(folder / BUILDS / current(folder).current, segmenter, encoder)


def serving(folder: Path, segmenter: Segmenter, encoder: Encoder) -> Serving:
    """Return the build in service or, where that cannot serve, the best one that can, and why.

    Raises:
        IndexProblem: what ``load`` says, where no other build can serve either.
    """
    while True:
        seen = pointer_text(folder)
        try:
            return Serving(load(folder, segmenter, encoder))
        except IndexProblem as error:
            fault = error
        # A rebuild may have switched meanwhile, and deleted what was being read.
        if pointer_text(folder) == seen:
            break
    for name in candidates(folder):
        try:
            found = load_build(folder / BUILDS / name, segmenter, encoder)
        except IndexProblem:
            continue
        if isinstance(fault, IndexMissing):  # builds are there: the pointer was lost
            fault = corrupt(folder / CURRENT)
        logger.warning("build %s serves instead code=%s %s", name, fault.code, fault)
        return Serving(found, fault)
    raise fault


def rollback(folder: Path, segmenter: Segmenter, encoder: Encoder) -> Pointer:
    """Go back to the build that served before, which then can be undone the same way.

    Raises:
        IndexMissing: none served before.
        IndexCorrupt, IndexStale: it cannot serve; the one in service serves on.
        IndexLocked, IndexUnwritable: nothing was changed.
    """
    current(folder)  # before the lock: it would make a folder where there is none
    with locked(folder):
        before = current(folder)
        if before.previous is None:
            raise IndexMissing(
                f"{folder} 里没有上一份索引，无法退回。请改正语料后运行 qa rebuild。",
                f"{folder} has no previous build to go back to. "
                "Mend the corpus and run `qa rebuild`.",
            )
        load_build(folder / BUILDS / before.previous, segmenter, encoder)
        after = Pointer(before.previous, before.current)
        with written(folder):
            point(folder, after)
    return after


def verify(folder: Path) -> tuple[Verified, ...]:
    """Check every byte of the build in service and of the one before it.

    Raises:
        IndexMissing: nothing was ever built here.
        IndexCorrupt: the pointer is damaged.
    """
    pointer = current(folder)
    names = [pointer.current, *([pointer.previous] if pointer.previous else [])]
    return tuple(_verify(folder / BUILDS / name) for name in names)


def load_build(build: Path, segmenter: Segmenter, encoder: Encoder) -> Index:
    """Return one build; ``load`` says what can be wrong with it."""
    manifest = _manifest(build)
    _require_match(manifest, segmenter, encoder)
    for name, digest in manifest.files.items():
        _require_digest(build / name, digest)
    try:
        return _read(build, manifest)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise corrupt(build) from error


def _write(build: Path, index: Index) -> str:
    """Write every file of a build, the manifest last; return the build's name."""
    assert index.ranker is not None
    assert index.word_ranker is not None
    _write_lines(build / "passages.jsonl", (asdict(passage) for passage in index.passages))
    _write_lines(build / "topics.jsonl", (asdict(topic) for topic in index.topics))
    _write_lines(build / "contacts.jsonl", (asdict(contact) for contact in index.contacts))
    _write_lines(build / "urgent.jsonl", (asdict(rule) for rule in index.urgent))
    _write_lines(build / "replies.jsonl", (asdict(rule) for rule in index.replies))
    vocabulary = json.dumps(index.vocabulary.to_json(), ensure_ascii=False)
    (build / "vocabulary.json").write_text(vocabulary, "utf-8")
    (build / "questions.txt").write_text("\n".join(index.question_topics), "utf-8")
    (build / "keys.txt").write_text("\n".join(index.keys), "utf-8")
    for name, ranker in (("ranker", index.ranker), ("word-ranker", index.word_ranker)):
        (build / f"{name}.json").write_text(json.dumps(ranker.to_json(), indent=1), "utf-8")
    _write_vectors(build / "vectors.faiss", index.vectors)
    _write_vectors(build / "questions.faiss", index.question_vectors)
    index.words.save(build / "words", show_progress=False)
    index.grams.save(build / "grams", show_progress=False)
    for name in _CLASSIFIERS:
        classifier = getattr(index, name)
        if classifier is not None:
            _write_classifier(build / name, classifier)
    files = sorted(path for path in build.rglob("*") if path.is_file())
    digests = {path.relative_to(build).as_posix(): _digest(path) for path in files}
    manifest = index.manifest.model_copy(update={"files": digests})
    (build / MANIFEST).write_text(manifest.model_dump_json(indent=1), "utf-8")
    for path in [*files, build / MANIFEST]:
        sync(path)
    for path in {path.parent for path in files}:
        sync(path)
    return manifest.build


def _read(build: Path, manifest: Manifest) -> Index:
    passages = tuple(_passage(data) for data in _read_lines(build / "passages.jsonl"))
    topics = tuple(
        Topic(**{**data, "related": tuple(data["related"])})
        for data in _read_lines(build / "topics.jsonl")
    )
    classifier, wording, danger = (
        _read_classifier(build / name) if (build / name).is_dir() else None for name in _CLASSIFIERS
    )
    return Index(
        manifest=manifest,
        passages=passages,
        topics=topics,
        contacts=tuple(_contact(data) for data in _read_lines(build / "contacts.jsonl")),
        urgent=tuple(_urgent(data) for data in _read_lines(build / "urgent.jsonl")),
        replies=tuple(
            Reply(data["kind"], data["says"], tuple(data["phrases"]))
            for data in _read_lines(build / "replies.jsonl")
        ),
        vocabulary=Vocabulary.from_json(json.loads((build / "vocabulary.json").read_text("utf-8"))),
        vectors=faiss.read_index(str(build / "vectors.faiss")),
        question_vectors=faiss.read_index(str(build / "questions.faiss")),
        question_topics=tuple((build / "questions.txt").read_text("utf-8").split("\n")),
        keys=tuple((build / "keys.txt").read_text("utf-8").split("\n")),
        words=_read_bm25(build / "words"),
        grams=_read_bm25(build / "grams"),
        classifier=classifier,
        wording=wording,
        danger=danger,
        ranker=_read_ranker(build / "ranker.json"),
        word_ranker=_read_ranker(build / "word-ranker.json"),
    )


_CLASSIFIERS = ("classifier", "wording", "danger")
_ARRAYS = ("idf", "weights", "dense", "labels", "starts", "places", "values")


def _write_classifier(folder: Path, classifier: TopicClassifier) -> None:
    folder.mkdir()
    for name in _ARRAYS:
        np.save(folder / f"{name}.npy", getattr(classifier, name), allow_pickle=False)
    names = {
        "classes": classifier.classes,
        "features": list(classifier.features),
        "reads": classifier.reads,
    }
    (folder / "names.json").write_text(json.dumps(names, ensure_ascii=False), "utf-8")


def _read_classifier(folder: Path) -> TopicClassifier:
    names = json.loads((folder / "names.json").read_text("utf-8"))
    arrays: dict[str, Any] = {name: _mapped(folder / f"{name}.npy") for name in _ARRAYS}
    features = {name: i for i, name in enumerate(names["features"])}
    return TopicClassifier(
        classes=tuple(names["classes"]), features=features, reads=names["reads"], **arrays
    )


def _mapped(path: Path) -> np.ndarray:
    """Return an array whose pages all workers share, read as they are needed (ADR 0028)."""
    # A plain array over the mapping: slicing numpy's own memmap takes five times as long.
    return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))


def _read_bm25(folder: Path) -> bm25s.BM25:
    found = bm25s.BM25.load(folder, load_vocab=True, mmap=True)
    found.scores |= {
        name: np.asarray(array)
        for name, array in found.scores.items()
        if isinstance(array, np.memmap)
    }
    return found


def _read_ranker(path: Path) -> Ranker:
    return Ranker.from_json(json.loads(path.read_text("utf-8")))


def _passage(data: dict[str, Any]) -> Passage:
    return Passage(**{**data, "sources": tuple(data["sources"])})


def _contact(data: dict[str, Any]) -> Contact:
    return Contact(**{**data, "words": tuple(data["words"])})


def _urgent(data: dict[str, Any]) -> Urgent:
    contacts = tuple(_contact(contact) for contact in data["contacts"])
    texts = {name: tuple(data[name]) for name in ("topics", "phrases", "lookalikes")}
    return Urgent(data["kind"], data["says"], contacts, **texts, margin=data["margin"])


def _write_lines(path: Path, rows: Iterator[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")


def _write_vectors(path: Path, vectors: faiss.Index) -> None:
    # Not by faiss.write_index: it says a full disk in words, without the system's number.
    path.write_bytes(faiss.serialize_index(vectors).data)


def _read_lines(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def _checked(build: Path) -> dict[str, Any]:
    """Return the manifest of a build of whatever format, if every byte is as it was written."""
    path = build / MANIFEST
    try:
        text = path.read_bytes().decode()
        data: dict[str, Any] = json.loads(text)
        if text != json.dumps(data, ensure_ascii=False, indent=1):
            raise corrupt(path)
    except (OSError, ValueError) as error:
        raise corrupt(path) from error
    compact = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    if sha256(compact.encode()).hexdigest()[:16] != build.name:
        raise corrupt(path)
    return data


def _manifest(build: Path) -> Manifest:
    data = _checked(build)
    if data["format"] != FORMAT:  # another format may have other fields
        raise _stale("格式", "format", str(data["format"]), str(FORMAT))
    try:
        return Manifest.model_validate(data)
    except ValueError as error:
        raise corrupt(build / MANIFEST) from error


def _require_match(manifest: Manifest, segmenter: Segmenter, encoder: Encoder) -> None:
    """Refuse by name a build that does not fit what is running."""
    built_and_running = {
        "编码模型 model": (manifest.model_sha256, encoder.sha256),
        "维度 dim": (str(manifest.dim), str(encoder.dim)),
        "分词词典 dictionary": (manifest.segmenter_sha256, segmenter.sha256),
    }
    for name, (built, running) in built_and_running.items():
        if built != running:
            chinese, english = name.split()
            raise _stale(chinese, english, built, running)


def _stale(chinese: str, english: str, built: str, running: str) -> IndexStale:
    return IndexStale(
        f"索引是用另一个{chinese}建立的（{built[:12]}，现在是 {running[:12]}）。"
        "请运行 qa rebuild 重建索引。",
        f"The index was built with another {english} ({built[:12]}, running {running[:12]}). "
        "Run `qa rebuild`.",
    )


def _verify(build: Path) -> Verified:
    """Check a build of whatever format; damage is what is returned."""
    try:
        digests: dict[str, str] = _checked(build)["files"]
    except IndexCorrupt:
        return Verified(build.name, 0, 0, (MANIFEST,))
    damaged, size = [], (build / MANIFEST).stat().st_size
    for name, digest in digests.items():
        try:
            _require_digest(build / name, digest)
            size += (build / name).stat().st_size
        except IndexCorrupt:
            damaged.append(name)
    return Verified(build.name, len(digests) + 1, size, tuple(damaged))


def _is_whole(build: Path) -> bool:
    return not _verify(build).damaged


def _require_digest(path: Path, digest: str) -> None:
    try:
        found = _digest(path)
    except OSError as error:
        raise corrupt(path) from error
    if found != digest:
        raise corrupt(path)


def _put_in_place(temporary: Path, build: Path) -> None:
    """Give a finished build its name.

    The same build may be there already, and be the one in service: it is left alone. Only one
    whose files are not what its manifest says is moved aside, and deleted once replaced; between
    the two the build that served before takes over.
    """
    aside = build.with_name(f"{_UNFINISHED}{build.name}")
    if not _is_whole(build):
        if build.exists():
            os.rename(build, aside)
        os.rename(temporary, build)
    sync(build.parent)
    shutil.rmtree(aside, ignore_errors=True)


def _switch(folder: Path, name: str) -> None:
    """Point to a build, keep the one that served before if it is whole, delete all others."""
    try:
        before = current(folder)
        served = [build for build in (before.current, before.previous) if build]
    except (IndexMissing, IndexCorrupt):
        served = candidates(folder)
    kept = (build for build in served if build != name and _is_whole(folder / BUILDS / build))
    previous = next(kept, None)
    pointer = Pointer(name, previous)
    point(folder, pointer)
    _prune(folder, pointer)


def _sweep(folder: Path) -> None:
    """Delete builds that were never finished."""
    for leftover in (folder / BUILDS).glob(f"{_UNFINISHED}*"):
        shutil.rmtree(leftover)


def _prune(folder: Path, pointer: Pointer) -> None:
    """Delete the builds that served before those that the pointer names."""
    for build in builds(folder):
        if build not in (pointer.current, pointer.previous):
            shutil.rmtree(folder / BUILDS / build, ignore_errors=True)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        digest = sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
