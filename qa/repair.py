"""A question as it was probably meant: typing errors put right, pinyin read.

A noisy channel over words (Kernighan, Church and Gale, "A spelling correction program based on a
noisy channel model", COLING 1990): of all ways to read the text as words, as written or as words
of the corpus that sound or look alike, the likeliest is taken. A word is as likely as it is
frequent in the guidance and its questions, with some trust in jieba's dictionary for the rest;
reading a word where another is written costs ``DEPARTURE``.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import product
from typing import Any

from qa.normalise import HAN
from qa.pinyin import fold, readings, sound
from qa.segment import Segmenter

LONGEST_WORD = 6
LONGEST_REPLACED = 4
LONGEST_PINYIN = 24  # letters
# A word of the corpus counts from here on: rarer ones are often typing errors themselves.
FEWEST_SEEN = 3
# A single character is read from pinyin only if it is as common as this. A phrase that must not be
# missed counts as so common; at ten times as much, everyday words are taken for it.
COMMON = 20

# In nats. Chosen on typing errors made in dev questions (docs/evaluation.md, "Robustness").
DEPARTURE = 6.0
UNHEARD = 2.0  # more, where only ``fold`` makes the two sound alike
PINYIN = 1.0  # to read a word where its sound is written
TRUST = 0.2  # in jieba's dictionary, beside the corpus
UNKNOWN = math.log(1e-9)  # a character or a Latin word that neither knows
UNKNOWN_LETTER = -2.0  # more, for each letter of it

_HAN_WORD = re.compile(f"[{HAN}]+")
_LATIN = re.compile(r"[a-zü']+(?: [a-zü']+)*")
_TONES = str.maketrans("āáǎàēéěèīíǐìōóǒòūúǔùǖǘǚǜ", "aaaaeeeeiiiioooouuuuüüüü")
_LETTER = re.compile("[a-z]")
_NUMERALS = frozenset("〇零一二两三四五六七八九十百千万亿半几")


@dataclass(frozen=True)
class Vocabulary:
    """What a build knows of words, to put questions right by. Plain data, kept in the build."""

    counts: dict[str, int]  # word -> how often the corpus has it, from FEWEST_SEEN on
    sounds: dict[str, str]  # the words of ``counts`` that may be meant -> their pinyin
    readings: dict[str, tuple[str, ...]]  # character -> how it may be read
    lookalikes: dict[str, str]  # character -> characters taken for it

    @classmethod
    def of(
        cls,
        texts: Iterable[str],
        phrases: Iterable[str],
        right: Iterable[str],
        lookalikes: Mapping[str, str],
        segmenter: Segmenter,
        *,
        knows_questions: bool,
    ) -> Vocabulary:
        """Return the vocabulary of a corpus's texts.

        Args:
            phrases: what must not be missed.
            right: what is right as it stands, and never meant where something else stands.
            knows_questions: whether the texts hold questions as people ask them. Where they do
                not, everyday words are as rare as typing errors, and only pinyin is read
                (docs/evaluation.md, "Robustness").
        """
        seen = Counter(word for text in texts for word, _ in segmenter.segment(text).words)
        seen |= Counter(dict.fromkeys(phrases, COMMON))
        counts = {word: n for word, n in sorted(seen.items()) if n >= FEWEST_SEEN}
        meant = [word for word, n in counts.items() if len(word) > 1 or n >= COMMON]
        counts |= {word: COMMON for word in sorted(set(right)) if word not in counts}
        return cls(
            counts,
            {word: sound(word) for word in meant if _HAN_WORD.fullmatch(word)},
            {c: readings(c) for c in _common_characters()} if knows_questions else {},
            dict(lookalikes) if knows_questions else {},
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain data that ``from_json`` reads back."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Vocabulary:
        """Return the vocabulary that ``to_json`` wrote."""
        known = {character: tuple(found) for character, found in data["readings"].items()}
        return cls(data["counts"], data["sounds"], known, data["lookalikes"])


@dataclass(frozen=True)
class Repairer:
    """Puts questions right by the words of one corpus."""

    vocabulary: Vocabulary
    segmenter: Segmenter

    def repair(self, text: str) -> str:
        """Return a normalised text as it was probably meant: most often, the text itself.

        Latin words that stand together are pinyin all of them, or none is.
        """
        parts, end = [], 0
        for match in _LATIN.finditer(text.translate(_TONES)):
            meant = self._likeliest(match.group())
            is_pinyin = not _LETTER.search(meant)
            parts += [self._likeliest(text[end : match.start()])]
            parts += [meant if is_pinyin else text[match.start() : match.end()]]
            end = match.end()
        return "".join([*parts, self._likeliest(text[end:])])

    def _likeliest(self, text: str) -> str:
        best = [0.0] + [-math.inf] * len(text)  # log probability of the best way to each place
        last: list[tuple[int, str]] = [(0, "")] * (len(text) + 1)  # its last word and its start
        for start in range(len(text)):
            for end, word, chance in self._words_from(text, start):
                if best[start] + chance > best[end]:
                    best[end], last[end] = best[start] + chance, (start, word)
        words, place = [], len(text)
        while place:
            place, word = last[place]
            words.append(word)
        return "".join(reversed(words))

    def _words_from(self, text: str, start: int) -> Iterator[tuple[int, str, float]]:
        """Yield the words that may begin at a place: (end, word, log probability)."""
        latin = _LATIN.match(text, start)
        if latin:
            yield from self._latin(text, start, latin.end())
        elif _HAN_WORD.match(text, start):
            yield from self._han(text, start)
        else:
            yield start + 1, text[start], 0.0

    def _latin(self, text: str, start: int, end: int) -> Iterator[tuple[int, str, float]]:
        """Yield the Latin word at a place, and the Chinese words whose pinyin stands there."""
        if start == 0 or not text[start - 1].isascii() or not text[start - 1].isalpha():
            stop = text.find(" ", start, end)
            stop = end if stop < 0 else stop
            word = text[start:stop]
            yield stop, word, self._chance(word) or UNKNOWN + UNKNOWN_LETTER * len(word)
        for stop in range(start + 1, min(start + LONGEST_PINYIN, end) + 1):
            typed = _typed(text[start:stop])
            for word in self._by_sound.get(fold(typed), ()):
                heard = self.vocabulary.sounds[word] == typed
                yield stop, word, self._known(word) - PINYIN - (0.0 if heard else UNHEARD)

    def _han(self, text: str, start: int) -> Iterator[tuple[int, str, float]]:
        """Yield the Chinese words at a place, and those that sound or look like them."""
        for end in range(start + 1, min(start + LONGEST_WORD, len(text)) + 1):
            word = text[start:end]
            if not _HAN_WORD.fullmatch(word):
                return
            chance = self._chance(word)
            if chance or len(word) == 1:
                yield end, word, chance or UNKNOWN
            if 1 < len(word) <= LONGEST_REPLACED:
                for other, cost in self._alike(word):
                    yield end, other, self._known(other) - cost

    def _alike(self, word: str) -> Iterator[tuple[str, float]]:
        """Yield the words that may have been meant where one is written, each with its cost."""
        known = self.vocabulary.readings
        typed = {"".join(parts) for parts in product(*(known.get(c, ()) for c in word))}
        for key in sorted({fold(pinyin) for pinyin in typed}):
            for other in self._by_sound.get(key, ()):
                if len(other) == len(word) and other != word and _same_numbers(word, other):
                    heard = self.vocabulary.sounds[other] in typed
                    yield other, DEPARTURE if heard else DEPARTURE + UNHEARD
        for i, character in enumerate(word):
            for lookalike in self.vocabulary.lookalikes.get(character, ""):
                other = word[:i] + lookalike + word[i + 1 :]
                if other in self.vocabulary.sounds and _same_numbers(word, other):
                    yield other, DEPARTURE

    def _known(self, word: str) -> float:
        """Return the log probability of a word of the vocabulary."""
        if word not in self._chances:
            chance = self._chance(word)
            assert chance is not None
            self._chances[word] = chance
        return self._chances[word]

    @cached_property
    def _chances(self) -> dict[str, float]:
        """Those of the vocabulary's words met so far; never a word that only a question has."""
        return {}

    def _chance(self, word: str) -> float | None:
        """Return the log probability of a word, None for one that is not known."""
        chance = (1 - TRUST) * self.vocabulary.counts.get(word, 0) / self._total
        chance += TRUST * self.segmenter.chance(word)
        return math.log(chance) if chance else None

    @cached_property
    def _total(self) -> int:
        return max(sum(self.vocabulary.counts.values()), 1)

    @cached_property
    def _by_sound(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for word, pinyin in self.vocabulary.sounds.items():
            also = self.vocabulary.readings.get(word, ())  # of a single character
            for key in dict.fromkeys(map(fold, (pinyin, *also))):
                found.setdefault(key, []).append(word)
        return found


def _typed(latin: str) -> str:
    return latin.replace(" ", "").replace("'", "").replace("ü", "v")


def _same_numbers(word: str, other: str) -> bool:
    """Tell whether two words name the same numbers: a sum or a date is never put right."""
    return [c for c in word if c in _NUMERALS] == [c for c in other if c in _NUMERALS]


def _common_characters() -> list[str]:
    """Return the characters of GB 2312, which are all that most input methods offer first."""
    return [chr(code) for code in range(0x4E00, 0x9FFF) if _is_common(chr(code))]


def _is_common(character: str) -> bool:
    try:
        character.encode("gb2312")
    except UnicodeEncodeError:
        return False
    return True
