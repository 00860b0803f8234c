"""The fetches under way, at the object store and at peers, and the way of their bytes to the sink."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from operator import is_
from typing import Optional

import pycurl

from dci_downloader.options import TransferOptions
from dci_downloader.transfer.balance import Balance
from dci_downloader.transfer.bodies import Bodies, OnReceived
from dci_downloader.transfer.crawlers import Crawlers
from dci_downloader.transfer.handles import connections, read_response
from dci_downloader.transfer.limits import AdaptiveLimit
from dci_downloader.transfer.meter import Meter
from dci_downloader.transfer.request import FetchRequest
from dci_downloader.transfer.sink import Sink
from dci_downloader.transfer.sources import Peer
from dci_downloader.transfer.stage import CompletedRequest, Stage
from dci_downloader.transfer.transfers import Failed, Giver, Segment, Transfer
from dci_downloader.transfer.tuning import Tuning
from dci_downloader.transfer.verdict import Action, Verdict


class Fetches:
    """Starts fetches, gives their bytes to the sink, and reports those that did not bring what was asked for.

    Args:
        options: connections, rate, patience, network.
        tuning: sizes, times and limits.
        meter: counts bytes.
        sink: takes bytes.
        on_received: called with a segment, the position up to which its bytes were received, and who gave them.
        follow: follows a redirect of a segment to a URL; gives the verdict where that is not possible.

    Attributes:
        stage: the requests under way.
        segments: of big files, from the queue to the sink.
        balance: how much each source is asked for.
        suspicious: whether bodies were not what they should be, maybe encoded, so that every head is read.
    """

    def __init__(
        self,
        options: TransferOptions,
        tuning: Tuning,
        meter: Meter,
        sink: Sink,
        on_received: OnReceived,
        follow: Callable[[Segment, str], Optional[Verdict]],
    ) -> None:
        self._tuning, self._meter, self._sink = tuning, meter, sink
        self._bodies, self._follow = Bodies(meter, sink, on_received), follow
        self._connections, self._peer_connections = connections(options), tuning.peer_connections
        limit = AdaptiveLimit(self._connections, self._connections)
        self.stage: Stage[FetchRequest] = Stage(options, pycurl.CURL_HTTP_VERSION_1_1, limit, tuning)
        self.segments = self._bodies.segments
        self._crawlers = Crawlers(tuning.crawl_seconds)
        self.balance = Balance(tuning, self.stage.now())
        self._at_peers = 0
        self.suspicious = False
        self._wanted = False

    @property
    def free(self) -> int:
        """How many fetches from the object store may start; only the responses of that are held against the limit."""
        return min(self.stage.free + self._at_peers - self._sink.unrecorded, self.room)

    def free_at(self, peers: Iterable[Peer]) -> dict[Giver, int]:
        """How many fetches may start at each peer."""
        busy, room = Counter(request.peer for request in self.stage.under_way.values()), self.room
        most, at_peer, connections = self.balance.most, self._peer_connections, self._connections
        return {peer: min(most(peer, at_peer, connections) - busy[peer], room) for peer in peers}

    def stragglers(self, room: Mapping[Giver, int]) -> dict[FetchRequest, Giver]:
        """The fetches that are better asked elsewhere, and of whom; see :meth:`Balance.stragglers`."""
        under_way = self.stage.under_way.values()
        return self.balance.stragglers(under_way, room, self._peer_connections, self._connections)

    @property
    def room(self) -> int:
        """How many fetches may start at all sources together."""
        # a segment not yet recorded counts as under way: what a kill costs is one segment for each connection, no more
        return self._connections - len(self.stage.under_way) - self._sink.unrecorded

    @property
    def peers_asked(self) -> bool:
        """Whether a fetch from a peer is under way."""
        return self._at_peers > 0

    def halve(self) -> tuple[int, int]:
        """Leave half of the connections to another process: how many at the object store, and at each peer."""
        at_store, at_peer = self.stage.limit.halve()[1], max(1, self._peer_connections // 2)
        self._connections = self.stage.limit.most
        self._peer_connections = max(1, self._peer_connections - at_peer)
        return at_store, at_peer

    def start(self, request: FetchRequest) -> None:
        """Send a request."""
        self._at_peers += request.peer is not None
        request.suspicious = self.suspicious
        self.stage.start(request, request.request_headers())

    def turn(self, *, wanted: bool) -> Iterator[Failed]:
        """Do what can be done without waiting; yield the segments that were not brought, and what was wrong.

        Args:
            wanted: whether more fetches could be put to use.
        """
        self._wanted = wanted
        # what one socket brings of big files goes to the writer before the next is read: all could bring 100 MB
        for completed in self.stage.turn(self._tuning.segment_sockets if self.segments else -1):
            if (failed := self._ended(completed)) is not None:
                yield failed
        if self.segments:
            yield from self._write_segments()

    def look(self, idle: float = 0.0) -> int:
        """Report what the fetches under way have brought, and see which crawl; bytes since the last look.

        Args:
            idle: seconds so far that were spent waiting for the sources.
        """
        size, now = self.stage.look(), self.stage.now()
        self.balance.look(self.stage.under_way.values(), now, idle)
        for request in self._crawlers.find(self.stage.under_way.values(), now):
            request.slow = True
        return self._meter.look(size)

    def overdue(self, seconds: float) -> Iterator[Failed]:
        """End the fetches that stood still for so long; see :meth:`Stage.overdue`."""
        for completed in self.stage.overdue(seconds):
            if (failed := self._ended(completed)) is not None:
                yield failed

    def note_progress(self, transfer: Transfer) -> None:
        """Report what all fetches for a file have received so far."""
        for request in self.stage.under_way.values():
            if request.segment.transfer is transfer:
                self._bodies.report(request)

    def record(self) -> None:
        """Have all that was received so far of big files, and of small ones that take long, written and recorded."""
        for request in self.stage.under_way.values():
            if not request.chunks:
                continue
            if request.segment.transfer.partial is not None:
                self._bodies.write(request)
            elif self.stage.seconds_of(request) >= self._tuning.record_seconds:  # a kill would cost all of it
                self._bodies.write_small(request)
        self._sink.record()

    def cancel(self, unwanted: Callable[[FetchRequest], bool]) -> list[Segment]:
        """End fetches, and keep what they brought; the segments they were for."""
        cancelled = self.stage.cancel(unwanted)
        for request in cancelled:
            head = read_response(request.handle, request.headers)
            self._at_peers -= request.peer is not None
            self._bodies.keep(request, request.take(head) if head.status else [])
            self.balance.ended(request, whole=False)
            self.segments.discard(request.segment)
        return [request.segment for request in cancelled]

    def withdraw(self, unwanted: Callable[[FetchRequest], bool]) -> list[Segment]:
        """End fetches as :meth:`cancel` does, but for those that have brought all they were to bring."""
        return self.cancel(lambda one: unwanted(one) and one.began + one.received < one.segment.end)

    def close(self) -> None:
        """Drop the connections; what was received is kept."""
        self.cancel(lambda _: True)
        self.stage.close()

    def _ended(self, completed: CompletedRequest) -> Optional[Failed]:
        """Take the last bytes of a fetch; None where it brought what was asked for, or goes on elsewhere."""
        request: FetchRequest = completed.request
        if request.peer is None:
            self.stage.note(completed, self._wanted)
        chunks = self._bodies.last_chunks(request, completed.head)
        self._at_peers -= request.peer is not None
        if request.peer is not None and completed.head.status:
            request.peer.silent = False
        if request.segment.transfer.over:  # abandoned by a response that was read at the same time
            self._bodies.drop(request)
            self.balance.ended(request, whole=False)
            return None
        verdict = request.outcome(completed.code, completed.message, completed.head, completed.proxy_variable)
        self.balance.ended(request, whole=verdict.action is Action.ACCEPT)
        if request.peer is None and (verdict.action is Action.ACCEPT or request.slow):
            self._crawlers.ended(request.taken, self.stage.seconds_of(request), self.stage.now())
        self._bodies.keep(request, chunks, code=completed.code)
        if verdict.action is not Action.ACCEPT:
            return self._failed(request, verdict)
        self._bodies.finish(request, chunks)
        return None

    def _failed(self, request: FetchRequest, verdict: Verdict) -> Optional[Failed]:
        """The failure of a fetch that did not bring its bytes; None where its redirect is followed instead."""
        objection: Optional[Verdict] = verdict
        request.segment.transfer.otherwise ^= request.misread  # the next try decodes where this did not, or vice versa
        self.suspicious = self.suspicious or verdict.action is Action.REFUSE
        if verdict.action is Action.REDIRECT:
            objection = self._follow(request.segment, verdict.location)
        if objection is None:
            return None
        self.segments.discard(request.segment)
        return request.segment, request.peer, objection

    def _write_segments(self) -> Iterator[Failed]:
        """Hand over what was received of big files, where it is enough; end the responses that are something else."""
        for request in list(self.stage.under_way.values()):
            if len(request.chunks) < self._tuning.write_chunks or request.segment.transfer.partial is None:
                continue
            verdict = self._bodies.write(request)
            if verdict.action is not Action.ACCEPT:
                self.cancel(partial(is_, request))
                if (failed := self._failed(request, verdict)) is not None:
                    yield failed
