"""The engine in service: opened when there is an index, changed when a rebuild switches."""

from __future__ import annotations

import logging
import os
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from threading import Lock, Thread

from qa.answer import Engine
from qa.errors import QAError
from qa.index import CURRENT
from qa.logs import trace
from qa.settings import Settings

RETRY_SECONDS = 5.0  # while nothing serves
FAULT_SECONDS = 30.0  # while an older build serves: the disk may have been mended
# A rebuild is seen after half of this on average, and a build opens in a fraction of a second.
WATCH_SECONDS = 0.5

logger = logging.getLogger(__name__)


class Standby:
    """Holds the engine of one application.

    A thread of its own looks for a new build; the old engine serves until the new one is open,
    and requests that began with it end with it.

    Args:
        settings: where to look for an index.
        engine: one that is already open, and stays; else it is opened now, and again now and then
            when a request asks for it, until that succeeds.
        reloaded: is told of each later build whether it could be opened.
    """

    def __init__(
        self,
        settings: Settings,
        engine: Engine | None,
        reloaded: Callable[[bool], None] = lambda well: None,
    ) -> None:
        self._settings = settings
        self._engine = engine
        self._reloaded = reloaded
        self._problem: QAError | None = engine.fault if engine else None
        self._opened: object = None  # the pointer's stamp when a build was last opened, or tried
        self._next_try = 0.0
        self._opening = Lock()
        if engine is None:
            self._open()
            Thread(target=_watch, args=[weakref.ref(self)], name="reload", daemon=True).start()

    @property
    def fault(self) -> QAError | None:
        """Why the build in service is not the one that serves, if so."""
        return self._problem

    def engine(self) -> Engine:
        """Return the engine.

        Raises:
            QAError: why no index can serve, as it was when last looked at.
        """
        if self._engine is None and time.monotonic() >= self._next_try:
            self._open()
        problem = self._problem  # read first: it is taken back after the engine is there
        if self._engine is None:
            assert problem is not None
            # The same error is raised many times; each raise would make its traceback longer.
            raise problem.with_traceback(None)
        return self._engine

    def refresh(self) -> None:
        """Switch to the build in service, unless it was looked at already and found well."""
        again = self._problem is not None and time.monotonic() >= self._next_try
        if again or _stamp(self._settings.index) != self._opened:
            self._open()

    def _open(self) -> None:
        """Try to open the build in service, unless another thread is at it."""
        if not self._opening.acquire(blocking=False):
            return
        try:
            before, self._opened = self._engine, _stamp(self._settings.index)
            engine, problem = self._try()
            if engine and engine is not before:
                self._engine = engine
                logger.info("serving", extra={"build": engine.index.manifest.build})
            self._problem = problem
            if before and (problem or engine is not before):
                self._reloaded(problem is None)
        finally:
            wait = FAULT_SECONDS if self._engine else RETRY_SECONDS
            self._next_try = time.monotonic() + wait
            self._opening.release()

    def _try(self) -> tuple[Engine | None, QAError | None]:
        """Return the engine that is to serve, and why it is not that of the build in service."""
        serving = self._engine
        try:
            engine = serving.renewed(self._settings) if serving else Engine.open(self._settings)
        except QAError as error:
            if str(error) != str(self._problem):
                says = "a new build cannot be opened" if serving else "not ready"
                logger.error(says, extra={"code": error.code, "detail": str(error)})
            return serving, error
        return engine, engine.fault


def _watch(standby: weakref.ref[Standby]) -> None:
    """Look for new builds as long as anybody needs the engine."""
    while one := standby():
        try:
            one.refresh()
        except Exception as error:
            logger.error("unexpected while opening a build", extra={"trace": trace(error)})
        del one
        time.sleep(WATCH_SECONDS)


def _stamp(folder: Path) -> object:
    """Return what changes whenever the pointer is replaced; None where there is none."""
    try:
        found = os.stat(folder / CURRENT)
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
