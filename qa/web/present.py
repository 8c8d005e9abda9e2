"""An ``Answer`` or a document → the parts of a page. Knows nothing of HTTP.

Texts are quoted as they stand: they are cut for marking and linking, never rewritten.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from qa.answer import Answer, Engine, Quote
from qa.corpus import Contact, Passage, blocks
from qa.index import Topic

MOST_PASSAGES_INLINE = 12
_DAY = re.compile(r"(\d{4})-(\d\d)-(\d\d)")
_NESTED = re.compile(r"\u3000+(?:- )?")


@dataclass(frozen=True, slots=True)
class Run:
    """Text to show; ``number`` is the phone number that it is, or empty."""

    text: str
    number: str


@dataclass(frozen=True, slots=True)
class Stretch:
    """Text that is highlighted as a whole, or not."""

    marked: bool
    runs: tuple[Run, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """A paragraph, a step or an item."""

    stretches: tuple[Stretch, ...]
    nested: bool  # an item of an item


@dataclass(frozen=True, slots=True)
class Group:
    """Consecutive lines of one kind: "text", "step" or "item"."""

    kind: str
    start: int  # number of the first step
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """What stands under one heading of a document."""

    heading: str
    groups: tuple[Group, ...]


@dataclass(frozen=True, slots=True)
class Card:
    """A quoted passage as the page shows it."""

    topic: str
    title: str
    heading: str
    groups: tuple[Group, ...]
    whole: tuple[Section, ...]  # empty where the document is too long for the same page
    sources: tuple[str, ...]
    reviewed: str | None


@dataclass(frozen=True, slots=True)
class Shelf:
    """The quoted passages of an answer as cards, in the order in which they are read."""

    leads: tuple[Card, ...]
    parts: tuple[tuple[str, Card | None], ...]  # each part and its card
    others: tuple[Card, ...]


def shelf(answer: Answer, engine: Engine) -> Shelf:
    """Return an answer's passages as cards, each with the whole of its document."""
    return Shelf(
        leads=tuple(_card(quote, engine) for quote in answer.leads),
        parts=tuple(
            (part, _card(quote, engine) if quote else None) for part, quote in answer.by_part
        ),
        others=tuple(_card(quote, engine) for quote in answer.others),
    )


def said(text: str, contacts: Sequence[Contact]) -> tuple[tuple[Run, ...], tuple[Run, ...]]:
    """Return the first sentence of what is said, and the rest, with the numbers to call."""
    end = text.find("。") + 1 or len(text)
    numbers = _numbers(contacts)
    return tuple(_runs(text[:end], numbers)), tuple(_runs(text[end:], numbers))


def sections(passages: Iterable[Passage], contacts: Sequence[Contact]) -> list[Section]:
    """Return a document's passages as sections; a list cut in two is one again."""
    return [
        Section(heading, _groups(line for p in part for line in _lines(p.text, (), contacts)))
        for heading, part in groupby(passages, key=lambda passage: passage.heading)
    ]


def to_do(sections: Sequence[Section]) -> str:
    """Return which kind of lines says what to do: steps, or items where there are no steps."""
    kinds = {group.kind for section in sections for group in section.groups}
    return "step" if "step" in kinds else "item"


def often(topics: Sequence[Topic]) -> list[tuple[str, list[Topic]]]:
    """Return (chapter's title, those of its topics that are asked often), in reading order.

    Where nobody has marked any, the first two of each chapter stand for them.
    """
    if any(topic.often for topic in topics):
        return chapters(topic for topic in topics if topic.often)
    return [(title, found[:2]) for title, found in chapters(topics)]


def chapters(topics: Iterable[Topic]) -> list[tuple[str, list[Topic]]]:
    """Return (chapter's title, its topics), in reading order."""
    return [(title, list(part)) for title, part in groupby(topics, key=lambda t: t.chapter)]


def chinese_day(day: str) -> str:
    """Return an ISO 8601 day as Chinese readers write it: 2026-11-24 → 2026年11月24日."""
    found = _DAY.fullmatch(day)
    return "{}年{:d}月{:d}日".format(*map(int, found.groups())) if found else day


def _card(quote: Quote, engine: Engine) -> Card:
    passage = quote.passage
    return Card(
        topic=passage.topic,
        title=passage.title,
        heading=passage.heading,
        groups=_groups(_lines(passage.text, quote.highlights, engine.index.contacts)),
        whole=_whole(passage.topic, engine),
        sources=passage.sources,
        reviewed=passage.reviewed,
    )


def _whole(topic: str, engine: Engine) -> tuple[Section, ...]:
    _, passages = engine.topic(topic)
    if len(passages) > MOST_PASSAGES_INLINE:
        return ()
    return tuple(sections(passages, engine.index.contacts))


def _groups(lines: Iterable[tuple[str, int, Line]]) -> tuple[Group, ...]:
    found: list[Group] = []
    for kind, number, line in lines:
        last = found[-1] if found else None
        follows = last is not None and (kind != "step" or number == last.start + len(last.lines))
        if last is not None and last.kind == kind and follows:
            found[-1] = Group(kind, last.start, (*last.lines, line))
        else:
            found.append(Group(kind, number, (line,)))
    return tuple(found)


def _lines(
    text: str, highlights: Sequence[tuple[int, int]], contacts: Sequence[Contact]
) -> Iterator[tuple[str, int, Line]]:
    """Yield (kind, number of a step or 0, line)."""
    numbers = _numbers(contacts)
    for kind, start, end in blocks(text):
        marker = text[text.rfind("\n", 0, start) + 1 : start]
        number = int(re.sub(r"\D", "", marker)) if kind == "step" else 0
        nested = _NESTED.match(text, start, end) if kind == "text" else None
        begin = nested.end() if nested else start
        stretches = tuple(
            Stretch(marked, tuple(_runs(text[a:b], numbers)))
            for marked, a, b in _stretches(begin, end, highlights)
        )
        yield kind, number, Line(stretches, nested is not None)


def _stretches(
    start: int, end: int, highlights: Sequence[tuple[int, int]]
) -> Iterator[tuple[bool, int, int]]:
    """Cut [start, end) where highlights, in order, begin and end."""
    for a, b in highlights:
        a, b = max(a, start), min(b, end)
        if a < b:
            if start < a:
                yield False, start, a
            yield True, a, b
            start = b
    if start < end:
        yield False, start, end


def _numbers(contacts: Sequence[Contact]) -> re.Pattern[str]:
    """Return what is a number to call: a contact's, and 110 and 120 where one is told to call."""
    names = "|".join(re.escape(contact.number) for contact in contacts) or "(?!)"
    call = "[拨打报]"
    return re.compile(
        rf"(?<![\d.-])(?:{names})(?![\d.-])"
        rf"|(?:(?<={call})|(?<={call}1[12]0[或、]))1[12]0(?![\d天日])",
        re.ASCII,
    )


def _runs(text: str, numbers: re.Pattern[str]) -> Iterator[Run]:
    start = 0
    for found in numbers.finditer(text):
        if start < found.start():
            yield Run(text[start : found.start()], "")
        yield Run(found.group(), found.group())
        start = found.end()
    if start < len(text):
        yield Run(text[start:], "")
