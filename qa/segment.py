"""Cut text into words with jieba and into character n-grams. The only importer of jieba."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import cached_property
from io import TextIOWrapper
from itertools import groupby
from pathlib import Path

import jieba

from qa.errors import CorpusInvalid, Fault
from qa.normalise import HAN, Normalised, normalise
from qa.paths import CORPUS

DICTIONARY = "dictionary.txt"
STOP_WORDS = "stopwords.txt"
SYNONYMS = "synonyms.txt"

# Raised when words, tokens or grams come out differently for the same text and dictionary.
VERSION = 1

_RUN = re.compile(f"[{HAN}]+|[^\\W_{HAN}]+")
_HAN_RUN = re.compile(f"[{HAN}]+")
_WORD = re.compile(r"\w")


@dataclass(frozen=True)
class Segments:
    """One text, cut in the ways that the indexes and the encoder need."""

    normalised: Normalised
    words: tuple[tuple[str, int], ...]  # (word, start in normalised.text), punctuation dropped
    sub_words: tuple[str, ...]  # two- and three-character words inside the words
    stop_words: frozenset[str]
    synonyms: tuple[str, ...] = ()  # of a question's words: what the guidance may say instead

    @property
    def tokens(self) -> tuple[str, ...]:
        """What the encoder reads: words, sub-words, and every character of longer words."""
        words = tuple(word for word, _ in self.words)
        longer = (word for word in words if len(word) > 1 and _HAN_RUN.fullmatch(word))
        return words + self.sub_words + tuple(character for word in longer for character in word)

    @cached_property
    def terms(self) -> tuple[str, ...]:
        """Words and sub-words that are not stop words, with repeats: what is searched by word."""
        words = (word for word, _ in self.words)
        return tuple(word for word in (*words, *self.sub_words) if word not in self.stop_words)

    def grams(self, longest: int) -> tuple[str, ...]:
        """Return every run of 1 to ``longest`` Chinese characters, other words whole."""
        return tuple(_grams(self.normalised.text, longest))


class Segmenter:
    """Normalise and cut with jieba's accurate mode and the domain dictionary.

    Args:
        folder: holds ``dictionary.txt`` (jieba's user dictionary format), ``stopwords.txt``
            (one word a line) and ``synonyms.txt`` (words of one meaning a line, between spaces);
            any may be absent.

    Raises:
        CorpusInvalid: a line of either file cannot be read; names file and line.
    """

    def __init__(self, folder: Path) -> None:
        dictionary = _lines(folder / DICTIONARY)
        stop_words = _lines(folder / STOP_WORDS)
        synonyms = _lines(folder / SYNONYMS)
        self._jieba = _Jieba()
        for number, line in dictionary:
            word, frequency = _entry(line, number)
            self._jieba.add_word(normalise(word).text, frequency)
        self.stop_words = frozenset(normalise(word).text for _, word in stop_words)
        self.synonyms = _groups(line for _, line in synonyms)
        self.sha256 = _sha256(dictionary, stop_words, synonyms)
        self._remembered: ContextVar[dict[str, Segments] | None] = ContextVar(
            "remembered", default=None
        )

    @classmethod
    def open(cls, corpus: Path) -> Segmenter:
        """Return the segmenter of a corpus: its own dictionary, else the shipped one."""
        return cls(corpus if (corpus / DICTIONARY).is_file() else CORPUS)

    @contextmanager
    def remembering(self) -> Iterator[None]:
        """Cut each text once within the block, in this thread, and forget all of them after it.

        A build and a question need the same texts several times; no question outlives its block.
        """
        outermost = self._remembered.get() is None
        token = self._remembered.set({}) if outermost else None
        try:
            yield
        finally:
            if token:
                self._remembered.reset(token)

    def segment(self, text: str) -> Segments:
        """Return a text cut into words, sub-words, tokens and grams, in normal form."""
        remembered = self._remembered.get()
        if remembered is None:
            return self._cut(text)
        if text not in remembered:
            remembered[text] = self._cut(text)
        return remembered[text]

    def question(self, text: str) -> Segments:
        """Return a question cut as ``segment`` cuts it, with the synonyms of what it says."""
        segments = self.segment(text)
        found = dict.fromkeys(
            other
            for word, others in self.synonyms.items()
            if word in segments.normalised.text
            for other in others
            if other not in segments.normalised.text
        )
        words = tuple(word for synonym in found for word, _ in self._words(synonym))
        return replace(segments, synonyms=words)

    def tokens(self, text: str) -> tuple[str, ...]:
        """Return what the encoder reads of a text."""
        return self.segment(text).tokens

    def frequencies(self) -> dict[str, int]:
        """Return how often each word of the dictionary is used; 0 for mere beginnings of words."""
        self._jieba.initialize()
        frequencies: dict[str, int] = self._jieba.FREQ
        return frequencies

    def chance(self, word: str) -> float:
        """Return how often jieba's dictionary sees a word among all words, in [0, 1]."""
        seen = self.frequencies().get(word, 0)
        return float(seen / self._jieba.total)

    def _cut(self, text: str) -> Segments:
        normalised = normalise(text)
        words = tuple(self._words(normalised.text))
        sub_words = tuple(part for word, _ in words for part in self._sub_words(word))
        return Segments(normalised, words, sub_words, self.stop_words)

    def _words(self, text: str) -> Iterator[tuple[str, int]]:
        """Yield each word with its start, without punctuation.

        A Latin word or a number is whole, whatever shorter one the dictionary has: 12345 is a
        hotline, 1234567 is not.
        """
        start = 0
        words = self._jieba.cut(text, HMM=False)
        for is_latin, run in groupby(words, key=_is_latin):
            for word in ["".join(run)] if is_latin else run:
                if _WORD.search(word):
                    yield word, start
                start += len(word)

    def _sub_words(self, word: str) -> Iterator[str]:
        """Yield the two- and three-character words inside a word, as jieba's search mode does."""
        for length in (2, 3):
            for i in range(len(word) - length + 1 if len(word) > length else 0):
                part = word[i : i + length]
                if self._jieba.FREQ.get(part):
                    yield part


class _Jieba(jieba.Tokenizer):  # type: ignore[misc]  # jieba has no types
    """jieba's tokenizer without its cache.

    jieba writes the parsed dictionary as a marshal file to the shared temporary folder, where
    another user can plant one; parsing the dictionary takes no longer than reading that file
    (ADR 0007), so there is nothing to keep.
    """

    initialized: bool

    def initialize(self, dictionary: str | None = None) -> None:
        with self.lock:
            if not self.initialized:
                with TextIOWrapper(self.get_dict_file(), "utf-8") as lines:
                    self.FREQ, self.total = _frequencies(lines)
                self.initialized = True


def _frequencies(lines: Iterable[str]) -> tuple[dict[str, int], int]:
    """Return what jieba's ``gen_pfdict`` returns, in three quarters of its time.

    Beginnings of words are known with frequency 0. From the longest down, the first that is known
    has all of its own known too, so most words need one look.
    """
    found: dict[str, int] = {}
    total = 0
    for line in lines:
        word, frequency, _ = line.split(" ")
        found[word] = int(frequency)
        total += found[word]
    for word in list(found):
        beginning = word[:-1]
        while beginning and beginning not in found:
            found[beginning] = 0
            beginning = beginning[:-1]
    return found, total


def _is_latin(word: str) -> bool:
    return word.isascii() and word.isalnum()


def _grams(text: str, longest: int) -> Iterator[str]:
    for match in _RUN.finditer(text):
        run = match.group()
        if not _HAN_RUN.fullmatch(run):
            yield run
            continue
        for length in range(1, longest + 1):
            for i in range(len(run) - length + 1):
                yield run[i : i + length]


def _groups(lines: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return, for each word, the other words of its groups, in the order of the file."""
    groups: dict[str, dict[str, None]] = {}
    for line in lines:
        words = [normalise(word).text for word in line.split()]
        for word in words:
            others = groups.setdefault(word, {})
            others.update(dict.fromkeys(other for other in words if other != word))
    return {word: tuple(others) for word, others in groups.items()}


def _lines(path: Path) -> list[tuple[int, str]]:
    """Return the numbered lines of a file that are neither empty nor comments."""
    if not path.is_file():
        return []
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise CorpusInvalid([Fault(path.name, line, "不是 UTF-8 编码。", "not UTF-8.")]) from error
    numbered = ((number, line.strip()) for number, line in enumerate(text.splitlines(), 1))
    return [(number, line) for number, line in numbered if line and not line.startswith("#")]


def _entry(line: str, number: int) -> tuple[str, int | None]:
    """Return the word and the frequency of a dictionary line: word, frequency, tag."""
    word, *rest = line.split()
    if not rest:
        return word, None
    if not rest[0].isdecimal():
        chinese, english = "词频必须是整数。", "the frequency must be a whole number."
        raise CorpusInvalid([Fault(DICTIONARY, number, chinese, english)])
    return word, int(rest[0])


def _sha256(*parts: list[tuple[int, str]]) -> str:
    lines = [line for part in parts for line in [*(text for _, text in part), ""]]
    head = [str(VERSION), jieba.__version__]
    return hashlib.sha256("\n".join(head + lines).encode()).hexdigest()
