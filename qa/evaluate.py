"""How well judged questions are answered: hit@k, MRR@10 and abstention. The owner of corpus/judged.

Judged questions are in BEIR's shape: ``queries.jsonl`` (``_id``, ``text``, ``metadata.kind``) and
``qrels/<fold>.tsv`` (query-id, corpus-id, score; a header row). The corpus-id is a topic; a
question that the guidance does not answer has the one row ``none`` with score 0.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qa.answer import Engine
from qa.errors import JudgedInvalid
from qa.search import Query, search

DEPTH = 10
HEADER = ["query-id", "corpus-id", "score"]


@dataclass(frozen=True, slots=True)
class Judged:
    """A question and the topics that answer it; none for one that the guidance does not answer."""

    id: str
    text: str
    kind: str  # "answerable", "near" or "far"
    topics: frozenset[str]


@dataclass(frozen=True, slots=True)
class Scores:
    """Means over n judged questions that the guidance answers."""

    n: int
    hit1: float
    hit3: float
    mrr10: float

    def to_json(self) -> dict[str, Any]:
        """Return the scores under the field's names."""
        named = {"hit@1": self.hit1, "hit@3": self.hit3, "MRR@10": self.mrr10}
        return {"n": self.n, **{name: round(value, 4) for name, value in named.items()}}


@dataclass(frozen=True, slots=True)
class Miss:
    """A question whose first passage does not answer it."""

    question: Judged
    found: tuple[str, ...]  # the first three topics


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What ``qa evaluate`` reports on one fold."""

    fold: str
    systems: dict[str, Scores]  # sparse, dense, fused
    chapters: dict[str, Scores]  # of the fused system
    statuses: dict[str, dict[str, int]]  # kind of question -> status -> how many
    misses: tuple[Miss, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain data for ``--json``."""
        return {
            "fold": self.fold,
            "systems": {name: scores.to_json() for name, scores in self.systems.items()},
            "chapters": {name: scores.to_json() for name, scores in self.chapters.items()},
            "statuses": self.statuses,
            "misses": [
                {
                    "id": miss.question.id,
                    "text": miss.question.text,
                    "expected": sorted(miss.question.topics),
                    "found": list(miss.found),
                }
                for miss in self.misses
            ],
        }


def read_judged(folder: Path, fold: str) -> list[Judged]:
    """Return the judged questions of a fold, in the order of the queries file.

    Raises:
        JudgedInvalid: a file is missing or a line cannot be read; names file and line.
    """
    relevant = _qrels(folder / "qrels" / f"{fold}.tsv")
    found = []
    for number, line in enumerate(_lines(folder / "queries.jsonl"), 1):
        try:
            row = json.loads(line)
            id, text = str(row["_id"]), str(row["text"])
            kind = str((row.get("metadata") or {}).get("kind", "answerable"))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise _invalid(folder / "queries.jsonl", number) from error
        if id in relevant:
            found.append(Judged(id, text, kind, frozenset(relevant[id])))
    return found


def evaluate(engine: Engine, judged: Sequence[Judged], fold: str) -> Evaluation:
    """Return the scores of sparse, dense and fused search over one fold."""
    answerable = [question for question in judged if question.topics]
    rankings = {
        name: [system(engine, _query(engine, question.text)) for question in answerable]
        for name, system in SYSTEMS.items()
    }
    fused = rankings["fused"]
    chapters: dict[str, list[int]] = {}
    for i, question in enumerate(answerable):
        for chapter in sorted({_chapter(engine, topic) for topic in question.topics}):
            chapters.setdefault(chapter, []).append(i)
    return Evaluation(
        fold=fold,
        systems={name: score(answerable, ranking) for name, ranking in rankings.items()},
        chapters={
            chapter: score([answerable[i] for i in places], [fused[i] for i in places])
            for chapter, places in sorted(chapters.items())
        },
        statuses=_statuses(engine, judged),
        misses=tuple(
            Miss(question, tuple(ranking[:3]))
            for question, ranking in zip(answerable, fused, strict=True)
            if not ranking or ranking[0] not in question.topics
        ),
    )


def score(judged: Sequence[Judged], rankings: Sequence[Sequence[str]]) -> Scores:
    """Return hit@1, hit@3 and MRR@10 of ranked topics, best first, one list per question."""
    first = [
        next((rank for rank, topic in enumerate(ranking[:DEPTH], 1) if topic in question.topics), 0)
        for question, ranking in zip(judged, rankings, strict=True)
    ]
    n = max(len(first), 1)
    return Scores(
        n=len(first),
        hit1=sum(rank == 1 for rank in first) / n,
        hit3=sum(1 <= rank <= 3 for rank in first) / n,
        mrr10=sum(1 / rank for rank in first if rank) / n,
    )


def _query(engine: Engine, text: str) -> Query:
    return Query(engine.segmenter.question(text), engine.encoder.encode_query(text))


def _sparse(engine: Engine, query: Query) -> list[str]:
    """Topics by the BM25 of their best passage: words and character n-grams."""
    scores = engine.index.sparse(query.segments).bm25
    rows = (-scores).argsort(kind="stable")
    return _topics(engine.index.passages[int(row)].topic for row in rows if scores[row] > 0)


def _dense(engine: Engine, query: Query) -> list[str]:
    """Topics by the cosine of their nearest passage, title or question variant."""
    index = engine.index
    pairs = [(c, index.passages[row].topic) for row, c in index.nearest(query.vector, 200)]
    pairs += [
        (c, index.question_topics[row]) for row, c in index.nearest_questions(query.vector, 200)
    ]
    return _topics(topic for _, topic in sorted(pairs, key=lambda pair: (-pair[0], pair[1])))


def _fused(engine: Engine, query: Query) -> list[str]:
    """Topics as they are answered."""
    return _topics(hit.passage.topic for hit in search(engine.index, query, DEPTH))


SYSTEMS: dict[str, Callable[[Engine, Query], list[str]]] = {
    "sparse": _sparse,
    "dense": _dense,
    "fused": _fused,
}


def _topics(ranked: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(ranked))[:DEPTH]


def _chapter(engine: Engine, topic: str) -> str:
    known = engine.index.topic.get(topic)
    return known.chapter if known else "-"


def _statuses(engine: Engine, judged: Sequence[Judged]) -> dict[str, dict[str, int]]:
    """Count the statuses given to each kind of question."""
    counts: dict[str, dict[str, int]] = {}
    for question in judged:
        hits = search(engine.index, _query(engine, question.text), 1)
        assert engine.index.ranker is not None
        status = engine.index.ranker.status(hits[0].score if hits else 0.0)
        kind = counts.setdefault(question.kind, dict.fromkeys(STATUSES, 0))
        kind[status] += 1
    return counts


STATUSES = ("answered", "uncertain", "unanswered")


def _qrels(path: Path) -> dict[str, set[str]]:
    """Return the relevant topics of each question of a fold."""
    relevant: dict[str, set[str]] = {}
    for number, row in enumerate(csv.reader(_lines(path), delimiter="\t"), 1):
        if number == 1 and row == HEADER:
            continue
        if len(row) != len(HEADER) or not row[2].removeprefix("-").isdecimal():
            raise _invalid(path, number)
        topics = relevant.setdefault(row[0], set())
        if int(row[2]) > 0:
            topics.add(row[1])
    return relevant


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise _invalid(path, 1) from error


def _invalid(path: Path, line: int) -> JudgedInvalid:
    return JudgedInvalid(
        f"{path}:{line}: 标注文件缺失或格式不对。格式见 corpus/README.md。",
        f"{path}:{line}: the judged questions are missing or not in BEIR shape.",
    )
