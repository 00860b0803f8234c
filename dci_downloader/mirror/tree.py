"""The tree of a version: hard links to objects, and the manifest's symbolic links.

Where a hard link is not possible (another file system, too many links, a file system without them) the file is a
reflink, or else a copy. A tree is built under a name that nobody reads, and never edited afterwards.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
from collections.abc import Callable, Iterable
from itertools import groupby
from pathlib import Path
from typing import NamedTuple, Optional

from dci_downloader.errors import IntegrityError, SettingsError
from dci_downloader.mirror.comparison import folders_of, inspect, paths_of
from dci_downloader.mirror.digests import FOLDER
from dci_downloader.mirror.disk_errors import disk_errors
from dci_downloader.mirror.files import exchange, flush_file_system, make_symlink, write_all
from dci_downloader.mirror.folders import open_below
from dci_downloader.mirror.modes import put_modes_right
from dci_downloader.mirror.native import native
from dci_downloader.mirror.permissions import GROUP_FOLDER_MODE, make_readable, set_mode
from dci_downloader.mirror.removal import remove_tree
from dci_downloader.models import FileEntry, Manifest

_NO_LINK = {
    errno.EMLINK,
    errno.EPERM,
    errno.EXDEV,
    errno.EOPNOTSUPP,
    errno.ENOSYS,
    errno.EINVAL,
}
_FICLONE = 0x40049409
_READ_SIZE = 1 << 20

ObjectPath = Callable[[str], str]
"""Gives the path of the object of a digest."""


class BuildResult(NamedTuple):
    """Which files of a tree are not hard links.

    Attributes:
        copies: their paths.
        reason: why they are copies; empty where there are none.
    """

    copies: frozenset[str]
    reason: str


def build(root: Path, manifest: Manifest, object_path: ObjectPath) -> BuildResult:
    """Build a tree in a folder that does not exist yet. After a failure the caller removes what is there of it.

    Copies are on disk when this returns, wherever they are: a flush of the store does not reach another file system.

    Args:
        root: the folder to make.
        manifest: files and links of the tree.
        object_path: gives the path of the object of a digest.

    Raises:
        IntegrityError: a path leads out of the tree or is listed twice, or an object is missing or is to be copied and
            is damaged.
        DiskFullError: no room.
        SettingsError: the file system cannot hold the tree.
    """
    with disk_errors(root):
        _make_folders(root, manifest)
        building = _Building(root, object_path)
        try:
            for folder, entries in groupby(manifest.files, lambda entry: entry.path.rpartition("/")[0]):
                building.files(folder, entries)
            for link in manifest.symlinks:  # after the files, so that nothing is ever written through one
                make_symlink(native(link.destination), f"{root}/{native(link.path)}")
        finally:
            building.close()
        if building.copies:
            flush_file_system(root)
        _check(root, manifest)
    return BuildResult(frozenset(building.copies), building.reason)


def _make_folders(root: Path, manifest: Manifest) -> None:
    absolute = {path for path in paths_of(manifest) if path.startswith("/")}
    for folder in sorted(folders_of(manifest) | absolute):  # each after the one it is in
        if folder and not {"", ".", ".."}.isdisjoint(folder.split("/")):
            raise IntegrityError(f"{folder}: leads out of its version", hint="nothing was written there")
        path = f"{root}/{native(folder)}"
        try:
            os.mkdir(path, GROUP_FOLDER_MODE)
        except FileExistsError:
            if not folder:
                raise
            raise _taken_error(folder) from None  # each comes once
        make_readable(path, made=True)


def _taken_error(path: str) -> SettingsError:
    """The error for a path whose name the file system takes for that of another one, of another case for example."""
    return SettingsError(
        f"{path}: this file system takes that for another path of this build",
        hint="choose a destination on one that tells upper from lower case",
    )


def _check(root: Path, manifest: Manifest) -> None:
    """Make sure that what was linked are files of the right size that everybody can read.

    Objects of a restored mirror may have other modes, and those who may write to the mirror may have put anything in
    an object's place.
    """
    state = inspect(root, manifest, "", frozenset())
    damaged = {damage.path for damage in state.damages}
    if state.modes:
        damaged |= put_modes_right(root, manifest, state.modes).damaged
    if damaged:
        raise IntegrityError(
            f"{min(damaged)}: its content in the store is damaged", hint="dci-downloader verify DEST --repair"
        )


class _Building:
    """The files of a tree that is being built; each is made below an open descriptor of its folder."""

    def __init__(self, root: Path, object_path: ObjectPath) -> None:
        self._root = os.open(root, FOLDER)
        self._object_path = object_path
        self.copies: set[str] = set()
        self.reason = ""

    def close(self) -> None:
        os.close(self._root)

    def files(self, folder: str, entries: Iterable[FileEntry]) -> None:
        """Link the files of a folder, or copy them."""
        fd = open_below(self._root, folder)
        try:
            for entry in entries:
                self._file(fd, entry)
        finally:
            os.close(fd)

    def _file(self, folder: int, entry: FileEntry) -> None:
        """Link one file into an open folder, or copy it where no hard link can be made."""
        source, name = self._object_path(entry.sha256), native(entry.path.rpartition("/")[2])
        try:
            os.link(source, name, dst_dir_fd=folder, follow_symlinks=False)  # an object is never a link
        except FileNotFoundError:
            raise IntegrityError(
                f"{entry.path}: its content {entry.sha256} is not in the store", hint="run again"
            ) from None
        except FileExistsError:
            if name not in os.listdir(f"/proc/self/fd/{folder}"):
                raise _taken_error(entry.path) from None
            raise IntegrityError(f"{entry.path}: stands twice in its manifest", hint="report it") from None
        except OSError as error:
            if error.errno not in _NO_LINK:
                raise
            self.reason = error.strerror or str(error)
            if not copy_file(source, name, entry.sha256, folder):
                raise IntegrityError(
                    f"{entry.path}: its content in the store is damaged", hint="dci-downloader verify DEST --repair"
                ) from error
            self.copies.add(entry.path)


def copy_file(source: str, target: str, sha256: str, folder: Optional[int] = None) -> bool:
    """Copy a file, by reflink where the file system can, and make the copy read-only once its content is known.

    Until then only its owner may read it, so that a wrong file in the source's place is not shown to others.

    Args:
        source: a regular file; a link is not followed.
        target: must not exist.
        sha256: the digest that the content should have.
        folder: an open folder that the target is relative to; None for the working folder.

    Returns:
        Whether the content is right; if not, there is no copy.
    """
    reader = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        writer = os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=folder)
        try:
            right = _copy(reader, writer) == sha256
            if right:
                set_mode(writer, 0o444)
        except BaseException:
            os.unlink(target, dir_fd=folder)
            raise
        finally:
            os.close(writer)
        if not right:
            os.unlink(target, dir_fd=folder)
    finally:
        os.close(reader)
    return right


def _copy(reader: int, writer: int) -> str:
    """Copy an open file to another; gives the digest of what was written."""
    try:
        fcntl.ioctl(writer, _FICLONE, reader)
        shared = True
    except OSError:  # this file system shares no blocks
        shared = False
    digest = hashlib.sha256()
    while chunk := os.read(writer if shared else reader, _READ_SIZE):
        digest.update(chunk)
        if not shared:
            write_all(writer, chunk)
    return digest.hexdigest()


def put_in_place(new: Path, path: Path) -> bool:
    """Give a finished file, link or folder its final name, whatever has that name now.

    A folder in its place is exchanged for it in one step. Where kernel or file system cannot exchange two names, there
    is nothing under the final name between two renames.

    Returns:
        Whether there was a folder; it is now under the name ``new``, for the caller to remove.
    """
    if path.is_symlink() or not path.is_dir():  # rename(2) replaces everything but a folder
        os.rename(new, path)
        return False
    if not exchange(new, path):
        aside = new.with_name(new.name + "-aside")
        try:
            os.rename(path, aside)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            remove_tree(path)  # a folder of an overlay's lower layer cannot be moved, only removed where it is
            os.rename(new, path)
            return False
        try:
            os.rename(new, path)
        except BaseException:  # a signal may interrupt here, too
            os.rename(aside, path)
            raise
        os.rename(aside, new)
    return True
