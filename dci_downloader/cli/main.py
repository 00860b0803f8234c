"""The program: its entry, and how an error becomes an exit code. Only this wing prints and exits.

Signal handlers are set before anything heavy is imported, and stay until the exit code is known: without them a signal
would end half a second of imports with a traceback, and the last moments with an exit code of its own.
"""

from __future__ import annotations

import errno
import gc
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Optional

from dci_downloader.cli import streams
from dci_downloader.cli.signals import Signals
from dci_downloader.errors import AccessError, CancelledError, DownloaderError, NotFoundError, SettingsError
from dci_downloader.version_number import VERSION

_JSON_OPTIONS = ("--json", "--jso", "--js")
"""As a whole, and as argparse abbreviates it for a sync."""
_COLLECT_AFTER = 300_000
"""New objects after which cycles are looked for. Python's 700 means to look through lists of fifty thousand files again
and again while they grow, which takes longer than reading them. Each file is two objects, or three, meanwhile."""


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Run the command line.

    Args:
        arguments: without the program's name; None for those of the process, which ends then.

    Returns:
        The exit code, as the README lists them.
    """
    signals = Signals(last=arguments is None)
    with signals.deferred(), signals:  # no signal may change the exit code of a program that has ended
        streams.open_closed()
        argv = list(sys.argv[1:] if arguments is None else arguments)
        try:
            code = _run(argv, signals)
        except SystemExit:  # of argparse, after --help
            code = _flushed(0)
            if code == 0:
                raise
        except Exception as error:
            code = _exit_code(error, argv)
        except KeyboardInterrupt:
            code = _exit_code(CancelledError("interrupted"), argv)
        if arguments is None:
            gc.freeze()  # the process ends: a last collection of cycles would take a tenth of a run with nothing new
        return _flushed(code)


def _run(argv: Sequence[str], signals: Signals) -> int:
    if argv in (["--version"], ["-V"]):  # answered before anything is imported: scripts ask for it on every start
        streams.write(f"dci-downloader {VERSION}")
        return 0
    gc.set_threshold(_COLLECT_AFTER)
    from dci_downloader.cli.commands import COMMANDS, prepare, sync

    prepare(argv)  # here, while no signal raises: Python loses some errors that are raised within an import
    with signals.interruptible():
        return COMMANDS[argv[0]](argv[1:]) if argv and argv[0] in COMMANDS else sync(argv)


def _exit_code(error: Exception, argv: Sequence[str]) -> int:
    """Report what ended the program, and give its exit code; an unexpected exception is raised again."""
    error = _limit_error(error) or error
    if isinstance(error, OSError):
        from dci_downloader.mirror.disk_errors import disk_error

        error = disk_error(error, str(error.filename or "the system"))
    if not isinstance(error, DownloaderError):
        raise error
    from dci_downloader.cli import output  # needed after errors only

    error.hint = _correction(error, argv) or error.hint
    if any(option in _JSON_OPTIONS for option in argv):
        with suppress(DownloaderError):  # the error that ended the run matters more
            output.print_error_document(error)
    output.complain(error)
    return error.exit_code


def _limit_error(error: Exception) -> Optional[OSError]:
    """A limit of the system that Python does not report as an ``OSError``, as one; None for anything else."""
    if isinstance(error, MemoryError):
        return OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))
    if isinstance(error, RuntimeError) and str(error) == "can't start new thread":
        return OSError(errno.EAGAIN, "no thread can be started")
    return None


def _flushed(code: int) -> int:
    """The exit code after all is written that was printed."""
    try:
        streams.flush()
    except DownloaderError as error:
        from dci_downloader.cli import output  # needed after errors only

        output.complain(error)
        return error.exit_code
    return code


def _correction(error: DownloaderError, argv: Sequence[str]) -> str:
    """The hint that another command line was meant, where the error may come of that."""
    if error.exit_code not in (SettingsError.exit_code, AccessError.exit_code, NotFoundError.exit_code):
        return ""
    from dci_downloader.cli.commands import COMMANDS
    from dci_downloader.cli.corrections import correction  # needed after errors only

    return correction(argv, COMMANDS)
