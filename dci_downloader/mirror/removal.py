"""Removal of folders with all they hold.

* It never leaves the file system it began on: what is mounted below stays, and so does everything under it. A bind
  mount of the same device counts, too: the kernel numbers mounts (``mnt_id`` of proc(5)).
* Symbolic links are removed, not followed: every step is taken from an open descriptor of the folder above.
* A folder whose mode keeps even its owner out gets another mode first.
* What cannot be removed stays, and is reported by its own path; that is no reason to stop.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Optional

from dci_downloader.mirror.permissions import chmod_open

_MAX_DEPTH = 200  # an open descriptor for each
_MOUNT_ID = re.compile(r"^mnt_id:\s*(\d+)$", re.MULTILINE)
_MAX_LINES = 5
_MOUNTED = "a file system is mounted there; unmount it, and the next run removes the rest"


def remove_tree(path: Path) -> tuple[str, ...]:
    """Remove a file, a link, or a folder with all it holds, as far as that can be done. Safe to repeat.

    Returns:
        What is left, one line for people for each obstacle; nothing where everything is gone.
    """
    try:
        parent = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return ()
    except OSError as error:
        return (_left(path, error.strerror),)
    try:
        removal = _Removal(parent)
        removal.remove_all(parent, [path.name], str(path.parent), 0)
    finally:
        os.close(parent)
    return tuple(removal.left)


def move_aside(path: Path, aside: Path) -> Path:
    """Take what is to be removed out of its name, so that it is gone from there at once.

    Returns:
        Where it is now: still in its place, where it is a folder of an overlay's lower layer, which cannot be moved.

    Raises:
        OSError: it cannot be moved; EBUSY where a file system is mounted there.
    """
    try:
        os.rename(path, aside)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        return path
    return aside


def leftover_note(left: Sequence[str]) -> tuple[str, ...]:
    """What could not be removed, for people; nothing where that is nothing."""
    lines = tuple(dict.fromkeys(left))
    more = (f"… and {len(lines) - _MAX_LINES} more places",) if len(lines) > _MAX_LINES else ()
    return (*lines[:_MAX_LINES], *more)


def _left(path: object, reason: Optional[str]) -> str:
    return f"{path} could not be removed and stays: {reason}"


_GONE = None
_NOT_EMPTY = ""
"""The reason of a folder that stays because of what it holds: that is reported by its own path, the folder is not."""


class _Removal:
    """One removal.

    Attributes:
        left: one line for each obstacle.
    """

    def __init__(self, parent: int) -> None:
        self.left: list[str] = []
        self._mount = _mount(parent)

    def remove_all(self, folder: int, names: Sequence[str], path: str, depth: int) -> bool:
        """Remove what stands in an open folder under these names; whether all of it is gone."""
        examples: dict[str, str] = {}
        complete = True
        for name in names:
            reason = self._remove(folder, name, f"{path}/{name}", depth)
            complete = complete and reason is _GONE
            if reason:  # one file of a folder that nobody may write to stands for all of them
                examples.setdefault(reason, name)
        self.left += [_left(f"{path}/{name}", reason) for reason, name in examples.items()]
        return complete

    def _remove(self, parent: int, name: str, path: str, depth: int) -> Optional[str]:
        """Remove a file, a link or a folder; the reason why it stays."""
        try:
            if _unlinked(parent, name):
                return _GONE
            try:
                reason = self._empty(parent, name, path, depth)
            except PermissionError as error:  # somebody else's: it goes all the same where nothing is in it
                with suppress(OSError):
                    os.rmdir(name, dir_fd=parent)
                    return _GONE
                return error.strerror
            if reason is _GONE:
                os.rmdir(name, dir_fd=parent)
        except FileNotFoundError:  # somebody else removed it
            return _GONE
        except OSError as error:
            return _MOUNTED if error.errno == errno.EBUSY else error.strerror or str(error)
        return reason

    def _empty(self, parent: int, name: str, path: str, depth: int) -> Optional[str]:
        """Remove what a folder holds; the reason why something of it stays."""
        place = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
        try:
            if _mount(place) != self._mount:
                return _MOUNTED
            if depth == _MAX_DEPTH:
                return "it is nested too deeply"
            mode = os.fstat(place).st_mode
            if mode & 0o700 != 0o700:
                with suppress(PermissionError):  # somebody else's: what cannot go then is reported by its own path
                    chmod_open(place, mode | 0o700)
            fd = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=place)
        finally:
            os.close(place)
        try:
            with os.scandir(fd) as items:
                names = [item.name for item in items]
            return _GONE if self.remove_all(fd, names, path, depth + 1) else _NOT_EMPTY
        finally:
            os.close(fd)


def _unlinked(parent: int, name: str) -> bool:
    """Unlink a file or link; false where it is a folder. A version has many files: none is looked at before."""
    try:
        os.unlink(name, dir_fd=parent)
    except IsADirectoryError:
        return False
    except PermissionError:  # where nothing may be removed from the parent, a folder says no more than a file
        if not stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
            raise
        return False
    return True


def _mount(fd: int) -> tuple[int, str]:
    """What tells the mount of an open folder from others: its device, and its number where /proc tells it."""
    number = ""
    with suppress(OSError), open(f"/proc/self/fdinfo/{fd}", encoding="ascii") as lines:
        match = _MOUNT_ID.search(lines.read())
        number = match[1] if match else ""
    return os.fstat(fd).st_dev, number
