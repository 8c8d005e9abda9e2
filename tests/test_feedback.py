"""Feedback and counts: what is kept, what never is, and what the report makes of it."""

import json
import logging
import multiprocessing
import os
import re
import signal
import stat
import subprocess
import sys
import threading
from datetime import date
from html import unescape
from urllib.parse import quote
from urllib.request import Request, urlopen

import pytest
from flask import render_template_string
from sqlalchemy import create_engine, text

from qa import feedback
from qa.answer import Question
from qa.cli import cli
from qa.errors import FeedbackError
from qa.feedback import REASONS, STATUSES, Feedback, Verdict, Verdicts
from qa.settings import Settings
from qa.web import create_app
from qa.web.service import Service

SECRET = "张三身份证110101199003071234被催收"
ASKED = f"{SECRET}，收到调解短信后几天内要回复？"
OFF_TOPIC = "红烧肉怎么做才好吃"
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
DAY = date(2026, 11, 24)


def verdict(topic="reply", chapter="第一章", helpful=True, reason=None, day=DAY) -> Verdict:
    return Verdict(topic, chapter, "answered", helpful, reason, "b1", day)


@pytest.fixture
def address(tmp_path) -> str:
    return f"sqlite:///{tmp_path / 'kept' / 'feedback.db'}"


@pytest.fixture
def kept(address) -> Feedback:
    return Feedback.open(address)


@pytest.fixture
def app(small_engine, address, index_folder):
    return create_app(Settings.load(index=index_folder, feedback=address), small_engine)


def said(address: str) -> list[tuple]:
    """Every verdict in the database, read without the code under test."""
    engine = create_engine(address)
    with engine.begin() as connection:
        rows = connection.execute(text("SELECT * FROM qa_verdicts")).fetchall()
    engine.dispose()
    return [tuple(row) for row in rows]


# The database


def test_what_is_kept_is_a_day_a_topic_and_a_choice(kept, address):
    kept.keep(verdict(helpful=False, reason="unclear"))
    row = ("2026-11-24", "reply", "第一章", "answered", 0, "unclear", "b1")
    assert said(address) == [row]


def test_counts_are_written_by_flush_and_added_up(kept, address):
    kept.count("第一章", "answered", DAY)
    kept.count("第一章", "answered", DAY)
    assert Feedback.open(address).report().empty
    kept.flush()
    kept.count("第一章", "answered", DAY)
    kept.flush()
    kept.flush()
    assert Feedback.open(address).report().chapters["第一章"].answers["answered"] == 3


def test_day_is_today_where_none_is_given(kept):
    kept.count("", "answered")
    kept.flush()
    kept.keep(Verdict("reply", "", "answered", True, None, "b1"))
    assert kept.report(since=date.today()).total.to_json()["verdicts"] == 1
    assert kept.report(since=date.today()).total.questions == 1
    assert kept.report(since=date.max).empty


def test_file_is_made_where_its_folder_is_missing_and_only_its_owner_reads_it(kept, tmp_path):
    assert (tmp_path / "kept" / "feedback.db").stat().st_mode & 0o777 == 0o600


def test_empty_address_is_the_file_of_this_machine(monkeypatch, tmp_path):
    monkeypatch.setattr(feedback, "FEEDBACK", tmp_path / "own.db")
    Feedback.open("").keep(verdict())
    assert len(said(f"sqlite:///{tmp_path / 'own.db'}")) == 1


def test_off_is_no_database(tmp_path):
    assert Feedback.open("off") is None


def test_looking_makes_nothing(address, tmp_path):
    assert Feedback.open(address, make=False) is None
    assert not (tmp_path / "kept").exists()
    (tmp_path / "empty.db").touch()
    assert Feedback.open(f"sqlite:///{tmp_path / 'empty.db'}", make=False) is None


@pytest.mark.parametrize(
    "address",
    [
        pytest.param("/var/lib/feedback.db", id="a-path"),
        pytest.param("mysql://u:secret@h/x", id="another-database"),
        pytest.param("postgresql://u:secret@h:port/x", id="port-is-a-word"),
        pytest.param("sqlite://", id="memory"),
        pytest.param("sqlite:///:memory:", id="memory-by-name"),
        pytest.param("postgresql+nothing://u:secret@h/x", id="no-such-driver"),
    ],
)
def test_address_that_cannot_be_used_says_which_setting_and_no_password(address):
    with pytest.raises(FeedbackError, match="QA_FEEDBACK") as caught:
        Feedback.open(address)
    assert "QA_FEEDBACK" in caught.value.english
    assert "secret" not in str(caught.value) + caught.value.english


def test_folder_that_cannot_be_written_says_which_setting(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(FeedbackError, match="不能写反馈文件.*QA_FEEDBACK"):
        Feedback.open(f"sqlite:///{tmp_path / 'file' / 'feedback.db'}")
    with pytest.raises(FeedbackError, match="QA_FEEDBACK"):
        Feedback.open(f"sqlite:///{tmp_path}")


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_folder_without_permission_says_which_setting(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(FeedbackError, match="QA_FEEDBACK"):
        Feedback.open(f"sqlite:///{tmp_path / 'feedback.db'}")


def test_file_that_is_no_database_is_refused_and_left_alone(tmp_path):
    file = tmp_path / "notes.txt"
    file.write_text("不是数据库" * 100, "utf-8")
    with pytest.raises(FeedbackError, match="QA_FEEDBACK"):
        Feedback.open(f"sqlite:///{file}")
    assert file.read_text("utf-8") == "不是数据库" * 100


def test_other_format_is_refused_and_left_alone(kept, address, tmp_path):
    engine = create_engine(address)
    with engine.begin() as connection:
        connection.execute(text("UPDATE qa_schema SET version = 7"))
    engine.dispose()
    before = (tmp_path / "kept" / "feedback.db").read_bytes()
    for make in (True, False):
        with pytest.raises(FeedbackError, match="第 7 版.*第 1 版"):
            Feedback.open(address, make=make)
    assert (tmp_path / "kept" / "feedback.db").read_bytes() == before


def _write(address: str, times: int) -> None:
    kept = Feedback.open(address)
    for _ in range(times):
        kept.keep(verdict())
        kept.count("第一章", "answered", DAY)
        kept.flush()


def test_processes_that_write_at_once_lose_nothing(address):
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_write, args=(address, 10)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    total = Feedback.open(address).report().total
    assert (total.questions, total.verdicts.helpful) == (40, 40)


def test_workers_that_open_at_once_all_get_the_database(tmp_path):
    for attempt in range(5):
        address = f"sqlite:///{tmp_path / f'{attempt}.db'}"
        together = threading.Barrier(8)
        opened = []

        def work(address=address, together=together, opened=opened) -> None:
            together.wait()
            opened.append(Feedback.open(address))

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(opened) == 8


def test_threads_that_count_and_flush_at_once_lose_nothing(kept):
    def work() -> None:
        for turn in range(200):
            kept.count("第一章", "answered", DAY)
            if turn % 50 == 0:
                kept.flush()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kept.flush()
    assert kept.report().total.questions == 1600


def test_counts_that_cannot_be_written_are_kept_and_said_once(kept, address, tmp_path, caplog):
    file, away = tmp_path / "kept" / "feedback.db", tmp_path / "away.db"
    kept.count("第一章", "answered", DAY)
    file.rename(away)
    file.mkdir()
    kept.flush()
    kept.flush()
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    file.rmdir()
    away.rename(file)
    kept.count("第一章", "answered", DAY)
    kept.flush()
    assert kept.report().total.questions == 2


def test_file_that_is_deleted_while_the_service_runs_is_made_again(kept, address, tmp_path):
    (file,) = tmp_path.rglob("*.db")
    file.unlink()
    kept.keep(Verdict("reply", "", "answered", True, None, "b1"))
    assert len(said(address)) == 1
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_counts_are_written_now_and_then_without_being_asked(kept, address):
    written = threading.Event()
    flush = kept.flush

    def watched() -> None:
        flush()
        if not Feedback.open(address).report().empty:
            written.set()

    kept.flush = watched
    kept.count("第一章", "answered", DAY)
    kept.flush_every(0.01)
    try:
        assert written.wait(30)
    finally:
        kept.close()


def test_counts_are_written_when_the_process_ends(address):
    code = (
        "import sys; from qa.feedback import Feedback\n"
        "kept = Feedback.open(sys.argv[1]); kept.flush_every(3600)\n"
        "kept.count('第一章', 'answered')\n"
    )
    subprocess.run([sys.executable, "-c", code, address], check=True)
    assert Feedback.open(address).report().total.questions == 1


# The report


@pytest.mark.parametrize(
    ("helpful", "unhelpful", "low", "high"),
    [  # Wilson, Probable inference, 1927, worked out by hand with z = 1.96
        (0, 0, 0.0, 1.0),
        (0, 10, 0.0, 0.2775),
        (8, 2, 0.4902, 0.9433),
        (50, 50, 0.4038, 0.5962),
        (3, 0, 0.4385, 1.0),
    ],
)
def test_interval_is_wilsons(helpful, unhelpful, low, high):
    interval = Verdicts(helpful, unhelpful, {}).interval
    assert interval == pytest.approx((low, high), abs=5e-5)


@pytest.fixture
def full(kept) -> Feedback:
    """Two chapters, three topics, two days."""
    for helpful, reason in [(True, None)] * 2 + [(False, "unclear")] * 7 + [(False, "wrong")]:
        kept.keep(verdict("fake", "第一章", helpful, reason))
    for _ in range(2):
        kept.keep(verdict("credit", "第二章", False, "person"))
    for _ in range(10):
        kept.keep(verdict("reply", "第一章"))
    kept.keep(verdict("fake", "第一章", True, day=date(2026, 11, 25)))
    for chapter, status, times in [
        ("第一章", "answered", 6),
        ("第一章", "uncertain", 3),
        ("第一章", "unanswered", 1),
        ("第二章", "answered", 1),
        ("第二章", "unanswered", 3),
        ("第二章", "urgent", 5),
        ("", "reply", 2),
    ]:
        for _ in range(times):
            kept.count(chapter, status, DAY)
    kept.flush()
    return kept


def test_topic_that_most_surely_helps_least_comes_first(full):
    topics = full.report().topics
    # Upper ends: 3 of 11 → .57, 0 of 2 → .66, 10 of 10 → 1.
    assert list(topics) == ["fake", "credit", "reply"]
    assert (topics["fake"].helpful, topics["fake"].count) == (3, 11)
    assert list(topics["fake"].reasons.items()) == [("unclear", 7), ("wrong", 1)]


def test_chapter_with_most_unanswered_questions_comes_first(full):
    chapters = full.report().chapters
    assert list(chapters) == ["第二章", "第一章", ""]
    assert [chapter.questions for chapter in chapters.values()] == [4, 10, 0]
    assert chapters["第二章"].answers["urgent"] == 5
    assert chapters["第一章"].verdicts.helpful == 13


def test_report_begins_on_a_day(full):
    report = full.report(since=date(2026, 11, 25))
    assert report.total.questions == 0
    assert [(topic, v.count) for topic, v in report.topics.items()] == [("fake", 1)]


def test_report_as_plain_data(full):
    report = full.report(since=DAY).to_json()
    assert report["since"] == "2026-11-24"
    assert report["topics"][1] == {
        "topic": "credit",
        "verdicts": 2,
        "helpful": 0,
        "share": 0.0,
        "interval": [0.0, 0.6576],
        "reasons": {"person": 2},
    }
    total = report["total"]
    assert {status: total[status] for status in STATUSES} == {
        "answered": 7,
        "uncertain": 3,
        "unanswered": 4,
        "urgent": 5,
        "reply": 2,
    }
    assert (total["questions"], total["verdicts"], total["helpful"]) == (14, 23, 13)
    assert feedback.nothing().to_json()["total"]["share"] is None


@pytest.mark.usefixtures("full")
def test_command_prints_both_tables(runner, address):
    output = runner.invoke(cli, ["report", "--feedback", address]).output
    assert re.search(r"fake +│ +11 │ +27% │ +10%–57% │ 看不懂 7", output)
    assert re.search(r"第二章 +│ +4 │ +25% │ +0% │ +75% │ +0%", output)
    assert re.search(r"合计 +│ +14 │ +50% │ +21% │ +29% │ +57%", output)
    assert "95% 区间上限低的在前" in output
    assert "危急信息 5 条、没有提问的信息 2 条" in output


@pytest.mark.usefixtures("full")
def test_command_prints_json_from_a_day_on(runner, address, monkeypatch):
    monkeypatch.setenv("QA_FEEDBACK", address)
    output = runner.invoke(cli, ["report", "--since", "2026-11-25", "--json"]).output
    assert [topic["topic"] for topic in json.loads(output)["topics"]] == ["fake"]


def test_command_says_so_where_there_is_nothing(runner, address, tmp_path):
    result = runner.invoke(cli, ["report", "--feedback", address])
    assert (result.exit_code, result.output) == (0, "这段时间还没有反馈，也没有人提问。\n")
    empty = json.loads(runner.invoke(cli, ["report", "--feedback", address, "--json"]).output)
    assert (empty["topics"], empty["total"]["questions"]) == ([], 0)
    assert not (tmp_path / "kept").exists()


def test_command_says_so_where_feedback_is_off(runner):
    result = runner.invoke(cli, ["report"])
    assert (result.exit_code, result.output.count("QA_FEEDBACK=off")) == (0, 1)


def test_command_refuses_a_database_that_it_cannot_use(runner):
    result = runner.invoke(cli, ["report", "--feedback", "feedback.db"])
    assert result.exit_code == 1
    assert "QA_FEEDBACK" in result.output


# The form


@pytest.mark.parametrize(
    ("form", "row"),
    [
        pytest.param(
            {"helpful": "yes", "topic": "credit", "status": "uncertain"},
            ("credit", "第二章", "uncertain", 1, None),
            id="helpful",
        ),
        pytest.param(
            {"helpful": "no", "reason": "person", "topic": "reply", "status": "urgent"},
            ("reply", "第一章", "urgent", 0, "person"),
            id="not-helpful",
        ),
        pytest.param(
            {"helpful": "no", "topic": "", "status": "unanswered"},
            ("", "", "unanswered", 0, None),
            id="nothing-was-shown",
        ),
    ],
)
def test_feedback_is_kept_and_thanked_for(client, address, small_engine, form, row):
    response = client.post("/feedback", data=form, headers=BROWSER)
    assert response.status_code == 200
    assert "没有记下您的问题" in response.text
    assert 'href="/"' in response.text
    build = small_engine.index.manifest.build
    assert said(address) == [(date.today().isoformat(), *row, build)]


def test_programs_get_no_page(client, address):
    form = {"helpful": "yes", "topic": "reply", "status": "answered"}
    response = client.post("/feedback", data=form, headers={"Accept": "application/json"})
    assert (response.status_code, response.data) == (204, b"")
    assert len(said(address)) == 1


GOOD = {"helpful": "no", "reason": "wrong", "topic": "reply", "status": "answered"}


@pytest.mark.parametrize(
    ("change", "headers"),
    [
        pytest.param({"topic": "nothing-here"}, {}, id="unknown-topic"),
        pytest.param({"reason": SECRET}, {}, id="free-text-as-a-reason"),
        pytest.param({"reason": ""}, {}, id="empty-reason"),
        pytest.param({"helpful": "yes"}, {}, id="a-reason-though-it-helped"),
        pytest.param({"helpful": "perhaps"}, {}, id="neither-yes-nor-no"),
        pytest.param({"helpful": None}, {}, id="no-verdict"),
        pytest.param({"status": "lost"}, {}, id="unknown-status"),
        pytest.param({"status": None}, {}, id="no-status"),
        pytest.param({"comment": SECRET}, {}, id="unknown-field"),
        pytest.param({"reason": ["wrong", "person"]}, {}, id="two-reasons"),
        pytest.param({}, {"Sec-Fetch-Site": "cross-site"}, id="from-another-site"),
        pytest.param({}, {"Content-Type": "application/json"}, id="not-a-form"),
    ],
)
def test_feedback_that_the_form_does_not_offer_is_refused(client, address, change, headers):
    form = {name: value for name, value in {**GOOD, **change}.items() if value is not None}
    response = client.post("/feedback", data=form, headers=headers)
    assert (response.status_code, response.json["code"]) == (400, "feedback_invalid")
    assert said(address) == []
    assert client.post("/feedback", data=GOOD).status_code == 204


def test_far_too_large_a_form_is_refused(client):
    response = client.post("/feedback", data={**GOOD, "topic": "x" * 100_000})
    assert response.json["code"] == "body_too_large"


def test_feedback_that_cannot_be_kept_is_not_thanked_for(client, tmp_path, caplog):
    (tmp_path / "kept" / "feedback.db").unlink()
    (tmp_path / "kept" / "feedback.db").mkdir()
    response = client.post("/feedback", data=GOOD, headers=BROWSER)
    assert response.status_code == 500
    assert "已经记下了" not in response.text
    assert "QA_FEEDBACK" in caplog.text
    assert "QA_FEEDBACK" not in response.text


def test_without_a_database_questions_are_answered_all_the_same(
    index_folder, small_engine, tmp_path, caplog
):
    address = f"sqlite:///{tmp_path}"
    app = create_app(Settings.load(index=index_folder, feedback=address), small_engine)
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert app.test_client().post("/ask", json={"question": "几天内要回电话"}).status_code == 200
    assert app.test_client().post("/feedback", data=GOOD).status_code == 404
    assert app.jinja_env.globals["feedback_on"] is False


def test_off_is_not_found_and_not_shown(index_folder, small_engine):
    app = create_app(Settings.load(index=index_folder), small_engine)
    assert app.test_client().post("/feedback", data=GOOD).json["code"] == "not_found"
    assert app.jinja_env.globals["feedback_on"] is False


FORM = (
    '{% import "feedback.html" as feedback with context %}{{ feedback.ask("reply", "answered") }}'
)


def test_form_sends_what_the_route_takes(app, client, address):
    with app.test_request_context():
        page = render_template_string(FORM)
    assert app.jinja_env.globals["feedback_on"] is True
    forms = re.findall(r"<form .*?</form>", page, re.DOTALL)
    sent = [
        re.findall(
            r'<(?:input type="hidden"|button class="quiet") name="(\w+)" value="([^"]*)"', form
        )
        for form in forms
    ]
    for fields in sent:
        assert client.post("/feedback", data=dict(fields)).status_code == 204
    assert [row[4] for row in said(address)] == [1, 0]
    assert all('action="/feedback" target="_blank"' in form for form in forms)


def test_form_offers_every_reason_once_and_only_where_it_did_not_help(app):
    with app.test_request_context():
        page = render_template_string(FORM)
    helped, not_helped = re.findall(r"<form .*?</form>", page, re.DOTALL)
    offered = re.findall(r'<label><input type="radio" name="reason" value="(.+?)"> (.+?)</', page)
    assert dict(offered) == REASONS
    assert len(offered) == len(REASONS)
    assert "radio" not in helped
    assert not_helped.count("<legend>") == 1
    assert "<script" not in page


def test_form_escapes_what_it_is_given(app):
    with app.test_request_context():
        page = render_template_string(FORM.replace('"reply"', "'\"><b>'"))
    assert "<b>" not in page
    assert '"><b>' in unescape(page)


# What is counted, and what is never kept


@pytest.fixture
def service(settings, engine, address) -> Service:
    return Service(settings.model_copy(update={"feedback": address}), engine)


def counted(service: Service, *questions: str) -> dict[str, dict[str, int]]:
    for question in questions:
        service.ask(Question.parse(question, 3, service.settings))
    service.feedback.flush()
    chapters = service.feedback.report().chapters.items()
    return {
        title: {status: n for status, n in chapter.answers.items() if n}
        for title, chapter in chapters
    }


def test_answers_are_counted_by_the_chapter_of_the_nearest_topic(service, engine):
    asked = "收到调解短信后几天内要回复？"
    chapter = engine.index.topic["respond-how-fast"].chapter
    assert chapter
    assert counted(service, asked, asked) == {chapter: {"answered": 2}}


def test_unanswered_questions_count_in_the_chapter_of_the_nearest_topic(service, engine):
    answer = engine.ask(Question.parse(OFF_TOPIC, 3, service.settings))
    assert (answer.status, answer.quotes) == ("unanswered", ())
    chapter = engine.index.topic[answer.nearest].chapter
    assert counted(service, OFF_TOPIC) == {chapter: {"unanswered": 1}}


def test_danger_and_small_talk_are_counted_apart(service):
    found = counted(service, "欠了花呗还不上，不想活了", "谢谢")
    assert {status: n for one in found.values() for status, n in one.items()} == {
        "urgent": 1,
        "reply": 1,
    }
    assert found[""] == {"reply": 1}


def test_nothing_typed_is_in_the_database(service, kept, tmp_path):
    app = create_app(service.settings, service.engine)
    client = app.test_client()
    client.post("/", data={"question": ASKED}, headers=BROWSER)
    client.post("/feedback", data={**GOOD, "reason": SECRET}, headers={"User-Agent": SECRET})
    client.post("/feedback", data=GOOD | {"topic": "respond-how-fast"})
    assert counted(service, ASKED)
    stored = b"".join(file.read_bytes() for file in (tmp_path / "kept").iterdir())
    assert b"respond-how-fast" in stored
    for part in (SECRET, "张三", "110101199003071234", "几天内"):
        assert part.encode() not in stored
    assert b"127.0.0.1" not in stored


SERVE = """
import sys
from qa.settings import Settings
from qa.web.server import serve
serve(Settings.load(index=sys.argv[1], port=0, workers=2, feedback=sys.argv[2], rate_limit="off"))
"""


def test_workers_write_their_counts_when_the_server_stops(shipped_index, address):
    command = [sys.executable, "-c", SERVE, str(shipped_index), address]
    with subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8") as process:
        try:
            start = re.search(r"http://\S+", process.stdout.readline())[0]
            for _ in range(6):
                urlopen(f"{start}ask?q={quote(OFF_TOPIC)}").close()
            form = b"helpful=yes&topic=respond-how-fast&status=answered"
            urlopen(Request(f"{start}feedback", form)).close()
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)
    total = Feedback.open(address).report().total
    assert (total.answers["unanswered"], total.verdicts.helpful) == (6, 1)


def test_the_log_says_nothing_of_who_said_what(client, caplog):
    caplog.set_level(logging.INFO)
    client.post("/feedback", data=GOOD)
    client.post("/feedback", data={**GOOD, "reason": SECRET})
    kept, refused = caplog.records
    assert (kept.status, refused.code) == (204, "feedback_invalid")
    assert not hasattr(kept, "topics")
    assert SECRET not in str([vars(record) for record in caplog.records])
