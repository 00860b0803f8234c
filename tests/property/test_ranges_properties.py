"""What is done and what is missing always partition the file."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from dci_downloader.content import ranges
from dci_downloader.content.ranges import NOTHING, Ranges

QUICK = settings(deadline=None, max_examples=80)
SIZE = 64
PIECES = st.lists(st.tuples(st.integers(0, SIZE), st.integers(0, SIZE)), max_size=12)


def members(segments: Ranges) -> set[int]:
    return {position for start, end in segments for position in range(start, end)}


def assert_normal(segments: Ranges) -> None:
    assert all(start < end for start, end in segments)
    assert all(left.end < right.start for left, right in zip(segments, segments[1:]))


@QUICK
@given(PIECES)
def test_union_holds_exactly_the_bytes_of_its_pieces(segments: list[tuple[int, int]]) -> None:
    merged = ranges.union(segments)
    assert_normal(merged)
    assert members(merged) == {position for start, end in segments for position in range(start, end)}
    assert ranges.total(merged) == len(members(merged))


@QUICK
@given(PIECES, st.integers(0, SIZE))
def test_done_and_missing_partition_the_file(segments: list[tuple[int, int]], size: int) -> None:
    done = ranges.union(segments)
    inside, gaps = ranges.within(done, size), ranges.missing(done, size)
    assert_normal(inside)
    assert_normal(gaps)
    assert ranges.union((*inside, *gaps)) == ranges.union([(0, size)])
    assert ranges.total(inside) + ranges.total(gaps) == size


@QUICK
@given(PIECES, PIECES)
def test_an_overlap_holds_exactly_the_bytes_of_both(one: list[tuple[int, int]], other: list[tuple[int, int]]) -> None:
    both = ranges.overlap(ranges.union(one), [ranges.Range(*piece) for piece in other])
    assert_normal(both)
    assert members(both) == members(ranges.union(one)) & members(ranges.union(other))


@QUICK
@given(PIECES, st.integers(1, SIZE), st.integers(1, 20))
def test_segments_cover_the_gaps_once_and_none_crosses_a_boundary(
    segments: list[tuple[int, int]], size: int, segment: int
) -> None:
    gaps = ranges.missing(ranges.union(segments), size)
    segments = ranges.split(gaps, segment)
    assert ranges.union(segments) == gaps
    assert ranges.total(segments) == ranges.total(gaps)
    assert all(start // segment == (end - 1) // segment for start, end in segments)


@QUICK
@given(st.integers(1, 40), st.integers(4, 20), st.data())
def test_any_order_of_completions_interruptions_and_restarts_ends_with_the_whole_file(
    size: int, length: int, data: st.DataObject
) -> None:
    done, moved, runs = NOTHING, 0, 0
    while ranges.missing(done, size):
        runs += 1
        for segment in data.draw(st.permutations(ranges.split(ranges.missing(done, size), length))):
            came = data.draw(st.integers(0 if runs < 4 else segment.size, segment.size))  # cut off anywhere
            done = ranges.add(done, segment.start, segment.start + came)
            moved += came
            assert_normal(done)
            assert ranges.total(done) == moved  # no byte is fetched twice
            assert ranges.union((*done, *ranges.missing(done, size))) == ((0, size),)
            assert not members(done) & members(ranges.missing(done, size))
    assert done == ((0, size),)
    assert ranges.prefix(done) == moved == size


@QUICK
@given(PIECES)
def test_prefix_is_how_far_no_byte_is_missing(segments: list[tuple[int, int]]) -> None:
    there = members(ranges.union(segments))
    expected = next(position for position in range(SIZE + 2) if position not in there)
    assert ranges.prefix(ranges.union(segments)) == expected
