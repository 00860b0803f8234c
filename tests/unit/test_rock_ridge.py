"""Names of Rock Ridge, on their own; in images, see test_iso9660."""

from __future__ import annotations

import pytest

from dci_downloader.content.ranges import Range
from dci_downloader.content.rock_ridge import MOST_CONTINUATIONS, ImageError, RockRidge, SystemUse
from tests.iso_images import SECTOR, continued, field, named

BEGIN = field(b"SP", b"\xbe\xef\0")


def read(area, begin=BEGIN, rest=()):
    """What the system use of a record says; ``rest`` is what is sent where it is continued."""
    reading, rest = RockRidge(begin).read(area), iter(rest)
    try:
        next(reading)
        while True:
            reading.send(next(rest))
    except StopIteration as end:
        return end.value


@pytest.mark.parametrize("begin", [b"", b"SP", BEGIN[:6], field(b"RR", b"\x81"), field(b"SP", b"\0\0\0")])
def test_without_its_first_field_there_is_no_rock_ridge(begin):
    with pytest.raises(ImageError, match="no Rock Ridge"):
        RockRidge(begin)


@pytest.mark.parametrize(
    ("area", "said"),
    [
        (b"", SystemUse("")),
        (named("a"), SystemUse("a")),
        (field(b"PX", bytes(32)) + named("a") + b"\0", SystemUse("a")),
        (field(b"NM", b"\1a") + named("b"), SystemUse("ab")),
        (field(b"NM", b"\2"), SystemUse("")),
        (field(b"NM"), SystemUse("")),
        (named("a") + field(b"ST") + named("b"), SystemUse("a")),
        (named("a") + field(b"RE"), SystemUse("a", moved=True)),
        (named("a") + field(b"CL", bytes([3, 0, 0, 0, 0, 0, 0, 3])), SystemUse("a", child=3 * SECTOR)),
        (named("a") + field(b"CL", b"\3") + field(b"CE", b"\3"), SystemUse("a")),
    ],
)
def test_what_fields_say(area, said):
    assert read(area) == said


def test_bytes_that_are_somebody_elses_are_skipped():
    assert read(b"XAXAXA" + named("a"), field(b"SP", b"\xbe\xef\6")) == SystemUse("a")


def test_a_continuation_is_asked_for_where_it_is():
    reading = RockRidge(BEGIN).read(continued(7, 100, 30))
    assert next(reading) == Range(7 * SECTOR + 100, 7 * SECTOR + 130)


def test_continuations_are_bounded():
    more = continued(7, 0, 28)
    assert read(more, rest=[*[more] * (MOST_CONTINUATIONS - 1), named("a")]).name == "a"
    with pytest.raises(ImageError, match="too many parts"):
        read(more, rest=[more] * MOST_CONTINUATIONS)
