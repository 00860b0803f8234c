"""The files that are to be fetched, and the order in which their segments are.

Biggest first, so that no big file is left over at the end; yet big files fill the line while small ones mostly wait for
responses, so as long as there are both, big ones take no more than half of the requests.
"""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Callable, Iterable
from typing import Optional

from dci_downloader.models import FileEntry
from dci_downloader.transfer.transfers import Segment
from dci_downloader.transfer.tuning import Tuning

Accepts = Callable[[Segment], bool]


class TransferQueue:
    """Hands out segments; a small file is one segment.

    Args:
        open_file: makes the segments of a file whose turn has come: none where nothing is left to fetch, None where
            another run is fetching it.
        tuning: sizes and times.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        open_file: Callable[[FileEntry], Optional[list[Segment]]],
        tuning: Tuning,
        clock: Callable[[], float],
    ) -> None:
        self._open_file, self._tuning, self._clock = open_file, tuning, clock
        self._big: deque[FileEntry] = deque()
        self._small: deque[FileEntry] = deque()
        self._segments: deque[Segment] = deque()
        self._later: list[tuple[float, int, Segment]] = []
        self._due: deque[Segment] = deque()
        self._blocked: list[tuple[float, int, FileEntry]] = []
        self._order = itertools.count()  # what is due at the same time leaves in the order it was put back

    @property
    def blocked(self) -> bool:
        """Whether files wait for another run."""
        return bool(self._blocked)

    @property
    def unopened(self) -> list[FileEntry]:
        """The files whose turn has not come."""
        return [*self._big, *self._small, *(entry for _, _, entry in self._blocked)]

    def add(self, entries: Iterable[FileEntry]) -> None:
        """Queue more files, behind those of their size that are there."""
        for entry in sorted(entries, key=lambda entry: -entry.size):
            (self._big if entry.size > self._tuning.in_memory else self._small).append(entry)

    def halve(self, most: int) -> list[FileEntry]:
        """Give away every second file whose turn has not come, of big files and of small ones at most so many."""
        given: list[FileEntry] = []
        for queue in (self._big, self._small):
            entries = list(queue)
            given += entries[1 : 2 * most : 2]
            del entries[1 : 2 * most : 2]
            queue.clear()
            queue.extend(entries)
        return given

    def more(self, segments: Iterable[Segment]) -> None:
        """Queue more segments of a file whose turn has come."""
        self._segments.extend(segments)

    def again(self, entry: FileEntry) -> None:
        """Put a file in front, to be opened anew."""
        self._defer(entry, 0.0)

    def later(self, segment: Segment, seconds: float) -> None:
        """Put a segment back, to be handed out again after some seconds."""
        heapq.heappush(self._later, (self._clock() + seconds, next(self._order), segment))

    def wait_seconds(self, most: float) -> float:
        """How long until a segment that was put back is due, at most ``most`` seconds."""
        due = min((queue[0][0] for queue in (self._later, self._blocked) if queue), default=None)
        return most if due is None else max(0.0, min(most, due - self._clock()))

    def next(self, accepts: Accepts, *, may_open: bool, big_may_go: bool) -> Optional[Segment]:
        """The segment whose turn it is, or None while there is nothing to do.

        Args:
            accepts: whether there is room for a segment where it is to be fetched from.
            may_open: whether there is room for a file whose turn has not come.
            big_may_go: whether segments of big files have less than their share of the requests.
        """
        now = self._clock()
        while self._later and self._later[0][0] <= now:
            self._due.append(heapq.heappop(self._later)[2])
        while self._blocked and self._blocked[0][0] <= now:
            self._segments.extend(self._open(heapq.heappop(self._blocked)[2]))
        segment = _take(self._due, accepts) if self._due else None
        # files that peers do not have wait here for the object store: no more are opened before it gets on with them
        may_open = may_open and len(self._due) < self._tuning.most_waiting
        if segment is None and (big_may_go or not self._small):
            segment = self._next_of_big(accepts, may_open)
        while segment is None and may_open and self._small:
            opened = self._open(self._small.popleft())
            segment = opened[0] if opened else None
            self._segments.extend(opened[1:])  # gaps that an earlier run left
        return segment

    def _next_of_big(self, accepts: Accepts, may_open: bool) -> Optional[Segment]:
        segment = _take(self._segments, accepts)
        while segment is None and may_open and self._big:
            self._segments.extend(self._open(self._big.popleft()))
            segment = _take(self._segments, accepts)
        return segment

    def _open(self, entry: FileEntry) -> list[Segment]:
        segments = self._open_file(entry)
        if segments is None:
            self._defer(entry, self._tuning.blocked_seconds)
            return []
        return segments

    def _defer(self, entry: FileEntry, seconds: float) -> None:
        heapq.heappush(self._blocked, (self._clock() + seconds, next(self._order), entry))


def _take(segments: deque[Segment], accepts: Accepts) -> Optional[Segment]:
    """Remove and return the first segment that is accepted; those whose file is over vanish."""
    index = 0
    while index < len(segments):
        segment = segments[index]
        if segment.transfer.over:
            del segments[index]
        elif accepts(segment):
            del segments[index]
            return segment
        else:
            index += 1
    return None
