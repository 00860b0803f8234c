"""How many requests to keep under way at once, found by trying: a rule without I/O.

A server nearby is busy with a handful of requests, and slower when crowded; the same server behind 40 ms idles with
them. Neither can be known beforehand, so the width starts small and follows the answers, as TCP does its window:

* It is reviewed four times in a round trip, counted in answers: of those that tell of the width as it is. After a
  change, that takes until everything that then was under way, new connections with their handshakes included, is
  answered (:class:`dci_downloader.transfer.stage.Stage` sees to that).
* Wider while more are wanted and answers still come about as fast as at best: doubling at first, by a quarter once a
  limit was met.
* Narrower by a quarter when answers take more than about twice the best: they are only waiting in the server's queue.
* What is best is measured anew every ten seconds, at half the width: remembered for ever, one lucky time would hold the
  width down; forgotten bit by bit, the queue itself would come to look normal and the width creep up.
* What is reviewed is the median: one answer that waited for a handshake or for this program says nothing.
* Less than ten milliseconds is as good as ten: that much an answer may wait for this program itself.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Optional


class AdaptiveLimit:
    """An adaptive number of concurrent requests.

    Attributes:
        limit: how many may be under way now.
    """

    NEAR = 1.5
    FAR = 2.2
    REMEMBERED_SECONDS = 10.0
    OWN_SECONDS = 0.01
    LEAST_ANSWERS = 4

    def __init__(self, start: int, most: int) -> None:
        self.most = most
        self.limit = min(start, most)
        self._least = min(2, most)
        self._met_limit = False
        self._best = float("inf")
        self._age = 0.0
        self._answers: list[float] = []

    def note(self, seconds: float, wanted: bool) -> None:
        """Take account of one answer.

        Args:
            seconds: from request to first byte, handshakes left out.
            wanted: whether more requests than the limit allows could be put to use now.
        """
        self._answers.append(seconds)
        if len(self._answers) >= max(self.limit // 4, self.LEAST_ANSWERS):
            usual = max(statistics.median(self._answers), self.OWN_SECONDS)
            self._answers.clear()
            self._review(usual, wanted)

    def halve(self) -> tuple[int, int]:
        """Leave half to another; with how many that is to start, and its most."""
        given = max(1, self.limit // 2), max(1, self.most // 2)
        self.limit, self.most = max(1, self.limit - given[0]), max(1, self.most - given[1])
        self._least = min(2, self.most)
        return given

    def _review(self, usual: float, wanted: bool) -> None:
        self._best = min(self._best, usual)
        self._age += usual / 4
        if self._age > self.REMEMBERED_SECONDS:
            self._best, self._age, self._met_limit = float("inf"), 0.0, True
            self.limit = max(self._least, self.limit // 2)
        elif usual > self._best * self.FAR:
            self._met_limit = True
            self.limit = max(self._least, self.limit * 3 // 4)
        elif wanted and usual <= self._best * self.NEAR:
            step = max(1, self.limit // 4) if self._met_limit else self.limit
            self.limit = min(self.most, self.limit + step)


class RateLimit:
    """Says when it is time to wait.

    Bytes are counted after they came, so the account goes into debt and reading rests until it is paid off. At most a
    quarter of a second's allowance is saved up.

    Args:
        rate: bytes per second; None never makes wait.
        clock: seconds, monotonic.
    """

    SAVED_SECONDS = 0.25

    def __init__(self, rate: Optional[int], clock: Callable[[], float]) -> None:
        self._rate = rate
        self._clock = clock
        self._account = 0.0
        self._settled = clock()

    def spend(self, size: int) -> None:
        """Count bytes that came."""
        self._account -= size

    def seconds(self) -> float:
        """How long to wait before more may come; 0 for not at all."""
        if self._rate is None:
            return 0.0
        now = self._clock()
        earned = (now - self._settled) * self._rate
        self._settled = now
        self._account = min(self._account + earned, self._rate * self.SAVED_SECONDS)
        return max(0.0, -self._account / self._rate)
