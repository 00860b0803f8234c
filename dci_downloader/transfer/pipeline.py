"""Many files at once: one event loop on libcurl that starts requests, waits, and hands bytes to the sink.

    waiting ─► locate (control server: a presigned URL) ─► ready ─► fetch (object store) ─► sink ─► object
       └───────────────────────────────────────────────────────────► fetch (peer) ──────────┘

Locating runs ahead of fetching, but not far, since a presigned URL lives for 600 seconds. How many requests each stage
has under way is measured (:mod:`dci_downloader.transfer.limits`). What a response means is decided by
:mod:`dci_downloader.transfer.verdict`, what becomes of the file by :mod:`dci_downloader.transfer.ledger`.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from itertools import chain
from typing import Optional

from dci_downloader.errors import CancelledError
from dci_downloader.hooks import Progress, Stop
from dci_downloader.mirror.filling import FilledPartial
from dci_downloader.mirror.store import Store
from dci_downloader.models import FileEntry
from dci_downloader.options import Network, TransferOptions
from dci_downloader.transfer.choice import SourceChoice
from dci_downloader.transfer.dispatch import Dispatcher
from dci_downloader.transfer.events import FileEvents
from dci_downloader.transfer.fetched import Fetched, result_of
from dci_downloader.transfer.fetches import Fetches
from dci_downloader.transfer.ledger import Ledger
from dci_downloader.transfer.limits import RateLimit
from dci_downloader.transfer.locating import Locator
from dci_downloader.transfer.meter import Meter
from dci_downloader.transfer.pace import Pace
from dci_downloader.transfer.peer_verdict import NO_ANSWER
from dci_downloader.transfer.poller import Poller
from dci_downloader.transfer.schedule import Schedule
from dci_downloader.transfer.sink import Sink
from dci_downloader.transfer.sources import Origin, Peer
from dci_downloader.transfer.transfers import Transfer
from dci_downloader.transfer.tuning import Tuning


class Pipeline:
    """Brings files into the store; safe to repeat.

    Its arguments are those of :class:`dci_downloader.transfer.engine.Engine`, but ``peers`` are those still asked.

    Attributes:
        ledger: the state of the files.
        choice: of the sources.
        schedule: the order of the files.
        events: what happens to them.
        locator: the requests to the control server.
        fetches: the requests to the object store and to peers.
        poller: waits; it may wait for something else, too.
        ended: whether it cannot go on, however much is left.
    """

    def __init__(
        self,
        source: Origin,
        store: Store,
        options: TransferOptions,
        progress: Progress,
        peers: Sequence[Peer],
        tuning: Tuning,
    ) -> None:
        self._store, self._options, self._peers, self._tuning = store, options, peers, tuning
        self._clock = time.monotonic
        self.poller = Poller(tuning, self._clock)
        self._meter = Meter(progress, self._clock)
        self.choice = SourceChoice(peers)
        self.schedule = Schedule(self.choice, self._open_partial, tuning, self._clock)
        self.ledger = Ledger(self.schedule, options.patience, tuning, self._clock, random.random)
        self._sink = Sink(store, self.poller.wake, self._stored, tuning, self._clock, self._stepped)
        self.locator = Locator(source, options, tuning, self.ledger.located, self._clock)
        callbacks = self.ledger.received, self.locator.follow
        self.fetches = Fetches(options, tuning, self._meter, self._sink, *callbacks)
        requests = self.locator, self.fetches
        self.events = FileEvents(self.schedule, self.ledger, self._meter, requests, self._sink, progress.detail)
        self._dispatcher = Dispatcher(self.schedule, self.ledger, *requests, self._sink, tuning)
        rate = RateLimit(options.limit_rate, self._clock)
        self._pace = Pace(rate, self._sink, self.fetches.stage, self.poller, tuning)
        for stage in (self.locator.stage, self.fetches.stage):
            self.poller.watch(stage.loop.fileno())
        self._looked, self._recorded, self._idle, self.ended = 0.0, self._clock(), 0.0, False

    @property
    def unfinished(self) -> bool:
        """Whether there is something left that can be done."""
        return self.ledger.unfinished > 0 and not self.ended

    def take(self, entries: Sequence[FileEntry]) -> None:
        """Bring these files, too; that there was nothing to do until now is not held against the run."""
        self._meter.moved()
        self.schedule.partials = self._store.partial_names()
        self.ledger.add(entries)

    def step(self, stop: Stop) -> None:
        """Do what can be done now, or wait a little for something to do.

        Raises:
            CancelledError: ``stop`` was requested.
            DiskFullError: no room.
        """
        if stop.requested():
            raise CancelledError("interrupted")
        if self.ledger.ending.verdict is not None:  # that does not concern peers: what they have is still fetched
            self._dispatcher.leave_to_peers()
        self._dispatcher.start_all(self._clock())
        if self.ledger.ending.verdict is not None:
            self.ended = not self.fetches.peers_asked and (not self.choice.live_peers or self._sink.idle)
        if not self.ended:
            self._turn()
            self._sink.collect()
            self._look()

    def result(self) -> Fetched:
        """What became of the files, now that nothing is unfinished; where it cannot go on, every file left failed."""
        self.ledger.fail_the_rest()
        for peer in self.fetches.balance.silent_peers():
            peer.record(NO_ANSWER, self._tuning)
        self.fetches.look()
        return result_of(self.ledger, self._meter, self._peers)

    def close(self) -> None:
        """Save what was received, end the workers, drop the connections. Afterwards nothing of the run is left."""
        self.fetches.close()
        self._meter.look(0)
        self._sink.close(self.schedule.transfers)
        self.locator.stage.close()
        self.poller.close()

    def _stored(self, transfer: Transfer, error: Optional[Exception]) -> None:
        self.events.stored(transfer, error)

    def _stepped(self, transfer: Transfer) -> None:
        self.events.stepped(transfer)

    def _open_partial(self, entry: FileEntry) -> Optional[FilledPartial]:
        """See :class:`Schedule`."""
        if self._store.holds(entry):
            self._meter.file()
            self.ledger.present()
            return None
        return self._store.open_partial(entry)

    def _turn(self) -> None:
        """Wait for responses, and take them in."""
        self._pace.update()
        if not self.poller.poll():
            self._sink.flush()
            longest = self._tuning.watch_seconds if self.fetches.peers_asked else self._tuning.longest_wait
            seconds = self.locator.stage.loop.wait_seconds(self.schedule.queue.wait_seconds(longest))
            waited = self.poller.wait(self._pace.wait_seconds(seconds))
            self._idle += waited if self._pace.reading else 0.0
        starving = not self.locator.located and self.fetches.free > 0
        for failed in self.locator.turn(starving=starving):
            self.events.failed(*failed)
        if self._pace.reading:
            for failed in self.fetches.turn(wanted=bool(self.locator.located)):
                self.events.failed(*failed)

    def _look(self) -> None:
        """See what requests under way have brought; end those that stand still, and the run when all does."""
        now = self._clock()
        if now - self._looked < self._tuning.look_seconds and self._options.limit_rate is None:
            return
        self._looked = now
        self.poller.measure(now)
        self._pace.spend(self.fetches.look(self._idle))
        self._dispatcher.move_stragglers()
        if now - self._recorded >= self._tuning.record_seconds:
            self._recorded = now
            self.fetches.record()
        patience = self._options.patience
        stall = min((self._options.network or Network()).read_timeout, patience / 3)
        for failed in chain(self.locator.overdue(stall), self.fetches.overdue(stall)):
            self.events.failed(*failed)
        if not (self._pace.reading and self._sink.idle and self.ledger.unfinished) or self.schedule.queue.blocked:
            self._meter.moved()
        elif self._meter.idle_seconds() > patience:
            self.ledger.ending.lose_patience(patience)
        else:
            self._meter.report_idle(patience)
