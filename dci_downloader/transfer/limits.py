"""How many requests to keep under way at once, measured while they run: rules without I/O.

A server nearby is busy with a handful of requests, and slower when crowded; the same server behind 40 ms idles with
them. Neither can be known beforehand, so the limit starts small and follows the responses, as TCP does its window:

* It is reviewed four times in a round trip, counted in responses: of those that belong to the limit as it is. After a
  change, that takes until everything that then was under way, new connections with their handshakes included, has
  ended (:class:`dci_downloader.transfer.stage.Stage` sees to that).
* It grows while more are wanted and responses still take about as long as at best: doubling at first, by a quarter
  once they took longer.
* It shrinks by a quarter when responses take more than about twice the best: they are only waiting in the server's
  queue.
* The best is measured anew every ten seconds, at half the limit: remembered for ever, one lucky time would hold the
  limit down; forgotten bit by bit, the queue itself would come to look normal and the limit creep up.
* The median is reviewed: one response that waited for a handshake or for this program means nothing.
* Less than ten milliseconds is as good as ten: a response may wait that long for this program itself.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Optional


class AdaptiveLimit:
    """An adaptive number of concurrent requests.

    Attributes:
        value: how many may be under way now.
        most: how many that may become.
    """

    NEAR = 1.5
    FAR = 2.2
    REMEMBERED_SECONDS = 10.0
    OWN_SECONDS = 0.01
    LEAST_RESPONSES = 4

    def __init__(self, start: int, most: int) -> None:
        self.most = most
        self.value = min(start, most)
        self._least = min(2, most)
        self._grew_too_far = False
        self._best = float("inf")
        self._age = 0.0
        self._times: list[float] = []

    def note(self, seconds: float, wanted: bool) -> None:
        """Take account of one response.

        Args:
            seconds: from request to first byte, handshakes left out.
            wanted: whether more requests than the limit allows could be put to use now.
        """
        self._times.append(seconds)
        if len(self._times) >= max(self.value // 4, self.LEAST_RESPONSES):
            usual = max(statistics.median(self._times), self.OWN_SECONDS)
            self._times.clear()
            self._review(usual, wanted)

    def halve(self) -> tuple[int, int]:
        """Leave half to another process; with how many requests that is to start, and the most it may have."""
        given = max(1, self.value // 2), max(1, self.most // 2)
        self.value, self.most = max(1, self.value - given[0]), max(1, self.most - given[1])
        self._least = min(2, self.most)
        return given

    def _review(self, usual: float, wanted: bool) -> None:
        self._best = min(self._best, usual)
        self._age += usual / 4  # a review takes a quarter of a round trip
        if self._age > self.REMEMBERED_SECONDS:
            self._best, self._age, self._grew_too_far = float("inf"), 0.0, True
            self.value = max(self._least, self.value // 2)
        elif usual > self._best * self.FAR:
            self._grew_too_far = True
            self.value = max(self._least, self.value * 3 // 4)
        elif wanted and usual <= self._best * self.NEAR:
            step = max(1, self.value // 4) if self._grew_too_far else self.value
            self.value = min(self.most, self.value + step)


class RateLimit:
    """Limits the bytes received per second.

    Bytes are counted after they were received, so the account goes into debt, and reading pauses until that is paid
    off. At most a quarter of a second's allowance is saved up.

    Args:
        rate: bytes per second; None for no limit.
        clock: seconds, monotonic.
    """

    SAVED_SECONDS = 0.25

    def __init__(self, rate: Optional[int], clock: Callable[[], float]) -> None:
        self._rate = rate
        self._clock = clock
        self._account = 0.0
        self._settled = clock()

    def spend(self, size: int) -> None:
        """Count bytes that were received."""
        self._account -= size

    def seconds(self) -> float:
        """How long to wait before more may be received; 0 for not at all."""
        if self._rate is None:
            return 0.0
        now = self._clock()
        earned = (now - self._settled) * self._rate
        self._settled = now
        self._account = min(self._account + earned, self._rate * self.SAVED_SECONDS)
        return max(0.0, -self._account / self._rate)
