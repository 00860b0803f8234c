"""What the mirror asks of the operating system, in one place: flushing, replacing, exchanging, locking.

* Nothing is ever written under its final name: a temporary is filled beside it and renamed (rename(2) is atomic).
* An ``OSError`` that a user can do something about leaves this package as an error of :mod:`dci_downloader.errors`;
  :func:`disk_errors` is where that is decided.
"""

from __future__ import annotations

import ctypes
import errno
import os
import secrets
import stat
from datetime import datetime, timezone
from pathlib import Path
from typing import Optional, Union

from dci_downloader.errors import DiskFullError, DownloaderError, SettingsError

_FULL = {errno.ENOSPC, errno.EDQUOT}
FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}
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
    if error.errno in FORBIDDEN:
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
