"""An HTTP request → a ``Question``. Strict: what is not understood is refused, not ignored."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from flask import request
from gunicorn.http.errors import ParseException
from werkzeug.exceptions import RequestEntityTooLarge

from qa.answer import Question
from qa.errors import (
    BadK,
    BadRequest,
    BodyTooLarge,
    MalformedJson,
    QuestionEmpty,
    UnknownField,
    WrongContentType,
)
from qa.settings import Settings

QUERY_FIELDS = ("q", "k")
JSON_FIELDS = ("question", "k")
FORM_FIELD = "question"

_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,9}")


def from_query(settings: Settings) -> Question:
    """Return the question of ``GET /ask?q=…&k=…``.

    Raises:
        UnknownField: a parameter that is not known, or one that is given twice.
        QuestionError: see ``Question.parse``.
    """
    for name, values in request.args.lists():
        if name not in QUERY_FIELDS or len(values) > 1:
            raise UnknownField(QUERY_FIELDS)
    k = request.args.get("k")
    if k is not None and not _WHOLE_NUMBER.fullmatch(k):
        raise BadK(settings.max_k)
    text = request.args.get("q", "")
    return Question.parse(text, settings.k if k is None else int(k), settings)


def from_json(settings: Settings) -> Question:
    """Return the question of ``POST /ask``.

    Raises:
        WrongContentType, BodyTooLarge, MalformedJson, UnknownField: the route takes no such body.
        QuestionError: see ``Question.parse``.
    """
    if request.args:
        raise UnknownField(JSON_FIELDS)
    body = _json_object(settings)
    if not body.keys() <= set(JSON_FIELDS):
        raise UnknownField(JSON_FIELDS)
    k = body.get("k", settings.k)
    if type(k) is not int:  # True is an int, 3.0 is not one
        raise BadK(settings.max_k)
    if "question" not in body:
        raise QuestionEmpty
    if not isinstance(body["question"], str):
        raise MalformedJson("question 必须是字符串。", "question must be a string.")
    return Question.parse(body["question"], k, settings)


def typed(settings: Settings) -> str:
    """Return what was typed into the form, with line ends as the rest of the program has them.

    Raises:
        BodyTooLarge: more than ``settings.max_body_bytes`` were sent.
    """
    _body(settings)
    return request.form.get(FORM_FIELD, "").replace("\r\n", "\n")


def _body(settings: Settings) -> bytes:
    try:
        data = request.get_data()
    except RequestEntityTooLarge as error:
        raise BodyTooLarge(settings.max_body_bytes) from error
    except (ParseException, OSError) as error:  # chunks that are not chunks
        raise BadRequest from error
    # Where no length was declared, werkzeug stops reading at the limit without a word.
    if request.content_length is None and len(data) >= settings.max_body_bytes:
        raise BodyTooLarge(settings.max_body_bytes)
    return data


def _json_object(settings: Settings) -> dict[str, Any]:
    if request.mimetype != "application/json":
        raise WrongContentType
    declared = re.findall(r"charset\s*=\s*\"?([^\s;\"]*)", request.content_type or "", re.I)
    if [name.lower() for name in declared] not in ([], ["utf-8"], ["utf8"]):
        raise MalformedJson("字符编码必须是 UTF-8。", "The charset must be UTF-8.")
    data = _body(settings)
    try:
        body = json.loads(
            data.decode("utf-8-sig"),
            object_pairs_hook=_without_repeats,
            parse_constant=_refuse_constant,
        )
    # ValueError: not UTF-8, not JSON, or a number of thousands of digits.
    except (ValueError, RecursionError) as error:
        raise MalformedJson("请求体不是有效的 JSON。", "The body is not valid JSON.") from error
    if not isinstance(body, dict):
        raise MalformedJson("请求体不是 JSON 对象。", "The body is not a JSON object.")
    return body


def _without_repeats(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a field is given twice")
    return found


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
