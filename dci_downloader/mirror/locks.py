"""File locks that end with their holder, even where it crashes."""

from __future__ import annotations

import fcntl
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Optional

from dci_downloader.errors import LockedError
from dci_downloader.mirror.disk_errors import FORBIDDEN, disk_errors
from dci_downloader.mirror.files import utc_now


def _ignore(_: str) -> None:
    """Say nothing."""


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
    ) -> None:
        """Take the lock.

        Args:
            shared: beside other shared holders, instead of alone.
            timeout: seconds to wait for other holders; None waits for ever, 0 not at all.
            waiting: called once, before the first wait, with a line for people that names the holder.

        Raises:
            LockedError: another holder kept it for longer than ``timeout``.
            SettingsError: the lock file cannot be opened.
        """
        with disk_errors(self.path):
            fd = self._open(shared)
            try:
                self._wait(fd, fcntl.LOCK_SH if shared else fcntl.LOCK_EX, timeout, waiting)
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
            os.ftruncate(self._fd, 0)  # the last holder's text may be longer
            os.pwrite(self._fd, holder.encode(), 0)

    def _open(self, shared: bool) -> int:
        flags = os.O_CLOEXEC | os.O_NOFOLLOW  # no child keeps the lock; no link leads to a file elsewhere
        try:
            return os.open(self.path, os.O_RDWR | os.O_CREAT | flags, 0o644)
        except OSError as error:
            if shared and error.errno in FORBIDDEN:  # verify works where this user may only read
                return os.open(self.path, os.O_RDONLY | flags)
            raise

    def _wait(self, fd: int, mode: int, timeout: Optional[float], waiting: Callable[[str], None]) -> None:
        started = self._clock()
        pause = 0.0
        while True:
            try:
                return fcntl.flock(fd, mode | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.pread(fd, 200, 0).decode("utf-8", "replace") or "another run"
            if timeout is not None and self._clock() - started >= timeout:
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
    ) -> Iterator[None]:
        """Hold the lock for a block; see :meth:`acquire`."""
        self.acquire(shared=shared, timeout=timeout, waiting=waiting)
        try:
            yield
        finally:
            self.release()
