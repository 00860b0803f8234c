"""The second process itself, and what it is told and tells; :mod:`~dci_downloader.transfer.coprocess` starts it."""

from __future__ import annotations

import signal
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from dci_downloader.control.signing import ComponentFiles, Token
from dci_downloader.hooks import NeverStop, NullProgress
from dci_downloader.mirror.store import Store
from dci_downloader.options import TransferOptions
from dci_downloader.transfer.fetched import Fetched
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
    progress = _CoprocessProgress(connection, setup.source, setup.tuning.report_seconds)
    store = Store(setup.store, marker=setup.marker)
    peers = PeerPool(setup.peers).live
    pipeline = Pipeline(setup.source, store, setup.options, progress, peers, setup.tuning)
    with closing(pipeline):
        while not pipeline.ended:
            message = connection.recv()
            if isinstance(message, Token):
                progress.take(message)
                continue
            pipeline.take(message)
            while pipeline.unfinished:
                pipeline.step(progress)
            result = pipeline.result()
            progress.send()
            connection.send(Done(result, {peer.url: peer.dropped for peer in peers if peer.dropped}))


class _CoprocessProgress(NullProgress, NeverStop):
    """Progress and stop of the second process: messages to the first one, whose end is the request to stop."""

    def __init__(self, connection: Connection[Any, Any], source: Source, report_seconds: float) -> None:
        self._connection = connection
        self._source = source
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
            if not self._ended and self._connection.poll():
                self._receive()
        return self._ended

    def take(self, token: Token) -> None:
        """Use another token from now on."""
        assert isinstance(self._source, ComponentFiles)
        self._source.authorization.take(token)

    def _receive(self) -> None:
        """Take the token that came; anything else is the end of the first process."""
        try:
            self.take(self._connection.recv())
        except (EOFError, OSError):
            self._ended = True

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
