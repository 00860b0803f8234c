"""How many requests to keep under way at once, found by trying: a rule without I/O.

A server nearby is busy with a handful of requests, and slower when crowded; the same server behind 40 ms idles with
them. Neither can be known beforehand, so the width starts small and follows the answers, as TCP does its window:

* Wider while more are wanted and answers still come about as fast as the best seen: doubling at first, by a quarter
  once a limit was met.
* Narrower by a quarter when answers take more than about twice the best: they are only waiting in the server's queue.
* The best seen is forgotten slowly, or one lucky answer would hold the width down for ever.

It is reviewed once in as many answers as are under way, which is about one round trip.
"""

from __future__ import annotations


class Width:
    """An adaptive number of concurrent requests.

    Attributes:
        limit: how many may be under way now.
    """

    NEAR = 1.5
    FAR = 2.2
    FORGET = 1.01

    def __init__(self, start: int, most: int) -> None:
        self.most = most
        self.limit = min(start, most)
        self._least = min(2, most)
        self._met_limit = False
        self._best = 0.0
        self._recent = 0.0
        self._answers = 0

    def note(self, seconds: float, wanted: bool) -> None:
        """Take account of one answer.

        Args:
            seconds: from request to first byte, handshakes left out.
            wanted: whether more requests than the limit allows could be put to use now.
        """
        self._recent = seconds if not self._recent else self._recent + (seconds - self._recent) / 8
        self._answers += 1
        if self._answers >= self.limit:
            self._answers = 0
            self._review(wanted)

    def _review(self, wanted: bool) -> None:
        self._best = min(self._best * self.FORGET, self._recent) if self._best else self._recent
        if self._recent > self._best * self.FAR:
            self._met_limit = True
            self.limit = max(self._least, self.limit * 3 // 4)
        elif wanted and self._recent <= self._best * self.NEAR:
            step = max(1, self.limit // 4) if self._met_limit else self.limit
            self.limit = min(self.most, self.limit + step)
