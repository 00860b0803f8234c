"""The program: its entry, and how an error becomes an exit code. Only this wing prints and exits."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Optional

from dci_downloader.errors import CancelledError, DownloaderError
from dci_downloader.release import VERSION


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Run the command line.

    Args:
        arguments: without the program's name; None for those of the process.

    Returns:
        The exit code, as the README lists them.
    """
    if sys.stdout is None:  # closed by whoever started us: nobody wants what would be written there
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115  as long as the process
    argv = list(sys.argv[1:] if arguments is None else arguments)
    try:
        try:
            return _run(argv)
        finally:
            sys.stdout.flush()  # here, where a reader that went away can still be reported
    except DownloaderError as error:
        _complain(error)
        _suggest_command(argv)
        return error.exit_code
    except KeyboardInterrupt:
        _complain(CancelledError("interrupted"))
        return CancelledError.exit_code
    except OSError as error:
        return _output_failed(error)


def _run(argv: Sequence[str]) -> int:
    if argv == ["--version"]:  # answered before anything is imported: scripts ask for it on every start
        sys.stdout.write(f"dci-downloader {VERSION}\n")
        return 0
    from dci_downloader.cli.commands import COMMANDS, sync

    return COMMANDS[argv[0]](argv[1:]) if argv and argv[0] in COMMANDS else sync(argv)


def _complain(error: DownloaderError) -> None:
    from dci_downloader.cli.output import complain  # needed after errors only

    complain(error)


def _output_failed(error: OSError) -> int:
    """Report what could not be read or written: most often standard output, whose reader went away."""
    with suppress(OSError, ValueError):
        # Python flushes once more when it ends; what is left goes nowhere then, without another error
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if not isinstance(error, BrokenPipeError):
        _complain(DownloaderError(f"{error.filename or 'standard output'}: {error.strerror or error}"))
    return DownloaderError.exit_code


def _suggest_command(argv: Sequence[str]) -> None:
    """Suggest a command where the topic may be a command with a letter wrong."""
    import difflib

    from dci_downloader.cli.commands import COMMANDS
    from dci_downloader.cli.output import say

    if argv and argv[0] not in COMMANDS and not argv[0].startswith("-"):
        for name in difflib.get_close_matches(argv[0], [*COMMANDS, "help"], n=1, cutoff=0.75):
            say(f"  hint: for the command: dci-downloader {name if name in COMMANDS else '--help'}")
