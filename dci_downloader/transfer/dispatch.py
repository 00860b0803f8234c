"""Starts requests: each segment is located and then fetched, or fetched from a peer, while there is room."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from dci_downloader.transfer.fetches import Fetches
from dci_downloader.transfer.ledger import Ledger
from dci_downloader.transfer.locating import Locator
from dci_downloader.transfer.request import FetchRequest
from dci_downloader.transfer.schedule import Schedule
from dci_downloader.transfer.sink import Sink
from dci_downloader.transfer.sources import Peer
from dci_downloader.transfer.transfers import Giver, Segment
from dci_downloader.transfer.tuning import Tuning

_LEAST_AHEAD = 8  # segments that are located ahead of their fetch
_LOCATE_WINDOWS = 5  # times as long as a fetch is measured, the control server may take before peers are asked instead


class Dispatcher:
    """Hands segments from the schedule to the requests.

    Args:
        schedule: hands them out.
        ledger: knows whether the run ends.
        locator: asks the control server.
        fetches: asks the object store and peers.
        sink: finishes files of which nothing is to be fetched.
        tuning: how long a presigned URL is used.
    """

    def __init__(
        self, schedule: Schedule, ledger: Ledger, locator: Locator, fetches: Fetches, sink: Sink, tuning: Tuning
    ) -> None:
        self._schedule, self._ledger, self._sink = schedule, ledger, sink
        self._locator, self._fetches = locator, fetches
        self._url_seconds = tuning.url_seconds
        self._locate_seconds = _LOCATE_WINDOWS * tuning.straggler_window
        self._ending = False

    def start_all(self, now: float) -> None:
        """Start what there is room for."""
        self._start_located(now)
        self._start_segments()
        while self._schedule.finishable:
            self._sink.finish(self._schedule.finishable.pop())

    def move_stragglers(self) -> None:
        """Have what slow sources were asked for fetched elsewhere, where others have nothing to do."""
        if not self._schedule.choice.live_peers:
            return
        room = {giver: free for giver, free in self._free().items() if free > 0}
        if self._fetches.room <= 0:  # whoever takes a request over gets its connection
            room = dict.fromkeys([*self._schedule.choice.live_peers, None], 1)
        stragglers = self._fetches.stragglers(room) if room else {}
        if stragglers:
            instead = {request.segment: giver for request, giver in stragglers.items()}
            for segment in self._fetches.withdraw(stragglers.__contains__):
                self._ledger.moved(segment, instead[segment])
        self._move_unlocated([giver for giver in room if giver is not None])

    def _move_unlocated(self, peers: Sequence[Peer]) -> None:
        """Have peers with room asked for what the control server lets wait for long."""
        instead: dict[Segment, Peer] = {}
        for segment in self._locator.waiting(self._locate_seconds) if peers else ():
            others = (peer for peer in peers if peer in segment.transfer.peers and peer not in segment.left)
            instead.update((segment, peer) for peer in islice(others, 1))
        for segment in self._locator.withdraw(instead.__contains__) if instead else ():
            self._ledger.moved(segment, instead[segment])

    def leave_to_peers(self) -> None:
        """Have peers asked for all that the object store was, now that the run ends early for its sake."""
        if self._ending or self._ledger.ending.verdict is None:
            return
        self._ending = True
        segments = self._locator.withdraw(_may_be_at_peers)
        segments += self._fetches.withdraw(lambda one: one.peer is None and _may_be_at_peers(one.segment))
        for segment in segments:
            self._ledger.withdrawn(segment)

    def _start_located(self, now: float) -> None:
        while self._locator.located and self._fetches.free > 0:
            segment, url, since = self._locator.located.popleft()
            if segment.transfer.over:
                continue
            if now - since <= self._url_seconds:
                self._fetches.start(FetchRequest(segment, url))
            else:
                self._fetches.segments.discard(segment)
                self._schedule.later(segment, 0.0)

    def _start_segments(self) -> None:
        self._schedule.choice.competing = self._fetches.balance.competing
        free, ending = self._free(), self._ledger.ending.verdict is not None
        while max(free.values()) > 0:
            big_may_go = len(self._fetches.segments) * 2 < self._fetches.stage.limit.value
            segment = self._schedule.next(free, big_may_go=big_may_go, peers_only=ending)
            if segment is None:
                return
            self._start(segment, free)

    def _start(self, segment: Segment, free: dict[Giver, int]) -> None:
        if segment.transfer.partial is not None:
            self._fetches.segments.add(segment)
        peer = segment.source
        if peer is None:
            self._locator.start(segment)
            free[None] -= 1
            return
        self._fetches.start(FetchRequest(segment, peer.object_url(segment.transfer.entry.sha256), peer))
        free[peer] -= 1
        for other in free:  # the connections are for all of them
            if other is not None:
                free[other] = min(free[other], self._fetches.room)

    def _free(self) -> dict[Giver, int]:
        """How many segments may be located, and fetched from each peer."""
        peers = self._schedule.choice.live_peers
        free = self._fetches.free_at(peers) if peers else {}
        ahead = max(_LEAST_AHEAD, self._fetches.free + self._fetches.stage.limit.value // 2)
        free[None] = self._locator.free(ahead) if self._ledger.ending.verdict is None else 0
        return free


def _may_be_at_peers(segment: Segment) -> bool:
    return bool(segment.transfer.peers)
