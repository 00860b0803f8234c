"""The folders of a store, and the files in those of its objects.

None of them is a link, which could lead out of the mirror. What has another kind of name is other people's, and is left
alone.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from dci_downloader.errors import SettingsError
from dci_downloader.mirror.disk_errors import disk_errors
from dci_downloader.mirror.files import LINK_HINT, check_folder, make_folder, make_root
from dci_downloader.mirror.object_names import is_digest
from dci_downloader.mirror.reading import open_listed

_OBJECT_FOLDER = re.compile(r"[0-9a-f]{2}")


class StoreFolders:
    """The folders of a store.

    Args:
        root: ``DEST/.dci-downloader``.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.objects = root / "objects"
        self.partials = root / "partial"
        self.damaged = root / "damaged"
        self.unflushed = root / "unflushed"
        self.unsure = root / "unsure"
        self.candidate_files = root / "candidates"
        self._needed = (self.root, self.objects, self.partials, self.damaged, self.unflushed)
        self._all = (*self._needed, self.unsure, self.candidate_files)

    def prepare(self) -> None:
        """Make the folders that every run needs. Safe to repeat.

        The others are made when something goes there: a full disk may have no room for them, and prune makes it.

        Raises:
            SettingsError: something else is in the way, or the place cannot be written to.
        """
        check_folder(self.root.parent, links=True)
        make_root(self.root.parent)
        for folder in self._needed:
            make_folder(folder)
        for folder in self._object_folders():
            make_folder(folder)
        self.check()

    def check_links(self) -> None:
        """Make sure that no folder of the store is a link, which could lead out of the mirror. No side effect.

        Raises:
            SettingsError: one is, or is no folder at all, or cannot be read.
        """
        for folder in self._all:
            with disk_errors(folder), suppress(FileNotFoundError):
                if not stat.S_ISDIR(os.lstat(folder).st_mode):
                    raise SettingsError(f"{folder} is not a folder", hint=LINK_HINT)
        self._object_folders()

    def check(self, *, writing: bool = True) -> None:
        """Raise what :meth:`prepare`, and writing after it, would raise. No side effect.

        Args:
            writing: whether this user has to be allowed to write there.
        """
        check_folder(self.root.parent, links=True, writing=writing)
        for folder in self._all:
            check_folder(folder, writing=writing)
        if os.access(self.objects, os.R_OK | os.X_OK):
            self._object_folders()

    def object_names(self) -> Iterator[str]:
        """The digest of every object. Other files beside them are passed by."""
        for folder in self._object_folders():
            yield from _digests_in(folder)

    def unsure_names(self) -> list[str]:
        """The digests of what recovery has moved aside and nobody has hashed yet."""
        return list(_digests_in(self.unsure))

    def _object_folders(self) -> list[Path]:
        """The folders in ``objects/``; what is not named like one of them is other people's, and passed by.

        Raises:
            SettingsError: something else has the name of one: following a link could lead out of the mirror.
        """
        folders = []
        with disk_errors(self.objects), suppress(FileNotFoundError), os.scandir(self.objects) as items:
            for item in items:
                if _OBJECT_FOLDER.fullmatch(item.name):
                    if not item.is_dir(follow_symlinks=False):
                        raise SettingsError(f"{item.path} is not a folder of objects", hint="move it aside")
                    folders.append(Path(item.path))
        return sorted(folders)


def _digests_in(folder: Path) -> Iterator[str]:
    """The names of the regular files in a folder, where there is one, that are digests."""
    with disk_errors(folder), suppress(FileNotFoundError), open_listed(folder) as fd, os.scandir(fd) as items:
        yield from (item.name for item in items if is_digest(item.name) and item.is_file(follow_symlinks=False))
