"""What comes over the network: counted, told to progress, and held against the patience of the run."""

from __future__ import annotations

from collections.abc import Callable

from dci_downloader.hooks import Progress


class Meter:
    """Counts bytes.

    Args:
        progress: told of bytes and files as they come.
        clock: seconds, monotonic.

    Attributes:
        received: bytes of the requests that ended, in vain or not.
    """

    def __init__(self, progress: Progress, clock: Callable[[], float]) -> None:
        self.received = 0
        self._progress = progress
        self._clock = clock
        self._useful = 0
        self._told = 0
        self._seen = 0
        self._moved = clock()

    def came(self, size: int) -> None:
        """Count bytes that a request brought and that its file keeps."""
        self.received += size
        self._useful += size

    def wasted(self, size: int) -> None:
        """Count bytes that a request brought in vain."""
        self.received += size

    def elsewhere(self, size: int) -> None:
        """Count bytes that came to another process, which is looked after, and told of, apart."""
        self.received += size
        self._seen += size

    def lost(self, size: int) -> None:
        """Take back bytes that were kept: their file has to begin anew."""
        self._useful -= size

    def file(self) -> None:
        """Tell of a file that is complete."""
        self._progress.advance(1, 0)

    def look(self, under_way: int) -> int:
        """Tell what came since the last look.

        Args:
            under_way: bytes that requests have brought so far which did not end yet.

        Returns:
            Bytes that came since then, useful or not.
        """
        told = self._useful + under_way
        if told != self._told:
            self._progress.advance(0, told - self._told)
            self._told = told
        came = self.received + under_way - self._seen
        if came:
            self._seen += came
            self.moved()
        return came

    def moved(self) -> None:
        """Note that the run got on, if not by bytes."""
        self._moved = self._clock()

    def idle_seconds(self) -> float:
        """How long nothing has moved."""
        return self._clock() - self._moved
