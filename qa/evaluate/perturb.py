"""Other forms of judged questions: what people's keyboards, hurry and habits make of them.

A form changes how a question is asked and not what it asks, so its topics stay. What is changed is
drawn by lot from the question's id: the same in every run.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from qa.evaluate.judged import Judged
from qa.evaluate.wording import FILLERS, JOINS, LOOK_ALIKES, STORIES
from qa.normalise import HAN, to_traditional
from qa.pinyin import sound
from qa.segment import Segmenter

TWO = "two"
TYPED = "typed"
# Rarer words come so late in a list of candidates that nobody takes them by mistake.
COMMON = 100
FIRST_PAGE = 3  # candidates of an input method from which a slip takes one
MOST_SYLLABLES = 4

_HAN = re.compile(f"[{HAN}]")
_SPACED = re.compile(r"\s+")

Lot = np.random.Generator
Form = Callable[["Writer", str, Lot], str]


@dataclass(frozen=True, slots=True)
class Asked:
    """One message and the judged questions that it asks."""

    text: str
    questions: tuple[Judged, ...]  # one; of the form "two", two


class Writer:
    """Writes questions in other forms, with the words of a segmenter's dictionary."""

    def __init__(self, segmenter: Segmenter) -> None:
        self._segmenter = segmenter

    def write(self, form: str, question: Judged) -> str:
        """Return a question in a form; as it is where the form changes nothing about it."""
        return FORMS[form](self, question.text, lot(form, question.id))

    def words(self, text: str) -> list[tuple[str, int]]:
        """Return the Chinese words of a text as typed, and where each begins."""
        segments = self._segmenter.segment(text)
        spans = (
            (segments.normalised.span(start, start + len(word)), word)
            for word, start in segments.words
            if all(map(_HAN.match, word))
        )
        # Words that normalising has changed are left alone: they stand otherwise in the text.
        return [(word, start) for (start, end), word in spans if text[start:end] == word]

    def homophones(self, word: str) -> list[str]:
        """Return other words that the same keys give, most frequent first.

        Where the dictionary has none, each character in turn gives way to the commonest other.
        """
        found = [other for other in self._by_pinyin.get(sound(word), ()) if other != word]
        if found or len(word) == 1:
            return found
        others = ((i, self.homophones(character)) for i, character in enumerate(word))
        return [word[:i] + found[0] + word[i + 1 :] for i, found in others if found]

    @cached_property
    def _by_pinyin(self) -> Mapping[str, Sequence[str]]:
        """Common words by their toneless pinyin, most frequent first, ties in dictionary order."""
        frequencies = self._segmenter.frequencies()
        words = [
            word
            for word, frequency in frequencies.items()
            if frequency >= COMMON and len(word) <= MOST_SYLLABLES and all(map(_HAN.match, word))
        ]
        found: dict[str, list[str]] = {}
        for word in sorted(words, key=lambda word: (-frequencies[word], word)):
            found.setdefault(sound(word), []).append(word)
        return found


def lot(form: str, id: str) -> Lot:
    """Return the lot that a question draws in a form."""
    digest = hashlib.sha256(f"{form}\0{id}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))


def asked(writer: Writer, form: str, judged: Sequence[Judged]) -> list[Asked]:
    """Return the questions that a form changes, in that form.

    Args:
        judged: all with topics.
    """
    if form == TWO:
        return _twos(judged)
    written = ((question, writer.write(form, question)) for question in judged)
    return [Asked(text, (question,)) for question, text in written if text != question.text]


def traditional(writer: Writer, text: str, lot: Lot) -> str:
    """In traditional characters."""
    return to_traditional(text)


def full_width(writer: Writer, text: str, lot: Lot) -> str:
    """Letters, digits and punctuation as wide as Chinese characters, spaces too."""
    wide = {code: code + 0xFEE0 for code in range(0x21, 0x7F)} | {0x20: 0x3000}
    return text.translate(wide)


def homophone(writer: Writer, text: str, lot: Lot) -> str:
    """One or two words replaced by others that the same keys give."""
    choices = {
        start: (word, found[:FIRST_PAGE])
        for word, start in writer.words(text)
        if (found := writer.homophones(word)) and (len(word) > 1 or len(text) < 8)
    }
    for start in sorted(_some(lot, sorted(choices), 2), reverse=True):
        word, found = choices[start]
        # The second candidate is taken half as often as the first, the third a third as often.
        weights = 1 / np.arange(1, len(found) + 1)
        other = found[int(lot.choice(len(found), p=weights / weights.sum()))]
        text = text[:start] + other + text[start + len(word) :]
    return text


def shape(writer: Writer, text: str, lot: Lot) -> str:
    """One or two characters replaced by others that look like them."""
    places = [i for i, character in enumerate(text) if character in _LOOKS_LIKE]
    for i in _some(lot, places, 2):
        others = _LOOKS_LIKE[text[i]]
        text = text[:i] + others[int(lot.integers(len(others)))] + text[i + 1 :]
    return text


def missing(writer: Writer, text: str, lot: Lot) -> str:
    """One Chinese character left out; of fewer than three, none."""
    places = _characters(text)
    if len(places) < 3:
        return text
    i = places[int(lot.integers(len(places)))]
    return text[:i] + text[i + 1 :]


def doubled(writer: Writer, text: str, lot: Lot) -> str:
    """One Chinese character typed twice."""
    places = _characters(text)
    if not places:
        return text
    i = places[int(lot.integers(len(places)))]
    return text[:i] + text[i] + text[i:]


def spaced(writer: Writer, text: str, lot: Lot) -> str:
    """A space between all characters."""
    return " ".join(_SPACED.sub("", text))


def pinyin(writer: Writer, text: str, lot: Lot) -> str:
    """One word of two or more characters left as it was keyed."""
    words = [(word, start) for word, start in writer.words(text) if len(word) > 1]
    if not words:
        return text
    word, start = words[int(lot.integers(len(words)))]
    return text[:start] + sound(word) + text[start + len(word) :]


def story(writer: Writer, text: str, lot: Lot) -> str:
    """In the middle or at the end of a long story about something else."""
    before, after = STORIES[int(lot.integers(len(STORIES)))].split("{}")
    return before + (_sentence(text) if after else text) + after


def filler(writer: Writer, text: str, lot: Lot) -> str:
    """With a greeting before and thanks after it."""
    before, after = FILLERS[int(lot.integers(len(FILLERS)))]
    return before + _sentence(text) + after


FORMS: dict[str, Form] = {
    form.__name__: form
    for form in (
        traditional,
        full_width,
        homophone,
        shape,
        missing,
        doubled,
        spaced,
        pinyin,
        story,
        filler,
    )
}


def _twos(judged: Sequence[Judged]) -> list[Asked]:
    """Return each question joined with one of other topics."""
    found = []
    for question in judged:
        draw = lot(TWO, question.id)
        others = [other for other in judged if not other.topics & question.topics]
        if others:
            other = others[int(draw.integers(len(others)))]
            join = JOINS[int(draw.integers(len(JOINS)))]
            text = join.format(_sentence(question.text), other.text)
            found.append(Asked(text, (question, other)))
    return found


def _looks_like() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for first, second in LOOK_ALIKES:
        found.setdefault(first, []).append(second)
        found.setdefault(second, []).append(first)
    return found


_LOOKS_LIKE = _looks_like()


def _some(lot: Lot, places: Sequence[int], most: int) -> list[int]:
    """Return from one to ``most`` of some places; none of none."""
    count = min(int(lot.integers(1, most + 1)), len(places))
    return [places[int(i)] for i in lot.choice(len(places), count, replace=False)] if count else []


def _characters(text: str) -> list[int]:
    return [i for i, character in enumerate(text) if _HAN.match(character)]


def _sentence(text: str) -> str:
    """Return a text that ends as a sentence does, so that what follows is apart from it."""
    return text if text[-1:] in "。！？!?…；;～~" else f"{text}，"
