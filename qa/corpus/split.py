"""Sections of text → passages, never cutting a sentence or a step."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

# About one screen of an old phone. A single longer sentence or step stays whole.
LONGEST_PASSAGE = 320

_CLOSERS = "”’」』）》】)\"'"
_OPEN_TO_CLOSE = {
    "“": "”",
    "‘": "’",
    "「": "」",
    "『": "』",
    "（": "）",
    "《": "》",
    "【": "】",
    "(": ")",
}
_TERMINAL = "。！？!?…"
_LATIN_STOP = re.compile(r"\.(?=\s|$)")
_ITEM = re.compile(r"(?:(\d+)[.、．)]|[-•*])\s+")


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph, a step or an item: what is kept together."""

    text: str
    line: int  # 1-based


@dataclass(frozen=True, slots=True)
class Section:
    """The blocks under one heading."""

    heading: str
    blocks: tuple[Block, ...]


def passages(section: Section) -> Iterator[Block]:
    """Yield the section's text in pieces of at most ``LONGEST_PASSAGE`` characters where it can.

    Consecutive blocks are packed together, one a line; a paragraph that is too long is cut
    between sentences into pieces of about equal length.
    """
    packed: list[Block] = []
    pieces = (piece for block in section.blocks for piece in _pieces(block))
    for block in pieces:
        if packed and len(_joined(packed)) + 1 + len(block.text) > LONGEST_PASSAGE:
            yield Block(_joined(packed), packed[0].line)
            packed = []
        packed.append(block)
    if packed:
        yield Block(_joined(packed), packed[0].line)


def sentences(text: str) -> list[tuple[int, int]]:
    """Return the spans of the sentences of a text, without the white space between them.

    A sentence ends at 。！？… outside quotes and brackets, with the closing marks that follow, or
    at the end of a line; the marker of a step or an item is not part of it. Text with unbalanced
    quotes is cut as if it had none.
    """
    spans = []
    for _, start, end in blocks(text):
        begin = start
        for stop in _sentence_ends(text[start:end], nested=True):
            piece = text[begin : start + stop]
            if piece.strip():
                left = len(piece) - len(piece.lstrip())
                spans.append((begin + left, begin + len(piece.rstrip())))
            begin = start + stop
    return spans


def blocks(text: str) -> list[tuple[str, int, int]]:
    """Return the lines of a passage as (kind, start, end) of what to show.

    ``kind`` is "step" (numbered), "item" (bulleted) or "text"; the span leaves out the marker.
    """
    found = []
    for start, end in _line_spans(text):
        marker = _ITEM.match(text, start, end)
        if marker is None:
            found.append(("text", start, end))
        else:
            found.append(("step" if marker.group(1) else "item", marker.end(), end))
    return found


def _joined(packed: Iterable[Block]) -> str:
    return "\n".join(block.text for block in packed)


def _pieces(block: Block) -> Iterator[Block]:
    if len(block.text) <= LONGEST_PASSAGE or _ITEM.match(block.text):
        yield block
        return
    count = -(-len(block.text) // LONGEST_PASSAGE)
    target = len(block.text) / count
    begin = 0
    previous = 0
    for _, end in sentences(block.text):
        fits_best = abs(previous - begin - target) <= abs(end - begin - target)
        if previous > begin and (fits_best or end - begin > LONGEST_PASSAGE):
            yield Block(block.text[begin:previous].strip(), block.line)
            begin = previous
        previous = end
    yield Block(block.text[begin:].strip(), block.line)


def _line_spans(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    for line in text.split("\n"):
        if line.strip():
            yield start, start + len(line)
        start += len(line) + 1


def _sentence_ends(line: str, nested: bool) -> list[int]:
    ends: list[int] = []
    open_marks: list[str] = []
    i = 0
    while i < len(line):
        character = line[i]
        if nested and character in _OPEN_TO_CLOSE:
            open_marks.append(_OPEN_TO_CLOSE[character])
        elif open_marks and character == open_marks[-1]:
            open_marks.pop()
        elif not open_marks and (character in _TERMINAL or _LATIN_STOP.match(line, i)):
            while i + 1 < len(line) and line[i + 1] in _TERMINAL + _CLOSERS:
                i += 1
            ends.append(i + 1)
        i += 1
    if open_marks:
        return _sentence_ends(line, nested=False)
    if not ends or ends[-1] < len(line):
        ends.append(len(line))
    return ends
