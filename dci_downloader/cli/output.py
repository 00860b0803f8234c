"""The output of commands: results to standard output, lines for people to standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Optional

from dci_downloader import formatting
from dci_downloader.errors import DownloaderError


@dataclass(frozen=True)
class CommandResult:
    """The result of a command.

    Attributes:
        lines: for people.
        failed: those of them that are about what failed, for ``--quiet``; None where they all are.
        document: the same for programs, as a JSON value.
        exit_code: what the program exits with.
    """

    lines: Sequence[str]
    document: dict[str, Any] = field(default_factory=dict)
    exit_code: int = 0
    failed: Optional[Sequence[str]] = None


def print_result(result: CommandResult, *, as_json: bool = False, quiet: bool = False) -> int:
    """Print the result of a command and give its exit code.

    Args:
        result: of the command.
        as_json: print it for programs.
        quiet: print only what failed.
    """
    if as_json:
        print(json.dumps(result.document, indent=2, ensure_ascii=False))
    elif result.exit_code or not quiet:
        lines = result.failed if quiet and result.failed is not None else result.lines
        print("\n".join(lines))
    return result.exit_code


def print_error_document(error: DownloaderError) -> None:
    """Print the JSON object of a run that ended before there was anything to report."""
    document = {"topics": [], "error": str(error), "hint": error.hint, "exit_code": error.exit_code}
    print(json.dumps(document, indent=2))


def print_line(line: str) -> None:
    """Print a line at once: whoever reads it through a pipe waits for it."""
    print(line, flush=True)


def say(line: str) -> None:
    """Write a line for people to standard error. That nobody can read it is no reason to fail."""
    with suppress(OSError, ValueError, AttributeError):
        print(formatting.printable(line), file=sys.stderr)


def complain(error: DownloaderError) -> None:
    """Tell people what ended the program, and what they can do about it."""
    say(f"dci-downloader: error: {error}")
    if error.hint:
        say(f"  hint: {error.hint}")
