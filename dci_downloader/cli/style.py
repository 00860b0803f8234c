"""How text looks on a stream: its marks, its colours, its width.

A line that begins with a mark is about what went well, failed, or needs attention, and is coloured by that. Where the
locale has no such characters, ASCII takes their place. Names from servers and of files never control the terminal:
colours are added after everything else was made printable.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import NamedTuple, Optional, TextIO

from dci_downloader import environment, formatting

DONE, FAILED, WARNING, OTHER = "✓", "✗", "!", "·"
"""The marks at the beginning of lines; the last one is about what is neither."""

_ASCII = str.maketrans({DONE: "+", FAILED: "x", OTHER: "-", "→": "->", "…": "...", "—": "-", "█": "#", "░": "-"})
_RED, _GREEN, _YELLOW, _BOLD = "31", "32", "33", "1"
_COLOURS = (
    (re.compile(r"^ *[✓+](?= )", re.MULTILINE), _GREEN),
    (re.compile(r"^ *[✗x](?= )", re.MULTILINE), _RED),
    (re.compile(r"^ *! .*", re.MULTILINE), _YELLOW),
    (re.compile(r"^dci-downloader: error:", re.MULTILINE), _RED),
    (re.compile(r"^ *hint:", re.MULTILINE), _BOLD),
)
_DEFAULT_WIDTH = 80


class Style(NamedTuple):
    """The looks of one stream.

    Attributes:
        colours: whether there are any.
        ascii: whether it shows nothing but ASCII.
        redraws: whether it is a terminal on which a line can be written over.
    """

    colours: bool = False
    ascii: bool = True
    redraws: bool = False

    def show(self, text: str) -> str:
        """The text as it is to be written: made printable, then coloured."""
        text = self.plain(formatting.printable(text))
        for pattern, colour in _COLOURS if self.colours else ():
            text = pattern.sub(lambda match, colour=colour: f"\x1b[{colour}m{match[0]}\x1b[0m", text)  # type: ignore[misc]
        return text

    def plain(self, text: str) -> str:
        """The text with ASCII in place of this program's own marks, where the stream needs that."""
        return text.translate(_ASCII) if self.ascii else text


def style_of(stream: Optional[TextIO], environ: Optional[Mapping[str, str]] = None) -> Style:
    """The style of a stream.

    Args:
        stream: that is written to; None where it is closed.
        environ: in place of the environment of the process.
    """
    variables = environment.of_process() if environ is None else environ
    is_terminal = _is_terminal(stream)
    return Style(
        colours=environment.wants_colour(variables, is_terminal=is_terminal),
        ascii=environment.is_ascii(variables) or not _can_encode(stream),
        redraws=is_terminal and environment.has_cursor(variables),
    )


def width_of(stream: Optional[TextIO]) -> Optional[int]:
    """The columns of a terminal as it is now; None where it is no terminal."""
    if stream is None or not _is_terminal(stream):
        return None
    try:
        return os.get_terminal_size(stream.fileno()).columns or _DEFAULT_WIDTH
    except (OSError, ValueError):
        return _DEFAULT_WIDTH


def _is_terminal(stream: Optional[TextIO]) -> bool:
    try:
        return stream is not None and stream.isatty()
    except ValueError:  # it is closed
        return False


def _can_encode(stream: Optional[TextIO]) -> bool:
    try:
        DONE.encode(getattr(stream, "encoding", None) or "utf-8")
    except (LookupError, UnicodeEncodeError):
        return False
    return True
