"""The bodies of fetches: judged while they arrive, counted, and handed to the sink."""

from __future__ import annotations

from collections.abc import Callable
from typing import Optional

from dci_downloader.network.headers import Head
from dci_downloader.transfer.handles import read_response
from dci_downloader.transfer.meter import Meter
from dci_downloader.transfer.request import FetchRequest
from dci_downloader.transfer.sink import Sink
from dci_downloader.transfer.transfers import Giver, Segment, Transfer
from dci_downloader.transfer.verdict import Action, Verdict

OnReceived = Callable[[Segment, int, Giver], None]
"""Called with a segment, the position up to which its bytes were received, and who gave them."""


class Bodies:
    """Takes what requests bring.

    Args:
        meter: counts bytes.
        sink: takes bytes.
        on_received: called with a segment, the position up to which its bytes were received, and who gave them.

    Attributes:
        segments: of big files, from the queue to the sink.
    """

    def __init__(self, meter: Meter, sink: Sink, on_received: OnReceived) -> None:
        self._meter, self._sink, self._on_received = meter, sink, on_received
        self.segments: set[Segment] = set()

    def write(self, request: FetchRequest) -> Verdict:
        """Write what was received of a segment of a big file so far; the judgement of its head."""
        head = read_response(request.handle, request.headers)
        chunks = request.take(head)
        if chunks:
            self._sink.write(request.segment, chunks)
        return request.judge(head)

    def last_chunks(self, request: FetchRequest, head: Head) -> list[bytes]:
        """The last bytes of a request that ended, less what of a big body is decoded: that is written meanwhile."""
        if not head.status:
            return []
        transfer, chunks = request.segment.transfer, request.take(head)
        while request.chunks:
            if transfer.over or transfer.partial is not None:
                if not transfer.over:
                    self._sink.write(request.segment, chunks)
                    self._sink.drain()
                chunks = []
            chunks += request.take(head)
        return chunks

    def write_small(self, request: FetchRequest) -> None:
        """Write what was received of a small file so far, and treat it as a big one from now on.

        Not of one that is decoded: it cannot be resumed.
        """
        verdict = request.judge(read_response(request.handle, request.headers))
        if verdict.action is Action.ACCEPT and not request.decodes and self._sink.hold(request.segment.transfer):
            self.segments.add(request.segment)
            self.write(request)

    def report(self, request: FetchRequest) -> None:
        """Report the position up to which a request that is under way has received its segment."""
        if request.chunks and request.segment.transfer.partial is not None:
            self.write(request)
        if request.taken:
            self._on_received(request.segment, request.position, request.peer)

    def drop(self, request: FetchRequest) -> None:
        """Count what a request brought for a file that is over."""
        self._meter.count(request.taken, request.peer, kept=False)

    def keep(self, request: FetchRequest, chunks: list[bytes], *, code: Optional[int] = None) -> None:
        """Keep what a request brought, now that it ended.

        Of a file in memory, of one that is decoded or was misread, nothing but all of it can be kept. A small file that
        was cut goes on as a big one: it would never arrive where every connection is cut.

        Args:
            request: the request that ended.
            chunks: its last bytes.
            code: libcurl's error code, 0 for none; None where it was ended here.
        """
        segment, transfer = request.segment, request.segment.transfer
        whole = request.position == segment.end
        if not whole and transfer.partial is None and code is not None and request.cut(code):
            self._sink.hold(transfer)
        kept = whole or (transfer.partial is not None and not (request.decodes or request.misread))
        self._meter.count(request.taken, request.peer, kept=kept)
        if request.taken or not segment.end:  # an empty file has no bytes, but somebody gave it
            self._on_received(segment, request.position, request.peer)
            transfer.encoded = transfer.encoded or request.encoded
        if kept:
            transfer.kept += request.taken
        if transfer.partial is not None and chunks:
            self._sink.write(segment, chunks)
        if not kept:
            segment.start = request.began

    def finish(self, request: FetchRequest, chunks: list[bytes]) -> None:
        """Have a file stored, or its segment noted, all of which was received; its last bytes are kept already."""
        transfer: Transfer = request.segment.transfer
        if transfer.partial is None:
            self._sink.small_file(transfer, chunks)
        else:
            self.segments.discard(request.segment)
            self._sink.segment(transfer)
