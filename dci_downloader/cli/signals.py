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
    """Handles the signals while it is entered; it is the ``Stop`` that long work asks.

    The first signal raises :class:`CancelledError` wherever the program is, so that waiting for a server or a lock
    ends too. Only inside :meth:`deferred` it raises nothing: the work there asks :meth:`requested` and ends by itself.
    """

    def __init__(self) -> None:
        self._requested = False
        self._deferred = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Signals:
        # one that is ignored stays ignored: nohup starts programs so
        handled = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
        self._before = {number: signal.signal(number, self._handle) for number in handled}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def requested(self) -> bool:
        """Whether a signal was received."""
        return self._requested

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """While this is entered a signal raises nothing."""
        self._deferred = True
        try:
            yield
        finally:
            self._deferred = False

    def _handle(self, number: int, frame: Optional[FrameType]) -> None:
        if self._requested:
            os._exit(CancelledError.exit_code)  # not sys.exit: what waits or cleans up is not to delay the end
        self._requested = True
        if not self._deferred:
            raise CancelledError("interrupted")
