"""One line of log and a few counts for each request: what became of it, never what it said."""

from __future__ import annotations

import logging
import re
import secrets
import time
from typing import Any

from flask import Flask, Response, g, has_request_context, request

from qa.answer import Answer
from qa.web import metrics

REQUEST_ID = "X-Request-ID"
_ID = re.compile(r"[0-9a-f]{32}")  # as nginx makes them; what a client may write is not believed
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
# Asked by machines every few seconds, or with every page: logged at debug.
_PROBES = frozenset({"healthz", "readyz", "metrics", "static"})

logger = logging.getLogger(__name__)


def watch(app: Flask) -> None:
    """Log and count every request of an application, refused ones too.

    To be called before anything else is added: what comes first sees all requests.
    """
    app.before_request(_begin)
    app.after_request(_end)
    metrics.watch()


def answered(answer: Answer, seconds: float) -> None:
    """Take down an answer; the line of its request will say how it was met."""
    metrics.answered(answer, seconds)
    if has_request_context():
        g.setdefault("answers", []).append(answer)


def refused(code: str) -> None:
    """Take down why a request is not answered."""
    metrics.refused(code)
    if has_request_context():
        g.code = code


def _begin() -> None:
    given = request.headers.get(REQUEST_ID, "")
    g.request_id = given if _ID.fullmatch(given) else secrets.token_hex(16)
    g.began = time.perf_counter()
    metrics.started()


def _end(response: Response) -> Response:
    seconds = time.perf_counter() - g.began
    metrics.ended(response.status_code, seconds)
    quiet = request.endpoint in _PROBES
    logger.log(
        logging.DEBUG if quiet else logging.INFO, "request", extra=_fields(response, seconds)
    )
    response.headers[REQUEST_ID] = g.request_id
    return response


def _fields(response: Response, seconds: float) -> dict[str, Any]:
    """Return what is logged: nothing of it comes from the request but its method."""
    fields = {
        "request_id": g.request_id,
        "method": request.method if request.method in _METHODS else "other",
        "route": request.url_rule.rule if request.url_rule else "none",
        "status": response.status_code,
        "ms": round(1000 * seconds, 1),
    }
    if "code" in g:
        fields["code"] = g.code
    answers: list[Answer] = g.get("answers", [])
    if answers:
        fields |= {
            "build": answers[-1].build,
            "answers": [answer.outcome for answer in answers],
            "topics": [quote.passage.topic for answer in answers for quote in answer.quotes],
            "limited": any(answer.limited for answer in answers),
        }
    return fields
