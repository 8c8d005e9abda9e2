"""What the encoder learns from: outside pairs, glosses and translations, and the corpus."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from qa.corpus import Corpus, Rendering
from qa.errors import TrainingDataMissing
from qa.normalise import normalise

# How often a source's pairs are seen in one pass (docs/encoder.md, "Trials").
SOURCES = {"stard_train": 10.0, "lecoqa_train": 4.0, "fin_qa": 4.0, "rc_window": 1.5}
STATUTES = "stard_train"  # questions with the article that answers them
LAWS = "law_ict"  # articles, each less one sentence: a question may be led astray by them
GLOSSES = "cedict"
TRANSLATIONS = "tatoeba_zh_en"
# A question's beginning says what it asks, an article's beginning what it rules.
LONGEST_TEXT = 300
MOST_SENSES = 6

_ENTRY = re.compile(r"\S+ (\S+) \[[^\]]*\] /(.*)/")
_NO_MEANING = re.compile(
    r"(variant of|old variant|CL:|see |surname |abbr\. for|used in|also written|also pr|"
    r"Taiwan pr|erhua)"
)
_ASIDE = re.compile(r"\S*\[[^\]]*\]|\([^()]*\)")


@dataclass(frozen=True, slots=True)
class Pair:
    """Two texts that belong together."""

    left: str
    right: str


@dataclass(frozen=True, slots=True)
class Topic:
    """One document of the corpus: what people ask, and what answers."""

    questions: tuple[str, ...]  # the title first
    passages: tuple[str, ...]  # each with its title, and without


@dataclass(frozen=True, slots=True)
class Material:
    """All that is learned from, as text."""

    pairs: dict[str, list[Pair]]  # by source
    articles: list[str]  # of law, among which a question of STATUTES finds its own
    translations: list[Pair]  # Chinese, English
    renderings: list[Pair]  # Chinese of the corpus, English
    glosses: dict[str, list[str]]
    topics: list[Topic]
    off_topic: list[str]

    @property
    def questions(self) -> list[str]:
        """The corpus's questions, titles included."""
        return [question for topic in self.topics for question in topic.questions]

    @property
    def answers(self) -> list[frozenset[int]]:
        """For each pair of STATUTES, the places of the articles that answer its question."""
        places: dict[str, list[int]] = {}
        for place, text in enumerate(self.articles):
            places.setdefault(_number(text), []).append(place)
        found: dict[str, set[int]] = {}
        for pair in self.pairs[STATUTES]:
            found.setdefault(pair.left, set()).update(places[_number(pair.right)])
        return [frozenset(found[pair.left]) for pair in self.pairs[STATUTES]]

    @property
    def english(self) -> list[str]:
        """The English side of the translations, then of the renderings."""
        return [pair.right for pair in (*self.translations, *self.renderings)]


def gather(
    source: Path, corpus: Corpus, rendered: Iterable[Rendering], held_out_every: int
) -> Material:
    """Return what is learned from.

    Args:
        source: folder with ``train/``.
        held_out_every: of each topic's question variants and of the off-topic questions, every so
            manieth is left out, together with what renders it in English.

    Raises:
        TrainingDataMissing: a file of the source is not there.
    """
    outside = {name: pairs(source, name) for name in SOURCES}
    return Material(
        pairs=outside,
        articles=[*dict.fromkeys(p.right for p in (*outside[STATUTES], *pairs(source, LAWS)))],
        translations=translations(source),
        renderings=renderings(corpus, rendered, held_out_every),
        glosses=glosses(source),
        topics=topics(corpus, held_out_every),
        off_topic=list(_kept([question.text for question in corpus.off_topic], held_out_every)),
    )


def topics(corpus: Corpus, held_out_every: int) -> list[Topic]:
    """Return the corpus as the encoder meets it in the index: passages with title and heading.

    Args:
        held_out_every: of each document's question variants, every so manieth is left out.
    """
    return [
        Topic(
            (document.title, *_kept(document.questions, held_out_every)),
            tuple(
                text
                for passage in document.passages
                for text in (
                    f"{document.title}\n{passage.heading}\n{passage.text}",
                    f"{passage.heading}\n{passage.text}",
                )
            ),
        )
        for document in corpus.documents
    ]


def renderings(corpus: Corpus, rendered: Iterable[Rendering], held_out_every: int) -> list[Pair]:
    """Return the renderings of texts that are not held out, Chinese and English."""
    held_out = {
        question
        for document in corpus.documents
        for question in {*document.questions}.difference(_kept(document.questions, held_out_every))
    }
    return [Pair(one.chinese, one.english) for one in rendered if one.chinese not in held_out]


def _kept(questions: Sequence[str], held_out_every: int) -> tuple[str, ...]:
    return tuple(q for i, q in enumerate(questions, 1) if i % held_out_every)


def pairs(data: Path, source: str) -> list[Pair]:
    """Return the question-passage pairs of a source."""
    lines = _lines(data, f"{source}.tsv.gz")
    columns = (line.split("\t") for line in lines)
    return [Pair(left[:LONGEST_TEXT], right[:LONGEST_TEXT]) for left, right, _ in columns]


def _number(article: str) -> str:
    """Return the law and the number that an article begins with: "民法典第五十四"."""
    return article.partition("条")[0]


def translations(data: Path) -> list[Pair]:
    """Return Chinese sentences with their English side."""
    columns = (line.split("\t") for line in _lines(data, f"{TRANSLATIONS}.tsv.gz"))
    return [Pair(chinese, english) for chinese, english, _ in columns]


def glosses(data: Path) -> dict[str, list[str]]:
    """Return the English senses of Chinese words, freed of cross-references and asides."""
    senses: dict[str, list[str]] = {}
    for line in _lines(data, f"{GLOSSES}.txt.gz"):
        if match := _ENTRY.fullmatch(line):
            word = senses.setdefault(normalise(match[1]).text, [])
            word += [sense for sense in _senses(match[2]) if sense not in word]
    return {word: found[:MOST_SENSES] for word, found in senses.items() if found}


def _senses(text: str) -> Iterator[str]:
    for sense in text.split("/"):
        if not _NO_MEANING.match(sense) and (clean := _ASIDE.sub("", sense).strip(" ;,")):
            yield clean


def _lines(data: Path, name: str) -> list[str]:
    path = data / "train" / name
    if not path.is_file():
        raise TrainingDataMissing(
            f"缺少训练数据 {path}。请用 --data 指定含有 train/ 的文件夹（见 docs/encoder.md）。",
            f"No training data {path}. Give --data a folder with train/ (docs/encoder.md).",
        )
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [line.rstrip("\n") for line in file]
