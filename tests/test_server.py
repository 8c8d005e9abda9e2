"""gunicorn with the real application, in a process of its own."""

import http.client
import json
import re
import signal
import socket
from urllib.parse import quote, urlsplit

import pytest

from qa.errors import SettingInvalid
from qa.settings import Settings
from qa.web.server import _listen, serve

ASKED = "收到调解短信后几天内要回复？"


@pytest.fixture(scope="module")
def address(start):
    """Host and port of a server that listens, whatever the tests send it."""
    return urlsplit(start).netloc


def fetch(address, method, path, body=None, headers=None):
    connection = http.client.HTTPConnection(address, timeout=30)
    try:
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        return response.status, response.headers.get_content_type(), response.read()
    finally:
        connection.close()


def send(address, request: bytes) -> bytes:
    host, port = address.split(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def test_answers_over_a_socket(address):
    status, kind, body = fetch(address, "GET", f"/ask?q={quote(ASKED)}")
    assert (status, kind) == (200, "application/json")
    assert json.loads(body)["passages"][0]["topic"] == "respond-how-fast"


def test_body_over_the_limit_is_refused_and_the_answer_can_be_read(address):
    body = json.dumps({"question": "x" * 1_000_000})
    status, kind, body = fetch(address, "POST", "/ask", body, {"Content-Type": "application/json"})
    assert (status, kind) == (413, "application/problem+json")
    assert json.loads(body)["code"] == "body_too_large"


def test_chunked_body_over_the_limit_is_refused(address):
    chunks = iter([b'{"question": "x"}', *[b" " * 8192] * 20])
    headers = {"Content-Type": "application/json"}
    status, _, body = fetch(address, "POST", "/ask", chunks, headers)
    assert (status, json.loads(body)["code"]) == (413, "body_too_large")


@pytest.mark.parametrize(
    ("line", "code"),
    [
        pytest.param(b"GET /ask?q=" + b"x" * 9000 + b" HTTP/1.1", "address_too_long", id="long"),
        pytest.param(b"GET /ask?q=zhang san HTTP/1.1", "bad_request", id="space-in-address"),
        pytest.param(b"\xff\xfe\x00", "bad_request", id="not-http"),
        pytest.param(b"GET http://[::1/ HTTP/1.1", "bad_request", id="no-address"),
        pytest.param(
            b"POST /ask HTTP/1.1\r\nContent-Length: " + b"1" * 5000, "bad_request", id="no-length"
        ),
    ],
)
def test_what_is_not_http_gets_a_problem(address, line, code):
    head, _, body = send(address, line + b"\r\nHost: x\r\n\r\n").partition(b"\r\n\r\n")
    assert b"application/problem+json" in head
    assert json.loads(body)["code"] == code


def test_stops_when_told_and_has_logged_no_question(running, shipped_index):
    with running(shipped_index) as process:
        address = urlsplit(re.search(r"http://\S+", process.stdout.readline())[0]).netloc
        fetch(address, "GET", f"/ask?q={quote(ASKED)}")
        send(address, b"GET /ask?q=zhang san HTTP/1.1\r\n\r\n")
        process.send_signal(signal.SIGTERM)
        said, logged = process.communicate(timeout=30)
    assert (process.returncode, said) == (0, "")
    lines = [json.loads(line) for line in logged.splitlines()]
    answered = next(line for line in lines if line["event"] == "request")
    assert (answered["answers"], answered["topics"][0]) == (["answered"], "respond-how-fast")
    assert "bad_request" in [line.get("code") for line in lines]
    assert not any(part in logged for part in ("几天内", "%E5", "zhang", "q="))


def test_says_one_line_with_the_address(running, shipped_index):
    with running(shipped_index) as process:
        line = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=30)
    assert re.fullmatch(r"正在提供服务：http://127\.0\.0\.1:\d+/ （按 Ctrl\+C 停止）\n", line)
    assert rest == ""


def test_port_in_use_is_a_setting_to_change():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SettingInvalid, match=f"{port}.*已被别的程序占用.*--port") as caught:
            serve(Settings(port=port))
    assert "in use" in caught.value.english


def test_host_that_is_not_ours_is_a_setting_to_change():
    with pytest.raises(SettingInvalid, match="--host"):
        serve(Settings(host="192.0.2.1", port=0))


def test_listens_on_version_six_addresses_too():
    with _listen(Settings(host="::1", port=0)) as listener:
        assert listener.family == socket.AF_INET6
