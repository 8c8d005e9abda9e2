"""The description of the API, made from the models of what goes over the wire."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

import qa
from qa.answer import NOTICE
from qa.errors import CorpusInvalid, IndexProblem, ModelError, QAError
from qa.feedback import REASONS, STATUSES
from qa.settings import Settings
from qa.web.feedback import HELPFUL
from qa.web.problems import MEDIA_TYPE, NOT_READY_DETAIL, NOT_READY_TITLE, examples, problem
from qa.web.view import LANGUAGES
from qa.web.wire import (
    Alive,
    AskRequest,
    AskResponse,
    BatchRequest,
    BatchResponse,
    Problem,
    Ready,
    TopicList,
    WholeTopic,
)

Json = dict[str, Any]

SERVER = "http://127.0.0.1:8000"  # in examples
_QUESTION = "短信里的链接能点吗"
_TOPIC = "notice-link-click"
_MODELS = (
    AskRequest,
    AskResponse,
    BatchRequest,
    BatchResponse,
    TopicList,
    WholeTopic,
    Alive,
    Ready,
    Problem,
)
_REASONS = {
    400: "The request or the question cannot be taken as it is",
    404: "There is no such topic",
    413: "The body is too large",
    414: "The address is too long; use POST",
    415: "The body is not JSON",
    429: "Too many questions from this address",
    500: "A fault of the server",
    503: "No index serves yet, or too many are asking",
}
_TYPED = ("question_empty", "question_too_long")
_QUERY = (*_TYPED, "bad_k", "unknown_field", "address_too_long", "too_many_requests")
_BODY = ("malformed_json", "unknown_field", "body_too_large", "wrong_content_type")
_POSTED = (*_TYPED, "bad_k", *_BODY, "too_many_requests")


def document(settings: Settings) -> Json:
    """Return the OpenAPI 3.1 document of every route."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "调解通知问答",
            "version": qa.__version__,
            "description": "Answers questions about mediation notices with passages quoted from "
            f"reviewed guidance, or says that there are none. Generates no text. {NOTICE}",
        },
        "paths": _Paths(settings).all(),
        "components": {
            "schemas": _schemas(settings),
            "examples": _examples(settings),
            "headers": _HEADERS,
        },
    }


_HEADERS = {
    "ETag": {
        "description": "Stands for the code, the build and the parameters. Sent back as "
        "`If-None-Match`, it gets 304 while they are the same.",
        "schema": {"type": "string", "pattern": '^"[0-9a-f]{32}"$'},
    },
    "RetryAfter": {
        "description": "Seconds to wait before the next try.",
        "schema": {"type": "integer", "minimum": 1},
    },
}


class _Paths:
    """The routes, with the limits of the settings."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._status = {p.code: p.status for p in _known(settings)}

    def all(self) -> Json:
        return {
            "/": {
                "get": self._page("start", "The form"),
                "post": self._page(
                    "ask_form",
                    "Ask through the form",
                    (*_TYPED, "body_too_large", "too_many_requests"),
                    requestBody=_form({"question": self._text()}, "question"),
                ),
            },
            "/ask": self._ask(
                "/ask", "", "The address without a version: the same as /api/v1/ask, for ever."
            ),
            "/api/v1/ask": self._ask("/api/v1/ask", "_v1", "Answers in passages."),
            "/api/v1/ask:batch": {"post": self._batch()},
            "/api/v1/topics": {
                "get": _operation(
                    "topics",
                    "All topics, by chapter",
                    self._tagged(TopicList),
                    example=_curl("/api/v1/topics"),
                    parameters=[_if_none_match()],
                )
            },
            "/api/v1/topics/{id}": {
                "get": _operation(
                    "topic_json",
                    "A whole topic, as JSON",
                    self._tagged(WholeTopic, "not_found"),
                    example=_curl(f"/api/v1/topics/{_TOPIC}"),
                    parameters=[_topic_id(), _if_none_match()],
                )
            },
            "/topics/{id}": {
                "get": self._page("topic", "A whole topic, as a page", ("not_found",), _topic_id())
            },
            "/topics/{id}/checklist": {
                "get": self._page(
                    "checklist", "A topic as a list to print", ("not_found",), _topic_id()
                )
            },
            "/topics": {"get": self._page("contents", "All topics, as a page")},
            "/feedback": {"post": self._feedback()},
            "/healthz": {
                "get": _operation(
                    "healthz",
                    "Is the process alive?",
                    {200: _json(Alive)},
                    example=_curl("/healthz"),
                )
            },
            "/readyz": {
                "get": _operation(
                    "readyz",
                    "Does an index serve?",
                    {200: _json(Ready)} | self._refusals(),
                    example=_curl("/readyz"),
                    description="200 while questions are answered; `warnings` say what to look at "
                    "all the same. Else 503, with a `detail` that says why not and what to do.",
                )
            },
            "/metrics": {
                "get": _operation(
                    "metrics",
                    "Counts and times, for Prometheus",
                    {
                        200: {
                            "description": "OK",
                            **_content("text/plain", {"type": "string"}),
                        }
                    }
                    | self._refusals("not_found"),
                    example=_curl("/metrics"),
                    description="Of all workers. `not_found` for whoever may not read it: "
                    "unless QA_METRICS says otherwise, all but this machine.",
                )
            },
            "/openapi.json": {
                "get": _operation(
                    "openapi",
                    "This document",
                    {
                        200: {
                            "description": "OK",
                            **_content("application/json", {"type": "object"}),
                        }
                    },
                    example=_curl("/openapi.json"),
                )
            },
            "/docs": {
                "get": _operation("docs", "This document, as a page", {200: _html()}),
            },
        }

    def _ask(self, path: str, suffix: str, says: str) -> Json:
        body = {"question": _QUESTION, "k": 1}
        return {
            "get": _operation(
                f"ask_query{suffix}",
                "Ask with a short question",
                self._tagged(AskResponse, *_QUERY),
                example=_curl(path, f"-G --data-urlencode 'q={_QUESTION}' -d k=1"),
                description=says,
                parameters=[*self._query(), _if_none_match()],
            ),
            "post": _operation(
                f"ask_json{suffix}",
                "Ask",
                {200: _json(AskResponse)} | self._refusals(*_POSTED),
                example=_curl(path, _posted(body)),
                description=f"{says} The question is in no address, and so in no log of addresses.",
                requestBody=_body(AskRequest, body),
            ),
        }

    def _batch(self) -> Json:
        body = {"questions": [{"question": _QUESTION}, {"question": "逾期会坐牢吗", "k": 1}]}
        return _operation(
            "ask_batch",
            "Ask several questions at once",
            {200: _json(BatchResponse)} | self._refusals(*_POSTED, "bad_batch"),
            example=_curl("/api/v1/ask:batch", _posted(body)),
            description="One bad item refuses the batch; `pointer` says which. The limits of the "
            "body and on how often one may ask are those of a single question: a batch counts as "
            "many times as it has questions.",
            requestBody=_body(BatchRequest, body),
        )

    def _feedback(self) -> Json:
        codes = ("feedback_invalid", "not_found", "body_too_large", "too_many_requests")
        kept = {200: _html(), 204: {"description": "Kept; for a program, which gets no page"}}
        fields = {
            "helpful": {"type": "string", "enum": list(HELPFUL)},
            "reason": {"type": "string", "enum": list(REASONS)},
            "topic": {"type": "string"},
            "status": {"type": "string", "enum": list(STATUSES)},
        }
        return _operation(
            "feedback",
            "Say whether an answer helped",
            kept | self._refusals(*codes),
            description="No text is taken. A `reason` only where it did not help. `not_found` "
            "where feedback is off.",
            requestBody=_form(fields, "helpful", "status"),
        )

    def _page(
        self, name: str, summary: str, codes: Sequence[str] = (), *parameters: Json, **more: Any
    ) -> Json:
        shown = {200: _html()} | self._refusals(*codes)
        return _operation(name, summary, shown, parameters=[*parameters, *_view()], **more)

    def _tagged(self, model: type[BaseModel], *codes: str) -> dict[int, Json]:
        tag = {"headers": {"ETag": {"$ref": "#/components/headers/ETag"}}}
        unchanged = {"description": "What `If-None-Match` stands for still holds", **tag}
        return {200: _json(model) | tag, 304: unchanged} | self._refusals(*codes)

    def _refusals(self, *codes: str) -> dict[int, Json]:
        """Return the responses by which a route refuses, each with the codes that it may have."""
        by_status: dict[int, Json] = {}
        for code in (*codes, "bad_request", "unexpected", *not_ready_codes()):
            by_status.setdefault(self._status[code], {})[code] = {
                "$ref": f"#/components/examples/{code}"
            }
        wait = {"headers": {"Retry-After": {"$ref": "#/components/headers/RetryAfter"}}}
        return {
            status: {
                "description": _REASONS[status],
                **(wait if status in (429, 503) else {}),
                "content": {MEDIA_TYPE: {"schema": _ref(Problem), "examples": shown}},
            }
            for status, shown in by_status.items()
        }

    def _query(self) -> list[Json]:
        said = AskRequest.model_fields
        yes_or_no = {"type": "string", "enum": ["0", "1", "false", "true"], "default": "0"}
        k = {"type": "integer", "minimum": 1, **_k(self._settings)}
        return [
            _parameter(
                "query", "q", self._text(), said["question"].description, _QUESTION, required=True
            ),
            _parameter("query", "k", k, said["k"].description, 1),
            _parameter("query", "explain", yes_or_no, said["explain"].description, "1"),
        ]

    def _text(self) -> Json:
        return {"type": "string", **_question(self._settings)}


def _schemas(settings: Settings) -> Json:
    _, found = models_json_schema(
        [(model, "serialization") for model in _MODELS], ref_template="#/components/schemas/{model}"
    )
    schemas: Json = found["$defs"]
    fields = schemas["AskRequest"]["properties"]
    fields["question"] |= _question(settings)
    fields["k"] |= _k(settings)
    return schemas


def _examples(settings: Settings) -> Json:
    return {
        p.code: {"summary": p.title, "value": p.model_dump(exclude_none=True)}
        for p in _known(settings)
    }


def _known(settings: Settings) -> list[Problem]:
    """Return one of each problem that a request can get, in English."""
    known = [problem(error, english=True) for error in examples(settings)]
    not_ready = [
        Problem(
            type=known[0].type.replace(known[0].code, code),
            title=NOT_READY_TITLE[True],
            status=503,
            detail=NOT_READY_DETAIL[True],
            code=code,
        )
        for code in not_ready_codes()
    ]
    return [*known, *not_ready]


def not_ready_codes() -> list[str]:
    """Return the codes of the errors that only the operator can mend."""
    classes: list[type[QAError]] = [
        *ModelError.__subclasses__(),
        *IndexProblem.__subclasses__(),
        CorpusInvalid,
    ]
    return [kind.code for kind in classes]


def _operation(
    name: str, summary: str, responses: dict[int, Json], example: str = "", **more: Any
) -> Json:
    by_status = {str(status): responses[status] for status in sorted(responses)}
    shown = {"x-codeSamples": [{"lang": "Shell", "source": example}]} if example else {}
    return {"operationId": name, "summary": summary, **more, "responses": by_status, **shown}


def _curl(path: str, options: str = "") -> str:
    return f"curl -s {SERVER}{path} {options}".rstrip()


def _posted(body: Json) -> str:
    written = json.dumps(body, ensure_ascii=False)
    return f"-H 'Content-Type: application/json' -d '{written}'"


def _json(model: type[BaseModel]) -> Json:
    return {"description": "OK", **_content("application/json", _ref(model))}


def _html() -> Json:
    return {"description": "A page", **_content("text/html", {"type": "string"})}


def _body(model: type[BaseModel], example: Json) -> Json:
    content = {"application/json": {"schema": _ref(model), "example": example}}
    return {"required": True, "content": content}


def _form(fields: Json, *required: str) -> Json:
    schema = {"type": "object", "properties": fields, "required": list(required)}
    return {"required": True, **_content("application/x-www-form-urlencoded", schema)}


def _content(media_type: str, schema: Json) -> Json:
    return {"content": {media_type: {"schema": schema}}}


def _ref(model: type[BaseModel]) -> Json:
    return {"$ref": f"#/components/schemas/{model.__name__}"}


def _parameter(
    place: str, name: str, schema: Json, says: str | None, example: object, required: bool = False
) -> Json:
    return {
        "in": place,
        "name": name,
        "required": required,
        "description": says,
        "schema": schema,
        "example": example,
    }


def _topic_id() -> Json:
    return _parameter("path", "id", {"type": "string"}, "Id of the topic.", _TOPIC, required=True)


def _view() -> list[Json]:
    """Return the parameters of every page: how a person wants it shown."""
    language = {"type": "string", "enum": list(LANGUAGES)}
    size = {"type": "string", "enum": ["large", "normal"]}
    return [
        _parameter("query", "lang", language, "Language of the page; else the browser's.", "en"),
        _parameter("query", "text", size, "Size of type; normal where not given.", "large"),
    ]


def _if_none_match() -> Json:
    says = "An `ETag` of before: 304 if it still holds."
    return _parameter("header", "If-None-Match", {"type": "string"}, says, '"0123"')


def _question(settings: Settings) -> Json:
    return {"minLength": 1, "maxLength": settings.max_question_chars}


def _k(settings: Settings) -> Json:
    return {"maximum": settings.max_k, "default": settings.k}
