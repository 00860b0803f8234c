from __future__ import annotations

import pytest

from dci_downloader.content import ranges
from dci_downloader.content.ranges import NOTHING, Range


@pytest.mark.parametrize(
    ("segments", "merged"),
    [
        ([], ()),
        ([(0, 0), (5, 5), (7, 3)], ()),
        ([(0, 10)], ((0, 10),)),
        ([(5, 10), (0, 5)], ((0, 10),)),
        ([(0, 5), (6, 10)], ((0, 5), (6, 10))),
        ([(0, 10), (2, 3)], ((0, 10),)),
        ([(0, 4), (2, 8), (8, 9), (20, 30)], ((0, 9), (20, 30))),
    ],
)
def test_union_sorts_and_merges(segments: list[tuple[int, int]], merged: tuple[tuple[int, int], ...]) -> None:
    assert ranges.union(segments) == merged
    assert all(isinstance(segment, Range) for segment in ranges.union(segments))


def test_add_closes_a_gap() -> None:
    done = ranges.add(ranges.add(NOTHING, 0, 10), 20, 30)
    assert done == ((0, 10), (20, 30))
    assert ranges.add(done, 10, 20) == ((0, 30),)


@pytest.mark.parametrize(
    ("done", "size", "gaps"),
    [
        ((), 0, ()),
        ((), 10, ((0, 10),)),
        (((0, 10),), 10, ()),
        (((0, 10),), 15, ((10, 15),)),
        (((5, 10),), 15, ((0, 5), (10, 15))),
        (((0, 3), (5, 8)), 8, ((3, 5),)),
        (((0, 3), (5, 80)), 8, ((3, 5),)),
        (((0, 3), (50, 80)), 8, ((3, 8),)),
        (((9, 12),), 8, ((0, 8),)),
        (((2, 4), (20, 30), (40, 50)), 8, ((0, 2), (4, 8))),
    ],
)
def test_missing_is_what_lies_between(
    done: tuple[tuple[int, int], ...], size: int, gaps: tuple[tuple[int, int], ...]
) -> None:
    assert ranges.missing(ranges.union(done), size) == gaps


@pytest.mark.parametrize(
    ("done", "total", "prefix"), [((), 0, 0), (((0, 4),), 4, 4), (((1, 4),), 3, 0), (((0, 4), (6, 9)), 7, 4)]
)
def test_total_and_prefix(done: tuple[tuple[int, int], ...], total: int, prefix: int) -> None:
    assert ranges.total(ranges.union(done)) == total
    assert ranges.prefix(ranges.union(done)) == prefix


@pytest.mark.parametrize(
    ("done", "size", "inside"),
    [
        (((0, 10),), 5, ((0, 5),)),
        (((0, 2), (5, 10)), 5, ((0, 2),)),
        (((-5, 3),), 5, ((0, 3),)),
        (((-5, -3),), 5, ()),
        (((0, 3),), 0, ()),
    ],
)
def test_within_cuts_off_what_lies_outside(
    done: tuple[tuple[int, int], ...], size: int, inside: tuple[tuple[int, int], ...]
) -> None:
    assert ranges.within(ranges.union(done), size) == inside


@pytest.mark.parametrize(
    ("gaps", "segments"),
    [
        ((), ()),
        (((0, 10),), ((0, 10),)),
        (((0, 25),), ((0, 10), (10, 20), (20, 25))),
        (((5, 25),), ((5, 10), (10, 20), (20, 25))),
        (((3, 7), (19, 21)), ((3, 7), (19, 20), (20, 21))),
    ],
)
def test_split_cuts_at_multiples(gaps: tuple[tuple[int, int], ...], segments: tuple[tuple[int, int], ...]) -> None:
    assert ranges.split(ranges.union(gaps), 10) == segments


def test_header_counts_inclusively() -> None:
    assert ranges.header(0, 10) == "0-9"
    assert ranges.header(7, 8) == "7-7"
