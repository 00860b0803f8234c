"""The output of commands: results to standard output, lines for people to standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Optional

from dci_downloader import formatting
from dci_downloader.cli import streams
from dci_downloader.cli.style import style_of, width_of
from dci_downloader.errors import DownloaderError
from dci_downloader.formatting import wrapped


@dataclass(frozen=True)
class CommandResult:
    """The result of a command.

    Attributes:
        lines: for people.
        failed: the lines about failures, which ``--quiet`` prints, too; None for all lines.
        document: the same for programs, as a JSON value.
        exit_code: what the program exits with.
    """

    lines: Sequence[str]
    document: dict[str, Any] = field(default_factory=dict)
    exit_code: int = 0
    failed: Optional[Sequence[str]] = None


def print_result(
    result: CommandResult, *, as_json: bool = False, quiet: bool = False, width: Optional[int] = None
) -> int:
    """Print the result of a command and give its exit code.

    Args:
        result: of the command.
        as_json: print it for programs.
        quiet: print only what failed.
        width: columns of the terminal, for lines that may be broken between words; None leaves them as they are.

    Raises:
        DiskFullError: standard output is a file, and its disk is full.
        SettingsError: standard output cannot be written to.
    """
    if as_json:
        print_json(_json(result.document))
    elif result.exit_code or not quiet:
        lines = result.failed if quiet and result.failed is not None else result.lines
        print_line("\n".join(part for each in map(formatting.printable_line, lines) for part in wrapped(each, width)))
    return result.exit_code


def table_width() -> Optional[int]:
    """The columns that a table on standard output may take; None where that is no terminal."""
    if not sys.stdout.isatty():
        return None
    import shutil  # other commands need not wait for the compression that it brings

    return shutil.get_terminal_size().columns


def print_json(text: str) -> None:
    """Print the one JSON object that a program reads; raises as :func:`print_result` does.

    What a terminal would obey is written as JSON's own escapes, since people look at it, too.
    """
    is_utf8 = (getattr(sys.stdout, "encoding", None) or "").lower() in ("utf-8", "utf8")
    streams.write("".join(c if c == "\n" or _is_plain(c, is_utf8) else json.dumps(c)[1:-1] for c in text))


def print_page(page: str) -> int:
    """Print a page of HTML and give the exit code, 0; raises as the others do. No locale matters to it."""
    streams.write(page.rstrip("\n").encode("ascii", "xmlcharrefreplace").decode())
    return 0


def print_error_document(error: DownloaderError) -> None:
    """Print the JSON object of a run that ended before there was anything to report; raises likewise."""
    print_json(_json({"topics": [], "error": str(error), "hint": error.hint, "exit_code": error.exit_code}))


def print_line(line: str) -> None:
    """Print a line of a result, and flush it for readers of a pipe; raises as :func:`print_result` does."""
    streams.write(style_of(sys.stdout).show(line))


def say(line: str) -> None:
    """Write a line for people to standard error; where that fails, nothing is raised."""
    if sys.stderr is not None:  # print takes None for standard output
        with suppress(OSError, ValueError):
            print(style_of(sys.stderr).show(line), file=sys.stderr)


def complain(error: DownloaderError) -> None:
    """Tell people what ended the program, and what they can do about it."""
    for line in f"dci-downloader: error: {error}".split("\n"):
        say("\n".join(wrapped(formatting.printable_line(line), width_of(sys.stderr))))
    if error.hint:
        say(f"  hint: {error.hint}")


def _is_plain(char: str, is_utf8: bool) -> bool:
    """Whether a character is printed as it is; ``is_utf8`` tells whether those beyond ASCII can be."""
    return char.isprintable() and (is_utf8 or char.isascii())


def _json(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False)
