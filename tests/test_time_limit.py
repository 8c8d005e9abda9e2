"""A question that takes too long is answered by words alone: in time, in bounds, and said so."""

import json
import logging
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread
from threading import enumerate as threads
from types import SimpleNamespace

import numpy as np
import pytest

from qa import answer as answers
from qa.answer import Engine, OutOfTime, Question, to_json
from qa.cli import cli
from qa.errors import ModelBroken
from qa.evaluate import read_judged
from qa.evaluate.metrics import calibration_estimate
from qa.paths import CORPUS
from qa.settings import Settings
from qa.web import create_app
from qa.web.limit import TimeLimit
from qa.web.service import Service

ASKED = "收到调解短信后几天内要回复？"
DANGER = "欠了花呗还不上，不想活了。短信里的链接能点吗？逾期会坐牢吗？"
TWO = "短信里的链接能点吗？还有，逾期会坐牢吗？"
MESSAGES = [ASKED, DANGER, TWO, "谢谢", "红烧肉怎么做才好吃", "司法却认要多久内做", "🙂"]
URGENT = Path(__file__).parent / "data/urgent.tsv"
SECRET = "张三问的"
SHORT = 0.05  # seconds: a limit that stuck work overruns
AMPLE = 60.0  # seconds: more than anything here takes on a machine however busy


class Gated:
    """An encoder that encodes only once its gate is open."""

    def __init__(self, encoder) -> None:
        self._encoder = encoder
        self.gate = Event()
        self.calls = 0

    def __getattr__(self, name):
        return getattr(self._encoder, name)

    def encode(self, texts):
        self._wait()
        return self._encoder.encode(texts)

    def encode_query(self, text):
        self._wait()
        return self._encoder.encode_query(text)

    def _wait(self) -> None:
        self.calls += 1
        self.gate.wait(AMPLE)


class Broken(Gated):
    """An encoder that can encode nothing."""

    def _wait(self) -> None:
        self.calls += 1
        raise ModelBroken("模型坏了。", "The model is broken.")


@pytest.fixture
def gated(engine):
    """The engine that users get, with an encoder that is stuck until the test ends."""
    encoder = Gated(engine.encoder)
    yield replace(engine, encoder=encoder)
    encoder.gate.set()


@pytest.fixture
def gate():
    """What stuck work waits for; opened when the test ends."""
    gate = Event()
    yield gate
    gate.set()


@pytest.fixture
def hasty(settings) -> Settings:
    """Settings of a limit that a stuck encoder overruns."""
    return settings.model_copy(update={"time_limit_ms": int(1000 * SHORT), "threads": 2})


def question(text: str) -> Question:
    return Question.parse(text, 3, Settings())


def dump(answer) -> str:
    return json.dumps(to_json(answer), ensure_ascii=False)


def overrun(limit: TimeLimit, work) -> None:
    """Run some work until it has begun, and was left."""
    begun = Event()
    while not begun.is_set():
        with pytest.raises(OutOfTime):
            limit.run(lambda until: (begun.set(), work(until)))


def until(condition) -> None:
    """Wait for what is sure to come."""
    end = time.monotonic() + AMPLE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


# The limit itself.


def test_work_in_time_gives_what_it_returns_and_raises_what_it_raises():
    limit = TimeLimit(1, AMPLE)
    assert limit.run(lambda _: 5) == 5
    for error in (ValueError("x"), TimeoutError("x"), OutOfTime()):

        def fails(_, error=error):
            raise error

        with pytest.raises(type(error)):
            limit.run(fails)


def test_work_is_told_until_when_it_is_waited_for():
    before = time.monotonic()
    end = TimeLimit(1, 7.0).run(lambda until: until)
    assert before + 7 <= end <= time.monotonic() + 7


def test_work_that_overruns_is_left(gate):
    start = time.monotonic()
    with pytest.raises(OutOfTime):
        TimeLimit(1, SHORT).run(lambda _: gate.wait(AMPLE))
    assert time.monotonic() - start < AMPLE / 2


def test_overruns_take_no_more_threads_than_there_are_and_then_are_refused_at_once(gate):
    limit, begun = TimeLimit(2, SHORT), []
    before = set(threads())
    for _ in range(2):
        overrun(limit, lambda _: gate.wait(AMPLE))
    start = time.monotonic()
    for _ in range(1000):  # 50 seconds, if each were waited for
        with pytest.raises(OutOfTime):
            limit.run(lambda _: begun.append(True))
    assert time.monotonic() - start < 1000 * SHORT / 2
    assert begun == []
    assert len(set(threads()) - before) == 2


def test_threads_that_end_late_serve_again(gate):
    limit = TimeLimit(1, SHORT)
    overrun(limit, lambda _: gate.wait(AMPLE))
    gate.set()

    def works() -> bool:
        try:
            return limit.run(lambda _: True)
        except OutOfTime:
            return False

    until(works)


def test_work_that_never_began_is_not_begun_later(gate):
    limit, begun = TimeLimit(1, SHORT), []
    running = Event()

    def stuck(_):
        running.set()
        gate.wait(AMPLE)

    thread = Thread(target=overrun, args=(limit, stuck))
    thread.start()
    assert running.wait(AMPLE)
    with pytest.raises(OutOfTime):
        limit.run(lambda _: begun.append(True))
    thread.join()
    gate.set()
    until(lambda: not limit._overrun)
    assert limit.run(lambda _: list(begun)) == []  # the one thread has come past its place


def test_a_fault_after_the_limit_is_logged_without_its_message(gate, caplog):
    limit = TimeLimit(1, SHORT)

    def fails(_):
        gate.wait(AMPLE)
        raise ValueError(SECRET)

    overrun(limit, fails)
    gate.set()
    until(lambda: caplog.messages)
    (record,) = caplog.records
    assert record.message == "unexpected after the time limit"
    assert "ValueError" in record.trace
    assert SECRET not in str(vars(record))


# The engine by words alone.


@pytest.fixture(scope="module")
def by_words(engine) -> Engine:
    """The engine by words alone, with an encoder that must not be asked."""
    return replace(engine, encoder=Broken(engine.encoder)).by_words


@pytest.mark.parametrize("message", MESSAGES)
def test_by_words_nothing_is_encoded_and_the_answer_is_the_same_each_time(by_words, message):
    first = by_words.ask(question(message))
    assert first.limited
    assert dump(by_words.ask(question(message))) == dump(first)
    assert by_words.encoder.calls == 0


def test_by_words_dangers_and_replies_are_as_always(engine, by_words):
    texts = [line.split("\t")[1] for line in URGENT.read_text("utf-8").splitlines()[::10]]
    kinds = Counter()
    for text in [*texts, *MESSAGES]:
        always, limited = engine.read(text, 3), by_words.read(text, 3)
        assert (limited.urgent, limited.reply) == (always.urgent, always.reply), text
        assert limited.text == always.text
        kinds[always.urgent and always.urgent.kind] += 1
    assert len(kinds) == 4  # three dangers and none


def test_by_words_a_danger_comes_first(by_words):
    answer = by_words.ask(question(DANGER))
    assert answer.urgent.kind == "self-harm"
    assert answer.status == "answered"
    assert answer.quotes[0].passage.topic in answer.urgent.topics
    assert answer.contacts == answer.urgent.contacts


def test_by_words_several_questions_are_told_apart(by_words):
    answer = by_words.ask(question(TWO))
    assert len(answer.parts) == 2
    assert [quote.part for quote in answer.quotes[:2]] == [1, 2]
    topics = [quote.passage.topic for quote in answer.quotes]
    assert topics[0] == "notice-link-click"
    assert topics[1] == "criminal-boundary"


def test_by_words_the_judged_questions_are_answered_nearly_as_well(by_words):
    """Floors below what docs/evaluation.md has ("By words alone"), by its bootstrap intervals."""
    judged = read_judged(CORPUS / "judged", "dev")
    findings = [by_words.read(one.text, 3) for one in judged]
    topics = [[found.hit.passage.topic for found in one.found] for one in findings]
    pairs = [(q.topics, found) for q, found in zip(judged, topics, strict=True) if q.topics]
    assert np.mean([bool(right & set(found[:1])) for right, found in pairs]) >= 0.845
    assert np.mean([bool(right & set(found)) for right, found in pairs]) >= 0.945
    refused = {kind: [] for kind in ("answerable", "near", "far")}
    for one, found in zip(judged, findings, strict=True):
        refused[one.kind].append(found.status == "unanswered")
        assert found.status != "answered" or found.urgent, one.text
    assert np.mean(refused["answerable"]) <= 0.045
    assert np.mean(refused["near"]) >= 0.85
    assert np.mean(refused["far"]) >= 0.92
    right = [bool(q.topics & set(found[:1])) for q, found in zip(judged, topics, strict=True)]
    confidence = np.array([one.confidence for one in findings])
    assert calibration_estimate(confidence, np.array(right)).value <= 0.053


def test_a_plain_file_is_found_by_words(tmp_path, segmenter, encoder):
    from qa import index
    from qa.rebuild import rebuild

    (tmp_path / "a.txt").write_text("征信记录不会因为还清就删除。", "utf-8")
    (tmp_path / "b.txt").write_text("链接里可能有病毒，不要点。", "utf-8")
    folder = tmp_path / "index"
    rebuild(tmp_path, folder, segmenter, encoder, lambda *_: None)
    engine = Engine(index.load(folder, segmenter, encoder), segmenter, Broken(encoder)).by_words
    assert engine.ask(question("征信记录还清了能删除吗")).quotes[0].passage.topic == "a"
    assert engine.ask(question("zzz qqq")).status == "unanswered"


# The deadline of an answer.


def test_nothing_is_encoded_once_the_time_is_over(gated):
    with pytest.raises(OutOfTime):
        gated.ask(question(ASKED), until=time.monotonic() - 1)
    assert gated.encoder.calls == 0


@pytest.mark.parametrize("after", [1, 2, 4])
def test_an_answer_is_given_up_at_the_next_text_to_be_encoded(engine, monkeypatch, after):
    encoder = Gated(engine.encoder)
    encoder.gate.set()
    clock = SimpleNamespace(monotonic=lambda: float(encoder.calls))
    monkeypatch.setattr(answers, "time", clock)
    with pytest.raises(OutOfTime):
        replace(engine, encoder=encoder).ask(question(TWO), until=after - 0.5)
    assert encoder.calls == after


# The service.


def test_a_stuck_encoder_gives_the_answer_by_words_and_says_so(gated, hasty, caplog):
    caplog.set_level(logging.DEBUG, "qa")
    service = Service(hasty, gated)
    start = time.monotonic()
    answer = service.ask(question(ASKED))
    assert time.monotonic() - start < AMPLE / 2
    assert dump(answer) == dump(gated.by_words.ask(question(ASKED)))
    assert to_json(answer)["limited"] is True
    assert answer.status == "uncertain"
    assert "respond-how-fast" in {quote.passage.topic for quote in answer.quotes}
    assert answer.contacts
    assert caplog.messages == []


def test_with_all_threads_stuck_people_are_still_answered(gated, hasty):
    service = Service(hasty, gated)
    before = set(threads())
    answers = [service.ask(question(text)) for text in MESSAGES * 3]
    assert len(set(threads()) - before) <= hasty.threads
    assert gated.encoder.calls <= hasty.threads
    assert all(answer.limited for answer in answers if not answer.reply)
    assert [answer.urgent is not None for answer in answers[:3]] == [False, True, False]


@pytest.mark.parametrize("message", MESSAGES)
def test_in_time_the_answer_is_that_of_the_engine_byte_for_byte(settings, engine, message):
    answer = Service(settings, engine).ask(question(message))
    assert not answer.limited
    assert dump(answer) == dump(engine.ask(question(message)))


def test_an_error_of_the_encoder_is_not_hidden_by_an_answer_by_words(settings, engine):
    service = Service(settings, replace(engine, encoder=Broken(engine.encoder)))
    with pytest.raises(ModelBroken):
        service.ask(question(ASKED))


def test_over_http_the_answer_by_words_is_marked_and_shown(gated, hasty):
    client = create_app(hasty, gated).test_client()
    reply = client.get("/ask", query_string={"q": ASKED})
    assert (reply.status_code, reply.json["limited"]) == (200, True)
    assert "respond-how-fast" in {passage["topic"] for passage in reply.json["passages"]}
    page = client.post("/", data={"question": ASKED})
    assert page.status_code == 200
    assert reply.json["passages"][0]["title"] in page.text


def test_on_the_terminal_there_is_no_limit(runner, monkeypatch, shipped_index):
    monkeypatch.setenv("QA_INDEX", str(shipped_index))
    monkeypatch.setenv("QA_TIME_LIMIT_MS", "1")
    result = runner.invoke(cli, ["ask", ASKED, "--json"])
    assert json.loads(result.output)["limited"] is False


def test_a_batch_goes_on_by_words_once_its_time_is_used_up(engine, settings, monkeypatch):
    monkeypatch.setattr("qa.web.service.BATCH_LIMITS", 0)
    service = Service(settings, engine)
    answers = service.ask_all([question("逾期会坐牢吗"), question("短信里的链接能点吗")])
    assert [answer.limited for answer in answers] == [True, True]
    monkeypatch.setattr("qa.web.service.BATCH_LIMITS", 4)
    assert [answer.limited for answer in service.ask_all([question("谢谢")])] == [False]
