"""An HTTP request → a ``Question``. Strict: what is not understood is refused, not ignored."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

from flask import request
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from qa.answer import Question
from qa.errors import (
    BadBatch,
    BadK,
    BadRequest,
    BodyTooLarge,
    MalformedJson,
    QuestionEmpty,
    QuestionError,
    RequestError,
    UnknownField,
    WrongContentType,
)
from qa.settings import Settings
from qa.web.wire import MOST_QUESTIONS

QUERY_FIELDS = ("q", "k", "explain")
JSON_FIELDS = ("question", "k", "explain")
BATCH_FIELDS = ("questions",)
FORM_FIELD = "question"
# A whole contract may be pasted: it is too long to be answered, but what was typed is given back.
LONGEST_FORM = 1 << 20
DEEPEST = 8  # levels of JSON; a batch has three

_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,9}")
_YES_OR_NO = {"1": True, "true": True, "0": False, "false": False}
# A string, whole or cut off, or a bracket outside of strings. Possessive: one pass, whatever comes.
_BRACKET = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a program asks for."""

    question: Question
    explain: bool  # whether each passage is to say what its score was made of


def from_query(settings: Settings) -> Asked:
    """Return the question of ``GET /ask?q=…&k=…``.

    Raises:
        BadRequest: the address is not percent-encoded UTF-8, or ``explain`` is not yes or no.
        UnknownField: a parameter that is not known, or one that is given twice.
        QuestionError: see ``Question.parse``.
    """
    _check_encoding(request.query_string)
    for name, values in request.args.lists():
        if name not in QUERY_FIELDS or len(values) > 1:
            raise UnknownField(QUERY_FIELDS)
    k = request.args.get("k")
    if k is not None and not _WHOLE_NUMBER.fullmatch(k):
        raise BadK(settings.max_k)
    explain = _YES_OR_NO.get(request.args.get("explain", "0"))
    if explain is None:
        raise BadRequest("参数 explain 只能是 1 或 0。", "explain must be 1 or 0.")
    text = request.args.get("q", "")
    return Asked(Question.parse(text, settings.k if k is None else int(k), settings), explain)


def from_json(settings: Settings) -> Asked:
    """Return the question of ``POST /ask``.

    Raises:
        WrongContentType, BodyTooLarge, MalformedJson, UnknownField: the route takes no such body.
        QuestionError: see ``Question.parse``.
    """
    if request.args:
        raise UnknownField(JSON_FIELDS)
    return _asked(_json_object(settings), settings)


def from_batch(settings: Settings) -> list[Asked]:
    """Return the questions of ``POST /api/v1/ask:batch``, in order.

    Raises:
        BadBatch: not a list of 1 to ``MOST_QUESTIONS`` objects.
        QuestionError, RequestError: as for a single question; one bad item refuses all, and
            ``pointer`` says which.
    """
    if request.args:
        raise UnknownField(BATCH_FIELDS)
    body = _json_object(settings)
    if not body.keys() <= set(BATCH_FIELDS):
        raise UnknownField(BATCH_FIELDS)
    items = body.get("questions")
    if not isinstance(items, list) or not 1 <= len(items) <= MOST_QUESTIONS:
        raise BadBatch(MOST_QUESTIONS)
    found = []
    for place, item in enumerate(items):
        try:
            if not isinstance(item, dict):
                raise BadBatch(MOST_QUESTIONS)
            found.append(_asked(item, settings))
        except (QuestionError, RequestError) as error:
            error.pointer = f"#/questions/{place}"
            raise
    return found


def how_many(settings: Settings) -> int:
    """Return how many questions the body of a batch asks; 1 for one that will be refused."""
    try:
        return len(from_batch(settings))
    except (QuestionError, RequestError, HTTPException):
        return 1


def typed(settings: Settings) -> str:
    """Return what was typed into the form, with line ends as the rest of the program has them.

    Raises:
        BodyTooLarge: more than ``LONGEST_FORM`` bytes were sent, or the setting if that is more.
    """
    fields = form(max(LONGEST_FORM, settings.max_body_bytes))
    return fields.get(FORM_FIELD, "").replace("\r\n", "\n")


def form(limit: int) -> MultiDict[str, str]:
    """Return the fields of a form.

    Raises:
        BodyTooLarge: more than ``limit`` bytes were sent.
    """
    request.max_content_length = request.max_form_memory_size = limit
    _body(limit)
    return request.form


def _asked(body: dict[str, Any], settings: Settings) -> Asked:
    if not body.keys() <= set(JSON_FIELDS):
        raise UnknownField(JSON_FIELDS)
    k = body.get("k", settings.k)
    if type(k) is not int:  # True is an int, 3.0 is not one
        raise BadK(settings.max_k)
    explain = body.get("explain", False)
    if not isinstance(explain, bool):
        raise MalformedJson("explain 必须是 true 或 false。", "explain must be true or false.")
    if "question" not in body:
        raise QuestionEmpty
    if not isinstance(body["question"], str):
        raise MalformedJson("question 必须是字符串。", "question must be a string.")
    return Asked(Question.parse(body["question"], k, settings), explain)


def _check_encoding(query: bytes) -> None:
    """Refuse what would be read otherwise than it was meant, and say how to write it."""
    try:
        query.decode("ascii")
        unquote_to_bytes(query).decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadRequest(
            "网址里的参数必须先按 UTF-8 编码，再写成 %E8%B0%83 这样的形式；或改用 POST 提问。",
            "The parameters must be UTF-8, percent-encoded, such as %E8%B0%83; or use POST.",
        ) from error


def _body(limit: int) -> bytes:
    try:
        data = request.get_data()
    except RequestEntityTooLarge as error:
        raise BodyTooLarge(limit) from error
    except OSError as error:
        raise BadRequest from error
    # Where no length was declared, werkzeug stops reading at the limit without a word.
    if request.content_length is None and len(data) >= limit:
        raise BodyTooLarge(limit)
    return data


def _json_object(settings: Settings) -> dict[str, Any]:
    if request.mimetype != "application/json":
        raise WrongContentType
    declared = re.findall(r"charset\s*=\s*\"?([^\s;\"]*)", request.content_type or "", re.I)
    if [name.lower() for name in declared] not in ([], ["utf-8"], ["utf8"]):
        raise MalformedJson("字符编码必须是 UTF-8。", "The charset must be UTF-8.")
    data = _body(settings.max_body_bytes)
    try:
        text = data.decode("utf-8-sig")
        _check_depth(text)
        body = json.loads(text, object_pairs_hook=_without_repeats, parse_constant=_refuse_constant)
    except ValueError as error:  # not UTF-8, not JSON, or a number of thousands of digits
        raise MalformedJson("请求体不是有效的 JSON。", "The body is not valid JSON.") from error
    if not isinstance(body, dict):
        raise MalformedJson("请求体不是 JSON 对象。", "The body is not a JSON object.")
    return body


def _check_depth(text: str) -> None:
    """Refuse JSON of too many levels before it is parsed."""
    depth = 0
    for found in _BRACKET.finditer(text):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(found[0], 0)
        if depth > DEEPEST:
            raise MalformedJson(
                f"JSON 嵌套超过 {DEEPEST} 层。", f"The JSON has more than {DEEPEST} levels."
            )


def _without_repeats(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a field is given twice")
    return found


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
