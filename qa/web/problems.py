"""Every error over HTTP in one shape: RFC 9457 problem JSON, or a page for people.

Errors that only the operator can mend (no index, no model) are logged as they are; the asker is
told that the service is not ready, without names of files.
"""

from __future__ import annotations

import logging

from flask import Response, render_template, request
from werkzeug.exceptions import HTTPException, SecurityError

from qa.errors import (
    AddressTooLong,
    BadBatch,
    BadK,
    BadRequest,
    BodyTooLarge,
    FeedbackInvalid,
    MalformedJson,
    MethodNotAllowed,
    NotFound,
    Overloaded,
    QAError,
    QuestionEmpty,
    QuestionError,
    QuestionTooLong,
    RequestError,
    TooManyRequests,
    Unexpected,
    UnknownField,
    WrongContentType,
)
from qa.logs import trace
from qa.settings import Settings
from qa.web import observe
from qa.web.incoming import FORM_FIELD
from qa.web.view import View, asked_for, current
from qa.web.wire import MOST_QUESTIONS, Problem

MEDIA_TYPE = "application/problem+json"
MACHINE_PATHS = frozenset({"/ask", "/healthz", "/readyz", "/openapi.json"})
MACHINE_FOLDER = "/api/"
RETRY_SECONDS = 10
# Where the type of an error leads to: the example of it in the API's own description.
EXAMPLES = "/openapi.json#/components/examples/"

logger = logging.getLogger(__name__)


TITLES = {
    "question_empty": ("没有输入问题", "The question is empty"),
    "question_too_long": ("问题太长", "The question is too long"),
    "bad_k": ("参数 k 不对", "k is not a whole number in range"),
    "malformed_json": ("请求的 JSON 不对", "The JSON is not as it should be"),
    "unknown_field": ("请求里有不认识的字段", "The request has an unknown field"),
    "bad_request": ("请求不对", "The request cannot be read"),
    "address_too_long": ("网址太长", "The address is too long"),
    "not_found": ("没有这个页面", "There is nothing here"),
    "method_not_allowed": ("请求方法不对", "The method is not allowed"),
    "body_too_large": ("请求内容太大", "The body is too large"),
    "wrong_content_type": ("Content-Type 不对", "The content type is wrong"),
    "bad_batch": ("这一批问题写得不对", "The batch is not as it should be"),
    "feedback_invalid": ("反馈没有记下", "The feedback was not kept"),
    "too_many_requests": ("问得太频繁", "Too many questions"),
    "overloaded": ("现在问的人太多", "Too many are asking just now"),
    "unexpected": ("系统出了问题", "Something went wrong"),
}
NOT_READY_TITLE = ("暂时不能查询", "Not ready to answer")
NOT_READY_DETAIL = (
    "服务还没有准备好，暂时查不了指引。请稍后再试；急事请拨打 12348（法律咨询）。",
    "The index is not ready. Try again later.",
)

NOT_SERVED = (
    "本服务不用这个域名。请检查网址；部署者请把域名写进 QA_HOSTS。",
    "This service does not have this host name. If you run it, list the name in QA_HOSTS.",
)

_BY_STATUS: dict[int, type[NotFound | MethodNotAllowed | WrongContentType | AddressTooLong]] = {
    404: NotFound,
    405: MethodNotAllowed,
    414: AddressTooLong,
    415: WrongContentType,
}


def problem(error: QAError, english: bool = False) -> Problem:
    """Return the one shape of an error, in Chinese unless asked otherwise."""
    if isinstance(error, QuestionError | RequestError):
        status, titles, details = error.status, TITLES[error.code], (str(error), error.english)
    else:
        status, titles, details = 503, NOT_READY_TITLE, NOT_READY_DETAIL
    where = error.pointer and error.pointer + (": " if english else "：")
    return Problem(
        type=EXAMPLES + error.code,
        title=titles[english],
        status=status,
        detail=where + details[english],
        code=error.code,
        pointer=error.pointer or None,
    )


def examples(settings: Settings) -> list[QAError]:
    """Return one of each error that a request can meet, but for those of the operator."""
    return [
        QuestionEmpty(),
        QuestionTooLong(settings.max_question_chars + 1, settings.max_question_chars),
        BadK(settings.max_k),
        MalformedJson("请求体不是有效的 JSON。", "The body is not valid JSON."),
        UnknownField(("question", "k")),
        BadRequest(),
        AddressTooLong(),
        NotFound(),
        MethodNotAllowed(),
        BodyTooLarge(settings.max_body_bytes),
        WrongContentType(),
        BadBatch(MOST_QUESTIONS),
        FeedbackInvalid(),
        TooManyRequests(30),
        Overloaded(),
        Unexpected(),
    ]


def respond(exception: Exception, settings: Settings, detail: str = "") -> Response:
    """Return the response to whatever a request raised, and log what it was.

    Args:
        detail: what a program is told instead of the error's own sentence.
    """
    error = _translated(exception, settings)
    if isinstance(error, Unexpected):
        logger.error("unexpected", extra={"endpoint": request.endpoint, "trace": trace(exception)})
    observe.refused(error.code)
    # A page has links, and there are none from a host that is not served.
    is_page = prefers_html() and not isinstance(exception, SecurityError)
    response = _page(error) if is_page else _json(error, detail)
    if isinstance(exception, HTTPException):
        response.headers.extend(
            (name, value) for name, value in exception.get_headers() if name == "Allow"
        )
    if isinstance(error, TooManyRequests | Overloaded):
        response.headers["Retry-After"] = str(error.seconds)
    elif response.status_code == 503:
        response.headers["Retry-After"] = str(RETRY_SECONDS)
    return response


def prefers_html() -> bool:
    """Tell whether this request comes from a person's browser and not from a program."""
    accepted = request.accept_mimetypes
    likes_html = accepted["text/html"] > max(accepted["application/json"], accepted[MEDIA_TYPE])
    is_machines = request.path in MACHINE_PATHS or request.path.startswith(MACHINE_FOLDER)
    return likes_html and not is_machines


def _translated(exception: Exception, settings: Settings) -> QAError:
    if isinstance(exception, QAError):
        return exception
    if isinstance(exception, SecurityError):
        return BadRequest(*NOT_SERVED)
    status = (exception.code or 500) if isinstance(exception, HTTPException) else 500
    if status >= 500:
        return Unexpected()
    if status == 413:
        return BodyTooLarge(settings.max_body_bytes)
    return _BY_STATUS.get(status, BadRequest)()


def _json(error: QAError, detail: str) -> Response:
    english = asked_for() == "en"
    body = problem(error, english)
    if detail:
        body = body.model_copy(update={"detail": detail})
    response = Response(body.to_json(), body.status, mimetype=MEDIA_TYPE)
    response.headers["Content-Language"] = "en" if english else "zh-CN"
    return response


def in_words(error: QAError, view: View) -> tuple[str, str]:
    """Return the title and the detail of an error in the language of a page."""
    body = problem(error, view.english)
    return view.own(body.title), view.own(body.detail)


def _page(error: QAError) -> Response:
    title, detail = in_words(error, current())
    status = problem(error).status
    html = render_template("error.html", title=title, detail=detail, status=status, typed=_typed())
    return Response(html, status, mimetype="text/html")


def _typed() -> str:
    """Return what was typed into the form of this request, to be given back; else nothing."""
    try:
        return request.form.get(FORM_FIELD, "") if request.endpoint == "ask_form" else ""
    except HTTPException:  # a form that cannot be read
        return ""
