"""Plain text that nobody prepared → sections: headings are told from paragraphs by their form."""

from __future__ import annotations

import re

from qa.corpus.split import Block, Section
from qa.normalise import join_lines

# 第一章, 一、, （一） and the like, at the start of a line; "1." is more often a step.
_NUMBERED = re.compile(
    r"(?:第[一二三四五六七八九十百零〇\d]+[编章节部分篇]|[一二三四五六七八九十]+、|"
    r"[（(][一二三四五六七八九十]+[）)])"
)
_STEP = re.compile(r"(?:\d+[.、．)]|[（(]\d+[）)]|[-•·*])\s*")
_RULE = re.compile(r"[-—=*_·\s]{3,}")
_END = re.compile(r"[。！？!?；;，,、：:…”’）)》.]$")
_LONGEST_HEADING = 40


def sections(text: str, first_line: int) -> list[Section]:
    """Return the sections of a plain text, in order; text before any heading has heading ""."""
    lines = text.split("\n")
    found: list[tuple[str, list[Block]]] = [("", [])]
    paragraph: list[str] = []
    begin = 0

    def flush() -> None:
        if paragraph:
            found[-1][1].append(Block(join_lines(paragraph), begin))
            paragraph.clear()

    for i, raw in enumerate(lines):
        line = raw.strip()
        if not line or _RULE.fullmatch(line):
            flush()
        elif _is_heading(line, lines, i):
            flush()
            found.append((line, []))
        else:
            if not paragraph or _STEP.match(line) or _END.search(paragraph[-1]):
                flush()
                begin = first_line + i
            paragraph.append(line)
    flush()
    return [Section(heading, tuple(blocks)) for heading, blocks in found if blocks]


def _is_heading(line: str, lines: list[str], i: int) -> bool:
    """A short line that no sentence ends, numbered, or standing alone above longer text."""
    if len(line) > _LONGEST_HEADING or _END.search(line):
        return False
    above = lines[i - 1].strip() if i else ""
    below = next((text.strip() for text in lines[i + 1 :] if text.strip()), "")
    if _RULE.fullmatch(below) or not below:
        return False
    if _NUMBERED.match(line):
        return True
    alone = not above or _RULE.fullmatch(above) is not None
    return alone and len(below) > len(line)
