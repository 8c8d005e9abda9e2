"""Builds on disk: written beside the one in service, verified, then switched by one rename.

    index/
      CURRENT                 {"current": "<build>", "previous": "<build>" or null}
      builds/<build>/         plain files, named by their content; see index/README.md
      lock                    held by the one rebuild at work

A build is complete or absent: it is written under a temporary name, read back, and renamed. The
pointer changes last. A reader sees the old build or the new one, never a mixture.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import bm25s
import faiss
import numpy as np
from filelock import FileLock, Timeout

from qa.classify import TopicClassifier
from qa.corpus import Contact, Passage, Reply, Urgent
from qa.embed import Encoder
from qa.errors import IndexCorrupt, IndexLocked, IndexMissing, IndexStale, IndexUnwritable
from qa.index.build import FORMAT, Index, Manifest, Topic
from qa.rank import Ranker
from qa.repair import Vocabulary
from qa.segment import Segmenter

CURRENT = "CURRENT"
BUILDS = "builds"
LOCK = "lock"
MANIFEST = "manifest.json"
_UNFINISHED = ".unfinished-"
_NAME = re.compile("[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class Pointer:
    """Which build serves, and which one served before it."""

    current: str
    previous: str | None = None


def current(folder: Path) -> Pointer:
    """Return the pointer of an index folder.

    Raises:
        IndexMissing: nothing was ever built here.
        IndexCorrupt: the pointer cannot be read.
    """
    try:
        data = json.loads((folder / CURRENT).read_text("utf-8"))
        return Pointer(str(data["current"]), data["previous"])
    except FileNotFoundError as error:
        raise IndexMissing(
            f"{folder} 里还没有索引。请运行 qa rebuild 建立索引。",
            f"There is no index in {folder}. Run `qa rebuild`.",
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _corrupt(folder / CURRENT) from error


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the index folder for one rebuild.

    Raises:
        IndexLocked: another rebuild holds it.
        IndexUnwritable: the folder cannot be made or written.
    """
    with _written(folder):
        (folder / BUILDS).mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / LOCK)
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            raise IndexLocked(
                f"另一个 qa rebuild 正在写入 {folder}。请等它结束后再运行。",
                f"Another `qa rebuild` is writing {folder}. Run this again when it has ended.",
            ) from error
    try:
        yield
    finally:
        lock.release()


def save(folder: Path, index: Index, segmenter: Segmenter, encoder: Encoder) -> Index:
    """Write a build, read it back, switch to it, and return it as read.

    The caller holds ``locked(folder)``. The build that served before is kept, older ones go.

    Raises:
        IndexUnwritable: the disk is full or the folder is not writable; the old build serves on.
    """
    builds = folder / BUILDS
    with _written(folder):
        for leftover in builds.glob(f"{_UNFINISHED}*"):
            shutil.rmtree(leftover)
        temporary = builds / f"{_UNFINISHED}{os.getpid()}"
        temporary.mkdir()
        try:
            name = _write(temporary, index)
            _put_in_place(temporary, builds / name)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    loaded = load_build(builds / name, segmenter, encoder)
    with _written(folder):
        _switch(folder, name)
    return loaded


def load(folder: Path, segmenter: Segmenter, encoder: Encoder) -> Index:
    """Return the build in service, after checking every byte of it.

    Raises:
        IndexMissing: nothing was ever built here.
        IndexCorrupt: a file is missing or is not what the manifest says; names it.
        IndexStale: made with another format, model or dictionary than is running; names which.
    """
    return load_build(folder / BUILDS / current(folder).current, segmenter, encoder)


def load_build(build: Path, segmenter: Segmenter, encoder: Encoder) -> Index:
    """Return one build; ``load`` says what can be wrong with it."""
    manifest = _manifest(build)
    _require_match(manifest, segmenter, encoder)
    for name, digest in manifest.files.items():
        _require_digest(build / name, digest)
    try:
        return _read(build, manifest)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise _corrupt(build) from error


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
        _sync(path)
    for path in {path.parent for path in files}:
        _sync(path)
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
    """Write vectors; faiss says a full disk in its own words, which an OSError carries on."""
    try:
        faiss.write_index(vectors, str(path))
    except RuntimeError as error:
        raise OSError(errno.ENOSPC, str(error).strip()) from error


def _read_lines(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def _manifest(build: Path) -> Manifest:
    path = build / MANIFEST
    try:
        data = json.loads(path.read_bytes())
        if data["format"] != FORMAT:  # another format may have other fields
            raise _stale("格式", "format", str(data["format"]), str(FORMAT))
        manifest = Manifest.model_validate(data)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _corrupt(path) from error
    if manifest.build != build.name:
        raise _corrupt(path)
    return manifest


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


def _is_whole(build: Path) -> bool:
    try:
        for name, digest in _manifest(build).files.items():
            _require_digest(build / name, digest)
    except (IndexCorrupt, IndexStale):
        return False
    return True


def _require_digest(path: Path, digest: str) -> None:
    try:
        found = _digest(path)
    except OSError as error:
        raise _corrupt(path) from error
    if found != digest:
        raise _corrupt(path)


def _corrupt(path: Path) -> IndexCorrupt:
    return IndexCorrupt(
        f"索引文件 {path} 缺失或已损坏。请运行 qa rebuild 重建索引。",
        f"The index file {path} is missing or damaged. Run `qa rebuild`.",
    )


def _put_in_place(temporary: Path, build: Path) -> None:
    """Give a finished build its name.

    The same build may be there already, and be the one in service: it is left alone. Only one
    whose files are not what its manifest says is moved aside, and deleted once replaced.
    """
    if build.exists():
        if _is_whole(build):
            return
        os.rename(build, build.with_name(f"{_UNFINISHED}{build.name}"))
    os.rename(temporary, build)
    shutil.rmtree(build.with_name(f"{_UNFINISHED}{build.name}"), ignore_errors=True)
    _sync(build.parent)


def _switch(folder: Path, name: str) -> None:
    """Point to a build, keep the one that served before, delete all others."""
    try:
        before = current(folder)
    except (IndexMissing, IndexCorrupt):
        before = None
    previous = before and (before.previous if before.current == name else before.current)
    pointer = folder / f"{CURRENT}.new"
    pointer.write_text(json.dumps({"current": name, "previous": previous}) + "\n", "utf-8")
    _sync(pointer)
    os.replace(pointer, folder / CURRENT)
    _sync(folder)
    for build in (folder / BUILDS).iterdir():
        # Never what somebody else put there.
        if _NAME.fullmatch(build.name) and build.name not in (name, previous):
            shutil.rmtree(build, ignore_errors=True)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        digest = sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _sync(path: Path) -> None:
    """Make a file or the names in a folder durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _written(folder: Path) -> Iterator[None]:
    """Turn a full disk or a folder that cannot be written into one error."""
    try:
        yield
    except OSError as error:
        reason = "磁盘已满" if error.errno == errno.ENOSPC else (error.strerror or str(error))
        raise IndexUnwritable(
            f"无法写入索引文件夹 {folder}：{reason}。正在使用的索引没有变动。",
            f"The index folder {folder} cannot be written: {error.strerror}. "
            "The index in service is unchanged.",
        ) from error
