"""How a file begins: which peers are asked for it, and into which segments it is cut. Rules without I/O.

* Which peer is asked first rotates from file to file; those that have room for a request now come before the others.
* A file that is held in memory is one segment. So is one whose first source gets ranges wrong.
* Any other is cut at multiples of its segment size, less what an earlier run left of it.
* A file that begins anew is asked for only where it was not asked for in vain.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Optional

from dci_downloader.content import ranges
from dci_downloader.errors import LockedError
from dci_downloader.mirror.partial import Partial
from dci_downloader.models import FileEntry
from dci_downloader.transfer.sources import Peer
from dci_downloader.transfer.transfers import Giver, Segment, Transfer
from dci_downloader.transfer.tuning import Tuning


class Opener:
    """Makes the transfer and the segments of a file.

    Args:
        peers: to be asked before the object store.
        open_partial: opens the partial of a big file; None where the store has the file by now. Raises
            ``LockedError`` where another run is writing it.
        tuning: sizes and limits.
    """

    def __init__(
        self, peers: Sequence[Peer], open_partial: Callable[[FileEntry], Optional[Partial]], tuning: Tuning
    ) -> None:
        self._peers, self._open_partial, self._tuning = peers, open_partial, tuning
        self._rotation = -1
        self._remaining: dict[str, list[Peer]] = {}
        self._rangeless: set[tuple[str, Giver]] = set()

    @property
    def live_peers(self) -> list[Peer]:
        """The peers that are asked."""
        return [peer for peer in self._peers if not peer.dropped]

    def open(self, entry: FileEntry, free: Mapping[Giver, int]) -> Optional[tuple[Transfer, list[Segment]]]:
        """Begin a file.

        Args:
            entry: the file.
            free: how many requests may start at each source now.

        Returns:
            None where the store has the file by now; no segments where all of its bytes are there, but not hashed.

        Raises:
            LockedError: another run is writing it.
        """
        transfer = Transfer(entry, self._candidates(entry, free) if self._peers else [])
        segments = [Segment(transfer, 0, entry.size)]
        if entry.size > self._tuning.in_memory:
            try:
                partial = self._open_partial(entry)
            except LockedError:
                self.remember(transfer)
                raise
            if partial is None:
                return None
            transfer.partial, transfer.resumed = partial, bool(partial.done)
            if not self.is_rangeless(transfer):
                gaps = ranges.split(ranges.missing(partial.done, entry.size), self._tuning.segment_size(entry.size))
                segments = [Segment(transfer, *gap) for gap in gaps]
        transfer.unfinished = len(segments)
        transfer.in_one_piece = [segment.end - segment.start for segment in segments] == [entry.size]
        return transfer, segments

    def remember(self, transfer: Transfer) -> None:
        """Ask the same peers when the file is opened again: not those that were asked in vain."""
        if self._peers:
            self._remaining[transfer.entry.sha256] = transfer.peers

    def without_ranges(self, transfer: Transfer, source: Giver) -> None:
        """Have a source asked for this file in one piece."""
        self._rangeless.add((transfer.entry.sha256, source))

    def is_rangeless(self, transfer: Transfer) -> bool:
        """Whether the source that is asked now has to be asked in one piece."""
        return bool(self._rangeless) and (transfer.entry.sha256, transfer.source) in self._rangeless

    def _candidates(self, entry: FileEntry, free: Mapping[Giver, int]) -> list[Peer]:
        if entry.sha256 in self._remaining:
            return self._remaining.pop(entry.sha256)
        peers = self.live_peers
        self._rotation += 1
        first = self._rotation % len(peers) if peers else 0
        return sorted(peers[first:] + peers[:first], key=lambda peer: free[peer] <= 0)
