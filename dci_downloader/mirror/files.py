"""What the mirror asks of the operating system, in one place: flushing, replacing, exchanging, locking.

* Nothing is ever written under its final name: a temporary is filled beside it and renamed (rename(2) is atomic).
* An ``OSError`` that a user can do something about leaves this package as an error of :mod:`dci_downloader.errors`;
  :func:`disk_errors` is where that is decided.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import secrets
import socket
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Optional, Union

from dci_downloader.errors import DiskFullError, DownloaderError, LockedError, SettingsError

_FULL = {errno.ENOSPC, errno.EDQUOT}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}
_IN_THE_WAY = {errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ELOOP, errno.ENOTEMPTY}
_UNSUPPORTED = {errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP}
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2

_libc = ctypes.CDLL(None, use_errno=True)


class disk_errors:  # noqa: N801  a context manager, used like a function
    """Turn every ``OSError`` of the block into an error that says what to do; ``where`` is named in it.

    Raises:
        DiskFullError: no room, or no quota.
        SettingsError: not permitted, read-only, a path longer than the system allows (what manifests may ask for is
            bounded, so it is the destination's), or something else stands where a file or folder should be.
        DownloaderError: anything else, an I/O error for example.
    """

    __slots__ = ("_where",)

    def __init__(self, where: Union[Path, str]) -> None:
        self._where = where

    def __enter__(self) -> None:
        """Nothing is held."""

    def __exit__(self, _: object, error: Optional[BaseException], __: object) -> None:
        if isinstance(error, OSError):
            raise _disk_error(error, self._where) from error


def _disk_error(error: OSError, where: Union[Path, str]) -> DownloaderError:
    message = f"{where}: {error.strerror or error}"
    if error.errno in _FULL:
        return DiskFullError(message, hint="make room there and run again: what is complete stays")
    if error.errno in _FORBIDDEN:
        return SettingsError(message, hint="choose a destination that this user may write to")
    if error.errno in _IN_THE_WAY:
        return SettingsError(message, hint="something else is in the way: move it aside")
    if error.errno == errno.ENAMETOOLONG:
        return SettingsError(message, hint="choose a destination with a shorter path")
    return DownloaderError(message, hint="look for disk errors in the system's log")


def utc_now() -> datetime:
    """Now, in UTC."""
    return datetime.now(timezone.utc)


def boot_id() -> str:
    """What identifies this boot of this machine (random(4)); empty where the kernel does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def make_folder(path: Path) -> None:
    """Make a folder whose parent exists; one that is there is fine.

    Raises:
        SettingsError: a file or a symbolic link is in its place: following one could lead out of the mirror.
    """
    with disk_errors(path):
        try:
            os.mkdir(path)
        except FileExistsError:
            _demand_folder(path)


def _demand_folder(path: Path) -> None:
    mode = os.lstat(path).st_mode
    if not stat.S_ISDIR(mode):
        what = "a symbolic link" if stat.S_ISLNK(mode) else "not a folder"
        raise SettingsError(f"{path} is {what}", hint="a folder belongs there: move it aside") from None


def check_folder(path: Path, *, links: bool = False) -> None:
    """Raise what making a folder, its parents too, and writing into it would raise. No side effect.

    Args:
        path: of the folder.
        links: a symbolic link that leads to a folder is as good as one.

    Raises:
        SettingsError: something else is in its place, or what is there of it and above it may not be written to.
    """
    with disk_errors(path):
        if os.path.lexists(path) and not (links and path.is_dir()):
            _demand_folder(path)
        while True:
            try:
                os.stat(path)
                break
            except FileNotFoundError:
                if path.is_symlink():
                    raise FileExistsError(errno.EEXIST, "a symbolic link that leads nowhere") from None
                path = path.parent
        if not os.access(path, os.W_OK | os.X_OK):
            code = errno.EROFS if os.statvfs(path).f_flag & os.ST_RDONLY else errno.EACCES
            raise OSError(code, os.strerror(code))


def write_all(fd: int, content: bytes) -> None:
    """Append to an open file, with one system call where it takes all at once."""
    written = os.write(fd, content)
    if written < len(content):
        rest = memoryview(content)[written:]
        while rest:
            rest = rest[os.write(fd, rest) :]


def replace_atomically(path: Path, content: bytes, *, durable: bool = False, mode: Optional[int] = None) -> None:
    """Give a file new content so that a reader sees the old or the new, never a part.

    Safe to repeat; nothing is left behind on failure. With ``durable`` it is on disk when this returns; ``mode`` are
    its permissions, whatever the umask says.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        try:
            write_all(fd, content)
            if mode is not None:
                os.fchmod(fd, mode)
            if durable:
                os.fsync(fd)
        finally:
            os.close(fd)
        os.rename(temporary, path)
    except OSError:
        remove_file(temporary)
        raise
    if durable:
        flush_folder(path.parent)


def remove_file(path: Union[Path, str]) -> bool:
    """Unlink a file; false where there is none."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return False
    return True


def flush_folder(path: Path) -> None:
    """Put a folder's names on disk (fsync(2))."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def flush_file_system(path: Path) -> None:
    """Put everything written to a path's file system on disk: one syncfs(2) for any number of files."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _check(_libc.syncfs(fd))
    finally:
        os.close(fd)


def preallocate(fd: int, size: int) -> None:
    """Make an empty file ``size`` bytes long and reserve the room, where the file system can.

    fallocate(2) itself, for posix_fallocate(3) writes to every block where the file system refuses.

    Raises:
        OSError: ENOSPC or EDQUOT when there is no room for it.
    """
    try:
        if size:
            _check(_libc.fallocate64(fd, 0, ctypes.c_longlong(0), ctypes.c_longlong(size)))
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
        os.ftruncate(fd, size)


def exchange(one: Path, other: Path) -> bool:
    """Swap two names atomically (renameat2(2), RENAME_EXCHANGE); false where kernel or file system cannot."""
    try:
        _check(
            _libc.renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), ctypes.c_uint(_RENAME_EXCHANGE))
        )
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
        return False
    return True


def _check(result: int) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def free_bytes(path: Path) -> int:
    """Bytes an ordinary user may still write to the file system where ``path`` is, or would be made."""
    while not path.exists():
        path = path.parent
    figures = os.statvfs(path)
    return figures.f_bavail * figures.f_frsize


def _ignore(_: str) -> None:
    """Tell nobody."""


class FileLock:
    """An advisory lock that a crash cannot leave behind: flock(2) on an open descriptor.

    The file is never unlinked. Were it, a second process could hold a lock on the unlinked inode while a third locks
    the new file of the same name, both believing themselves alone. The kernel drops the lock with its holder, so the
    file's existence means nothing; its text names the last holder for people. A network file system that grants
    flock without having it cannot be told apart: there, run one sync at a time.

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
            timeout: seconds to wait for other holders; None for ever, 0 not at all.
            waiting: told once, when there is something to wait for, in words for a person.

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
        """Write who holds the lock into it. One of several holders does so once it is sure to stay."""
        holder = f"pid {os.getpid()} on {socket.gethostname()} since {utc_now():%Y-%m-%d %H:%M:%S} UTC"
        with suppress(OSError):  # a full disk must not keep prune from the lock
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, holder.encode(), 0)

    def _open(self, shared: bool) -> int:
        flags = os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            return os.open(self.path, os.O_RDWR | os.O_CREAT | flags, 0o644)
        except OSError as error:
            if shared and error.errno in _FORBIDDEN:  # who only reads may do so where he may not write
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
            pause = min(pause + 0.05, 1.0)
            self._sleep(pause)

    def release(self) -> None:
        """Let go of the lock; does nothing when it is not held."""
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
