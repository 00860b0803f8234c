"""The progress of a run: a bar on a terminal, lines elsewhere, a log, or nothing."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from typing import Any, Optional, TextIO

from dci_downloader import formatting
from dci_downloader.hooks import NullProgress, Progress

SECONDS_BETWEEN_LINES = 10.0


class LineProgress:
    """Plain lines, for cron mails, journals and pipes: one when work starts and one every ten seconds.

    Args:
        stream: where they go.
        verbose: write details too.
        clock: seconds, monotonic.
    """

    def __init__(self, stream: TextIO, *, verbose: bool = False, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._verbose = verbose
        self._clock = clock
        self._label = ""
        self._files = self._size = self._files_done = self._size_done = 0
        self._began = self._last_line = 0.0

    def emit(self, event: str, text: str, **fields: Any) -> None:
        """Write an event as a line. That nobody can read it is no reason to end a transfer."""
        if self._verbose or event != "detail":
            with suppress(OSError, ValueError):
                print(formatting.printable(text), file=self._stream, flush=True)

    def message(self, text: str) -> None:
        """Write a line."""
        self.emit("message", formatting.printable_line(text))

    def detail(self, text: str) -> None:
        """Write a line if details are wanted."""
        self.emit("detail", formatting.printable_line(text))

    def begin(self, label: str, files: int, size: int) -> None:
        """Announce the work."""
        self._label, self._files, self._size = formatting.printable_line(label), files, size
        self._files_done = self._size_done = 0
        self._began = self._last_line = self._clock()
        text = f"{self._label}: {formatting.count(files, 'file')}, {formatting.size(size)}"
        self.emit("transfer", text, component=label, files=files, bytes=size)

    def advance(self, files: int, size: int) -> None:
        """Write how much is complete, at most every ten seconds."""
        self._files_done += files
        self._size_done += size
        now = self._clock()
        if now - self._last_line >= SECONDS_BETWEEN_LINES:
            self._last_line = now
            done = {"files_done": self._files_done, "bytes_done": self._size_done}
            text = f"{self._label}: {self._state(now)}"
            self.emit("progress", text, component=self._label, files=self._files, bytes=self._size, **done)

    def end(self) -> None:
        """Nothing: the report says how it went."""

    def _state(self, now: float) -> str:
        rate = self._size_done / (now - self._began) if now > self._began else 0.0
        left = f", {formatting.duration((self._size - self._size_done) / rate)} left" if rate > 0 else ""
        return (
            f"{self._files_done:,} of {formatting.count(self._files, 'file')}, "
            f"{formatting.size(self._size_done)} of {formatting.size(self._size)}, {formatting.size(rate)}/s{left}"
        )


class LogProgress(LineProgress):
    """The same for a log: each line with its time in UTC, or each event as a JSON object on a line of its own.

    Args:
        stream: where they go.
        as_json: write objects with ``time``, ``event``, ``text`` and the fields of the event in place of lines.
        verbose: write details too.
        wall: now, in UTC.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        stream: TextIO,
        *,
        as_json: bool,
        verbose: bool = True,
        wall: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(stream, verbose=verbose, clock=clock)
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


class MultiProgress:
    """Passes everything on to several."""

    def __init__(self, *receivers: Progress) -> None:
        self._receivers = receivers

    def message(self, text: str) -> None:
        """Pass on a line."""
        for receiver in self._receivers:
            receiver.message(text)

    def detail(self, text: str) -> None:
        """Pass on a detail."""
        for receiver in self._receivers:
            receiver.detail(text)

    def begin(self, label: str, files: int, size: int) -> None:
        """Pass on that work begins."""
        for receiver in self._receivers:
            receiver.begin(label, files, size)

    def advance(self, files: int, size: int) -> None:
        """Pass on how much more is complete."""
        for receiver in self._receivers:
            receiver.advance(files, size)

    def end(self) -> None:
        """Pass on that the work is over."""
        for receiver in self._receivers:
            receiver.end()


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
        """Release what was held back, for something is fetched."""
        self.release()
        super().begin(label, files, size)

    def release(self) -> None:
        """Pass on what was held back, and from now on everything. Safe to repeat."""
        held, self._held = self._held or (), None
        for text in held:
            super().message(text)


class BarProgress:
    """A bar for a terminal: bytes, files, rate and time left.

    Args:
        stream: the terminal.
        verbose: write details too.
    """

    def __init__(self, stream: TextIO, *, verbose: bool = False) -> None:
        from tqdm import tqdm  # needed on terminals only, so cron jobs do not wait for it

        self._tqdm = tqdm
        self._stream = stream
        self._verbose = verbose
        self._bar: Any = None
        self._files = self._files_done = 0

    def message(self, text: str) -> None:
        """Write a line above the bar."""
        with suppress(OSError, ValueError):
            self._tqdm.write(formatting.printable_line(text), file=self._stream)

    def detail(self, text: str) -> None:
        """Write a line above the bar if details are wanted."""
        if self._verbose:
            self.message(text)

    def begin(self, label: str, files: int, size: int) -> None:
        """Show the bar."""
        self._files, self._files_done = files, 0
        label = formatting.printable_line(label)
        with suppress(OSError, ValueError):  # the terminal is gone: no reason to end a transfer
            self._bar = self._tqdm(
                desc=label,
                total=size,
                unit="B",
                unit_scale=True,
                file=self._stream,
                dynamic_ncols=True,
                leave=False,
                delay=1e-9,  # nothing is written before it is whole: older ones complain when half of one is collected
            )
            self._bar.set_postfix_str(f"0/{files:,} files")

    def advance(self, files: int, size: int) -> None:
        """Move the bar."""
        if self._bar is None:
            return
        with suppress(OSError, ValueError):
            if files:
                self._files_done += files
                self._bar.set_postfix_str(f"{self._files_done:,}/{self._files:,} files", refresh=False)
            self._bar.update(size)

    def end(self) -> None:
        """Take the bar away."""
        bar, self._bar = self._bar, None
        if bar is not None:
            with suppress(OSError, ValueError):
                bar.close()


def progress_for(stream: Optional[TextIO], *, quiet: bool = False, verbose: bool = False) -> Progress:
    """The progress for a stream: a bar where it is a terminal, lines elsewhere.

    Args:
        stream: standard error; None where it is closed.
        quiet: write nothing at all.
        verbose: write details too.
    """
    if quiet or stream is None:
        return NullProgress()
    if stream.isatty():
        return BarProgress(stream, verbose=verbose)
    return LineProgress(stream, verbose=verbose)


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
