"""Sizes, counts, durations and tables for people, in one form for all messages."""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Sequence
from datetime import datetime
from typing import Optional

_UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB")


def printable(text: str) -> str:
    """The text with escapes in place of what a terminal obeys or cannot show; ends of lines and tabs stay.

    All that is printed for people goes through this: names and answers of servers, and names of files, may hold
    sequences that clear the screen, turn the direction of writing, or are halves of characters.
    """
    return "".join(char if char.isprintable() or char in "\n\t" else ascii(char)[1:-1] for char in text)


def printable_line(text: str) -> str:
    """The same on one line: a name that holds line ends must not look like several lines of this program."""
    return printable(text).replace("\n", "\\n")


def size(count: float) -> str:
    """Bytes in decimal units, as for disks and lines: ``1.4 GB``."""
    unit = 0
    while abs(count) >= 999.5 and unit + 1 < len(_UNITS):
        count /= 1000
        unit += 1
    digits = 0 if unit == 0 or abs(count) >= 99.95 else 1
    return f"{count:,.{digits}f} {_UNITS[unit]}" if unit or count != 1 else "1 byte"


def part(done: float, whole: float, between: str = "/") -> str:
    """A number of bytes out of a total, in the unit of the total: ``0.4/1.4 GB``; the text keeps its length."""
    number, unit = size(whole).split(" ")
    scale = 1000 ** _UNITS.index(unit) if unit in _UNITS else 1
    digits = len(number.partition(".")[2])
    return f"{done / scale:,.{digits}f}".rjust(len(number)) + f"{between}{number} {unit}"


def rate(count: float, seconds: float) -> str:
    """Bytes per second: ``58.2 MB/s``."""
    return f"{size(count / seconds if seconds > 0 else 0)}/s"


def count(number: int, noun: str) -> str:
    """A number of things: ``1 file``, ``5,000 files``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def duration(seconds: float) -> str:
    """A length of time: ``9 s``, ``4 min 10 s``, ``2 h 5 min``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"


def clock(seconds: float) -> str:
    """A length of time for places where it changes: ``0:09``, ``4:10``, ``2:05:00``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def columns(text: str) -> int:
    """How many columns of a terminal a printable text takes: East Asian letters take two, combining marks none."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(char) else 1 + (unicodedata.east_asian_width(char) in "WF") for char in text)


def shorten(text: str, most: int) -> str:
    """The text, or where it takes more than so many columns its beginning and a ``…``."""
    if columns(text) <= most:
        return text
    while text and columns(text) >= most:
        text = text[:-1]
    return f"{text}…"


def age(moment: datetime, now: datetime) -> str:
    """How long ago an instant was: ``just now``, ``5 min ago``, ``2 h ago``, ``12 d ago``; a later one as it is."""
    minutes = int((now - moment).total_seconds() / 60)  # towards zero
    if minutes < -1:
        return instant(moment)
    if minutes < 1:
        return "just now"
    if minutes < 60:
        return f"{minutes} min ago"
    return f"{minutes // 60} h ago" if minutes < 48 * 60 else f"{minutes // 1440:,} d ago"


def instant(moment: datetime) -> str:
    """An instant in UTC, to the minute: ``2026-11-27 03:41Z``."""
    return f"{moment:%Y-%m-%d %H:%M}Z"


def wrapped(text: str, width: Optional[int]) -> list[str]:
    """A line as lines that a terminal has room for, the first of which tells how far all are indented.

    It is broken between words. Longer ones, like paths, stay whole; and so do hints, which hold commands to be copied.
    """
    if width is None or columns(text) <= width or text.lstrip().startswith("hint: "):
        return [text]
    indent = " " * (len(text) - len(text.lstrip()) + 2)
    return textwrap.wrap(text, max(width, 20), subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as lines with aligned columns, two spaces apart; each cell is made fit to be printed."""
    rows = [[printable_line(cell).replace("\t", "\\t") for cell in row] for row in rows]
    widths = [max(map(columns, column)) for column in zip(*rows)]
    return [
        "  ".join(cell + " " * (width - columns(cell)) for cell, width in zip(row, widths)).rstrip() for row in rows
    ]
