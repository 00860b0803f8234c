"""A second process that fetches part of the files: an event loop in Python fills one core long before a fast line.

It is started where there is much to fetch. Once the loop here finds no time to wait, it is given half of the files
whose turn has not come, and so again when it is done with them; across a slow line that never happens. It is a fresh
interpreter, not a fork: that would inherit the locks of whatever threads there are.

Where it ends early, on a full disk or because it was killed, its unfinished files are fetched here, and this process
then meets the same error. It gives signs of life while it works: where there is none for as long as the patience of the
run, it is frozen (stopped by a signal, or by a disk that hangs), and is killed. Nothing waits for it longer.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Optional

from dci_downloader.control.signing import ComponentFiles, Token
from dci_downloader.hooks import Progress
from dci_downloader.mirror.store import Store
from dci_downloader.models import FileEntry
from dci_downloader.network.proxies import ca_bundle
from dci_downloader.options import Network, TransferOptions
from dci_downloader.transfer.channel import Advance, Channel, Setup
from dci_downloader.transfer.fetched import Fetched, merged
from dci_downloader.transfer.pipeline import Pipeline
from dci_downloader.transfer.sources import Origin
from dci_downloader.transfer.tuning import Tuning


class Coprocess:
    """The second process, as seen from the first. Most arguments are those of :class:`~.engine.Engine`.

    Args:
        pipeline: what works here.

    Attributes:
        working: whether it has files that it is not done with.
        fetched: what became of the files that it is done with.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        source: Origin,
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
        self._sent_token: Optional[Token] = None
        self._channel: Optional[Channel] = None
        self._last_sign = 0.0
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
        ours, theirs = socket.socketpair()
        self._channel = Channel(ours)
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
        self._pipeline.poller.watch(self._channel.fileno(), self._receive)

    def turn(self) -> None:
        """Give it files where there is more to do here than can be done; take them back where nothing can be done."""
        if self._ready and self._pipeline.poller.loaded:
            self._assign()
        elif self.working and (self._pipeline.ended or self._frozen()):
            self._recover()
        elif self.working:
            self._pass_on_token()

    def close(self) -> None:
        """End the process; where it is at work, it gets a little time to save what was received."""
        if self._channel is not None:
            self._channel.close()
        if self._process is not None:
            if self.working:
                with suppress(subprocess.TimeoutExpired):
                    self._process.wait(self._tuning.saving_seconds)
            self._kill()

    def _kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        with suppress(subprocess.TimeoutExpired):  # a disk that hangs holds even a dead process
            self._process.wait(self._tuning.saving_seconds)

    def _frozen(self) -> bool:
        """Whether it gave no sign of life for too long; sends what it did not take before."""
        assert self._channel is not None
        try:
            self._channel.flush()
        except OSError:  # it died meanwhile
            return True
        silent = time.monotonic() - self._last_sign > self._options.patience
        return silent and not self._channel.readable()  # else it is this process that did not get round to it

    def _assign(self) -> None:
        """Give it half of the files that wait: with all of them there would soon be nothing left to do here."""
        assert self._channel is not None
        self._ready = False
        entries = self._pipeline.ledger.halve()
        if not entries or self._seconds(entries) < self._tuning.worth_giving:
            self._pipeline.take(entries)
            return
        first, self._assigned, self._reported = not self._assigned, entries, Advance(0, 0)
        self.working, self._last_sign = True, time.monotonic()
        try:
            if first:
                self._channel.send(self._setup())
            self._channel.send(entries)
        except OSError:  # it died meanwhile
            self._recover()

    def _pass_on_token(self) -> None:
        """Send the token that requests carry now, where they carry one and it was not sent before."""
        assert self._channel is not None
        token = self._source.authorization.token if isinstance(self._source, ComponentFiles) else None
        if token is not None and token is not self._sent_token:
            self._sent_token = token
            with suppress(OSError):  # it died meanwhile, as the next turn finds
                self._channel.send(token)

    def _setup(self) -> Setup:
        """Half of the requests that may be under way are from now on for the second process."""
        at_store, at_peer = self._pipeline.fetches.halve()
        first, most = self._pipeline.locator.stage.limit.halve()
        network = self._options.network or Network()
        network = replace(network, ca_bundle=ca_bundle(network))  # so that it need not look for the default one
        options = replace(self._options, connections=at_store, network=network)
        tuning = replace(self._tuning, first_locates=first, most_locates=most, peer_connections=at_peer)
        peers = tuple(self._pipeline.choice.live_peers)
        return Setup(self._source, self._store.root, self._store.marker_path(), options, peers, tuning)

    def _receive(self) -> None:
        """Take in what the process sent; where it ended, do without it."""
        assert self._channel is not None
        self._last_sign = time.monotonic()
        try:
            messages = self._channel.receive()
        except (EOFError, OSError):
            self._recover()
            return
        for message in messages:
            self._take(message)

    def _take(self, message: Any) -> None:
        """Take in one message, see :mod:`~dci_downloader.transfer.channel`."""
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
            for peer in self._pipeline.choice.live_peers:
                if peer.url in message.dropped:
                    peer.dropped = message.dropped[peer.url]
                    self._pipeline.events.dropped(peer)

    def _recover(self) -> None:
        """Do without it: what it is not done with is to be done here."""
        assert self._channel is not None
        self._pipeline.poller.unwatch(self._channel.fileno())
        self._channel.close()
        self._ready = False
        if self.working:
            self._kill()
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
from dci_downloader.transfer.coprocess_main import main
main(int(sys.argv[1]))
"""
