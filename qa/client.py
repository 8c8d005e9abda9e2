"""Ask a running service from Python, with nothing but the standard library and pydantic.

``Client("http://127.0.0.1:8000").ask("短信里的链接能点吗").passages[0].text``
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from http.client import HTTPException
from typing import Any, TypeVar
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

from pydantic import BaseModel, ValidationError

from qa.web.wire import (
    MOST_QUESTIONS,
    AskResponse,
    BatchResponse,
    Problem,
    Ready,
    TopicList,
    WholeTopic,
)

Reply = TypeVar("Reply", bound=BaseModel)


class ClientError(Exception):
    """The service refused, or cannot be reached.

    Attributes:
        code: that of the problem (README, "Over HTTP"); ``unreachable`` where there is no reply,
            ``not_understood`` for a reply that is not the service's.
        status: the HTTP status; 0 where there is no reply.
        detail: what to do, in the client's language.
        retry_after: seconds to wait before the next try, where the service names them.
    """

    def __init__(self, code: str, status: int, detail: str, retry_after: int | None = None) -> None:
        super().__init__(f"{code}: {detail}")
        self.code, self.status, self.detail, self.retry_after = code, status, detail, retry_after


class Client:
    """A service at an address.

    Args:
        url: such as ``https://qa.example.org``.
        timeout: seconds to wait for a connection, and for each part of a reply.
        language: of the details of errors, ``zh`` or ``en``.
    """

    def __init__(self, url: str, timeout: float = 30.0, language: str = "zh") -> None:
        if not url.startswith(("http://", "https://")):
            raise ValueError(f"not an address of a service: {url!r}")
        self._url = url.rstrip("/")
        self._timeout = timeout
        self._headers = {"Accept": "application/json", "Accept-Language": language}

    def ask(self, question: str, k: int | None = None, explain: bool = False) -> AskResponse:
        """Return the answer; ``k`` passages at most, the server's default where it is None."""
        return self._fetch(AskResponse, "/api/v1/ask", _asked(question, k, explain))

    def ask_many(
        self, questions: Sequence[str], k: int | None = None, explain: bool = False
    ) -> list[AskResponse]:
        """Return the answers to many questions, in order, asked in batches."""
        answers: list[AskResponse] = []
        for start in range(0, len(questions), MOST_QUESTIONS):
            batch = questions[start : start + MOST_QUESTIONS]
            body = {"questions": [_asked(question, k, explain) for question in batch]}
            answers += self._fetch(BatchResponse, "/api/v1/ask:batch", body).answers
        return answers

    def topics(self) -> TopicList:
        """Return every topic, by chapter."""
        return self._fetch(TopicList, "/api/v1/topics")

    def topic(self, id: str) -> WholeTopic:
        """Return a whole topic."""
        return self._fetch(WholeTopic, f"/api/v1/topics/{quote(id, safe='')}")

    def ready(self) -> Ready:
        """Return which index serves; raises ``ClientError`` of status 503 while none does."""
        return self._fetch(Ready, "/readyz")

    def _fetch(self, kind: type[Reply], path: str, body: dict[str, Any] | None = None) -> Reply:
        request = Request(self._url + path, headers=self._headers)  # noqa: S310 (http or https)
        if body is not None:
            request.data = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
            request.add_header("Content-Type", "application/json")
        try:
            with urlopen(request, timeout=self._timeout) as reply:  # noqa: S310
                # A newer service may say more than this client knows.
                return kind.model_validate_json(reply.read(), extra="ignore")
        except HTTPError as error:
            raise _refused(error) from error
        except ValidationError:  # which quotes the reply, and so the question
            raise ClientError("not_understood", reply.status, "not the service's reply") from None
        except (OSError, HTTPException) as error:
            raise ClientError("unreachable", 0, str(error)) from error


def _asked(question: str, k: int | None, explain: bool) -> dict[str, Any]:
    return {"question": question, "explain": explain} | ({} if k is None else {"k": k})


def _refused(error: HTTPError) -> ClientError:
    """Return what the service says of a request that it did not take."""
    wait = error.headers.get("Retry-After", "")
    retry_after = int(wait) if wait.isdecimal() else None
    try:
        problem = Problem.model_validate_json(error.read(), extra="ignore")
    except (ValidationError, OSError, HTTPException):
        return ClientError("not_understood", error.code, error.reason, retry_after)
    return ClientError(problem.code, problem.status, problem.detail, retry_after)
