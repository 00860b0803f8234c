"""Where an image is wrong, by the sums that implantisomd5 left in it: rules without I/O.

Source: isomd5sum (``libimplantisomd5.c``, ``libcheckisomd5.c``) and what its programs do.

* The application use of the primary volume descriptor (ECMA-119, 8.4.32) holds an md5 of the image, and some digits
  of what that sum was on the way, at fractions of the image. For both, the application use counts as blanks, and the
  last sectors do not count.
* Such a digit stands for a byte of the sum: the first that printing the byte without leading zeros gives.
* A sum on the way is taken after the first 32 KiB that begin in the next fraction.
* The sums run on: after the first that differs all do, so one place is found at a time; the search goes on from the
  last sum that was right.
* These sums protect from accidents. What lets an image into the store is its sha256.
"""

from __future__ import annotations

import hashlib
import re
from typing import NamedTuple, Optional

from dci_downloader.content.iso9660 import DESCRIPTORS
from dci_downloader.content.ranges import Range
from dci_downloader.content.rock_ridge import SECTOR

STEP = 32 << 10
"""Bytes that the sums are taken over at once."""

APPLICATION_USE = Range(DESCRIPTORS + 883, DESCRIPTORS + 883 + 512)
_VOLUME_SECTORS = DESCRIPTORS + 80

_STATED = re.compile(
    rb"ISO MD5SUM = ([0-9a-f]{32});SKIPSECTORS = (\d{1,6});.*?"
    rb"FRAGMENT SUMS = ([0-9a-f]{1,60});FRAGMENT COUNT = (\d{1,2});",
    re.DOTALL,
)


class ImplantedSums(NamedTuple):
    """The sums in an image.

    Attributes:
        size: bytes of the image that they are about.
        whole: md5 of all of them.
        parts: digits of it on the way, in order.
    """

    size: int
    whole: str
    parts: tuple[str, ...]


def read_sums(head: bytes, size: int) -> Optional[ImplantedSums]:
    """The sums in an image; None where there are none that can be used.

    Args:
        head: the image as far as the end of its application use.
        size: bytes of the image.
    """
    stated = _STATED.search(head[APPLICATION_USE.start : APPLICATION_USE.end])
    if stated is None:
        return None
    whole, skipped, digits, count = stated[1].decode(), int(stated[2]), stated[3].decode(), int(stated[4])
    sectors = int.from_bytes(head[_VOLUME_SECTORS : _VOLUME_SECTORS + 4], "little")
    covered = (sectors - skipped) * SECTOR
    each = len(digits) // count if count else 0
    if not 0 < covered <= size or not each or covered // (count + 1) < STEP:
        return None
    return ImplantedSums(covered, whole, tuple(digits[part * each : (part + 1) * each] for part in range(count)))


class SumCheck:
    """Checks an image against its sums, as it is read from its start, ``STEP`` bytes at a time.

    Attributes:
        position: how far it was read; a check that found damage goes back to the last sum that was right.
    """

    def __init__(self, sums: ImplantedSums) -> None:
        self.position = 0
        self._sums = sums
        self._digest = hashlib.md5(usedforsecurity=False)
        self._part = 0
        self._right = 0, self._digest.copy(), 0  # how far, the sum, and the part that begins there

    @property
    def complete(self) -> bool:
        """Whether all was read."""
        return self.position == self._sums.size

    def next_size(self) -> int:
        """How many bytes :meth:`update` takes next."""
        return min(STEP, self._sums.size - self.position)

    def update(self, content: bytes) -> Optional[Range]:
        """Take the next bytes of the image.

        Returns:
            Where it is wrong: between the last sum that is right, and the first that is not. None while it is right.
        """
        start, self.position = self.position, self.position + len(content)
        self._digest.update(_blanked(content, start))
        part = start // (self._sums.size // (len(self._sums.parts) + 1))
        right = self._is_right(part)
        if right is None:
            return None
        self._part = part
        if right:
            self._right = self.position, self._digest.copy(), part
            return None
        end = self.position
        self.position, digest, self._part = self._right
        self._digest = digest.copy()
        return Range(self.position, end)

    def _is_right(self, part: int) -> Optional[bool]:
        """Whether the sum is what is stated; None where nothing is stated for here."""
        if self.complete:
            return self._digest.hexdigest() == self._sums.whole
        if not self._part < part <= len(self._sums.parts):
            return None
        stated = self._sums.parts[part - 1]
        return "".join(f"{byte:x}"[0] for byte in self._digest.digest()[: len(stated)]) == stated


def start_check(head: bytes, size: int) -> Optional[SumCheck]:
    """A check of an image against the sums in it; None where there are none, or this machine has no md5 (FIPS).

    Args:
        head: the image as far as the end of its application use.
        size: bytes of the image.
    """
    sums = read_sums(head, size)
    try:
        return SumCheck(sums) if sums else None
    except ValueError:
        return None


def _blanked(content: bytes, start: int) -> bytes:
    """The bytes from ``start`` on, with blanks for application use."""
    begin, end = (min(max(position - start, 0), len(content)) for position in APPLICATION_USE)
    return content[:begin] + b" " * (end - begin) + content[end:]
