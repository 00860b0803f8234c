"""Open a file, or make it, for this process alone to write to."""

from __future__ import annotations

import fcntl
import os
import stat
from contextlib import suppress
from pathlib import Path

from dci_downloader.errors import LockedError
from dci_downloader.mirror.files import remove_file
from dci_downloader.mirror.locks import flock
from dci_downloader.mirror.permissions import GROUP_FILE_MODE


def open_locked(path: Path) -> int:
    """Open a file that this process alone writes to. A file that cannot be used gives way to a new, empty one.

    Raises:
        LockedError: another run is writing it.
        SettingsError: this file system offers no locks.
        OSError: it cannot be opened.
    """
    while True:
        fd = _open(path)
        try:
            flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _still_names(path, fd):  # else it became an object, or was discarded, before it was locked
                if _usable(fd):
                    return fd
                remove_file(path)
        except BlockingIOError:
            os.close(fd)
            raise LockedError(f"{path} is being written by another run", hint="wait for it to end") from None
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)


def _open(path: Path) -> int:
    flags = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | flags, GROUP_FILE_MODE)
    except PermissionError:  # another user of this mirror left it, and lets nobody else write
        with suppress(PermissionError):
            return os.open(path, os.O_RDONLY | flags)
    remove_file(path)  # nobody can use it
    return os.open(path, os.O_RDWR | os.O_CREAT | flags, GROUP_FILE_MODE)


def _usable(fd: int) -> bool:
    """Whether an open partial is a file that may be written to, and that has no second name."""
    status = os.fstat(fd)
    writable = fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDWR
    return writable and stat.S_ISREG(status.st_mode) and status.st_nlink == 1


def _still_names(path: Path, fd: int) -> bool:
    """Whether a path still names the open file."""
    try:
        return os.path.samestat(os.lstat(path), os.fstat(fd))
    except FileNotFoundError:
        return False
