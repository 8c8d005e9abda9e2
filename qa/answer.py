"""A question → an answer made of quoted passages, or an honest "we have no guidance on that"."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote as quote_address

from qa.corpus import Contact, Passage
from qa.embed import Encoder, open_encoder
from qa.errors import BadK, NotFound, QuestionEmpty, QuestionTooLong
from qa.highlight import Highlighter
from qa.index import Index, Topic, load
from qa.normalise import normalise
from qa.search import Query, search
from qa.segment import Segmenter
from qa.settings import Settings

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


@dataclass(frozen=True, slots=True)
class Answer:
    """What is said to one question."""

    question: Question
    status: str  # "answered" | "uncertain" | "unanswered"
    confidence: float  # calibrated probability that the first passage answers, in [0, 1]
    quotes: tuple[Quote, ...]  # empty when unanswered
    related: tuple[Topic, ...]
    contacts: tuple[Contact, ...]  # empty when answered
    build: str
    passages: int  # in the build


@dataclass(frozen=True)
class Engine:
    """Everything a question needs. Read-only once opened, shared by threads."""

    index: Index
    segmenter: Segmenter
    encoder: Encoder
    highlighter: Highlighter = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "highlighter", Highlighter(self.segmenter, self.encoder))

    @classmethod
    def open(cls, settings: Settings) -> Engine:
        """Open the build in service, and the dictionary and the encoder that it was made with.

        Raises:
            ModelError, IndexProblem: what is missing or does not fit, and what to do.
        """
        segmenter, encoder = open_tools(settings)
        return cls(load(settings.index, segmenter, encoder), segmenter, encoder)

    def ask(self, question: Question) -> Answer:
        """Return the answer: the same bytes for the same question and build."""
        segments = self.segmenter.question(question.text)
        query = Query(segments, self.encoder.encode_query(question.text))
        hits = search(self.index, query, question.k)
        confidence = hits[0].score if hits else 0.0
        assert self.index.ranker is not None
        status = self.index.ranker.status(confidence)
        quotes = (
            ()
            if status == "unanswered"
            else tuple(
                Quote(
                    hit.rank,
                    hit.score,
                    hit.passage,
                    self.highlighter.spans(query, hit.passage.text),
                )
                for hit in hits
            )
        )
        return Answer(
            question=question,
            status=status,
            confidence=confidence,
            quotes=quotes,
            related=self._related(quotes),
            contacts=() if status == "answered" else self.index.contacts,
            build=self.index.manifest.build,
            passages=len(self.index),
        )

    def topic(self, id: str) -> tuple[Topic, tuple[Passage, ...]]:
        """Return a topic and its passages in reading order.

        Raises:
            NotFound: no topic of the build has this id.
        """
        if id not in self.index.topic:
            raise NotFound
        rows = self.index.rows_of_topic[id]
        return self.index.topic[id], tuple(self.index.passages[row] for row in rows)

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


def to_json(answer: Answer) -> dict[str, Any]:
    """Return an answer as `/ask` and ``qa ask --json`` give it (design: README, "/ask")."""
    return {
        "question": answer.question.text,
        "status": answer.status,
        "confidence": round(answer.confidence, 4),
        "passages": [_quote_json(quote) for quote in answer.quotes],
        "related": [{"topic": topic.id, "title": topic.title} for topic in answer.related],
        "contacts": [
            {"number": contact.number, "name": contact.name, "for": contact.purpose}
            for contact in answer.contacts
        ],
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
        "url": f"/topics/{quote_address(passage.topic)}",
    }
