"""Clients that are slow, too many or too big, and a stop while answers are under way."""

import json
import re
import signal
import socket
import threading
import time
from contextlib import ExitStack, closing
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest

from qa.answer import Engine
from qa.errors import Overloaded
from qa.settings import Settings
from qa.web.app import create_app
from qa.web.limit import Places, places

ASKED = json.dumps({"question": "收到调解短信后几天内要回复？"}).encode()
JSON = {"Content-Type": "application/json"}
SLOW_CLIENTS = 100  # far more than a process has threads


@pytest.fixture(scope="module")
def where(start):
    """Host and port of a real server."""
    parts = urlsplit(start)
    return parts.hostname, parts.port


def answered(where) -> bool:
    with closing(HTTPConnection(*where, timeout=30)) as one:
        one.request("POST", "/ask", ASKED, JSON)
        return one.getresponse().status == 200


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"POST /ask HTTP/1.1\r\nHost: x\r\nContent-", id="half-a-head"),
        pytest.param(
            b"POST /ask HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b'Content-Length: 500\r\n\r\n{"question": "',
            id="half-a-body",
        ),
    ],
)
def test_clients_that_send_half_a_request_hold_no_thread(where, sent):
    with ExitStack() as stack:
        for _ in range(SLOW_CLIENTS):
            one = stack.enter_context(socket.create_connection(where, timeout=30))
            one.sendall(sent)
        assert answered(where)


def test_a_body_of_ten_megabytes_is_refused_before_it_is_read(where):
    head = b"POST /ask HTTP/1.1\r\nHost: x\r\nContent-Length: 10485760\r\n\r\n"
    with socket.create_connection(where, timeout=30) as one:
        one.sendall(head)  # nothing of the body
        said = b"".join(iter(lambda: one.recv(65536), b""))
    assert b"413" in said.partition(b"\r\n")[0]
    assert json.loads(said.partition(b"\r\n\r\n")[2])["code"] == "body_too_large"


def test_a_request_that_comes_byte_by_byte_or_an_answer_nobody_reads_is_dropped():
    from qa.web import worker

    class Channel:
        will_close = False

        is_closed = False

        def __init__(self, since, is_stuck=False):
            self.since = since
            self.is_stuck = is_stuck

        def handle_close(self):
            self.is_closed = True

    now = time.monotonic()
    seconds = (None, now, now - worker.REQUEST_SECONDS - 1)
    channels = [*map(Channel, seconds), Channel(None, is_stuck=True)]
    worker._drop_slow(dict(enumerate(channels)))
    assert [one.will_close for one in channels] == [False, False, True, False]
    assert [one.is_closed for one in channels] == [False, False, False, True]


def test_a_client_that_reads_nothing_is_stuck_after_a_while():
    from qa.web import worker

    channel = object.__new__(worker._Channel)
    channel.total_outbufs_len, channel.last_activity = 1, time.time()
    assert not channel.is_stuck
    channel.last_activity -= worker.REQUEST_SECONDS + 1
    assert channel.is_stuck
    channel.total_outbufs_len = 0
    assert not channel.is_stuck


# Too many


def test_places_are_given_back_whatever_happens():
    taken = Places(1)
    with pytest.raises(ZeroDivisionError), taken.one():
        raise ZeroDivisionError
    with taken.one(), pytest.raises(Overloaded), taken.one():
        pass
    with taken.one():
        pass


class Stuck:
    """Answers of an engine that come only once they are let go."""

    def __init__(self, monkeypatch) -> None:
        self.go = threading.Event()
        self.begun = threading.Semaphore(0)
        ask = Engine.ask

        def wait(engine, question, until=None):
            self.begun.release()
            assert self.go.wait(60)
            return ask(engine, question, until)

        monkeypatch.setattr(Engine, "ask", wait)


def test_beyond_its_places_a_process_refuses_at_once_and_recovers(engine, monkeypatch):
    stuck = Stuck(monkeypatch)
    settings = Settings(threads=1, rate_limit="off", feedback="off", time_limit_ms=25000)
    app = create_app(settings, engine)
    said = []

    def ask():
        said.append(app.test_client().post("/ask", data=ASKED, headers=JSON))

    askers = [threading.Thread(target=ask) for _ in range(places(1))]
    for asker in askers:
        asker.start()
    stuck.begun.acquire(timeout=30)
    wait_until(lambda: not can_take(app))
    client = app.test_client()
    refused = client.post("/ask", data=ASKED, headers=JSON)
    assert (refused.status_code, refused.json["code"]) == (503, "overloaded")
    assert int(refused.headers["Retry-After"]) > 0
    batch = {"questions": [{"question": "谢谢"}]}
    assert client.post("/api/v1/ask:batch", json=batch).status_code == 503
    page = client.post("/", data={"question": "要还钱吗"}, headers={"Accept": "text/html"})
    assert (page.status_code, page.mimetype) == (503, "text/html")
    assert "要还钱吗" in page.text
    assert client.get("/healthz").status_code == client.get("/readyz").status_code == 200
    assert client.get("/topics").status_code == 200
    stuck.go.set()
    for asker in askers:
        asker.join(timeout=60)
    assert [response.status_code for response in said] == [200] * places(1)
    assert client.post("/ask", data=ASKED, headers=JSON).status_code == 200


def can_take(app) -> bool:
    """Tell whether one more question would be taken, without asking it."""
    service = app.extensions["qa"]
    try:
        with service._places.one():
            return True
    except Overloaded:
        return False


def wait_until(holds) -> None:
    for _ in range(600):
        if holds():
            return
        time.sleep(0.05)
    raise AssertionError("it never came to that")


# Stopping


def test_a_stop_finishes_what_is_under_way(running, shipped_index):
    statuses, lost = [], []

    def ask(where):
        with closing(HTTPConnection(*where, timeout=60)) as one:
            one.request("POST", "/ask", ASKED, JSON)
            sent.release()
            try:
                statuses.append(one.getresponse().status)
            except OSError as error:
                lost.append(error)

    sent = threading.Semaphore(0)
    with running(shipped_index, log=None) as process:
        parts = urlsplit(re.search(r"http://\S+", process.stdout.readline())[0])
        where = (parts.hostname, parts.port)
        assert answered(where)
        with socket.create_connection(where, timeout=60) as half:
            length = len(ASKED)
            head = "POST /ask HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            half.sendall(f"{head}Content-Length: {length}\r\n\r\n".encode() + ASKED[:5])
            askers = [threading.Thread(target=ask, args=[where]) for _ in range(8)]
            for asker in askers:
                asker.start()
            for _ in askers:
                sent.acquire()
            time.sleep(0.2)  # for the connections to be taken from the queue of the system
            process.send_signal(signal.SIGTERM)
            half.sendall(ASKED[5:])
            said = b"".join(iter(lambda: half.recv(65536), b""))
        for asker in askers:
            asker.join(timeout=60)
        assert process.wait(timeout=60) == 0
    assert lost == []
    assert statuses == [200] * 8
    assert said.startswith(b"HTTP/1.1 200")
