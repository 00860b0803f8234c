"""A limit on bytes per second for the whole run: a token bucket, without I/O."""

from __future__ import annotations

from collections.abc import Callable
from typing import Optional


class Throttle:
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
