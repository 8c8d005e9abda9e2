"""200 made-up notices through every way in: nothing of them is written down anywhere."""

import io
import json
import logging
import re
import sqlite3
from contextlib import suppress
from urllib.error import HTTPError
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen

import pytest

from qa import logs
from qa.answer import Engine
from qa.cli import cli
from qa.client import Client, ClientError
from qa.settings import Settings
from qa.web import create_app
from tests.notices import leaks, notices

NOTICES = notices(200)
API = "/api/v1/ask"
JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def requests(text):
    """Yield method, path, headers and body of every way in which a text can arrive."""
    address = quote(text)
    body = json.dumps({"question": text, "explain": True}).encode()
    broken = json.dumps({"question": text}, ensure_ascii=False).encode()
    batch = json.dumps({"questions": [{"question": text}, {"question": "谢谢"}]}).encode()
    form = urlencode({"question": text}).encode()
    yield "GET", f"/ask?q={address}", {}, None
    yield "GET", f"{API}?q={address}&explain=1", {}, None
    yield "POST", "/ask", JSON, body
    yield "POST", API, JSON, broken
    yield "POST", f"{API}:batch", JSON, batch
    yield "POST", "/", FORM | {"Accept": "text/html"}, form
    # Refused.
    yield "GET", f"/ask?q={address}&k={address}&{address}=1", {}, None
    yield "GET", f"/ask?q=%FF{address}", {}, None
    yield "GET", f"/topics/{address}", {"Accept": "text/html"}, None
    yield "GET", f"/api/v1/topics/{address}", {}, None
    yield "GET", f"/{address}", {"X-Request-ID": address, "Referer": address}, None
    yield "PUT", f"/ask?q={address}", JSON, body
    yield "POST", "/ask", JSON, broken[:-2]
    yield "POST", "/ask", JSON, json.dumps({"question": [text], text: 1}).encode()
    yield "POST", "/ask", {"Content-Type": "text/plain"}, broken
    yield "POST", "/ask", JSON, json.dumps({"question": text * 30}).encode()
    yield "POST", "/ask", JSON, json.dumps({"question": text * 300}).encode()
    yield "POST", f"{API}:batch", JSON, json.dumps({"questions": [text]}).encode()
    yield "POST", "/feedback", FORM, urlencode({"helpful": text, "reason": text}).encode()
    said = {"helpful": "no", "status": "answered", "comment": text}
    yield "POST", "/feedback", FORM, urlencode(said).encode()
    yield "POST", "/feedback", FORM, b"helpful=yes&status=answered"


# What every record has: times, files and lines of code, names of threads.
ALWAYS = vars(logging.makeLogRecord({})).keys() - {"msg", "args", "exc_info", "exc_text"}


def written(caplog):
    """Return everything that a handler could write of what was logged."""
    kept = [
        {name: value for name, value in vars(record).items() if name not in ALWAYS}
        for record in caplog.records
    ]
    return "\n".join(map(str, kept))


def ways(number, text):
    """Return one of the ways that are answered, by turns, since that takes time; all others."""
    every = list(requests(text))
    return [every[number % 6], *every[6:]]


def rows(database):
    with sqlite3.connect(database) as connection:
        return "\n".join(connection.iterdump())


def feed(client):
    """Send every notice in every way; return the headers of all responses and bodies of errors."""
    seen = []
    for number, notice in enumerate(NOTICES):
        for method, path, headers, body in ways(number, notice.text):
            reply = client.open(path, method=method, headers=headers, data=body)
            seen.append(str(reply.headers))
            if reply.status_code >= 400 and reply.mimetype != "text/html":
                seen.append(reply.text)
    return "\n".join(seen)


@pytest.fixture
def fed(tmp_path, small_engine, index_folder):
    database = tmp_path / "feedback.db"
    settings = Settings.load(index=index_folder, feedback=f"sqlite:///{database}")
    app = create_app(settings, small_engine)
    return app.test_client(), database


def test_nothing_is_logged_counted_kept_or_sent_back(fed, caplog):
    client, database = fed
    caplog.set_level(logging.DEBUG)
    headers = feed(client)
    metrics = client.get("/metrics").text
    places = {
        "log": written(caplog),
        "metrics": metrics,
        "feedback": rows(database),
        "headers": headers,
    }
    assert {place: leaks(text, NOTICES)[:3] for place, text in places.items()} == dict.fromkeys(
        places, []
    )
    assert 'qa_answers_total{limited="false"' in metrics
    assert len(caplog.records) >= len(NOTICES) * 15


def test_faults_inside_the_engine_say_nothing_of_the_question(fed, caplog, monkeypatch):
    def fail(self, question, until=None):
        try:
            raise KeyError(question.text)
        except KeyError as error:
            raise RuntimeError(f"cannot answer {question.text}") from error

    client, database = fed
    monkeypatch.setattr(Engine, "ask", fail)
    caplog.set_level(logging.DEBUG)
    headers = feed(client)
    found = written(caplog) + headers + client.get("/metrics").text + rows(database)
    assert "RuntimeError" in found
    assert leaks(found, NOTICES) == []


def test_the_command_line_and_the_client_quote_nothing_in_errors(runner, tmp_path, start):
    said = []
    client = Client(start.rstrip("/"))
    for notice in NOTICES:
        said.append(runner.invoke(cli, ["ask", notice.text * 30]).stderr)
        for ask, text in ((client.ask, notice.text * 30), (client.topic, notice.text)):
            with pytest.raises(ClientError) as caught:
                ask(text)
            said.append(f"{caught.value!r} {caught.value.detail}")
    for notice in NOTICES[:3]:  # each opens the encoder first
        said.append(runner.invoke(cli, ["ask", notice.text, "--index", str(tmp_path)]).stderr)
    assert leaks("\n".join(said), NOTICES) == []
    assert "问题太长" in said[0]


def test_a_real_server_writes_nothing_of_them(running, shipped_index, tmp_path):
    database, errors = tmp_path / "feedback.db", tmp_path / "stderr"
    with errors.open("w") as log, running(shipped_index, log, f"sqlite:///{database}") as process:
        address = re.search(r"http://[^/]+", process.stdout.readline())[0]
        headers = []
        for number, notice in enumerate(NOTICES):
            for method, path, given, body in ways(number, notice.text):
                headers.append(_send(address + path, method, given, body))
        metrics = urlopen(f"{address}/metrics").read().decode()
        process.terminate()
        process.wait(30)
    logged = errors.read_text("utf-8")
    places = {
        "log": logged,
        "metrics": metrics,
        "feedback": rows(database),
        "headers": "\n".join(headers),
    }
    assert {place: leaks(text, NOTICES)[:3] for place, text in places.items()} == dict.fromkeys(
        places, []
    )
    assert all(json.loads(line) for line in logged.splitlines())


def _send(address, method, headers, body):
    with suppress(ConnectionError):
        try:
            with urlopen(Request(address, body, headers, method=method), timeout=30) as reply:
                return str(reply.headers)
        except HTTPError as error:
            is_page = error.headers.get_content_type() == "text/html"  # keeps what was typed
            return str(error.headers) + ("" if is_page else error.read().decode())
    return ""  # a body over the limit: the server hung up


# Negative controls: the checker does find what is there.


def test_the_checker_finds_what_careless_code_logs(fed, caplog, monkeypatch):
    client, _ = fed
    monkeypatch.setattr("qa.web.observe._METHODS", frozenset())
    careless = logging.getLogger("careless")
    client.application.after_request(lambda reply: careless.error(str(reply.headers)) or reply)
    client.application.before_request(lambda: careless.error(_url()))
    caplog.set_level(logging.DEBUG)
    for method, path, headers, body in list(requests(NOTICES[0].text))[:2]:
        client.open(path, method=method, headers=headers, data=body)
    assert set(leaks(written(caplog), NOTICES)) >= set(NOTICES[0].private)


def _url():
    from flask import request

    return request.url


@pytest.mark.parametrize("masking", [True, False])
def test_of_a_notice_that_is_logged_all_the_same_only_the_street_is_left(masking, monkeypatch):
    if not masking:
        monkeypatch.setattr(logs, "redact", lambda text: text)
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.formatter("json", stream))
    careless = logging.getLogger("careless")
    monkeypatch.setattr(careless, "propagate", False)
    careless.addHandler(handler)
    try:
        for notice in NOTICES:
            careless.error("answering %s", notice.text)
    finally:
        careless.removeHandler(handler)
    found = leaks(stream.getvalue(), NOTICES)
    streets = {one.unique[i : i + 6] for one in NOTICES for i in range(3)}
    private = set(found) - streets - {one.unique for one in NOTICES}
    assert bool(private) != masking
