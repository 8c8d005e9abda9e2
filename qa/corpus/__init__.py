"""Guidance files on disk → documents and passages. The only reader of ``corpus/``.

No words, no vectors: a passage is text with its place and its sources.
"""

from qa.corpus.check import check
from qa.corpus.model import OFF_TOPIC, Chapter, Contact, Corpus, Document, OffTopic, Passage
from qa.corpus.read import read
from qa.corpus.split import blocks, sentences

__all__ = [
    "OFF_TOPIC",
    "Chapter",
    "Contact",
    "Corpus",
    "Document",
    "OffTopic",
    "Passage",
    "blocks",
    "check",
    "read",
    "sentences",
]
