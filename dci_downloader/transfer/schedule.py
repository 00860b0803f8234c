"""Which segment is brought next: rules without I/O. Where from is decided by :mod:`dci_downloader.transfer.choice`.

* A file that is held in memory is one segment, unless an earlier run left something of it. So is one whose first
  source gets ranges wrong. Any other is cut at multiples of its segment size, less what an earlier run left of it.
* Of an image that is put together, the steps of that say which ranges are wanted, as they come.
* A file that begins anew is not asked of sources that failed to bring it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Optional

from dci_downloader.content import ranges
from dci_downloader.content.ranges import Ranges
from dci_downloader.errors import LockedError
from dci_downloader.mirror.filling import FilledPartial
from dci_downloader.models import FileEntry
from dci_downloader.transfer.assembling import Parts
from dci_downloader.transfer.choice import SourceChoice
from dci_downloader.transfer.queue import TransferQueue
from dci_downloader.transfer.sources import Peer
from dci_downloader.transfer.transfers import Giver, Segment, Transfer
from dci_downloader.transfer.tuning import Tuning


class Schedule:
    """Hands out the segments of files, each with the source that it is to be asked of.

    Args:
        choice: of the sources.
        open_partial: opens the partial of a big file; None where the store has the file by now. Raises
            ``LockedError`` where another run is writing it.
        tuning: sizes and limits.
        clock: seconds, monotonic.

    Attributes:
        partials: digests of the files that an earlier run, or another process, left something of.
        choice: of the sources.
        queue: the segments and files that wait.
        transfers: the files under way.
        finishable: those of them of which nothing is to be fetched now; who goes on with them removes them here.
        parts: what images are put together from; None where every file is fetched as it is.
    """

    def __init__(
        self,
        choice: SourceChoice,
        open_partial: Callable[[FileEntry], Optional[FilledPartial]],
        tuning: Tuning,
        clock: Callable[[], float],
    ) -> None:
        self.choice, self._open_partial, self._tuning, self._clock = choice, open_partial, tuning, clock
        self.queue = TransferQueue(self._open, tuning, clock)
        self.partials: frozenset[str] = frozenset()
        self.transfers: set[Transfer] = set()
        self.finishable: list[Transfer] = []
        self.parts: Optional[Parts] = None
        self._remaining_peers: dict[str, list[Peer]] = {}
        self._otherwise: set[str] = set()

    def next(self, free: Mapping[Giver, int], *, big_may_go: bool, peers_only: bool = False) -> Optional[Segment]:
        """The segment to bring next; None while there is nothing to do.

        Args:
            free: how many requests may start at each source now.
            big_may_go: whether segments of big files have less than their share of the requests.
            peers_only: whether nothing is fetched from the object store any more; what is to come from there vanishes.
        """
        self.choice.free, self.choice.peers_only = free, peers_only
        may_open = self.choice.may_begin()
        segment = self.queue.next(self._accepts, may_open=may_open, big_may_go=big_may_go)
        if segment is None and self.choice.several:
            segment = self.queue.next(self._accepts_anywhere, may_open=False, big_may_go=big_may_go)
        while segment is not None and self.choice.vanishes(segment):
            segment = self.queue.next(self._accepts, may_open=may_open, big_may_go=big_may_go)
        return None if segment is None else self._with_source(segment)

    def _with_source(self, segment: Segment) -> Optional[Segment]:
        """A segment whose turn it is, with its source; None where there is no room for it after all."""
        chosen = self.choice.of(segment, anywhere=True)
        if not chosen:
            self.queue.later(segment, 0.0)
            return None
        (segment.source,) = chosen
        if segment.transfer.stuck_since is None:
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
        if self.choice.live_peers:
            self._remaining_peers[transfer.entry.sha256] = transfer.peers
        if transfer.otherwise:
            self._otherwise.add(transfer.entry.sha256)
        self.queue.again(transfer.entry)

    def _accepts(self, segment: Segment) -> bool:
        return bool(self.choice.of(segment)) or self.choice.vanishes(segment)

    def _accepts_anywhere(self, segment: Segment) -> bool:
        return bool(self.choice.of(segment, anywhere=True))

    def _open(self, entry: FileEntry) -> Optional[list[Segment]]:
        """The segments of a file whose turn has come; see :class:`TransferQueue`."""
        transfer = Transfer(entry)
        if entry.sha256 in self._remaining_peers:
            transfer.peers = self._remaining_peers.pop(entry.sha256)
        else:
            self.choice.begin(transfer)
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
            if not self.choice.is_rangeless(entry, transfer.source):
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
