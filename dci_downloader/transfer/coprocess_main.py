"""What the second process does; the first one's side is in :mod:`~dci_downloader.transfer.coprocess`."""

from __future__ import annotations

import ctypes
import signal
import socket
import time
from collections.abc import Sequence
from contextlib import closing, suppress

from dci_downloader.control.signing import ComponentFiles, Token
from dci_downloader.hooks import NeverStop, NullProgress
from dci_downloader.mirror.store import Store
from dci_downloader.models import FileEntry
from dci_downloader.transfer.channel import Advance, Channel, Done, Setup
from dci_downloader.transfer.pipeline import Pipeline

_PR_SET_PDEATHSIG = 1


def main(descriptor: int) -> None:
    """Be the second process.

    Args:
        descriptor: of its end of the connection.
    """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # sent to all of a service; the first process decides what follows
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGCONT)  # stopped, it would outlive a first that is killed
    ended = suppress(EOFError, OSError)  # the first process has ended, or needs nothing more
    with ended, closing(Channel(socket.socket(fileno=descriptor))) as channel:
        channel.send(None)
        setup, *batches = channel.wait()
        _work(setup, batches, channel)


def _work(setup: Setup, batches: list[Sequence[FileEntry]], channel: Channel) -> None:
    """Fetch one list of files after the other, until nothing more can be fetched."""
    progress = _CoprocessProgress(channel, setup)
    store = Store(setup.store, marker=setup.marker)
    peers = setup.peers
    pipeline = Pipeline(setup.source, store, setup.options, progress, peers, setup.tuning)
    with closing(pipeline):
        while not pipeline.ended:
            messages, batches = batches or channel.wait(), []
            tokens = [message for message in messages if isinstance(message, Token)]
            for token in tokens:
                progress.take(token)
            for entries in (message for message in messages if not isinstance(message, Token)):
                pipeline.take(entries)
            if len(tokens) == len(messages):  # there is nothing to be done with
                continue
            while pipeline.unfinished:
                pipeline.step(progress)
            result = pipeline.result()
            progress.send()
            channel.send(Done(result, {peer.url: peer.dropped for peer in peers if peer.dropped}))
        channel.wait()  # what is still on its way arrives


class _CoprocessProgress(NullProgress, NeverStop):
    """Progress and stop of the second process: messages to the first one, whose end is the request to stop."""

    def __init__(self, channel: Channel, setup: Setup) -> None:
        self._channel = channel
        self._setup = setup
        self._report_seconds = setup.tuning.report_seconds
        self._life_seconds = min(setup.tuning.life_seconds, setup.options.patience / 4)
        self._files = self._size = 0
        self._looked = self._sent = time.monotonic()
        self._ended = False

    def detail(self, text: str) -> None:
        self._send(text)

    def advance(self, files: int, size: int) -> None:
        self._files += files
        self._size += size

    def requested(self) -> bool:
        now = time.monotonic()
        if now - self._looked >= self._report_seconds:
            self._looked = now
            self.send()
            if now - self._sent >= self._life_seconds:
                self._send(Advance(0, 0))
            if not self._ended and self._channel.readable():
                self._receive()
        return self._ended

    def take(self, token: Token) -> None:
        """Have requests carry another token from now on."""
        source = self._setup.source
        assert isinstance(source, ComponentFiles)
        source.authorization.take(token)

    def _receive(self) -> None:
        """Take the tokens that came; their end is that of the first process."""
        try:
            for token in self._channel.receive():
                self.take(token)
        except (EOFError, OSError):
            self._ended = True

    def send(self) -> None:
        """Report what was received since the last time."""
        if self._files or self._size:
            self._send(Advance(self._files, self._size))
            self._files = self._size = 0

    def _send(self, message: object) -> None:
        self._sent = time.monotonic()
        try:
            self._channel.send(message)
        except OSError:
            self._ended = True
