"""The progress of a run: a bar on a terminal (:mod:`~dci_downloader.cli.bar`), lines elsewhere, a log, or nothing."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from typing import Any, Optional, TextIO

from dci_downloader import formatting
from dci_downloader.cli.style import Style, style_of
from dci_downloader.cli.work import Ticker, Work
from dci_downloader.hooks import NullProgress, Progress

SECONDS_BETWEEN_LINES = 10.0


class LineProgress:
    """Plain lines, for cron mails, journals and pipes: one when work starts and one every ten seconds.

    Args:
        stream: where they go.
        verbose: write details too.
        clock: seconds, monotonic.
        style: of the stream; None to find out.
        ticks: whether the clock ticks by itself; without, ``tick`` is to be called.
    """

    def __init__(
        self,
        stream: TextIO,
        *,
        verbose: bool = False,
        clock: Callable[[], float] = time.monotonic,
        style: Optional[Style] = None,
        ticks: bool = True,
    ) -> None:
        self._stream = stream
        self._verbose = verbose
        self._clock = clock
        self._style = style_of(stream) if style is None else style
        self._ticker = Ticker(SECONDS_BETWEEN_LINES / 10, self.tick) if ticks else None
        self._guard = threading.RLock()  # one that an interruption leaves locked does not lock out its own thread
        self._work: Optional[Work] = None
        self._phase = ""
        self._began = self._last_line = 0.0

    def emit(self, event: str, text: str, **fields: Any) -> None:
        """Write an event as a line. That nobody can read it is no reason to end a transfer."""
        if self._verbose or event != "detail":
            with suppress(OSError, ValueError):
                print(self._style.show(text), file=self._stream, flush=True)

    def message(self, text: str) -> None:
        """Write a line."""
        self.emit("message", formatting.printable_line(text))

    def detail(self, text: str) -> None:
        """Write a line if details are wanted."""
        self.emit("detail", formatting.printable_line(text))

    def begin(self, label: str, files: int, size: int) -> None:
        """Announce the work."""
        with self._guard:
            self._last_line = self._clock()
            self._work = Work(formatting.printable_line(label), files, size, self._last_line)
            text = f"{self._work.label}: {formatting.count(files, 'file')}, {formatting.size(size)}"
            self.emit("transfer", text, component=self._work.label, files=files, bytes=size)
            self._tick_while_needed()

    def advance(self, files: int, size: int) -> None:
        """Write how much is complete, at most every ten seconds."""
        with self._guard:
            if self._work is not None:
                self._work.advance(files, size, self._clock())
                self.tick()

    def waiting(self, seconds: float, limit: float) -> None:
        """Have the next line say that nothing arrives."""
        with self._guard:
            if self._work is not None:
                self._work.waiting(seconds, limit, self._clock())

    def end(self) -> None:
        """Nothing more: the report says how it went."""
        with self._guard:
            self._work = None
            self._tick_while_needed()

    def phase(self, label: str) -> None:
        """Write a line where that takes long, or details are wanted."""
        with self._guard:
            self._phase = formatting.printable_line(label)
            self._began = self._last_line = self._clock()
            if label:
                self.emit("detail", self._phase)
            self._tick_while_needed()

    def tick(self) -> None:
        """Write how far the work is, where the last line is ten seconds old."""
        with self._guard:
            now, work = self._clock(), self._work
            if now - self._last_line < SECONDS_BETWEEN_LINES:
                return
            self._last_line = now
            if work is not None:
                fields = {"component": work.label, "files": work.files, "bytes": work.size}
                done = {"files_done": work.files_done, "bytes_done": work.size_done}
                self.emit("progress", f"{work.label}: {work.state(now)}", **fields, **done)
            elif self._phase:
                self.emit("phase", f"{self._phase}: {formatting.duration(now - self._began)}", phase=self._phase)

    def _tick_while_needed(self) -> None:
        if self._ticker is not None:
            self._ticker.start() if self._work or self._phase else self._ticker.stop()


class LogProgress(LineProgress):
    """The same for a log: each line with its time in UTC, or each event as a JSON object on a line of its own.

    Args:
        stream: where they go.
        as_json: write objects with ``time``, ``event``, ``text`` and the fields of the event in place of lines.
        verbose: write details too.
        wall: now, in UTC.
        clock: seconds, monotonic.
        ticks: as for :class:`LineProgress`.
    """

    def __init__(
        self,
        stream: TextIO,
        *,
        as_json: bool,
        verbose: bool = True,
        wall: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
        clock: Callable[[], float] = time.monotonic,
        ticks: bool = True,
    ) -> None:
        super().__init__(stream, verbose=verbose, clock=clock, style=Style(ascii=False), ticks=ticks)
        self._as_json = as_json
        self._wall = wall

    def emit(self, event: str, text: str, **fields: Any) -> None:
        """Write an event with its time."""
        moment = self._wall().strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
        if self._as_json:
            entry = json.dumps({"time": moment, "event": event, "text": text, **fields})  # ASCII: fit for any terminal
        else:
            entry = "\n".join(f"{moment} {line}" for line in formatting.printable(text).splitlines())
        super().emit(event, entry)


def progress_for(stream: Optional[TextIO], *, quiet: bool = False, verbose: bool = False) -> Progress:
    """The progress for a stream: a bar where it is a terminal whose cursor can be moved, lines elsewhere.

    Args:
        stream: standard error; None where it is closed.
        quiet: write nothing at all.
        verbose: write details too.
    """
    if quiet or stream is None:
        return NullProgress()
    style = style_of(stream)
    if style.redraws:
        from dci_downloader.cli.bar import BarProgress  # needed on terminals only

        return BarProgress(stream, verbose=verbose, style=style)
    return LineProgress(stream, verbose=verbose, style=style)


class _Details(logging.Handler):
    """Passes log records on as details."""

    def __init__(self, progress: Progress) -> None:
        super().__init__()
        self._progress = progress

    def emit(self, record: logging.LogRecord) -> None:
        self._progress.detail(self.format(record))


@contextmanager
def calls_as_details(progress: Progress) -> Iterator[None]:
    """Pass on what this package logs as details: every call to the control server, and why it is made again.

    Args:
        progress: called in the thread that logs.
    """
    log = logging.getLogger("dci_downloader")
    before, handler = log.level, _Details(progress)
    log.addHandler(handler)
    log.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        log.setLevel(before)
        log.removeHandler(handler)
