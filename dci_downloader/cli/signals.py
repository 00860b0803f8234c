"""SIGINT and SIGTERM: the first asks the run to end cleanly, the second ends it at once."""

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
    """Hears the signals while it is entered, and tells long work about them.

    The first signal raises :class:`CancelledError` wherever the program is, so that waiting for a server or a lock
    ends too; only inside :meth:`deferred` it is left to the work to ask :meth:`requested` and end by itself.
    """

    def __init__(self) -> None:
        self._requested = False
        self._deferred = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Signals:
        heard = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]  # as under nohup
        self._before = {number: signal.signal(number, self._heard) for number in heard}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def requested(self) -> bool:
        """Whether a signal came."""
        return self._requested

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """While this is entered a signal raises nothing."""
        self._deferred = True
        try:
            yield
        finally:
            self._deferred = False

    def _heard(self, number: int, frame: Optional[FrameType]) -> None:
        if self._requested:
            os._exit(CancelledError.exit_code)
        self._requested = True
        if not self._deferred:
            raise CancelledError("interrupted")
