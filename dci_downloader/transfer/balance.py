"""How much each source is asked for, by how fast it was so far: rules without I/O.

Sources that are fast come back for more sooner, and so get more. Beyond that:

* The object store competes with peers that are too slow alone, see :mod:`dci_downloader.transfer.competition`.
* A peer that is much slower than another source is asked for less at once; and where all compete, no peer has more
  than its part of few connections.
* What is left of a straggler is asked for elsewhere, see :mod:`dci_downloader.transfer.stragglers`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Optional

from dci_downloader.transfer.competition import Competition
from dci_downloader.transfer.request import FetchRequest
from dci_downloader.transfer.sources import Peer
from dci_downloader.transfer.speeds import Speeds
from dci_downloader.transfer.stragglers import Stragglers
from dci_downloader.transfer.transfers import Giver
from dci_downloader.transfer.tuning import Tuning

_SLOWER = 2.0  # times slower than the fastest source, from which a peer is asked for less at once


class Balance:
    """Watches the fetches under way.

    Args:
        tuning: over which times is measured.
        now: the time.
    """

    def __init__(self, tuning: Tuning, now: float) -> None:
        self._tuning = tuning
        self._speeds = Speeds(tuning, now)
        self._stragglers = Stragglers(self._speeds, tuning)
        self._competition: Optional[Competition] = None
        self._peers: dict[Peer, None] = {}  # in the order they were asked first
        self._shares: dict[Peer, float] = {}
        self._moved_from: set[Peer] = set()

    @property
    def competing(self) -> bool:
        """Whether the object store is asked for what peers have, too."""
        return self._competition is not None and self._competition.competing

    def silent_peers(self) -> list[Peer]:
        """The peers that something was moved from, for they have answered nothing in this run."""
        return [peer for peer in self._moved_from if peer.silent and not peer.dropped]

    def ended(self, request: FetchRequest, *, whole: bool) -> None:
        """Take account of a request that ended, and whether it brought all that it was to bring."""
        if self._peers:
            self._speeds.ended(request.peer, request.taken, whole=whole)

    def look(self, requests: Collection[FetchRequest], now: float, idle: float) -> None:
        """Measure, and decide anew.

        Args:
            requests: those under way, which were looked at just now.
            now: the time, less that of pauses.
            idle: seconds so far that were spent waiting for the sources.
        """
        for request in requests:
            if request.peer is not None:
                self._peers[request.peer] = None
                request.peer.silent = request.peer.silent and not request.seen
        if not self._peers:
            return
        self._speeds.look(requests, now)
        self._stragglers.look(requests, now)
        if self._competition is None:
            outpaced = all(peer.outpaced for peer in self._peers)
            self._competition = Competition(self._tuning, now, competing=outpaced)
        peers, store = self._speeds.work(self._peers), self._speeds.work((None,))
        self._competition.look(now, peers=peers, store=store, idle=idle)
        for peer in self._peers:
            peer.outpaced = self.competing
        self._shares = self._measure_shares()

    def most(self, peer: Peer, at_peer: int, connections: int) -> int:
        """How many requests to a peer may be under way.

        Args:
            peer: the peer.
            at_peer: the most that a peer may have.
            connections: how many there are for all sources.
        """
        most = max(1, round(at_peer * self._shares.get(peer, 1.0)))
        return min(most, connections // (len(self._peers) + 1)) if self.competing else most

    def stragglers(
        self, requests: Collection[FetchRequest], room: Mapping[Giver, int], at_peer: int, connections: int
    ) -> dict[FetchRequest, Giver]:
        """The requests that are to be ended, and who is to be asked for their segments instead.

        Args:
            requests: those under way.
            room: how many more requests each source could take, where nothing waits for it.
            at_peer: the most requests that a peer may have.
            connections: how many there are for all sources.
        """
        found = self._find_stragglers(requests, room, at_peer, connections) if self._peers else {}
        self._moved_from.update(request.peer for request in found if request.peer and not request.seen)
        return found

    def _find_stragglers(
        self, requests: Collection[FetchRequest], room: Mapping[Giver, int], at_peer: int, connections: int
    ) -> dict[FetchRequest, Giver]:
        if len(requests) < connections:
            return self._stragglers.find(room, {})
        busy = Counter(request.peer for request in requests)
        given_up: Counter[Giver] = Counter()
        for peer in self._peers:
            given_up[peer] = busy[peer] - self.most(peer, at_peer, connections)
        return self._stragglers.find(room, +given_up) if +given_up else {}

    def _measure_shares(self) -> dict[Peer, float]:
        """By peer, which part of the most requests it may have."""
        rivals: list[Giver] = [*self._peers, None] if self.competing else [*self._peers]
        best = max((self._speeds.of_one_request(giver) or 0.0) for giver in rivals)
        shares = {}
        for peer in self._peers:
            speed = self._speeds.of_one_request(peer)
            if speed is not None and best:
                shares[peer] = min(1.0, _SLOWER * speed / best)
        return shares
