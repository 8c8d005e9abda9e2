"""What a message is before it is a question: a cry for help, a greeting, or several questions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

from qa.corpus import Reply, Urgent
from qa.normalise import HAN, normalise

# Where a phrase has "…": so many characters at most, none of them punctuation. "_" is a space.
LONGEST_GAP = 4

_HAN = re.compile(f"[{HAN}]")
_NOT_A_WORD = re.compile(r"[\W_]+")
_PART = re.compile(r"[^，,。.！!？?；;：:、~～…\s]*[，,。.！!？?；;：:、~～…\s]*")
# Said after anything, and adding nothing to it.
_PARTICLE = "[啊呀哦噢喔哈呢吧嘛哇啦了的诶欸唉]*"
_ASKS = re.compile(
    r"[?？]|[吗么嘛呢]$|[吗么](?=[,，。!！])|怎么(?!能|会这|就)|怎样|咋|如何|什么|啥|为何|凭啥|多久|多少"
    r"|几[天日年点](?![前后没])|哪[些个里儿种家天]|谁|(.)[不没]\1|能否|可否|是否|有没有|有无|还是"
    r"|可以[^,，。]{0,12}[吗么]|行不|[不没]$|区别|真假"
)
_SENTENCE = re.compile(r"[^。！？!?；;\n]+[。！？!?；;\n]*")
# Between two questions of one message: what follows begins anew.
_ANEW = re.compile(
    r"(?:另外|此外|还有一?个?(?:问题|事)|还想问|顺便(?:再)?(?:问|说)?(?:一下)?|再问(?:一个|一下)?|先问(?:一个|一下)?"
    r"|第[一二三四](?=[,，:：、])|其[一二三](?=[,，:：、])|对了|(?<!\d)[1-4一二三四][、.)）](?!\d))[,，:：、]?"
)
_CLAUSE = re.compile(r"[，,、：:\s]+")
MOST_CLAUSES = 4  # of a window, unless it is a whole sentence or the end of one
MOST_WINDOWS = 32  # of a message, so that a line of commas costs no more than a story
FEWEST_HAN = 3
ASKING_HAN = 4


@dataclass(frozen=True, slots=True)
class Window:
    """Clauses of a message that may be what it asks."""

    text: str
    start: int  # in the message
    end: int
    sentence: int  # which sentence of the message they are of
    asks: bool


@dataclass(frozen=True)
class Rules:
    """The rules of a build, ready for use."""

    urgent: Sequence[Urgent]  # the gravest first
    replies: Sequence[Reply]

    def danger(self, text: str) -> Urgent | None:
        """Return the gravest danger that a phrase of a normalised text speaks of."""
        return next((rule for rule, signs in self._signs if signs.found_in(text)), None)

    def reply(self, text: str) -> Reply | None:
        """Return what to say to a normalised text that asks nothing, None for a question.

        Args:
            text: as it was probably meant: pinyin is Chinese by then.
        """
        bare = _NOT_A_WORD.sub("", text)
        for rule, pattern in self._replies:
            if pattern.fullmatch(bare):
                return rule
        chinese = len(_HAN.findall(bare))
        # Beside an address or markup that was pasted, a few characters ask all there is to ask.
        if chinese >= ASKING_HAN or chinese > 1 and chinese * 3 > len(bare):
            return None
        if chinese == len(bare) > 0:
            return None
        foreign = _reads_like_language(text)
        return self._by_kind.get("other-language" if foreign else "unreadable")

    def without_courtesies(self, text: str) -> str:
        """Return a normalised text without clauses of mere greeting and thanks.

        A text of nothing else is returned as it is.
        """
        parts = [part for part in _PART.findall(text) if part]
        kept = [part for part in parts if not self._is_courtesy(_NOT_A_WORD.sub("", part))]
        return "".join(kept) if 0 < len(kept) < len(parts) else text

    def _is_courtesy(self, bare: str) -> bool:
        return any(pattern.fullmatch(bare) for _, pattern in self._replies)

    @cached_property
    def _signs(self) -> list[tuple[Urgent, _Signs]]:
        return [(rule, _Signs.of(rule)) for rule in self.urgent]

    @cached_property
    def _replies(self) -> list[tuple[Reply, re.Pattern[str]]]:
        return [(rule, _only(rule.phrases)) for rule in self.replies if rule.phrases]

    @cached_property
    def _by_kind(self) -> dict[str, Reply]:
        return {rule.kind: rule for rule in self.replies}


@dataclass(frozen=True, slots=True)
class _Signs:
    phrases: re.Pattern[str]
    lookalikes: re.Pattern[str] | None

    @classmethod
    def of(cls, rule: Urgent) -> _Signs:
        return cls(_any(rule.phrases), _any(rule.lookalikes) if rule.lookalikes else None)

    def found_in(self, text: str) -> bool:
        # A space holds the place, so that what stood on both sides does not meet.
        left = self.lookalikes.sub(" ", text) if self.lookalikes else text
        return self.phrases.search(left) is not None


def windows(message: str) -> list[Window]:
    """Return the runs of clauses that ask, and the sentences; none of a single clause.

    Whole sentences come first, then the later ones: a story leads up to its question.
    """
    found = []
    for number, (start, end) in enumerate(sentence_spans(message)):
        sentence = message[start:end]
        inner = [match.end() for match in _CLAUSE.finditer(sentence) if match.end() < len(sentence)]
        bounds = [0, *inner, len(sentence)]
        for i, j in combinations(range(len(bounds)), 2):
            if j - i > MOST_CLAUSES and j < len(bounds) - 1:
                continue
            text = sentence[bounds[i] : bounds[j]].strip(" \n，,、：:")
            asks = bool(_ASKS.search(text))
            is_whole = i == 0 and j == len(bounds) - 1
            if (asks or is_whole) and len(_HAN.findall(text)) >= FEWEST_HAN and text != message:
                span = (start + bounds[i], start + bounds[j])
                found.append((not is_whole, -span[1], Window(text, *span, number, asks)))
    found.sort(key=lambda one: one[:2])
    return [window for *_, window in found[:MOST_WINDOWS]]


def sentence_spans(message: str) -> list[tuple[int, int]]:
    """Return the spans of sentences, cut also where a message says that it begins anew."""
    found = []
    for match in _SENTENCE.finditer(message):
        anew = [cut.span() for cut in _ANEW.finditer(message, *match.span())]
        starts = [match.start(), *(end for _, end in anew)]
        ends = [*(start for start, _ in anew), match.end()]
        found += [(start, end) for start, end in zip(starts, ends, strict=True) if start < end]
    return found


def _any(phrases: Iterable[str]) -> re.Pattern[str]:
    """Return a pattern of phrases, the longest first."""
    gap = rf"[^\W_]{{0,{LONGEST_GAP}}}"
    written = sorted(
        {normalise(phrase.replace("_", " ")).text for phrase in phrases}, key=lambda p: (-len(p), p)
    )
    return re.compile("|".join(gap.join(map(re.escape, _split(phrase))) for phrase in written))


def _split(phrase: str) -> list[str]:
    return phrase.replace("…", "...").split("...")


def _only(phrases: Iterable[str]) -> re.Pattern[str]:
    bare = (_NOT_A_WORD.sub("", normalise(phrase).text) for phrase in phrases)
    longest = sorted(set(bare), key=lambda phrase: (-len(phrase), phrase))
    # Atomic and possessive: what was matched is not tried another way, so time stays linear.
    return re.compile(f"(?:(?>{'|'.join(map(re.escape, longest))}){_PARTICLE}+)++")


def _reads_like_language(text: str) -> bool:
    """Tell words from letters struck at random.

    A script other than Latin is a language; Latin letters are one where they come as several
    words with vowels.
    """
    if any(character.isalpha() and not character.isascii() for character in text):
        return True
    words = re.findall(r"[a-z]+", text)
    vowelled = [word for word in words if re.search("[aeiouy]", word) and len(word) <= 15]
    return len(vowelled) >= 2 and len(vowelled) * 2 >= len(words)
