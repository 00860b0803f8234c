"""The folders of a mirror: which there are, whose they are, and their modes.

A mirror often is a volume with ``lost+found``, or a place where other people have folders, too: a folder that this user
may not enter and does not own is skipped. One that this user owns and cannot read is an error: versions may be in it.
"""

from __future__ import annotations

import os
import stat
import unicodedata
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from dci_downloader.errors import ManifestError, SettingsError
from dci_downloader.mirror.digests import FOLDER, descend
from dci_downloader.mirror.disk_errors import disk_errors
from dci_downloader.mirror.files import make_folder
from dci_downloader.mirror.native import native, text_of
from dci_downloader.mirror.permissions import chmod_open, make_readable, open_up
from dci_downloader.mirror.version import record_path, type_folder


def real_folders(parent: Path) -> list[Path]:
    """The folders in a folder, sorted, without hidden ones, links, and other people's that may not be entered.

    Args:
        parent: which; none are in it where it does not exist, or is a link.

    Raises:
        SettingsError: it cannot be read.
    """
    return _folders_in(parent, lambda folder: not is_foreign(folder))


def _folders_in(parent: Path, counts: Callable[[Path], bool]) -> list[Path]:
    if parent.name == "lost+found":
        return []
    with disk_errors(parent):
        try:
            if not stat.S_ISDIR(os.lstat(parent).st_mode):
                return []
            with os.scandir(parent) as items:
                folders = [
                    parent / item.name
                    for item in items
                    if not item.name.startswith(".") and item.is_dir(follow_symlinks=False)
                ]
        except (FileNotFoundError, NotADirectoryError):
            return []
    return sorted(filter(counts, folders))


def trees_in(folder: Path) -> list[Path]:
    """The folders in that of a type's versions; of other people's that may not be entered, those with a record.

    Raises:
        SettingsError: it cannot be read.
    """
    return _folders_in(folder, lambda tree: not is_foreign(tree) or os.path.lexists(record_path(tree)))


def make_own_folder(path: Path) -> None:
    """Make a folder as :func:`~dci_downloader.mirror.files.make_folder` does, that is no other one. Safe to repeat.

    Raises:
        SettingsError: something else is in its place, or as :func:`require_own_name` says.
    """
    make_folder(path)
    require_own_name(path)


def require_own_name(path: Path) -> None:
    """Make sure that a folder, where it is there, has its own name. No side effect.

    Raises:
        SettingsError: the file system takes that for the name of another folder, as vfat and exFAT do where only upper
            and lower case differ.
    """
    if not path.is_dir():
        return
    with disk_errors(path.parent):
        names = os.listdir(path.parent)
    if path.name in names:
        return
    for name in names:
        if _composed(name) != _composed(path.name) and _is_same(path.parent / name, path):
            raise SettingsError(
                f"{path}: this file system takes that for {name}, the folder of something else",
                hint="mirror it into another DEST, or onto a file system that tells upper from lower case",
            )


def _composed(name: str) -> str:
    """A name as every file system would spell it: some take accents apart from their letters."""
    return unicodedata.normalize("NFC", text_of(name))


def _is_same(one: Path, other: Path) -> bool:
    """Whether two paths lead to one folder; a file system in user space may give it an inode for each of them."""
    if _composed(one.name).casefold() == _composed(other.name).casefold():
        return True
    with suppress(OSError):
        return os.path.samefile(one, other)
    return False


def is_foreign(folder: Path) -> bool:
    """Whether a folder belongs to somebody else, who does not let this user in."""
    if folder.name == "lost+found":  # of ext2 to ext4: root, who may run this program, can enter it
        return True
    return not os.access(folder, os.R_OK | os.X_OK) and os.lstat(folder).st_uid != os.geteuid()


def component_types(topic: Path) -> tuple[str, ...]:
    """The component types that a topic's folder has versions or published links of, as their folders are named."""
    names = {folder.name for folder in real_folders(topic / ".versions")}
    with suppress(OSError), os.scandir(topic) as items:  # a folder that is not ours is passed by
        links = (item for item in items if item.is_symlink())
        names.update(link.name for link in links if os.readlink(link.path).startswith(f".versions/{link.name}/"))
    return tuple(sorted(filter(_may_be_a_type, map(text_of, names))))


def _may_be_a_type(name: str) -> bool:
    try:
        return type_folder(name) == native(name)
    except ManifestError:
        return False


def mend_folders(topic: Path) -> None:
    """Give folders, records and what stands beside them their modes again in a topic, as far as this user may.

    Safe to repeat. A copy or a restore may have left them so that nobody can read, not even their owner.
    """
    versions = topic / ".versions"
    with disk_errors(topic):
        make_readable(topic)
        with suppress(FileNotFoundError, NotADirectoryError):
            make_readable(versions)
            for folder in real_folders(versions):
                make_readable(folder)
                for pattern in ("*.json", ".*.head", ".*.digests"):
                    for path in folder.glob(pattern):
                        open_up(path)


def open_topics(root: Path) -> None:
    """Let this user into the topics of a mirror that are his own and closed even to him. Safe to repeat.

    A folder that turns out to be no topic is closed again. What cannot be opened stays, for whoever looks into it next.

    Args:
        root: of the mirror.

    Raises:
        SettingsError: the mirror itself cannot be read.
    """
    for folder in real_folders(root):
        with suppress(SettingsError), disk_errors(folder):
            status = os.lstat(folder)
            is_closed = status.st_uid == os.geteuid() and status.st_mode & 0o700 != 0o700
            if is_closed:
                _change_mode(folder, status.st_mode | 0o700)
            if stat.S_ISDIR(_mode(folder / ".versions")):
                mend_folders(folder)
            elif is_closed:
                _change_mode(folder, status.st_mode)


def _mode(path: Path) -> int:
    """The mode of what has this name; 0 where there is nothing, or nobody lets this user look."""
    try:
        return os.lstat(path).st_mode
    except OSError:
        return 0


def _change_mode(folder: Path, mode: int) -> None:
    fd = os.open(folder, FOLDER)
    try:
        chmod_open(fd, mode)
    finally:
        os.close(fd)


def open_below(root: int, folder: str) -> int:
    """Open a folder of a tree, step by step from the tree's own descriptor, without following a link on the way.

    Raises:
        OSError: a step is missing, or is no folder.
    """
    return descend(os.open(".", FOLDER, dir_fd=root), map(native, folder.split("/")) if folder else ())
