"""Standard output and standard error, in whatever state they are: closed, full, read by nobody."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from io import TextIOWrapper
from typing import TextIO

from dci_downloader.errors import DiskFullError, SettingsError


def open_closed() -> None:
    """Open streams that were closed when the program started: the next file that is opened would get their number."""
    for number in (0, 1, 2):
        if not os.path.lexists(f"/proc/self/fd/{number}"):
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest number that is free: this one
    if sys.stdout is None:  # nobody wants what would be written there
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115  as long as the process
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # what its encoding lacks is escaped, and no reason to fail
            stream.reconfigure(errors="backslashreplace")


def write(text: str) -> None:
    """Write lines to standard output, at once. A reader that has gone away is no error.

    Raises:
        DiskFullError: it is a file, and its disk is full.
        SettingsError: it cannot be written to.
    """
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


def flush() -> None:
    """Write what is left in the streams; raises as :func:`write` does."""
    try:
        if sys.stderr is not None:
            sys.stderr.flush()
    except (OSError, ValueError):
        _discard(sys.stderr)
    write("")


def _discard(stream: TextIO) -> None:
    """Discard what is left: Python flushes once more when it ends, and fails if it cannot."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
