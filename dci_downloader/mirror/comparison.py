"""Compare a tree with its manifest: what stat(2) tells about it, without reading content.

What decides is whether the content and the names are there. That a file is no link to its object, as in a copy of a
mirror, or has another mode, as after a restore, is no damage: the next sync puts it right.
"""

from __future__ import annotations

import os
import stat
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple, Optional

from dci_downloader.mirror.digests import FOLDER
from dci_downloader.mirror.native import native, text_of
from dci_downloader.mirror.permissions import FOLDER_MODE
from dci_downloader.models import FileEntry, Manifest

_KIND_AND_MODE = 0o170000 | 0o444 | 0o022  # S_IFMT, who may read, who else may write
FORBIDDEN = "a file that this user may not read"
"""What is found where this user may not look: no damage to remember."""
_RIGHT = stat.S_IFREG | 0o444
"""A regular file that everybody may read and only its owner write, in the bits above."""


class Damage(NamedTuple):
    """Something in a version that is not as its manifest says.

    Attributes:
        path: relative to the component.
        expected: what should be there: a digest, a size, a folder or the target of a link.
        found: what is there.
    """

    path: str
    expected: str
    found: str


class TreeState(NamedTuple):
    """How a tree differs from its manifest, as far as stat(2) tells.

    Attributes:
        damages: what is missing, or cannot be what it should be.
        unlinked: paths of files that are neither links to their objects nor recorded as copies of them. They have the
            right size; what they hold, only reading tells.
        modes: paths of files and folders that not everybody may read, or files that others than their owner may
            write; the tree itself is ``.``. Other mode bits are not compared: some file systems do not let us choose.
        respelled: paths of symbolic links that lead where they should, written in another way, as tools that copy do.
    """

    damages: tuple[Damage, ...]
    unlinked: tuple[str, ...]
    modes: tuple[str, ...]
    respelled: tuple[str, ...] = ()

    @property
    def intact(self) -> bool:
        """Whether nothing is to be put right."""
        return not (self.damages or self.unlinked or self.modes or self.respelled)


def inspect(root: Path, manifest: Manifest, objects: str, copies: frozenset[str]) -> TreeState:
    """Compare a tree with its manifest by names and stat(2) alone: folders, inodes, sizes, modes, targets of links.

    Nothing is looked at through a symbolic link that stands in a folder's place. What it costs follows from the tree,
    not from how many other objects there are.

    Args:
        root: the tree.
        manifest: what should be there.
        objects: ``objects/`` of the store; empty where it does not matter whether files are links to their objects.
        copies: the paths that are not links to their objects.
    """
    inspection = _Inspection(str(root), objects, copies)
    by_folder: defaultdict[str, list[FileEntry]] = defaultdict(list)
    for entry in manifest.files:
        by_folder[entry.path.rpartition("/")[0]].append(entry)
    inspection.folders(_with_those_above([*by_folder, *(link.path.rpartition("/")[0] for link in manifest.symlinks)]))
    inspection.files(by_folder)
    respelled: list[str] = []
    for path, destination in manifest.symlinks:
        target = inspection.target(path)
        if target != destination and _leads_there(root, path, target, destination):
            respelled.append(path)
        elif target != destination:
            inspection.damages.append(Damage(path, f"link to {destination}", target))
    return TreeState(tuple(inspection.damages), tuple(inspection.unlinked), tuple(inspection.modes), tuple(respelled))


def _leads_there(root: Path, path: str, target: str, destination: str) -> bool:
    """Whether a link leads where it should though it is written otherwise: ``./x``, ``x/``, or absolute."""
    if not target.startswith("/"):
        return _steps(target) == _steps(destination)
    inside = _steps(os.path.normpath(f"{os.path.dirname(path)}/{destination}"))
    return _steps(target) in ([*_steps(text_of(at)), *inside] for at in (os.path.abspath(root), os.path.realpath(root)))


def _steps(path: str) -> list[str]:
    return [step for step in path.split("/") if step not in ("", ".")]


class _Inspection:
    """One inspection; see :class:`TreeState`."""

    def __init__(self, root: str, objects: str, copies: frozenset[str]) -> None:
        self._root = root
        self._objects = objects
        self._copies = copies
        self._blocked: tuple[str, ...] = ()
        self._closed: tuple[str, ...] = ()
        self.damages: list[Damage] = []
        self.unlinked: list[str] = []
        self.modes: list[str] = []

    def folders(self, folders: Iterable[str]) -> None:
        """Look at folders, each after the one it is in."""
        for folder in sorted(folders):
            if self._below_blocked(folder):
                continue
            status = self._status(folder)
            if status is None or not stat.S_ISDIR(status.st_mode):
                if self._nothing(folder) != FORBIDDEN:  # else the files in it say so
                    self.damages.append(Damage(folder or ".", "a folder", "nothing" if status is None else "no folder"))
                self._blocked += (f"{folder}/" if folder else "",)
            elif status.st_mode & FOLDER_MODE != FOLDER_MODE:
                self.modes.append(folder or ".")
                if not os.access(f"{self._root}/{native(folder)}", os.R_OK | os.X_OK):
                    self._closed += (f"{folder}/" if folder else "",)

    def files(self, by_folder: Mapping[str, Iterable[FileEntry]]) -> None:
        """Look at every file."""
        rest: list[FileEntry] = []
        with _opened(self._objects) as objects:
            for folder, entries in by_folder.items():
                rest += entries if objects is None else self._not_right(folder, entries, objects)
        for entry in sorted(rest):
            self._file(entry)

    def _not_right(self, folder: str, entries: Iterable[FileEntry], objects: int) -> Iterator[FileEntry]:
        """The entries of a folder that may not be their objects, or about which something may be wrong.

        Listing a folder gives the inodes of all its files, so that stat(2) is asked for objects alone. Where an inode
        is another one, nothing is said yet: an overlay numbers them otherwise in a folder than stat(2) does.
        """
        device, inodes = self._listing(folder)
        inode_of, lstat = inodes.get, os.lstat  # each is looked up fifty thousand times
        name_begin = len(folder) + 1 if folder else 0
        for entry in entries:
            path, sha256, size = entry
            try:
                status = lstat(f"{sha256[:2]}/{sha256}", dir_fd=objects)
            except OSError:
                yield entry
                continue
            if (
                status.st_ino != inode_of(path[name_begin:])
                or status.st_size != size
                or status.st_mode & _KIND_AND_MODE != _RIGHT
                or status.st_dev != device
            ):
                yield entry

    def _listing(self, folder: str) -> tuple[int, dict[str, int]]:
        """The device of a folder, and the inodes of what is in it by their names; none where it cannot be read."""
        path = f"{self._root}/{native(folder)}"
        if not self._below_blocked(f"{folder}/"):
            with suppress(OSError), os.scandir(path) as items:
                return os.lstat(path).st_dev, {item.name: item.inode() for item in items}
        return 0, {}

    def _file(self, entry: FileEntry) -> None:
        """Look at one file more closely."""
        path, sha256, size = entry
        status = self._status(path)
        if status is None:
            self.damages.append(Damage(path, f"sha256 {sha256}", self._nothing(path)))
        elif not stat.S_ISREG(status.st_mode):
            self.damages.append(Damage(path, f"sha256 {sha256}", "not a regular file"))
        elif status.st_size != size:
            self.damages.append(Damage(path, f"{size} bytes", f"{status.st_size} bytes"))
        else:
            if self._objects and path not in self._copies and not self._is_object(sha256, status):
                self.unlinked.append(path)
            if status.st_mode & _KIND_AND_MODE != _RIGHT:
                self.modes.append(path)

    def _is_object(self, sha256: str, status: os.stat_result) -> bool:
        try:
            return os.path.samestat(os.lstat(f"{self._objects}/{sha256[:2]}/{sha256}"), status)
        except OSError:
            return False

    def target(self, path: str) -> str:
        """Where a symbolic link leads."""
        try:
            if not self._below_blocked(path):
                return text_of(os.readlink(f"{self._root}/{native(path)}"))
        except OSError:
            pass
        return self._nothing(path)

    def _nothing(self, path: str) -> str:
        """What is found where nothing can be seen."""
        return FORBIDDEN if path.startswith(self._closed) else "nothing"

    def _status(self, path: str) -> Optional[os.stat_result]:
        if self._blocked and self._below_blocked(path):
            return None
        try:
            return os.lstat(f"{self._root}/{native(path)}" if path else self._root)  # a slash would follow a link
        except OSError:
            return None

    def _below_blocked(self, path: str) -> bool:
        return path.startswith(self._blocked)


def folders_of(manifest: Manifest) -> set[str]:
    """The folders that files and links of a manifest need, those above them included; the tree itself is empty text."""
    return _with_those_above({path.rpartition("/")[0] for path in paths_of(manifest)})


def _with_those_above(folders: Iterable[str]) -> set[str]:
    above = {""}
    for folder in folders:
        while folder not in above:
            above.add(folder)
            folder = folder.rpartition("/")[0]
    return above


@contextmanager
def _opened(folder: str) -> Iterator[Optional[int]]:
    """A folder to look below, which takes less time than whole paths; None where there is none to be opened."""
    fd = None
    with suppress(OSError):
        fd = os.open(folder, FOLDER) if folder else None
    try:
        yield fd
    finally:
        if fd is not None:
            os.close(fd)


def paths_of(manifest: Manifest) -> Iterator[str]:
    """The paths of all files and links of a manifest."""
    yield from (entry.path for entry in manifest.files)
    yield from (link.path for link in manifest.symlinks)


def extras(root: Path, manifest: Manifest) -> Iterator[Damage]:
    """What is in a tree and not in its manifest: files, links, and folders without any file of it."""
    listed = set(paths_of(manifest))
    folders = folders_of(manifest)
    prefix = f"{root}/"
    for parent, subfolders, files in os.walk(root):
        relative = text_of(parent[len(prefix) :])
        for name in sorted(text_of(name) for name in (*subfolders, *files)):
            path = f"{relative}/{name}" if relative else name
            if path not in listed and (path not in folders or os.path.islink(prefix + native(path))):
                yield Damage(path, "nothing", "something that is not in the manifest")
