"""A gunicorn worker whose threads never wait for a client: waitress reads and writes.

gunicorn starts, replaces and stops workers; in each of them waitress hands a request to a thread
once all of it has arrived, and sends the answer as fast as the client takes it (ADR 0024).
"""

from __future__ import annotations

import logging
import os
import resource
import sys
import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from gunicorn.workers.base import Worker as BaseWorker
from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.server import create_server
from waitress.task import ErrorTask
from waitress.utilities import (
    InternalServerError,
    RequestEntityTooLarge,
    RequestHeaderFieldsTooLarge,
)

from qa.errors import AddressTooLong, BadRequest, BodyTooLarge, QAError, Unexpected
from qa.logs import trace
from qa.settings import MOST_BODY_BYTES
from qa.web import observe
from qa.web.limit import places
from qa.web.problems import MEDIA_TYPE, problem

LONGEST_REQUEST_LINE = 8190  # bytes; a longer question goes by POST
LONGEST_HEAD = 16384  # bytes, of the request line and all headers
MOST_CONNECTIONS = 1000
REQUEST_SECONDS = 30  # in which the whole of a request has to arrive, and an idle client to speak
STOP_SECONDS = 20
POLL_SECONDS = 0.5
NEW_SECONDS = 1.0
OTHER_FILES = 200  # open beside connections: two builds, the database, logs
SPARE_THREADS = 4  # for pages, checks of health and refusals, while all places are taken

logger = logging.getLogger(__name__)


class Worker(BaseWorker):  # type: ignore[misc]  # gunicorn has no types
    """Serves one process. SIGTERM, SIGINT and SIGQUIT end it once what it has begun is answered."""

    def handle_quit(self, sig: int, frame: object) -> None:
        """End gently on these signals too: gunicorn kills a worker that takes too long."""
        self.handle_exit(sig, frame)

    def run(self) -> None:
        """Serve until told to stop, or until gunicorn itself is gone."""
        logging.getLogger("waitress").setLevel(logging.CRITICAL)  # it would log addresses
        sockets: dict[int, Any] = {}
        server = create_server(
            self.wsgi,
            map=sockets,
            sockets=[listener.sock for listener in self.sockets],
            threads=places(self.cfg.threads) + SPARE_THREADS,
            backlog=self.cfg.backlog,
            connection_limit=_most_connections(),
            channel_timeout=REQUEST_SECONDS,
            max_request_header_size=LONGEST_HEAD,
            max_request_body_size=MOST_BODY_BYTES + 1,  # it refuses what reaches this
            inbuf_overflow=MOST_BODY_BYTES + 1,  # what is asked is never written to a disk
            outbuf_overflow=16 * MOST_BODY_BYTES,
            clear_untrusted_proxy_headers=False,  # QA_PROXIES says whom to believe
            log_socket_errors=False,
            ident="",
        )
        server.channel_class = _Channel
        while self.alive and os.getppid() == self.ppid:
            self._turn(sockets)
            _drop_slow(server.active_channels)
        server.accepting = False
        until = time.monotonic() + STOP_SECONDS
        while _close_idle(server.active_channels) and time.monotonic() < until:
            self._turn(sockets)
        server.task_dispatcher.shutdown()
        wasyncore.close_all(sockets)

    def _turn(self, sockets: dict[int, Any]) -> None:
        """Read and write what can be, and tell gunicorn that this worker is well."""
        self.notify()
        wasyncore.loop(timeout=POLL_SECONDS, use_poll=True, map=sockets, count=1)


class _Parser(HTTPRequestParser):  # type: ignore[misc]  # waitress has no types
    """Refuses an address that is too long; waitress limits only the head as a whole."""

    def parse_header(self, header_plus: bytes) -> None:
        try:
            super().parse_header(header_plus)
        except ValueError as error:  # an address or a length that is none, at which Python stops
            raise ParsingError(str(error)) from error
        if header_plus.find(b"\r\n") > LONGEST_REQUEST_LINE:
            self.error = RequestHeaderFieldsTooLarge("request line")
            self.completed = True


class _Refusal(ErrorTask):  # type: ignore[misc]
    """Answers what is not HTTP, or too long, as every other error is answered."""

    def execute(self) -> None:
        error = _as_ours(self.request.error)
        if isinstance(error, Unexpected) and (cause := sys.exception()):
            logger.error("unexpected in the server", extra={"trace": trace(cause)})
        observe.turned_away(self.channel.server.application, error.code)
        body = problem(error).to_json().encode()
        self.status = f"{error.status} {HTTPStatus(error.status).phrase}"
        self.response_headers.extend(
            [
                ("Content-Type", MEDIA_TYPE),
                ("Content-Language", "zh-CN"),
                ("X-Content-Type-Options", "nosniff"),
                ("Cache-Control", "no-store"),
            ]
        )
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


class _Channel(HTTPChannel):  # type: ignore[misc]
    """A connection that knows since when a request has been arriving on it."""

    parser_class = _Parser
    error_task_class = _Refusal
    since: float | None = None  # by time.monotonic; None between requests
    has_spoken = False

    def received(self, data: bytes) -> bool:
        self.has_spoken = True
        before = self.request
        took: bool = super().received(data)
        if self.request is None:
            self.since = None
        elif self.request is not before:  # the next of a pipeline
            self.since = time.monotonic()
        return took

    @property
    def is_busy(self) -> bool:
        """Whether a request is arriving, waiting, being answered or the answer being sent.

        One that has just been opened is about to send one.
        """
        is_new = not self.has_spoken and time.time() - self.creation_time < NEW_SECONDS
        return bool(is_new or self.request or self.requests or self.total_outbufs_len)

    @property
    def is_stuck(self) -> bool:
        """Whether the client has taken nothing of what it is sent for too long."""
        return bool(self.total_outbufs_len) and time.time() - self.last_activity > REQUEST_SECONDS


def _most_connections() -> int:
    """Return how many connections there are file descriptors for, as many as may be had."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard == resource.RLIM_INFINITY:
        return MOST_CONNECTIONS
    return max(1, min(MOST_CONNECTIONS, hard - OTHER_FILES))


def _as_ours(error: object) -> QAError:
    if isinstance(error, RequestHeaderFieldsTooLarge):
        return AddressTooLong()
    if isinstance(error, RequestEntityTooLarge):
        return BodyTooLarge(MOST_BODY_BYTES)
    return Unexpected() if isinstance(error, InternalServerError) else BadRequest()


def _drop_slow(channels: Mapping[int, _Channel]) -> None:
    """Close connections whose request arrives too slowly, or whose answer is not taken.

    The latter hold a thread where they have asked for more than is kept for them.
    """
    latest = time.monotonic() - REQUEST_SECONDS
    for channel in list(channels.values()):
        if channel.since is not None and channel.since < latest:
            channel.will_close = True
        if channel.is_stuck:
            channel.handle_close()  # it will not become writable, which is when others are closed


def _close_idle(channels: Mapping[int, _Channel]) -> bool:
    """Close connections on which nothing is under way; return whether others remain."""
    remain = False
    for channel in list(channels.values()):
        is_busy = channel.is_busy
        channel.will_close = channel.will_close or not is_busy
        remain = remain or is_busy
    return remain
