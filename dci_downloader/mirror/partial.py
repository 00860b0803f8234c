"""A partial: a file that is being fetched, preallocated, and beside it a journal of the ranges that are written.

* The journal is written after the bytes that it lists, and replaced atomically; in place where the disk is full.
* Until the machine stops, written bytes are in the page cache, even if the process dies: ``done`` counts. After another
  boot only ``flushed`` counts: what fdatasync(2) had put on disk before the journal listed it.
* A journal that is damaged, foreign or about another size lists nothing: the file starts anew.
* The size of the partial means nothing: it is preallocated.
* One process at a time: the open descriptor holds a flock(2). A complete partial leaves the folder by rename while it
  is locked, so the next process to lock it checks that the name still means the same file.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dci_downloader.content import ranges
from dci_downloader.content.ranges import NOTHING, Range, Ranges
from dci_downloader.errors import DigestMismatchError
from dci_downloader.mirror.disk_errors import disk_errors
from dci_downloader.mirror.files import preallocate, remove_file, replace_atomically
from dci_downloader.mirror.locked_file import open_locked
from dci_downloader.mirror.permissions import set_mode
from dci_downloader.mirror.reading import read_file
from dci_downloader.models import FileEntry

CATCH_UP_BYTES = 8 << 20
_READ_SIZE = 1 << 20
_JOURNAL_SIZE = 16 << 20  # bytes; a range takes less than 50


def journal_path(path: Path) -> Path:
    """The path of a partial's journal."""
    return path.with_name(path.name + ".json")


def read_journal(path: Path, size: int, boot: str) -> tuple[Ranges, Ranges]:
    """Read which ranges of a partial can be used.

    Args:
        path: the partial.
        size: bytes of the whole file.
        boot: what identifies this boot; empty trusts only what was flushed.

    Returns:
        The ranges that are written, and those of them that are on disk; none where the journal cannot be trusted.
    """
    try:
        status = os.lstat(path)
        journal = json.loads(read_file(journal_path(path), _JOURNAL_SIZE).decode())
        if not stat.S_ISREG(status.st_mode) or status.st_size != size or journal["size"] != size:
            return NOTHING, NOTHING
        flushed = _ranges(journal["flushed"], size)
        done = _ranges(journal["done"], size) if boot and journal["boot"] == boot else flushed
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return NOTHING, NOTHING
    return done, flushed


def _ranges(value: Any, size: int) -> Ranges:
    """Check what :meth:`Partial.save` wrote; anything else raises ``ValueError`` or ``TypeError``."""
    listed = tuple(Range(start, end) for start, end in value)
    if any(type(number) is not int for pair in listed for number in pair) or ranges.within(listed, size) != listed:
        raise ValueError("not the ranges of this file")
    return listed


class Partial:
    """A file that is being fetched; opened by :meth:`dci_downloader.mirror.store.Store.open_partial`.

    :meth:`catch_up` may run beside :meth:`write` in another thread; everything else is for one thread at a time.

    Args:
        path: where the bytes are.
        entry: the file in the manifest.
        boot: what identifies this boot.
        commit: renames the verified file, given by its path, to the object of a digest.

    Raises:
        LockedError: another run is writing it; the store may hold the complete file soon.
        DiskFullError: there is no room for it; nothing is left behind.
    """

    def __init__(self, path: Path, entry: FileEntry, boot: str, commit: Callable[[str, str], None]) -> None:
        self.path = path
        self.entry = entry
        self.size = entry.size
        self._boot = boot
        self._commit = commit
        self._starts: dict[int, int] = {}  # by end: bytes that continue a range extend it in one step
        self._flushed = NOTHING
        self._digest = hashlib.sha256()
        self._hashed = 0
        self._hashing = threading.Lock()
        with disk_errors(path):
            self._fd = open_locked(path)
            try:
                self._resume()
            except OSError:
                self.discard()
                raise

    def _resume(self) -> None:
        done, self._flushed = read_journal(self.path, self.size, self._boot)
        if not done:
            remove_file(journal_path(self.path))
            os.ftruncate(self._fd, 0)  # preallocation is of an empty file
            preallocate(self._fd, self.size)
        self._starts = {end: start for start, end in done}

    @property
    def done(self) -> Ranges:
        """The ranges that are written; the journal lists them."""
        return ranges.union((start, end) for end, start in self._starts.items())

    @property
    def present(self) -> Ranges:
        """The ranges that are there, wherever they are from."""
        return self.done

    def write(self, offset: int, chunk: bytes) -> None:
        """Write bytes at their offset, in any order. Those that come in order are hashed at once.

        Raises:
            DiskFullError: no room; what was written before stays.
            ValueError: the bytes would go beyond the end of the file.
        """
        end = offset + len(chunk)
        if offset < 0 or end > self.size:
            raise ValueError(f"bytes {offset}-{end} are outside a file of {self.size}")
        with disk_errors(self.path):
            rest = memoryview(chunk)
            while rest:
                rest = rest[os.pwrite(self._fd, rest, end - len(rest)) :]
        with self._hashing:
            if offset < self._hashed:
                self._digest, self._hashed = hashlib.sha256(), 0  # hashed bytes were replaced: begin again
            elif offset == self._hashed:
                self._digest.update(chunk)
                self._hashed = end
            start = self._starts.pop(offset, offset)
            self._starts[end] = min(start, self._starts.get(end, start))

    def catch_up(self, limit: int = CATCH_UP_BYTES) -> int:
        """Read back and hash bytes that were written out of order and now continue what is hashed.

        Args:
            limit: the most bytes to read.

        Returns:
            How many bytes were hashed; 0 where more must be written first.
        """
        hashed = 0
        with disk_errors(self.path):
            while hashed < limit and (size := self._hash_next(min(_READ_SIZE, limit - hashed))):
                hashed += size
        return hashed

    def _hash_next(self, limit: int) -> int:
        """Read back and hash at most ``limit`` bytes; a write in another thread waits no longer than for that."""
        with self._hashing:
            size = min(limit, ranges.prefix(self.present) - self._hashed) if self._fd >= 0 else 0
            if size <= 0:
                return 0
            chunk = os.pread(self._fd, size, self._hashed)
            if not chunk:  # somebody truncated it; without this, hashing would go round for ever
                raise OSError(f"the file ends at byte {self._hashed}")
            self._digest.update(chunk)
            self._hashed += len(chunk)
            return len(chunk)

    def save(self, *, flush: bool = False) -> None:
        """Write the journal, so that another run can go on from here. Does nothing once it is closed.

        Args:
            flush: put the bytes on disk first, so that the journal counts after a power cut too.
        """
        with self._hashing:
            if self._fd < 0:
                return
            done = self.done
            self._starts = {end: start for start, end in done}  # ranges that have met become one
        with disk_errors(self.path):
            if flush:  # before the journal: it must not list as flushed what is not
                os.fdatasync(self._fd)
                self._flushed = done
            journal = {"size": self.size, "boot": self._boot, "done": done, "flushed": self._flushed}
            self._write_journal(json.dumps(journal, separators=(",", ":")).encode())

    def _write_journal(self, content: bytes) -> None:
        path = journal_path(self.path)
        try:
            replace_atomically(path, content)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT) or not _overwrite(path, content):
                raise

    def finish(self) -> None:
        """Verify the complete file and rename it to its object. The partial does not exist afterwards.

        Raises:
            DigestMismatchError: it is another content; the partial is discarded.
            ValueError: bytes are missing.
        """
        if ranges.total(self.present) != self.size:
            raise ValueError(f"{self.path} is not complete")
        while self._hashed < self.size:
            self.catch_up()
        actual = self._digest.hexdigest()
        if actual != self.entry.sha256:
            self.discard()
            raise DigestMismatchError(self.entry.path, expected=self.entry.sha256, actual=actual)
        with disk_errors(self.path):
            self._commit(str(self.path), self.entry.sha256)
            set_mode(self._fd, 0o444)  # only now: where the rename fails, the next run must be able to write
            remove_file(journal_path(self.path))
        self._release()

    def close(self) -> None:
        """Flush, write the journal and unlock, so that another run can go on from here. Safe to repeat."""
        if self._fd >= 0:
            try:
                self.save(flush=True)
            finally:
                self._release()

    def discard(self) -> None:
        """Remove the partial and its journal. Safe to repeat."""
        if self._fd >= 0:
            with disk_errors(self.path):
                remove_file(journal_path(self.path))
                remove_file(self.path)
            self._release()

    def _release(self) -> None:
        with self._hashing:
            os.close(self._fd)
            self._fd = -1


def _overwrite(path: Path, content: bytes) -> bool:
    """Write over a journal, which on a full disk has a block already; cut in the middle, it is no journal any more."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        if os.fstat(fd).st_nlink != 1:
            return False
        os.truncate(fd, os.pwrite(fd, content, 0))
        return True
    except OSError:
        return False
    finally:
        os.close(fd)
