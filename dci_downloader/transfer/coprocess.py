"""A second process that fetches part of the files: an event loop in Python fills one core long before a fast line.

It is started where there is much to fetch. Once the loop here finds no time to wait, it is given half of the files
whose turn has not come, and so again when it is done with them; across a slow line that never happens. It is a fresh
interpreter, not a fork: that would inherit the locks of whatever threads there are.

Messages go both ways. From here: a :class:`Setup`, then lists of files. From there: None when it is ready, then
:class:`Advance`, lines of detail and, each time it is done, :class:`Done`. The end of the connection asks it to stop.
Should it end by itself, on a full disk or by the hand of an admin, what it was not done with is fetched here, and what
was in its way is met here, too.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Optional

from dci_downloader.hooks import NeverStop, NullProgress, Progress
from dci_downloader.mirror.store import Store
from dci_downloader.models import FileEntry
from dci_downloader.options import TransferOptions
from dci_downloader.transfer.fetched import Fetched, merged
from dci_downloader.transfer.pipeline import Pipeline
from dci_downloader.transfer.sources import PeerPool, Source
from dci_downloader.transfer.tuning import Tuning

if TYPE_CHECKING:
    from multiprocessing.connection import Connection


class Setup(NamedTuple):
    """How the second process is to work.

    Attributes:
        store: the root of the store.
        marker: of the store, see :meth:`Store.marker_path`.
        peers: URLs of the peers that are still asked.
    """

    source: Source
    store: Path
    marker: str
    options: TransferOptions
    peers: tuple[str, ...]
    tuning: Tuning


class Advance(NamedTuple):
    """So many more files are complete, and bytes received; see :meth:`Progress.advance`."""

    files: int
    size: int


class Done(NamedTuple):
    """The files that were given are complete, or failed.

    Attributes:
        fetched: what became of all files that were given so far.
        dropped: by URL, why a peer is no longer asked.
    """

    fetched: Fetched
    dropped: dict[str, str]


class Coprocess:
    """The second process, as seen from the first. Most arguments are those of :func:`~.engine.fetch`.

    Args:
        pipeline: what works here.

    Attributes:
        working: whether it has files that it is not done with.
        fetched: what became of the files that it is done with.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        source: Source,
        store: Store,
        options: TransferOptions,
        progress: Progress,
        tuning: Tuning,
    ) -> None:
        self.working = False
        self.fetched = Fetched()
        self._pipeline, self._source, self._store = pipeline, source, store
        self._options, self._progress, self._tuning = options, progress, tuning
        self._process: Optional[subprocess.Popen[bytes]] = None
        self._connection: Optional[Connection[Any, Any]] = None
        self._ready = False
        self._assigned: Sequence[FileEntry] = ()
        self._reported = Advance(0, 0)

    def start(self, entries: Sequence[FileEntry]) -> None:
        """Start the process, where these files are worth it and there is a processor for it.

        Where there are fewer files than connections, the turn of all of them comes before it would be there.
        """
        options = self._options
        alone = options.connections < 2 or options.limit_rate is not None or len(os.sched_getaffinity(0)) < 2
        if alone or len(entries) <= options.connections or self._seconds(entries) < self._tuning.worth_starting:
            return
        from multiprocessing import Pipe  # here, for short runs need not wait for it

        self._connection, theirs = Pipe()
        path = [*sys.path, str(Path(__file__).parents[2])]  # where an import hook finds it, it is not in there
        with theirs, suppress(OSError):
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _MAIN, str(theirs.fileno()), *path],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C in a terminal reaches the first process only, which ends both
            )
        self._pipeline.poller.watch(self._connection.fileno(), self._receive)

    def turn(self) -> None:
        """Give it files where there is more to do here than can be done; take them back where nothing can be done."""
        if self._ready and self._pipeline.poller.loaded:
            self._assign()
        elif self.working and self._pipeline.ended:
            self._recover()

    def close(self) -> None:
        """End the process; where it is at work, it saves what was received."""
        if self._connection is not None:
            self._connection.close()
        if self._process is not None:
            if not self.working:
                self._process.kill()
            self._process.wait()

    def _assign(self) -> None:
        """Give it half of the files that wait: with all of them there would soon be nothing left to do here."""
        assert self._connection is not None
        self._ready = False
        entries = self._pipeline.ledger.halve()
        if not entries or self._seconds(entries) < self._tuning.worth_giving:
            self._pipeline.take(entries)
            return
        first, self._assigned, self._reported = not self._assigned, entries, Advance(0, 0)
        self.working = True
        try:
            if first:
                self._connection.send(self._setup())
            self._connection.send(entries)
        except OSError:  # it died meanwhile
            self._recover()

    def _setup(self) -> Setup:
        """Half of the requests that may be under way are from now on for the second process."""
        at_store, at_peer = self._pipeline.fetches.halve()
        first, most = self._pipeline.locator.stage.limit.halve()
        options = replace(self._options, connections=at_store)
        tuning = replace(self._tuning, first_locates=first, most_locates=most, peer_connections=at_peer)
        peers = tuple(peer.url for peer in self._pipeline.schedule.live_peers)
        return Setup(self._source, self._store.root, self._store.marker_path(), options, peers, tuning)

    def _receive(self) -> None:
        assert self._connection is not None
        try:
            message = self._connection.recv()
        except (EOFError, OSError):
            self._recover()
            return
        if message is None:
            self._ready = True
        elif isinstance(message, Advance):
            self._reported = Advance(self._reported.files + message.files, self._reported.size + message.size)
            self._progress.advance(*message)
        elif isinstance(message, str):
            self._progress.detail(message)
        else:
            self.working, self._ready = False, True
            self.fetched = message.fetched
            for peer in self._pipeline.schedule.live_peers:
                if peer.url in message.dropped:
                    peer.dropped = message.dropped[peer.url]
                    self._pipeline.withdraw(peer)

    def _recover(self) -> None:
        """Do without it: what it is not done with is to be done here."""
        assert self._connection is not None
        self._pipeline.poller.unwatch(self._connection.fileno())
        self._connection.close()
        self._ready = False
        if self.working:
            assert self._process is not None
            self._process.wait()
            self.working = False
            left = [entry for entry in self._assigned if not self._store.holds(entry)]
            kept = sum(entry.size for entry in self._assigned)
            kept -= sum(entry.size - self._store.partial_bytes(entry) for entry in left)
            files = len(self._assigned) - len(left)
            self._progress.advance(files - self._reported.files, kept - self._reported.size)
            # who gave it is not known: it counts for the object store
            self.fetched = merged(self.fetched, Fetched(files, max(kept, self._reported.size)))
            self._pipeline.take(left)

    def _seconds(self, entries: Iterable[FileEntry]) -> float:
        """How long one process needs for files at the least."""
        tuning = self._tuning
        return sum(1 / tuning.files_per_second + entry.size / tuning.bytes_per_second for entry in entries)


_MAIN = """
import sys
sys.path[:] = sys.argv[2:]
from dci_downloader.transfer.coprocess import main
main(int(sys.argv[1]))
"""


def main(descriptor: int) -> None:
    """Be the second process.

    Args:
        descriptor: of its end of the connection.
    """
    from multiprocessing.connection import Connection

    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # sent to all of a service; the first process decides what follows
    connection = Connection(descriptor)
    with suppress(EOFError, OSError):  # the first process has ended, or needs nothing more
        connection.send(None)
        _work(connection.recv(), connection)


def _work(setup: Setup, connection: Connection[Any, Any]) -> None:
    progress = _CoprocessProgress(connection, setup.tuning.report_seconds)
    store = Store(setup.store, marker=setup.marker)
    peers = PeerPool(setup.peers).live
    pipeline = Pipeline(setup.source, store, setup.options, progress, peers, setup.tuning)
    with closing(pipeline):
        while not pipeline.ended:
            pipeline.take(connection.recv())
            while pipeline.unfinished:
                pipeline.step(progress)
            result = pipeline.result()
            progress.send()
            connection.send(Done(result, {peer.url: peer.dropped for peer in peers if peer.dropped}))


class _CoprocessProgress(NullProgress, NeverStop):
    """Progress and stop of the second process: messages to the first one, whose end is the request to stop."""

    def __init__(self, connection: Connection[Any, Any], report_seconds: float) -> None:
        self._connection = connection
        self._report_seconds = report_seconds
        self._files = self._size = 0
        self._sent = time.monotonic()
        self._ended = False

    def detail(self, text: str) -> None:
        self._send(text)

    def advance(self, files: int, size: int) -> None:
        self._files += files
        self._size += size

    def requested(self) -> bool:
        now = time.monotonic()
        if now - self._sent >= self._report_seconds:
            self._sent = now
            self.send()
            self._ended = self._ended or self._connection.poll()
        return self._ended

    def send(self) -> None:
        """Report what was received since the last time."""
        if self._files or self._size:
            self._send(Advance(self._files, self._size))
            self._files = self._size = 0

    def _send(self, message: object) -> None:
        try:
            self._connection.send(message)
        except OSError:
            self._ended = True
