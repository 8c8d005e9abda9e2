"""The description of the API, made from the models of what goes over the wire."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic.json_schema import models_json_schema

import qa
from qa.answer import NOTICE
from qa.errors import QAError
from qa.settings import Settings
from qa.web.problems import MEDIA_TYPE, NOT_READY_DETAIL, NOT_READY_TITLE, examples, problem
from qa.web.wire import Alive, AskRequest, AskResponse, Problem, Ready

Json = dict[str, Any]

_MODELS = (AskRequest, AskResponse, Alive, Ready, Problem)
_REASONS = {
    400: "The request or the question cannot be taken as it is",
    404: "There is no such topic",
    413: "The body is too large",
    414: "The address is too long; use POST",
    415: "The body is not JSON",
    500: "A fault of the server",
    503: "No index serves yet",
}


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
        "paths": _paths(settings),
        "components": {"schemas": _schemas(settings), "examples": _examples(settings)},
    }


def _paths(settings: Settings) -> Json:
    errors = (400, 414, 500, 503)
    return {
        "/": {
            "get": _operation("start", "The form", {200: _html()} | _problems(500, 503)),
            "post": _operation(
                "ask_form",
                "Ask through the form",
                {200: _html()} | _problems(400, 413, 500, 503),
                requestBody=_form_body(settings),
            ),
        },
        "/ask": {
            "get": _operation(
                "ask_query",
                "Ask with a short question",
                {200: _json(AskResponse)} | _problems(*errors),
                parameters=_query(settings),
            ),
            "post": _operation(
                "ask_json",
                "Ask",
                {200: _json(AskResponse)} | _problems(*errors, 413, 415),
                requestBody={"required": True, **_content("application/json", _ref(AskRequest))},
            ),
        },
        "/topics/{id}": {
            "get": _operation(
                "topic",
                "A whole topic",
                {200: _html()} | _problems(404, 500, 503),
                parameters=[_parameter("path", "id", True, {"type": "string"})],
            )
        },
        "/healthz": {"get": _operation("healthz", "Is the process alive?", {200: _json(Alive)})},
        "/readyz": {
            "get": _operation(
                "readyz", "Does an index serve?", {200: _json(Ready)} | _problems(503)
            )
        },
        "/openapi.json": {
            "get": _operation(
                "openapi",
                "This document",
                {200: {"description": "OK", **_content("application/json", {"type": "object"})}},
            )
        },
    }


def _schemas(settings: Settings) -> Json:
    _, found = models_json_schema(
        [(model, "serialization") for model in _MODELS], ref_template="#/components/schemas/{model}"
    )
    schemas: Json = found["$defs"]
    fields = schemas["AskRequest"]["properties"]
    fields["question"] |= _question(settings)
    fields["k"] |= _k(settings)
    # What is always sent is required in a response; a request may leave out what has a default.
    schemas["AskRequest"]["required"] = ["question"]
    return schemas


def _examples(settings: Settings) -> Json:
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
    return {p.code: {"summary": p.title, "value": p.model_dump()} for p in (*known, *not_ready)}


def not_ready_codes() -> list[str]:
    """Return the codes of the errors that only the operator can mend."""
    from qa.errors import CorpusInvalid, IndexProblem, ModelError

    classes: list[type[QAError]] = [
        *ModelError.__subclasses__(),
        *IndexProblem.__subclasses__(),
        CorpusInvalid,
    ]
    return [kind.code for kind in classes]


def _operation(name: str, summary: str, responses: dict[int, Json], **more: object) -> Json:
    by_status = {str(status): responses[status] for status in sorted(responses)}
    return {"operationId": name, "summary": summary, **more, "responses": by_status}


def _problems(*statuses: int) -> dict[int, Json]:
    body = _content(MEDIA_TYPE, _ref(Problem))
    return {status: {"description": _REASONS[status], **body} for status in statuses}


def _json(model: type[AskResponse | Alive | Ready]) -> Json:
    return {"description": "OK", **_content("application/json", _ref(model))}


def _html() -> Json:
    return {"description": "A page", **_content("text/html", {"type": "string"})}


def _content(media_type: str, schema: Json) -> Json:
    return {"content": {media_type: {"schema": schema}}}


def _ref(model: type[Any]) -> Json:
    return {"$ref": f"#/components/schemas/{model.__name__}"}


def _query(settings: Settings) -> Sequence[Json]:
    return [
        _parameter("query", "q", True, {"type": "string", **_question(settings)}),
        _parameter("query", "k", False, {"type": "integer", "minimum": 1, **_k(settings)}),
    ]


def _form_body(settings: Settings) -> Json:
    fields = {"question": {"type": "string", **_question(settings)}}
    schema = {"type": "object", "properties": fields, "required": ["question"]}
    return {"required": True, **_content("application/x-www-form-urlencoded", schema)}


def _parameter(place: str, name: str, required: bool, schema: Json) -> Json:
    return {"in": place, "name": name, "required": required, "schema": schema}


def _question(settings: Settings) -> Json:
    return {"minLength": 1, "maxLength": settings.max_question_chars}


def _k(settings: Settings) -> Json:
    return {"maximum": settings.max_k, "default": settings.k}
