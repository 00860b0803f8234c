"""What a person sees while it works: a bar on a terminal, a line now and then elsewhere, or nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Optional, TextIO

from dci_downloader import words
from dci_downloader.models import Progress, Silence

SECONDS_BETWEEN_LINES = 10.0


class Lines:
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

    def message(self, text: str) -> None:
        """Write a line."""
        with suppress(OSError):  # that nobody can read it is no reason to end a transfer
            print(text, file=self._stream, flush=True)

    def detail(self, text: str) -> None:
        """Write a line if details are wanted."""
        if self._verbose:
            self.message(text)

    def begin(self, label: str, files: int, size: int) -> None:
        """Announce the work."""
        self._label, self._files, self._size = label, files, size
        self._files_done = self._size_done = 0
        self._began = self._said = self._clock()
        self.message(f"{label}: {words.count(files, 'file')}, {words.size(size)}")

    def advance(self, files: int, size: int) -> None:
        """Say how far it is, at most every ten seconds."""
        self._files_done += files
        self._size_done += size
        now = self._clock()
        if now - self._said >= SECONDS_BETWEEN_LINES:
            self._said = now
            self.message(f"{self._label}: {self._state(now)}")

    def end(self) -> None:
        """Nothing: the report says how it went."""

    def _state(self, now: float) -> str:
        rate = self._size_done / (now - self._began) if now > self._began else 0.0
        left = f", {words.duration((self._size - self._size_done) / rate)} left" if rate > 0 else ""
        return (
            f"{self._files_done:,} of {words.count(self._files, 'file')}, "
            f"{words.size(self._size_done)} of {words.size(self._size)}, {words.size(rate)}/s{left}"
        )


class Bar:
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
        self._tqdm.write(text, file=self._stream)

    def detail(self, text: str) -> None:
        """Write a line above the bar if details are wanted."""
        if self._verbose:
            self.message(text)

    def begin(self, label: str, files: int, size: int) -> None:
        """Show the bar."""
        self._files, self._files_done = files, 0
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
        return Silence()
    if stream.isatty():
        return Bar(stream, verbose=verbose)
    return Lines(stream, verbose=verbose)
