"""What is told while it works: a bar on a terminal, a line now and then elsewhere, a log, or nothing."""

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
        verbose: whether details are told too.
        clock: seconds, monotonic.
    """

    def __init__(self, stream: TextIO, *, verbose: bool = False, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._verbose = verbose
        self._clock = clock
        self._label = ""
        self._files = self._size = self._files_done = self._size_done = 0
        self._began = self._said = 0.0

    def tell(self, event: str, text: str, **facts: Any) -> None:
        """Write a line. That nobody can read it is no reason to end a transfer."""
        if self._verbose or event != "detail":
            with suppress(OSError, ValueError):
                print(formatting.printable(text), file=self._stream, flush=True)

    def message(self, text: str) -> None:
        """Write a line."""
        self.tell("message", text)

    def detail(self, text: str) -> None:
        """Write a line if details are wanted."""
        self.tell("detail", text)

    def begin(self, label: str, files: int, size: int) -> None:
        """Announce the work."""
        self._label, self._files, self._size = label, files, size
        self._files_done = self._size_done = 0
        self._began = self._said = self._clock()
        text = f"{label}: {formatting.count(files, 'file')}, {formatting.size(size)}"
        self.tell("transfer", text, component=label, files=files, bytes=size)

    def advance(self, files: int, size: int) -> None:
        """Say how far it is, at most every ten seconds."""
        self._files_done += files
        self._size_done += size
        now = self._clock()
        if now - self._said >= SECONDS_BETWEEN_LINES:
            self._said = now
            done = {"files_done": self._files_done, "bytes_done": self._size_done}
            text = f"{self._label}: {self._state(now)}"
            self.tell("progress", text, component=self._label, files=self._files, bytes=self._size, **done)

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
    """The same for a log: each line with its time, UTC; or each event a JSON object on a line of its own.

    Args:
        stream: where they go.
        as_json: objects with ``time``, ``event``, ``text`` and what else the event has to say, in place of lines.
        verbose: whether details are told too.
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

    def tell(self, event: str, text: str, **facts: Any) -> None:
        """Write an event."""
        moment = self._wall().strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
        if self._as_json:
            told = json.dumps({"time": moment, "event": event, "text": text, **facts})  # ASCII: fit for any terminal
        else:
            told = "\n".join(f"{moment} {line}" for line in formatting.printable(text).splitlines())
        super().tell(event, told)


class MultiProgress:
    """Tells several what happens."""

    def __init__(self, *listeners: Progress) -> None:
        self._listeners = listeners

    def message(self, text: str) -> None:
        """Pass on a line."""
        for listener in self._listeners:
            listener.message(text)

    def detail(self, text: str) -> None:
        """Pass on a detail."""
        for listener in self._listeners:
            listener.detail(text)

    def begin(self, label: str, files: int, size: int) -> None:
        """Pass on that work begins."""
        for listener in self._listeners:
            listener.begin(label, files, size)

    def advance(self, files: int, size: int) -> None:
        """Pass on how far it is."""
        for listener in self._listeners:
            listener.advance(files, size)

    def end(self) -> None:
        """Pass on that the work is over."""
        for listener in self._listeners:
            listener.end()


class DeferredProgress(MultiProgress):
    """Holds lines back until there is something to fetch, or somebody asks: for mails that should not be sent daily."""

    def __init__(self, listener: Progress) -> None:
        super().__init__(listener)
        self._held: Optional[list[str]] = []

    def message(self, text: str) -> None:
        """Hold a line back, or pass it on."""
        if self._held is None:
            super().message(text)
        else:
            self._held.append(text)

    def begin(self, label: str, files: int, size: int) -> None:
        """Something is fetched: from now on, everything is passed on."""
        self.release()
        super().begin(label, files, size)

    def release(self) -> None:
        """Pass on what was held back, and what is still to come. Safe to repeat."""
        held, self._held = self._held or (), None
        for text in held:
            super().message(text)


class BarProgress:
    """A bar for a terminal: bytes, files, rate and time left.

    Args:
        stream: the terminal.
        verbose: whether details are told too.
    """

    def __init__(self, stream: TextIO, *, verbose: bool = False) -> None:
        from tqdm import tqdm  # here, for cron jobs need not wait for it

        self._tqdm = tqdm
        self._stream = stream
        self._verbose = verbose
        self._bar: Any = None
        self._files = self._files_done = 0

    def message(self, text: str) -> None:
        """Write a line above the bar."""
        self._tqdm.write(formatting.printable(text), file=self._stream)

    def detail(self, text: str) -> None:
        """Write a line above the bar if details are wanted."""
        if self._verbose:
            self.message(text)

    def begin(self, label: str, files: int, size: int) -> None:
        """Show the bar."""
        self._files, self._files_done = files, 0
        label = formatting.printable(label)
        self._bar = self._tqdm(
            desc=label, total=size, unit="B", unit_scale=True, file=self._stream, dynamic_ncols=True, leave=False
        )
        self._bar.set_postfix_str(f"0/{files:,} files", refresh=False)

    def advance(self, files: int, size: int) -> None:
        """Move the bar."""
        if files:
            self._files_done += files
            self._bar.set_postfix_str(f"{self._files_done:,}/{self._files:,} files", refresh=False)
        self._bar.update(size)

    def end(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def choose(stream: Optional[TextIO], *, quiet: bool, verbose: bool) -> Progress:
    """The progress that fits where it is seen: a bar where ``stream`` is a terminal, lines elsewhere.

    Args:
        stream: standard error; None where it is closed.
        quiet: say nothing at all.
        verbose: tell details too.
    """
    if quiet or stream is None:
        return NullProgress()
    if stream.isatty():
        return BarProgress(stream, verbose=verbose)
    return LineProgress(stream, verbose=verbose)


class _Details(logging.Handler):
    def __init__(self, progress: Progress) -> None:
        super().__init__()
        self._progress = progress

    def emit(self, record: logging.LogRecord) -> None:
        self._progress.detail(self.format(record))


@contextmanager
def calls_as_details(progress: Progress) -> Iterator[None]:
    """Tell what this package logs as details: every call to the control server, and why it is made again.

    Args:
        progress: told in the thread that logs.
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
