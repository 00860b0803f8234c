"""When what was received of big files is recorded, and when it is put on disk."""

from __future__ import annotations

from collections.abc import Callable

from dci_downloader.mirror.partial import Partial


class Journal:
    """Records partials, for one thread.

    A journal that is not flushed counts until the machine stops. To flush takes as long as the disk takes for all that
    is new: so it is done from time to time only, and never for more than a fiftieth of the time.

    Args:
        flush_seconds: after which a partial is flushed again.
        clock: seconds, monotonic.
    """

    def __init__(self, flush_seconds: float, clock: Callable[[], float]) -> None:
        self._flush_seconds, self._clock = flush_seconds, clock
        self._due = clock() + flush_seconds
        self._flushed: dict[str, float] = {}

    def record(self, target: Partial) -> None:
        """Write a partial's journal.

        Raises:
            DiskFullError: no room for it.
        """
        began = self._clock()
        name = target.entry.sha256
        flush = began >= max(self._due, self._flushed.setdefault(name, began) + self._flush_seconds)
        target.save(flush=flush)
        if flush:
            self._flushed[name] = now = self._clock()
            self._due = now + 50 * (now - began)
