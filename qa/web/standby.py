"""The engine, or why there is none yet; a build that appears later is found without a restart."""

from __future__ import annotations

import logging
import time
from threading import Lock

from qa.answer import Engine
from qa.errors import QAError
from qa.settings import Settings

RETRY_SECONDS = 5.0

logger = logging.getLogger(__name__)


class Standby:
    """Holds the engine of one application.

    Args:
        settings: where to look for an index.
        engine: one that is already open; else it is opened now, and again now and then when a
            request asks for it, until that succeeds.
    """

    def __init__(self, settings: Settings, engine: Engine | None) -> None:
        self._settings = settings
        self._engine = engine
        self._problem: QAError | None = None
        self._next_try = 0.0
        self._opening = Lock()
        self._open()

    def engine(self) -> Engine:
        """Return the engine.

        Raises:
            QAError: why no index can serve, as it was when last looked at.
        """
        if self._engine is None and time.monotonic() >= self._next_try:
            self._open()
        if self._engine is None:
            assert self._problem is not None
            # The same error is raised many times; each raise would make its traceback longer.
            raise self._problem.with_traceback(None)
        return self._engine

    def _open(self) -> None:
        """Try to open the engine, unless another thread is at it."""
        if self._engine is not None or not self._opening.acquire(blocking=False):
            return
        try:
            self._engine = Engine.open(self._settings)
        except QAError as error:
            if self._problem is None or str(self._problem) != str(error):
                logger.error("not ready code=%s %s", error.code, error)
            self._problem = error
        finally:
            self._next_try = time.monotonic() + RETRY_SECONDS
            self._opening.release()
