"""Markdown for a terminal: as it is written, but wrapped to the width, with tables aligned and links in words.

It knows no more than the pages of this program use: headings, paragraphs, lists, tables, blocks of code.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from itertools import groupby, zip_longest

_LIST_ITEM = re.compile(r"\* |\d+\. ")
_MARK = re.compile(r"\* |\d+\. |#+ ")
_GAP = 2  # between the columns of a table
_NARROWEST = 6  # columns of a table get no narrower


def wrapped(text: str, width: int) -> str:
    """A page, no wider than ``width`` but for code and long words."""
    lines = [line for kind, block in _blocks(text) for line in _block(kind, block, width)]
    return "\n".join(lines) + "\n"


def _blocks(text: str) -> Iterator[tuple[str, list[str]]]:
    """Lines that belong together, with what they are: code, table, list, heading, blank, text."""
    is_code = False
    kinds = []
    for line in text.splitlines():
        if line.startswith("```"):
            is_code = not is_code
        elif is_code:
            kinds.append(("code", line))
        elif not line.startswith("<!--"):
            kinds.append((_kind(line, kinds[-1][0] if kinds else ""), line))
    for kind, group in groupby(kinds, key=lambda pair: pair[0]):
        yield kind, [line for _, line in group]


def _kind(line: str, before: str) -> str:
    """The kind of a line that is no code, after a line of the kind ``before``."""
    if not line:
        return "blank"
    if line.startswith("|"):
        return "table"
    if line.startswith("#"):
        return "heading"
    if _LIST_ITEM.match(line) or (line[0] == " " and before == "list"):
        return "list"
    return "text"


def _block(kind: str, lines: list[str], width: int) -> Iterator[str]:
    if kind == "code":
        yield from (f"    {line}".rstrip() for line in lines)
    elif kind == "table":
        yield from _table(lines, width)
    elif kind == "list":
        item: list[str] = []
        for line in [*lines, "* "]:  # the last ends the item before it
            if item and _LIST_ITEM.match(line):
                yield from _filled(item, width)
                item = []
            item.append(line)
    elif kind == "heading":
        for line in lines:
            yield from _filled([line], width)
    elif kind == "text":
        yield from _filled(lines, width)
    else:
        yield from lines


def _filled(lines: list[str], width: int) -> list[str]:
    """A paragraph, or a heading or an item of a list with its later lines indented."""
    mark = _MARK.match(lines[0])
    text = _linked(" ".join(line.strip() for line in lines))
    indent = " " * len(mark[0]) if mark else ""
    return textwrap.wrap(text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def columns(rows: Sequence[Sequence[str]], width: int) -> Iterator[str]:
    """Rows of a table as lines; its widest columns are wrapped where it would be wider than ``width``."""
    widths = [max(map(len, column)) for column in zip_longest(*rows, fillvalue="")]
    while sum(widths) + _GAP * (len(widths) - 1) > width and max(widths) > _NARROWEST:
        widths[widths.index(max(widths))] -= 1
    for row in rows:
        cells = [textwrap.wrap(cell, max(size, 1), break_on_hyphens=False) for cell, size in zip(row, widths)]
        for parts in zip_longest(*cells, fillvalue=""):
            yield (" " * _GAP).join(part.ljust(size) for part, size in zip(parts, widths)).rstrip()


def _table(lines: Sequence[str], width: int) -> Iterator[str]:
    """A table, without the line below its heading."""
    rows = [[_linked(cell.strip()) for cell in line.strip("|").split("|")] for line in lines]
    return columns([*rows[:1], *rows[2:]], width)


def _linked(text: str) -> str:
    """The text with the target of each link in words: another page, an address, or nothing for the same page."""

    def named(match: re.Match[str]) -> str:
        label, target = match.groups()
        page = re.fullmatch(r"([a-z-]+)\.md(#.*)?", target)
        if page:
            return f"{label} (help {page[1]})"
        return f"{label} ({target})" if "//" in target else label

    return re.sub(r"\[([^\]]+)\]\(([^)]+)\)", named, text)
