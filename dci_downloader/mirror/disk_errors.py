"""Which error of :mod:`dci_downloader.errors` an ``OSError`` of the mirror becomes: decided here, once.

No error that a disk, a file system or its owner can cause is an unexpected one: it names the place and says what to do.
"""

from __future__ import annotations

import errno
import os
import pwd
from pathlib import Path
from shlex import quote
from typing import Optional, Union

from dci_downloader.errors import DiskFullError, DownloaderError, SettingsError

FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}

_INSTALL = "sudo install -d -o $USER"
_FULL = {
    errno.ENOSPC: "make room there and run again: what is complete stays",
    errno.EDQUOT: "ask for a larger quota, or make room, and run again: what is complete stays",
    errno.EFBIG: "raise the limit on the size of a file (ulimit -f), or choose a file system that holds larger ones",
}
NO_ROOM = frozenset(_FULL)
"""The error numbers that become a ``DiskFullError``."""
_READ_ONLY = "choose a destination that this user may write to"
_FORBIDDEN = f"let this user in (where it is his own folder: chmod u+rwx), or {_READ_ONLY}"
_LOST = "the working folder was deleted: cd elsewhere, or name DEST by its whole path"
_IN_THE_WAY = {errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ELOOP, errno.ENOTEMPTY}
_UNSUPPORTED = {errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOTTY}
_OTHERS = {
    errno.EILSEQ: "this file system cannot hold that name: choose another destination",
    errno.ENOENT: "it went away during the run: is somebody else working there?",
    errno.ENAMETOOLONG: "choose a destination with a shorter path; some file systems allow shorter names than others",
    errno.EBUSY: "a file system is mounted there, or it is in use: unmount it, or choose another destination",
    errno.EXDEV: "that is another file system: keep a topic on the file system of its mirror",
    errno.EMLINK: "this file system allows no more links to a file or folder: choose another destination",
    errno.ENOLCK: "this file system offers no locks: mount it with locks (NFS: is rpc.statd running?), or another disk",
    errno.ESTALE: "the network file system lost this file: mount it again, then run again",
    errno.ENOTCONN: "the network file system is not connected: mount it again, then run again",
    errno.ETIMEDOUT: "the network file system does not answer: look at its server, then run again",
    errno.EMFILE: "raise the limit on open files (ulimit -n), or use fewer --connections",
    errno.ENFILE: "this machine has too many files open: end something, then run again",
    errno.EAGAIN: "this user or container may start no more threads and processes: end some, or raise ulimit -u",
    errno.ENOMEM: "this machine is short of memory: end something, then run again",
}


class disk_errors:  # noqa: N801  a context manager, used like a function
    """Turn every ``OSError`` of the block into an error that names the place and says what to do.

    Args:
        where: what the block works on; the error names this, or the file that the system named.

    Raises:
        DiskFullError: no room, no quota, or the file is larger than the process or the file system may have.
        SettingsError: anything else: not permitted, read-only, something else is in the way, a limit of the file
            system, a broken disk.
    """

    __slots__ = ("_where",)

    def __init__(self, where: Union[Path, str]) -> None:
        self._where = where

    def __enter__(self) -> None:
        """Do nothing."""

    def __exit__(self, _: object, error: Optional[BaseException], __: object) -> None:
        if isinstance(error, OSError):
            raise disk_error(error, self._where) from error


def disk_error(error: OSError, where: Union[Path, str]) -> DownloaderError:
    """The error that an ``OSError`` becomes; see :class:`disk_errors`."""
    message = f"{_place(error, where)}: {error.strerror or error}"
    code = error.errno
    if code in _FULL:
        return DiskFullError(message, hint=_FULL[code])
    if code in FORBIDDEN:
        return SettingsError(message, hint=_READ_ONLY if code == errno.EROFS else _FORBIDDEN)
    if code in _IN_THE_WAY:
        return SettingsError(message, hint="something else is in the way: move it aside")
    if code in _UNSUPPORTED:
        hint = "this file system cannot do that, or not with such a name: choose another destination"
        return SettingsError(message, hint=hint)
    if code == errno.ENOENT and not os.path.isabs(where) and _is_lost():
        return SettingsError(message, hint=_LOST)
    return SettingsError(message, hint=_OTHERS.get(code or 0, "look for disk errors in the system's log"))


def _is_lost() -> bool:
    """Whether the working folder was deleted, so that no relative path leads anywhere."""
    try:
        os.getcwd()
    except FileNotFoundError:
        return True
    return False


def destination_error(path: Path, code: int) -> SettingsError:
    """The error of a mirror's folder that cannot be made, or not be written to, and who can change that how."""
    if code == errno.EROFS:
        hint = "its file system is mounted read-only: mount it for writing, or choose another destination"
    elif code == errno.ENOENT:
        hint = "nobody can make a folder there: choose a destination on a disk"
    elif owner := _other_owner(path):
        hint = f"it belongs to user {owner}: run as that one (sudo -u {quote(owner)}), or choose another destination"
    else:
        hint = f"choose another destination, or have this one made for this user: {_INSTALL} {quote(str(path))}"
    return SettingsError(f"{path}: {os.strerror(code)}", hint=hint)


def _other_owner(path: Path) -> str:
    """The user whose folder this is, as sudo takes him; empty where there is none, or it is root's or one's own."""
    try:
        owner = os.stat(path).st_uid
        if owner in (0, os.geteuid()):
            return ""
        return pwd.getpwuid(owner).pw_name
    except OSError:
        return ""
    except KeyError:
        return f"#{owner}"


def _place(error: OSError, where: Union[Path, str]) -> str:
    """The path that the system named, where that is below what the block works on: nearer to the fault."""
    named = error.filename
    return named if isinstance(named, str) and named.startswith(f"{os.fspath(where)}/") else str(where)
