"""A question → an answer made of quoted passages, or an honest "we have no guidance on that"."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any
from urllib.parse import quote as quote_address

from qa.corpus import Contact, Passage, Reply, Urgent
from qa.danger import danger
from qa.embed import Encoder, open_encoder
from qa.errors import BadK, IndexProblem, IndexStale, NotFound, QuestionEmpty, QuestionTooLong
from qa.focus import Found, find
from qa.highlight import Highlighter
from qa.index import Index, Topic, searched_text, serving
from qa.message import Rules, Window
from qa.normalise import normalise
from qa.repair import Repairer
from qa.search import Hit, Query
from qa.segment import Segmenter
from qa.settings import Settings
from qa.timing import ENCODE, PRESENT, READ, stage

NOTICE = "以上内容摘自本服务的指引，按原文引用，不是针对您个人情况的法律意见。"
MOST_RELATED = 5

# Lone surrogates cannot be written as UTF-8; control characters but tab and line end mean nothing.
_UNREADABLE = re.compile(r"[\ud800-\udfff\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class Question:
    """What the user typed, fit to be answered. ``parse`` is the only maker."""

    text: str  # at least one character that is not space, at most the limit
    k: int  # how many passages at most

    @classmethod
    def parse(cls, raw: str, k: int, settings: Settings) -> Question:
        """Return the question as typed, without what cannot be read.

        Raises:
            QuestionEmpty: nothing is left but white space.
            QuestionTooLong: more than ``settings.max_question_chars`` characters.
            BadK: k is not from 1 to ``settings.max_k``.
        """
        if not 1 <= k <= settings.max_k:
            raise BadK(settings.max_k)
        text = _UNREADABLE.sub("", raw).strip()
        if len(text) > settings.max_question_chars:
            raise QuestionTooLong(len(text), settings.max_question_chars)
        if not normalise(text).text:
            raise QuestionEmpty
        return cls(text, k)


@dataclass(frozen=True, slots=True)
class Quote:
    """A passage as it is shown."""

    rank: int  # 1-based
    score: float  # probability that it answers, in [0, 1]
    passage: Passage
    highlights: tuple[tuple[int, int], ...]  # spans of passage.text, in order, not overlapping
    part: int | None  # 1-based place in ``Answer.parts`` of what it answers first
    evidence: Mapping[str, float]  # what the score was made of; empty for a danger's own topics
    asked: tuple[str, ...]  # the words that were searched, with repeats, without stop words

    @property
    def matched(self) -> tuple[str, ...]:
        """The words searched that stand in the passage, its title or its heading."""
        text = normalise(searched_text(self.passage)).text
        return tuple(word for word in dict.fromkeys(self.asked) if word in text)


@dataclass(frozen=True, slots=True)
class Answer:
    """What is said to one question."""

    question: Question
    status: str  # "answered" | "uncertain" | "unanswered"
    confidence: float  # calibrated probability that the first ranked passage answers, in [0, 1]
    quotes: tuple[Quote, ...]  # empty when unanswered; those of ``urgent`` first, beyond k
    related: tuple[Topic, ...]
    contacts: tuple[Contact, ...]  # those of ``urgent`` first; else empty when answered
    urgent: Urgent | None  # the danger that the message speaks of
    reply: Reply | None  # what is said to a message that asks nothing
    nearest: str | None  # topic of the first ranked passage, shown or not
    understood: str | None  # the question as it was searched, where it was put right
    parts: tuple[str, ...]  # the questions of a message that asks several, as searched; else empty
    limited: bool  # found by words alone
    build: str
    passages: int  # in the build

    @property
    def leads(self) -> tuple[Quote, ...]:
        """The passages shown first: of the danger's topics, else the best for one question."""
        if self.urgent:
            return tuple(q for q in self.quotes if q.passage.topic in self.urgent.topics)
        return () if self.parts else self.quotes[:1]

    @property
    def by_part(self) -> tuple[tuple[str, Quote | None], ...]:
        """The questions of a message that asks several, each with its passage if that is given."""
        given = {quote.part: quote for quote in self.quotes}
        return tuple((part, given.get(n)) for n, part in enumerate(self.parts, 1))

    @property
    def others(self) -> tuple[Quote, ...]:
        """The passages that are neither first nor of a part."""
        leads = self.leads
        return tuple(q for q in self.quotes if q.part is None and q not in leads)

    @property
    def outcome(self) -> str:
        """The status, but "urgent" for danger and "reply" for a message that asks nothing."""
        if self.urgent:
            return "urgent"
        return "reply" if self.reply else self.status

    @property
    def searched(self) -> str | None:
        """What was searched, where that is not what was typed."""
        return None if self.understood == self.question.text else self.understood


@dataclass(frozen=True, slots=True)
class Findings:
    """What a message was taken for, and what was found for it."""

    text: str  # as searched: normalised and put right
    put_right: bool  # whether that is not what was written
    found: tuple[Found, ...]  # best first, the topics of ``urgent`` before all
    parts: tuple[Window, ...]  # the questions of a message that asks several
    urgent: Urgent | None
    reply: Reply | None
    confidence: float  # probability that the first ranked hit answers
    status: str  # "answered" | "uncertain" | "unanswered"


class OutOfTime(Exception):
    """The time that was given for an answer is over."""


@dataclass(frozen=True)
class Engine:
    """Everything a question needs. Read-only once opened, shared by threads."""

    index: Index
    segmenter: Segmenter
    encoder: Encoder
    words_only: bool = False  # whether it answers without the encoder
    fault: IndexProblem | None = None  # why another build serves than the one that should
    highlighter: Highlighter = field(init=False, repr=False)
    repairer: Repairer = field(init=False, repr=False)
    rules: Rules = field(init=False, repr=False)

    def __post_init__(self) -> None:
        made = {
            "highlighter": Highlighter(self.segmenter, self.encoder),
            "repairer": Repairer(self.index.vocabulary, self.segmenter),
            "rules": Rules(self.index.urgent, self.index.replies),
        }
        for name, part in made.items():
            object.__setattr__(self, name, part)

    @classmethod
    def open(cls, settings: Settings) -> Engine:
        """Open the build in service, and the dictionary and the encoder that it was made with.

        Where that build cannot serve, the one before it does, and ``fault`` says why.

        Raises:
            ModelError, IndexProblem: what is missing or does not fit, and what to do.
        """
        segmenter, encoder = open_tools(settings)
        found = serving(settings.index, segmenter, encoder)
        return cls(found.index, segmenter, encoder, fault=found.fault)

    def renewed(self, settings: Settings) -> Engine:
        """Open the build in service beside this one, with the same dictionary and encoder.

        They are opened anew where the build was made with others.

        Raises:
            ModelError, IndexProblem: as ``open`` does.
        """
        try:
            found = serving(settings.index, self.segmenter, self.encoder)
        except IndexStale:
            return Engine.open(settings)
        if isinstance(found.fault, IndexStale):
            return Engine.open(settings)
        return Engine(found.index, self.segmenter, self.encoder, fault=found.fault)

    @cached_property
    def by_words(self) -> Engine:
        """The engine that answers by words alone: surely in time, less surely right."""
        return replace(self, words_only=True)

    def ask(self, question: Question, until: float | None = None) -> Answer:
        """Return the answer: the same bytes for the same question and build.

        Args:
            until: when to give up, by ``time.monotonic``; looked at before a text is encoded,
                since that may be slow.

        Raises:
            OutOfTime: that time is over.
        """
        findings = self.read(question.text, question.k, until)
        urgent, reply = findings.urgent, findings.reply
        silent = findings.status == "unanswered"
        found = () if silent else findings.found
        with stage(PRESENT):
            quotes = tuple(self._quote(rank, one, until) for rank, one in enumerate(found, 1))
        put_right = findings.put_right and not reply and not urgent
        return Answer(
            question=question,
            status=findings.status,
            confidence=findings.confidence,
            quotes=quotes,
            related=self._related(quotes),
            contacts=self._contacts(findings.status, urgent),
            urgent=urgent,
            reply=reply,
            nearest=findings.found[0].hit.passage.topic if findings.found else None,
            understood=findings.text if put_right else None,
            parts=() if silent else tuple(part.text for part in findings.parts),
            limited=self.words_only,
            build=self.index.manifest.build,
            passages=len(self.index),
        )

    def read(self, message: str, k: int, until: float | None = None) -> Findings:
        """Return what is found for a message, also where too little to be shown.

        Args:
            k: how many hits at most for each question of the message; an urgent message's own
                topics come on top.
            until: see ``ask``.
        """
        with self.segmenter.remembering():
            return self._read(message, k, until)

    def _read(self, message: str, k: int, until: float | None) -> Findings:
        with stage(READ):
            asked = normalise(message).text
            text = self.repairer.repair(asked)
            reply = self.rules.reply(asked)
            if reply and not reply.phrases:  # letters that mean nothing, unless they are pinyin
                reply = self.rules.reply(text)
            # A mere greeting is what it is like in every message, dangerous ones too.
            classifier = None if reply else self.index.danger
            urgent = danger(self.rules, classifier, self.segmenter, asked, text)
        reply = None if urgent else reply
        found, parts = ([], []) if reply else self._find(text, k, until)
        confidence = found[0].hit.score if found else 0.0
        status = self.status(confidence)
        if urgent:
            shown = found if status != "unanswered" else []
            status, found = "answered", self._first(urgent, shown, self._query(text, until))
        return Findings(
            text, text != asked, tuple(found), tuple(parts), urgent, reply, confidence, status
        )

    def query(self, text: str) -> Query:
        """Return a text put right, cut and encoded, as it is searched."""
        return self._query(self._meant(text))

    def rank(self, text: str, k: int) -> list[Hit]:
        """Return at most k hits for a text, best first, whatever would be said of them."""
        return [one.hit for one in self.read(text, k).found]

    def status(self, confidence: float) -> str:
        """Return "answered", "uncertain" or "unanswered"."""
        ranker = self.index.word_ranker if self.words_only else self.index.ranker
        assert ranker is not None
        return ranker.status(confidence)

    def topic(self, id: str) -> tuple[Topic, tuple[Passage, ...]]:
        """Return a topic and its passages in reading order.

        Raises:
            NotFound: no topic of the build has this id.
        """
        if id not in self.index.topic:
            raise NotFound
        rows = self.index.rows_of_topic[id]
        return self.index.topic[id], tuple(self.index.passages[row] for row in rows)

    def _meant(self, text: str) -> str:
        return self.repairer.repair(normalise(text).text)

    def _query(self, text: str, until: float | None = None) -> Query:
        segments = self.segmenter.question(text)
        if self.words_only:
            return Query(segments, None)
        _require_time(until)
        with stage(ENCODE):
            return Query(segments, self.encoder.encode_query(text))

    def _find(self, text: str, k: int, until: float | None) -> tuple[list[Found], list[Window]]:
        """Return at most k hits for a text put right, and its questions if it asks several."""
        message = self.rules.without_courtesies(text)
        return find(self.index, message, lambda part: self._query(part, until), k)

    def _first(self, urgent: Urgent, found: Sequence[Found], query: Query) -> list[Found]:
        """Return hits with the direct answers of a danger's topics before all others."""
        scores = {one.hit.passage.topic: one.hit.score for one in found}
        topics = [topic for topic in urgent.topics if topic in self.index.rows_of_topic]
        leads = [self.index.passages[self.index.rows_of_topic[topic][0]] for topic in topics]
        first = [Found(Hit(lead, scores.get(lead.topic, 0.0), {}), query) for lead in leads]
        return [*first, *(one for one in found if one.hit.passage.topic not in topics)]

    def _quote(self, rank: int, found: Found, until: float | None) -> Quote:
        _require_time(until)
        passage = found.hit.passage
        spans = self.highlighter.spans(found.query, passage.text)
        part = None if found.part is None else found.part + 1
        asked = found.query.segments.terms
        return Quote(rank, found.hit.score, passage, spans, part, found.hit.evidence, asked)

    def _contacts(self, status: str, urgent: Urgent | None) -> tuple[Contact, ...]:
        if urgent:
            return urgent.contacts
        return () if status == "answered" else self.index.contacts

    def _related(self, quotes: Sequence[Quote]) -> tuple[Topic, ...]:
        """Return the topics that the first passage's topic points to and that are not shown."""
        if not quotes:
            return ()
        shown = {quote.passage.topic for quote in quotes}
        ids = self.index.topic[quotes[0].passage.topic].related
        return tuple(self.index.topic[id] for id in ids if id not in shown)[:MOST_RELATED]


def open_tools(settings: Settings) -> tuple[Segmenter, Encoder]:
    """Open the segmenter and the encoder that the settings name."""
    segmenter = Segmenter.open(settings.corpus)
    return segmenter, open_encoder(settings.model, segmenter)


def _require_time(until: float | None) -> None:
    if until is not None and time.monotonic() > until:
        raise OutOfTime


def chinese_count(number: int) -> str:
    """Return how many there are, as Chinese says it: 两."""
    return "两" if number == 2 else chinese_place(number)


def chinese_place(number: int) -> str:
    """Return a place in a list, from 1, as Chinese says it: 二."""
    return "零一二三四五六七八九十"[number] if number <= 10 else f" {number} "


def to_json(answer: Answer, explain: bool = False) -> dict[str, Any]:
    """Return an answer as `/ask` and ``qa ask --json`` give it (design: README, "/ask").

    Args:
        explain: with each passage, say what its score was made of.
    """
    return {
        "question": answer.question.text,
        "status": answer.status,
        "confidence": round(answer.confidence, 4),
        "passages": [
            _quote_json(quote) | ({"explain": _explanation(quote)} if explain else {})
            for quote in answer.quotes
        ],
        "related": [{"topic": topic.id, "title": topic.title} for topic in answer.related],
        "contacts": [
            {"number": contact.number, "name": contact.name, "for": contact.purpose}
            for contact in answer.contacts
        ],
        "urgent": answer.urgent and {"kind": answer.urgent.kind, "says": answer.urgent.says},
        "reply": answer.reply and {"kind": answer.reply.kind, "says": answer.reply.says},
        "understood": answer.understood,
        "parts": list(answer.parts),
        "limited": answer.limited,
        "index": {"build": answer.build, "passages": answer.passages},
        "notice": NOTICE,
    }


def _quote_json(quote: Quote) -> dict[str, Any]:
    passage = quote.passage
    return {
        "rank": quote.rank,
        "score": round(quote.score, 4),
        "topic": passage.topic,
        "id": passage.id,
        "title": passage.title,
        "heading": passage.heading,
        "text": passage.text,
        "highlights": [list(span) for span in quote.highlights],
        "sources": list(passage.sources),
        "reviewed": passage.reviewed,
        "part": quote.part,
        "url": topic_url(passage.topic),
    }


def topic_url(id: str) -> str:
    """Return the address of a topic's page on this server."""
    return f"/topics/{quote_address(id)}"


def _explanation(quote: Quote) -> dict[str, Any]:
    features = {name: round(value, 4) for name, value in quote.evidence.items()}
    return {"features": features, "matched": list(quote.matched)}
