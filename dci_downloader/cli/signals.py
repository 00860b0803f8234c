"""SIGINT, SIGTERM and SIGHUP: the first asks the run to end cleanly, the second ends it at once.

Two in the same moment are one: timeout(1) sends its signal to the program and once more to all of its group.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Optional

from dci_downloader.errors import CancelledError

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_SAME_MOMENT = 0.5  # seconds


class Signals:
    """Handles the signals while it is entered; it is the ``Stop`` that long work asks.

    The first signal raises :class:`CancelledError` wherever the program is, so that waiting for a server or a lock
    ends too. Only inside :meth:`deferred` it raises nothing: the work there asks :meth:`requested` and ends by itself.

    Where one is entered inside another, as by work inside the program, ``with`` gives the outer one: so no request to
    end is lost between the two, and one that was deferred before is raised then.

    Args:
        last: whether the process ends after it; then signals are ignored from its exit on, so that none changes the
            exit code.
    """

    def __init__(self, *, last: bool = False) -> None:
        self._last = last
        self._requested = False
        self._requested_at = 0.0
        self._deferred = 0
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Signals:
        handlers = {number: signal.getsignal(number) for number in _SIGNALS}
        for handler in handlers.values():
            outer = getattr(handler, "__self__", None)
            if isinstance(outer, Signals):
                outer.check()
                return outer
        # a signal that is ignored stays ignored: nohup starts programs that way
        self._before = {number: handler for number, handler in handlers.items() if handler is not signal.SIG_IGN}
        for number in self._before:
            signal.signal(number, self._handle)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)  # those that a process was held from when it started
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
        """Inside :meth:`deferred`, for a block: a signal raises again, and one that came before raises at once."""
        deferred, self._deferred = self._deferred, 0
        try:
            self.check()
            yield
        finally:
            self._deferred = deferred

    def _handle(self, number: int, frame: Optional[FrameType]) -> None:
        now = time.monotonic()
        if not self._requested:
            self._requested, self._requested_at = True, now
            self.check()
        elif now - self._requested_at >= _SAME_MOMENT:
            os._exit(CancelledError.exit_code)  # not sys.exit: nothing that waits or cleans up may delay the end
