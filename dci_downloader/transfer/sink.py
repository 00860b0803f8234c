"""Where received bytes go: written and hashed beside the event loop, in the order they were handed over."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Optional

from dci_downloader.errors import LockedError
from dci_downloader.mirror.partial import Partial
from dci_downloader.mirror.store import Store
from dci_downloader.transfer.journal import Journal
from dci_downloader.transfer.transfers import Segment, Transfer
from dci_downloader.transfer.tuning import Tuning
from dci_downloader.transfer.worker import Task, Worker

OnStep = Callable[[Transfer], None]
OnStored = Callable[[Transfer, Optional[Exception]], None]


class Sink:
    """Two workers: one writes, one hashes and finishes big files, so that neither waits for the other.

    Args:
        store: where files end up.
        wake: a descriptor that gets a byte when there is something to :meth:`collect`.
        on_stored: called when a file is in the store, or with the error that keeps it out.
        tuning: how much is handed to the writer at once, and how often it is put on disk.
        clock: seconds, monotonic.
        on_step: called when a step of an image's assembly is done.

    Attributes:
        unrecorded: segments that were received whole, and that another run would fetch again if this one were killed
            now.
    """

    def __init__(
        self,
        store: Store,
        wake: int,
        on_stored: OnStored,
        tuning: Tuning,
        clock: Callable[[], float] = time.monotonic,
        on_step: OnStep = lambda _: None,
    ) -> None:
        self._store = store
        self._on_stored, self._on_step = on_stored, on_step
        self._writer = Worker("writer", wake, tuning.write_batch, tuning.closing_seconds)
        self._finisher = Worker("finisher", wake, tuning.write_batch, tuning.closing_seconds)
        self._closing = threading.Event()
        self.unrecorded = 0
        self._changed: set[Transfer] = set()
        self._journal = Journal(tuning.flush_seconds, clock)

    @property
    def idle(self) -> bool:
        """Whether everything that was handed over is done."""
        return self._writer.idle and self._finisher.idle

    @property
    def unwritten(self) -> int:
        """Bytes that wait for the disk."""
        return self._writer.outstanding

    def write(self, segment: Segment, chunks: list[bytes]) -> None:
        """Write the next bytes of a segment of a big file."""
        target = segment.transfer.partial
        assert target is not None
        content = b"".join(chunks)
        self._writer.submit(Task(target.write, (segment.start, content), len(content), _raise))
        segment.start += len(content)
        self._changed.add(segment.transfer)

    def record(self) -> None:
        """Have all that was handed over of big files written, and listed in their journals."""
        for transfer in self._changed:
            self._writer.submit(Task(self._journal.record, (transfer.partial,), 0, _raise))
        self._changed.clear()
        self.flush()

    def hold(self, transfer: Transfer) -> bool:
        """Have what is received of a small file go to a partial, as that of a big one; false where another has it.

        Raises:
            DiskFullError: no room.
        """
        try:
            transfer.partial = self._store.open_partial(transfer.entry)
        except LockedError:
            return False
        return True

    def small_file(self, transfer: Transfer, chunks: list[bytes]) -> None:
        """Store a file that was received as a whole.

        At once: each of the handful of system calls that a file takes would be a contest for the interpreter lock with
        a second thread, and libcurl's calls back into Python lose it: 5,000 packages took 3.7 CPU seconds that way,
        not 3.2.
        """
        error: Optional[Exception] = None
        try:
            self._store.add(transfer.entry, chunks)
        except Exception as raised:  # the loop decides what it means for the run
            error = raised
        self._on_stored(transfer, error)

    def segment(self, transfer: Transfer) -> None:
        """Note that a segment of a big file was handed over whole; with the last of them the file is finished."""
        assert transfer.partial is not None
        self._changed.discard(transfer)
        self.unrecorded += 1
        if transfer.in_one_piece:
            # hashed while it was written, and not worth another journal: it is about to be finished
            self._writer.submit(Task(transfer.partial.finish, (), 0, partial(self._finished, transfer)))
            return
        then = partial(self._segment_written, transfer)
        self._writer.submit(Task(self._journal.record, (transfer.partial,), 0, then))

    def finish(self, transfer: Transfer) -> None:
        """Go on with a big file, now that what was asked for is there: take the next step of an image's assembly.

        Of any other file, hash what is not hashed yet, and store it.
        """
        if transfer.assembling is not None:
            transfer.waiting = False
            self._writer.submit(Task(transfer.assembling.advance, (), 0, partial(self._advanced, transfer)))
            self._writer.flush()
            return
        then = partial(self._on_stored, transfer)
        self._finisher.submit(Task(self._hash_and_finish, (transfer.partial,), 0, then))
        self._finisher.flush()

    def discard(self, transfer: Transfer, then: Callable[[Transfer], None]) -> None:
        """Discard what there is of a big file, after what was handed over before is written."""
        assert transfer.partial is not None

        def discarded(error: Optional[Exception]) -> None:
            _raise(error)
            then(transfer)

        self._changed.discard(transfer)
        self._writer.submit(Task(transfer.partial.discard, (), 0, discarded))

    def save(self, transfer: Transfer) -> None:
        """Save the journal of a big file that is given up for now, and close it."""
        if transfer.partial is not None:
            self._changed.discard(transfer)
            self._writer.submit(Task(transfer.partial.close, (), 0, _raise))

    def drain(self) -> None:
        """Wait for the disk, where more is to be written than memory should hold."""
        self._writer.drain()

    def flush(self) -> None:
        """Have the writer begin with what it has: nothing more is coming soon."""
        self._writer.flush()

    def collect(self) -> None:
        """Report what is done.

        Raises:
            DownloaderError: the disk is full, or cannot be written to.
        """
        self._writer.collect()
        self._finisher.collect()

    def close(self, unfinished: Iterable[Transfer]) -> None:
        """Write what was handed over, save the journals of partials, end both threads."""
        self._closing.set()
        self._finisher.close()
        for transfer in unfinished:
            self.save(transfer)
        self._writer.close()

    def _finished(self, transfer: Transfer, error: Optional[Exception]) -> None:
        self.unrecorded -= 1
        self._on_stored(transfer, error)

    def _segment_written(self, transfer: Transfer, error: Optional[Exception]) -> None:
        self.unrecorded -= 1
        _raise(error)
        transfer.unfinished -= 1
        if transfer.over:
            return
        if not transfer.unfinished and (transfer.assembling is None or transfer.waiting):
            self.finish(transfer)
        else:
            self._start_hashing(transfer)

    def _advanced(self, transfer: Transfer, error: Optional[Exception]) -> None:
        if not transfer.over:
            _raise(error)
            self._start_hashing(transfer)
            self._on_step(transfer)

    def _start_hashing(self, transfer: Transfer) -> None:
        self._finisher.submit(Task(self._hash_along, (transfer.partial,), 0, _raise))
        self._finisher.flush()

    def _hash_along(self, target: Partial) -> None:
        while not self._closing.is_set() and target.catch_up():
            pass

    def _hash_and_finish(self, target: Partial) -> None:
        self._hash_along(target)
        if not self._closing.is_set():
            target.finish()


def _raise(error: Optional[Exception]) -> None:
    if error is not None:
        raise error
