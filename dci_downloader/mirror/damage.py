"""What is known to be damaged, until it is mended: status shows it, a sync fetches it, nothing publishes it.

    damaged/ab34…       an empty file, named by the digest of a content whose object is wrong or missing, or by the
                        identity of a version whose tree is not as it should be

One file for each, so that runs side by side need no lock. A mark too many costs a transfer, and no more.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Optional

from dci_downloader.mirror.disk_errors import disk_errors
from dci_downloader.mirror.files import flush_folder, make_folder
from dci_downloader.mirror.hashing import hashing
from dci_downloader.mirror.reading import open_listed

_NAME = re.compile(r"[0-9a-f]{64}")


class DamageMarks:
    """The marks of one store.

    Args:
        folder: ``damaged/`` of the store.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._names: Optional[frozenset[str]] = None

    def __contains__(self, name: str) -> bool:
        """Whether a digest or identity was marked when the marks were last read: for those who ask 50,000 times."""
        return name in (self.read() if self._names is None else self._names)

    def read(self) -> frozenset[str]:
        """All marks, as they are now."""
        names: Iterable[str] = ()
        with suppress(OSError), open_listed(self.folder) as folder:  # else nothing was ever damaged, or it is no folder
            names = os.listdir(folder)
        self._names = frozenset(filter(_NAME.fullmatch, names))
        return self._names

    def add(self, names: Iterable[str]) -> None:
        """Mark digests or identities; they are on disk when this returns. Safe to repeat.

        Raises:
            SettingsError: this user may not write here.
            DiskFullError: no room.
        """
        new = frozenset(names) - self.read()
        if not new:
            return
        with disk_errors(self.folder):
            make_folder(self.folder)  # an older release made the store without it
            for name in new:
                with suppress(FileExistsError):
                    os.close(os.open(self.folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644))
            flush_folder(self.folder)
        self.read()

    def remove(self, names: Iterable[str]) -> None:
        """Take marks away: what they name is right now. Safe to repeat.

        Raises:
            SettingsError: this user may not write here.
        """
        for name in self.read().intersection(names):
            with disk_errors(self.folder / name), suppress(FileNotFoundError):
                os.unlink(self.folder / name)
        self.read()


def judge(marks: DamageMarks, objects: Mapping[str, str]) -> frozenset[str]:
    """Hash objects as they are now: those that are wrong or missing are marked, those that are right no longer.

    Args:
        marks: of the store.
        objects: paths by digest.

    Returns:
        The digests of those that are wrong or missing. One that this user may not read is not judged.

    Raises:
        SettingsError: this user may not write here.
    """
    right, wrong = set(), set()
    names = {path: sha256 for sha256, path in objects.items()}
    with hashing((path, 0) for path in names) as hashes:
        for path, digest in hashes:
            if digest == names[path]:
                right.add(digest)
            elif digest or not forbidden(path):
                wrong.add(names[path])
    marks.remove(right)
    marks.add(wrong)
    return frozenset(wrong)


def forbidden(path: str) -> bool:
    """Whether a file is there that this user may not read, or a folder above it lets nobody know."""
    try:
        os.lstat(path)
    except PermissionError:
        return True
    except OSError:
        return False
    return not os.access(path, os.R_OK)
