"""The Flask application: its settings, its routes, its errors."""

from __future__ import annotations

import logging
from types import TracebackType

from flask import Flask

from qa.answer import Engine
from qa.logs import trace
from qa.paths import WEB
from qa.settings import Settings
from qa.web import observe, problems
from qa.web.api import add_api
from qa.web.feedback import add_feedback
from qa.web.guard import protect
from qa.web.metrics import Metrics
from qa.web.pages import add_pages
from qa.web.service import Service

STATIC_SECONDS = 31536000  # addresses of static files name their content

logger = logging.getLogger(__name__)


class QuietFlask(Flask):
    """Flask that keeps what people typed out of its own log."""

    def log_exception(
        self,
        exc_info: tuple[type, BaseException, TracebackType] | tuple[None, None, None],
    ) -> None:
        """Log a fault of the error handler itself: its traceback without the message."""
        if exc_info[1] is not None:
            logger.error("unexpected", extra={"trace": trace(exc_info[1])})


def create_app(settings: Settings, engine: Engine | None = None) -> Flask:
    """Return the application.

    Args:
        engine: serves the questions; opened from the settings where there is none. An index or a
            model that cannot be opened does not stop the application: it says "not ready".
    """
    app = QuietFlask(
        "qa", template_folder=str(WEB / "templates"), static_folder=str(WEB / "static")
    )
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
    app.config["MAX_FORM_MEMORY_SIZE"] = settings.max_body_bytes
    app.config["SEND_FILE_MAX_AGE_DEFAULT"] = STATIC_SECONDS
    app.json.ensure_ascii = False  # type: ignore[attr-defined]
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.url_map.merge_slashes = False  # would redirect, and a redirect repeats the question
    metrics = Metrics()
    observe.watch(app, metrics)
    service = app.extensions["qa"] = Service(settings, engine, metrics.reloaded)
    add_pages(app, service)
    add_api(app, service)
    add_feedback(app, service)
    app.register_error_handler(Exception, lambda error: problems.respond(error, settings))
    protect(app, settings)
    return app
