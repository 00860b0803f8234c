"""The repositories in a tree: folders with a ``repodata/repomd.xml``, which dnf can read; none is read here.

Few folders are looked into, as composes have them: ``BaseOS/x86_64/os``, ``BaseOS/source/tree``. No link is followed,
and what cannot be read is passed by.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from dci_downloader.mirror.native import text_of
from dci_downloader.mirror.reading import open_listed

_DEPTH = 4
_MOST_FOLDERS = 5000
_PASSED_BY = {"repodata", "Packages", "images", "isolinux", "EFI", "iso", "metadata", "work"}


class Repository(NamedTuple):
    """A folder that dnf can read.

    Attributes:
        path: relative to the tree; empty for the tree itself.
        installable: whether it has a ``.treeinfo``, by which an installer knows it.
    """

    path: str
    installable: bool


def repositories(tree: Path) -> tuple[Repository, ...]:
    """The repositories in a tree, sorted by path; none where a link is in its place."""
    return () if tree.is_symlink() else tuple(sorted(_walk(str(tree))))


def _walk(root: str) -> Iterator[Repository]:
    left = _MOST_FOLDERS
    folders = [("", 0)]
    while folders and left:
        relative, depth = folders.pop()
        left -= 1
        path = os.path.join(root, relative)
        if os.path.isfile(os.path.join(path, "repodata", "repomd.xml")):
            yield Repository(text_of(relative), os.path.isfile(os.path.join(path, ".treeinfo")))
        elif depth < _DEPTH:
            folders += [(os.path.join(relative, name), depth + 1) for name in _folders(path)]


def _folders(path: str) -> list[str]:
    try:
        with open_listed(Path(path)) as folder, os.scandir(folder) as items:
            names = [item.name for item in items if item.is_dir(follow_symlinks=False)]
    except OSError:
        return []
    return [name for name in names if name not in _PASSED_BY]
