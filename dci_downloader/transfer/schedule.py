"""Which segment is brought next, and where from: rules without I/O.

* Which peer is asked first rotates from file to file; those that have room for a request now come before the others.
* A file that is held in memory is one segment, unless an earlier run left something of it. So is one whose first
  source gets ranges wrong. Any other is cut at multiples of its segment size, less what an earlier run left of it.
* Of an image that is put together, the steps of that say which ranges are wanted, as they come.
* A file that begins anew is asked for only where it was not asked for in vain.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Optional

from dci_downloader.content import ranges
from dci_downloader.content.ranges import Ranges
from dci_downloader.errors import LockedError
from dci_downloader.mirror.filling import FilledPartial
from dci_downloader.models import FileEntry
from dci_downloader.transfer.assembling import Parts
from dci_downloader.transfer.queue import TransferQueue
from dci_downloader.transfer.sources import Peer
from dci_downloader.transfer.transfers import Giver, Segment, Transfer
from dci_downloader.transfer.tuning import Tuning


class Schedule:
    """Hands out the segments of files, from the source of their transfer.

    Args:
        peers: asked before the object store.
        open_partial: opens the partial of a big file; None where the store has the file by now. Raises
            ``LockedError`` where another run is writing it.
        tuning: sizes and limits.
        clock: seconds, monotonic.

    Attributes:
        partials: digests of the files that an earlier run, or another process, left something of.
        queue: the segments and files that wait.
        transfers: the files under way.
        finishable: those of them of which nothing is to be fetched now; whoever goes on with them takes them out.
        parts: what images are put together from; None where every file is fetched as it is.
    """

    def __init__(
        self,
        peers: Sequence[Peer],
        open_partial: Callable[[FileEntry], Optional[FilledPartial]],
        tuning: Tuning,
        clock: Callable[[], float],
    ) -> None:
        self._peers, self._open_partial, self._tuning, self._clock = peers, open_partial, tuning, clock
        self.queue = TransferQueue(self._open, tuning, clock)
        self.partials: frozenset[str] = frozenset()
        self.transfers: set[Transfer] = set()
        self.finishable: list[Transfer] = []
        self.parts: Optional[Parts] = None
        self._free: Mapping[Giver, int] = {}
        self._peers_only = False
        self._rotation = -1
        self._remaining_peers: dict[str, list[Peer]] = {}
        self._rangeless: set[tuple[str, Giver]] = set()
        self._otherwise: set[str] = set()

    @property
    def live_peers(self) -> list[Peer]:
        """The peers that are asked."""
        return [peer for peer in self._peers if not peer.dropped]

    def next(self, free: Mapping[Giver, int], *, big_may_go: bool, peers_only: bool = False) -> Optional[Segment]:
        """The segment to bring next; None while there is nothing to do.

        Args:
            free: how many requests may start at each source now.
            big_may_go: whether segments of big files have less than their share of the requests.
            peers_only: whether nothing is fetched from the object store any more; what is to come from there vanishes.
        """
        self._free, self._peers_only = free, peers_only
        peers = self.live_peers
        may_open = any(free[peer] > 0 for peer in peers) if peers else free[None] > 0
        segment = self.queue.next(self._accepts, may_open=may_open, big_may_go=big_may_go)
        while peers_only and segment is not None and segment.transfer.source is None:
            segment = self.queue.next(self._accepts, may_open=may_open, big_may_go=big_may_go)
        if segment is not None and segment.transfer.stuck_since is None:
            segment.transfer.stuck_since = self._clock()
        return segment

    def more(self, transfer: Transfer, wanted: Ranges) -> None:
        """Have more ranges of a file under way fetched."""
        segments = self._cut(transfer, wanted)
        transfer.unfinished += len(segments)
        self.queue.more(segments)

    def later(self, segment: Segment, seconds: float) -> None:
        """Put a segment back, to be located or asked for anew after some seconds."""
        segment.hops = 0
        self.queue.later(segment, seconds)

    def again(self, transfer: Transfer) -> None:
        """Begin the file of a transfer that is over anew, in another transfer."""
        self.transfers.discard(transfer)
        if self._peers:
            self._remaining_peers[transfer.entry.sha256] = transfer.peers
        if transfer.otherwise:
            self._otherwise.add(transfer.entry.sha256)
        self.queue.again(transfer.entry)

    def without_ranges(self, transfer: Transfer, source: Giver) -> None:
        """Have a source asked for this file in one piece."""
        self._rangeless.add((transfer.entry.sha256, source))

    def is_rangeless(self, transfer: Transfer) -> bool:
        """Whether the source that is asked now has to be asked in one piece."""
        return bool(self._rangeless) and (transfer.entry.sha256, transfer.source) in self._rangeless

    def _accepts(self, segment: Segment) -> bool:
        source = segment.transfer.source
        return self._free[source] > 0 or (self._peers_only and source is None)

    def _open(self, entry: FileEntry) -> Optional[list[Segment]]:
        """The segments of a file whose turn has come; see :class:`TransferQueue`."""
        transfer = Transfer(entry, self._candidates(entry) if self._peers else [])
        segments = [Segment(transfer, 0, entry.size)]
        if entry.size > self._tuning.in_memory or entry.sha256 in self.partials:
            try:
                partial = self._open_partial(entry)
            except LockedError:
                self._remaining_peers[entry.sha256] = transfer.peers
                return None
            if partial is None:
                return []
            transfer.partial, transfer.resumed = partial, bool(partial.done)
            if not self.is_rangeless(transfer):
                transfer.assembling = self.parts.begin(partial) if self.parts else None
                wanted = ranges.NOTHING if transfer.assembling else ranges.missing(partial.done, entry.size)
                segments = self._cut(transfer, wanted)
        if entry.sha256 in self._otherwise:
            self._otherwise.discard(entry.sha256)
            transfer.otherwise = True
        self.transfers.add(transfer)
        transfer.unfinished = len(segments)
        transfer.in_one_piece = [segment.end - segment.start for segment in segments] == [entry.size]
        if not segments:
            self.finishable.append(transfer)
        return segments

    def _cut(self, transfer: Transfer, wanted: Ranges) -> list[Segment]:
        pieces = ranges.split(wanted, self._tuning.segment_size(transfer.entry.size))
        return [Segment(transfer, *piece) for piece in pieces]

    def _candidates(self, entry: FileEntry) -> list[Peer]:
        """The peers to ask for a file, the first of them first."""
        if entry.sha256 in self._remaining_peers:
            return self._remaining_peers.pop(entry.sha256)
        peers = self.live_peers
        self._rotation += 1
        first = self._rotation % len(peers) if peers else 0
        return sorted(peers[first:] + peers[:first], key=lambda peer: self._free[peer] <= 0)
