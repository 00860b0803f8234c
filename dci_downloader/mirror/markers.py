"""Markers: which runs have written objects that may not have reached the disk.

    unflushed/<random name>      holds the id of the boot that the run began under

A run writes its marker, durably, before its first object, and removes it after a flush. A marker of another boot means
that the machine stopped in between. Objects are flushed together, not one by one: one syncfs(2) for 50,000 files takes
a second, as many fsync(2) take minutes.
"""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path
from typing import Optional

from dci_downloader.mirror.disk_errors import disk_errors
from dci_downloader.mirror.files import remove_file, replace_atomically
from dci_downloader.mirror.reading import read_file

_NAME = re.compile(r"[0-9a-f]{16}")
_MAX_SIZE = 4096  # bytes


class Markers:
    """The markers of one store, and the one of this run. For one thread at a time.

    Args:
        folder: ``unflushed/`` of the store.
        boot: what identifies this boot; where it is empty, every marker counts as one of another boot.
        own: the path of the marker that another process of the same run has written; empty for none.
    """

    def __init__(self, folder: Path, boot: str, own: str = "") -> None:
        self.folder = folder
        self._boot = boot
        self._own = own

    def write(self) -> str:
        """Write this run's marker where there is none yet, and give its path."""
        if not self._own:
            path = self.folder / secrets.token_hex(8)
            replace_atomically(path, self._boot.encode(), durable=True)
            self._own = str(path)
        return self._own

    def detach(self) -> str:
        """Give up this run's marker, for the caller to remove after a flush; the next write makes another.

        Returns:
            Its path; empty where there is none.
        """
        own, self._own = self._own, ""
        return own

    def from_other_boot(self) -> bool:
        """Whether a run of another boot, or of an unknown one, left a marker."""
        with disk_errors(self.folder):
            for path in self._paths():
                if not self._boot or self._read(path) not in (None, self._boot.encode()):
                    return True
        return False

    def left(self) -> list[Path]:
        """The markers of all runs."""
        with disk_errors(self.folder):
            return self._paths()

    def remove_all(self) -> None:
        """Remove every marker. Only after a flush, under the store's exclusive lock."""
        for path in self._paths():
            remove_file(path)

    def _read(self, path: Path) -> Optional[bytes]:
        """The boot that a marker names; empty where it cannot be read, None where another run removed it just now."""
        try:
            return read_file(path, _MAX_SIZE)
        except FileNotFoundError:
            return None
        except OSError:
            return b""

    def _paths(self) -> list[Path]:
        """The markers; whatever else is there is not ours."""
        if self.folder.is_symlink() or not self.folder.is_dir():
            return []
        with os.scandir(self.folder) as items:
            own = (item for item in items if _NAME.fullmatch(item.name) and item.is_file(follow_symlinks=False))
            return sorted(Path(item.path) for item in own)
