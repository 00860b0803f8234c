"""Contents that may be garbage: their digests are written down before the version that held them is removed.

    candidates/<random name>     digests of 32 bytes each

One file for each removed version, so that runs side by side need no lock. A kill in between, or a collection that
another run keeps from happening, loses none. Every candidate is judged before it is removed, so one too many does no
harm; those that a power cut loses are found by ``prune``.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from dci_downloader.errors import DownloaderError
from dci_downloader.mirror.digest_list import each_digest
from dci_downloader.mirror.files import make_folder, remove_file, replace_atomically
from dci_downloader.mirror.reading import read_file

_NAME = re.compile(r"[0-9a-f]{16}")
_MAX_SIZE = 256 << 20  # bytes


class WrittenDown(NamedTuple):
    """The candidates that are written down.

    Attributes:
        digests: in binary.
        paths: of the files.
    """

    digests: set[bytes]
    paths: tuple[str, ...]


class Candidates:
    """The candidates of one store.

    Args:
        folder: ``candidates/`` of the store.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._unwritten: set[bytes] = set()  # where a disk is full, this run still knows

    def add(self, digests: Iterable[bytes]) -> None:
        """Write digests down; they are on disk when this returns. Safe to repeat.

        Where they cannot be written, as on a full disk, that is no error: this run collects them, or else ``prune``.
        """
        content = b"".join(digests)
        if not content:
            return
        try:
            make_folder(self.folder)
            replace_atomically(self.folder / secrets.token_hex(8), content, durable=True)
        except (OSError, DownloaderError):
            self._unwritten.update(each_digest(content))

    def read(self) -> WrittenDown:
        """All candidates, as they are now. Files that cannot be read, and those of other people, are skipped."""
        digests, paths = set(self._unwritten), []
        for path in self._paths():
            with suppress(OSError):
                digests.update(each_digest(read_file(Path(path), _MAX_SIZE)))
                paths.append(path)
        return WrittenDown(digests, tuple(paths))

    def replace(self, judged: WrittenDown, left: set[bytes]) -> None:
        """Forget what was judged, but keep ``left``. To be called under the store's exclusive lock.

        Without the lock, a version that is being removed could still have named what was judged as needed.

        Raises:
            OSError: a file cannot be removed.
        """
        if left == judged.digests and len(judged.paths) == 1:
            return
        self._unwritten.clear()
        self.add(left)
        for path in judged.paths:
            remove_file(path)

    def _paths(self) -> list[str]:
        if self.folder.is_symlink():
            return []
        with suppress(OSError), os.scandir(self.folder) as items:
            return sorted(
                item.path for item in items if _NAME.fullmatch(item.name) and item.is_file(follow_symlinks=False)
            )
        return []
