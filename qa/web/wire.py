"""What goes over the wire as JSON, as pydantic models: the source of ``/openapi.json``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

MOST_QUESTIONS = 32  # in one batch

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
        Field(
            ge=1,
            description="How many passages at most for each question that the message asks, "
            "written without a decimal point.",
        ),
    ] = 3
    explain: Annotated[
        bool,
        Field(description="Whether each passage is to say what its score was made of."),
    ] = False


class BatchRequest(Message):
    """Several questions. All are answered, or none: one bad item refuses the batch."""

    questions: Annotated[list[AskRequest], Field(min_length=1, max_length=MOST_QUESTIONS)]


class Explanation(Message):
    """What the score of a passage was made of."""

    features: Annotated[
        dict[str, float],
        Field(
            description='The evidence by name (docs/http.md, "Why a passage"); those of a topic '
            "are missing for a plain file. Empty for a passage that only a danger's topics bring."
        ),
    ]
    matched: Annotated[
        list[str],
        Field(
            description="The words of the question, in simplified characters and without stop "
            "words, that stand in the passage, its title or its heading."
        ),
    ]


class QuotedPassage(Message):
    """A passage of the guidance, quoted as it stands."""

    rank: Annotated[int, Field(ge=1)]
    score: Annotated[
        Probability,
        Field(
            description="Probability that this passage answers; 0 for one that only a danger's "
            "topics bring."
        ),
    ]
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
    part: Annotated[
        int | None,
        Field(ge=1, description="1-based place in `parts` of the question that it answers."),
    ]
    url: Annotated[str, Field(description="Address of the whole topic's page on this server.")]
    explain: Annotated[
        Explanation | None, Field(description="Given where it was asked for, never null.")
    ] = None


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


class Danger(Message):
    """A danger to life or limb that the message speaks of."""

    kind: Annotated[str, Field(description="Its name in the corpus, such as `self-harm`.")]
    says: Annotated[str, Field(description="To be shown before everything else.")]


class Remark(Message):
    """What is said to a message that asks nothing: a greeting, thanks, what cannot be read."""

    kind: Annotated[str, Field(description="Its name in the corpus, such as `greeting`.")]
    says: Annotated[str, Field(description="To be shown in place of passages.")]


class AskResponse(Message):
    """An answer. `answered`: the first passage answers the question. `uncertain`: the nearest
    guidance, and phone numbers. `unanswered`: no passages, phone numbers instead. With `urgent`
    the status is `answered`, and the passages of the danger's topics come first.
    """

    question: Annotated[str, Field(description="As read: without control characters.")]
    status: Literal["answered", "uncertain", "unanswered"]
    confidence: Annotated[
        Probability,
        Field(
            description="Calibrated probability that the first passage found by search answers, "
            "whatever comes before it for a danger; 0 with `reply`."
        ),
    ]
    passages: Annotated[
        list[QuotedPassage],
        Field(
            description="Best first; none when unanswered. With `urgent` those of its topics "
            "first, beyond `k`; the others are at most `k` for each question asked. Of these, with "
            "`parts`, the best for each part comes first, in their order."
        ),
    ]
    related: list[RelatedTopic]
    contacts: Annotated[
        list[Phone],
        Field(description="Empty when answered, but the help lines of the danger with `urgent`."),
    ]
    urgent: Annotated[
        Danger | None, Field(description="The gravest danger spoken of; null where there is none.")
    ]
    reply: Annotated[Remark | None, Field(description="Null for a question and with `urgent`.")]
    understood: Annotated[
        str | None,
        Field(
            description="The question as it was searched, where spelling was put right or pinyin "
            "written out; else null, as with `urgent` and `reply`."
        ),
    ]
    parts: Annotated[
        list[str],
        Field(
            description="The questions of a message that asks several, as searched, in its order; "
            "else empty."
        ),
    ]
    limited: Annotated[
        bool,
        Field(
            description="Whether the time limit for a question ran out, so that the answer was "
            "found by words alone. It is then at most `uncertain`, but for `urgent`; the same "
            "question may get a better one later."
        ),
    ]
    index: IndexInfo
    notice: Annotated[str, Field(description="What the answer is not: legal advice.")]


class BatchResponse(Message):
    """The answers to a batch, in the order of its questions."""

    answers: list[AskResponse]


class TopicHead(Message):
    """A topic, as the list of topics has it."""

    id: Annotated[str, Field(description="Never changes.")]
    title: Annotated[str, Field(description="The question that it answers.")]
    url: Annotated[str, Field(description="Address of its page on this server.")]
    reviewed: Annotated[
        str | None, Field(description="Day on which a person last checked it, ISO 8601.")
    ]


class Chapter(Message):
    """Topics that belong together, in reading order."""

    title: Annotated[str, Field(description="Empty for files that lie in no chapter.")]
    topics: list[TopicHead]


class TopicList(Message):
    """Everything that the service has guidance on, in reading order."""

    chapters: list[Chapter]
    index: IndexInfo


class TopicPassage(Message):
    """A passage of a topic, as it stands."""

    id: Annotated[str, Field(description="Id of the passage; changes when its text does.")]
    heading: Annotated[str, Field(description="The section's heading; empty for the lead.")]
    text: Annotated[str, Field(description='Steps and items are lines after "1. " or "- ".')]


class WholeTopic(TopicHead):
    """A topic with all of its passages, in reading order; the first is the direct answer."""

    chapter: Annotated[str, Field(description="Its chapter's title; may be empty.")]
    passages: list[TopicPassage]
    sources: Annotated[list[str], Field(description="What the statements rest on.")]
    related: list[RelatedTopic]
    index: IndexInfo
    notice: Annotated[str, Field(description="What the topic is not: legal advice.")]


class Alive(Message):
    """The process answers."""

    status: Literal["alive"] = "alive"


class Warned(Message):
    """What somebody should look at, though questions are answered."""

    code: Annotated[
        Literal["previous_build", "other_build", "feedback_unwritable"],
        Field(description="Never changes."),
    ]
    detail: Annotated[str, Field(description="What it means and what to do.")]


class Ready(Message):
    """An index serves."""

    status: Literal["ready"] = "ready"
    index: IndexInfo
    warnings: Annotated[
        list[Warned], Field(description="What to look at; empty where all is well.")
    ] = []


class Problem(Message):
    """An error, as RFC 9457 has it. `code` never changes; `detail` says what to do."""

    type: Annotated[str, Field(description="Address of an example of this error.")]
    title: str
    status: Annotated[int, Field(ge=400, le=599)]
    detail: str
    code: str
    pointer: Annotated[
        str | None,
        Field(
            description="JSON Pointer, as a fragment, to the item of a batch that is at fault; "
            "left out elsewhere."
        ),
    ] = None

    def to_json(self) -> str:
        """Return the problem as it goes over the wire, without a pointer where there is none."""
        return self.model_dump_json(exclude_none=True)
