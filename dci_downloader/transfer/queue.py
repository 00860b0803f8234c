"""What is to be fetched, and in which order.

Biggest first, so that none trails at the end; yet big files fill the line while small ones mostly wait for answers,
so as long as there are both, big ones take no more than half of the requests.
"""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Callable, Iterable
from typing import Optional

from dci_downloader.models import FileEntry
from dci_downloader.transfer.transfers import IN_MEMORY, Segment

BLOCKED_SECONDS = 0.5
"""Seconds before a file that another run is fetching is looked at again."""


class TransferQueue:
    """Hands out pieces.

    Args:
        entries: the files.
        open_file: makes the pieces of a file whose turn has come: none where nothing is left to fetch, None where
            another run is at it.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        entries: Iterable[FileEntry],
        open_file: Callable[[FileEntry], Optional[list[Segment]]],
        clock: Callable[[], float],
    ) -> None:
        self._big: deque[FileEntry] = deque()
        self._small: deque[FileEntry] = deque()
        self._segments: deque[Segment] = deque()
        self._later: list[tuple[float, int, Segment]] = []
        self._blocked: list[tuple[float, int, FileEntry]] = []
        self._order = itertools.count()
        self._open_file = open_file
        self._clock = clock
        self.add(entries)

    @property
    def blocked(self) -> bool:
        """Whether files wait for another run."""
        return bool(self._blocked)

    @property
    def unopened(self) -> list[FileEntry]:
        """The files whose turn has not come."""
        return [*self._big, *self._small, *(entry for _, _, entry in self._blocked)]

    def add(self, entries: Iterable[FileEntry]) -> None:
        """Put files behind those there are."""
        for entry in sorted(entries, key=lambda entry: entry.size, reverse=True):
            (self._big if entry.size > IN_MEMORY else self._small).append(entry)

    def halve(self) -> list[FileEntry]:
        """Give away every second file whose turn has not come."""
        given: list[FileEntry] = []
        for queue in (self._big, self._small):
            entries = list(queue)
            queue.clear()
            queue.extend(entries[::2])
            given += entries[1::2]
        return given

    def again(self, entry: FileEntry) -> None:
        """Put a file in front, to be opened anew."""
        self._defer(entry, 0.0)

    def later(self, segment: Segment, seconds: float) -> None:
        """Put a piece back, to be handed out again after some seconds."""
        heapq.heappush(self._later, (self._clock() + seconds, next(self._order), segment))

    def wait_seconds(self, most: float) -> float:
        """How long until a piece that was put back is due, at most ``most`` seconds."""
        due = min((queue[0][0] for queue in (self._later, self._blocked) if queue), default=None)
        return most if due is None else max(0.0, min(most, due - self._clock()))

    def next(self, big_may_go: bool) -> Optional[Segment]:
        """The piece whose turn it is, or None while there is nothing to do.

        Args:
            big_may_go: whether segments have less than their share of the requests.
        """
        now = self._clock()
        while self._later and self._later[0][0] <= now:
            later = heapq.heappop(self._later)[2]
            if not later.transfer.over:
                return later
        while self._blocked and self._blocked[0][0] <= now:
            self._segments.extend(self._open(heapq.heappop(self._blocked)[2]))
        segment = self._next_segment() if big_may_go or not self._small else None
        while segment is None and self._small:
            segment = next(iter(self._open(self._small.popleft())), None)
        return segment

    def _next_segment(self) -> Optional[Segment]:
        while self._segments or self._big:
            if not self._segments:
                self._segments.extend(self._open(self._big.popleft()))
            elif not (segment := self._segments.popleft()).transfer.over:
                return segment
        return None

    def _open(self, entry: FileEntry) -> list[Segment]:
        segments = self._open_file(entry)
        if segments is None:
            self._defer(entry, BLOCKED_SECONDS)
            return []
        return segments

    def _defer(self, entry: FileEntry, seconds: float) -> None:
        heapq.heappush(self._blocked, (self._clock() + seconds, next(self._order), entry))
