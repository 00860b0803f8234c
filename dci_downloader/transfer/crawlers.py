"""Which connections crawl: rules without I/O.

Any byte counts as progress, so a connection at twenty bytes a second would hold a run for ever. One that is far slower
than the others for some seconds is dropped, and what is left of its segment is asked for anew, on another.

* The others are those under way, and those that ended in the meantime: where all are slow, none is.
* At the end of a run there may be nothing to compare with but what connections brought before. Then one is dropped at a
  time, and what it brought counts with the rest: should all have become slow, that soon is what is usual.
* One that is alone from the beginning has nothing to be compared with: it is dropped once if it brings next to nothing.
* What will be done soon is left alone.
* Each time that a segment is found to crawl, it is given twice as long: some things are slow on every connection.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator
from statistics import median, median_high

from dci_downloader.transfer.request import FetchRequest

_FAR = 10.0  # times slower than most
_REMEMBERED = 32  # requests that ended, the last ones
_NEXT_TO_NOTHING = 1000.0  # bytes per second, as for responses of the API


class Crawlers:
    """Compares the connections to the object store.

    Args:
        seconds: over which a rate is measured at first.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._ended: deque[tuple[float, float]] = deque(maxlen=_REMEMBERED)
        self._last_alone = -seconds

    def ended(self, size: int, seconds: float, now: float) -> None:
        """Take account of a request that ended: how many bytes it brought, and how long it took."""
        if size and seconds > 0:
            self._ended.append((now, size / seconds))

    def find(self, requests: Collection[FetchRequest], now: float) -> Iterator[FetchRequest]:
        """The requests that crawl, of all that are under way."""
        measured = [request for request in requests if self._measure(request, now)]
        for request in measured:
            seconds = self._span(request)
            if request.rate * seconds < request.segment.end - request.began - request.seen:
                others = [other.rate for other in requests if other is not request and other.rate >= 0]
                recent = [rate for ended, rate in self._ended if now - ended <= seconds]
                if self._is_far_slower(request.rate, others + recent, alone=not recent, now=now):
                    request.segment.crawls += 1
                    yield request

    def _span(self, request: FetchRequest) -> float:
        return self._seconds * 2.0 ** min(request.segment.crawls, 10)

    def _measure(self, request: FetchRequest, now: float) -> bool:
        """Whether the rate of a request was measured just now."""
        size, since = request.checked
        if request.peer is not None or now - since < self._span(request):
            return False
        request.rate = (request.seen - size) / (now - since)
        request.checked = (request.seen, now)
        return True

    def _is_far_slower(self, rate: float, others: list[float], *, alone: bool, now: float) -> bool:
        """Whether a rate is far below the others, or where there are none to compare with, below what was usual."""
        if others and rate * _FAR < median_high(others):
            return True
        if not alone or now - self._last_alone < self._seconds:
            return False
        if self._ended:
            slower = rate * _FAR < median(usual for _, usual in self._ended)
        else:
            slower = not others and rate < _NEXT_TO_NOTHING
        if slower:
            self._last_alone = now
        return slower
