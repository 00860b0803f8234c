"""How numbers and tables are said to people, in one place so that every message says them alike."""

from __future__ import annotations

from collections.abc import Sequence

_UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB")


def printable(text: str) -> str:
    """The text without what a terminal would obey: a server's words may hold escape sequences. Line ends stay."""
    return "".join(char if char.isprintable() or char == "\n" else ascii(char)[1:-1] for char in text)


def size(count: float) -> str:
    """Bytes in decimal units, as disks and lines are sold: ``1.4 GB``."""
    unit = 0
    while abs(count) >= 999.5 and unit + 1 < len(_UNITS):
        count /= 1000
        unit += 1
    digits = 0 if unit == 0 or abs(count) >= 99.95 else 1
    return f"{count:,.{digits}f} {_UNITS[unit]}"


def count(number: int, what: str) -> str:
    """A number of things: ``1 file``, ``5,000 files``."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


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


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as lines whose columns are aligned, two spaces between them."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
