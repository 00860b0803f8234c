"""Reads the files of a mirror in a folder of this machine. Nothing is written there, and no link is followed."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Optional

from dci_downloader.errors import SettingsError
from dci_downloader.mirror.digests import FOLDER, descend
from dci_downloader.mirror.native import native
from dci_downloader.mirror.reading import read_open

_GONE = {errno.ENOENT, errno.ENOTDIR}


class FolderReader:
    """The files of a mirror that tell what it holds.

    Args:
        root: of the mirror; may be a link to it.

    Attributes:
        address: for people.
    """

    def __init__(self, root: Path) -> None:
        self.address = str(root)
        self._root = root

    def close(self) -> None:
        """Do nothing."""

    def read(self, path: str, limit: int) -> Optional[bytes]:
        """The content of a file; None where there is none.

        Args:
            path: relative to the mirror, as text.
            limit: the most bytes to read.

        Raises:
            SettingsError: the folder is not there, or the file cannot be read.
        """
        try:
            root = os.open(self._root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise SettingsError(
                f"{self._root}: {error.strerror}", hint="--from names the folder of a mirror: is it mounted?"
            ) from None
        folders, _, name = path.rpartition("/")
        try:
            folder = descend(os.open(".", FOLDER, dir_fd=root), map(native, folders.split("/")))
            try:
                return read_open(native(name), limit, folder)
            finally:
                os.close(folder)
        except OSError as error:
            if error.errno in _GONE:
                return None
            raise SettingsError(
                f"{self._root}/{path}: {error.strerror}", hint="let this user read that mirror; is its disk in order?"
            ) from None
        finally:
            os.close(root)
