"""Brings files into the store from a mirror in a folder of this machine.

* On one file system an object is hashed where it is, in a process for each core, and linked. What was linked is what
  was hashed: it is compared afterwards. Where links are not to be had, or others may write to the file, it is a
  reflink, else a copy.
* From another file system bytes are copied and hashed on their way, several files at once; a big file goes through a
  partial, so an interrupted run goes on where it was.
* Nothing is followed out of the folder, and nothing there is changed but the mode of this user's files, once linked.
* One file that cannot be had does not stop the others.
"""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from typing import Optional

from dci_downloader.content import ranges
from dci_downloader.control.upstream import FolderObjects
from dci_downloader.errors import (
    CancelledError,
    DigestMismatchError,
    DiskFullError,
    DownloaderError,
    IntegrityError,
    LockedError,
    TransferError,
)
from dci_downloader.hooks import Progress, Stop
from dci_downloader.mirror.adopt import Candidate, take_file
from dci_downloader.mirror.digests import open_folder
from dci_downloader.mirror.hashing import hashing
from dci_downloader.mirror.partial import Partial
from dci_downloader.mirror.store import Store
from dci_downloader.models import FileEntry
from dci_downloader.results import Failure, SourceTotals
from dci_downloader.transfer.fetched import Fetched
from dci_downloader.transfer.linking import candidate, objects_folder
from dci_downloader.transfer.tuning import MEBIBYTE, Tuning

_COPIES = 4  # files at once: while one waits for the disk, another is hashed
_WAIT = 0.2  # seconds between two looks for a request to stop, and at a file that another run is writing


def fetch_from_folder(
    entries: Sequence[FileEntry], folder: FolderObjects, store: Store, progress: Progress, stop: Stop
) -> Fetched:
    """Bring files into the store. Safe to repeat.

    Args:
        entries: the files, each content once.
        folder: of the mirror that has them.
        store: where they go; prepared, and its lock held by the caller.
        progress: gets files and bytes.
        stop: asked several times a second.

    Raises:
        CancelledError: ``stop`` was requested; what is complete stays, and of big files what was copied.
        DiskFullError: no room; likewise.
    """
    copying = _Copying(folder, store, progress, stop)
    results = copying.link(entries) if copying.is_near() else copying.copy(entries)
    failures = tuple(failure for failure in results if failure is not None)
    files, size = len(entries) - len(failures), copying.bytes
    return Fetched(files, size, failures, (SourceTotals(str(folder.root), files, size),))


class _Copying:
    """One fetch; each of its results is a failure, or None for a file that is in the store.

    Attributes:
        bytes: of the files that came, as far as they were not here before.
    """

    def __init__(self, folder: FolderObjects, store: Store, progress: Progress, stop: Stop) -> None:
        self._root = folder.root
        self._objects = objects_folder(folder.root)
        self._store, self._progress, self._stop = store, progress, stop
        self._ending = threading.Event()
        self.bytes = 0

    def is_near(self) -> bool:
        """Whether the objects are on the file system of the store."""
        try:
            return os.stat(self._objects).st_dev == os.stat(self._store.objects).st_dev
        except OSError:
            return False

    def link(self, entries: Sequence[FileEntry]) -> Iterator[Optional[Failure]]:
        """Link what hashes right."""
        candidates: dict[str, Candidate] = {}
        for entry in entries:
            try:
                found = candidate(self._objects, entry)
            except OSError as error:
                yield self._absent(entry, error)
                continue
            if found is None:
                yield self._absent(entry)
            else:
                candidates[found.path] = found
        with hashing(((path, each.entry.size) for path, each in candidates.items()), stop=self._stop) as digests:
            for path, digest in digests:
                if self._stop.requested():
                    raise CancelledError("interrupted")
                yield self._linked(candidates[path], digest)

    def copy(self, entries: Sequence[FileEntry]) -> Iterator[Optional[Failure]]:
        """Copy files, the biggest first."""
        waiting = sorted(entries, key=lambda entry: entry.size)
        running: dict[Future[None], FileEntry] = {}
        with ThreadPoolExecutor(_COPIES) as threads:
            try:
                while waiting or running:
                    while waiting and len(running) < 2 * _COPIES:
                        entry = waiting.pop()
                        running[threads.submit(self._copy, entry)] = entry
                    for future in wait(running, _WAIT, FIRST_COMPLETED).done:
                        yield self._result(running.pop(future), future)
                    if self._stop.requested():
                        raise CancelledError("interrupted")
            finally:
                self._ending.set()  # the files under way are saved

    def _linked(self, found: Candidate, digest: str) -> Optional[Failure]:
        entry = found.entry
        if not digest:
            return self._absent(entry, OSError(errno.EACCES, os.strerror(errno.EACCES)))
        if digest != entry.sha256:
            return self._wrong(entry, digest)
        try:
            taken = take_file(found, self._store)
        except DiskFullError:
            raise
        except DownloaderError as error:
            return Failure(entry.path, str(error), error.exit_code, error.hint)
        if not taken:
            return self._absent(entry)
        self.bytes += entry.size
        self._progress.advance(1, entry.size)
        return None

    def _copy(self, entry: FileEntry) -> None:
        """Copy one file; in a thread of its own."""
        folder = open_folder(os.fsencode(self._objects), entry.sha256[:2].encode())
        try:
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            reader = os.open(entry.sha256, flags, dir_fd=folder)
        finally:
            os.close(folder)
        try:
            status = os.fstat(reader)
            if not stat.S_ISREG(status.st_mode) or status.st_size != entry.size:
                raise FileNotFoundError
            if entry.size <= Tuning().in_memory:
                self._store.add(entry, [_read(reader, entry.size, 0)])
            elif (partial := self._open_partial(entry)) is not None:
                self._fill(partial, reader)
        finally:
            os.close(reader)

    def _open_partial(self, entry: FileEntry) -> Optional[Partial]:
        """The partial of a file; None where another run brought it meanwhile, or this one ends."""
        while not self._ending.is_set():
            with suppress(LockedError):
                return self._store.open_partial(entry)
            self._ending.wait(_WAIT)
            if self._store.holds(entry):
                break
        return None

    def _fill(self, partial: Partial, reader: int) -> None:
        """Copy what is missing of a big file."""
        try:
            for start, end in ranges.missing(partial.done, partial.size):
                while start < end and not self._ending.is_set():
                    chunk = _read(reader, min(MEBIBYTE, end - start), start)
                    partial.write(start, chunk)
                    start += len(chunk)
            if not self._ending.is_set():
                partial.finish()
        finally:
            partial.close()

    def _result(self, entry: FileEntry, future: Future[None]) -> Optional[Failure]:
        try:
            future.result()
        except DiskFullError:
            raise
        except DigestMismatchError as error:
            return self._wrong(entry, error.actual)
        except DownloaderError as error:
            return Failure(entry.path, str(error), error.exit_code, error.hint)
        except OSError as error:
            return self._absent(entry, error)
        self.bytes += entry.size
        self._progress.advance(1, entry.size)
        return None

    def _wrong(self, entry: FileEntry, digest: str) -> Failure:
        reason = f"its content in {self._root} is damaged"
        hint = f"dci-downloader verify {self._root} --repair"
        return Failure(entry.path, reason, IntegrityError.exit_code, hint, entry.sha256, digest)

    def _absent(self, entry: FileEntry, error: Optional[OSError] = None) -> Failure:
        reason, hint = f"{self._root} does not have its content", "is that mirror complete? Run verify on it"
        if error is not None and not isinstance(error, FileNotFoundError):
            reason = f"its content in {self._root} cannot be read: {error.strerror}"
            hint = "let this user read that mirror; is its disk in order?"
        return Failure(entry.path, reason, TransferError.exit_code, hint)


def _read(reader: int, size: int, position: int) -> bytes:
    """So many bytes of an open file.

    Raises:
        OSError: it ends before.
    """
    content = os.pread(reader, size, position)
    while len(content) < size:
        more = os.pread(reader, size - len(content), position + len(content))
        if not more:
            raise FileNotFoundError
        content += more
    return content
