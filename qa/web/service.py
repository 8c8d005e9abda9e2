"""What the routes ask of: the engine in service, and answers in time."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from flask import g, has_app_context

from qa.answer import Answer, Engine, OutOfTime, Question
from qa.errors import FeedbackError, QAError
from qa.feedback import Feedback
from qa.settings import Settings
from qa.web import observe
from qa.web.limit import Places, TimeLimit, places
from qa.web.standby import Standby

FLUSH_SECONDS = 30.0
BATCH_LIMITS = 4  # time limits that a batch may use up as a whole

logger = logging.getLogger(__name__)


class Service:
    """Answers the questions of one application.

    Args:
        engine: serves the questions; opened from the settings where there is none.
        reloaded: is told of each later build whether it could be opened.
    """

    def __init__(
        self,
        settings: Settings,
        engine: Engine | None,
        reloaded: Callable[[bool], None] = lambda well: None,
    ) -> None:
        self.settings = settings
        self.feedback = _feedback(settings.feedback)
        self._standby = Standby(settings, engine, reloaded)
        self._limit = TimeLimit(settings.threads, settings.time_limit_ms / 1000)
        self._places = Places(places(settings.threads))

    @property
    def engine(self) -> Engine:
        """The engine in service; within one request the same from its beginning to its end.

        Raises:
            QAError: why no index can serve.
        """
        if not has_app_context():
            return self._standby.engine()
        if "engine" not in g:
            g.engine = self._standby.engine()
        engine: Engine = g.engine
        return engine

    @property
    def fault(self) -> QAError | None:
        """Why the build in service is not the one that answers, if so."""
        return self._standby.fault

    def ask_all(self, questions: Sequence[Question]) -> list[Answer]:
        """Answer each; once so many limits are used up, the others by words alone.

        Raises:
            Overloaded: as for one question.
        """
        until = time.monotonic() + BATCH_LIMITS * self.settings.time_limit_ms / 1000
        with self._places.one():
            return [self._ask(one, hurried=time.monotonic() > until) for one in questions]

    def ask(self, question: Question) -> Answer:
        """Answer in time, if need be by words alone.

        Raises:
            Overloaded: as many are asking already as can be answered in time.
            QAError: why no index can serve.
        """
        with self._places.one():
            return self._ask(question)

    def _ask(self, question: Question, *, hurried: bool = False) -> Answer:
        """Answer, and take down how: never the question.

        Args:
            hurried: by words alone, without trying.
        """
        start = time.perf_counter()
        engine = self.engine
        answer = engine.by_words.ask(question) if hurried else self._in_time(engine, question)
        observe.answered(answer, time.perf_counter() - start)
        self._count(engine, answer)
        return answer

    def _in_time(self, engine: Engine, question: Question) -> Answer:
        try:
            return self._limit.run(lambda until: engine.ask(question, until))
        except OutOfTime:
            return engine.by_words.ask(question)

    def _count(self, engine: Engine, answer: Answer) -> None:
        if self.feedback:
            nearest = engine.index.topic.get(answer.nearest or "")
            self.feedback.count(nearest.chapter if nearest else "", answer.outcome)


def _feedback(address: str) -> Feedback | None:
    """Open the database of feedback. Questions are answered without one, too."""
    try:
        feedback = Feedback.open(address)
    except FeedbackError as error:
        logger.error("no feedback is kept code=%s %s", error.code, error)
        return None
    if feedback:
        feedback.flush_every(FLUSH_SECONDS)
    return feedback
