"""Where bytes go once they came: written and hashed behind the event loop, in the order they were handed over."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from functools import partial
from typing import Optional

from dci_downloader.mirror.partial import Partial
from dci_downloader.mirror.store import Store
from dci_downloader.transfer.transfers import Segment, Transfer
from dci_downloader.transfer.worker import Task, Worker

Entered = Callable[[Transfer, Optional[Exception]], None]


class Sink:
    """Two workers: one writes whatever comes, one hashes and finishes big files, so that neither waits for the other.

    Args:
        store: where files end up.
        wake: a descriptor that gets a byte when :meth:`collect_garbage` has something to tell.
        entered: told that a file is in the store, or what its content or the disk had against that.

    Attributes:
        unrecorded: segments that came whole, and that another run would fetch again if this one were killed now.
    """

    def __init__(self, store: Store, wake: int, entered: Entered) -> None:
        self._store = store
        self._entered = entered
        self._writer = Worker("writer", wake)
        self._finisher = Worker("finisher", wake)
        self._closing = threading.Event()
        self.unrecorded = 0

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

    def small_file(self, transfer: Transfer, chunks: list[bytes]) -> None:
        """Take in a file that came as a whole: at once, for another thread would cost more than it does.

        Each of the handful of system calls that a file takes is a contest for the interpreter lock with a second
        thread, and libcurl's calls back into Python lose it: 5,000 packages took 3.7 CPU seconds that way, not 3.2.
        """
        error: Optional[Exception] = None
        try:
            self._store.add(transfer.entry, chunks)
        except Exception as raised:  # the loop knows what it means for the run
            error = raised
        self._entered(transfer, error)

    def segment(self, transfer: Transfer) -> None:
        """Note that a segment of a big file was handed over whole; with the last of them the file is finished.

        A file that came in one piece was hashed on the way; should the run die before it is finished, it is no more
        than the one segment of this connection that is lost.
        """
        assert transfer.partial is not None
        self.unrecorded += 1
        if transfer.in_one_piece:
            self._writer.submit(Task(transfer.partial.finish, (), 0, partial(self._finished, transfer)))
            return
        self._writer.submit(Task(transfer.partial.save, (), 0, partial(self._segment_written, transfer)))

    def finish(self, transfer: Transfer) -> None:
        """Hash what is not hashed yet of a complete file and take it in."""
        then = partial(self._entered, transfer)
        self._finisher.submit(Task(self._hash_and_enter, (transfer.partial,), 0, then))
        self._finisher.flush()

    def discard(self, transfer: Transfer, then: Callable[[Transfer], None]) -> None:
        """Drop what there is of a big file, after what was handed over before."""
        assert transfer.partial is not None

        def discarded(error: Optional[Exception]) -> None:
            _raise(error)
            then(transfer)

        self._writer.submit(Task(transfer.partial.discard, (), 0, discarded))

    def save(self, transfer: Transfer) -> None:
        """Save and let go of a big file that is given up for now."""
        if transfer.partial is not None:
            self._writer.submit(Task(transfer.partial.close, (), 0, _raise))

    def flush(self) -> None:
        """Let the writer begin: nothing more is coming soon."""
        self._writer.flush()

    def collect(self) -> None:
        """Tell what is done.

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
        self._entered(transfer, error)

    def _segment_written(self, transfer: Transfer, error: Optional[Exception]) -> None:
        self.unrecorded -= 1
        _raise(error)
        transfer.unfinished -= 1
        if transfer.over:
            return
        if transfer.unfinished:
            self._finisher.submit(Task(self._hash_along, (transfer.partial,), 0, _raise))
            self._finisher.flush()
        else:
            self.finish(transfer)

    def _hash_along(self, target: Partial) -> None:
        while not self._closing.is_set() and target.catch_up():
            pass

    def _hash_and_enter(self, target: Partial) -> None:
        self._hash_along(target)
        if not self._closing.is_set():
            target.finish()


def _raise(error: Optional[Exception]) -> None:
    if error is not None:
        raise error
