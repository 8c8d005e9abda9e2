"""Markdown → sections of plain text with line numbers. The only importer of markdown_it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from markdown_it import MarkdownIt
from markdown_it.token import Token

from qa.corpus.split import Block, Section
from qa.normalise import join_lines

_PARSER = MarkdownIt("commonmark").enable("table")


@dataclass
class _Walk:
    """Where the walk over the tokens is."""

    headings: list[tuple[int, str]] = field(default_factory=list)  # (level, text), outermost first
    sections: list[tuple[str, list[Block]]] = field(default_factory=lambda: [("", [])])
    item: list[str] = field(default_factory=list)  # the lines of the outermost list item so far
    item_line: int = 0
    depth: int = 0  # of list items
    marker: str = ""
    row: list[str] = field(default_factory=list)  # the cells of a table's row so far
    row_line: int = 0


def sections(
    text: str, first_line: int, title: str | None = None
) -> tuple[str | None, list[Section]]:
    """Return the title, if one heading stands above all others, and the sections with text.

    Args:
        text: Markdown without front matter.
        first_line: the line of the file on which ``text`` begins.
        title: the title that the front matter gives, if it gives one.
    """
    walk = _Walk()
    tokens = _PARSER.parse(text)
    for i, token in enumerate(tokens):
        _step(walk, token, tokens[i - 1] if i else None, first_line)
    title = title or _title(tokens)
    found = [
        Section(_heading(name, title), tuple(blocks)) for name, blocks in walk.sections if blocks
    ]
    return title, found


def _step(walk: _Walk, token: Token, before: Token | None, first_line: int) -> None:
    line = first_line + (token.map[0] if token.map else 0)
    if token.type == "list_item_open":
        _open_item(walk, token, line)
    elif token.type == "list_item_close":
        _close_item(walk)
    elif token.type == "tr_open":
        walk.row, walk.row_line = [], line
    elif token.type == "tr_close":
        _add(walk, " | ".join(walk.row), walk.row_line)
    elif token.type == "inline" and before is not None:
        _inline(walk, token, before, line)
    elif token.type in ("fence", "code_block"):
        _add(walk, token.content.rstrip("\n"), line)


def _open_item(walk: _Walk, token: Token, line: int) -> None:
    walk.depth += 1
    walk.marker = f"{token.info}. " if token.info else "- "
    if walk.depth == 1:
        walk.item, walk.item_line = [], line


def _close_item(walk: _Walk) -> None:
    walk.depth -= 1
    if walk.depth == 0 and walk.item:
        walk.sections[-1][1].append(Block("\n".join(walk.item), walk.item_line))


def _inline(walk: _Walk, token: Token, before: Token, line: int) -> None:
    text = "".join(_text(token.children or []))
    if before.type == "heading_open":
        level = int(before.tag[1])
        walk.headings = [(lv, name) for lv, name in walk.headings if lv < level] + [(level, text)]
        walk.sections.append((" / ".join(name for _, name in walk.headings), []))
    elif before.type in ("th_open", "td_open"):
        walk.row.append(text)
    else:
        _add(walk, text, line)


def _add(walk: _Walk, text: str, line: int) -> None:
    if not text.strip():
        return
    if walk.depth:
        indent = "　" * (walk.depth - 1) if walk.marker else ""
        walk.item.append(f"{indent}{walk.marker}{text}")
        walk.marker = ""
    else:
        walk.sections[-1][1].append(Block(text, line))


def _text(children: list[Token]) -> Iterator[str]:
    lines: list[list[str]] = [[]]
    for child in children:
        if child.type in ("text", "code_inline", "image"):
            lines[-1].append(child.content)
        elif child.type in ("softbreak", "hardbreak"):
            lines.append([])
    yield join_lines("".join(line) for line in lines)


def _title(tokens: list[Token]) -> str | None:
    """Return the heading that opens the file, if no other heading stands on its level."""
    if not tokens or tokens[0].type != "heading_open":
        return None
    levels = [token.tag for token in tokens if token.type == "heading_open"]
    return "".join(_text(tokens[1].children or [])) if levels.count(levels[0]) == 1 else None


def _heading(name: str, title: str | None) -> str:
    """Leave the title out of the headings below it: it is shown above them."""
    if name == title:
        return ""
    return name.removeprefix(f"{title} / ") if title else name
