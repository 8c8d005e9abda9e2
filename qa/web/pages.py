"""The pages that people read, as routes of an application."""

from __future__ import annotations

import hashlib
from typing import Any

from flask import Flask, current_app, render_template, request, url_for

from qa.answer import Engine, Question
from qa.errors import BodyTooLarge, QuestionError
from qa.paths import WEB
from qa.settings import Settings
from qa.web import incoming, observe, present, problems
from qa.web.service import Service
from qa.web.view import GUIDANCE_TAG, add_views, current


def add_pages(app: Flask, service: Service) -> None:
    """Add the form, its answers, the topics and their checklists."""
    _set_up_templates(app, service.settings)

    @app.get("/")
    def start() -> str:
        return _form_page(service.engine)

    @app.post("/")
    def ask_form() -> str | tuple[str, int]:
        engine = service.engine
        typed = ""
        try:
            typed = incoming.typed(service.settings)
            question = Question.parse(typed, service.settings.k, service.settings)
        except (QuestionError, BodyTooLarge) as error:
            if not problems.prefers_html():
                raise
            observe.refused(error.code)
            _, said = problems.in_words(error, current())
            return _form_page(engine, typed=typed, error=said), error.status
        answer = service.ask(question)
        return _form_page(
            engine,
            typed=question.text,
            answer=answer,
            cards=present.shelf(answer, engine),
        )

    @app.get("/topics")
    def contents() -> str:
        topics = service.engine.index.topics
        return render_template(
            "contents.html", chapters=present.chapters(topics), topics=len(topics)
        )

    @app.get("/topics/<id>")
    def topic(id: str) -> str:
        return _topic_page("topic.html", service.engine, id)

    @app.get("/topics/<id>/checklist")
    def checklist(id: str) -> str:
        return _topic_page("checklist.html", service.engine, id)


def _set_up_templates(app: Flask, settings: Settings) -> None:
    add_views(app)
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.globals.update(
        asset=_asset,
        exit_url=settings.exit_url,
        guidance_tag=GUIDANCE_TAG,
        here=_here,
        said=present.said,
    )


def _form_page(engine: Engine, **shown: object) -> str:
    topics = engine.index.topics
    return render_template(
        "ask.html",
        often=present.often(topics),
        topics=len(topics),
        contacts=engine.index.contacts,
        **shown,
    )


def _topic_page(template: str, engine: Engine, id: str) -> str:
    topic, passages = engine.topic(id)
    sections = present.sections(passages, engine.index.contacts)
    return render_template(
        template,
        topic=topic,
        sections=sections,
        to_do=present.to_do(sections),
        sources=passages[0].sources,
        reviewed=passages[0].reviewed,
        related=[engine.index.topic[other] for other in topic.related],
        contacts=engine.index.contacts,
    )


def _here(**change: str) -> str:
    """Return the address of the page that is shown, in another view; else of the start page."""
    endpoint, arguments = request.endpoint or "", dict(request.view_args or {})
    if request.method == "POST" or endpoint not in {"start", "contents", "topic", "checklist"}:
        endpoint, arguments = "start", {}
    return url_for(endpoint, **(arguments | change))


def _asset(name: str) -> str:
    """Return the address of a static file, which changes with the file."""
    assets: dict[str, Any] = current_app.extensions.setdefault("assets", {})
    if name not in assets:
        digest = hashlib.sha256((WEB / "static" / name).read_bytes()).hexdigest()
        assets[name] = digest[:8]
    return url_for("static", filename=name, v=assets[name])
