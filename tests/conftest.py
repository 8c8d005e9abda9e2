"""Fixtures: a corpus of three topics, an encoder whose vectors can be worked out on paper."""

from __future__ import annotations

import os
import re
import runpy
import shutil
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from qa import index
from qa.answer import Engine
from qa.paths import CORPUS
from qa.rebuild import rebuild
from qa.segment import Segmenter
from qa.settings import PREFIX, Settings

OFFLINE = Path(__file__).parent / "offline"
os.environ["HF_HUB_OFFLINE"] = "1"  # a model that is not here is looked for in no hub
# Before any test: neither pytest nor a process that a test starts reaches another machine.
runpy.run_path(str(OFFLINE / "sitecustomize.py"))
os.environ["PYTHONPATH"] = os.pathsep.join(
    filter(None, [str(OFFLINE), os.environ.get("PYTHONPATH")])
)

REPLY = """---
id: reply
title: 收到通知后多久必须回复？
questions: [几天内要回电话, 三天不回会怎样, 短信限我今天联系他, 过了时间还能回吗]
sources: [人民法院在线调解规则 第二十四条]
reviewed: 2026-11-24
related: [fake, credit]
---
法律没有统一的回复时间。短信里的时间多半是对方自己定的。

## 怎么做

1. 先看是谁发的。
2. 再尽早回复一次。
"""
FAKE = """---
id: fake
title: 短信里的链接能点吗？
questions: [链接能不能点, 让我扫码下载软件, 点了链接怎么补救, 网址看着像法院]
sources: [反电信网络诈骗法 第二十条]
reviewed: 2026-11-24
---
核实之前不要点链接。

## 要注意

- 法院不会要验证码。
- 已经转钱的，马上打110。
"""
CREDIT = """---
id: credit
title: 协商后能删逾期记录吗？
questions: [征信上的逾期能删掉吗, 花钱修复征信靠谱吗, 还清了征信还有记录吗, 征信花了怎么洗白]
sources: [征信业管理条例 第十六条]
reviewed: 2026-11-24
---
真实的逾期记录不会因为协商就删除。

## 要注意

花钱修复征信的多半是骗局。
"""
DOCUMENTS = {"c1/reply": REPLY, "c1/fake": FAKE, "c2/credit": CREDIT}
OFF_TOPIC = "near\t怎么开通花呗\nnear\t离婚要什么手续\nfar\t红烧肉怎么做\nfar\t今天天气怎么样\n"


class CharacterEncoder:
    """Counts of eight characters, normalised: a vector that can be worked out on paper."""

    CHARACTERS = "回时链点征信逾花"
    dim = len(CHARACTERS)
    name = "characters"
    sha256 = "c" * 64

    def __init__(self) -> None:
        self.encoded: list[str] = []

    def encode(self, texts) -> np.ndarray:
        self.encoded += texts
        counts = [[text.count(character) for character in self.CHARACTERS] for text in texts]
        rows = np.array(counts, np.float32).reshape(len(texts), self.dim)
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        return rows / np.where(lengths == 0, 1, lengths)

    def has_seen(self, text: str) -> bool:
        return False

    def encode_query(self, text: str) -> np.ndarray:
        return self.encode([text])[0]


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch, tmp_path):
    """Keep every test away from what is really kept, whatever the environment says."""
    for name in Settings.model_fields:
        monkeypatch.delenv(PREFIX + name.upper(), raising=False)
    monkeypatch.setenv("QA_INDEX", str(tmp_path / "index"))
    monkeypatch.setenv("QA_FEEDBACK", "off")
    monkeypatch.setenv("QA_RATE_LIMIT", "off")
    monkeypatch.setenv("QA_TIME_LIMIT_MS", "25000")  # machines that run tests are busy


@pytest.fixture(scope="session", autouse=True)
def _nothing_leaves_this_machine(tmp_path_factory):
    """Fail where a connection was tried, though the code that tried it passed over the error."""
    refused = tmp_path_factory.mktemp("offline") / "refused"
    os.environ["QA_TESTS_REFUSED"] = str(refused)
    yield
    assert not refused.exists(), refused.read_text("utf-8")


@pytest.fixture(scope="session")
def segmenter() -> Segmenter:
    return Segmenter(CORPUS)


@pytest.fixture
def encoder() -> CharacterEncoder:
    return CharacterEncoder()


@pytest.fixture
def corpus_folder(tmp_path) -> Path:
    """A folder of three prepared documents that tests may change."""
    folder = tmp_path / "corpus"
    for path, text in DOCUMENTS.items():
        file = folder / "guidance" / f"{path}.md"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
    (folder / "chapters.yaml").write_text("c1: 第一章\nc2: 第二章\n", "utf-8")
    (folder / "off-topic.tsv").write_text(OFF_TOPIC, "utf-8")
    return folder


@pytest.fixture
def index_folder(tmp_path, corpus_folder, segmenter, encoder) -> Path:
    """An index folder with one build of ``corpus_folder``."""
    rebuild(corpus_folder, tmp_path / "index", segmenter, encoder, silent)
    return tmp_path / "index"


@pytest.fixture
def small_engine(index_folder, segmenter, encoder) -> Engine:
    """An engine over ``corpus_folder`` with the encoder that is worked out on paper."""
    return Engine(index.load(index_folder, segmenter, encoder), segmenter, encoder)


@pytest.fixture(scope="session")
def shipped_index(tmp_path_factory) -> Path:
    """An index of the shipped corpus with the shipped encoder, built once for all tests."""
    from qa.embed import open_encoder

    folder = tmp_path_factory.mktemp("shipped") / "index"
    segmenter = Segmenter(CORPUS)
    rebuild(CORPUS, folder, segmenter, open_encoder("", segmenter), silent)
    return folder


@pytest.fixture
def settings(shipped_index) -> Settings:
    return Settings.load(index=shipped_index)


@pytest.fixture(scope="session")
def engine(shipped_index) -> Engine:
    """The engine that users get."""
    return Engine.open(Settings.load(index=shipped_index))


@pytest.fixture
def app(settings, engine):
    from qa.web import create_app

    app = create_app(settings, engine)
    app.config.update(TESTING=True)
    return app


@pytest.fixture
def client(app):
    return app.test_client()


@pytest.fixture
def answering(monkeypatch):
    """Return a function that changes every answer of every engine, as by ``replace``."""
    original = Engine.ask

    def change(**changes) -> None:
        def ask(self, question, until=None):
            answer = original(self, question, until)
            made = {name: f(answer) if callable(f) else f for name, f in changes.items()}
            return replace(answer, **made)

        monkeypatch.setattr(Engine, "ask", ask)

    return change


@pytest.fixture
def runner() -> CliRunner:
    return CliRunner()


@pytest.fixture
def copy_of(tmp_path):
    """Return a function that copies a folder into the test's own."""

    def copy(folder: Path, name: str) -> Path:
        return Path(shutil.copytree(folder, tmp_path / name))

    return copy


SERVE = """
import sys
from qa.settings import Settings
from qa.web.server import serve
serve(Settings.load(index=sys.argv[1], feedback=sys.argv[2], port=0, workers=2,
    rate_limit="off", time_limit_ms=25000))
"""


@contextmanager
def _running(index: Path, log=subprocess.PIPE, feedback="off"):
    command = [sys.executable, "-c", SERVE, str(index), feedback]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, encoding="utf-8") as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture(scope="session")
def running():
    """Return a context manager: a real server over an index folder, in a process of its own."""
    return _running


@pytest.fixture(scope="module")
def start(shipped_index, tmp_path_factory):
    """The address of the start page on a real server, which no other test module uses."""
    feedback = f"sqlite:///{tmp_path_factory.mktemp('feedback') / 'feedback.db'}"
    # A pipe that nobody reads would stop the server once it is full.
    with _running(shipped_index, subprocess.DEVNULL, feedback) as process:
        yield re.search(r"http://\S+", process.stdout.readline())[0]


def silent(what: str, done: int, of: int) -> None:
    """Report no progress."""
