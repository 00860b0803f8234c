"""Which files of an image are known, and what is left to fetch."""

from __future__ import annotations

import hashlib

import pytest

from dci_downloader.content import ranges
from dci_downloader.content.assembly import Fill, assemble, expected_bytes, is_image, is_part, whole_files
from dci_downloader.content.iso9660 import ImageFile
from dci_downloader.content.ranges import Range
from dci_downloader.models import FileEntry

SECTOR = 2048
MIB = 1 << 20
IMAGE = FileEntry("BaseOS/x86_64/iso/dvd.iso", "f" * 64, 100 * MIB)


def entry(path, size=MIB, content=""):
    return FileEntry(path, hashlib.sha256((content or path).encode()).hexdigest(), size)


def file(path, start, size=MIB):
    folder, _, name = path.rpartition("/")
    return ImageFile(folder, name, (Range(start, start + size),))


def plan(layout, entries, image=IMAGE, here=None):
    return assemble(image, tuple(layout), entries, lambda each: here is None or each in here)


@pytest.mark.parametrize(
    ("path", "size", "known"),
    [
        ("BaseOS/x86_64/os/Packages/a.rpm", 5, True),
        ("BaseOS/x86_64/os/images/install.img", 4 * MIB, True),
        ("BaseOS/x86_64/os/images/small.img", 4 * MIB - 1, False),
        ("BaseOS/x86_64/os/images/efiboot.img", 8 * MIB, False),
        ("BaseOS/x86_64/os/.treeinfo", 500, False),
        ("BaseOS/x86_64/os/repodata/repomd.xml", 500, False),
        ("BaseOS/x86_64/iso/boot.iso", 80 * MIB, False),
        ("BaseOS/x86_64/os/Packages/empty.rpm", 0, False),
    ],
)
def test_files_are_known_by_name_and_size_where_that_is_safe(path, size, known):
    assert is_part(entry(path, size)) is known


def test_metadata_is_known_where_its_name_holds_its_digest():
    digest = "ab" * 32
    named = FileEntry(f"BaseOS/x86_64/os/repodata/{digest}-primary.xml.gz", digest, 500)
    assert is_part(named)
    assert not is_part(named._replace(sha256="cd" * 32))


def test_images_are_known_by_their_names():
    assert is_image(IMAGE)
    assert not is_image(IMAGE._replace(path="BaseOS/x86_64/images/guest.qcow2"))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("BaseOS/x86_64/iso/dvd1.iso", 12 * MIB + 5),
        ("BaseOS/x86_64/iso/boot.iso", 5 * MIB),
        ("BaseOS/x86_64/os/images/boot.iso", 5 * MIB),
        ("BaseOS/aarch64/iso/dvd1.iso", 6 * MIB),
        ("BaseOS/source/iso/dvd1.iso", 3),
    ],
)
def test_what_a_build_is_expected_to_have_of_an_image(path, expected):
    entries = [
        entry("BaseOS/x86_64/os/images/install.img", 5 * MIB),
        entry("BaseOS/x86_64/os/Packages/a.rpm", 5),
        entry("BaseOS/x86_64/debug/tree/Packages/a-debuginfo.rpm", 40 * MIB),
        entry("BaseOS/x86_64/os/images/boot.iso", 70 * MIB),
        entry("AppStream/x86_64/os/Packages/b.rpm", 7 * MIB),
        entry("AppStream/x86_64/os/Packages/c.rpm", 7 * MIB, content="AppStream/x86_64/os/Packages/b.rpm"),
        entry("BaseOS/aarch64/os/images/install.img", 6 * MIB),
        entry("BaseOS/source/tree/Packages/a.src.rpm", 3),
    ]
    assert expected_bytes(IMAGE._replace(path=path), entries) == expected
    assert expected_bytes(IMAGE._replace(path=path, size=2), entries) == 2


def test_a_fill_takes_the_rest_of_its_sector_and_gaps_are_the_rest():
    package = entry("BaseOS/x86_64/os/Packages/a.rpm", MIB + 5)
    made = plan([file("Packages/a.rpm", 50 * MIB, MIB + 5)], [package])
    filled = Range(50 * MIB, 51 * MIB + SECTOR)
    assert made.fills == (Fill(filled, package, 0, MIB + 5),)
    assert made.gaps == (Range(0, filled.start), Range(filled.end, IMAGE.size))
    assert (made.files, made.filled_files, made.filled_bytes) == (1, 1, MIB + SECTOR)


def test_a_fill_ends_with_an_image_that_ends_within_a_sector():
    image = IMAGE._replace(size=50 * MIB + 5)
    made = plan([file("a.rpm", 49 * MIB, MIB + 5)], [entry("x/a.rpm", MIB + 5)], image)
    assert made.gaps == (Range(0, 49 * MIB),)


def test_nothing_is_filled_with_what_is_not_here_or_has_another_size():
    layout = [file("a.rpm", MIB), file("b.rpm", 4 * MIB)]
    entries = [entry("x/a.rpm"), entry("x/b.rpm", MIB + 1)]
    made = plan(layout, entries, here=[entries[1]])
    assert (made.fills, made.gaps) == ((), (Range(0, IMAGE.size),))


def test_a_file_of_several_extents_is_several_fills():
    both = ImageFile("", "a.rpm", (Range(MIB, 2 * MIB), Range(10 * MIB, 11 * MIB + 7)))
    package = entry("x/a.rpm", 2 * MIB + 7)
    made = plan([both], [package])
    assert [(fill.offset, fill.size) for fill in made.fills] == [(0, MIB), (MIB, MIB + 7)]
    assert made.filled_files == 1


def test_a_file_is_filled_in_as_a_whole_where_all_of_it_is_in_its_order():
    first, second, other = entry("x/a.rpm", 30), entry("x/b.rpm", 10), entry("x/c.rpm", 5)
    begin, end = Fill(Range(0, 10), first, 0, 10), Fill(Range(10, 30), first, 10, 20)
    single, last = Fill(Range(30, 40), second, 0, 10), Fill(Range(40, 45), other, 0, 5)
    assert list(whole_files([begin, end, single, last])) == [(begin, end), (single,), (last,)]
    assert list(whole_files([single, single])) == [(single,), (single,)]
    assert list(whole_files([begin, single, end, last])) == [(single,), (last,)]
    assert list(whole_files([end, begin, begin, end, begin])) == [(begin, end)]


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        ("AppStream/Packages", "AppStream/x86_64/os/Packages/a.rpm"),
        ("Packages", "BaseOS/x86_64/os/Packages/a.rpm"),
        ("", "BaseOS/x86_64/os/Packages/a.rpm"),
        ("CRB/Packages", "BaseOS/x86_64/os/Packages/a.rpm"),
    ],
)
def test_among_several_contents_that_of_the_variant_counts(folder, expected):
    trees = ("AppStream/aarch64", "AppStream/x86_64", "BaseOS/aarch64", "BaseOS/x86_64")
    entries = [entry(f"{tree}/os/Packages/a.rpm") for tree in trees]
    (fill,) = plan([file(f"{folder}/a.rpm".lstrip("/"), MIB)], entries).fills
    assert fill.entry.path == expected


def test_among_several_contents_of_the_variant_none_counts():
    entries = [entry("BaseOS/x86_64/os/a/a.rpm"), entry("BaseOS/x86_64/os/b/a.rpm")]
    assert plan([file("Packages/a.rpm", MIB)], entries).fills == ()


def test_one_content_counts_wherever_it_is():
    entries = [entry(f"{variant}/s390x/os/a.rpm", content="same") for variant in ("CRB", "NFV")]
    assert len(plan([file("Packages/a.rpm", MIB)], entries).fills) == 1


def test_files_that_are_called_the_same_by_the_thousand_are_not_told_apart():
    entries = [entry(f"{number}/x86_64/os/a.rpm", content="same") for number in range(5000)]
    assert plan([file("Packages/a.rpm", MIB)], entries).fills == ()


def test_of_two_files_in_one_place_the_first_counts():
    layout = [file("a.rpm", MIB), file("b.rpm", MIB), file("c.rpm", MIB + MIB // 2)]
    made = plan(layout, [entry(f"x/{name}.rpm") for name in "abc"])
    assert [fill.entry.path for fill in made.fills] == ["x/a.rpm"]


def test_small_islands_between_gaps_are_fetched_with_them():
    sizes = {"small": 256 * 1024 - SECTOR, "big": 256 * 1024}
    layout = [file("small.rpm", 10 * MIB, sizes["small"]), file("big.rpm", 20 * MIB, sizes["big"])]
    made = plan(layout, [entry(f"x/{name}.rpm", size) for name, size in sizes.items()])
    assert [fill.entry.path for fill in made.fills] == ["x/big.rpm"]
    assert made.gaps == (Range(0, 20 * MIB), Range(20 * MIB + 256 * 1024, IMAGE.size))


def test_files_side_by_side_are_no_island():
    layout = [file(f"{index}.rpm", 10 * MIB + index * 64 * 1024, 64 * 1024) for index in range(8)]
    made = plan(layout, [entry(f"x/{index}.rpm", 64 * 1024) for index in range(8)])
    assert len(made.fills) == 8
    assert ranges.total(made.gaps) == IMAGE.size - 512 * 1024
