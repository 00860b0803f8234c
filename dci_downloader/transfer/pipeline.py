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

from dci_downloader.errors import CancelledError, DigestMismatchError
from dci_downloader.hooks import Progress, Stop
from dci_downloader.mirror.filling import FilledPartial
from dci_downloader.mirror.store import Store
from dci_downloader.models import FileEntry
from dci_downloader.options import Network, TransferOptions
from dci_downloader.transfer.fetched import Fetched, result_of
from dci_downloader.transfer.fetches import Fetches
from dci_downloader.transfer.ledger import Decision, Ledger, Step
from dci_downloader.transfer.limits import RateLimit
from dci_downloader.transfer.locating import Locator
from dci_downloader.transfer.meter import Meter
from dci_downloader.transfer.pace import Pace
from dci_downloader.transfer.poller import Poller
from dci_downloader.transfer.request import FetchRequest
from dci_downloader.transfer.schedule import Schedule
from dci_downloader.transfer.sink import Sink
from dci_downloader.transfer.sources import Origin, Peer
from dci_downloader.transfer.transfers import Giver, Segment, Transfer
from dci_downloader.transfer.tuning import Tuning
from dci_downloader.transfer.verdict import Action, Verdict


class Pipeline:
    """Brings files into the store; safe to repeat.

    Its arguments are those of :func:`dci_downloader.transfer.engine.fetch`, but that ``peers`` are those still asked.

    Attributes:
        ledger: the state of the files.
        schedule: their order.
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
        self._detail, self._clock = progress.detail, time.monotonic
        self.poller = Poller(tuning, self._clock)
        self._meter = Meter(progress, self._clock)
        self.schedule = Schedule(peers, self._open_partial, tuning, self._clock)
        self.ledger = Ledger(self.schedule, options.patience, tuning, self._clock, random.random)
        self._sink = Sink(store, self.poller.wake, self._stored, tuning, self._clock, self._stepped)
        self.locator = Locator(source, options, tuning, self.ledger.located, self._clock)
        events = self.ledger.received, self.locator.follow
        self.fetches = Fetches(options, tuning, self._meter, self._sink, *events)
        rate = RateLimit(options.limit_rate, self._clock)
        self._pace = Pace(rate, self._sink, self.fetches.stage, self.poller, tuning)
        for stage in (self.locator.stage, self.fetches.stage):
            self.poller.watch(stage.loop.fileno())
        self._looked, self._recorded, self.ended = 0.0, self._clock(), False

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
        self._start_fetches()
        self._start_segments()
        if self.ledger.ending.verdict is not None:
            # what ends the run does not concern peers: what those that are left have is still fetched
            self.ended = not self.fetches.peers_asked and (not self.schedule.live_peers or self._sink.idle)
        if not self.ended:
            self._turn()
            self._sink.collect()
            self._look()

    def result(self) -> Fetched:
        """What became of the files, now that nothing is unfinished; where it cannot go on, every file left failed."""
        self.ledger.fail_the_rest()
        self.fetches.look()
        return result_of(self.ledger, self._meter, self._peers)

    def close(self) -> None:
        """Save what was received, end the workers, drop the connections. Afterwards nothing of the run is left."""
        self.fetches.close()
        self._meter.look(0)
        self._sink.close(self.schedule.transfers)
        self.locator.stage.close()
        self.poller.close()

    def _start_fetches(self) -> None:
        while self.locator.located and self.fetches.free > 0:
            segment, url, since = self.locator.located.popleft()
            if segment.transfer.over:
                continue
            if self._clock() - since <= self._tuning.url_seconds:
                self.fetches.start(FetchRequest(segment, url))
            else:
                self.fetches.segments.discard(segment)
                self.schedule.later(segment, 0.0)

    def _start_segments(self) -> None:
        """Have segments located, or fetched from peers, as many as there is room for."""
        free, ending = self._free(), self.ledger.ending.verdict is not None
        while max(free.values()) > 0:
            big_may_go = len(self.fetches.segments) * 2 < self.fetches.stage.limit.value
            segment = self.schedule.next(free, big_may_go=big_may_go, peers_only=ending)
            if segment is None:
                break
            if segment.transfer.partial is not None:
                self.fetches.segments.add(segment)
            peer = segment.transfer.source
            if peer is None:
                self.locator.start(segment)
                free[None] -= 1
            else:
                self.fetches.start(FetchRequest(segment, peer.object_url(segment.transfer.entry.sha256), peer))
                free = self._free()
        while self.schedule.finishable:
            self._sink.finish(self.schedule.finishable.pop())

    def _free(self) -> dict[Giver, int]:
        """How many segments may be located, and fetched from each peer."""
        free = self.fetches.free_at(self.schedule.live_peers) if self._peers else {}
        ahead = max(8, self.fetches.free + self.fetches.stage.limit.value // 2)
        free[None] = self.locator.free(ahead) if self.ledger.ending.verdict is None else 0
        return free

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
            seconds = self.locator.stage.loop.wait_seconds(self.schedule.queue.wait_seconds(self._tuning.longest_wait))
            self.poller.wait(self._pace.wait_seconds(seconds))
        starving = not self.locator.located and self.fetches.free > 0
        for failed in self.locator.turn(starving=starving):
            self._failed(*failed)
        if self._pace.reading:
            for failed in self.fetches.turn(wanted=bool(self.locator.located)):
                self._failed(*failed)

    def _look(self) -> None:
        """See what requests under way have brought; end those that stand still, and the run when all does."""
        now = self._clock()
        if now - self._looked < self._tuning.look_seconds and self._options.limit_rate is None:
            return
        self._looked = now
        self.poller.measure(now)
        self._pace.spend(self.fetches.look())
        if now - self._recorded >= self._tuning.record_seconds:
            self._recorded = now
            self.fetches.record()
        patience = self._options.patience
        stall = min((self._options.network or Network()).read_timeout, patience / 3)
        for failed in chain(self.locator.overdue(stall), self.fetches.overdue(stall)):
            self._failed(*failed)
        if not (self._pace.reading and self._sink.idle and self.ledger.unfinished) or self.schedule.queue.blocked:
            self._meter.moved()
        elif self._meter.idle_seconds() > patience:
            self.ledger.ending.lose_patience(patience)

    def _failed(self, segment: Segment, peer: Giver, verdict: Verdict) -> None:
        """Do what follows from a response that did not bring what was asked for."""
        self.fetches.segments.discard(segment)
        if peer is not None:
            decision = self.ledger.peer_failed(segment, peer, verdict)
        else:
            if verdict.action is Action.RETRY:  # while other segments make progress, the file is not given up
                self.fetches.note_progress(segment.transfer)
            decision = self.ledger.failed(segment, verdict)
        self._carry_out(segment.transfer, decision)

    def _stored(self, transfer: Transfer, error: Optional[Exception]) -> None:
        """A file is in the store, or its content is not what it should be."""
        if error is None:
            self.ledger.completed(transfer)
            self._meter.file()
        elif isinstance(error, DigestMismatchError):
            self.fetches.suspicious = True
            self._carry_out(transfer, self.ledger.mismatched(transfer, error))
        else:
            raise error

    def _stepped(self, transfer: Transfer) -> None:
        """Do what follows from a step of an image's assembly."""
        assert transfer.assembling is not None
        step = transfer.assembling.step
        if step is None:
            transfer.filled, transfer.assembling = transfer.assembling.filled, None
        else:
            if step.detail:
                self._detail(step.detail)
            self._meter.filled(step.filled)
            transfer.kept += step.filled
            self.schedule.more(transfer, step.wanted)
            transfer.waiting = step.waits and transfer.unfinished > 0
        if not transfer.waiting:
            self._sink.finish(transfer)

    def _carry_out(self, transfer: Transfer, decision: Decision) -> None:
        if decision.detail:
            self._detail(decision.detail)
        self._meter.lost(decision.lost)
        if decision.moved:
            self._meter.moved()
        if decision.step is not Step.NOTHING:
            self.locator.cancel(transfer)
            self.fetches.cancel(lambda request: request.segment.transfer is transfer)
        if decision.step is Step.RESTART:
            self._sink.discard(transfer, lambda discarded: self._meter.lost(self.ledger.restart(discarded)))
        elif decision.step is Step.GIVE_UP:
            self._sink.save(transfer)
        if decision.dropped is not None:
            self.withdraw(decision.dropped)

    def withdraw(self, peer: Peer) -> None:
        """Have what a peer was asked for fetched from the next source, for the peer was dropped."""
        for segment in self.fetches.withdraw(peer):
            self.ledger.withdrawn(segment)
