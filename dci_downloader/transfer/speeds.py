"""How fast each source is, by what it brought so far: rules without I/O.

* Small files take the time of a request, not of their bytes: each request that brought what was asked for counts as
  some more bytes. The sum is called work.
* The speed of a source is its work for each second that one of its requests was under way. What is under way counts as
  it comes, so that a source that stands still gets slower with every look.
* Old measurements fade: a source that was fast once is as slow as it is now.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Optional

from dci_downloader.transfer.request import FetchRequest
from dci_downloader.transfer.transfers import Giver
from dci_downloader.transfer.tuning import Tuning

_HALF_LIFE = 1.0  # seconds after which a measurement counts half
_LEAST_BUSY = 0.1  # seconds that requests must have been under way before there is a speed


class Speeds:
    """Measures the sources.

    Args:
        tuning: how much a request counts.
        now: the time.
    """

    def __init__(self, tuning: Tuning, now: float) -> None:
        self._request_bytes = tuning.request_bytes
        self._looked = now
        self._of_ended: Counter[Giver] = Counter()
        self._seen: Counter[Giver] = Counter()
        self._recent_work: dict[Giver, float] = {}
        self._recent_seconds: dict[Giver, float] = {}

    def ended(self, giver: Giver, size: int, *, whole: bool) -> None:
        """Take account of a request that ended.

        Args:
            giver: who was asked.
            size: bytes that it brought.
            whole: whether that is all that was asked for.
        """
        self._of_ended[giver] += size + whole * self._request_bytes

    def look(self, requests: Iterable[FetchRequest], now: float) -> None:
        """Measure, with the requests that are under way and were looked at just now."""
        seconds, self._looked = now - self._looked, now
        under_way: Counter[Giver] = Counter()
        work = Counter(self._of_ended)
        for request in requests:
            under_way[request.peer] += 1
            work[request.peer] += request.seen
        fading = 0.5 ** (seconds / _HALF_LIFE)
        for giver in {*work, *under_way}:
            new = max(0, work[giver] - self._seen[giver])
            self._recent_work[giver] = self._recent_work.get(giver, 0.0) * fading + new
            self._recent_seconds[giver] = self._recent_seconds.get(giver, 0.0) * fading + under_way[giver] * seconds
        self._seen = work

    def work(self, givers: Iterable[Giver]) -> int:
        """The work of some sources so far, up to the last look."""
        return sum(self._seen[giver] for giver in givers)

    def of_one_request(self, giver: Giver) -> Optional[float]:
        """Work per second of one request to a source; None where it was not asked enough lately to know."""
        seconds = self._recent_seconds.get(giver, 0.0)
        return self._recent_work[giver] / seconds if seconds >= _LEAST_BUSY else None

    def seconds(self, giver: Giver, size: int) -> Optional[float]:
        """How long a source is expected to take for a request of so many bytes; None where that is not known."""
        speed = self.of_one_request(giver)
        if speed is None:
            return None
        return (size + self._request_bytes) / speed if speed else float("inf")
