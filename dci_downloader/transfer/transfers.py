"""The state of each file under way, and of each segment of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Optional

from dci_downloader.content.ranges import Range
from dci_downloader.mirror.partial import Partial
from dci_downloader.models import FileEntry
from dci_downloader.transfer.assembling import Assembling
from dci_downloader.transfer.sources import Peer
from dci_downloader.transfer.verdict import Verdict

Giver = Optional[Peer]
"""Who is asked for bytes, or gave them: a peer, or None for the object store."""


@dataclass(eq=False)
class Transfer:
    """A file under way. One that has to begin anew is over, and another takes its place.

    Attributes:
        peers: that may still be asked for it; its segments are asked of the first of them where that has room.
        at_store: its segments are asked of the object store before any peer, unless that fails.
        store_failed: the object store did not bring it; the peers that are left are asked before it again.
        partial: where its bytes go; None for a file that is held in memory.
        unfinished: segments that are not written yet.
        in_one_piece: its bytes are received in order, from the first to the last.
        resumed: its partial holds bytes of an earlier run.
        assembling: the steps that are left, of an image that is put together.
        waiting: the next of these steps has to wait until all segments are written.
        filled: bytes of it that were taken from the store.
        givers: who gave bytes of it in this run.
        stuck_since: when trying began, or last made progress; None before the first try.
        attempts: tries that failed since it last made progress.
        wrong_responses: likewise, by segment, those that had a response which is not a matter of time.
        kept: bytes received for it, or taken from the store, that are not discarded.
        encoded: bytes of it were taken as they are, though they were said to be encoded.
        otherwise: an encoded body of it is to be read the other way than seems likely, for that proved wrong.
        over: it is complete, given up, or replaced.
    """

    entry: FileEntry
    peers: list[Peer] = field(default_factory=list)
    at_store: bool = False
    store_failed: bool = False
    partial: Optional[Partial] = None
    unfinished: int = 0
    in_one_piece: bool = False
    resumed: bool = False
    assembling: Optional[Assembling] = None
    waiting: bool = False
    filled: int = 0
    givers: frozenset[Giver] = frozenset()
    stuck_since: Optional[float] = None
    attempts: int = 0
    wrong_responses: Counter[Segment] = field(default_factory=Counter)
    kept: int = 0
    encoded: bool = False
    otherwise: bool = False
    over: bool = False

    @property
    def source(self) -> Giver:
        """Who is asked before all others: a peer that is not dropped, or None for the object store."""
        if not self.peers:
            return None
        self.peers = [peer for peer in self.peers if not peer.dropped]
        if self.at_store and not self.store_failed:
            return None
        return self.peers[0] if self.peers else None

    def forgive(self, since: Optional[float]) -> None:
        """Forget the failures so far.

        Args:
            since: the time of the progress that is the reason; None where another source is asked from now on.
        """
        self.stuck_since = since
        self.attempts = 0
        self.wrong_responses.clear()


@dataclass(eq=False)
class Segment:
    """A range of a file, or all of it, that one request is to bring.

    Attributes:
        start: the first byte still missing; moves on as bytes are handed to the partial.
        end: the byte after the last.
        farthest: the byte after the last that any try received.
        hops: redirects followed since it was last located.
        crawls: how often it was on a connection far slower than the others.
        source: who is asked for it.
        left: sources that it was taken from, for they were slow.
        moved_to: who is to be asked for it instead, as the only element; empty where it was not taken from anybody.
        moves: how often it was taken from a source.
    """

    transfer: Transfer
    start: int
    end: int
    farthest: int = 0
    hops: int = 0
    crawls: int = 0
    source: Giver = None
    left: frozenset[Giver] = frozenset()
    moved_to: tuple[Giver, ...] = ()
    moves: int = 0

    @property
    def range(self) -> Optional[Range]:
        """The range to ask for; None where it is the whole file."""
        if self.start == 0 and self.end == self.transfer.entry.size:
            return None
        return Range(self.start, self.end)

    def move_to(self, giver: Giver) -> None:
        """Take it from its source, and have another one asked for it, whatever that was before."""
        self.left = (self.left | {self.source}) - {giver}
        self.moved_to = (giver,)
        if giver is None:
            self.transfer.store_failed = False
        self.moves += 1

    def return_to_peers(self) -> None:
        """Have peers asked for it, which the object store did not bring: where all of them were slow, the next one."""
        transfer = self.transfer
        if self.left.issuperset(transfer.peers):
            self.left = frozenset({None})
            transfer.peers = [*transfer.peers[1:], *transfer.peers[:1]]  # the first may be the one that stands still
        self.moved_to = ()
        transfer.store_failed = True
        transfer.forgive(None)

    def __str__(self) -> str:
        """The file's path, and which bytes of it where it is not all of them."""
        path = self.transfer.entry.path
        return path if self.range is None else f"{path}, bytes {self.start:,} to {self.end:,}"


Failed = tuple[Segment, Giver, Verdict]
"""A segment that was not brought, who was asked, and what was wrong."""
