"""A gunicorn worker whose threads never wait for a client: waitress reads and writes.

gunicorn starts, replaces and stops workers; in each of them waitress hands a request to a thread
once all of it has arrived, and sends the answer as fast as the client takes it (ADR 0024).
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from gunicorn.workers.base import Worker as BaseWorker
from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
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
            connection_limit=MOST_CONNECTIONS,
            channel_timeout=REQUEST_SECONDS,
            max_request_header_size=LONGEST_HEAD,
            max_request_body_size=MOST_BODY_BYTES,
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
        super().parse_header(header_plus)
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

    def received(self, data: bytes) -> bool:
        took: bool = super().received(data)
        self.since = (self.since or time.monotonic()) if self.request else None
        return took

    @property
    def is_busy(self) -> bool:
        """Whether a request is arriving, waiting, being answered or the answer being sent."""
        return bool(self.request or self.requests or self.total_outbufs_len)


def _as_ours(error: object) -> QAError:
    if isinstance(error, RequestHeaderFieldsTooLarge):
        return AddressTooLong()
    if isinstance(error, RequestEntityTooLarge):
        return BodyTooLarge(MOST_BODY_BYTES)
    return Unexpected() if isinstance(error, InternalServerError) else BadRequest()


def _drop_slow(channels: Mapping[int, _Channel]) -> None:
    """Close connections whose request has been arriving for too long, drop by drop."""
    latest = time.monotonic() - REQUEST_SECONDS
    for channel in channels.values():
        if channel.since is not None and channel.since < latest:
            channel.will_close = True


def _close_idle(channels: Mapping[int, _Channel]) -> bool:
    """Close connections on which nothing is under way; return whether others remain."""
    busy = [channel.is_busy for channel in channels.values()]
    for channel, is_busy in zip(channels.values(), busy, strict=True):
        channel.will_close = channel.will_close or not is_busy
    return any(busy)
