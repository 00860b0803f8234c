"""The work that progress is about: how far it is, how fast it goes, and a clock that ticks while nothing happens.

:class:`WorkProgress` holds both for the progress that a person reads: the bar of a terminal, and lines elsewhere.
"""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Optional, TextIO

from dci_downloader import formatting
from dci_downloader.cli.style import Style, style_of

_IDLE_SECONDS = 5.0  # without data, after which that is mentioned
_WINDOW_SECONDS = 15.0  # over which the rate is measured: the last ones, so that it is the present rate


class Work:
    """One piece of work with bytes to count.

    Args:
        label: its name, printable.
        files: how many there are.
        size: their bytes.
        now: seconds, monotonic, as everywhere here.

    Attributes:
        files_done: how many are complete.
        size_done: bytes that are there.
    """

    def __init__(self, label: str, files: int, size: int, now: float) -> None:
        self.label, self.files, self.size = label, files, size
        self.files_done = self.size_done = 0
        self._points: deque[tuple[float, int]] = deque([(now, 0)])
        self._idle_since: Optional[float] = None
        self._limit = 0.0

    def advance(self, files: int, size: int, now: float) -> None:
        """Count more files and bytes as complete."""
        self.files_done += files
        self.size_done += size
        if size:
            self._idle_since = None
        if now - self._points[-1][0] >= 1:
            self._points.append((now, self.size_done))
        while len(self._points) > 2 and now - self._points[1][0] >= _WINDOW_SECONDS:
            self._points.popleft()

    def waiting(self, seconds: float, limit: float, now: float) -> None:
        """Note that nothing has arrived for so many seconds, and at how many the work is given up."""
        self._idle_since, self._limit = now - seconds, limit

    @property
    def share(self) -> float:
        """How much of it is done, from 0 to 1."""
        if self.size <= 0:
            return self.files_done / self.files if self.files else 1.0
        return min(1.0, max(0.0, self.size_done / self.size))

    def rate(self, now: float) -> float:
        """Bytes per second over the last seconds."""
        began, before = self._points[0]
        return max(0.0, (self.size_done - before) / (now - began)) if now > began else 0.0

    def seconds_left(self, now: float) -> Optional[float]:
        """How long it takes at that rate; None where there is no rate yet."""
        rate = self.rate(now)
        return max(0.0, self.size - self.size_done) / rate if rate > 0 else None

    def idle_text(self, now: float) -> str:
        """How long nothing has arrived, and when the work is given up; empty while data arrive."""
        idle = 0.0 if self._idle_since is None else now - self._idle_since
        return f"no data for {int(idle)} s (gives up at {self._limit:g})" if idle >= _IDLE_SECONDS else ""

    def state(self, now: float) -> str:
        """How far it is, in words."""
        text = f"{self.files_done:,} of {formatting.count(self.files, 'file')}, "
        text += f"{formatting.size(self.size_done)} of {formatting.size(self.size)}, "
        idle, left = self.idle_text(now), self.seconds_left(now)
        if idle:
            return text + idle
        text += f"{formatting.size(self.rate(now))}/s"
        return text if left is None else f"{text}, {formatting.duration(left)} left"


class Ticker:
    """Calls a function again and again, in a thread of its own, from ``start`` to ``stop``.

    Args:
        seconds: between two calls.
        tick: called; must not raise.
    """

    def __init__(self, seconds: float, tick: Callable[[], None]) -> None:
        self._seconds, self._tick = seconds, tick
        self._stopped: Optional[threading.Event] = None

    def start(self) -> None:
        """Start. Safe to repeat. Where no thread can be had, nothing ticks."""
        if self._stopped is None:
            self._stopped = threading.Event()
            with suppress(RuntimeError):
                threading.Thread(target=self._run, args=(self._stopped,), name="ticker", daemon=True).start()

    def stop(self) -> None:
        """Let the thread end, without waiting for it: a call that is under way may still come to its end."""
        stopped, self._stopped = self._stopped, None
        if stopped is not None:
            stopped.set()

    def _run(self, stopped: threading.Event) -> None:
        while not stopped.wait(self._seconds):
            self._tick()


class WorkProgress(ABC):
    """What the bar and the lines have in common; see :class:`~dci_downloader.hooks.Progress`.

    Args:
        stream: where they are written.
        verbose: write details too.
        clock: seconds, monotonic.
        style: of the stream; None to find out.
        ticks: whether the clock ticks by itself; without, ``tick`` is to be called.

    Attributes:
        tick_seconds: between two ticks.
    """

    tick_seconds: float

    def __init__(
        self,
        stream: TextIO,
        *,
        verbose: bool = False,
        clock: Callable[[], float] = time.monotonic,
        style: Optional[Style] = None,
        ticks: bool = True,
    ) -> None:
        self._stream, self._verbose, self._clock = stream, verbose, clock
        self._style = style_of(stream) if style is None else style
        self._ticker = Ticker(self.tick_seconds, self.tick) if ticks else None
        self._guard = threading.RLock()  # one that an interruption leaves locked does not lock out its own thread
        self._work: Optional[Work] = None
        self._phase, self._phase_began = "", 0.0

    @abstractmethod
    def tick(self) -> None:
        """Show how far the work is, as time goes by."""

    def waiting(self, seconds: float, limit: float) -> None:
        """Have the next text about the work say that nothing arrives."""
        with self._guard:
            if self._work is not None:
                self._work.waiting(seconds, limit, self._clock())

    def _tick_while_needed(self) -> None:
        if self._ticker is not None:
            self._ticker.start() if self._work or self._phase else self._ticker.stop()
