"""Which bytes of a file are there: sets of half-open ranges ``[start, end)``.

The rules, none of which touches a disk or a socket:

* A set of ranges is a sorted tuple of disjoint, non-adjacent, non-empty ranges. Every function keeps it so.
* What is complete and what is missing always partition the file, in whatever order the bytes are received.
* HTTP counts inclusively (RFC 9110, 14.1.2): ``bytes=0-9`` are ten bytes. Only :func:`header`, and the parser of
  ``Content-Range`` in :mod:`~dci_downloader.network.headers`, know that.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Range(NamedTuple):
    """The bytes from ``start`` up to, not including, ``end``."""

    start: int
    end: int

    @property
    def size(self) -> int:
        """How many bytes."""
        return self.end - self.start


Ranges = tuple[Range, ...]
NOTHING: Ranges = ()


def union(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """Sort and merge ranges that may overlap or touch; empty ones vanish."""
    merged: list[Range] = []
    for start, end in sorted(ranges):
        if start >= end:
            continue
        if merged and start <= merged[-1].end:
            merged[-1] = Range(merged[-1].start, max(end, merged[-1].end))
        else:
            merged.append(Range(start, end))
    return tuple(merged)


def add(done: Ranges, start: int, end: int) -> Ranges:
    """The set with one more range in it."""
    return union((*done, (start, end)))


def missing(done: Ranges, size: int) -> Ranges:
    """What a file of ``size`` bytes still lacks."""
    gaps: list[Range] = []
    position = 0
    for start, end in done:
        if start > position:
            gaps.append(Range(position, min(start, size)))
        position = max(position, end)
    if position < size:
        gaps.append(Range(position, size))
    return tuple(gap for gap in gaps if gap.size > 0)  # ranges may lie beyond the end of the file


def total(done: Ranges) -> int:
    """How many bytes are in the set."""
    return sum(end - start for start, end in done)


def prefix(done: Ranges) -> int:
    """How far the file is complete from its first byte."""
    return done[0].end if done and done[0].start == 0 else 0


def within(done: Ranges, size: int) -> Ranges:
    """The part of the set that lies inside a file of ``size`` bytes."""
    return union((max(start, 0), min(end, size)) for start, end in done)


def overlap(done: Ranges, other: Iterable[Range]) -> Ranges:
    """The bytes that are in both; ``other`` may be any ranges."""
    pieces = (Range(max(one.start, piece.start), min(one.end, piece.end)) for piece in other for one in done)
    return union(pieces)


def split(gaps: Ranges, segment: int) -> Ranges:
    """Cut ranges into pieces of at most ``segment`` bytes, at multiples of it, in order."""
    segments: list[Range] = []
    for start, end in gaps:
        position = start
        while position < end:
            cut = min(end, (position // segment + 1) * segment)  # the next multiple: a resumed file is cut alike
            segments.append(Range(position, cut))
            position = cut
    return tuple(segments)


def header(start: int, end: int) -> str:
    """The value that libcurl's RANGE option and the header after ``bytes=`` take for ``[start, end)``."""
    return f"{start}-{end - 1}"
