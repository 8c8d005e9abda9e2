"""How Chinese is typed: pinyin without tones. The only importer of pypinyin.

pypinyin takes 0.1 s to import; only a rebuild needs it.
"""

from __future__ import annotations

# Common readings come first; a typed text hardly ever means a rarer one.
MOST_READINGS = 2

# What many speakers and many input methods do not tell apart: zh/z, ch/c, sh/s, and a last n/ng.
_FOLDS = (("zh", "z"), ("ch", "c"), ("sh", "s"), ("ng", "n"))


# Words in which 还 is read hai; in the others of this field, all of paying back, it is huan.
_STILL = ("还是", "还有", "还没", "还要", "还会", "还能", "还在", "还得", "还可", "还想", "还行")


def sound(word: str) -> str:
    """Return a word as it would be typed: "司法确认" → "sifaqueren"; ü is v."""
    from pypinyin import lazy_pinyin

    syllables = lazy_pinyin(word)
    if len(syllables) == len(word) > 1 and not any(still in word for still in _STILL):
        syllables = ["huan" if c == "还" else s for c, s in zip(word, syllables, strict=True)]
    return "".join(syllables)


def readings(character: str) -> tuple[str, ...]:
    """Return how a character may be read, the commonest first: "还" → ("hai", "huan")."""
    from pypinyin import Style, pinyin

    found: list[str] = pinyin(character, style=Style.NORMAL, heteronym=True)[0]
    return tuple(found[:MOST_READINGS])


def fold(pinyin: str) -> str:
    """Return pinyin without the differences that many do not hear."""
    for written, heard in _FOLDS:
        pinyin = pinyin.replace(written, heard)
    return pinyin
