"""The progress of a run: a bar on a terminal (:mod:`~dci_downloader.cli.bar`), lines elsewhere, a log, or nothing."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from typing import Any, Optional, TextIO

from dci_downloader import formatting
from dci_downloader.cli.style import Style, style_of
from dci_downloader.cli.work import Work, WorkProgress
from dci_downloader.hooks import MultiProgress, NullProgress, Progress

SECONDS_BETWEEN_LINES = 10.0


class LineProgress(WorkProgress):
    """Plain lines, for cron mails, journals and pipes: one when work starts and one every ten seconds.

    Its arguments are those of :class:`WorkProgress`.
    """

    tick_seconds = SECONDS_BETWEEN_LINES / 10
    _last_line = 0.0

    def emit(self, event: str, text: str, **fields: Any) -> None:
        """Write an event as a line; a stream that cannot be written to does not end a transfer."""
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

    def end(self) -> None:
        """Write nothing: the report says how it went."""
        with self._guard:
            self._work = None
            self._tick_while_needed()

    def phase(self, label: str) -> None:
        """Write a line where that takes long, or details are wanted."""
        with self._guard:
            self._phase = formatting.printable_line(label)
            self._phase_began = self._last_line = self._clock()
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
                self.emit("phase", f"{self._phase}: {formatting.duration(now - self._phase_began)}", phase=self._phase)


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


class DeferredProgress(MultiProgress):
    """Holds lines back until something is fetched or they are released: a cron job without news sends no mail."""

    def __init__(self, receiver: Progress) -> None:
        super().__init__(receiver)
        self._held: Optional[list[str]] = []

    def message(self, text: str) -> None:
        """Hold a line back, or pass it on."""
        if self._held is None:
            super().message(text)
        else:
            self._held.append(text)

    def begin(self, label: str, files: int, size: int) -> None:
        """Something is fetched: pass on what was held back, too."""
        self.release()
        super().begin(label, files, size)

    def phase(self, label: str) -> None:
        """Pass it on once something is fetched: a phase alone is no reason for a mail."""
        if self._held is None:
            super().phase(label)

    def release(self) -> None:
        """Pass on what was held back, and from now on everything. Safe to repeat."""
        held, self._held = self._held or (), None
        for text in held:
            super().message(text)


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
