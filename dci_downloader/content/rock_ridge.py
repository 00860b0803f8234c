"""The names of files in an ISO 9660 image, as Rock Ridge records them: rules without I/O.

Sources: SUSP 1.12 (``CE`` 5.1, ``SP`` 5.3, ``ST`` 5.4); RRIP 1.12 (``NM`` 4.1.4, ``CL`` 4.1.5.1, ``RE`` 4.1.5.3).

* A directory record ends with its system use: fields of a signature, a length, a version and what they state.
* What finds no room there is continued elsewhere, in one block (``CE``); Linux does not follow one that leaves it.
* A folder that lies too deep is moved: ``CL`` stands in its place, and it is marked (``RE``) where it is.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import NamedTuple, Optional

from dci_downloader.content.ranges import Range

SECTOR = 2048
MOST_CONTINUATIONS = 4  # of one record
MOST_FIELDS = 1_000_000  # of all records of an image

_MOST_NAME = 255  # bytes
_OTHER_NAME = 0x06  # of NM: it means the folder itself, or the one it is in


class ImageError(Exception):
    """An image that is not read; the text completes "it …"."""


class SystemUse(NamedTuple):
    """What the system use of a record says.

    Attributes:
        name: empty where there is none.
        child: where the folder is that this record stands for, bytes; None where it stands for itself.
        moved: whether a record elsewhere stands for this folder.
    """

    name: str
    child: Optional[int] = None
    moved: bool = False


class RockRidge:
    """Reads the system use of the records of one image.

    Args:
        first: the system use of the first record of the root folder.

    Raises:
        ImageError: there is no Rock Ridge in the image.
    """

    def __init__(self, first: bytes) -> None:
        if first[:6] != b"SP\x07\x01\xbe\xef" or len(first) < 7:
            raise ImageError("has no Rock Ridge names")
        self._skipped = first[6]  # bytes that are somebody else's, at the start of the system use of all other records
        self._fields = 0

    def read(self, area: bytes) -> Generator[Range, bytes, SystemUse]:
        """Read the system use of a record.

        Yields:
            Where it is continued; the bytes have to be sent.

        Raises:
            ImageError: it cannot be read, or passes a bound.
        """
        area, name, child, moved, continuations = area[self._skipped :], b"", None, False, 0
        while True:
            continued: Optional[Range] = None
            for signature, stated in self._split(area):
                if signature == b"NM" and stated and not stated[0] & _OTHER_NAME:
                    name += stated[1:]
                elif signature == b"CE" and len(stated) >= 24:
                    continued = _continued(stated)
                elif signature == b"CL" and len(stated) >= 8:
                    child = number(stated, 0) * SECTOR
                elif signature == b"RE":
                    moved = True
            if continued is None:
                return SystemUse(_decoded(name), child, moved)
            continuations += 1
            if continuations > MOST_CONTINUATIONS:
                raise ImageError("has a name in too many parts")
            area = yield continued

    def _split(self, area: bytes) -> Iterator[tuple[bytes, bytes]]:
        """The fields of an area: signature, and what is stated. An ``ST`` ends it, or less than a field."""
        position = 0
        while len(area) - position >= 4 and area[position : position + 2] != b"ST":
            end = position + area[position + 2]
            self._fields += 1
            if end < position + 4 or end > len(area) or self._fields > MOST_FIELDS:
                raise ImageError("has system use that cannot be read")
            yield area[position : position + 2], area[position + 4 : end]
            position = end


def number(content: bytes, offset: int) -> int:
    """A number of four bytes, little-endian; where it is recorded in both orders, the first of them."""
    return int.from_bytes(content[offset : offset + 4], "little")


def _continued(stated: bytes) -> Range:
    block, offset, length = (number(stated, position) for position in (0, 8, 16))
    if offset + length > SECTOR:
        raise ImageError("has system use that leaves its block")
    start = block * SECTOR + offset
    return Range(start, start + length)


def _decoded(name: bytes) -> str:
    if len(name) > _MOST_NAME or b"/" in name or b"\0" in name or name in (b".", b".."):
        raise ImageError("has a name that is none")
    return name.decode("utf-8", "surrogateescape")
