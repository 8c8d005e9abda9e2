"""How long the stages of an answer take, for whoever watches; nothing where nobody does."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

READ, ENCODE, SEARCH, RANK, PRESENT = STAGES = ("read", "encode", "search", "rank", "present")

Observer = Callable[[str, float], None]

_UNTIMED = nullcontext()
_observers: list[Observer] = []  # at most one; of the whole process, as its engines are


def watch(observer: Observer | None) -> None:
    """Tell somebody of every stage from now on, in place of whoever was told before.

    Args:
        observer: called with one of ``STAGES`` and seconds, in the thread that did the work.
    """
    _observers[:] = [observer] if observer else []


def stage(name: str) -> AbstractContextManager[None]:
    """Return a context that takes the time of a stage; one that fails is not told of."""
    return _Timed(name) if _observers else _UNTIMED


class _Timed(AbstractContextManager[None]):
    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        self._start = time.perf_counter()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            seconds = time.perf_counter() - self._start
            for observer in _observers:
                observer(self._name, seconds)
