"""What the corpus is made of."""

from __future__ import annotations

from dataclasses import dataclass

# What the classifier calls questions that no document answers; no document has this id.
OFF_TOPIC = "off-topic"
# The kind of examples of no danger; no danger has this name.
NO_DANGER = "none"


@dataclass(frozen=True, slots=True)
class Passage:
    """The unit that is indexed and shown: whole sentences and whole steps of one section."""

    id: str  # "<topic>#<first 8 hex of sha256(heading, text)>": inserting a passage moves no ids
    topic: str  # the document's id
    group: str  # at most one passage of a group is shown: the topic, or the section of a plain file
    title: str  # the document's title
    heading: str  # the section's heading; "" for the lead
    text: str  # as shown; steps and items are lines that begin with "1. " or "- "
    sources: tuple[str, ...]
    reviewed: str | None  # ISO 8601 date
    line: int  # 1-based, where the passage begins in its file


@dataclass(frozen=True, slots=True)
class Document:
    """One guidance file, one topic."""

    id: str
    title: str
    chapter: str  # id of a chapter, or "" for a file that lies in none
    questions: tuple[str, ...]  # other ways people ask it: learned from, never shown
    sources: tuple[str, ...]
    reviewed: str | None
    related: tuple[str, ...]  # ids of documents
    often: bool  # among the questions that the start page lists
    passages: tuple[Passage, ...]  # in the file's order; the first is the direct answer
    path: str  # below the corpus folder, with forward slashes
    lines: dict[str, int]  # front matter key -> 1-based line


@dataclass(frozen=True, slots=True)
class Chapter:
    """A group of topics, in reading order."""

    id: str
    title: str


@dataclass(frozen=True, slots=True)
class OffTopic:
    """A question that the guidance does not answer, to learn silence from."""

    kind: str  # "near" (money, courts, family, but not these topics) or "far"
    text: str


@dataclass(frozen=True, slots=True)
class Contact:
    """A public number that the guidance names."""

    number: str
    name: str
    purpose: str
    shown: bool  # given to people whose question the guidance does not answer
    words: tuple[str, ...] = ()  # a passage that names the number has one of them


@dataclass(frozen=True, slots=True)
class Urgent:
    """A danger that a message may speak of, and what then comes before every other answer."""

    kind: str
    says: str  # shown above everything else
    contacts: tuple[Contact, ...]
    topics: tuple[str, ...]  # their direct answers come first, in this order
    phrases: tuple[str, ...]  # any of them in the message; "…" stands for a few characters
    lookalikes: tuple[str, ...]  # passed over before phrases are looked for; "…" likewise
    margin: float  # what its score must have over that of "none" where no phrase is there


@dataclass(frozen=True, slots=True)
class Example:
    """A message that speaks of a danger, or of none, to learn the difference from."""

    kind: str  # of an ``Urgent``, or NO_DANGER
    text: str


@dataclass(frozen=True, slots=True)
class Reply:
    """What is said to a message that asks nothing."""

    kind: str
    says: str
    phrases: tuple[str, ...]  # a message made of nothing else


@dataclass(frozen=True, slots=True)
class Rendering:
    """A text of the corpus in English, for the training of the encoder only."""

    chinese: str
    english: str


@dataclass(frozen=True, slots=True)
class Corpus:
    """All documents, in the order of their chapters and paths."""

    documents: tuple[Document, ...]
    chapters: tuple[Chapter, ...]
    off_topic: tuple[OffTopic, ...]
    contacts: tuple[Contact, ...]
    never: tuple[str, ...]  # phrases that guidance never has
    urgent: tuple[Urgent, ...]  # the gravest first
    examples: tuple[Example, ...]  # of dangers and of none
    replies: tuple[Reply, ...]
    lookalikes: dict[str, str]  # character -> characters that are typed or read for it
    sha256: str  # over every file that was read

    @property
    def passages(self) -> tuple[Passage, ...]:
        """All passages, in order."""
        return tuple(passage for document in self.documents for passage in document.passages)
