"""Names in the store, which are digests, and a test by inode whether a file is the object of one."""

from __future__ import annotations

import os
import re
from contextlib import suppress

from dci_downloader.content.names import quoted
from dci_downloader.errors import IntegrityError

_DIGEST = re.compile(r"[0-9a-f]{64}")


def is_digest(name: str) -> bool:
    """Whether an object may have this name; other files beside the objects are other people's."""
    return _DIGEST.fullmatch(name) is not None


def checked_digest(sha256: str) -> str:
    """Return a digest that may become a name in the store: objects, partials and their journals have no other names.

    Raises:
        IntegrityError: it is none; it might lead out of the store.
    """
    if not is_digest(sha256):
        raise IntegrityError(f"{quoted(sha256)} is no sha256", hint="nothing was read or written under this name")
    return sha256


class ObjectMatcher:
    """Tells whether a file is the object of a digest, for those who ask fifty thousand times.

    Reads each folder of objects once, when it is first asked about, instead of calling stat(2) for each object.

    Args:
        objects: ``objects/`` of the store.
    """

    def __init__(self, objects: str) -> None:
        self._objects = objects
        self._inodes: dict[str, dict[str, int]] = {}

    def __call__(self, sha256: str, status: os.stat_result) -> bool:
        """Whether a file with this status is the object, as of the first question about its folder."""
        prefix = checked_digest(sha256)[:2]
        inodes = self._inodes.get(prefix)
        if inodes is None:
            inodes = self._inodes[prefix] = self._read(prefix)
        if inodes.get(sha256) == status.st_ino:
            return True
        try:  # on an overlay, a folder may number inodes otherwise than stat(2)
            return os.path.samestat(os.lstat(f"{self._objects}/{prefix}/{sha256}"), status)
        except OSError:
            return False

    def _read(self, prefix: str) -> dict[str, int]:
        with suppress(OSError), os.scandir(f"{self._objects}/{prefix}") as items:
            return {item.name: item.inode() for item in items}
        return {}
