"""What goes over the wire as JSON, as pydantic models: the source of ``/openapi.json``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Probability = Annotated[float, Field(ge=0, le=1)]
Span = tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0)]]


class Message(BaseModel):
    """A JSON object with the fields named here and no others."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class AskRequest(Message):
    """A question. The limits of both fields are those of the server's settings."""

    question: Annotated[
        str,
        Field(
            description="The question, in the asker's own words. Its length counts without "
            "control characters and without white space at its ends."
        ),
    ]
    k: Annotated[
        int,
        Field(ge=1, description="How many passages at most, written without a decimal point."),
    ] = 3


class QuotedPassage(Message):
    """A passage of the guidance, quoted as it stands."""

    rank: Annotated[int, Field(ge=1)]
    score: Annotated[Probability, Field(description="Probability that this passage answers.")]
    topic: Annotated[str, Field(description="Id of the topic; never changes.")]
    id: Annotated[str, Field(description="Id of the passage; changes when its text does.")]
    title: Annotated[str, Field(description="The topic's title: the question that it answers.")]
    heading: Annotated[str, Field(description="The section's heading; empty for the lead.")]
    text: Annotated[str, Field(description='Steps and items are lines after "1. " or "- ".')]
    highlights: Annotated[
        list[Span],
        Field(description="Spans [start, end) of `text` nearest to the question, in code points."),
    ]
    sources: Annotated[list[str], Field(description="What the statements rest on.")]
    reviewed: Annotated[
        str | None,
        Field(description="Day on which a person last checked the topic, ISO 8601."),
    ]
    url: Annotated[str, Field(description="Address of the whole topic on this server.")]


class RelatedTopic(Message):
    """A topic that the first passage's topic points to."""

    topic: str
    title: str


class Phone(Message):
    """An official number that a person can call."""

    number: str
    name: str
    purpose: Annotated[str, Field(alias="for", description="What to call it for.")]


class IndexInfo(Message):
    """The index that answered."""

    build: Annotated[str, Field(description="The same build gives the same answers.")]
    passages: Annotated[int, Field(ge=0)]


class AskResponse(Message):
    """An answer. `answered`: the first passage answers the question. `uncertain`: the nearest
    guidance, and phone numbers. `unanswered`: no passages, phone numbers instead.
    """

    question: Annotated[str, Field(description="As read: without control characters.")]
    status: Literal["answered", "uncertain", "unanswered"]
    confidence: Annotated[
        Probability, Field(description="Calibrated probability that the first passage answers.")
    ]
    passages: Annotated[list[QuotedPassage], Field(description="Best first; none when unanswered.")]
    related: list[RelatedTopic]
    contacts: Annotated[list[Phone], Field(description="Empty when answered.")]
    index: IndexInfo
    notice: Annotated[str, Field(description="What the answer is not: legal advice.")]


class Alive(Message):
    """The process answers."""

    status: Literal["alive"] = "alive"


class Ready(Message):
    """An index serves."""

    status: Literal["ready"] = "ready"
    index: IndexInfo


class Problem(Message):
    """An error, as RFC 9457 has it. `code` never changes; `detail` says what to do."""

    type: Annotated[str, Field(description="Address of an example of this error.")]
    title: str
    status: Annotated[int, Field(ge=400, le=599)]
    detail: str
    code: str
