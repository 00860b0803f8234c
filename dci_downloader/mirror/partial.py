"""A file on its way into the store: preallocated bytes, and beside them a journal of which of them are there.

* The journal is written after the bytes it vouches for, and replaced atomically.
* Until the machine stops, what was written is in the page cache, whatever happens to the process: ``done`` counts.
  After another boot only ``flushed`` counts: what fdatasync(2) had put on disk before the journal named it.
* A journal that is damaged, foreign or about another size vouches for nothing: the file starts anew.
* The size of the file says nothing: it is preallocated.
* One process at a time: the open descriptor holds a flock(2). The file leaves this folder by rename while it is
  locked, so whoever locks it next checks that the name still means the same file.
"""

from __future__ import annotations

import fcntl
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
from dci_downloader.errors import DigestMismatchError, LockedError
from dci_downloader.mirror.files import disk_errors, preallocate, remove_file, replace_atomically
from dci_downloader.models import FileEntry

PIECE = 8 << 20
_READ_SIZE = 1 << 20


def journal_path(path: Path) -> Path:
    """Where the journal of a partial is."""
    return path.with_name(path.name + ".json")


def recorded(path: Path, size: int, boot: str) -> tuple[Ranges, Ranges]:
    """What the journal of a partial vouches for.

    Args:
        path: the partial.
        size: bytes of the whole file.
        boot: what identifies this boot; empty trusts only what was flushed.

    Returns:
        The ranges that are there, and those of them that are on disk. Nothing for a journal that cannot be trusted.
    """
    try:
        found = os.lstat(path)
        journal = json.loads(journal_path(path).read_bytes())
        if not stat.S_ISREG(found.st_mode) or found.st_size != size or journal["size"] != size:
            return NOTHING, NOTHING
        flushed = _ranges(journal["flushed"], size)
        done = _ranges(journal["done"], size) if boot and journal["boot"] == boot else flushed
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return NOTHING, NOTHING
    return done, flushed


def _ranges(value: Any, size: int) -> Ranges:
    """Read what :meth:`Partial.save` wrote; anything else is a ``ValueError`` or a ``TypeError``."""
    found = tuple(Range(start, end) for start, end in value)
    if any(type(number) is not int for pair in found for number in pair) or ranges.within(found, size) != found:
        raise ValueError("not the ranges of this file")
    return found


class Partial:
    """A file being put together; made by :meth:`dci_downloader.mirror.store.Store.open_partial`.

    :meth:`catch_up` may run beside :meth:`write` in another thread; everything else is called from one at a time.

    Args:
        path: where the bytes are.
        entry: what they should become.
        boot: what identifies this boot.
        enter: takes the verified file into the store under its digest.

    Raises:
        LockedError: another run is writing it; what it becomes may be had from the store soon.
        DiskFullError: there is no room for it; nothing is left behind.
    """

    def __init__(self, path: Path, entry: FileEntry, boot: str, enter: Callable[[Path, FileEntry], None]) -> None:
        self.path = path
        self.entry = entry
        self.size = entry.size
        self._boot = boot
        self._enter = enter
        self._runs: dict[int, int] = {}  # end -> start: what follows a range extends it in one step
        self._flushed = NOTHING
        self._digest = hashlib.sha256()
        self._hashed = 0
        self._hashing = threading.Lock()
        with disk_errors(path):
            self._fd = _open_locked(path)
            try:
                self._resume()
            except OSError:
                self.discard()
                raise

    def _resume(self) -> None:
        done, self._flushed = recorded(self.path, self.size, self._boot)
        if not done:
            remove_file(journal_path(self.path))
            os.ftruncate(self._fd, 0)
            preallocate(self._fd, self.size)
        self._runs = {end: start for start, end in done}

    @property
    def done(self) -> Ranges:
        """The ranges that are written."""
        return ranges.union((start, end) for end, start in self._runs.items())

    def write(self, offset: int, chunk: bytes) -> None:
        """Put bytes where they belong, in any order. What comes in order is hashed on the way.

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
                self._digest, self._hashed = hashlib.sha256(), 0
            elif offset == self._hashed:
                self._digest.update(chunk)
                self._hashed = end
            start = self._runs.pop(offset, offset)
            self._runs[end] = min(start, self._runs.get(end, start))

    def catch_up(self, limit: int = PIECE) -> int:
        """Hash bytes that came out of order and now follow what is hashed, by reading them back.

        Args:
            limit: the most bytes to read now.

        Returns:
            How many bytes were hashed; 0 when there is nothing to do before more is written.
        """
        hashed = 0
        with disk_errors(self.path):
            while hashed < limit and (size := self._hash_next(min(_READ_SIZE, limit - hashed))):
                hashed += size
        return hashed

    def _hash_next(self, limit: int) -> int:
        """Read back and hash the next bytes, as many as there are up to ``limit``; a write waits that long at most."""
        with self._hashing:
            size = min(limit, ranges.prefix(self.done) - self._hashed) if self._fd >= 0 else 0
            if size <= 0:
                return 0
            chunk = os.pread(self._fd, size, self._hashed)
            if not chunk:
                raise OSError(f"the file ends at byte {self._hashed}")
            self._digest.update(chunk)
            self._hashed += len(chunk)
            return len(chunk)

    def save(self, *, flush: bool = False) -> None:
        """Write the journal, so that another run goes on from here.

        Args:
            flush: put the bytes on disk first, so that the journal holds after a power cut too.
        """
        with self._hashing:
            done = self.done
            self._runs = {end: start for start, end in done}
        with disk_errors(self.path):
            if flush:
                os.fdatasync(self._fd)
                self._flushed = done
            journal = {"size": self.size, "boot": self._boot, "done": done, "flushed": self._flushed}
            replace_atomically(journal_path(self.path), json.dumps(journal, separators=(",", ":")).encode())

    def finish(self) -> None:
        """Take the complete file into the store, once its bytes hash to its name. The partial is gone afterwards.

        Raises:
            DigestMismatchError: the content is another; the partial is discarded.
            ValueError: bytes are missing.
        """
        if ranges.total(self.done) != self.size:
            raise ValueError(f"{self.path} is not complete")
        while self._hashed < self.size:
            self.catch_up()
        actual = self._digest.hexdigest()
        if actual != self.entry.sha256:
            self.discard()
            raise DigestMismatchError(self.entry.path, expected=self.entry.sha256, actual=actual)
        with disk_errors(self.path):
            self._enter(self.path, self.entry)
            os.fchmod(self._fd, 0o444)  # only now: what could not enter must stay writable for the next run
            remove_file(journal_path(self.path))
        self._release()

    def close(self) -> None:
        """Flush, write the journal and let go, so that another run goes on from here. Safe to repeat."""
        if self._fd >= 0:
            try:
                self.save(flush=True)
            finally:
                self._release()

    def discard(self) -> None:
        """Remove what there is. Safe to repeat."""
        if self._fd >= 0:
            with disk_errors(self.path):
                remove_file(journal_path(self.path))
                remove_file(self.path)
            self._release()

    def _release(self) -> None:
        with self._hashing:
            os.close(self._fd)
            self._fd = -1


def _open_locked(path: Path) -> int:
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if is_same(path, fd):
                return fd
        except BlockingIOError:
            os.close(fd)
            raise LockedError(f"{path} is being written by another run", hint="wait for it to end") from None
        os.close(fd)


def is_same(path: Path, fd: int) -> bool:
    """Whether a path still names the file that is open."""
    try:
        return os.path.samestat(os.lstat(path), os.fstat(fd))
    except FileNotFoundError:
        return False
