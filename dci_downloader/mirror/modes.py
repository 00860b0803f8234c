"""Put the modes of a tree right: read-only files that everybody may read, in folders that everybody may enter."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Optional

from dci_downloader.errors import IntegrityError
from dci_downloader.mirror.digests import FOLDER, sha256_open
from dci_downloader.mirror.folders import open_below
from dci_downloader.mirror.native import native
from dci_downloader.mirror.permissions import UNCHANGEABLE, chmod_open, make_readable
from dci_downloader.models import Manifest

_FILE_MODE = 0o444


class ModeChanges(NamedTuple):
    """What :func:`put_modes_right` did.

    Attributes:
        changed: how many files and folders have another mode now.
        damaged: paths of files that only their owner may read, and that hold another content than they should.
    """

    changed: int
    damaged: frozenset[str]


def put_modes_right(root: Path, manifest: Manifest, paths: Iterable[str]) -> ModeChanges:
    """Give files and folders of a tree their modes again. Safe to repeat.

    Nothing is done through a symbolic link, and nothing to other people's files.

    Args:
        root: the tree.
        manifest: what it should hold.
        paths: of files and folders, as ``TreeState.modes`` lists them.
    """
    digests = {entry.path: entry.sha256 for entry in manifest.files}
    changed = 0
    damaged = set()
    for path in sorted(paths, key=lambda path: (path in digests, path)):  # folders first, outer ones before inner ones
        if path not in digests:
            changed += make_readable(root if path == "." else f"{root}/{native(path)}")
            continue
        mode_set = _file(root, path, digests[path])
        changed += mode_set is True
        if mode_set is None:
            damaged.add(path)
    return ModeChanges(changed, frozenset(damaged))


def _file(root: Path, path: str, sha256: str) -> Optional[bool]:
    """Give a file its mode again: whether it was changed; None where its content is wrong."""
    try:
        with _opened(root, path) as fd:
            return make_read_only(fd, sha256)
    except OSError:
        return False  # gone or replaced since: for the next inspection
    except IntegrityError:
        return None


@contextmanager
def _opened(root: Path, path: str) -> Iterator[int]:
    """A file of a tree as an O_PATH descriptor, for a block; no link on the way is followed."""
    folder, _, name = path.rpartition("/")
    top = os.open(root, FOLDER)
    try:
        below = open_below(top, folder)
    finally:
        os.close(top)
    try:
        fd = os.open(native(name), os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=below)
    finally:
        os.close(below)
    try:
        yield fd
    finally:
        os.close(fd)


def make_read_only(fd: int, sha256: str) -> bool:
    """Give a file its mode again: read-only, for all. Safe to repeat.

    Args:
        fd: of the file, opened by O_PATH and O_NOFOLLOW.
        sha256: the digest that its content should have.

    Returns:
        Whether that was done; not to other people's files.

    Raises:
        IntegrityError: others may not read it now, and it holds another content, which they must not see.
    """
    mode = os.fstat(fd).st_mode
    if not stat.S_ISREG(mode):
        return False
    try:
        if mode & _FILE_MODE != _FILE_MODE:
            chmod_open(fd, 0o400)
            if stat.S_IMODE(os.fstat(fd).st_mode) != 0o400:
                return False  # this file system only says that it has modes
            reader = os.open(f"/proc/self/fd/{fd}", os.O_RDONLY | os.O_CLOEXEC)
            try:
                if sha256_open(reader) != sha256:
                    raise IntegrityError(f"{sha256}: its file holds another content")
            finally:
                os.close(reader)
        chmod_open(fd, _FILE_MODE)
    except OSError as error:
        if error.errno not in UNCHANGEABLE:
            raise
        return False
    return stat.S_IMODE(os.fstat(fd).st_mode) == _FILE_MODE
