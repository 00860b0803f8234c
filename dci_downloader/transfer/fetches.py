"""The fetches under way, at the object store and at peers, and the way of their bytes to the sink."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, Optional

import pycurl

from dci_downloader.options import TransferOptions
from dci_downloader.transfer.handles import HandlePool, connections, read_response
from dci_downloader.transfer.limits import AdaptiveLimit
from dci_downloader.transfer.meter import Meter
from dci_downloader.transfer.request import FetchRequest
from dci_downloader.transfer.sink import Sink
from dci_downloader.transfer.sources import Peer
from dci_downloader.transfer.stage import CompletedRequest, LeastRate, Stage
from dci_downloader.transfer.transfers import Giver, Segment, Transfer
from dci_downloader.transfer.tuning import Tuning
from dci_downloader.transfer.verdict import Action, Verdict

OnReceived = Callable[[Segment, int, Giver], None]


class Outcome(NamedTuple):
    """How a fetch ended.

    Attributes:
        chunks: all bytes of the file, where the verdict is to accept and it is held in memory.
    """

    request: FetchRequest
    verdict: Verdict
    chunks: list[bytes]


class Fetches:
    """Starts fetches, gives their bytes to the sink, and reports how they ended.

    Peers have a stage of their own, which connects with less patience and watches the rate. Together the two have no
    more connections than the options allow.

    Args:
        options: connections, rate, patience, network.
        tuning: sizes, times and limits.
        meter: counts bytes.
        sink: takes bytes.
        on_received: called with a segment, the position up to which its bytes were received, and who gave them.

    Attributes:
        at_store: the fetches from the object store.
    """

    def __init__(
        self, options: TransferOptions, tuning: Tuning, meter: Meter, sink: Sink, on_received: OnReceived
    ) -> None:
        self._tuning, self._meter, self._sink, self._on_received = tuning, meter, sink, on_received
        self._connections, self._peer_connections = connections(options), tuning.peer_connections
        most = self._connections
        handles = HandlePool(options, pycurl.CURL_HTTP_VERSION_1_1, tuning.receive_buffer)
        self.at_store: Stage[FetchRequest] = Stage(handles, AdaptiveLimit(most, most))
        handles = HandlePool(
            options, pycurl.CURL_HTTP_VERSION_1_1, tuning.receive_buffer, connect_seconds=tuning.peer_connect_seconds
        )
        least_rate = LeastRate(tuning.slow_rate, tuning.slow_seconds)
        self._at_peers: Stage[FetchRequest] = Stage(handles, AdaptiveLimit(most, most), least_rate)
        self._stages = (self.at_store, self._at_peers)
        self._wanted = False

    @property
    def descriptors(self) -> list[int]:
        """The descriptors that are readable when there is something to do."""
        return [stage.loop.fileno() for stage in self._stages]

    @property
    def peers_asked(self) -> bool:
        """Whether a fetch from a peer is under way."""
        return bool(self._at_peers.under_way)

    @property
    def free(self) -> int:
        """How many fetches from the object store may start."""
        return min(self.at_store.free - self._sink.unrecorded, self._room())

    def free_at(self, peers: Iterable[Peer]) -> dict[Giver, int]:
        """How many fetches may start at each peer."""
        busy, room = Counter(request.peer for request in self._at_peers.under_way.values()), self._room()
        return {peer: min(self._peer_connections - busy[peer], room) for peer in peers}

    def _room(self) -> int:
        # a segment not yet recorded counts as under way: what a kill costs is one segment for each connection, no more
        under_way = len(self.at_store.under_way) + len(self._at_peers.under_way)
        return self._connections - under_way - self._sink.unrecorded

    def halve(self) -> tuple[int, int]:
        """Leave half of the connections to another process: how many at the object store, and at each peer."""
        at_store, at_peer = self.at_store.limit.halve()[1], max(1, self._peer_connections // 2)
        self._connections = self.at_store.limit.most
        self._peer_connections = max(1, self._peer_connections - at_peer)
        return at_store, at_peer

    def start(self, request: FetchRequest) -> None:
        """Send a request."""
        stage = self.at_store if request.peer is None else self._at_peers
        stage.start(request, request.request_headers())

    def turn(self, *, segments: bool, wanted: bool) -> Iterator[Outcome]:
        """Do what can be done without waiting; yield how fetches ended.

        Args:
            segments: whether segments of big files are among the fetches.
            wanted: whether more fetches could be put to use.
        """
        self._wanted = wanted
        # what one socket brings of big files goes to the writer before the next is read: all could bring 100 MB
        sockets = self._tuning.segment_sockets if segments else -1
        for stage in self._stages:
            for completed in stage.turn(sockets):
                if (outcome := self._ended(completed)) is not None:
                    yield outcome
        if segments:
            yield from self._write_segments()

    def look(self) -> int:
        """Report what the fetches under way have brought; bytes since the last look."""
        return self._meter.look(sum(stage.look() for stage in self._stages))

    def overdue(self, seconds: float) -> Iterator[Outcome]:
        """End the fetches that stood still for so long; see :meth:`Stage.overdue`."""
        for stage in self._stages:
            for completed in stage.overdue(seconds):
                if (outcome := self._ended(completed)) is not None:
                    yield outcome

    def pause(self) -> None:
        """Hold nothing against the fetches from now on: they are not read."""
        for stage in self._stages:
            stage.pause()

    def resume(self) -> None:
        """End the pause."""
        for stage in self._stages:
            stage.resume()

    def wait_seconds(self, most: float) -> float:
        """How long to wait before a turn is due, at most ``most`` seconds."""
        return min(stage.loop.wait_seconds(most) for stage in self._stages)

    def _ended(self, completed: CompletedRequest) -> Optional[Outcome]:
        request: FetchRequest = completed.request
        if request.peer is None:
            self.at_store.note(completed, self._wanted)
        chunks = request.take(completed.head) if completed.head.status else []
        if request.segment.transfer.over:  # abandoned by a response that was read at the same time
            self._meter.count(request.taken, request.peer, kept=False)
            return None
        verdict = request.outcome(completed.code, completed.message, completed.head)
        self._keep(request, chunks)
        return Outcome(request, verdict, chunks)

    def _write_segments(self) -> Iterator[Outcome]:
        """Hand over what was received of big files, where it is enough; end the responses that are something else."""
        for request in self._under_way():
            if len(request.chunks) < self._tuning.write_chunks or request.segment.transfer.partial is None:
                continue
            verdict = self._take(request)
            if verdict.action is not Action.ACCEPT:
                self.cancel(lambda one, request=request: one is request)  # type: ignore[misc]
                yield Outcome(request, verdict, [])

    def _under_way(self) -> list[FetchRequest]:
        return [request for stage in self._stages for request in stage.under_way.values()]

    def _take(self, request: FetchRequest) -> Verdict:
        """Write what was received of a segment so far; the judgement of its head."""
        head = read_response(request.handle, request.headers)
        chunks = request.take(head)
        if chunks:
            self._sink.write(request.segment, chunks)
        return request.judge(head)

    def _keep(self, request: FetchRequest, chunks: list[bytes]) -> None:
        """Keep what a request brought. Of a file in memory that is not complete, nothing can be kept."""
        segment, transfer = request.segment, request.segment.transfer
        kept = transfer.partial is not None or request.position == segment.end
        self._meter.count(request.taken, request.peer, kept=kept)
        if request.taken or not segment.end:  # an empty file has no bytes, but somebody gave it
            self._on_received(segment, request.position, request.peer)
        if kept:
            transfer.kept += request.taken
        if transfer.partial is not None and chunks:
            self._sink.write(segment, chunks)

    def note_progress(self, transfer: Transfer) -> None:
        """Report what all fetches for a file have received so far."""
        for request in self._under_way():
            if request.segment.transfer is transfer:
                if request.chunks and transfer.partial is not None:
                    self._take(request)
                if request.taken:
                    self._on_received(request.segment, request.position, request.peer)

    def cancel(self, unwanted: Callable[[FetchRequest], bool]) -> list[Segment]:
        """End fetches, and keep what they brought; the segments they were for."""
        cancelled = [request for stage in self._stages for request in stage.cancel(unwanted)]
        for request in cancelled:
            head = read_response(request.handle, request.headers)
            self._keep(request, request.take(head) if head.status else [])
        return [request.segment for request in cancelled]

    def withdraw(self, peer: Peer) -> list[Segment]:
        """End the fetches from a peer, but for those that have brought all they were to bring."""
        return self.cancel(lambda one: one.peer is peer and one.began + one.received < one.segment.end)

    def close(self) -> None:
        """Drop the connections; what was received is kept."""
        self.cancel(lambda _: True)
        for stage in self._stages:
            stage.close()
