"""Whatever an image holds, its parser gives a layout or its own error, and an assembly covers the image exactly."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from dci_downloader.content import ranges
from dci_downloader.content.assembly import assemble
from dci_downloader.content.iso9660 import ImageFile, read_layout
from dci_downloader.content.isomd5 import SumCheck, read_sums
from dci_downloader.content.ranges import Range
from dci_downloader.content.rock_ridge import ImageError
from dci_downloader.models import FileEntry
from tests.iso_images import ROOT, SECTOR, answered, build, compose

QUICK = settings(deadline=None, max_examples=200)
RIGHT = build({f"{folder}/{name}.rpm": name.encode() * 700 for folder in "ab" for name in ("x", "y" * 150, "z")})
NAMES = st.text("abcdefgh.+~-é", min_size=1, max_size=60).filter(lambda name: name.strip("."))


@QUICK
@given(st.dictionaries(NAMES, st.binary(min_size=1, max_size=5000), max_size=20))
def test_what_was_put_in_is_found(files: dict[str, bytes]) -> None:
    image = build({f"folder/{name}": content for name, content in files.items()})
    layout, _ = answered(read_layout(len(image)), image)
    found = {file.path: b"".join(image[start:end] for start, end in file.extents) for file in layout}
    assert found == {f"folder/{name}": content for name, content in files.items()}


def read_or_refuse(image: bytes, size: int) -> None:
    try:
        layout, asked = answered(read_layout(size), image + bytes(size))
    except ImageError:
        return
    assert all(extent.end <= size for file in layout for extent in file.extents)
    assert ranges.total(ranges.union(asked)) == sum(each.size for each in asked)


@QUICK
@given(st.data())
def test_an_image_with_wrong_bytes_is_read_or_refused(data: st.DataObject) -> None:
    image = bytearray(RIGHT)
    places = st.one_of(st.integers(16 * SECTOR, 17 * SECTOR), st.integers(ROOT * SECTOR, len(image) - 9))
    for _ in range(data.draw(st.integers(1, 8))):
        place, wrong = data.draw(places), data.draw(st.binary(min_size=1, max_size=8))
        image[place : place + len(wrong)] = wrong
    read_or_refuse(bytes(image), data.draw(st.sampled_from([len(image), len(image) // 2, 10 * len(image)])))


@QUICK
@given(st.binary(max_size=4 * SECTOR))
def test_a_root_folder_of_any_bytes_is_read_or_refused(content: bytes) -> None:
    image = compose({ROOT: RIGHT[ROOT * SECTOR :][:120] + content, ROOT + 8: b"end"}, 4 * SECTOR)
    read_or_refuse(image, len(image))


@QUICK
@given(st.binary(max_size=600), st.integers(0, 1 << 40), st.integers(0, 1 << 30))
def test_any_application_use_has_sums_or_none(stated: bytes, size: int, sectors: int) -> None:
    head = bytearray(compose({}, sectors=sectors))
    head[16 * SECTOR + 883 : 16 * SECTOR + 883 + len(stated)] = stated
    sums = read_sums(bytes(head), size)
    assert sums is None or SumCheck(sums).next_size() > 0


SIZE = 4 << 20
EXTENTS = st.builds(
    lambda start, size: Range(start * SECTOR, min(start * SECTOR + size, SIZE - 5)),
    st.integers(0, SIZE // SECTOR - 2),
    st.integers(1, SIZE // 2),
)


@QUICK
@given(st.lists(st.lists(EXTENTS, min_size=1, max_size=3), max_size=12), st.sets(st.integers(0, 11)))
def test_fills_and_gaps_cover_an_image_exactly(files: list[list[Range]], held: set[int]) -> None:
    layout = tuple(ImageFile("", f"{index}.rpm", tuple(extents)) for index, extents in enumerate(files))
    entries = [FileEntry(f"x/{file.path}", f"{index:064x}", file.size) for index, file in enumerate(layout)]
    here = {entry.sha256 for index, entry in enumerate(entries) if index in held}
    image = FileEntry("x/dvd.iso", "f" * 64, SIZE - 5)
    made = assemble(image, layout, entries, lambda entry: entry.sha256 in here)
    pieces = sorted([*(fill.range for fill in made.fills), *made.gaps])
    assert [piece.start for piece in pieces] == [0, *(piece.end for piece in pieces[:-1])]
    assert pieces[-1].end == image.size
    for fill in made.fills:
        assert fill.entry.sha256 in here
        assert 0 < fill.size <= fill.range.size < fill.size + SECTOR
        assert fill.offset + fill.size <= fill.entry.size
