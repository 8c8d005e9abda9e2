"""Guidance files on disk → documents and passages. The only reader of ``corpus/``.

No words, no vectors: a passage is text with its place and its sources.
"""

from qa.corpus.check import check
from qa.corpus.model import (
    NO_DANGER,
    OFF_TOPIC,
    Chapter,
    Contact,
    Corpus,
    Document,
    Example,
    OffTopic,
    Passage,
    Rendering,
    Reply,
    Urgent,
)
from qa.corpus.read import read, renderings
from qa.corpus.split import blocks, sentences

__all__ = [
    "NO_DANGER",
    "OFF_TOPIC",
    "Chapter",
    "Contact",
    "Corpus",
    "Document",
    "Example",
    "OffTopic",
    "Passage",
    "Rendering",
    "Reply",
    "Urgent",
    "blocks",
    "check",
    "read",
    "renderings",
    "sentences",
]
