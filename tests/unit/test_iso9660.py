"""Where the files of an image are, and images that are not read."""

from __future__ import annotations

import time
import tracemalloc

import pytest

from dci_downloader.content.iso9660 import MOST_BYTES, MOST_REQUESTS, read_layout
from dci_downloader.content.ranges import Range
from dci_downloader.content.rock_ridge import ImageError
from tests.iso_images import (
    CONTINUED,
    ROOT,
    SECTOR,
    SUBFOLDER,
    answered,
    build,
    compose,
    continued,
    field,
    folder,
    named,
    read,
    record,
)


def in_root(*records, more=None, size=SECTOR, **options):
    """An image with these records in its root folder, and other content by sector."""
    return compose({ROOT: folder(ROOT, ROOT, list(records), size), **(more or {})}, size, **options)


def paths(image):
    return {file.path: [tuple(extent) for extent in file.extents] for file in read(image)}


def at(sector, size):
    return sector * SECTOR, sector * SECTOR + size


def test_files_are_found_in_folders():
    layout = read(build({"BaseOS/a.rpm": b"a" * 3000, ".treeinfo": b"t", "images/b.img": b"b" * 5000}))
    assert {(file.path, file.folder, file.name, file.size) for file in layout} == {
        ("BaseOS/a.rpm", "BaseOS", "a.rpm", 3000),
        (".treeinfo", "", ".treeinfo", 1),
        ("images/b.img", "images", "b.img", 5000),
    }


def test_extents_are_where_the_bytes_are():
    image = build({"a.rpm": b"a" * 3000, "b.rpm": b"b" * 10})
    for file in read(image):
        (extent,) = file.extents
        assert image[extent.start : extent.end] == file.name[:1].encode() * file.size


def test_one_request_is_enough_where_folders_are_small():
    image = build({"a.rpm": b"a" * 3000})
    assert len(answered(read_layout(len(image)), image)[1]) == 1


def test_a_file_of_several_extents_is_one_file():
    image = in_root(
        record(b"BIG", 30, 4096, CONTINUED, named("big.rpm")),
        record(b"BIG", 32, 2048, CONTINUED, named("big.rpm")),
        record(b"BIG", 40, 5, 0, named("big.rpm")),
        record(b"ONE", 41, 5, 0, named("one.rpm")),
        more={41: b"12345"},
    )
    assert paths(image) == {"big.rpm": [at(30, 4096), at(32, 2048), at(40, 5)], "one.rpm": [at(41, 5)]}


def test_what_has_no_bytes_or_no_name_is_left_out():
    image = in_root(
        record(b"EMPTY", 9999, 0, 0, named("empty")),
        record(b"NONAME", 30, 5),
        record(b"RESOURCE", 30, 5, 0x04, named("resource fork")),
        record(b"A", 30, 5, 0, named("a")),
        more={30: b"12345"},
    )
    assert paths(image) == {"a": [at(30, 5)]}


def test_an_extended_attribute_record_comes_before_the_bytes():
    one = bytearray(record(b"A", 30, 5, 0, named("a")))
    one[1] = 2
    assert paths(in_root(bytes(one), more={32: b"12345"})) == {"a": [at(32, 5)]}


def test_a_folder_that_was_moved_is_where_its_child_link_is():
    image = in_root(
        record(b"DEEP", 50, SECTOR, 0, named("deep") + field(b"CL", (22).to_bytes(4, "little") * 2)),
        record(b"MOVED", 21, SECTOR, SUBFOLDER, named("rr_moved")),
        more={
            21: folder(21, ROOT, [record(b"X", 22, SECTOR, SUBFOLDER, named("x") + field(b"RE"))]),
            22: folder(22, 21, [record(b"A", 30, 5, 0, named("a"))]),
            30: b"12345",
        },
    )
    assert paths(image) == {"deep/a": [at(30, 5)]}


def test_names_are_put_together_from_continuations():
    rest = field(b"NM", b"\0" + b"b" * 100)
    image = in_root(
        record(b"A", 30, 5, 0, field(b"NM", b"\1" + b"a" * 100) + continued(25, 100, len(rest))),
        more={25: bytes(100) + rest, 30: b"12345"},
    )
    assert paths(image) == {"a" * 100 + "b" * 100: [at(30, 5)]}


def test_names_that_are_not_utf8_are_kept_apart():
    image = in_root(record(b"A", 30, 5, 0, field(b"NM", b"\0\xe9.rpm")), more={30: b"12345"})
    assert list(paths(image)) == ["\udce9.rpm"]


def loop():
    return in_root(
        record(b"A", 21, SECTOR, SUBFOLDER, named("a")),
        more={21: folder(21, ROOT, [record(b"B", 22, SECTOR, SUBFOLDER, named("b"))]),
              22: folder(22, 21, [record(b"A", 21, SECTOR, SUBFOLDER, named("a")), record(b"F", 30, 5, 0, named("f"))]),
              30: b"12345"},
    )  # fmt: skip


def far_apart():
    """Folders with two thirds of a megabyte between them."""
    records = [record(b"%d" % index, 1000 + 4000 * index, SECTOR, SUBFOLDER, named("x")) for index in range(30)]
    return in_root(*records, more={150_000: b"end"}, size=3 * SECTOR)


def endless_name():
    chain = {sector: continued(sector + 1, 0, 28) for sector in range(40, 60)}
    return in_root(record(b"A", 30, 5, 0, continued(40, 0, 28)), more=chain)


def many(records, size):
    """An image whose root folder is these records over and over."""
    content = folder(ROOT, ROOT, records * (size // sum(map(len, records))), size)
    return compose({ROOT: content[:size], ROOT + size // SECTOR: bytes(SECTOR)}, size)


def leaving_its_sector():
    content = bytearray(folder(ROOT, ROOT, [record(b"A", 20, 5, 0, named("a"))] * 45))
    end = bytes(content).rstrip(b"\0")
    content[len(end)] = 255
    return compose({ROOT: bytes(content)})


def overlapping():
    """Thousands of folders, each of them nearly all that may be asked for."""
    size = 4 << 20
    records = [record(b"%d" % index, ROOT + index, size, SUBFOLDER, named("x")) for index in range(1, 4000)]
    return many(records, size) + bytes(16 << 20)


UNREADABLE = {
    "nothing": lambda: b"",
    "zeros": lambda: bytes(1 << 20),
    "a page": lambda: b"<html>" + b"no such file " * 100_000,
    "cut in the system area": lambda: build({"a": b"a"})[:30_000],
    "cut in the descriptors": lambda: build({"a": b"a"})[: 16 * SECTOR + 1000],
    "cut in the root folder": lambda: build({"a": b"a"})[: ROOT * SECTOR + 100],
    "cut in a file": lambda: build({"a": b"a" * 9000})[:-SECTOR],
    "only descriptors": lambda: compose(dict.fromkeys(range(16, 90), b"\2CD001\1")),
    "blocks of 512 bytes": lambda: in_root(record(b"A", 30, 5, 0, named("a")), block=512),
    "no Rock Ridge": lambda: compose({ROOT: record(b"\0", ROOT, SECTOR, SUBFOLDER) + record(b"A", 20, 5)}),
    "an empty root": lambda: compose({ROOT: b""}, 0),
    "a root beyond the end": lambda: compose({}, 1 << 31),
    "a folder beyond the end": lambda: in_root(record(b"A", 1 << 30, SECTOR, SUBFOLDER, named("a"))),
    "a file beyond the end": lambda: in_root(record(b"A", 1 << 30, 5, 0, named("a"))),
    "a folder of 4 GiB": lambda: in_root(record(b"A", 30, 0xFFFFF800, SUBFOLDER, named("a"))),
    "folders in a circle": loop,
    "folders far apart": far_apart,
    "folders that overlap": overlapping,
    "a record that is too short": lambda: in_root(b"\x08" + bytes(7)),
    "a record that leaves its sector": leaving_its_sector,
    "an identifier longer than its record": lambda: in_root(record(b"A", 30, 5)[:32] + b"\xff" + bytes(3)),
    "a file without an end": lambda: in_root(record(b"A", 20, 5, CONTINUED, named("a"))),
    "a file that goes on as another": lambda: in_root(record(b"A", 20, 5, CONTINUED), record(b"B", 20, 5)),
    "endless extents": lambda: many([record(b"A", 20, 5, CONTINUED, named("a"))], 6 << 20),
    "a field of no length": lambda: in_root(record(b"A", 20, 5, 0, b"NM\0\1\0abc")),
    "a field longer than its area": lambda: in_root(record(b"A", 20, 5, 0, b"NM\xff\1\0abc")),
    "a name that is too long": lambda: in_root(
        record(b"A", 20, 5, 0, named("a" * 130) + named("b" * 80)),
        record(b"B", 20, 5, 0, continued(25, 0, 1100)),
        more={25: named("c" * 200) * 5},
    ),
    "a name with a slash": lambda: in_root(record(b"A", 20, 5, 0, named("a/b"))),
    "a name of dots": lambda: in_root(record(b"A", 20, 5, 0, named(".."))),
    "a continuation beyond the end": lambda: in_root(record(b"A", 20, 5, 0, continued(1 << 30, 0, 10))),
    "a continuation that leaves its block": lambda: in_root(record(b"A", 20, 5, 0, continued(20, 2000, 100))),
    "a name without an end": endless_name,
    "a file in pieces": lambda: in_root(
        record(b"A", 20, 5, 0, named("a"))[:26] + b"\1\1" + record(b"A", 20, 5, 0, named("a"))[28:]
    ),
    "too many files": lambda: many([record(b"A", 20, 5, 0, named("a"))], 20 << 20),
    "too many folders": lambda: many(
        [record(b"%d" % index, ROOT + index, SECTOR, SUBFOLDER, named("x")) for index in range(6000)], 1 << 20
    ),
    "a child link to nothing": lambda: in_root(
        record(b"A", 20, 5, 0, named("a") + field(b"CL", bytes([99, 0, 0, 0]) * 2)),
        record(b"B", 21, SECTOR, SUBFOLDER, field(b"RE")),
        more={21: folder(21, ROOT, [record(b"F", 20, 5, 0, named("f"))])},
    ),
}
"""Images that are not read, by what is wrong with them."""


@pytest.mark.parametrize("fault", sorted(UNREADABLE))
def test_what_is_odd_is_not_read_and_costs_little(fault):
    image = UNREADABLE[fault]()
    began = time.process_time()
    with pytest.raises(ImageError):
        read(image)
    assert time.process_time() - began < 10


@pytest.mark.parametrize("fault", ["endless extents", "too many folders"])
def test_what_is_odd_takes_little_memory(fault):
    image = UNREADABLE[fault]()
    tracemalloc.start()
    try:
        with pytest.raises(ImageError):
            read(image)
        assert tracemalloc.get_traced_memory()[1] < 100 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("fault", ["folders far apart", "folders that overlap", "too many files"])
def test_what_is_asked_for_is_bounded(fault):
    image = UNREADABLE[fault]()
    asked = []
    with pytest.raises(ImageError):
        answered(read_layout(len(image)), image, asked)
    assert len(asked) <= MOST_REQUESTS
    assert sum(each.size for each in asked) <= MOST_BYTES
    assert all(left.end <= right.start for left, right in zip(sorted(asked), sorted(asked)[1:]))


def test_a_folder_of_the_same_place_is_read_once():
    twice = [record(name, 21, SECTOR, SUBFOLDER, named(name.decode())) for name in (b"A", b"B")]
    image = in_root(*twice, more={21: folder(21, ROOT, [record(b"F", 30, 5, 0, named("f"))]), 30: b"12345"})
    assert [file.name for file in read(image)] == ["f"]


def test_an_image_that_ends_within_a_sector_is_read():
    image = in_root(record(b"A", 30, 5, 0, named("a")), more={30: b"12345"})
    assert read(image[: 30 * SECTOR + 5])[0].extents == (Range(30 * SECTOR, 30 * SECTOR + 5),)
