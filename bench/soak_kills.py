"""Kill a rebuild, and spoil its disk, at every change that it makes; then ask a question.

    python -m bench.soak_kills [--each N] [--seed S] [--json]

A warm process forks for each run. In the child everything that changes the index folder passes
`Disk`, which kills the child, or fails, at one chosen event. The parent then opens what is left as
a server does. A *loss* is no answer, or one that is neither the old build's nor the new one's;
*damage* is an answer from another build than the pointer's. `power` also takes back what was not
made durable: unsynced files are empty, unsynced names are gone. Exit 1 if a safe rebuild lost
anything, or an unsafe one nothing.
"""

import argparse
import builtins
import errno
import io
import json
import logging
import os
import random
import shutil
import signal
import stat
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from qa import index
from qa import rebuild as rebuilding
from qa.answer import Engine, Question, to_json
from qa.corpus import read
from qa.errors import IndexProblem
from qa.index import folder as folders
from qa.index import store
from qa.paths import CORPUS
from qa.segment import Segmenter
from qa.settings import Settings
from tests.conftest import DOCUMENTS, OFF_TOPIC, CharacterEncoder, silent

KILLS = ("kill before", "kill after", "kill half-way", "power")
FAULTS = ("ENOSPC", "EIO", "EROFS", "short write")
ONLY_WRITES = ("kill half-way", "short write")
GROWS = ("create", "write", "mkdir")
UNCLEAR = 2  # exit status of a child that ended by another error than one for the operator


@dataclass(frozen=True)
class Plan:
    """What happens to a rebuild, and at which event, counted from 1."""

    kind: str
    at: int


class Disk:
    """Stands between a rebuild and the index folder, in a child."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        self.folder, self.plan = folder, plan
        self.trace: list[str] = []
        self.unsynced: dict[int, int] = {}  # inode of a file -> a descriptor of it
        # Of each name made and not yet synced: inode of its folder, it, what it was, what it hid.
        self.names: list[tuple[int, str, str | None, Path | None]] = []
        self.real = {name: getattr(os, name) for name in ("open", "fsync", "rename", "replace")}
        self.real |= {name: getattr(os, name) for name in ("mkdir", "unlink", "rmdir", "utime")}
        self.open_file = io.open

    def install(self) -> None:
        builtins.open = io.open = self._open_file
        os.open = self._open
        os.fsync = lambda fd: self.event("fsync", lambda: self._fsync(fd))
        for name in ("rename", "replace"):
            setattr(os, name, self._renaming(name))
        for name in ("mkdir", "unlink", "rmdir", "utime"):
            setattr(os, name, self._plain(name))

    def event(self, name: str, do, half=None):
        """Do one change, or what the plan says."""
        self.trace.append(name)
        now, kind = len(self.trace), self.plan.kind
        if now == self.plan.at:
            if kind == "power":
                self._lose_power()
            if kind == "kill half-way" and half:
                half()
            if kind in KILLS and kind != "kill after":
                os.kill(os.getpid(), signal.SIGKILL)
            if kind == "short write" and half:
                return half()
        self._fail(name, now, half)
        try:
            return do()
        finally:
            if now == self.plan.at and kind == "kill after":
                os.kill(os.getpid(), signal.SIGKILL)

    def _fail(self, name: str, now: int, half) -> None:
        kind, first = self.plan.kind, now == self.plan.at
        if kind == "ENOSPC" and (first or (now > self.plan.at and name in GROWS)) and half:
            half()  # what still fits
        full = kind == "ENOSPC" and (first or name in GROWS)
        if now >= self.plan.at and (kind == "EROFS" or full or (kind == "EIO" and first)):
            number = getattr(errno, kind)
            raise OSError(number, os.strerror(number))

    def _open_file(self, file, mode="r", buffering=-1, encoding=None, errors=None, *more):
        if not isinstance(file, str | Path) or "w" not in mode:
            return self.open_file(file, mode, buffering, encoding, errors, *more)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        raw = _Raw(self, self._open(file, flags, 0o666))
        buffered = io.BufferedWriter(raw)
        return buffered if "b" in mode else io.TextIOWrapper(buffered, encoding, errors, *more)

    def _open(self, path, flags, mode=0o777, *, dir_fd=None):
        def do():
            return self.real["open"](path, flags, mode, dir_fd=dir_fd)

        if not flags & os.O_CREAT:
            return do()
        is_new = not os.path.exists(path)
        descriptor = self.event("create", do)
        if is_new:
            self._named(Path(path))
        self.unsynced.setdefault(os.fstat(descriptor).st_ino, os.dup(descriptor))
        return descriptor

    def _fsync(self, descriptor: int) -> None:
        found = os.fstat(descriptor)
        if stat.S_ISDIR(found.st_mode):
            self.names = [name for name in self.names if name[0] != found.st_ino]
        else:
            self.unsynced.pop(found.st_ino, None)

    def _renaming(self, name: str):
        def rename(old, new):
            old, new = Path(old), Path(new)
            hidden = None
            if new.is_file():
                hidden = self.folder.with_name(f"hidden{len(self.trace)}")
                os.link(new, hidden)
            self.event(name, lambda: self.real[name](old, new))
            self._named(new, old.name, hidden)

        return rename

    def _plain(self, name: str):
        def change(path, *args, **kwargs):
            self.event(name, lambda: self.real[name](path, *args, **kwargs))
            if name == "mkdir":
                self._named(Path(path))

        return change

    def _named(self, path: Path, before: str | None = None, hidden: Path | None = None) -> None:
        self.names.append((path.parent.stat().st_ino, path.name, before, hidden))

    def _lose_power(self) -> None:
        for descriptor in self.unsynced.values():
            os.ftruncate(descriptor, 0)
        for inode, name, before, hidden in reversed(self.names):
            places = [self.folder.parent, *self.folder.parent.rglob("*")]
            where = next((p for p in places if p.is_dir() and p.stat().st_ino == inode), None)
            if where is None or not (where / name).exists():
                continue
            if before:
                self.real["rename"](where / name, where / before)
            elif (where / name).is_dir():
                self._remove(where / name)
            else:
                self.real["unlink"](where / name)
            if hidden:
                self.real["rename"](hidden, where / name)

    def _remove(self, folder: Path) -> None:
        for path in sorted(folder.rglob("*"), reverse=True):
            self.real["rmdir" if path.is_dir() else "unlink"](path)
        self.real["rmdir"](folder)


class _Raw(io.RawIOBase):
    """A file as it is written, one call of the system at a time. NumPy takes it for no file, and
    so does not write past it."""

    def __init__(self, disk: Disk, descriptor: int) -> None:
        self._disk, self._descriptor = disk, descriptor

    def writable(self) -> bool:
        return True

    def write(self, data) -> int:
        data = bytes(data)
        if not data:
            return 0
        half = data[: len(data) // 2 + 1]
        return self._disk.event(
            "write",
            lambda: os.write(self._descriptor, data),
            lambda: os.write(self._descriptor, half),
        )

    def close(self) -> None:
        if not self.closed:
            os.close(self._descriptor)
        super().close()


class Trial:
    """Two corpora and their builds, made once; and runs of the rebuild from one to the other."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.segmenter, self.encoder = Segmenter(CORPUS), CharacterEncoder()
        self.answers: dict[str, str] = {}
        self.drafts = []
        base = place / "base"
        for number in range(3):
            corpus = self._corpus(number)
            draft = index.build(read(corpus), self.segmenter, self.encoder, {}, silent)
            rankers = {"ranker": rebuilding.fit(draft)}
            rankers["word_ranker"] = rebuilding.fit(draft, by_words=True)
            self.drafts.append((corpus, draft, rankers))
            self._rebuild(base, number)
            self.answers[f"build {number}"] = self.answer(base)[0]
            if number == 0:
                shutil.copytree(base, place / "one build")
            if number == 1:
                shutil.copytree(base, place / "two builds")
        assert len(set(self.answers.values())) == 3
        shutil.copytree(place / "two builds", place / "current damaged")
        damaged = place / "current damaged"
        build = damaged / folders.BUILDS / index.current(damaged).current
        (build / "topics.jsonl").write_bytes(b"")

    def answer(self, folder: Path) -> tuple[str, bool]:
        """Return the answer that a server gives, and whether it found something damaged."""
        found = index.serving(folder, self.segmenter, self.encoder)
        engine = Engine(found.index, self.segmenter, self.encoder)
        answer = engine.ask(Question.parse("短信里的链接能点吗", 3, Settings()))
        return json.dumps(to_json(answer)), found.fault is not None

    def events(self, scenario: "Scenario") -> list[str]:
        """Return the changes that the rebuild makes, in order."""
        reading, writing = os.pipe()
        self._run(scenario, Plan("", 0), writing)
        os.close(writing)
        with open(reading) as trace:
            return trace.read().split()

    def run(self, scenario: "Scenario", plan: Plan) -> Counter:
        """Run one plan; count what came of it."""
        folder, status = self._run(scenario, plan)
        seen = Counter(killed=os.WIFSIGNALED(status), failed=not os.WIFSIGNALED(status) and status)
        seen["unclear"] = os.WIFEXITED(status) and os.WEXITSTATUS(status) == UNCLEAR
        try:
            answer, damaged = self.answer(folder)
            was_there = scenario.start == "current damaged"
            seen["damage"] = damaged and not was_there
            expected = scenario.expected if status else scenario.expected[-1:]
            seen["loss"] = answer not in [self.answers[build] for build in expected]
        except IndexProblem:
            seen["loss"] = True
        return Counter({name: int(bool(value)) for name, value in seen.items()})

    def recovers(self, scenario: "Scenario") -> bool:
        """Tell whether a rebuild over what the last run left is as any other."""
        folder = self.place / "run/index"
        self._rebuild(folder, scenario.target)
        pointer = index.current(folder)
        left = {path.name for path in (folder / folders.BUILDS).iterdir()}
        whole = not any(build.damaged for build in index.verify(folder))
        return whole and left == {pointer.current, pointer.previous} - {None}

    def _run(self, scenario: "Scenario", plan: Plan, trace: int = -1) -> tuple[Path, int]:
        place = self.place / "run"
        shutil.rmtree(place, ignore_errors=True)
        folder = place / "index"
        shutil.copytree(self.place / scenario.start, folder)
        child = os.fork()
        if child == 0:
            os._exit(self._in_child(folder, scenario, plan, trace))
        return folder, os.waitpid(child, 0)[1]

    def _in_child(self, folder: Path, scenario: "Scenario", plan: Plan, trace: int) -> int:
        disk = Disk(folder, plan)
        try:
            scenario.writer(self, scenario)
            disk.install()
            self._rebuild(folder, scenario.target)
            if trace >= 0:
                os.write(trace, " ".join(disk.trace).encode())
        except IndexProblem:
            return 1
        except BaseException as error:
            print(plan, repr(error), file=sys.stderr, flush=True)
            return UNCLEAR
        return 0

    def _rebuild(self, folder: Path, number: int) -> None:
        """Rebuild as `qa rebuild` does; only what changes no file was done before."""
        corpus, draft, rankers = self.drafts[number]
        made, fit = index.build, rebuilding.fit
        index.build = lambda *_: draft
        rebuilding.fit = lambda _, by_words=False: rankers["word_ranker" if by_words else "ranker"]
        try:
            rebuilding.rebuild(corpus, folder, self.segmenter, self.encoder, silent)
        finally:
            index.build, rebuilding.fit = made, fit

    def _corpus(self, number: int) -> Path:
        folder = self.place / f"corpus{number}"
        for path, text in DOCUMENTS.items():
            file = folder / "guidance" / f"{path}.md"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text.replace("核实之前", f"核实{number}次之前"), "utf-8")
        (folder / "chapters.yaml").write_text("c1: 第一章\nc2: 第二章\n", "utf-8")
        (folder / "off-topic.tsv").write_text(OFF_TOPIC, "utf-8")
        return folder


def safe(trial: Trial, scenario: "Scenario") -> None:
    """Leave the writer as it is."""


def in_place(trial: Trial, scenario: "Scenario") -> None:
    """Write over the build in service."""

    def save(folder, built, segmenter, encoder):
        builds = folder / folders.BUILDS
        place = builds / index.current(folder).current
        shutil.rmtree(place)
        place.mkdir()
        name = store._write(place, built)
        os.rename(place, builds / name)
        folders.point(folder, index.Pointer(name))
        return index.load(folder, segmenter, encoder)

    index.save = save


def without_sync(trial: Trial, scenario: "Scenario") -> None:
    """Write as it should be, but make nothing durable, and keep no other build."""
    store.sync = folders.sync = lambda path: None
    save = index.save

    def save_alone(folder, built, segmenter, encoder):
        saved = save(folder, built, segmenter, encoder)
        pointer = index.current(folder)
        folders.point(folder, index.Pointer(pointer.current))
        shutil.rmtree(folder / folders.BUILDS / pointer.previous)
        return saved

    index.save = save_alone


def pointer_first(trial: Trial, scenario: "Scenario") -> None:
    """Switch, then write what was switched to."""

    def save(folder, built, segmenter, encoder):
        name = json.loads(trial.answers[f"build {scenario.target}"])["index"]["build"]
        builds = folder / folders.BUILDS
        for build in folders.builds(folder):
            shutil.rmtree(builds / build)
        (builds / name).mkdir()
        folders.point(folder, index.Pointer(name))
        store._write(builds / name, built)
        return index.load(folder, segmenter, encoder)

    index.save = save


@dataclass(frozen=True)
class Scenario:
    """A state of the folder, the build to be made, and the builds that may answer afterwards."""

    name: str
    start: str
    target: int
    expected: tuple[str, ...]
    writer: object = safe

    @property
    def is_safe(self) -> bool:
        return self.writer is safe


SCENARIOS = (
    Scenario("second build", "one build", 1, ("build 0", "build 1")),
    Scenario("third build", "two builds", 2, ("build 1", "build 2")),
    Scenario("unchanged corpus", "two builds", 1, ("build 1",)),
    Scenario("back to the previous", "two builds", 0, ("build 1", "build 0")),
    Scenario("over a damaged build", "current damaged", 1, ("build 0", "build 1")),
    Scenario("unsafe: in place", "one build", 1, ("build 0", "build 1"), in_place),
    Scenario("unsafe: no fsync", "one build", 1, ("build 0", "build 1"), without_sync),
    Scenario("unsafe: pointer first", "one build", 1, ("build 0", "build 1"), pointer_first),
)
RECOVER_EVERY = 10  # runs


def soak(trial: Trial, each: int, seed: int) -> Iterator[dict]:
    """Run every kind of fault of every scenario at so many events; yield a row for each."""
    chance = random.Random(seed)
    for scenario in SCENARIOS:
        began = time.monotonic()
        events = trial.events(scenario)
        seen = Counter(kills=0, faults=0, loss=0, damage=0, unclear=0, stuck=0)
        for kind in KILLS + FAULTS if scenario.is_safe else KILLS:
            places = [n for n, e in enumerate(events, 1) if kind not in ONLY_WRITES or e == "write"]
            chosen = set(chance.sample(places, min(each, len(places))))
            if not scenario.is_safe:  # by the last event the build is gone that it replaces
                chosen.add(places[-1])
            for at in sorted(chosen):
                found = trial.run(scenario, Plan(kind, at))
                seen += Counter({n: found[n] for n in ("loss", "damage", "unclear")})
                seen["kills" if kind in KILLS else "faults"] += 1
                assert found["killed"] == (kind in KILLS), (scenario.name, kind, at)
                if scenario.is_safe and chance.randrange(RECOVER_EVERY) == 0:
                    seen["stuck"] += not trial.recovers(scenario)
        seconds = round(time.monotonic() - began, 1)
        counts = {n: seen[n] for n in ("kills", "faults", "loss", "damage", "unclear", "stuck")}
        row = {"scenario": scenario.name, "events": len(events), **counts, "seconds": seconds}
        yield {**row, "well": _is_well(scenario, seen)}


def _is_well(scenario: Scenario, seen: Counter) -> bool:
    if not scenario.is_safe:
        return seen["loss"] > 0
    return not any(seen[name] for name in ("loss", "damage", "unclear", "stuck"))


def show(rows: Iterator[dict]) -> Iterator[dict]:
    """Print each row of a table as soon as it is there."""
    for number, row in enumerate(rows):
        names = [name for name in row if name != "well"]
        lines = [names, ["---"] * len(names)] if number == 0 else []
        for line in (*lines, [str(row[name]) for name in names]):
            print(f"| {' | '.join(line)} |", flush=True)
        yield row


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--each", type=int, default=32, help="events, for each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    logging.disable()  # what serves instead is counted here
    with tempfile.TemporaryDirectory(prefix="qa-kills-") as place:
        found = soak(Trial(Path(place)), arguments.each, arguments.seed)
        rows = list(found if arguments.json else show(found))
    if arguments.json:
        print(json.dumps(rows))
    return 0 if all(row["well"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
