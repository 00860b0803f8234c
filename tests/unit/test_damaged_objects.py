"""Damaged objects are found among those that an image was filled from, and mended from it; see tests/faults, too."""

from __future__ import annotations

import os
import random

import pytest

from dci_downloader.content.assembly import Fill
from dci_downloader.content.ranges import Range
from dci_downloader.mirror.damage import judge
from dci_downloader.transfer import damaged_objects
from dci_downloader.transfer.damaged_objects import DamagedObjects
from tests.unit.samples import entry_of, leftovers

CHANCE = random.Random(1)
CONTENTS = [CHANCE.randbytes(size) for size in (3000, 5000, 4096)]
ENTRIES = [entry_of(f"{number}.rpm", content) for number, content in enumerate(CONTENTS)]
FILLS = [
    Fill(Range(0, 4096), ENTRIES[0], 0, 3000),
    Fill(Range(4096, 8192), ENTRIES[1], 0, 4096),
    Fill(Range(8192, 10240), ENTRIES[1], 4096, 904),
    Fill(Range(10240, 14336), ENTRIES[2], 0, 4096),
    Fill(Range(14336, 18432), ENTRIES[0], 0, 3000),
]
CONTENT = b"".join(content + bytes(-len(content) % 2048) for content in (*CONTENTS, CONTENTS[0]))
IMAGE = entry_of("dvd.iso", CONTENT)


@pytest.fixture
def image(store):
    """The image as it should be."""
    for entry, content in zip(ENTRIES, CONTENTS):
        store.add(entry, [content])
    partial = store.open_partial(IMAGE)
    partial.write(0, CONTENT)
    yield partial
    partial.discard()


def damage(store, *numbers, gone=False):
    for number in numbers:
        place = store.path(ENTRIES[number].sha256)
        place.unlink()
        if not gone:
            place.write_bytes(bytes(ENTRIES[number].size))


def right(store):
    return [store.holds(entry) and store.path(entry.sha256).read_bytes() == content for entry, content in HELD]


HELD = list(zip(ENTRIES, CONTENTS))


def found(store, step_bytes=1 << 20):
    damaged = DamagedObjects(FILLS, store, step_bytes)
    return damaged, len(list(damaged.find()))


@pytest.mark.parametrize("gone", [False, True])
@pytest.mark.parametrize(
    ("numbers", "places"),
    [
        ((0,), (Range(0, 4096), Range(14336, 18432))),
        ((1,), (Range(4096, 10240),)),
        ((0, 1, 2), (Range(0, 18432),)),
    ],
)
def test_what_is_damaged_is_found_marked_and_mended(store, image, numbers, places, gone):
    damage(store, *numbers, gone=gone)
    damaged, _ = found(store)
    assert (len(damaged), damaged.places) == (len(numbers), places)
    assert store.damage.read() == {ENTRIES[number].sha256 for number in numbers}
    assert len(list(damaged.mend(image))) == len(numbers)
    assert right(store) == [True] * 3
    assert store.damage.read() == frozenset()
    assert leftovers(store) == [IMAGE.sha256]


def test_where_nothing_is_damaged_nothing_is_marked_or_written(store, image):
    damaged, _ = found(store)
    before = [os.stat(store.path(entry.sha256)).st_ino for entry in ENTRIES]
    assert (len(damaged), damaged.places, list(damaged.mend(image))) == (0, (), [])
    assert store.damage.read() == frozenset()
    assert before == [os.stat(store.path(entry.sha256)).st_ino for entry in ENTRIES]


def test_no_step_hashes_more_bytes_than_it_should_unless_one_object_has_more(store, image, monkeypatch):
    hashed = []

    def judged(marks, objects):
        hashed.append([ENTRIES.index(entry) for entry in ENTRIES if entry.sha256 in objects])
        return judge(marks, objects)

    monkeypatch.setattr(damaged_objects, "judge", judged)
    assert [found(store, size)[1] for size in (1, 8000, 9096, 12_096)] == [2, 1, 1, 0]
    assert hashed == [[0], [1], [2], [0, 1], [2], [0, 1], [2], [0, 1, 2]]


def test_what_the_image_has_other_bytes_for_stays_marked(store, image):
    damage(store, 1, 2)
    damaged, _ = found(store)
    image.write(5000, b"another")
    list(damaged.mend(image))
    assert right(store) == [True, False, True]
    assert store.damage.read() == {ENTRIES[1].sha256}
    assert leftovers(store) == [IMAGE.sha256]


def test_what_cannot_be_read_from_the_image_leaves_nothing_behind(store, image):
    damage(store, 1)
    damaged, _ = found(store)
    os.rename(image.path, f"{image.path}.elsewhere")
    list(damaged.mend(image))
    os.rename(f"{image.path}.elsewhere", image.path)
    assert store.damage.read() == {ENTRIES[1].sha256}
    assert leftovers(store) == [IMAGE.sha256]


def test_what_is_not_in_the_image_as_a_whole_stays_marked(store, image):
    damage(store, 1)
    damaged = DamagedObjects(FILLS[:2], store, 1 << 20)
    list(damaged.find())
    assert (len(damaged), list(damaged.mend(image))) == (1, [])
    assert store.damage.read() == {ENTRIES[1].sha256}
