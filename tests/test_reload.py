"""A running server and a new build: the switch, what cannot be switched to, and who notices."""

import json
import re
import shutil
import threading
import time
from contextlib import closing
from http.client import HTTPConnection
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest
from flask import Flask

from qa import index
from qa.answer import open_tools
from qa.index.folder import BUILDS, CURRENT
from qa.paths import CORPUS
from qa.rebuild import rebuild
from qa.settings import Settings
from qa.web.service import Service
from qa.web.standby import Standby
from tests.conftest import silent

REBUILDS = 50
CLIENTS = 3
PAUSE = 0.01  # seconds between the requests of a client
MARK = re.compile(r"第(\d+)版")


@pytest.fixture(scope="module")
def tools():
    return open_tools(Settings())


@pytest.fixture
def rebuilt(tmp_path, tools):
    """Return a function that puts guidance of a version in service: its build's name."""
    folder = tmp_path / "corpus"
    (folder / "guidance").mkdir(parents=True)
    # A few examples of dangers are learned in no time; all that are shipped are not.
    examples = (CORPUS / "urgent.tsv").read_text("utf-8").splitlines()[:40]
    (folder / "urgent.tsv").write_text("\n".join(examples), "utf-8")

    def put(version: int) -> str:
        for id, name in (("link", "链接"), ("interest", "利息")):
            text = f"# {name}\n\n{name}的答复，第{version}版。\n\n{name}要当心，第{version}版。\n"
            (folder / "guidance" / f"{id}.md").write_text(text, "utf-8")
        return rebuild(folder, tmp_path / "index", *tools, silent).build

    return put


@pytest.fixture
def standby(tmp_path, rebuilt, monkeypatch):
    """A standby over version 1, that looks for others only when it is told to."""
    monkeypatch.setattr("qa.web.standby._watch", lambda reference: None)
    rebuilt(1)
    return Standby(Settings(index=tmp_path / "index"), None)


def build_of(standby: Standby) -> str:
    return standby.engine().index.manifest.build


def test_a_new_build_serves_with_the_same_dictionary_and_encoder(standby, rebuilt):
    before = standby.engine()
    build = rebuilt(2)
    assert standby.engine() is before
    standby.refresh()
    assert build_of(standby) == build
    assert standby.engine().encoder is before.encoder
    assert standby.engine().segmenter is before.segmenter
    assert standby.fault is None


def test_nothing_is_opened_while_the_pointer_stays(standby, monkeypatch):
    monkeypatch.setattr("qa.answer.serving", None)  # to call it would fail
    standby.refresh()


def test_a_rebuild_of_the_same_guidance_keeps_the_engine(standby, rebuilt):
    before = standby.engine()
    rebuilt(1)
    standby.refresh()
    assert standby.engine() is before


def test_a_rollback_is_noticed_too(standby, rebuilt, tmp_path, tools):
    first = build_of(standby)
    rebuilt(2)
    standby.refresh()
    index.rollback(tmp_path / "index", *tools)
    standby.refresh()
    assert build_of(standby) == first


def test_a_damaged_new_build_is_not_switched_to_and_said_once(standby, rebuilt, tmp_path, caplog):
    first = build_of(standby)
    second = rebuilt(2)
    (tmp_path / "index" / BUILDS / second / "passages.jsonl").write_text("", "utf-8")
    standby.refresh()
    standby.refresh()
    assert build_of(standby) == first
    assert "passages.jsonl" in str(standby.fault)
    assert len([r for r in caplog.records if "passages.jsonl" in r.getMessage()]) == 1
    third = rebuilt(3)
    standby.refresh()
    assert build_of(standby) == third
    assert standby.fault is None


def test_a_pointer_or_an_index_that_is_taken_away_serves_on(standby, tmp_path):
    build = build_of(standby)
    (tmp_path / "index" / CURRENT).unlink()
    standby.refresh()
    assert build_of(standby) == build
    assert CURRENT in str(standby.fault)
    before = standby.engine()
    shutil.rmtree(tmp_path / "index")
    standby._opened = "something else"
    standby.refresh()
    assert standby.engine() is before
    assert "qa rebuild" in str(standby.fault)


def test_a_build_of_another_dictionary_brings_it_along(standby, tmp_path, tools):
    # Its dictionary is read from the corpus folder that the server was told.
    _, encoder = tools
    folder = tmp_path / "other"
    (folder / "guidance").mkdir(parents=True)
    (folder / "guidance" / "a.md").write_text("# 保证保险\n\n保证保险是什么。\n", "utf-8")
    (folder / "dictionary.txt").write_text("保证保险 5 n\n", "utf-8")
    other = Settings(index=tmp_path / "index", corpus=folder)
    build = rebuild(folder, other.index, *open_tools(other), silent).build
    standby.refresh()  # told of another corpus: its dictionary does not fit
    assert build_of(standby) != build
    assert standby.fault.code == "index_stale"
    told = Standby(other, None)
    assert build_of(told) == build
    assert encoder.sha256 == told.engine().encoder.sha256


def test_one_request_has_one_engine_though_the_build_changes(tmp_path, rebuilt, monkeypatch):
    monkeypatch.setattr("qa.web.standby._watch", lambda reference: None)
    monkeypatch.setattr("qa.web.standby.WATCH_SECONDS", 0)
    first, service = rebuilt(1), Service(Settings(index=tmp_path / "index", feedback="off"), None)
    with Flask("x").app_context():
        assert service.engine.index.manifest.build == first
        second = rebuilt(2)
        service._standby.refresh()
        assert service.engine.index.manifest.build == first
    assert service.engine.index.manifest.build == second


# Under load


class Reader(threading.Thread):
    """Asks a server again and again; keeps which builds and versions each answer shows."""

    ONE = json.dumps({"question": "链接能点吗"}).encode()
    TWO = [{"question": "链接能点吗"}, {"question": "利息多少"}]
    MANY = json.dumps({"questions": TWO}).encode()
    REQUESTS = (("/ask", ONE), ("/api/v1/ask:batch", MANY), ("/topics/link", None))

    def __init__(self, address: str, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self.failed: list[str] = []
        self.seen: list[tuple[set[str], set[int]]] = []  # builds and versions of an answer
        self._where = urlsplit(address)
        self._ended = stop

    def run(self) -> None:
        while not self._ended.is_set():
            for path, body in self.REQUESTS:
                try:
                    self._ask(path, body)
                except OSError as error:
                    self.failed.append(f"{path}: {error!r}")
                time.sleep(PAUSE)

    def _ask(self, path: str, body: bytes | None) -> None:
        with closing(HTTPConnection(self._where.hostname, self._where.port, timeout=30)) as one:
            kind = {"Content-Type": "application/json"}
            one.request("POST" if body else "GET", path, body, kind)
            response = one.getresponse()
            text = response.read().decode()
        if response.status != 200:
            self.failed.append(f"{path}: {response.status} {text[:200]}")
        builds = set(re.findall(r'"build": *"([0-9a-f]{16})"', text))
        self.seen.append((builds, {int(version) for version in MARK.findall(text)}))


def served(address: str) -> str:
    with urlopen(f"{address}readyz") as response:
        build: str = json.load(response)["index"]["build"]
        return build


def all_serve(address: str, build: str) -> bool:
    """Tell whether, within a generous time, every worker has come to serve a build."""
    for _ in range(100):
        if all(served(address) == build for _ in range(20)):
            return True
        time.sleep(0.1)
    return False


def test_fifty_rebuilds_under_load_fail_no_request_and_mix_no_answer(rebuilt, running, tmp_path):
    versions = {rebuilt(0): 0}
    stop = threading.Event()
    with running(tmp_path / "index", log=None) as process:
        address = re.search(r"http://\S+", process.stdout.readline())[0]
        readers = [Reader(address, stop) for _ in range(CLIENTS)]
        for reader in readers:
            reader.start()
        for version in range(1, REBUILDS + 1):
            last = rebuilt(version)
            versions[last] = version
        assert all_serve(address, last)
        stop.set()
        for reader in readers:
            reader.join(timeout=60)
    seen = [one for reader in readers for one in reader.seen]
    assert [failed for reader in readers for failed in reader.failed] == []
    mixed = [(b, v) for b, v in seen if len(v) != 1 or {versions[build] for build in b} - v]
    assert mixed == []
    assert len({min(v) for _, v in seen}) > REBUILDS / 4  # switched again and again, meanwhile
