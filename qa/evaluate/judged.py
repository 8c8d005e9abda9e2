"""Judged questions, and collections of documents to search them in, from folders in BEIR's shape.

``queries.jsonl`` (``_id``, ``text``, ``metadata.kind``) and ``qrels/<fold>.tsv`` (query-id,
corpus-id, score). In ``corpus/judged`` the corpus-id is a topic; a question that the guidance does
not answer has the one row ``none`` with score 0. Other collections bring their documents along in
``corpus.jsonl`` (``_id``, ``title``, ``text``). Either ``.jsonl`` may be gzipped (``.jsonl.gz``).

The shape: Thakur et al., BEIR, NeurIPS 2021 (github.com/beir-cellar/beir).
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qa.errors import JudgedInvalid

HEADER = ["query-id", "corpus-id", "score"]
# What BEIR's own files and its copies elsewhere say in place of HEADER, folded by _folded.
_HEADERS = {
    ("queryid", "corpusid", "score"),
    ("queryid", "docid", "score"),
    ("qid", "docid", "score"),
    ("qid", "pid", "score"),
    ("queryid", "corpusid", "relevance"),
    ("queryid", "docid", "relevance"),
    ("qid", "docid", "relevance"),
}
TYPED = "typed.tsv"


@dataclass(frozen=True, slots=True)
class Judged:
    """A question and the topics that answer it; none for one that the guidance does not answer."""

    id: str
    text: str
    kind: str  # "answerable", "near" or "far"
    topics: frozenset[str]


@dataclass(frozen=True, slots=True)
class Text:
    """A document of a collection in BEIR's shape."""

    id: str
    title: str  # "" where it has none
    text: str
    line: int  # 1-based, of its file


def read_judged(folder: Path, fold: str) -> list[Judged]:
    """Return the judged questions of a fold, in the order of the queries file.

    Any score above zero makes a document relevant, however it is graded.

    Raises:
        JudgedInvalid: a file is missing or a line cannot be read; names file and line.
    """
    relevant = _qrels(folder / "qrels" / f"{fold}.tsv")
    found = []
    for path, number, row in _rows(folder, "queries"):
        try:
            id, text = str(row["_id"]), str(row["text"])
            kind = str((row.get("metadata") or {}).get("kind", "answerable"))
        except (KeyError, AttributeError) as error:
            raise _invalid(path, number) from error
        if id in relevant:
            found.append(Judged(id, text, kind, frozenset(relevant[id])))
    return found


def read_texts(folder: Path) -> list[Text]:
    """Return the documents of a collection, in the order of its file.

    Raises:
        JudgedInvalid: the file is missing or a line cannot be read or repeats an id; names file
            and line.
    """
    found: dict[str, Text] = {}
    for path, number, row in _rows(folder, "corpus"):
        try:
            text = Text(str(row["_id"]), str(row.get("title") or ""), str(row["text"]), number)
        except KeyError as error:
            raise _invalid(path, number) from error
        if text.id in found:
            raise _invalid(path, number)
        found[text.id] = text
    return list(found.values())


def read_typed(folder: Path, judged: Sequence[Judged]) -> list[tuple[Judged, str]]:
    """Return how people typed judged questions on a phone, if someone has written that down.

    Args:
        folder: may hold ``typed.tsv``: query-id TAB text, any number of lines a question.
        judged: lines of other questions are passed over; they belong to another fold.

    Raises:
        JudgedInvalid: a line cannot be read; names file and line.
    """
    path, of_id = folder / TYPED, {question.id: question for question in judged}
    found = []
    for number, line in enumerate(_lines(path) if path.is_file() else [], 1):
        id, tab, text = line.partition("\t")
        if not tab or not text.strip() or "\t" in text:
            raise _invalid(path, number)
        if id in of_id:
            found.append((of_id[id], text))
    return found


def _qrels(path: Path) -> dict[str, set[str]]:
    """Return the relevant topics of each question of a fold."""
    relevant: dict[str, set[str]] = {}
    for number, line in enumerate(_lines(path), 1):
        row = [cell.strip() for cell in line.split("\t")]
        if number == 1 and tuple(map(_folded, row)) in _HEADERS:
            continue
        if len(row) != len(HEADER) or not row[2].removeprefix("-").isdecimal():
            raise _invalid(path, number)
        topics = relevant.setdefault(row[0], set())
        if int(row[2]) > 0:
            topics.add(row[1])
    return relevant


def _folded(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")


def _rows(folder: Path, name: str) -> Iterator[tuple[Path, int, dict[str, Any]]]:
    """Yield the file, the 1-based line and the object of each line of ``<name>.jsonl[.gz]``."""
    packed = folder / f"{name}.jsonl.gz"
    path = packed if packed.is_file() else folder / f"{name}.jsonl"
    for number, line in enumerate(_lines(path), 1):
        try:
            row = json.loads(line)
        except ValueError as error:
            raise _invalid(path, number) from error
        if not isinstance(row, dict):
            raise _invalid(path, number)
        yield path, number, row


def _lines(path: Path) -> list[str]:
    """Return the lines of a file that may be gzipped; only line feeds end one."""
    try:
        content = path.read_bytes()
        text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _invalid(path, error.object[: error.start].count(b"\n") + 1) from error
    except (OSError, EOFError, zlib.error) as error:
        raise _invalid(path, 1) from error
    return text.removesuffix("\n").replace("\r\n", "\n").split("\n") if text else []


def _invalid(path: Path, line: int) -> JudgedInvalid:
    return JudgedInvalid(
        f"{path}:{line}: 标注文件缺失或格式不对。格式见 corpus/README.md。",
        f"{path}:{line}: the judged questions are missing or not in BEIR shape.",
    )
