"""One normal form for everything that is searched, with the way back to the text as shown.

The only importer of opencc.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from opencc import OpenCC

# Chinese characters, and the ideographic zero.
HAN = r"\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
_HAN = re.compile(f"[{HAN}]")

# Control characters count as spaces; format characters (zero width, bidi), lone surrogates and
# what is left of combining marks after NFKC carry nothing that can be searched.
_SPACE_CATEGORIES = {"Cc", "Zs", "Zl", "Zp"}
_DROPPED_CATEGORIES = {"Cf", "Cs", "Mn", "Me"}
_LONGEST_CLUSTER = 8


@dataclass(frozen=True, slots=True)
class Normalised:
    """A text in normal form, each character with the span of the original that it came from."""

    text: str
    starts: tuple[int, ...]  # of the original, one per character of ``text``
    ends: tuple[int, ...]

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Return the span of the original that became ``text[start:end]`` (not empty)."""
        return self.starts[start], self.ends[end - 1]


def normalise(text: str) -> Normalised:
    """Return NFKC, lower case, simplified characters, no spaces between Chinese characters.

    Full-width letters and digits become half-width, traditional characters simplified ones
    (character by character: both sides of a search are folded alike), runs of white space one
    space, and none at the ends or beside a Chinese character.
    """
    characters: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    for start, end in _clusters(text):
        # Marks beyond a handful are noise, and NFKC of a long run of them is slow.
        for character in _fold(text[start : min(end, start + _LONGEST_CLUSTER)]):
            characters.append(character)
            starts.append(start)
            ends.append(end)
    keep = _kept(characters)
    return Normalised(
        "".join(characters[i] for i in keep),
        tuple(starts[i] for i in keep),
        tuple(ends[i] for i in keep),
    )


def _clusters(text: str) -> list[tuple[int, int]]:
    """Return the spans of a character and the combining marks that follow it."""
    bounds = [
        i for i, character in enumerate(text) if i == 0 or not unicodedata.combining(character)
    ]
    return list(pairwise([*bounds, len(text)]))


@lru_cache(maxsize=16384)
def _fold(cluster: str) -> str:
    folded = unicodedata.normalize("NFKC", cluster).lower()
    return "".join(_fold_character(character) for character in folded)


def _fold_character(character: str) -> str:
    category = unicodedata.category(character)
    if category in _SPACE_CATEGORIES:
        return " "
    if category in _DROPPED_CATEGORIES:
        return ""
    return _simplifier().convert(character) if _HAN.match(character) else character


@lru_cache(maxsize=1)
def _simplifier() -> OpenCC:
    return OpenCC("t2s")


def to_traditional(text: str, standard: str = "s2t") -> str:
    """Return a text in traditional characters, word by word: what ``normalise`` undoes.

    Args:
        standard: of OpenCC: "s2t", or "s2tw" for the characters that Taiwan prefers.
    """
    traditional: str = _traditionaliser(standard).convert(text)
    return traditional


@lru_cache(maxsize=2)
def _traditionaliser(standard: str) -> OpenCC:
    return OpenCC(standard)


def _kept(characters: Sequence[str]) -> list[int]:
    """Return the places of all but spaces at an end, in a row, or beside a Chinese character."""
    kept: list[int] = []
    space = None  # the place of a space that stands after something it may separate
    for i, character in enumerate(characters):
        if character == " ":
            if space is None and kept and not _HAN.match(characters[kept[-1]]):
                space = i
            continue
        if space is not None and not _HAN.match(character):
            kept.append(space)
        space = None
        kept.append(i)
    return kept


def join_lines(lines: Iterable[str]) -> str:
    """Join wrapped lines into one: with a space, but with nothing between Chinese characters."""
    joined = ""
    for line in (line.strip() for line in lines):
        needs_space = joined and line and joined[-1].isascii() and line[0].isascii()
        joined += f" {line}" if needs_space else line
    return joined
