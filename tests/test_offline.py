"""The block of tests/offline itself: it holds here and in processes that tests start."""

import os
import socket
import subprocess
import sys

import pytest

ELSEWHERE = "192.0.2.1"  # RFC 5737: nobody's
TRIES = {
    "an address": f"socket.create_connection(({ELSEWHERE!r}, 9), 1)",
    "an address of version 6": "socket.socket(socket.AF_INET6).connect(('2001:db8::1', 9))",
    "a name": "socket.getaddrinfo('example.invalid', 80)",
    "an old look-up": "socket.gethostbyname('example.invalid')",
    "a datagram": f"socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ({ELSEWHERE!r}, 9))",
    "a page": "import urllib.request as r; r.urlopen('http://example.invalid/')",
}


@pytest.fixture
def noted(tmp_path, monkeypatch):
    monkeypatch.setenv("QA_TESTS_REFUSED", str(tmp_path / "refused"))
    return tmp_path / "refused"


@pytest.mark.parametrize("code", TRIES.values(), ids=TRIES)
def test_a_child_process_reaches_nothing_outside(code, noted):
    command = [sys.executable, "-c", f"import socket; {code}"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=60)
    assert "reach nothing outside this machine" in done.stderr
    assert noted.read_text("utf-8").count("\n") == 1


def test_pytest_itself_reaches_nothing_outside(noted):
    with socket.socket() as connection, pytest.raises(RuntimeError, match="outside this machine"):
        connection.connect((ELSEWHERE, 9))
    assert noted.read_text("utf-8") == f"socket.connect {ELSEWHERE}\n"


def test_this_machine_is_reached(noted):
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(("localhost", server.getsockname()[1]), 5).close()
    assert not noted.exists()


def test_a_refusal_is_noted_for_the_end_of_the_run():
    assert os.environ["QA_TESTS_REFUSED"]
