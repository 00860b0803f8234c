"""Counts the bytes received over the network, reports them, and measures how long nothing has arrived."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from dci_downloader.hooks import Progress
from dci_downloader.transfer.transfers import Giver


class Meter:
    """Counts bytes.

    Args:
        progress: gets bytes and files reported.
        clock: seconds, monotonic.

    Attributes:
        received: bytes by source, of the requests that ended; including those discarded.
    """

    def __init__(self, progress: Progress, clock: Callable[[], float]) -> None:
        self.received: Counter[Giver] = Counter()
        self._progress = progress
        self._clock = clock
        self._total = 0
        self._kept = 0
        self._reported = 0
        self._seen = self._files = 0
        self._moved = clock()

    def count(self, size: int, giver: Giver, *, kept: bool) -> None:
        """Count the bytes that a request brought, now that it ended.

        Args:
            size: bytes.
            giver: who gave them.
            kept: whether its file keeps them.
        """
        self.received[giver] += size
        self._total += size
        if kept:
            self._kept += size

    def filled(self, size: int) -> None:
        """Count bytes that were taken from the store; negative where they were not right."""
        self._kept += size

    def lost(self, size: int) -> None:
        """Take back bytes that were kept: their file has to begin anew."""
        self._kept -= size

    def file(self) -> None:
        """Count a file that is complete."""
        self._files += 1

    def look(self, under_way: int) -> int:
        """Report the files that were completed and the bytes that were received since the last look.

        Args:
            under_way: bytes that requests have brought so far which did not end yet.

        Returns:
            Bytes received since then, kept or not.
        """
        kept = self._kept + under_way
        if self._files or kept != self._reported:
            self._progress.advance(self._files, kept - self._reported)
            self._files, self._reported = 0, kept
        received = self._total + under_way - self._seen
        if received:
            self._seen += received
            self.moved()
        return received

    def moved(self) -> None:
        """Note that the run made progress, if not by bytes."""
        self._moved = self._clock()

    def report_idle(self, limit: float) -> None:
        """Report since when nothing has moved, and the seconds at which that ends the run."""
        if self.idle_seconds() >= 1:
            self._progress.waiting(self.idle_seconds(), limit)

    def idle_seconds(self) -> float:
        """How long nothing has moved."""
        return self._clock() - self._moved
