"""What a long message asks: its parts are searched apart, and their hits stand in one list.

A message of a few lines holds a question and much beside it, or two questions. Searched as one,
what stands beside the question outweighs it; so the clauses that ask are searched as well, and
the surest of those that do not overlap speak for themselves.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from qa.index import Index
from qa.message import Window, windows
from qa.normalise import HAN
from qa.search import Hit, Query, search

# Chosen on the dev fold, asked inside long stories (docs/evaluation.md, "Long messages"). In nats.
LONG = 30  # Chinese characters from which a message is looked at in parts
MOST_WINDOWS = 4
DEPTH = 5  # hits of a window that join the list
ASKING = 3.0  # a window that does not ask counts for so much less
SHORT, SHORTNESS = 12, 5.0  # one below so many characters too, in proportion
PENALTY = 1.25  # for not being the message as a whole
ENOUGH = 1.0  # more, the surer the message as a whole is
UNSURE, DOUBT = 0.5, 4.0  # a message less sure than this counts less itself

SEPARATE = 0.4  # score from which two windows are two questions
APART = 2  # hits of one among which the first of another is not; so many of each come first

_HAN = re.compile(f"[{HAN}]")


@dataclass(frozen=True, slots=True)
class Found:
    """A hit and the query that it answers best."""

    hit: Hit
    query: Query
    part: int | None = None  # which of the message's questions it answers first, from 0


@dataclass(frozen=True, slots=True)
class _Ranked:
    window: Window
    query: Query
    hits: list[Hit]
    weight: float


def find(
    index: Index, message: str, query_of: Callable[[str], Query], k: int
) -> tuple[list[Found], list[Window]]:
    """Return at most k hits for each question of a message, and its questions if it asks several.

    The best come first; where there are several questions, the best of each, then the second
    best of each, and so on.

    Args:
        message: normalised and put right.
        query_of: cuts and encodes a part of it.
    """
    whole = query_of(message)
    hits = search(index, whole, max(k, DEPTH))
    found = [Found(hit, whole) for hit in hits]
    parts = windows(message)
    if len(_HAN.findall(message)) < LONG and len({part.sentence for part in parts}) < 2:
        return found[:k], []
    ranked = _surest(index, parts, query_of)
    if not ranked:
        return found[:k], []
    several = _several(ranked)
    ordered = _first_of_each([*_in_turn(several), *sorted(_weighed(found, ranked), key=_order)])
    return ordered[: k * max(len(several), 1)], [one.window for one in several]


def _weighed(whole: Sequence[Found], ranked: Sequence[_Ranked]) -> list[Found]:
    """Return the hits of the message as a whole and of its windows, with what each costs."""
    sure = whole[0].hit.score if whole else 0.0
    found = [_less(one, DOUBT) if sure < UNSURE else one for one in whole]
    for one in ranked:
        cost = PENALTY + ENOUGH * sure + (0.0 if one.window.asks else ASKING)
        found += [_less(Found(hit, one.query), cost) for hit in one.hits]
    return found


def _in_turn(several: Sequence[_Ranked]) -> list[Found]:
    """Return the best hit of each question, then the second best of each, and so on."""
    by_part = [
        [
            Found(hit, one.query, None if place else number)
            for place, hit in enumerate(one.hits[:APART])
        ]
        for number, one in enumerate(several)
    ]
    return [one for turn in zip_longest(*by_part) for one in turn if one is not None]


def _several(ranked: Sequence[_Ranked]) -> list[_Ranked]:
    """Return the windows that ask different things, in the message's order; none of only one."""
    found: list[_Ranked] = []
    for one in ranked:
        sure = one.window.asks and one.hits[0].score >= SEPARATE
        if sure and all(_ask_apart(one, other) for other in found):
            found.append(one)
    found.sort(key=lambda one: one.window.start)
    return found if len(found) > 1 else []


def _ask_apart(one: _Ranked, other: _Ranked) -> bool:
    groups, others = ([hit.passage.group for hit in r.hits[:APART]] for r in (one, other))
    is_apart = one.window.sentence != other.window.sentence
    return is_apart and groups[0] not in others and others[0] not in groups


def _surest(
    index: Index, parts: Sequence[Window], query_of: Callable[[str], Query]
) -> list[_Ranked]:
    """Return the windows of the highest weight that do not overlap, the first MOST_WINDOWS."""
    ranked = []
    for window in parts:
        query = query_of(window.text)
        hits = search(index, query, DEPTH)
        if hits:
            length = len(_HAN.findall(window.text))
            weight = _log_odds(hits[0].score) + (ASKING if window.asks else 0.0)
            weight -= SHORTNESS * max(0, SHORT - length) / SHORT
            ranked.append(_Ranked(window, query, hits, weight))
    ranked.sort(key=lambda one: (-one.weight, one.window.start, one.window.end))
    kept: list[_Ranked] = []
    for one in ranked:
        if len(kept) < MOST_WINDOWS and not any(_overlap(one.window, k.window) for k in kept):
            kept.append(one)
    return kept


def _overlap(one: Window, other: Window) -> bool:
    return one.start < other.end and other.start < one.end


def _order(found: Found) -> tuple[float, str]:
    return -found.hit.score, found.hit.passage.id


def _first_of_each(found: Sequence[Found]) -> list[Found]:
    """Return the first hit of each group."""
    first: dict[str, Found] = {}
    for one in found:
        first.setdefault(one.hit.passage.group, one)
    return list(first.values())


def _less(found: Found, cost: float) -> Found:
    """Return a hit with its log-odds lowered."""
    score = 1 / (1 + math.exp(cost - _log_odds(found.hit.score)))
    return Found(Hit(found.hit.passage, score, found.hit.evidence), found.query, found.part)


def _log_odds(score: float) -> float:
    chance = min(max(score, 1e-9), 1 - 1e-9)
    return math.log(chance / (1 - chance))
