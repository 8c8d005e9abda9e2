"""Every error that a user, an editor or an operator can meet, in one tree.

QAError
├── QuestionError            400  the question as typed cannot be answered
│   ├── QuestionEmpty             question_empty
│   ├── QuestionTooLong           question_too_long
│   └── BadK                      bad_k
├── RequestError                  the HTTP request is not one that a route takes
│   ├── MalformedJson        400  malformed_json
│   ├── UnknownField         400  unknown_field
│   ├── BadRequest           400  bad_request
│   ├── NotFound             404  not_found
│   ├── MethodNotAllowed     405  method_not_allowed
│   ├── BodyTooLarge         413  body_too_large
│   ├── AddressTooLong       414  address_too_long
│   ├── WrongContentType     415  wrong_content_type
│   ├── BadBatch             400  bad_batch
│   ├── FeedbackInvalid      400  feedback_invalid
│   ├── TooManyRequests      429  too_many_requests
│   ├── Overloaded           503  overloaded
│   └── Unexpected           500  unexpected
├── SettingInvalid           500  setting_invalid
├── CorpusError              500  the guidance files cannot be used as they are
│   ├── CorpusMissing             corpus_missing
│   └── CorpusInvalid             corpus_invalid (carries every fault, with file and line)
├── FeedbackError            500  feedback_error (the database of feedback cannot be used)
├── JudgedInvalid            500  judged_invalid
├── TrainingDataMissing      500  training_data_missing
├── ModelError               503  the encoder cannot be opened
│   ├── ModelMissing              model_missing
│   └── ModelBroken               model_broken
└── IndexProblem             503  no build can serve
    ├── IndexMissing              index_missing
    ├── IndexStale                index_stale
    ├── IndexCorrupt              index_corrupt
    ├── IndexLocked               index_locked
    └── IndexUnwritable           index_unwritable

``code`` never changes once published; ``status`` is the HTTP status. ``str(error)`` is a Chinese
sentence that says what is wrong and what to do; ``english`` is the same sentence in English.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


class QAError(Exception):
    """An error said to the person who can do something about it."""

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 500

    def __init__(self, chinese: str, english: str) -> None:
        super().__init__(chinese)
        self.english = english
        self.pointer = ""  # JSON Pointer, as a fragment, to the part of a body that is at fault


class QuestionError(QAError):
    """The question as typed cannot be answered."""

    status = 400


class QuestionEmpty(QuestionError):
    """Nothing is left of the question once spaces and control characters are gone."""

    code = "question_empty"

    def __init__(self) -> None:
        super().__init__(
            "请先输入您的问题，例如：“收到调解短信，要不要回电话？”",
            "The question is empty. Type what you want to know about the notice.",
        )


class QuestionTooLong(QuestionError):
    """The question is longer than the setting ``max_question_chars`` allows."""

    code = "question_too_long"

    def __init__(self, length: int, limit: int) -> None:
        super().__init__(
            f"问题太长：共 {length} 字，最多 {limit} 字。请只留下最想问的一件事。",
            f"The question has {length} characters; at most {limit} are allowed. "
            "Keep the one thing you most want to know.",
        )


class BadK(QuestionError):
    """``k`` is not a whole number from 1 to the setting ``max_k``."""

    code = "bad_k"

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"参数 k（要几段）必须是 1 到 {limit} 的整数。",
            f"k, the number of passages, must be a whole number from 1 to {limit}.",
        )


class RequestError(QAError):
    """The HTTP request is not one that the route takes."""

    status = 400


class MalformedJson(RequestError):
    """The body is not a JSON object of the shape that the route takes."""

    code = "malformed_json"

    def __init__(self, chinese: str, english: str) -> None:
        super().__init__(
            f'{chinese}请发送 UTF-8 编码的 JSON 对象，例如 {{"question": "…", "k": 3}}。',
            f'{english} Send a UTF-8 JSON object such as {{"question": "…", "k": 3}}.',
        )


class UnknownField(RequestError):
    """The request names a field that the route does not know."""

    code = "unknown_field"

    def __init__(self, known: Sequence[str]) -> None:
        names = ", ".join(known)
        super().__init__(
            f"请求里有不认识的字段。可用的字段：{names}。",
            f"The request has a field that is not known. Known fields: {names}.",
        )


class BadRequest(RequestError):
    """The request breaks the rules of HTTP, or those that are given with it."""

    code = "bad_request"

    def __init__(
        self,
        chinese: str = "请求不符合 HTTP 的规定，服务器读不懂。请回到首页重新提问；"
        "用程序提问时，网址里的参数要写成 UTF-8 的百分号编码，例如 %E8%B0%83。",
        english: str = "The request does not follow HTTP and cannot be read. "
        "Parameters must be percent-encoded UTF-8, such as %E8%B0%83.",
    ) -> None:
        super().__init__(chinese, english)


class NotFound(RequestError):
    """There is nothing at this address."""

    code = "not_found"
    status = 404

    def __init__(self) -> None:
        super().__init__(
            "没有这个页面。请回到首页重新提问。",
            "There is nothing here. Go back to the start page.",
        )


class MethodNotAllowed(RequestError):
    """The route exists, but not for this HTTP method."""

    code = "method_not_allowed"
    status = 405

    def __init__(self) -> None:
        super().__init__(
            "这个地址不接受这种请求方法。请查看 /docs 里允许的方法。",
            "This address does not take this method. /docs lists the methods it takes.",
        )


class BodyTooLarge(RequestError):
    """The body is larger than the server reads."""

    code = "body_too_large"
    status = 413

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"请求内容太大，最多 {limit} 字节。请缩短问题后再发。",
            f"The request body is too large; at most {limit} bytes are read. Shorten the question.",
        )


class AddressTooLong(RequestError):
    """The request line is longer than the server reads."""

    code = "address_too_long"
    status = 414

    def __init__(self) -> None:
        super().__init__(
            "网址太长。请改用 POST /ask 提问，或缩短问题。",
            "The address is too long. Use POST /ask, or shorten the question.",
        )


class WrongContentType(RequestError):
    """The body is not JSON and does not come from the form."""

    code = "wrong_content_type"
    status = 415

    def __init__(self) -> None:
        super().__init__(
            "请求的 Content-Type 必须是 application/json（UTF-8）。",
            "The Content-Type must be application/json in UTF-8.",
        )


class BadBatch(RequestError):
    """A batch is not a list of one to so many questions."""

    code = "bad_batch"

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"questions 必须是列表，有 1 到 {limit} 项，每项写法同 /ask。请分成几次发送。",
            f"questions must be a list of 1 to {limit} objects as /ask takes them. "
            "Send several batches.",
        )


class FeedbackInvalid(RequestError):
    """What is said of an answer is not one of the things that can be said."""

    code = "feedback_invalid"

    def __init__(self) -> None:
        super().__init__(
            "这条反馈读不懂，没有记下。请回到回答那一页，再点一次。",
            "This feedback cannot be read and was not kept. Go back to the answer and try again.",
        )


class TooManyRequests(RequestError):
    """The address asked more often than the setting ``rate_limit`` allows."""

    code = "too_many_requests"
    status = 429

    def __init__(self, seconds: int) -> None:
        self.seconds = seconds  # until the next question is taken
        super().__init__(
            f"这个网络问得太频繁。请等 {seconds} 秒再问；急事请拨打 12348（法律咨询）。",
            f"Too many questions from this network. Wait {seconds} seconds and ask again; "
            "if it is urgent, call 12348 (legal advice).",
        )


class Overloaded(RequestError):
    """More questions come in than can be answered in time; none is kept waiting."""

    code = "overloaded"
    status = 503
    seconds = 2  # after which it is worth asking again

    def __init__(self) -> None:
        super().__init__(
            f"现在问的人太多，您的问题没有被保存。请等 {self.seconds} 秒再问；"
            "急事请拨打 12348（法律咨询）。",
            "Too many are asking just now; your question was not kept. "
            f"Wait {self.seconds} seconds and ask again; "
            "if it is urgent, call 12348 (legal advice).",
        )


class Unexpected(RequestError):
    """A fault of the program's own; the log has the trace, never the question."""

    code = "unexpected"
    status = 500

    def __init__(self) -> None:
        super().__init__(
            "系统出了问题，您的问题没有被保存。请稍后再试；急事请拨打 12348（法律咨询）。",
            "Something went wrong here; your question was not kept. Please try again later; "
            "if it is urgent, call 12348 (legal advice).",
        )


class SettingInvalid(QAError):
    """A flag or a ``QA_*`` variable has a value that cannot be used."""

    code = "setting_invalid"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong in the corpus, at a place an editor can open."""

    path: str  # below the corpus folder, with forward slashes
    line: int  # 1-based
    chinese: str
    english: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.chinese}"


class CorpusError(QAError):
    """The guidance files cannot be used as they are."""


class CorpusMissing(CorpusError):
    """The corpus folder does not exist or holds no guidance."""

    code = "corpus_missing"


class CorpusInvalid(CorpusError):
    """Files of the corpus are faulty; ``faults`` names each by file and line."""

    code = "corpus_invalid"

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        listing = "\n".join(f"  {fault}" for fault in self.faults)
        english = "\n".join(f"  {f.path}:{f.line}: {f.english}" for f in self.faults)
        super().__init__(
            f"语料有 {len(self.faults)} 处错误，请改正后重试"
            f"（正在使用的索引没有变动）：\n{listing}",
            f"The corpus has {len(self.faults)} faults; mend them and try again "
            f"(the index in service is unchanged):\n{english}",
        )


class FeedbackError(QAError):
    """The database of feedback cannot be opened, read or written."""

    code = "feedback_error"


class JudgedInvalid(QAError):
    """A file of judged questions is not in BEIR shape."""

    code = "judged_invalid"


class TrainingDataMissing(QAError):
    """``qa train`` was not given the pairs that it learns from."""

    code = "training_data_missing"


class ModelError(QAError):
    """The encoder cannot be opened."""

    status = 503


class ModelMissing(ModelError):
    """There is no model at the folder or under the name that was given."""

    code = "model_missing"


class ModelBroken(ModelError):
    """The model's files are there but cannot be used."""

    code = "model_broken"


class IndexProblem(QAError):
    """No build can serve."""

    status = 503


class IndexMissing(IndexProblem):
    """Nothing was ever built in the index folder."""

    code = "index_missing"


class IndexStale(IndexProblem):
    """The build was made with another model, dictionary or format than is running."""

    code = "index_stale"


class IndexCorrupt(IndexProblem):
    """A file of the build is missing or is not what its manifest says."""

    code = "index_corrupt"


class IndexLocked(IndexProblem):
    """Another rebuild is at work on the same index folder."""

    code = "index_locked"


class IndexUnwritable(IndexProblem):
    """The index folder cannot be written, or the disk is full."""

    code = "index_unwritable"
