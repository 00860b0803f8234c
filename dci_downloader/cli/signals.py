"""SIGINT, SIGTERM and SIGHUP: the first asks the run to end cleanly, the second ends it at once."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Optional

from dci_downloader.errors import CancelledError

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Signals:
    """Handles the signals while it is entered; it is the ``Stop`` that long work asks.

    The first signal raises :class:`CancelledError` wherever the program is, so that waiting for a server or a lock
    ends too. Only inside :meth:`deferred` it raises nothing: the work there asks :meth:`requested` and ends by itself.

    Entered inside of another, as work is inside of the program, it gives that one: a request to end is not forgotten
    between the two, and one that came while it was deferred is raised then.

    Args:
        last: whether nothing but the end of the process follows: its exit code is settled then, and no signal is to
            change it.
    """

    def __init__(self, *, last: bool = False) -> None:
        self._last = last
        self._requested = False
        self._deferred = 0
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Signals:
        handlers = {number: signal.getsignal(number) for number in _SIGNALS}
        for handler in handlers.values():
            outer = getattr(handler, "__self__", None)
            if isinstance(outer, Signals):
                outer.check()
                return outer
        # one that is ignored stays ignored: nohup starts programs so
        self._before = {number: handler for number, handler in handlers.items() if handler is not signal.SIG_IGN}
        for number in self._before:
            signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_IGN if self._last else handler)
        self._before = {}

    def requested(self) -> bool:
        """Whether a signal was received."""
        return self._requested

    def check(self) -> None:
        """Raise CancelledError if a signal was received, unless it is deferred."""
        if self._requested and not self._deferred:
            raise CancelledError("interrupted")

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """While this is entered a signal raises nothing."""
        self._deferred += 1
        try:
            yield
        finally:
            self._deferred -= 1

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Inside of :meth:`deferred`: while this is entered a signal raises again, one from before at once."""
        deferred, self._deferred = self._deferred, 0
        try:
            self.check()
            yield
        finally:
            self._deferred = deferred

    def _handle(self, number: int, frame: Optional[FrameType]) -> None:
        if self._requested:
            os._exit(CancelledError.exit_code)  # not sys.exit: what waits or cleans up is not to delay the end
        self._requested = True
        self.check()
