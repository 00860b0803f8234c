"""Many files at once: one event loop on libcurl that starts requests, waits, and hands bytes to the sink.

    waiting ─► locate (control server: a presigned URL) ─► ready ─► fetch (object store) ─► sink ─► object
       └───────────────────────────────────────────────────────────► fetch (peer) ──────────┘

Locating runs ahead of fetching, but not far, since a presigned URL lives for 600 seconds. How many requests each stage
has under way is found by trying (:mod:`dci_downloader.transfer.limits`). What a response means is said by
:mod:`dci_downloader.transfer.verdict`, and what becomes of the file by :mod:`dci_downloader.transfer.ledger`.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Optional

from dci_downloader.errors import CancelledError, DigestMismatchError
from dci_downloader.hooks import Progress, Stop
from dci_downloader.mirror.partial import Partial
from dci_downloader.mirror.store import Store
from dci_downloader.models import FileEntry
from dci_downloader.options import TransferOptions
from dci_downloader.results import SourceTotals
from dci_downloader.transfer.fetched import Fetched, fetched
from dci_downloader.transfer.fetches import Fetches, Outcome
from dci_downloader.transfer.ledger import Decision, Ledger, Step
from dci_downloader.transfer.limits import RateLimit
from dci_downloader.transfer.locating import Locator
from dci_downloader.transfer.meter import Meter
from dci_downloader.transfer.opening import Opener
from dci_downloader.transfer.pace import Pace
from dci_downloader.transfer.poller import Poller
from dci_downloader.transfer.request import FetchRequest
from dci_downloader.transfer.sink import Sink
from dci_downloader.transfer.sources import Peer, Source
from dci_downloader.transfer.transfers import Giver, Segment, Transfer
from dci_downloader.transfer.tuning import Tuning
from dci_downloader.transfer.verdict import Action, Verdict


class Pipeline:
    """Brings files into the store; safe to repeat, see :func:`dci_downloader.transfer.engine.fetch`.

    Args:
        source: where files are located.
        store: where they go.
        options: connections, rate, patience, network.
        progress: told of files and bytes.
        peers: asked before the object store.
        tuning: sizes, times and limits.

    Attributes:
        poller: waits; it may wait for something else, too.
        ended: whether it cannot go on, however much is left.
    """

    def __init__(
        self,
        source: Source,
        store: Store,
        options: TransferOptions,
        progress: Progress,
        peers: Sequence[Peer],
        tuning: Tuning,
    ) -> None:
        self._store, self._options, self._tuning = store, options, tuning
        self._peers, self._detail, self._clock = peers, progress.detail, time.monotonic
        self.poller = Poller(tuning, self._clock)
        self._meter = Meter(progress, self._clock)
        self._opener = Opener(peers, self._open_partial, tuning)
        self._ledger = Ledger(self._opener, options.patience, tuning, self._clock, random.random)
        self._sink = Sink(store, self.poller.wake, self._stored, tuning.write_batch)
        self._locator = Locator(source, options, tuning, self._ledger.located, self._clock)
        self._fetches = Fetches(options, tuning, self._meter, self._sink, self._ledger.received)
        self._rate = RateLimit(options.limit_rate, self._clock)
        self._pace = Pace(self._rate, self._sink, self._fetches, self.poller, tuning)
        for descriptor in (self._locator.stage.loop.fileno(), *self._fetches.descriptors):
            self.poller.watch(descriptor)
        self._segments: set[Segment] = set()  # of big files, from the queue to the sink
        self._looked = 0.0
        self.ended = False

    @property
    def unfinished(self) -> bool:
        """Whether there is something left that can be done."""
        return self._ledger.unfinished > 0 and not self.ended

    def step(self, stop: Stop) -> None:
        """Do what can be done now, or wait a little for something to do.

        Raises:
            CancelledError: ``stop`` was requested.
            DiskFullError: no room.
        """
        if stop.requested():
            raise CancelledError("interrupted")
        self._start_requests()
        if not self.ended:
            self._turn()
            self._sink.collect()
            self._look()

    def result(self) -> Fetched:
        """What became of the files, now that nothing is unfinished; where it cannot go on, every file left failed."""
        self._ledger.fail_the_rest()
        self._fetches.look()
        received, completed = self._meter.received, self._ledger.completed_by
        return fetched(
            self._ledger.entries - len(self._ledger.failures),
            sum(received.values()),
            self._ledger.failures,
            (SourceTotals(peer.url, completed[peer], received[peer]) for peer in self._peers),
            (peer.note for peer in self._peers if peer.dropped),
        )

    def close(self) -> None:
        """Save what was received, end the workers, drop the connections. Afterwards nothing of the run is left."""
        self._fetches.close()
        self._meter.look(0)
        self._sink.close(self._ledger.transfers)
        self._locator.stage.close()
        self.poller.close()

    # another that takes part of the work

    def take(self, entries: Sequence[FileEntry]) -> None:
        """Bring these files, too; that there was nothing to do until now is not held against the run."""
        self._meter.moved()
        self._ledger.add(entries)

    def halve(self) -> list[FileEntry]:
        """Give away half of the files whose turn has not come."""
        return self._ledger.halve()

    def share(self) -> tuple[TransferOptions, tuple[str, ...], Tuning]:
        """Leave half of the requests to another: the options, the URLs of the peers and the tuning it is to work by."""
        at_store, at_peer = self._fetches.halve()
        first, most = self._locator.stage.limit.halve()
        tuning = replace(self._tuning, first_locates=first, most_locates=most, peer_connections=at_peer)
        peers = tuple(peer.url for peer in self._opener.live_peers)
        return replace(self._options, connections=at_store), peers, tuning

    def drop(self, url: str, reason: str) -> None:
        """Ask a peer no longer, for a reason that another found."""
        for peer in self._peers:
            if peer.url == url and not peer.dropped:
                peer.dropped = reason
                self._withdraw(peer)

    # requests begin

    def _start_requests(self) -> None:
        self._start_fetches()
        free = self._free()
        while max(free.values()) > 0:
            big_may_go = len(self._segments) * 2 < self._fetches.at_store.limit.value
            segment = self._ledger.next(free, big_may_go=big_may_go)
            if segment is None:
                break
            transfer, peer = segment.transfer, segment.transfer.source
            if transfer.partial is not None:
                self._segments.add(segment)
            if peer is None:
                self._locator.start(segment)
                free[None] -= 1
            else:
                self._fetches.start(FetchRequest(segment, peer.object_url(transfer.entry.sha256), peer=peer))
                free = self._free()
        while self._ledger.finishable:
            self._sink.finish(self._ledger.finishable.pop())
        if self._ledger.ending.verdict is not None:
            # what ended the run is no matter to peers: those that are left bring what they have
            self.ended = not self._fetches.peers_asked and (not self._opener.live_peers or self._sink.idle)

    def _free(self) -> dict[Giver, int]:
        """How many segments may begin: to be located, and at each peer."""
        at_store = self._fetches.at_store
        ahead = max(8, at_store.free + at_store.limit.value // 2)
        free = self._fetches.free_at(self._opener.live_peers) if self._peers else {}
        free[None] = self._locator.free(ahead) if self._ledger.ending.verdict is None else 0
        return free

    def _start_fetches(self) -> None:
        while self._locator.located and self._fetches.free > 0:
            segment, url, since = self._locator.located.popleft()
            if segment.transfer.over:
                continue
            if self._clock() - since > self._tuning.url_seconds or self._ledger.ending.verdict is not None:
                self._segments.discard(segment)
                self._ledger.later(segment, 0.0)
                continue
            self._fetches.start(FetchRequest(segment, url))

    def _open_partial(self, entry: FileEntry) -> Optional[Partial]:
        """See :class:`Opener`."""
        if self._store.holds(entry):
            self._meter.file()
            return None
        return self._store.open_partial(entry)

    # responses are received

    def _turn(self) -> None:
        self._pace.update()
        if not self.poller.poll():
            self._sink.flush()
            seconds = self._locator.stage.loop.wait_seconds(self._ledger.queue.wait_seconds(self._tuning.longest_wait))
            self.poller.wait(self._pace.wait_seconds(seconds))
        starving = not self._locator.located and self._fetches.at_store.free > 0
        for segment, verdict in self._locator.turn(starving=starving):
            self._failed(segment, None, verdict)
        if self._pace.reading:
            wanted = bool(self._locator.located)
            for outcome in self._fetches.turn(segments=bool(self._segments), wanted=wanted):
                self._fetched(outcome)

    def _look(self) -> None:
        """See what requests under way have brought; end those that stand still, and the run when all does."""
        now = self._clock()
        if now - self._looked < self._tuning.look_seconds and self._options.limit_rate is None:
            return
        self._looked = now
        self.poller.measure(now)
        self._rate.spend(self._fetches.look())
        patience = self._options.patience
        stall = min(self._options.network.read_timeout, patience / 3)
        for segment, verdict in self._locator.overdue(stall):
            self._failed(segment, None, verdict)
        for outcome in self._fetches.overdue(stall):
            self._fetched(outcome)
        if not (self._pace.reading and self._sink.idle and self._ledger.unfinished) or self._ledger.queue.blocked:
            self._meter.moved()
        elif self._meter.idle_seconds() > patience:
            self._ledger.ending.lose_patience(patience)

    def _fetched(self, outcome: Outcome) -> None:
        request, verdict, chunks = outcome
        segment, transfer = request.segment, request.segment.transfer
        if verdict.action is Action.REDIRECT:
            objection = self._locator.follow(segment, verdict.location)
            if objection is not None:
                self._failed(segment, None, objection)
        elif verdict.action is not Action.ACCEPT:
            self._failed(segment, request.peer, verdict)
        elif transfer.partial is None:
            self._sink.small_file(transfer, chunks)
        else:
            self._segments.discard(segment)
            self._sink.segment(transfer)

    def _stored(self, transfer: Transfer, error: Optional[Exception]) -> None:
        """A file is in the store, or its content is not what it should be."""
        if error is None:
            self._ledger.completed(transfer)
            self._meter.file()
        elif isinstance(error, DigestMismatchError):
            self._carry_out(transfer, self._ledger.mismatched(transfer, error))
        else:
            raise error

    # decisions are carried out

    def _failed(self, segment: Segment, peer: Giver, verdict: Verdict) -> None:
        """Do what follows from a response that did not bring what was asked for."""
        self._segments.discard(segment)
        if peer is not None:
            decision = self._ledger.peer_failed(segment, peer, verdict)
        else:
            if verdict.action is Action.RETRY:  # while other segments make progress, the file is not given up
                self._fetches.note_progress(segment.transfer)
            decision = self._ledger.failed(segment, verdict)
        self._carry_out(segment.transfer, decision)

    def _carry_out(self, transfer: Transfer, decision: Decision) -> None:
        if decision.detail:
            self._detail(decision.detail)
        self._meter.lost(decision.lost)
        if decision.moved:
            self._meter.moved()
        if decision.step is not Step.NOTHING:
            self._locator.cancel(transfer)
            self._fetches.cancel(lambda request: request.segment.transfer is transfer)
            self._segments = {segment for segment in self._segments if segment.transfer is not transfer}
        if decision.step is Step.RESTART:
            self._sink.discard(transfer, lambda discarded: self._meter.lost(self._ledger.restart(discarded)))
        elif decision.step is Step.GIVE_UP:
            self._sink.save(transfer)
        if decision.dropped is not None:
            self._withdraw(decision.dropped)

    def _withdraw(self, peer: Peer) -> None:
        for segment in self._fetches.withdraw(peer):
            self._segments.discard(segment)
            self._ledger.withdrawn(segment)
