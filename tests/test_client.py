"""The client against a real server, and the README's curl lines."""

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from qa import client as client_module
from qa.client import Client, ClientError
from qa.web.openapi import SERVER
from qa.web.wire import MOST_QUESTIONS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
CURL = re.findall(r"^curl .+$", README, re.MULTILINE)
ASKED = "短信里的链接能点吗"
TOPIC = "notice-link-click"


@pytest.fixture(scope="module")
def service(start):
    return Client(start)


def test_asks_one_question(service):
    answer = service.ask(ASKED, k=1)
    assert (answer.status, len(answer.passages)) == ("answered", 1)
    assert answer.passages[0].topic == TOPIC
    assert answer.passages[0].explain is None
    assert len(service.ask(ASKED).passages) == 3


def test_asks_why(service):
    explained = service.ask(ASKED, k=1, explain=True).passages[0].explain
    assert explained.features["cosine"] > 0
    assert "链接" in explained.matched


def test_asks_more_questions_than_a_batch_takes(service):
    questions = [ASKED, *["谢谢"] * MOST_QUESTIONS]
    answers = service.ask_many(questions, k=1)
    assert [answer.question for answer in answers] == questions
    assert answers[0] == service.ask(ASKED, k=1)
    assert answers[-1].reply.kind == "thanks"
    assert service.ask_many([]) == []


def test_reads_topics(service):
    ids = [topic.id for chapter in service.topics().chapters for topic in chapter.topics]
    assert TOPIC in ids
    whole = service.topic(TOPIC)
    assert (whole.id, bool(whole.passages)) == (TOPIC, True)


def test_says_which_index_serves(service):
    assert service.ready().index.build == service.ask("谢谢").index.build


@pytest.mark.parametrize(
    ("call", "code", "status"),
    [
        pytest.param(lambda c: c.ask(" "), "question_empty", 400, id="empty"),
        pytest.param(lambda c: c.ask("x", k=99), "bad_k", 400, id="k"),
        pytest.param(lambda c: c.ask_many(["x", ""]), "question_empty", 400, id="batch"),
        pytest.param(lambda c: c.topic("../readyz"), "not_found", 404, id="no-topic"),
        pytest.param(lambda c: c.ask("x" * 70000), "body_too_large", 413, id="large"),
    ],
)
def test_refusal_is_an_error_with_its_code(service, start, call, code, status):
    with pytest.raises(ClientError) as caught:
        call(service)
    assert (caught.value.code, caught.value.status) == (code, status)
    assert re.search("[\u4e00-\u9fff]", caught.value.detail)
    with pytest.raises(ClientError) as caught:
        call(Client(start.rstrip("/"), language="en"))
    assert caught.value.detail.isascii()


def test_nothing_there_is_an_error_too():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(ClientError) as caught:
        Client(f"http://127.0.0.1:{port}", timeout=5).ready()
    assert (caught.value.code, caught.value.status) == ("unreachable", 0)


@pytest.mark.parametrize(
    ("reply", "code", "status", "wait"),
    [
        pytest.param(b"200 OK\r\n\r\n{}", "not_understood", 200, None, id="another-json"),
        pytest.param(b"200 OK\r\n\r\n<html>", "not_understood", 200, None, id="a-page"),
        pytest.param(b"502 Bad\r\n\r\n<html>", "not_understood", 502, None, id="of-a-proxy"),
        pytest.param(
            b"503 Busy\r\nRetry-After: 7\r\n\r\n", "not_understood", 503, 7, id="come-back-later"
        ),
    ],
)
def test_reply_of_something_else_is_an_error(answering_once, reply, code, status, wait):
    with pytest.raises(ClientError) as caught:
        Client(answering_once(b"HTTP/1.0 " + reply), timeout=5).ready()
    error = caught.value
    assert (error.code, error.status, error.retry_after) == (code, status, wait)


def test_fields_of_a_newer_service_are_passed_over(answering_once):
    body = b'{"status": "ready", "index": {"build": "b", "passages": 1, "new": 1}, "more": []}'
    url = answering_once(b"HTTP/1.0 200 OK\r\n\r\n" + body)
    assert Client(url, timeout=5).ready().index.build == "b"


@pytest.fixture
def answering_once():
    """Return a function: the address of a server that sends these bytes to whoever comes."""
    from threading import Thread

    servers, threads = [], []

    def serve(reply: bytes) -> str:
        server = socket.create_server(("127.0.0.1", 0))

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(reply)

        thread = Thread(target=answer, daemon=True)
        thread.start()
        servers.append(server)
        threads.append(thread)
        return f"http://127.0.0.1:{server.getsockname()[1]}"

    yield serve
    for thread in threads:
        thread.join(timeout=5)
    for server in servers:
        server.close()


@pytest.mark.parametrize("url", ["file:///etc/passwd", "127.0.0.1:8000", ""])
def test_only_an_http_address_is_a_service(url):
    with pytest.raises(ValueError, match="not an address"):
        Client(url)


def test_importing_the_client_loads_no_server():
    code = "import sys, qa.client; print({'flask', 'faiss', 'jieba', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "set()"


def test_raw_bytes_in_an_address_are_refused_with_a_hint(start):
    host, port = urlsplit(start).netloc.split(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        line = "GET /ask?q=短信 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        connection.sendall(line.encode())
        reply = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = reply.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert json.loads(body)["code"] == "bad_request"
    assert "%E8%B0%83" in json.loads(body)["detail"]


def test_readme_has_a_line_for_every_route_that_programs_call(app):
    for rule in app.url_map.iter_rules():
        if rule.rule.startswith(("/ask", "/api/", "/healthz", "/readyz", "/openapi")):
            path = re.sub(r"<\w+>", TOPIC, rule.rule)
            assert any(re.search(re.escape(SERVER + path) + r"( |$)", line) for line in CURL), path


@pytest.mark.parametrize("line", CURL)
def test_readmes_curl_lines_do_what_they_say(start, line):
    if shutil.which("curl") is None and os.environ.get("CI") != "true":
        pytest.skip("no curl on this machine")
    command = shlex.split(line.replace(f"{SERVER}/", start))
    done = subprocess.run(command, capture_output=True, timeout=60)
    assert done.returncode == 0
    assert "code" not in json.loads(done.stdout)


def test_readmes_python_example_runs(start):
    (example,) = re.findall(r"```python\n(.+?)```", README, re.DOTALL)
    found: dict[str, object] = {}
    exec(example.replace(SERVER, start), found)
    assert isinstance(found["service"], client_module.Client)
