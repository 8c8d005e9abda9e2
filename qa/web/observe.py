"""One line of log and a few counts for each request: what became of it, never what it said."""

from __future__ import annotations

import logging
import re
import secrets
import time
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, current_app, g, has_app_context, request

from qa import timing
from qa.answer import Answer

if TYPE_CHECKING:  # importing it must wait: see qa/web/__init__.py
    from qa.web.metrics import Metrics

REQUEST_ID = "X-Request-ID"
_ID = re.compile(r"[0-9a-f]{32}")  # as nginx makes them; what a client may write is not believed
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
# Asked by machines every few seconds, or with every page: logged at debug.
_PROBES = frozenset({"healthz", "readyz", "metrics", "static"})

_EXTENSION = "qa-metrics"

logger = logging.getLogger(__name__)


def watch(app: Flask, metrics: Metrics) -> None:
    """Log and count every request of an application, refused ones too.

    To be called before anything else is added: what comes first sees all requests.
    """
    app.extensions[_EXTENSION] = metrics
    app.before_request(_begin)
    app.after_request(_end)
    timing.watch(metrics.staged)


def metrics_of(app: Flask) -> Metrics:
    """Return what an application counts with."""
    metrics: Metrics = app.extensions[_EXTENSION]
    return metrics


def answered(answer: Answer, seconds: float) -> None:
    """Take down an answer; the line of its request will say how it was met."""
    if has_app_context():
        metrics_of(current_app).answered(answer, seconds)
        g.setdefault("answers", []).append(answer)


def refused(code: str) -> None:
    """Take down why the request at hand is not answered."""
    metrics_of(current_app).refused(code)
    g.code = code


def turned_away(app: Flask, code: str) -> None:
    """Take down why the server did not hand a request to the application."""
    metrics_of(app).refused(code)
    logger.info("turned away", extra={"code": code})


def _begin() -> None:
    given = request.headers.get(REQUEST_ID, "")
    g.request_id = given if _ID.fullmatch(given) else secrets.token_hex(16)
    g.began = time.perf_counter()
    metrics_of(current_app).started()


def _end(response: Response) -> Response:
    seconds = time.perf_counter() - g.began
    metrics_of(current_app).ended(response.status_code, seconds)
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
