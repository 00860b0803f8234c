"""System calls that the mirror needs, in one place: making folders, replacing files, flushing, reserving room.

* Nothing is written under its final name: a temporary file is filled beside it and renamed (rename(2) is atomic).
* Everybody may read what is made here, whatever the umask: web servers and agents do, as other users.
"""

from __future__ import annotations

import ctypes
import errno
import os
import secrets
import stat
from collections.abc import Iterable
from datetime import datetime, timezone
from pathlib import Path
from typing import Optional, Union

from dci_downloader.errors import SettingsError
from dci_downloader.mirror.disk_errors import destination_error, disk_errors
from dci_downloader.mirror.permissions import GROUP_FILE_MODE, GROUP_FOLDER_MODE, make_readable, set_mode, shared_mode

LINK_HINT = "a folder belongs there: move it aside; to keep it on another disk, mount that there (mount --bind)"

_UNSUPPORTED = {errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP}
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2

_libc = ctypes.CDLL(None, use_errno=True)  # Python offers neither syncfs nor fallocate nor renameat2


def utc_now() -> datetime:
    """Now, in UTC."""
    return datetime.now(timezone.utc)


def boot_id() -> str:
    """What identifies this boot of this machine (random(4)); empty where the kernel does not tell."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def make_folder(path: Path) -> None:
    """Make a folder whose parent exists; one that is there is fine.

    Its owner may do everything, and everybody may read. In a setgid folder, which a group shares, the group may do what
    the umask allows. A folder that was there gets back what its owner and everybody may do, where this user may do so.

    Raises:
        SettingsError: a file or a symbolic link is in its place: following one could lead out of the mirror.
    """
    with disk_errors(path):
        try:
            os.mkdir(path, GROUP_FOLDER_MODE)
            made = True
        except FileExistsError:
            _require_folder(path)
            made = False
        make_readable(path, made=made)


def make_root(path: Path) -> None:
    """Make the folder of a mirror, and those above it; one that is there, or a link to one, is fine.

    Raises:
        SettingsError: this user cannot make it, or not write to it; the hint says who can change that how.
    """
    check_folder(path, links=True)
    with disk_errors(path):
        os.makedirs(path.parent, exist_ok=True)
    if not path.is_dir():
        make_folder(path)


def _require_folder(path: Path) -> None:
    mode = os.lstat(path).st_mode
    if not stat.S_ISDIR(mode):
        if stat.S_ISLNK(mode):
            raise SettingsError(f"{path} is a symbolic link", hint=LINK_HINT) from None
        raise SettingsError(f"{path} is not a folder", hint="a folder belongs there: move it aside") from None


def check_folder(path: Path, *, links: bool = False, writing: bool = True) -> None:
    """Raise what making a folder and its parents, and writing into it, would raise. No side effect.

    Args:
        path: of the folder.
        links: whether a symbolic link to a folder will do.
        writing: whether this user has to be allowed to write there.

    Raises:
        SettingsError: something else is in its place, or the nearest folder that exists may not be written to.
    """
    asked = path
    with disk_errors(path):
        if os.path.lexists(path) and not (links and path.is_dir()):
            _require_folder(path)
        while True:  # up to the nearest folder that exists: what is below it can be made there
            try:
                os.stat(path)
                break
            except FileNotFoundError:
                if path.is_symlink():
                    raise FileExistsError(errno.EEXIST, "a symbolic link that leads nowhere") from None
                path = path.parent
        status = os.stat(path)
        mendable = not links and status.st_uid == os.geteuid() and status.st_mode & 0o300 != 0o300
        if path.parts[:2] in (("/", "proc"), ("/", "sys")):
            raise destination_error(asked, errno.ENOENT)
        if writing and not os.access(path, os.W_OK | os.X_OK) and not mendable:
            code = errno.EROFS if os.statvfs(path).f_flag & os.ST_RDONLY else errno.EACCES
            raise destination_error(asked, code)


def write_all(fd: int, content: bytes) -> None:
    """Write all bytes to an open file: one write(2), and more where that is cut short."""
    written = os.write(fd, content)
    if written < len(content):
        rest = memoryview(content)[written:]
        while rest:
            rest = rest[os.write(fd, rest) :]


def replace_atomically(
    path: Path, content: Union[bytes, Iterable[bytes]], *, durable: bool = False, mode: int = 0
) -> None:
    """Give a file new content so that a reader sees the old or the new, never a part.

    Safe to repeat; leaves nothing behind on failure.

    Args:
        path: of the file.
        content: all of it, or one part after the other; what their making raises leaves the file as it was.
        durable: put it on disk before this returns.
        mode: its permissions, whatever the umask, but for the group's in a folder of a group; 0 leaves them to the
            umask.
    """
    # cut, for a name may be 255 bytes long

    temporary = path.with_name(f".{os.fsdecode(os.fsencode(path.name)[:240])}.{secrets.token_hex(4)}")
    try:
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, GROUP_FILE_MODE)
        try:
            for part in (content,) if isinstance(content, bytes) else content:
                write_all(fd, part)
            if mode:
                set_mode(fd, shared_mode(path.parent, os.fstat(fd).st_mode, mode))
            if durable:  # before the rename: after it, a power cut could leave an empty file under the final name
                os.fsync(fd)
        finally:
            os.close(fd)
        os.rename(temporary, path)
    except BaseException:
        remove_file(temporary)
        raise
    if durable:  # the new name is on disk only with its folder
        flush_folder(path.parent)


def make_symlink(target: str, path: Union[Path, str]) -> None:
    """Make a symbolic link.

    Raises:
        SettingsError: this file system has none.
    """
    try:
        os.symlink(target, path)
    except OSError as error:
        if error.errno in _UNSUPPORTED | {errno.EPERM}:
            raise SettingsError(
                f"{path}: this file system has no symbolic links ({error.strerror})",
                hint="choose a destination on one that has them: what agents read is a link to the newest version",
            ) from error
        raise


def remove_file(path: Union[Path, str]) -> bool:
    """Unlink a file; false where there is none."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return False
    return True


def flush_folder(path: Path) -> None:
    """Put a folder's names on disk (fsync(2)), where the file system can."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:  # CIFS writes names at once
            raise
    finally:
        os.close(fd)


def flush_file_system(path: Path) -> None:
    """Put everything written to a path's file system on disk: one syncfs(2) for any number of files."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _require_success(_libc.syncfs(fd))
    finally:
        os.close(fd)


def preallocate(fd: int, size: int) -> None:
    """Make an empty file ``size`` bytes long, and reserve the room where the file system can.

    Calls fallocate(2), because posix_fallocate(3) writes to every block where the file system cannot.

    Raises:
        OSError: ENOSPC or EDQUOT where there is no room.
    """
    try:
        if size:
            _require_success(_libc.fallocate64(fd, 0, ctypes.c_longlong(0), ctypes.c_longlong(size)))
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
        os.ftruncate(fd, size)


def exchange(one: Path, other: Path) -> bool:
    """Exchange two names atomically (renameat2(2), RENAME_EXCHANGE); false where kernel or file system cannot."""
    try:
        _require_success(
            _libc.renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), ctypes.c_uint(_RENAME_EXCHANGE))
        )
    except OSError as error:
        if error.errno not in _UNSUPPORTED | {errno.EXDEV}:  # an overlay does not move folders of its lower layer
            raise
        return False
    return True


def _require_success(result: int) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def free_bytes(path: Path) -> Optional[int]:
    """Bytes an ordinary user may still write to the file system where ``path`` is, or would be made.

    None where the file system does not say how large it is, as some in user space.
    """
    while not path.exists():  # a dry run asks before anything is made
        path = path.parent
    status = os.statvfs(path)
    return status.f_bavail * status.f_frsize if status.f_blocks else None  # without the blocks reserved for root
