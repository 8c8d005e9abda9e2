"""Whether this machine can run the service: one check a line, each with its mend."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Literal

from packaging.requirements import Requirement

from qa.corpus import read
from qa.embed import Encoder, open_encoder
from qa.errors import FeedbackError, IndexMissing, QAError
from qa.feedback import OFF, Feedback
from qa.index import load, switched
from qa.segment import Segmenter
from qa.settings import Settings, variable

State = Literal["ok", "warning", "fault"]

MARKS: dict[State, str] = {"ok": "✓", "warning": "!", "fault": "✗"}
MB = 1 << 20
DISTRIBUTION = "mediation-notice-qa"
OLDEST_PYTHON = (3, 11)
# A build takes some 70 MB; there are two, and a third while one is made.
LEAST_DISK_MB = 200
WORKER_MB = 300  # what a worker takes with the shipped encoder (docs/performance.md, "Memory")
OLDEST_YEAR = 2026  # when this was written: an earlier clock is wrong
MEMORY_FILE = Path("/proc/meminfo")
CGROUP = Path("/sys/fs/cgroup")
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True, slots=True)
class Check:
    """What was looked at, how it is, and what to do where it is not well."""

    name: str
    state: State
    says: str
    mend: str = ""


def examine(settings: Settings) -> list[Check]:
    """Return every check, in the order in which faults are best mended."""
    return list(_checks(settings))


def _checks(settings: Settings) -> Iterator[Check]:
    yield _python()
    yield _packages()
    yield _clock()
    yield from _tools_and_index(settings)
    yield _disk(settings.index)
    yield _port(settings)
    yield _memory(settings)
    yield _feedback(settings.feedback)
    yield _hosts(settings)
    yield _proxies(settings)


def _python() -> Check:
    found = sys.version.split()[0]
    if sys.version_info[:2] < OLDEST_PYTHON:
        return Check("Python", "fault", found, "请安装 Python 3.11 或更新的版本。")
    return Check("Python", "ok", found)


def _packages() -> Check:
    try:
        needed = [Requirement(line) for line in requires(DISTRIBUTION) or ()]
    except PackageNotFoundError:
        return Check("依赖", "warning", "没有安装本软件包，无法核对版本。", "运行 pip install .")
    wrong = [fault for one in needed if (fault := _package_fault(one))]
    if wrong:
        return Check("依赖", "fault", "；".join(wrong), "重新运行 pip install .")
    return Check("依赖", "ok", "需要的软件包都在，版本符合。")


def _package_fault(needed: Requirement) -> str:
    """Return what is wrong with a package that is needed here, or ""."""
    if needed.marker and not needed.marker.evaluate({"extra": ""}):
        return ""
    try:
        found = version(needed.name)
    except PackageNotFoundError:
        return f"没有安装 {needed.name}"
    # A local part, such as that of a CPU build of torch, is no other release.
    fits = needed.specifier.contains(found.partition("+")[0], prereleases=True)
    return "" if fits else f"{needed.name} 是 {found}，需要 {needed.specifier}"


def _clock() -> Check:
    now = datetime.now(UTC)
    if now.year < OLDEST_YEAR:
        return Check(
            "时钟", "fault", f"现在是 {now:%Y-%m-%d}，太早了。", "校准系统时间，例如开启 NTP。"
        )
    return Check("时钟", "ok", f"{now:%Y-%m-%d %H:%M} UTC")


def _tools_and_index(settings: Settings) -> Iterator[Check]:
    """Yield how the dictionary, the encoder and the index are; each needs the one before."""
    try:
        segmenter = Segmenter.open(settings.corpus)
    except QAError as error:
        yield _failed("词典", error)
        return
    yield Check("词典", "ok", str(settings.corpus))
    try:
        encoder = open_encoder(settings.model, segmenter)
    except QAError as error:
        yield _failed("编码模型", error)
        return
    yield Check("编码模型", "ok", f"{encoder.name}，{encoder.dim} 维")
    yield _index(settings, segmenter, encoder)


def _index(settings: Settings, segmenter: Segmenter, encoder: Encoder) -> Check:
    try:
        build = load(settings.index, segmenter, encoder).manifest
    except IndexMissing as error:  # `qa serve` makes one
        return Check("索引", "warning", str(error), "运行 qa rebuild；qa serve 也会先建立一份。")
    except QAError as error:
        return _failed("索引", error)
    says = f"{build.build}，{build.passages} 段{_since(settings.index)}"
    try:
        changed = read(settings.corpus).sha256 != build.corpus_sha256
    except QAError as error:
        return Check("索引", "warning", f"{says}；语料读不出来：{error}", "运行 qa check。")
    if changed:
        return Check("索引", "warning", f"{says}；语料在那以后改过。", "运行 qa rebuild。")
    return Check("索引", "ok", f"{says}，与语料一致。")


def _since(folder: Path) -> str:
    at = switched(folder)
    return "" if at is None else f"，{datetime.fromtimestamp(at):%Y-%m-%d %H:%M} 起使用"


def _disk(folder: Path) -> Check:
    """Look at the index folder, or at what is there of the way to it."""
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if not os.access(there, os.W_OK):
        return Check(
            "磁盘",
            "warning",
            f"{there} 不能写入，无法重建索引。",
            f"改权限，或用 {variable('index')} 换一个文件夹；只提供服务则不必。",
        )
    free = shutil.disk_usage(there).free // MB
    if free < LEAST_DISK_MB:
        return Check(
            "磁盘",
            "fault",
            f"{there} 只剩 {free} MB，重建索引至少要 {LEAST_DISK_MB} MB。",
            f"清出空间，或用 {variable('index')} 换一个磁盘。",
        )
    return Check("磁盘", "ok", f"{there} 可写，还有 {free} MB。")


def _port(settings: Settings) -> Check:
    where = f"{settings.host} 的端口 {settings.port}"
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        socket.create_server((settings.host, settings.port), family=family).close()
    except OSError as error:
        return Check(
            "端口",
            "warning" if error.errno == errno.EADDRINUSE else "fault",
            f"{where} 现在不能监听：{error.strerror}。",
            "服务正在运行时不必理会；否则用 --host、--port 换一个。",
        )
    return Check("端口", "ok", f"{where} 可以监听。")


def _memory(settings: Settings) -> Check:
    needed = settings.workers * WORKER_MB
    free = available_mb()
    if free is None:
        return Check("内存", "warning", "这个系统上看不到空闲内存。", f"请保证有 {needed} MB。")
    says = f"可用 {free} MB，{settings.workers} 个进程约需 {needed} MB。"
    if free < needed:
        return Check("内存", "fault", says, f"加内存，或减少 {variable('workers')}。")
    return Check("内存", "ok", says)


def available_mb(proc: Path = MEMORY_FILE, group: Path = CGROUP) -> int | None:
    """Return how much memory can be had, by the machine and by a container's limit.

    Args:
        proc: the kernel's account of memory; None is returned where it is not there.
        group: folder of the control group (version 2) of a container.
    """
    try:
        lines = dict(line.split(":", 1) for line in proc.read_text().splitlines())
        free = int(lines["MemAvailable"].split()[0]) // 1024
    except (OSError, KeyError, ValueError):
        return None
    try:
        limit, used = (int((group / name).read_text()) for name in ("memory.max", "memory.current"))
    except (OSError, ValueError):  # no control group, or "max": no limit
        return free
    return min(free, (limit - used) // MB)


def _feedback(address: str) -> Check:
    if address == OFF:
        return Check("反馈数据库", "ok", "关着，什么都不记。")
    try:
        Feedback.open(address)
    except FeedbackError as error:
        return Check("反馈数据库", "warning", str(error), f"检查 {variable('feedback')}。")
    return Check("反馈数据库", "ok", "可以写入。")


def _hosts(settings: Settings) -> Check:
    if settings.host in _LOOPBACK or settings.hosts:
        return Check("域名", "ok", settings.hosts or "只在本机可见。")
    return Check(
        "域名",
        "warning",
        f"监听 {settings.host}，但没有写明域名：任何域名都会被接受。",
        f"把 {variable('hosts')} 设为您的域名。",
    )


def _proxies(settings: Settings) -> Check:
    if settings.proxies and settings.host not in _LOOPBACK:
        return Check(
            "反向代理",
            "warning",
            f"前面有 {settings.proxies} 层代理，但 {settings.host} 能直接访问，来源可以伪造。",
            f"让 {variable('host')} 只对代理可见，或用防火墙挡住别人。",
        )
    if settings.workers > 1 and settings.rate_storage == "memory://" and settings.rate_limit != OFF:
        return Check(
            "次数限制",
            "warning",
            f"{settings.workers} 个进程各记各的次数，实际上限是设定的 {settings.workers} 倍。",
            f"把 {variable('rate_storage')} 设为 redis://…，或接受这一点。",
        )
    return Check("反向代理", "ok", f"{settings.proxies} 层。")


def _failed(name: str, error: QAError) -> Check:
    """Return a check that failed; the sentence of the error says what to do, too."""
    says, _, mend = str(error).partition("。")
    return Check(name, "fault", f"{says}。", mend)
