"""Files that a user names: settings, credentials, log, metrics. Regular files, opened with care, read within a bound.

* A named pipe, a device, a folder or a socket is refused: to read one may wait for ever, and root's metrics would take
  the place of a device.
* What is written follows no symbolic link of somebody else in a folder that everybody may write to and that keeps
  files to their owners (sticky, like /tmp), and takes no file of somebody else there: the rules of
  ``fs.protected_symlinks`` and ``fs.protected_regular`` (sysctl/fs in the kernel's documentation), which not every
  system sets.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from dci_downloader.errors import SettingsError

_OTHER_TYPES = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}
_STICKY_FOR_ALL = stat.S_ISVTX | stat.S_IWOTH
_MOST_LINKS = 40  # as Linux follows


def read(path: str, limit: int, *, hint: str = "") -> bytes:
    """Read a file.

    Args:
        path: as the user wrote it.
        limit: most bytes that it may have.
        hint: of every error.

    Raises:
        SettingsError: it is no file, larger, or cannot be read.
    """
    with _file_errors(path, hint):
        _require_file(os.stat(path))  # before it is opened: opening a device may do something
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY), "rb") as file:
            _require_file(os.fstat(file.fileno()))
            content = file.read(limit + 1)
        if len(content) > limit:
            raise OSError(errno.EFBIG, f"larger than {limit:,} bytes, which no such file is")
        return content


def open_to_append(path: str, *, hint: str = "") -> TextIO:
    """Open a file to write at its end; it is made where it is missing.

    Args:
        path: as the user wrote it.
        hint: of every error.

    Raises:
        SettingsError: it is no file, cannot be written, or a file or link of somebody else in a sticky folder.
    """
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_NOCTTY
    with _file_errors(path, hint):
        require_safe_place(path)
        if not os.path.islink(path):  # one of our own there is followed; a new one of somebody else is not
            flags |= os.O_NOFOLLOW
        file = open(os.open(path, flags, 0o666), "a", encoding="utf-8", errors="backslashreplace")  # noqa: SIM115
        try:
            status = os.fstat(file.fileno())
            _require_file(status)
            _require_own(status, os.stat(os.path.dirname(os.path.realpath(path))))
        except OSError:
            file.close()
            raise
        return file


def require_safe_place(path: str) -> None:
    """Make sure that a path to write to is a file or free, and that no other user's link leads to it.

    Raises:
        OSError: it is something else, or a link or file of somebody else in a sticky folder.
    """
    _require_own_links(path)
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return
    _require_file(status)
    _require_own(status, os.stat(os.path.dirname(os.path.realpath(path))))


def what_others_may(path: str) -> str:
    """What every user of this machine may do with a file, as far as its own mode says: read, change, or nothing."""
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return ""
    allowed = {"read": mode & stat.S_IROTH, "change": mode & stat.S_IWOTH}
    return " and ".join(verb for verb, bit in allowed.items() if bit)


def distrust(path: str) -> str:
    """Why another user may have written a file or folder that was found by itself; empty where none can have.

    Raises:
        OSError: it cannot be looked at.
    """
    status = os.stat(path)
    if status.st_uid not in (0, os.geteuid()):
        return f"{path} belongs to user {status.st_uid}, neither to this one nor to root"
    return f"every user of this machine may write to {path}" if status.st_mode & stat.S_IWOTH else ""


@contextmanager
def _file_errors(path: str, hint: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SettingsError(f"{path}: {reason}", hint=hint) from None


def _require_file(status: os.stat_result) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(status.st_mode):
        what = _OTHER_TYPES.get(stat.S_IFMT(status.st_mode), "something else")
        raise OSError(errno.EINVAL, f"it is {what}, and a file is due")


def _require_own(status: os.stat_result, folder: os.stat_result) -> None:
    """Raise for another user's file in a sticky folder, and for one with a second name: that may be one of ours."""
    if folder.st_mode & _STICKY_FOR_ALL != _STICKY_FOR_ALL:
        return
    if status.st_uid not in (os.geteuid(), folder.st_uid) or status.st_nlink > 1:
        raise PermissionError(errno.EACCES, "somebody else may have put this file into a folder that is everybody's")


def _require_own_links(path: str) -> None:
    """Raise for a symbolic link of somebody else in a sticky folder, anywhere on the way to a file."""
    left, at, links = os.path.join(os.getcwd(), path).split("/"), "/", 0
    while left:
        name = left.pop(0)
        if name in ("", ".", ".."):
            at = os.path.dirname(at) if name == ".." else at  # of a real folder: links are replaced as they come
            continue
        here = os.path.join(at, name)
        try:
            mode, owner = (status := os.lstat(here)).st_mode, status.st_uid
        except FileNotFoundError:
            return
        if not stat.S_ISLNK(mode):
            at = here
            continue
        folder = os.stat(at)
        if folder.st_mode & _STICKY_FOR_ALL == _STICKY_FOR_ALL and owner not in (os.geteuid(), folder.st_uid):
            raise PermissionError(errno.EACCES, f"{here} is a link of somebody else in a folder that is everybody's")
        links += 1
        if links > _MOST_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        target = os.readlink(here)
        left, at = target.split("/") + left, "/" if target.startswith("/") else at
