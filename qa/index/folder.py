"""The index folder: which build serves, who may write, and what makes a change durable.

index/
  CURRENT                 {"current": "<build>", "previous": "<build>" or null}
  builds/<build>/         plain files, named by their content; see index/README.md
  lock                    held by the one rebuild at work
"""

from __future__ import annotations

import errno
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from qa.errors import IndexCorrupt, IndexLocked, IndexMissing, IndexUnwritable

CURRENT = "CURRENT"
BUILDS = "builds"
LOCK = "lock"
_NAME = re.compile("[0-9a-f]{16}")
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FORBIDDEN = (errno.EROFS, errno.EACCES, errno.EPERM)


@dataclass(frozen=True, slots=True)
class Pointer:
    """Which build serves, and which one served before it."""

    current: str
    previous: str | None = None


def current(folder: Path) -> Pointer:
    """Return the pointer of an index folder.

    Raises:
        IndexMissing: nothing was ever built here.
        IndexCorrupt: the pointer cannot be read, is not byte for byte as ``point`` writes it, or
            names a build that is not there.
    """
    path = folder / CURRENT
    try:
        written = path.read_bytes().decode()
        pointer = Pointer(**json.loads(written))
    except FileNotFoundError as error:
        raise IndexMissing(
            f"{folder} 里还没有索引。请运行 qa rebuild 建立索引。",
            f"There is no index in {folder}. Run `qa rebuild`.",
        ) from error
    except (OSError, ValueError, TypeError) as error:
        raise corrupt(path) from error
    known = {None, *builds(folder)}
    if written != _text(pointer) or not {pointer.current, pointer.previous} <= known:
        raise corrupt(path)
    return pointer


def point(folder: Path, pointer: Pointer) -> None:
    """Replace the pointer in one step; the caller holds ``locked(folder)``.

    The build's folder gets the time at which it came into service.
    """
    os.utime(folder / BUILDS / pointer.current)
    path = folder / f"{CURRENT}.new"
    path.write_text(_text(pointer), "utf-8")
    sync(path)
    os.replace(path, folder / CURRENT)
    sync(folder)


def switched(folder: Path) -> float | None:
    """Return when the index last got another build, in seconds since 1970; None if it has none."""
    try:
        return (folder / CURRENT).stat().st_mtime
    except OSError:
        return None


def builds(folder: Path) -> list[str]:
    """Return the names of all builds, the one last in service first.

    Never what somebody else put beside them.
    """
    found = []
    try:
        for entry in os.scandir(folder / BUILDS):
            with suppress(FileNotFoundError):  # deleted since it was listed
                found.append((entry.stat().st_mtime_ns, entry.name))
    except OSError:
        return []
    return [name for _, name in sorted(found, reverse=True) if _NAME.fullmatch(name)]


def candidates(folder: Path) -> list[str]:
    """Return the builds that may serve, likeliest first: those that the pointer names, if only
    in part of its bytes, then the others, the one last in service first."""
    found = builds(folder)
    named = [name for name in _NAME.findall(pointer_text(folder)) if name in found]
    return list(dict.fromkeys([*named, *found]))


def pointer_text(folder: Path) -> str:
    """Return the bytes of the pointer as text, damaged or not; nothing where there is none."""
    try:
        return (folder / CURRENT).read_text("ascii", errors="replace")
    except OSError:
        return ""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the index folder for one change.

    Raises:
        IndexLocked: another one is being made.
        IndexUnwritable: the folder cannot be made or written.
    """
    with written(folder):
        _make(folder / BUILDS)
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


def sync(path: Path) -> None:
    """Make a file, or the names in a folder, durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def corrupt(path: Path) -> IndexCorrupt:
    """Return the error that names a file of the index, which is missing or damaged."""
    return IndexCorrupt(
        f"索引文件 {path} 缺失或已损坏。请运行 qa rebuild 重建索引。",
        f"The index file {path} is missing or damaged. Run `qa rebuild`.",
    )


@contextmanager
def written(folder: Path) -> Iterator[None]:
    """Turn a full, failing or read-only disk into one error that says what to do."""
    try:
        yield
    except OSError as error:
        reason, why = _reason(error)
        raise IndexUnwritable(
            f"无法写入索引文件夹 {folder}：{reason}，然后再运行一次。完好的索引照常使用。",
            f"The index folder {folder} cannot be written: {why}, and run this again. "
            "A build that is whole serves on.",
        ) from error


def _text(pointer: Pointer) -> str:
    return json.dumps(asdict(pointer)) + "\n"


def _make(folder: Path) -> None:
    """Make a folder and those above it, each durable."""
    if not folder.is_dir():
        if folder.parent != folder:
            _make(folder.parent)
        folder.mkdir(exist_ok=True)
        sync(folder.parent)


def _reason(error: OSError) -> tuple[str, str]:
    """Return what is wrong and what to do about it, in Chinese and in English."""
    said = error.strerror or str(error)
    # NumPy says no number when the system wrote less than it was given.
    if error.errno in _FULL or error.errno is None:
        return f"磁盘已满（{said}）。请腾出空间", f"the disk is full ({said}). Free some space"
    if error.errno in _FORBIDDEN:
        return (
            f"磁盘只读或没有写入权限（{said}）。请改正挂载方式或权限",
            f"it is read-only ({said}). Mend how it is mounted, or its permissions",
        )
    return f"{said}。请检查磁盘", f"{said}. Check the disk"
