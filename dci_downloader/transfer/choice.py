"""Who is asked for a segment: rules without I/O.

* A file is asked of one source as long as that has room, so that content that does not hash can be held against it.
* Which peer that is rotates from file to file; those that have room for a request now come before the others.
* The object store is asked for files that peers may have only while it competes with them. Then it is the one that is
  asked for a file that begins while no peer has room.
* Where nothing else is left to begin, the segments of a file are asked of whoever has room; but not of a file that
  several peers gave, and that did not hash.
* A source that a segment was taken from is asked for it after all others; so is the object store where it did not bring
  the file.
* A source that gets ranges wrong in a file is asked for the whole of it, or not at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from dci_downloader.models import FileEntry
from dci_downloader.transfer.sources import Peer
from dci_downloader.transfer.transfers import Giver, Segment, Transfer

_STORE: tuple[Giver, ...] = (None,)


class SourceChoice:
    """Chooses among the peers of a run and its object store.

    Args:
        peers: of the run.

    Attributes:
        free: how many requests may start at each source now.
        competing: whether the object store is asked for what peers may have, too.
        peers_only: whether nothing is fetched from the object store any more.
    """

    def __init__(self, peers: Sequence[Peer]) -> None:
        self._peers = peers
        self._rotation = -1
        self._rangeless: set[tuple[str, Giver]] = set()
        self._unshared: set[str] = set()
        self.free: Mapping[Giver, int] = {}
        self.competing = False
        self.peers_only = False

    @property
    def live_peers(self) -> list[Peer]:
        """The peers that are asked."""
        return [peer for peer in self._peers if not peer.dropped]

    @property
    def several(self) -> bool:
        """Whether there is more than one source to choose from."""
        return len(self.live_peers) + self.competing > 1

    def may_begin(self) -> bool:
        """Whether there is a source with room for a file that begins."""
        peers = self.live_peers
        if any(self.free[peer] > 0 for peer in peers):
            return True
        return self.free[None] > 0 and (self.competing or not peers)

    def begin(self, transfer: Transfer) -> None:
        """Choose the sources of a file that begins."""
        if not self._peers:
            return
        peers = self.live_peers
        self._rotation += 1
        first = self._rotation % len(peers) if peers else 0
        transfer.peers = sorted(peers[first:] + peers[:first], key=lambda peer: self.free[peer] <= 0)
        transfer.at_store = self.competing and all(self.free[peer] <= 0 for peer in peers)

    def of(self, segment: Segment, *, anywhere: bool = False) -> tuple[Giver, ...]:
        """The source to ask for a segment, as the only element; empty while none has room.

        Args:
            segment: the segment to fetch.
            anywhere: whether it need not be the source that its file is asked of.
        """
        if not self._peers:
            return _STORE if self.free[None] > 0 else ()
        transfer = segment.transfer
        source = transfer.source  # which forgets the peers that were dropped
        home = next((giver for giver in segment.moved_to if giver is None or giver in transfer.peers), source)
        anywhere = anywhere and transfer.entry.sha256 not in self._unshared
        if home in segment.left or not self._serves(home, segment) or (home is None and self.peers_only):
            anywhere = True
        elif self.free[home] > 0:
            return (home,)
        if anywhere:
            for giver in self._others(segment):
                if self.free[giver] > 0:
                    return (giver,)
        return ()

    def vanishes(self, segment: Segment) -> bool:
        """Whether no source is asked for a segment any more."""
        return self.peers_only and segment.transfer.source is None and not segment.transfer.peers

    def unshare(self, entry: FileEntry) -> bool:
        """Have a file asked of one source, as long as that is not slow; false where that was so before."""
        before = len(self._unshared)
        self._unshared.add(entry.sha256)
        return len(self._unshared) > before

    def without_ranges(self, transfer: Transfer, source: Giver) -> None:
        """Have a source asked for this file in one piece."""
        self._rangeless.add((transfer.entry.sha256, source))

    def is_rangeless(self, entry: FileEntry, source: Giver) -> bool:
        """Whether a source has to be asked for a file in one piece."""
        return bool(self._rangeless) and (entry.sha256, source) in self._rangeless

    def _others(self, segment: Segment) -> Iterator[Giver]:
        """Who may be asked for a segment, the best first."""
        transfer = segment.transfer
        peers = [peer for peer in transfer.peers if self._serves(peer, segment)]
        fresh = [peer for peer in peers if peer not in segment.left]
        last = transfer.store_failed or None in segment.left or not self._serves(None, segment)
        store: list[Giver] = [None] if self.competing or segment.moves or not fresh else []
        yield from fresh
        if not last:
            yield from store
        yield from (peer for peer in peers if peer in segment.left)
        if last:
            yield from store

    def _serves(self, giver: Giver, segment: Segment) -> bool:
        """Whether a source can be asked for a segment: not for the rest of a file that it serves only as a whole."""
        return segment.range is None or not self.is_rangeless(segment.transfer.entry, giver)
