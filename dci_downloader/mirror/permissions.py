"""Who may read and write what the mirror makes: everybody reads, its owner writes, and a group that shares the folder.

Modes are changed on open files and folders: nothing is done through a link that somebody has put in their place.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Union

FOLDER_MODE = 0o755
"""What every folder of a mirror has at the least: web servers and agents read it, as other users."""
GROUP_FOLDER_MODE, GROUP_FILE_MODE = 0o775, 0o664
"""What the umask may leave to a group; nothing is ever made for others to write to."""
UNCHANGEABLE = {errno.EPERM, errno.EACCES, errno.EROFS, errno.EOPNOTSUPP, errno.ENOSYS}
"""What chmod(2) says of somebody else's file, and on file systems that keep no modes."""


def make_readable(path: Union[Path, str], *, made: bool = False) -> bool:
    """Give a folder at least the mode of a mirror's folders again; whether that was needed and possible.

    Args:
        path: of the folder.
        made: whether it has just been made, with a mode that lets its group write: that permission is taken away
            again where no group shares the folder. One that root has made in another user's folder becomes that
            user's own: root may look after a mirror without taking it away from its owner.
    """
    fd = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if made and os.geteuid() == 0:
            _give_to_owner_of_parent(fd)
        mode = os.fstat(fd).st_mode
        wanted = mode | FOLDER_MODE
        if made and not mode & stat.S_ISGID:
            wanted &= ~0o020
        if mode == wanted:
            return False
        try:
            chmod_open(fd, wanted)
        except OSError as error:
            if error.errno not in UNCHANGEABLE:
                raise
            return False
        return stat.S_IMODE(os.fstat(fd).st_mode) == stat.S_IMODE(wanted)
    finally:
        os.close(fd)


def _give_to_owner_of_parent(fd: int) -> None:
    """Give an open folder owner and group of the one that it is in."""
    parent = os.stat("..", dir_fd=fd)
    if parent.st_uid != 0:
        with suppress(OSError):  # a file system without owners
            os.chown(f"/proc/self/fd/{fd}", parent.st_uid, parent.st_gid)


def open_up(path: Path) -> None:
    """Let everybody read a file again, and its owner write, where a chmod or a restore has taken that away.

    Nothing is done to a file that has another name: it may be somebody's own under this one. Nor to other people's.
    """
    with suppress(OSError):
        fd = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            status = os.fstat(fd)
            if stat.S_ISREG(status.st_mode) and status.st_nlink == 1 and status.st_mode & 0o644 != 0o644:
                chmod_open(fd, status.st_mode | 0o644)
        finally:
            os.close(fd)


def shared_mode(folder: Path, mode: int, least: int) -> int:
    """The mode of a new file: ``least``, and where a group shares its folder, what the umask left of the group's part.

    Args:
        folder: of the file.
        mode: of the file as it was made, with ``GROUP_FILE_MODE``.
        least: its permissions otherwise.
    """
    return least | (mode & 0o020 if os.stat(folder).st_mode & stat.S_ISGID else 0)


def chmod_open(fd: int, mode: int) -> None:
    """Change the mode of an open file or folder, even of one that was opened by O_PATH because it may not be read."""
    os.chmod(f"/proc/self/fd/{fd}", stat.S_IMODE(mode))


def set_mode(fd: int, mode: int) -> None:
    """Change the mode of an open file; on file systems that keep none, and of other people's files, it stays."""
    try:
        os.fchmod(fd, stat.S_IMODE(mode))
    except OSError as error:
        if error.errno not in UNCHANGEABLE:
            raise
