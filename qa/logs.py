"""One pipeline for every line that is logged: fields, no messages of exceptions, redacted, written.

Modules log through ``logging.getLogger(__name__)``, with what is worth a field in ``extra``. The
only importer of structlog.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import threading
import traceback
from collections.abc import Iterator
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor

from qa.redact import redact

PACKAGE = "qa"
AUTO, JSON, TEXT = FORMATS = ("auto", "json", "text")

# Made by this service: digits in a row mean nothing in them. Else, they are text like any other.
_MACHINE_MADE = {
    "build": re.compile(r"[0-9a-f]{16}"),
    "request_id": re.compile(r"[0-9a-f]{32}"),
    "timestamp": re.compile(r"[0-9T:.-]{26}Z"),
}


def set_up(style: str = AUTO, level: str = "info", stream: TextIO | None = None) -> None:
    """Send all that is logged in this process to one stream, and nowhere else.

    Args:
        style: one of ``FORMATS``; "auto" is text on a terminal and JSON lines elsewhere.
        level: the least of this package that is written; of other libraries, warnings.
        stream: standard error where not given.
    """
    stream = stream or sys.stderr
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter(style, stream))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger(PACKAGE).setLevel(level.upper())
    logging.captureWarnings(True)
    logging.raiseExceptions = False  # would print what it could not log
    threading.excepthook = _log_thread
    sys.unraisablehook = _log_unraisable


def formatter(style: str, stream: TextIO) -> logging.Formatter:
    """Return what turns a record into a line; see ``set_up``."""
    is_terminal = stream.isatty()
    renderer: Processor = structlog.processors.JSONRenderer(json.dumps, ensure_ascii=False)
    if style == TEXT or (style == AUTO and is_terminal):
        renderer = structlog.dev.ConsoleRenderer(colors=is_terminal, pad_event_to=0)
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.ExtraAdder(),
            structlog.processors.TimeStamper("iso"),
        ],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            _without_messages,
            redacted,  # directly before what writes
            renderer,
        ],
    )


def trace(exception: BaseException) -> str:
    """Return the traceback of an exception and its causes without their messages.

    A message may quote the question; the names of files, lines and types do not.
    """
    return "\n".join(
        "".join(traceback.format_tb(link.__traceback__)) + type(link).__qualname__
        for link in _chain(exception)
    )


def redacted(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Return an event with every text in it masked: its message, its fields, its traceback."""
    return {key: value if _is_ours(key, value) else _masked(value) for key, value in event.items()}


def _is_ours(key: str, value: object) -> bool:
    form = _MACHINE_MADE.get(key)
    return form is not None and isinstance(value, str) and form.fullmatch(value) is not None


def _masked(value: object) -> Any:
    """Return plain data without what names a person; what is not plain data becomes text."""
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        masked = redact(str(value))
        return value if masked == str(value) else masked
    if isinstance(value, dict):
        return {redact(str(key)): _masked(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_masked(item) for item in value]
    if isinstance(value, bytes):
        return redact(value.decode("utf-8", "replace"))
    return redact(str(value))


def _without_messages(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Put the traceback of an exception in the place of the exception."""
    failure = event.pop("exc_info", None)
    exception = failure[1] if isinstance(failure, tuple) else None
    if exception is not None:
        event["trace"] = trace(exception)
    return event


def _log_thread(failure: threading.ExceptHookArgs) -> None:
    if failure.exc_value is not None:
        _unexpected("in a thread", failure.exc_value)


def _log_unraisable(failure: Any) -> None:
    if failure.exc_value is not None:
        _unexpected("in a clean-up", failure.exc_value)


def _unexpected(where: str, exception: BaseException) -> None:
    logger = logging.getLogger(__name__)
    logger.error("unexpected", extra={"where": where, "trace": trace(exception)})


def _chain(exception: BaseException) -> Iterator[BaseException]:
    """Yield the exception and what it was raised from or while handling, innermost last."""
    seen: set[int] = set()
    link: BaseException | None = exception
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
