"""Limits on work that cannot be stopped from outside: how long it takes, and how much at once."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import BoundedSemaphore, Lock
from typing import TypeVar

from qa.answer import OutOfTime
from qa.errors import Overloaded
from qa.logs import trace

# Questions that may wait for each thread. One takes ten milliseconds: nobody waits long.
WAITING = 4

logger = logging.getLogger(__name__)

T = TypeVar("T")


def places(threads: int) -> int:
    """Return how many questions a process takes on at a time: those at work and those waiting."""
    return threads * (1 + WAITING)


class Places:
    """So many at a time; whoever comes beyond that is refused at once, not kept waiting."""

    def __init__(self, number: int) -> None:
        self._free = BoundedSemaphore(number)

    @contextmanager
    def one(self) -> Iterator[None]:
        """Hold one place.

        Raises:
            Overloaded: none is free.
        """
        if not self._free.acquire(blocking=False):
            raise Overloaded
        try:
            yield
        finally:
            self._free.release()


class TimeLimit:
    """Runs work in threads of its own and waits for it so long.

    A thread cannot be stopped: work that has overrun keeps its thread until it ends. While all
    threads are kept so, more work would only wait in vain, and is refused at once.

    Args:
        threads: at most so many run at a time.
        seconds: the limit, waiting for a thread included.
    """

    def __init__(self, threads: int, seconds: float) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="answer")
        self._threads = threads
        self._seconds = seconds
        self._overrun = 0  # threads still at work that nobody waits for
        self._lock = Lock()

    def run(self, work: Callable[[float], T]) -> T:
        """Return what some work returns; what it raises is raised here.

        Args:
            work: is told until when it is waited for, by ``time.monotonic``.

        Raises:
            OutOfTime: it did not end in time; also where it says so itself.
        """
        if self._overrun >= self._threads:
            raise OutOfTime
        future = self._pool.submit(work, time.monotonic() + self._seconds)
        try:
            return future.result(self._seconds)
        except TimeoutError:
            if future.done():  # in the last moment, or it was the work that raised this
                return future.result()
        if not future.cancel():
            self._leave(future)
        raise OutOfTime

    def _leave(self, future: Future[T]) -> None:
        """Count the thread of some work as kept until the work ends."""
        with self._lock:
            self._overrun += 1
        future.add_done_callback(self._ended)

    def _ended(self, future: Future[T]) -> None:
        with self._lock:
            self._overrun -= 1
        error = future.exception()
        if error is not None and not isinstance(error, OutOfTime):
            logger.error("unexpected after the time limit", extra={"trace": trace(error)})
