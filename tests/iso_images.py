"""Images of ISO 9660 made by hand, byte by byte: what no program writes, and what needs no program."""

from __future__ import annotations

import hashlib
import mmap
from collections.abc import Generator, Mapping
from typing import Any, Optional, Union

from dci_downloader.content.iso9660 import Layout, read_layout
from dci_downloader.content.isomd5 import APPLICATION_USE, STEP
from dci_downloader.content.ranges import Range

SECTOR = 2048
ROOT = 20
SUBFOLDER, CONTINUED = 0x02, 0x80


def both(number: int) -> bytes:
    """A number of four bytes in both orders."""
    return number.to_bytes(4, "little") + number.to_bytes(4, "big")


def field(signature: bytes, stated: bytes = b"") -> bytes:
    """A field of a system use area."""
    return signature + bytes([4 + len(stated), 1]) + stated


def named(name: str) -> bytes:
    """The system use that gives a record a name; up to some 200 bytes."""
    return field(b"NM", b"\0" + name.encode())


def continued(sector: int, offset: int, size: int) -> bytes:
    """The field that leads elsewhere."""
    return field(b"CE", both(sector) + both(offset) + both(size))


def record(identifier: bytes, sector: int, size: int, flags: int = 0, system_use: bytes = b"") -> bytes:
    """A directory record."""
    head = bytes([0]) + both(sector) + both(size) + bytes(7) + bytes([flags, 0, 0]) + bytes(4)
    content = b"\0" + head + bytes([len(identifier)]) + identifier + bytes((len(identifier) + 1) % 2) + system_use
    content += bytes(len(content) % 2)
    return bytes([len(content)]) + content[1:]


def folder(sector: int, parent: int, records: list[bytes], size: int = SECTOR) -> bytes:
    """The content of a folder, which begins with records of itself and its parent."""
    begin = field(b"SP", b"\xbe\xef\0") if sector == ROOT else b""
    own, above = record(b"\0", sector, size, SUBFOLDER, begin), record(b"\1", parent, size, SUBFOLDER)
    content = bytearray()
    for each in (own, above, *records):
        if len(content) % SECTOR + len(each) > SECTOR:
            content += bytes(-len(content) % SECTOR)
        content += each
    return bytes(content) + bytes(-len(content) % SECTOR)


def descriptor(root_size: int, *, block: int = SECTOR, sectors: int = 0) -> bytes:
    """A primary volume descriptor."""
    content = bytearray(SECTOR)
    content[:7] = b"\1CD001\1"
    content[80:88] = both(sectors)
    content[128:132] = block.to_bytes(2, "little") + block.to_bytes(2, "big")
    content[156:190] = record(b"\0", ROOT, root_size, SUBFOLDER)
    return bytes(content)


def compose(content: Mapping[int, bytes], root_size: int = SECTOR, **more: Any) -> bytes:
    """An image with these bytes from these sectors on."""
    every = {16: descriptor(root_size, **more), 17: b"\xffCD001\1", **content}
    size = max(sector * SECTOR + len(each) for sector, each in every.items())
    image = bytearray(size + -size % SECTOR)
    for sector, each in every.items():
        image[sector * SECTOR : sector * SECTOR + len(each)] = each
    return bytes(image)


def build(files: Mapping[str, bytes]) -> bytes:
    """An image of these files, in one level of folders; ``folder/name`` or ``name``."""
    folders = sorted({path.rpartition("/")[0] for path in files if "/" in path})
    sizes = {name: _size_of([path for path in files if path.rpartition("/")[0] == name]) for name in ("", *folders)}
    sizes[""] += SECTOR * (1 + len(folders) // 8)
    starts, position = {}, ROOT
    for name in ("", *folders):
        starts[name], position = position, position + sizes[name] // SECTOR
    content, records = {}, {name: [] for name in ("", *folders)}
    for name in folders:
        records[""].append(record(name.encode()[:30], starts[name], sizes[name], SUBFOLDER, named(name)))
    for number, (path, body) in enumerate(files.items()):
        above, _, name = path.rpartition("/")
        records[above].append(record(b"F%d" % number, position, len(body), 0, named(name)))
        content[position] = body
        position += -(-len(body) // SECTOR)
    for name in ("", *folders):
        listed = folder(starts[name], ROOT, records[name], sizes[name])
        assert len(listed) <= sizes[name]
        content[starts[name]] = listed.ljust(sizes[name], b"\0")
    return compose(content, sizes[""], sectors=position)


def implant(image: bytes, stated: str) -> bytes:
    """The image with this application use."""
    return image[: APPLICATION_USE.start] + stated.ljust(512).encode() + image[APPLICATION_USE.end :]


def implanted(image: bytes) -> bytes:
    """The image with sums in it, as implantisomd5 makes them, but in another way."""
    covered = implant(image, "")[: len(image) - 15 * SECTOR]
    part = len(covered) // 21
    ends = [-(-number * part // STEP) * STEP + STEP for number in range(1, 21)]
    sums = [hashlib.md5(covered[:end]).digest()[:3] for end in ends]
    digits = "".join(f"{byte:x}"[0] for each in sums for byte in each)
    whole = hashlib.md5(covered).hexdigest()
    stated = f"ISO MD5SUM = {whole};SKIPSECTORS = 15;RHLISOSTATUS=1;FRAGMENT SUMS = {digits};FRAGMENT COUNT = 20;"
    return implant(image, stated)


def _size_of(paths: list[str]) -> int:
    return SECTOR * (1 + len(paths) // 6)  # no record takes more than 256 bytes


def read(image: bytes, size: int = 0) -> Layout:
    """The layout of an image, and nothing asked for that is not in it."""
    return answered(read_layout(size or len(image)), image)[0]


def answered(
    reading: Generator[Range, bytes, Layout], image: Union[bytes, mmap.mmap], asked: Optional[list[Range]] = None
) -> tuple[Layout, list[Range]]:
    """Send a parser what it asks for; the layout, and what was asked for, noted as it is asked."""
    asked = [] if asked is None else asked
    try:
        wanted = next(reading)
        while True:
            assert 0 <= wanted.start < wanted.end <= len(image)
            asked.append(wanted)
            wanted = reading.send(image[wanted.start : wanted.end])
    except StopIteration as end:
        layout: Layout = end.value
        return layout, asked
