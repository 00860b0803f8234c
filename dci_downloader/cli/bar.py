"""A progress bar for terminals: one line that is written over, with a clock that ticks.

    RHEL-9.2.0-20221121.2   41% ███████░░░░░░░░░░░  1.7/4.1 GB  58.2 MB/s  0:41 left

On a narrow terminal the count of files goes first, then the name gets shorter and goes, then the per cent, the bar, the
bytes and the rate; the time left stays. The bar has at least ten cells, or is not there.

The cursor rests at the beginning of the line, and the terminal cuts off a line that is too long, because it has just
become narrower. So whatever a new size does, writing the line again and erasing what follows leaves nothing behind, and
the ``^C`` of an interruption is written over.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Optional

from dci_downloader import formatting
from dci_downloader.cli.style import width_of
from dci_downloader.cli.work import Work, WorkProgress

_ERASE = "\x1b[J"  # to the end of the screen
_CUT, _WRAP = "\x1b[?7l", "\x1b[?7h"  # what a terminal does with a line that is too long
_DRAW_SECONDS = 0.1  # at least, between two drawings of what advances
_LEAST_CELLS, _MOST_CELLS = 10, 40
_LEAST_NAME = 8  # columns; a shorter part of a name says nothing
_GAP = "  "


def bar_line(work: Work, columns: int, now: float) -> str:
    """The line about some work, at most ``columns`` wide.

    Args:
        work: how far it is.
        columns: of the terminal.
        now: seconds, monotonic.
    """
    tail = _tail(work, now)
    while len(tail) > 1 and len(_GAP.join(tail)) > columns:
        del tail[0]
    line = formatting.shorten(_GAP.join(tail), columns)
    room = columns - len(line) - len(_GAP)
    if room < _LEAST_CELLS:
        percent = f"{int(work.share * 100):3}%"
        return f"{percent}{_GAP}{line}" if room >= len(percent) else line
    room -= len("100% ")
    if room < _LEAST_CELLS:
        return f"{_cells(work.share, room + len('100% '))}{_GAP}{line}"
    name, files = work.label, f"{work.files_done:,}/{work.files:,} files".rjust(len(f"{work.files:,}") * 2 + 7)
    name_room = room - _LEAST_CELLS - len(_GAP)
    name = formatting.shorten(name, name_room) if name_room >= _LEAST_NAME else ""
    room -= formatting.columns(name) + len(_GAP) if name else 0
    files = files + _GAP if name == work.label and room - len(files) - len(_GAP) >= 2 * _LEAST_CELLS else ""
    cells = _cells(work.share, min(_MOST_CELLS, room - len(files)))
    return f"{name}{_GAP if name else ''}{int(work.share * 100):3}% {cells}{_GAP}{files}{line}"


def _tail(work: Work, now: float) -> list[str]:
    """Bytes done, rate and time left; each text keeps its length while its numbers change."""
    amount, idle, left = formatting.part(work.size_done, work.size), work.idle_text(now), work.seconds_left(now)
    if idle:
        return [amount, idle]
    clock = "-:--" if left is None or left >= 100 * 3600 else formatting.clock(left)
    return [amount, f"{formatting.size(work.rate(now))}/s".rjust(9), f"{clock} left".rjust(9)]


def _cells(share: float, number: int) -> str:
    full = int(share * number)
    return "█" * full + "░" * (number - full)


class BarProgress(WorkProgress):
    """Progress on a terminal; its arguments are those of :class:`WorkProgress`."""

    tick_seconds = 0.25
    _shown, _drawn = "", 0.0

    def message(self, text: str) -> None:
        """Write a line above the bar."""
        with self._guard:
            erase = f"\r{_ERASE}" if self._shown else ""
            lines = "\n".join(formatting.wrapped(formatting.printable_line(text), width_of(self._stream)))
            self._write(f"{erase}{self._style.show(lines)}\n")
            self._shown = ""
            self._draw()

    def detail(self, text: str) -> None:
        """Write a line above the bar if details are wanted."""
        if self._verbose:
            self.message(text)

    def begin(self, label: str, files: int, size: int) -> None:
        """Show the bar."""
        self._show(work=Work(formatting.printable_line(label), files, size, self._clock()))

    def advance(self, files: int, size: int) -> None:
        """Move the bar."""
        with self._guard:
            if self._work is not None:
                now = self._clock()
                self._work.advance(files, size, now)
                if now - self._drawn >= _DRAW_SECONDS:
                    self._draw()

    def end(self) -> None:
        """Take the bar away."""
        self._show(work=None)

    def phase(self, label: str) -> None:
        """Show work without bytes to count, and how long it has taken; remove that where the label is empty.

        It is drawn with the next tick: short work would only flicker.
        """
        with self._guard:
            self._phase, self._phase_began = formatting.printable_line(label), self._clock()
            self._tick_while_needed()
            if not label:
                self._draw()

    def tick(self) -> None:
        """Draw again, as time goes by."""
        with self._guard:
            self._draw()

    def _show(self, work: Optional[Work]) -> None:
        with self._guard:
            self._work = work
            self._tick_while_needed()
            self._draw()

    def _draw(self) -> None:
        """Write the line as it should be now, unless it is there already."""
        self._drawn = self._clock()
        columns = (width_of(self._stream) or 80) - 1  # a full line would make some terminals begin another
        columns -= 4 * self._style.ascii  # for the dots of two ellipses
        line = ""
        if self._work is not None:
            line = bar_line(self._work, columns, self._drawn)
        elif self._phase:
            seconds = self._drawn - self._phase_began
            line = formatting.shorten(self._phase, columns - 10)
            line += f" … {formatting.clock(seconds)}" if seconds >= 1 else " …"
        line = self._style.plain(line)
        if f"{columns} {line}" != self._shown and (line or self._shown):
            self._write(f"\r{_CUT}{line}{_ERASE}{_WRAP}\r")
            self._shown = f"{columns} {line}" if line else ""

    def _write(self, text: str) -> None:
        """Write to the terminal; one that is gone does not end a transfer."""
        with suppress(OSError, ValueError):
            self._stream.write(text)
            self._stream.flush()
