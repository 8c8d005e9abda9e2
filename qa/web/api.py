"""The routes that programs call."""

from __future__ import annotations

import hashlib
import json

from flask import Flask, Response, jsonify, render_template, request

from qa import __version__
from qa.answer import NOTICE, Engine, to_json, topic_url
from qa.corpus import Passage
from qa.errors import NotFound, QAError
from qa.index import Topic
from qa.settings import Settings
from qa.web import incoming, observe, present, problems, ready, reference
from qa.web.guard import LOOPBACK, PROXY_HEADERS
from qa.web.metrics import CONTENT_TYPE
from qa.web.openapi import document
from qa.web.service import Service
from qa.web.view import asked_for
from qa.web.wire import (
    Alive,
    Chapter,
    IndexInfo,
    RelatedTopic,
    TopicHead,
    TopicList,
    TopicPassage,
    WholeTopic,
)

# A browser may keep these, but asks each time whether they still hold.
REVALIDATED = "private, no-cache"


def add_api(app: Flask, service: Service) -> None:
    """Add questions, topics, the state of the service and the description of the routes."""
    description = document(service.settings)

    @app.get("/ask")
    @app.get("/api/v1/ask")
    def ask_query() -> Response:
        asked = incoming.from_query(service.settings)
        tag = _tag(service.engine, asked.question.text, asked.question.k, asked.explain)
        if known := _known(tag):
            return known
        answer = service.ask(asked.question)
        response = jsonify(to_json(answer, asked.explain))
        # There may be time for a better answer when the question comes again.
        return response if answer.limited else _tagged(response, tag)

    @app.post("/ask")
    @app.post("/api/v1/ask")
    def ask_json() -> Response:
        asked = incoming.from_json(service.settings)
        return jsonify(to_json(service.ask(asked.question), asked.explain))

    @app.post("/api/v1/ask:batch")
    def ask_batch() -> Response:
        batch = incoming.from_batch(service.settings)
        answers = service.ask_all([asked.question for asked in batch])
        shown = [to_json(a, asked.explain) for a, asked in zip(answers, batch, strict=True)]
        return jsonify(answers=shown)

    @app.get("/api/v1/topics")
    def topics() -> Response:
        engine = service.engine
        tag = _tag(engine)
        return _known(tag) or _tagged(jsonify(_topics(engine).model_dump()), tag)

    @app.get("/api/v1/topics/<id>")
    def topic_json(id: str) -> Response:
        engine = service.engine
        found = engine.topic(id)
        tag = _tag(engine, id)
        return _known(tag) or _tagged(jsonify(_whole(engine, *found).model_dump()), tag)

    @app.get("/healthz")
    def healthz() -> Response:
        return jsonify(Alive().model_dump())

    @app.get("/readyz")
    def readyz() -> Response:
        english = asked_for() == "en"
        try:
            return jsonify(ready.ready(service, english).model_dump())
        except QAError as error:
            return problems.respond(error, service.settings, ready.why(error, english))

    @app.get("/metrics")
    def metrics() -> Response:
        if not _may_read_metrics(service.settings):
            raise NotFound
        text = observe.metrics_of(app).text(ready.serving(service))
        return Response(text, content_type=CONTENT_TYPE)

    @app.get("/openapi.json")
    def openapi() -> Response:
        return jsonify(description)

    @app.get("/docs")
    def docs() -> str:
        return render_template("docs.html", **reference.page(description))


def _may_read_metrics(settings: Settings) -> bool:
    """Tell whether the asker may read what is counted, as the setting has it."""
    if settings.metrics == "local":  # not whoever comes through a proxy on this machine
        through = any(name in request.headers for name in PROXY_HEADERS)
        return request.remote_addr in LOOPBACK and not through
    return settings.metrics == "all"


def _tag(engine: Engine, *asked: str | int) -> str:
    """Return an entity tag: the same for the same code, build, route and parameters."""
    made_of = [__version__, engine.index.manifest.build, request.endpoint, *asked]
    return hashlib.sha256(json.dumps(made_of).encode()).hexdigest()[:32]


def _known(tag: str) -> Response | None:
    """Return "not modified" for a client that has what the tag stands for."""
    return _tagged(Response(status=304), tag) if request.if_none_match.contains_weak(tag) else None


def _tagged(response: Response, tag: str) -> Response:
    response.set_etag(tag)
    response.headers["Cache-Control"] = REVALIDATED
    return response


def _index(engine: Engine) -> IndexInfo:
    return IndexInfo(build=engine.index.manifest.build, passages=len(engine.index))


def _topics(engine: Engine) -> TopicList:
    chapters = [
        Chapter(title=title, topics=[_head(topic, engine.topic(topic.id)[1]) for topic in topics])
        for title, topics in present.chapters(engine.index.topics)
    ]
    return TopicList(chapters=chapters, index=_index(engine))


def _head(topic: Topic, passages: tuple[Passage, ...]) -> TopicHead:
    return TopicHead(
        id=topic.id,
        title=topic.title,
        url=topic_url(topic.id),
        reviewed=passages[0].reviewed,
    )


def _whole(engine: Engine, topic: Topic, passages: tuple[Passage, ...]) -> WholeTopic:
    related = [engine.index.topic[other] for other in topic.related]
    return WholeTopic(
        **_head(topic, passages).model_dump(),
        chapter=topic.chapter,
        passages=[TopicPassage(id=p.id, heading=p.heading, text=p.text) for p in passages],
        sources=list(passages[0].sources),
        related=[RelatedTopic(topic=other.id, title=other.title) for other in related],
        index=_index(engine),
        notice=NOTICE,
    )
