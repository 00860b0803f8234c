"""The tree of a version: hard links to objects, and the manifest's symbolic links.

Where a hard link is not possible (another file system, too many links, a file system without them) the file is a
reflink, or else a copy. A tree is built under a name that nobody reads, and never edited afterwards.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from dci_downloader.errors import IntegrityError
from dci_downloader.mirror.disk_errors import disk_errors
from dci_downloader.mirror.files import exchange
from dci_downloader.models import Manifest

_NO_LINK = {errno.EMLINK, errno.EPERM, errno.EXDEV, errno.EOPNOTSUPP}
_FICLONE = 0x40049409

ObjectPath = Callable[[str], str]
IsObject = Callable[[str, os.stat_result], bool]


class Damage(NamedTuple):
    """Something in a version that is not as its manifest says.

    Attributes:
        path: relative to the component.
        expected: what should be there: a digest, a size, a mode or the target of a link.
        found: what is there.
    """

    path: str
    expected: str
    found: str


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

    Args:
        root: the folder to make.
        manifest: files and links of the tree.
        object_path: gives the path of the object of a digest.

    Raises:
        IntegrityError: a path leads out of the tree or is listed twice, or an object is missing.
        DiskFullError: no room.
    """
    copies = set()
    reason = ""
    with disk_errors(root):
        _make_folders(root, {os.path.dirname(path) for path in _paths(manifest)})
        for entry in manifest.files:
            source, target = object_path(entry.sha256), f"{root}/{entry.path}"
            try:
                os.link(source, target, follow_symlinks=False)  # an object is never a link, whoever made one of it
            except FileNotFoundError:
                raise IntegrityError(
                    f"{entry.path}: its content {entry.sha256} is not in the store", hint="run again"
                ) from None
            except FileExistsError:
                raise IntegrityError(f"{entry.path}: stands twice in its manifest", hint="report it") from None
            except OSError as error:
                if error.errno not in _NO_LINK:
                    raise
                reason = error.strerror or str(error)
                copy_file(source, target)
                copies.add(entry.path)
        for link in manifest.symlinks:  # after the files, so that nothing is ever written through one
            os.symlink(link.destination, f"{root}/{link.path}")
    return BuildResult(frozenset(copies), reason)


def _make_folders(root: Path, folders: Iterable[str]) -> None:
    needed = {""}
    for folder in folders:
        parts = folder.split("/") if folder else []
        if not {"", ".", ".."}.isdisjoint(parts):
            raise IntegrityError(f"{folder}: leads out of its version", hint="nothing was written there")
        needed.update("/".join(parts[:depth]) for depth in range(1, len(parts) + 1))
    for folder in sorted(needed):  # each after the one it is in
        path = f"{root}/{folder}"
        os.mkdir(path)
        os.chmod(path, 0o755)  # noqa: S103  web servers read it, whatever the umask


def copy_file(source: str, target: str) -> None:
    """Copy a file, by reflink where the file system can, and make the copy read-only. The target must not exist."""
    with open(source, "rb") as reader, open(target, "xb") as writer:
        try:
            fcntl.ioctl(writer.fileno(), _FICLONE, reader.fileno())
        except OSError:  # this file system shares no blocks
            shutil.copyfileobj(reader, writer, 1 << 20)
        os.fchmod(writer.fileno(), 0o444)


def _paths(manifest: Manifest) -> Iterator[str]:
    yield from (entry.path for entry in manifest.files)
    yield from (link.path for link in manifest.symlinks)


def extras(root: Path, manifest: Manifest) -> Iterator[Damage]:
    """What is in a tree and not in its manifest: files, links, and folders without any file of it."""
    listed = set(_paths(manifest))
    folders = {""}
    for path in listed:
        while (path := path.rpartition("/")[0]) not in folders:
            folders.add(path)
    prefix = f"{root}/"
    for parent, subfolders, files in os.walk(root):
        relative = parent[len(prefix) :]
        for name in sorted((*subfolders, *files)):
            path = f"{relative}/{name}" if relative else name
            if path not in listed and (path not in folders or os.path.islink(prefix + path)):
                yield Damage(path, "nothing", "something that is not in the manifest")


def differences(
    root: Path, manifest: Manifest, is_object: IsObject, copies: frozenset[str], modes: bool = False
) -> Iterator[Damage]:
    """Compare a tree with its manifest by stat(2) alone: inodes, sizes, targets of links.

    Args:
        root: the tree.
        manifest: what should be there.
        is_object: whether a file with some status is the object of a digest.
        copies: the paths that are not links to their objects.
        modes: include files that not everybody may read, or that others than their owner may write. Other mode bits
            are not compared: on some file systems they cannot be chosen.
    """
    for path, sha256, size in manifest.files:
        try:
            status = os.lstat(f"{root}/{path}")
        except OSError:
            yield Damage(path, f"sha256 {sha256}", "nothing")
            continue
        if not stat.S_ISREG(status.st_mode):
            yield Damage(path, f"sha256 {sha256}", "not a regular file")
        elif status.st_size != size:
            yield Damage(path, f"{size} bytes", f"{status.st_size} bytes")
        elif path not in copies and not is_object(sha256, status):
            yield Damage(path, f"sha256 {sha256}", "another file")
        elif modes and (status.st_mode & 0o444 != 0o444 or status.st_mode & 0o022):
            yield Damage(path, "mode 0444", f"mode {stat.S_IMODE(status.st_mode):04o}")
    for path, destination in manifest.symlinks:
        target = "nothing"
        with suppress(OSError):
            target = os.readlink(f"{root}/{path}")
        if target != destination:
            yield Damage(path, f"link to {destination}", target)


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
        os.rename(path, aside)
        try:
            os.rename(new, path)
        except BaseException:  # a signal may interrupt here, too
            os.rename(aside, path)
            raise
        os.rename(aside, new)
    return True


def remove_tree(path: Path) -> None:
    """Remove a file, a link, or a folder with all it holds; links are not followed. Safe to repeat."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
