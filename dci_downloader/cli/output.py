"""The output of commands: results to standard output, lines for people to standard error."""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TextIO

from dci_downloader import formatting
from dci_downloader.errors import DiskFullError, DownloaderError, SettingsError


@dataclass(frozen=True)
class CommandResult:
    """The result of a command.

    Attributes:
        lines: for people.
        document: the same for programs, as a JSON value.
        exit_code: what the program exits with.
    """

    lines: Sequence[str]
    document: dict[str, Any] = field(default_factory=dict)
    exit_code: int = 0


def print_result(result: CommandResult, *, as_json: bool = False, quiet: bool = False) -> int:
    """Print the result of a command and give its exit code.

    Args:
        result: of the command.
        as_json: print it for programs.
        quiet: print only what failed.

    Raises:
        DiskFullError: standard output is a file, and its disk is full.
        SettingsError: standard output cannot be written to.
    """
    if as_json:
        print_json(_json(result.document))
    elif result.exit_code or not quiet:
        print_line("\n".join(map(formatting.printable_line, result.lines)))
    return result.exit_code


def print_json(text: str) -> None:
    """Print the one JSON object that a program reads; raises as :func:`print_result` does."""
    if (getattr(sys.stdout, "encoding", None) or "").lower() not in ("utf-8", "utf8"):
        text = "".join(char if char.isascii() else json.dumps(char)[1:-1] for char in text)  # JSON has its own escapes
    _write(text)


def print_error_document(error: DownloaderError) -> None:
    """Print the JSON object of a run that ended before there was anything to report; raises as the others do."""
    print_json(_json({"topics": [], "error": str(error), "hint": error.hint, "exit_code": error.exit_code}))


def print_line(line: str) -> None:
    """Print a line of a result at once: whoever reads it through a pipe waits for it. Raises as the others do."""
    _write(formatting.printable(line))


def say(line: str) -> None:
    """Write a line for people to standard error. That nobody can read it is no reason to fail."""
    if sys.stderr is not None:  # print takes None for standard output
        with suppress(OSError, ValueError):
            print(formatting.printable(line), file=sys.stderr)


def complain(error: DownloaderError) -> None:
    """Tell people what ended the program, and what they can do about it."""
    say(f"dci-downloader: error: {error}")
    if error.hint:
        say(f"  hint: {error.hint}")


def flush() -> None:
    """Write what is left in the streams; raises as :func:`print_result` does."""
    try:
        if sys.stderr is not None:
            sys.stderr.flush()
    except (OSError, ValueError):
        _discard(sys.stderr)
    _write("")


def _write(text: str) -> None:
    """Write to standard output, all of it at once. A reader that went away has what it wanted."""
    if sys.stdout is None:
        return
    try:
        if text:
            sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        _discard(sys.stdout)
    except OSError as error:
        _discard(sys.stdout)
        message = f"standard output: {error.strerror or error}"
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise DiskFullError(message) from None
        raise SettingsError(message) from None


def _discard(stream: TextIO) -> None:
    """Let what is left go nowhere: Python flushes once more when it ends, and fails if it cannot."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _json(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False)
