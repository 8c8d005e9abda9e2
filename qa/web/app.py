"""The Flask application: its routes, what it sends with every response, what it logs."""

from __future__ import annotations

import hashlib
import logging
import time
from types import TracebackType
from typing import Any

from flask import Flask, Response, current_app, jsonify, render_template, request, url_for

from qa.answer import NOTICE, Answer, Engine, Question, how_many, to_json
from qa.errors import BodyTooLarge, QuestionError
from qa.paths import WEB
from qa.settings import Settings
from qa.web import incoming, present, problems
from qa.web.openapi import document
from qa.web.standby import Standby
from qa.web.wire import Alive, IndexInfo, Ready

SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self' data:; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
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
            logger.error("unexpected\n%s", problems.trace(exc_info[1]))


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
    _templates(app)
    standby = Standby(settings, engine)
    _pages(app, settings, standby)
    _api(app, settings, standby)
    app.register_error_handler(Exception, lambda error: problems.respond(error, settings))
    app.after_request(_with_headers)
    return app


def _templates(app: Flask) -> None:
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.filters["day"] = present.chinese_day
    app.jinja_env.filters["how_many"] = how_many
    app.jinja_env.globals.update(notice=NOTICE, asset=_asset, said=present.said)


def _pages(app: Flask, settings: Settings, standby: Standby) -> None:
    @app.get("/")
    def start() -> str:
        return _form_page(standby.engine())

    @app.post("/")
    def ask_form() -> str | tuple[str, int]:
        engine = standby.engine()
        typed = ""
        try:
            typed = incoming.typed(settings)
            question = Question.parse(typed, settings.k, settings)
        except (QuestionError, BodyTooLarge) as error:
            if not problems.prefers_html():
                raise
            problems.refused(error)
            return _form_page(engine, typed=typed, error=error), error.status
        answer = _ask(engine, question)
        return _form_page(
            engine,
            typed=question.text,
            answer=answer,
            cards=present.shelf(answer, engine),
        )

    @app.get("/topics/<id>")
    def topic(id: str) -> str:
        engine = standby.engine()
        found, passages = engine.topic(id)
        return render_template(
            "topic.html",
            topic=found,
            sections=present.sections(passages, engine.index.contacts),
            sources=passages[0].sources,
            reviewed=passages[0].reviewed,
            related=[engine.index.topic[other] for other in found.related],
        )


def _api(app: Flask, settings: Settings, standby: Standby) -> None:
    description = document(settings)

    @app.get("/ask")
    def ask_query() -> Response:
        question = incoming.from_query(settings)
        return jsonify(to_json(_ask(standby.engine(), question)))

    @app.post("/ask")
    def ask_json() -> Response:
        question = incoming.from_json(settings)
        return jsonify(to_json(_ask(standby.engine(), question)))

    @app.get("/healthz")
    def healthz() -> Response:
        return jsonify(Alive().model_dump())

    @app.get("/readyz")
    def readyz() -> Response:
        index = standby.engine().index
        served = IndexInfo(build=index.manifest.build, passages=len(index))
        return jsonify(Ready(index=served).model_dump())

    @app.get("/openapi.json")
    def openapi() -> Response:
        return jsonify(description)


def _form_page(engine: Engine, **shown: object) -> str:
    return render_template(
        "ask.html",
        chapters=present.chapters(engine.index.topics),
        contacts=engine.index.contacts,
        **shown,
    )


def _ask(engine: Engine, question: Question) -> Answer:
    """Answer, and log how: never the question."""
    start = time.perf_counter()
    answer = engine.ask(question)
    topics = ",".join(quote.passage.topic for quote in answer.quotes)
    ms = 1000 * (time.perf_counter() - start)
    logger.info("answer status=%s topics=%s ms=%.1f", answer.status, topics, ms)
    return answer


def _asset(name: str) -> str:
    """Return the address of a static file, which changes with the file."""
    assets: dict[str, Any] = current_app.extensions.setdefault("assets", {})
    if name not in assets:
        digest = hashlib.sha256((WEB / "static" / name).read_bytes()).hexdigest()
        assets[name] = digest[:8]
    return url_for("static", filename=name, v=assets[name])


def _with_headers(response: Response) -> Response:
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    if request.endpoint != "static" or response.status_code >= 400:
        # Shared phones and computers keep no page of what somebody asked or read.
        response.headers["Cache-Control"] = "no-store"
    return response
