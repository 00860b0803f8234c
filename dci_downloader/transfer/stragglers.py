"""Which requests are better asked elsewhere: rules without I/O.

Where a source has room and nothing waits for it, the run waits for what is under way elsewhere. What is left of a
request is taken from its source where that will take far longer than the other is expected to take for it.

* How long a request will take follows from what it brought in the last moments. Where that is nothing, it is expected
  to stand still for as long as it did so far, and then to go on as before.
* What another source takes follows from its speed; of one that was not asked yet, a quarter of a second is expected.
* Each time that a segment is taken from a source, the next has to be slower still: it may be the line that is slow.
* Where it is connections that are lacking, a source that has more than its share of them gives up its slowest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from operator import itemgetter
from typing import NamedTuple, Optional

from dci_downloader.transfer.request import FetchRequest
from dci_downloader.transfer.speeds import Speeds
from dci_downloader.transfer.transfers import Giver
from dci_downloader.transfer.tuning import Tuning

_FAR_LONGER = 2.0  # times as long
_UNKNOWN_SECONDS = 0.25


class _Measured(NamedTuple):
    """A request under way: since when it is watched, what it had brought at the last measurement, and what that was."""

    began: float
    since: float
    seen: int
    pace: Optional[float] = None


class Stragglers:
    """Finds requests that are better asked elsewhere.

    Args:
        speeds: of the sources.
        tuning: over which time a request is measured, and what a move has to be worth.
    """

    def __init__(self, speeds: Speeds, tuning: Tuning) -> None:
        self._speeds = speeds
        self._seconds, self._worth = tuning.straggler_window, tuning.straggler_seconds
        self._measured: dict[FetchRequest, _Measured] = {}
        self._now = 0.0

    def look(self, requests: Iterable[FetchRequest], now: float) -> None:
        """Measure the requests under way, which were looked at just now."""
        before, self._measured, self._now = self._measured, {}, now
        for request in requests:
            measured = before.get(request) or _Measured(now, now, request.seen)
            if now - measured.since >= self._seconds:
                pace = (request.seen - measured.seen) / (now - measured.since)
                measured = _Measured(measured.began, now, request.seen, pace)
            self._measured[request] = measured

    def find(self, room: Mapping[Giver, int], given_up: Mapping[Giver, int]) -> dict[FetchRequest, Giver]:
        """The requests to end, the longest first, and who is to be asked instead.

        Args:
            room: how many more requests each source could take, where nothing waits for it.
            given_up: how many requests each source has beyond its share of the connections; empty where there are
                connections for all.
        """
        left, moved_from = dict(room), Counter[Giver]()
        found: dict[FetchRequest, Giver] = {}
        for seconds, request in sorted(self._expected(), key=itemgetter(0), reverse=True):
            if given_up and moved_from[request.peer] >= given_up.get(request.peer, 0):
                continue
            others = [giver for giver in left if left[giver] > 0 and self._may_take(giver, request)]
            if request.segment.transfer.store_failed:  # others before it
                others = [giver for giver in others if giver is not None] or others
            if not others:
                continue
            takes, best = min(((self._seconds_at(giver, request), giver) for giver in others), key=itemgetter(0))
            far_longer = _FAR_LONGER * 2.0**request.segment.moves
            if seconds > far_longer * takes + self._worth:
                left[best] -= 1
                moved_from[request.peer] += 1
                found[request] = best
        return found

    def _expected(self) -> list[tuple[float, FetchRequest]]:
        """How long each request that was measured will take, and the request."""
        expected = []
        for request, measured in self._measured.items():
            rest = _rest(request)
            if measured.pace is None or rest <= 0:
                continue
            if measured.pace:
                seconds = rest / measured.pace
            else:
                usual = (self._now - measured.began) / request.seen if request.seen else 0.0
                seconds = self._now - max(request.moved, measured.began) + rest * usual
            expected.append((seconds, request))
        return expected

    def _may_take(self, giver: Giver, request: FetchRequest) -> bool:
        segment = request.segment
        return giver is not request.peer and (giver is None or giver in segment.transfer.peers)

    def _seconds_at(self, giver: Giver, request: FetchRequest) -> float:
        # a file in memory is asked for as a whole again
        kept = request.segment.transfer.partial is not None
        size = _rest(request) if kept else request.segment.end - request.segment.start
        seconds = self._speeds.seconds(giver, size)
        return _UNKNOWN_SECONDS if seconds is None else seconds


def _rest(request: FetchRequest) -> int:
    return request.segment.end - request.began - request.seen
