"""Switch a running application between two builds; what must not grow: memory, files, threads.

    python -m bench.soak_reload [--reloads N] [--shipped]

The application finds each switch by itself, as a server's worker does, and is asked questions all
the while. Its pointer is turned by `qa rollback`'s own function. The first tenth of the reloads
warms up; from then on the process may not gain a file, a thread or more than 16 MB. `--shipped`
switches between two builds of the shipped guidance instead of two very small ones. Exit 1 if
anything grew, or an answer did not come from the build in service. Linux only: it reads /proc.
"""

import argparse
import gc
import logging
import os
import shutil
import statistics
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from flask.testing import FlaskClient

from qa import index
from qa.answer import open_tools
from qa.embed import Encoder
from qa.paths import CORPUS
from qa.rebuild import rebuild
from qa.segment import Segmenter
from qa.settings import Settings
from qa.web import create_app, standby

ROWS = 10  # of the table
MOST_GROWTH = 16.0  # MB from the end of the warm-up
WATCH_SECONDS = 0.01  # instead of half a second, or most of the time would be waiting
SAMPLES = 10  # of memory, files and threads for one row
PATIENCE = 60  # seconds for one switch
QUESTIONS = ("短信里的链接能点吗", "利息多少才合法")


@dataclass(frozen=True)
class State:
    """What a process holds."""

    memory: float  # MB resident
    files: int  # open descriptors
    threads: int  # those of libraries, too

    @classmethod
    def now(cls) -> "State":
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        files = len(os.listdir("/proc/self/fd")) - 1  # one is the listing's own
        threads = len(os.listdir("/proc/self/task"))
        return cls(pages * os.sysconf("SC_PAGESIZE") / 2**20, files, threads)


class Asker(threading.Thread):
    """Asks again and again, so that every switch finds a request under way."""

    def __init__(self, client: FlaskClient, builds: set[str]) -> None:
        super().__init__(daemon=True)
        self.asked = 0
        self.wrong = 0
        self.ended = threading.Event()
        self._client = client
        self._builds = builds

    def run(self) -> None:
        while not self.ended.is_set():
            response = self._client.post("/ask", json={"question": QUESTIONS[self.asked % 2]})
            self.asked += 1
            is_right = response.status_code == 200
            self.wrong += not (is_right and response.json["index"]["build"] in self._builds)


def small(folder: Path, version: int) -> Path:
    """Return a corpus folder of two short texts, which differ by version."""
    guidance = folder / "guidance"
    guidance.mkdir(parents=True, exist_ok=True)
    examples = (CORPUS / "urgent.tsv").read_text("utf-8").splitlines()[:40]
    (folder / "urgent.tsv").write_text("\n".join(examples), "utf-8")
    for name in ("链接", "利息"):
        text = f"# {name}\n\n{name}的答复，第{version}版。\n\n{name}要当心。\n"
        (guidance / f"{name}.md").write_text(text, "utf-8")
    return folder


def shipped(folder: Path, version: int) -> Path:
    """Return a copy of the shipped corpus with one more text, which differs by version."""
    shutil.copytree(CORPUS, folder, dirs_exist_ok=True)
    text = f"# 开放时间\n\n开放时间的说明，第{version}版。\n"
    (folder / "guidance" / "hours.md").write_text(text, "utf-8")
    return folder


class Subject:
    """An application over an index of two builds."""

    def __init__(self, folder: Path, is_shipped: bool) -> None:
        self._folder = folder / "index"
        settings = Settings(index=self._folder, threads=1, feedback="off", rate_limit="off")
        self._tools: tuple[Segmenter, Encoder] = open_tools(settings)
        make = shipped if is_shipped else small
        corpora = (make(folder / "corpus", version) for version in (1, 2))
        self.builds = {rebuild(one, self._folder, *self._tools, _silent).build for one in corpora}
        self.client = create_app(settings).test_client()

    def switch(self) -> float:
        """Turn the pointer; return after how many seconds the other build serves."""
        with index.locked(self._folder):
            build = index.rollback(self._folder, *self._tools).current
        start = time.perf_counter()
        while self.client.get("/readyz").json["index"]["build"] != build:
            if time.perf_counter() - start > PATIENCE:
                sys.exit(f"build {build} was not switched to within {PATIENCE} s")
            time.sleep(WATCH_SECONDS / 2)
        return time.perf_counter() - start


def _silent(what: str, done: int, of: int) -> None:
    pass


def at_rest() -> State:
    """Return what is held without garbage, and without what the question under way holds."""
    states = []
    for _ in range(SAMPLES):
        gc.collect()
        states.append(State.now())
        time.sleep(0.02)
    return min(states, key=lambda state: (state.files, state.threads, state.memory))


def reload(subject: Subject, number: int) -> tuple[State, State]:
    """Switch so many times and print a table; return the states after the warm-up and at the end.

    Between the rows there is more: an old engine goes when Python next collects garbage.
    """
    print(
        f"{'reloads':>8}  {'MB':>7}  {'files':>5}  {'threads':>7}  {'median s':>8}  {'most s':>7}"
    )
    rows = []
    for start in range(0, number, number // ROWS):
        seconds = [subject.switch() for _ in range(number // ROWS)]
        rows.append(state := at_rest())
        print(
            f"{start + len(seconds):8}  {state.memory:7.1f}  {state.files:5}  {state.threads:7}  "
            f"{statistics.median(seconds):8.3f}  {max(seconds):7.3f}",
            flush=True,
        )
    return rows[0], rows[-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reloads", type=int, default=1000, help=f"at least {2 * ROWS}")
    parser.add_argument("--shipped", action="store_true", help="two builds of the shipped corpus")
    given = parser.parse_args()
    standby.WATCH_SECONDS = WATCH_SECONDS
    with tempfile.TemporaryDirectory() as name:
        subject = Subject(Path(name), given.shipped)
        logging.getLogger("qa").setLevel(logging.CRITICAL)
        asker = Asker(subject.client, subject.builds)
        asker.start()
        before, after = reload(subject, max(given.reloads, 2 * ROWS))
        asker.ended.set()
        asker.join()
    grown = after.memory - before.memory
    is_flat = (
        grown <= MOST_GROWTH and after.files <= before.files and after.threads <= before.threads
    )
    print(
        f"grown: {grown:+.1f} MB, {after.files - before.files:+} files, "
        f"{after.threads - before.threads:+} threads; "
        f"{asker.asked} questions meanwhile, {asker.wrong} answered wrongly"
    )
    sys.exit(0 if is_flat and not asker.wrong else 1)


if __name__ == "__main__":
    main()
