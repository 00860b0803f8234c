"""A partial that is filled in part from files that are here: with copy_file_range(2), which shares blocks where it can.

What was filled is not in the journal, for it costs nothing to fill it again: an interrupted run keeps what came over
the network, and the next one trusts nothing else.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from dci_downloader.content import ranges
from dci_downloader.content.ranges import NOTHING, Range, Ranges
from dci_downloader.mirror.disk_errors import NO_ROOM, disk_errors
from dci_downloader.mirror.partial import Partial
from dci_downloader.models import FileEntry

_READ_SIZE = 1 << 20


class Piece(NamedTuple):
    """Bytes of a file that belong into a partial.

    Attributes:
        range: of the partial; what lies beyond the bytes of the file is zeros.
        path: of the file.
        file_size: bytes that the file has to have.
        offset: of the first byte in the file.
        size: how many bytes of the file.
    """

    range: Range
    path: str
    file_size: int
    offset: int
    size: int


class FilledPartial(Partial):
    """A partial that can be filled. Its arguments are those of :class:`Partial`."""

    def __init__(self, path: Path, entry: FileEntry, boot: str, commit: Callable[[str, str], None]) -> None:
        self.filled: Ranges = NOTHING
        super().__init__(path, entry, boot, commit)

    @property
    def present(self) -> Ranges:
        """The ranges that are written or filled."""
        return ranges.union((*self.done, *self.filled))

    def fill(self, pieces: Sequence[Piece]) -> Ranges:
        """Fill in bytes of files; may run beside :meth:`catch_up` in another thread.

        Returns:
            What could not be filled: the file is gone, is another, or cannot be read.

        Raises:
            DiskFullError: no room.
        """
        with disk_errors(self.path):
            filled = [piece.range for piece in pieces if _copy(piece, self._fd)]
        with self._hashing:
            self.filled = ranges.union((*self.filled, *filled))
            if any(start < self._hashed for start, _ in filled):
                self._digest, self._hashed = hashlib.sha256(), 0
        lost = ranges.missing(ranges.union(filled), self.size)
        return ranges.overlap(lost, [piece.range for piece in pieces])

    def forget(self, wrong: Ranges) -> Ranges:
        """Count filled bytes as missing again; gives which of these ranges were filled."""
        with self._hashing:
            lost = ranges.overlap(self.filled, wrong)
            self.filled = ranges.overlap(self.filled, ranges.missing(ranges.union(wrong), self.size))
            return lost

    def read(self, wanted: Range) -> bytes:
        """Bytes that are there.

        Raises:
            DownloaderError: they cannot be read.
        """
        with disk_errors(self.path):
            content = os.pread(self._fd, wanted.size, wanted.start)
            if len(content) != wanted.size:
                raise OSError(errno.EIO, f"the file ends at byte {wanted.start + len(content)}")
            return content

    def matches(self) -> bool:
        """Whether all is there, and hashes right; as much of it as :meth:`catch_up` left is hashed now."""
        while self.catch_up():
            pass
        return self._hashed == self.size and self._digest.hexdigest() == self.entry.sha256


def _copy(piece: Piece, target: int) -> bool:
    """Copy a piece; false where its file is not as it should be. An error of the target is raised."""
    try:
        source = os.open(piece.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        status = os.fstat(source)
        if not stat.S_ISREG(status.st_mode) or status.st_size != piece.file_size:
            return False
        copied = _share(source, target, piece)
        if not _rewrite(source, target, piece, copied):
            return False
    finally:
        os.close(source)
    _write(target, piece.range.start + piece.size, bytes(piece.range.size - piece.size))
    return True


def _share(source: int, target: int, piece: Piece) -> int:
    """Have the kernel copy; how many bytes it did. Where it cannot, or the file cannot be read, not all of them."""
    copied = 0
    if not hasattr(os, "copy_file_range"):  # this Python was built with an old C library
        return copied
    try:
        while copied < piece.size:
            start = piece.range.start + copied
            size = os.copy_file_range(source, target, piece.size - copied, piece.offset + copied, start)
            if not size:
                break
            copied += size
    except OSError as error:
        if error.errno in NO_ROOM:
            raise
    return copied


def _rewrite(source: int, target: int, piece: Piece, copied: int) -> bool:
    """Copy the rest by reading and writing it; false where it cannot be read."""
    while copied < piece.size:
        try:
            content = os.pread(source, min(_READ_SIZE, piece.size - copied), piece.offset + copied)
        except OSError:
            return False
        if not content:
            return False
        _write(target, piece.range.start + copied, content)
        copied += len(content)
    return True


def _write(target: int, position: int, content: bytes) -> None:
    while content:
        written = os.pwrite(target, content, position)
        content, position = content[written:], position + written
