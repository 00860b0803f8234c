"""File locks that end with their holder, even where it crashes."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Optional

from dci_downloader.errors import LockedError, SettingsError
from dci_downloader.mirror.disk_errors import FORBIDDEN, disk_errors
from dci_downloader.mirror.files import utc_now
from dci_downloader.mirror.permissions import GROUP_FILE_MODE, open_up

BRIEF = 3.0
"""Seconds: how long a run waits for others to remove a few objects, whatever it was told of waiting for runs."""

_SHORT_PAUSE = 0.02  # seconds
_NO_LOCKS = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}


def _ignore(_: str) -> None:
    """Say nothing."""


def flock(fd: int, mode: int) -> None:
    """Lock an open file.

    Raises:
        BlockingIOError: another holds it, and ``mode`` says not to wait.
        SettingsError: this file system offers no locks.
    """
    try:
        fcntl.flock(fd, mode)
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        raise SettingsError(
            f"{os.readlink(f'/proc/self/fd/{fd}')}: this file system offers no locks ({error.strerror})",
            hint="mount it with locks (NFS: is rpc.statd running on both sides?), or choose another destination",
        ) from error


class FileLock:
    """An advisory lock: flock(2) on an open descriptor. The kernel releases it with its holder, even after a crash.

    The file is never unlinked: else one process could hold a lock on the unlinked inode while another locks a new file
    of the same name, each believing itself alone. That the file exists means nothing; its text names the last holder,
    for people. Some network file systems grant flock(2) without keeping anybody out, which cannot be detected: there,
    run one sync at a time.

    Args:
        path: the lock file; its folder must exist.
        clock: seconds, monotonic.
        sleep: waits so many seconds.
    """

    def __init__(
        self,
        path: Path,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.path = path
        self._clock = clock
        self._sleep = sleep
        self._fd = -1

    @property
    def held(self) -> bool:
        """Whether this object holds the lock."""
        return self._fd >= 0

    def acquire(
        self,
        *,
        shared: bool = False,
        timeout: Optional[float] = None,
        waiting: Callable[[str], None] = _ignore,
        patience: float = 0.0,
    ) -> None:
        """Take the lock.

        Args:
            shared: beside other shared holders, instead of alone.
            timeout: seconds to wait for other holders; None waits for ever, 0 not at all.
            waiting: called once, before the first wait, with a line for people that names the holder.
            patience: seconds to wait first, without calling ``waiting``, for a lock that is held briefly.

        Raises:
            LockedError: another holder kept it for longer than ``timeout``.
            SettingsError: the lock file cannot be opened.
        """
        with disk_errors(self.path):
            fd = self._open()
            try:
                self._wait(fd, fcntl.LOCK_SH if shared else fcntl.LOCK_EX, timeout, waiting, patience)
            except BaseException:
                os.close(fd)
                raise
        self._fd = fd
        if not shared:
            self.sign()

    def sign(self) -> None:
        """Write into the file who holds the lock. A shared holder does so once nothing else can keep it out."""
        holder = f"pid {os.getpid()} on {socket.gethostname()} since {utc_now():%Y-%m-%d %H:%M:%S} UTC"
        with suppress(OSError):  # a full disk must not keep prune, which makes room, from the lock
            if os.fstat(self._fd).st_nlink == 1:  # else it may be somebody's file, under the lock's name
                os.ftruncate(self._fd, 0)  # the last holder's text may be longer
                os.pwrite(self._fd, holder.encode(), 0)

    def _open(self) -> int:
        """Open the lock file, to write into it where this user may."""
        # no child keeps the lock; no link leads to a file elsewhere; no FIFO holds us up
        flags = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        try:
            fd = os.open(self.path, os.O_RDWR | os.O_CREAT | flags, GROUP_FILE_MODE)
        except OSError as error:
            if error.errno not in FORBIDDEN:
                raise
            open_up(self.path)
            fd = os.open(self.path, os.O_RDONLY | flags)  # flock(2) asks for no more: verify works for readers
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise SettingsError(f"{self.path} is not a regular file", hint="a lock belongs there: move it aside")
        return fd

    def _wait(
        self, fd: int, mode: int, timeout: Optional[float], waiting: Callable[[str], None], patience: float
    ) -> None:
        started = self._clock()
        pause = 0.0
        while True:
            try:
                return flock(fd, mode | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.pread(fd, 200, 0).decode("utf-8", "replace") or "another run"
            waited = self._clock() - started
            if waited < patience:
                self._sleep(_SHORT_PAUSE)
                continue
            if timeout is not None and waited >= timeout:
                raise LockedError(
                    f"{self.path} is locked by {holder}", holder=holder, hint="wait for it to end, or run again later"
                )
            if not pause:
                waiting(f"waiting for {holder}")
            pause = min(pause + 0.05, 1.0)  # quickly at first, then once a second
            self._sleep(pause)

    def release(self) -> None:
        """Release the lock; does nothing where it is not held."""
        if self.held:
            os.close(self._fd)
            self._fd = -1

    @contextmanager
    def holding(
        self,
        *,
        shared: bool = False,
        timeout: Optional[float] = None,
        waiting: Callable[[str], None] = _ignore,
        patience: float = 0.0,
    ) -> Iterator[None]:
        """Hold the lock for a block; see :meth:`acquire`."""
        self.acquire(shared=shared, timeout=timeout, waiting=waiting, patience=patience)
        try:
            yield
        finally:
            self.release()
