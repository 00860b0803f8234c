"""Where the files of an ISO 9660 image are, read from a few ranges of it: rules without I/O.

Source: ECMA-119, 4th edition (volume descriptors 8.4, directory records 9.1, files of several extents 6.5.1); for the
names, see :mod:`dci_downloader.content.rock_ridge`.

* The parser asks for ranges and is sent their bytes: :func:`read_layout` is a generator. Folders lie together near the
  front, so it asks for all that it knows of at once, and for somewhat more.
* Joliet's names may be cut, ECMA-119's own always are: an image without those of Rock Ridge is not read.
* A file of 4 GiB and more is several records of one name, one after the other.
* An image that breaks any rule is not read at all: it can be fetched as it is, so guessing would gain nothing.
  Everything is bounded, since an image comes from somebody else's server.
"""

from __future__ import annotations

import heapq
from collections.abc import Generator, Iterator
from typing import NamedTuple, Optional

from dci_downloader.content import ranges
from dci_downloader.content.ranges import Range, Ranges
from dci_downloader.content.rock_ridge import SECTOR, ImageError, RockRidge, SystemUse, number

DESCRIPTORS = 16 * SECTOR  # where the first volume descriptor is: after the system area (6.2.1)

MOST_REQUESTS = 12
MOST_BYTES = 24 << 20  # of all requests, and of all folders
MOST_DESCRIPTORS = 32
MOST_FOLDERS = 5_000
MOST_RECORDS = 100_000
MOST_DEPTH = 64
MOST_PATH = 1024  # characters

_FIRST_REQUEST = 512 << 10
_BEYOND = 128 << 10  # bytes read beyond a folder: continued names, and other folders, often lie there
_MOST_AHEAD = 4 << 20
_SUBFOLDER, _ASSOCIATED, _CONTINUED = 0x02, 0x04, 0x80  # file flags (9.1.6)


class ImageFile(NamedTuple):
    """A file of an image.

    Attributes:
        folder: relative to the root of the image; empty for the root.
        extents: where its bytes are, in their order; none of them is empty.
    """

    folder: str
    name: str
    extents: Ranges

    @property
    def path(self) -> str:
        """Relative to the root of the image."""
        return f"{self.folder}/{self.name}" if self.folder else self.name

    @property
    def size(self) -> int:
        """Bytes."""
        return ranges.total(self.extents)


Layout = tuple[ImageFile, ...]


def read_layout(size: int) -> Generator[Range, bytes, Layout]:
    """Read where the files of an image are. Files without content, links and devices are left out.

    Args:
        size: bytes of the image.

    Yields:
        Ranges whose bytes have to be sent, no byte twice.

    Returns:
        The files, in the order of their folders in the image.

    Raises:
        ImageError: it is no ISO 9660 image, has something that is not expected here, or passes a bound.
    """
    held = _HeldRanges(size)
    root = yield from _root_folder(held)
    first = yield from held.read(Range(root.start, root.start + min(SECTOR, root.size)))
    own = next(_records(first), None)
    tree = _Tree(held, size, RockRidge(own.system_use if own else b""))
    return (yield from tree.read(root))


class _HeldRanges:
    """The bytes that were asked for.

    Attributes:
        needed: the end of the last folder that is known to be read later: requests reach ahead to it.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._held: list[tuple[Range, bytes]] = []
        self._total = self.needed = 0

    def read(self, wanted: Range) -> Generator[Range, bytes, bytes]:
        """The bytes of a range; what is not held is asked for."""
        if wanted.end > self._size:
            raise ImageError("ends before its folders do")
        if wanted.size > MOST_BYTES:
            raise ImageError("has a folder that is too big")
        pieces, position = [], wanted.start
        while position < wanted.end:
            held, content = self._find(position) or (yield from self._ask(position, wanted.end))
            pieces.append(content[position - held.start : wanted.end - held.start])
            position = held.end
        return b"".join(pieces)

    def _find(self, position: int) -> Optional[tuple[Range, bytes]]:
        return next((each for each in self._held if each[0].start <= position < each[0].end), None)

    def _ask(self, start: int, end: int) -> Generator[Range, bytes, tuple[Range, bytes]]:
        """Ask for bytes from ``start`` on, at least to ``end`` unless what is held already begins before."""
        ahead = max(end, min(self.needed, start + _MOST_AHEAD)) + _BEYOND
        following = (held.start for held, _ in self._held if held.start > start)
        end = min(ahead if self._held else start + _FIRST_REQUEST, self._size, *following)
        self._total += end - start
        if len(self._held) >= MOST_REQUESTS or self._total > MOST_BYTES:
            raise ImageError("has its folders too far apart")
        content = yield Range(start, end)
        self._held.append((Range(start, end), content))
        return self._held[-1]


class _Record(NamedTuple):
    """A directory record (9.1); the identifier is the name by ECMA-119."""

    identifier: bytes
    extent: Range
    flags: int
    system_use: bytes


def _root_folder(held: _HeldRanges) -> Generator[Range, bytes, Range]:
    """Where the root folder is, from the primary volume descriptor."""
    for index in range(MOST_DESCRIPTORS):
        start = DESCRIPTORS + index * SECTOR
        descriptor = yield from held.read(Range(start, start + SECTOR))
        if descriptor[1:7] != b"CD001\x01" or descriptor[0] == 255:  # the last of them
            break
        if descriptor[0] == 1:
            if descriptor[128:132] != b"\x00\x08\x08\x00":  # in both byte orders
                raise ImageError("has blocks of another size than 2,048 bytes")
            return _record(descriptor[156:190]).extent
    raise ImageError("is not an image of ISO 9660")


def _record(content: bytes) -> _Record:
    """A directory record of exactly these bytes."""
    identifier_end = 33 + content[32] if len(content) > 33 else 256
    if len(content) != content[0] or len(content) < identifier_end:
        raise ImageError("has a folder that cannot be read")
    if content[26] or content[27]:
        raise ImageError("has files in pieces with others between them")
    start = (number(content, 2) + content[1]) * SECTOR  # an extended attribute record comes before the bytes
    extent = Range(start, start + number(content, 10))
    system_use = content[identifier_end + (content[32] + 1) % 2 :]
    return _Record(content[33:identifier_end], extent, content[25], system_use)


def _records(folder: bytes) -> Iterator[_Record]:
    """The records of a folder; none of them crosses the end of a sector."""
    for sector in range(0, len(folder), SECTOR):
        position, end = sector, min(sector + SECTOR, len(folder))
        while position < end and (length := folder[position]):
            yield _record(folder[position : min(position + length, end)])
            position += length


class _OpenFile(NamedTuple):
    """A file whose last record has not come yet."""

    identifier: bytes
    name: str
    extents: list[Range]


class _Tree:
    """Reads the folders of an image, in the order in which they lie in it; each of them once."""

    def __init__(self, held: _HeldRanges, size: int, rock_ridge: RockRidge) -> None:
        self._held, self._size, self._rock_ridge = held, size, rock_ridge
        self._records = self._folder_bytes = 0
        self._waiting: list[Range] = []
        self._known: set[int] = set()
        self._parents: dict[int, tuple[int, str]] = {}  # by where a folder is: where its own folder is, and its name
        self._files: list[tuple[int, str, Ranges]] = []
        self._open: Optional[_OpenFile] = None

    def read(self, root: Range) -> Generator[Range, bytes, Layout]:
        """Every file that is in the root folder or below it."""
        self._note_folder(root)
        while self._waiting:
            yield from self._read_folder(heapq.heappop(self._waiting))
        paths = {root.start: ""}
        return tuple(ImageFile(self._path(folder, paths), name, extents) for folder, name, extents in self._files)

    def _read_folder(self, folder: Range) -> Generator[Range, bytes, None]:
        self._folder_bytes += folder.size
        if self._folder_bytes > MOST_BYTES:  # folders that overlap could ask for the same bytes for ever
            raise ImageError("has folders that are too big")
        content = yield from self._held.read(folder)
        for record in _records(content):
            self._records += 1
            if self._records > MOST_RECORDS:
                raise ImageError("has too many files")
            if record.identifier not in (b"\0", b"\1"):  # the folder itself, and the one it is in
                yield from self._read_record(folder, record)
        if self._open is not None:
            raise ImageError("has a file without an end")

    def _read_record(self, folder: Range, record: _Record) -> Generator[Range, bytes, None]:
        """Take account of one record: a folder, a file or a part of one, or what stands for a moved folder."""
        system_use = yield from self._system_use(record)
        if self._open is not None and self._open.identifier != record.identifier:
            raise ImageError("has a file without an end")
        if system_use.child is not None:
            self._parents[system_use.child] = folder.start, system_use.name
        elif record.flags & _SUBFOLDER:
            if not system_use.moved:
                self._parents[record.extent.start] = folder.start, system_use.name
            self._note_folder(record.extent)
        elif not record.flags & _ASSOCIATED:
            self._note_file(folder, record, system_use.name)

    def _system_use(self, record: _Record) -> Generator[Range, bytes, SystemUse]:
        """What the system use of a record says, its continuations included."""
        reading = self._rock_ridge.read(record.system_use)
        try:
            continued = next(reading)
            while True:
                content = yield from self._held.read(continued)
                continued = reading.send(content)
        except StopIteration as end:
            result: SystemUse = end.value
            return result

    def _note_folder(self, folder: Range) -> None:
        if folder.start not in self._known:
            self._known.add(folder.start)
            if len(self._known) > MOST_FOLDERS:
                raise ImageError("has too many folders")
            heapq.heappush(self._waiting, folder)
            self._held.needed = max(self._held.needed, min(folder.end, self._size))

    def _note_file(self, folder: Range, record: _Record, name: str) -> None:
        opened = self._open or _OpenFile(record.identifier, name, [])
        if record.extent.size:
            if record.extent.end > self._size:
                raise ImageError("ends before its files do")
            opened.extents.append(record.extent)
        self._open = opened if record.flags & _CONTINUED else None
        if self._open is None and opened.name and opened.extents:
            self._files.append((folder.start, opened.name, tuple(opened.extents)))

    def _path(self, folder: int, paths: dict[int, str]) -> str:
        """The path of a folder; it and those above it are noted in ``paths``."""
        steps: list[tuple[int, str]] = []
        position = folder
        while position not in paths:
            parent, name = self._parents.get(position, (0, ""))
            if not name or len(steps) >= MOST_DEPTH:
                raise ImageError("has folders that are in no folder")
            steps.append((position, name))
            position = parent
        path = paths[position]
        for start, name in reversed(steps):
            path = paths[start] = f"{path}/{name}" if path else name
            if len(path) > MOST_PATH:
                raise ImageError("has paths that are too long")
        return path
