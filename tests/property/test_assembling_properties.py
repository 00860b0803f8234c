"""Whatever an image says of itself, and whatever the store really holds, the right bytes come out."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dci_downloader.content import assembly, iso9660, ranges
from dci_downloader.mirror.store import Store
from dci_downloader.models import FileEntry
from dci_downloader.transfer.assembling import Parts
from dci_downloader.transfer.tuning import Tuning
from tests.iso_images import ROOT, SECTOR, build, implanted

QUICK = settings(deadline=None, max_examples=60)
CHANCE = random.Random(3)
PACKAGES = {f"Packages/{index}.rpm": CHANCE.randbytes(9_000 + 1_111 * index) for index in range(60)}
IMAGE = build({**PACKAGES, "last": CHANCE.randbytes(40_000)})
FIRST = IMAGE.index(PACKAGES["Packages/0.rpm"][:64])
ENTRIES = [
    FileEntry(f"BaseOS/x86_64/os/{path}", sha256(content).hexdigest(), len(content))
    for path, content in PACKAGES.items()
]


@pytest.fixture(scope="module", autouse=True)
def small_numbers() -> Iterator[None]:
    """Small packages count, and little is read ahead."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(assembly, "_LEAST_BETWEEN_GAPS", 4096)
        patched.setattr(iso9660, "_FIRST_REQUEST", 4096)
        patched.setattr(iso9660, "_BEYOND", 0)
        yield


def assemble(image: bytes, wrong: Sequence[int], gone: Sequence[int]) -> int:
    """Put an image together in a new store; how many bytes of it had to be fetched."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "store")
        store.prepare()
        for number, (entry, content) in enumerate(zip(ENTRIES, PACKAGES.values())):
            if number not in gone:
                store.add(entry, [content])
        for number in set(wrong) - set(gone):
            store.path(ENTRIES[number].sha256).chmod(0o644)
            store.path(ENTRIES[number].sha256).write_bytes(bytes(ENTRIES[number].size))
        entry = FileEntry("BaseOS/x86_64/iso/dvd.iso", sha256(image).hexdigest(), len(image))
        partial = store.open_partial(entry)
        assembling = Parts(ENTRIES, store, Tuning(assembly_step=100_000)).begin(partial)
        assert assembling is not None
        fetched: list[ranges.Range] = []
        while assembling.step is not None:
            fetched += assembling.step.wanted
            for start, end in assembling.step.wanted:
                partial.write(start, image[start:end])
            assembling.advance()
        assert partial.matches()
        partial.finish()
        assert store.read(entry.sha256) == image
        assert ranges.total(ranges.union(fetched)) == sum(one.size for one in fetched)  # nothing twice
        return sum(one.size for one in fetched)


NUMBERS = st.lists(st.integers(0, len(ENTRIES) - 1), max_size=4)


def test_little_is_fetched_where_all_is_as_it_should_be() -> None:
    assert assemble(IMAGE, [], []) < 120_000


@QUICK
@given(NUMBERS, NUMBERS, st.booleans())
def test_objects_that_are_gone_or_wrong_are_made_up_for(wrong: list[int], gone: list[int], sums: bool) -> None:
    assert assemble(implanted(IMAGE) if sums else IMAGE, wrong, gone) <= len(IMAGE)


@QUICK
@given(st.data())
def test_folders_that_lie_lead_to_the_right_bytes(data: st.DataObject) -> None:
    image = bytearray(IMAGE)
    for _ in range(data.draw(st.integers(1, 6))):
        place, lie = data.draw(st.integers(ROOT * SECTOR, FIRST - 8)), data.draw(st.binary(min_size=1, max_size=8))
        image[place : place + len(lie)] = lie
    assert assemble(bytes(image), data.draw(NUMBERS), []) <= len(image)


def test_a_folder_in_the_second_half_of_an_image_is_read() -> None:
    """It is read from its beginning to its end: its end is not taken for its size."""
    image = bytearray(IMAGE)
    image[47848:47850] = b"\x00\x02"  # found by the property above
    assert assemble(bytes(image), [], []) <= len(image)
