"""What the versions of a mirror name, by their digest lists, and by their records where a list is missing.

Reading takes longer the more a mirror holds, so it is done without a lock: what was read is remembered by record, and
:meth:`References.current` tells in some milliseconds, under a lock, whether that is still all there is.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Optional

from dci_downloader.errors import SettingsError
from dci_downloader.mirror.digest_list import each_digest, read_digest_list, write_digest_list
from dci_downloader.mirror.folders import real_folders, trees_in
from dci_downloader.mirror.record import RecordState, load_record
from dci_downloader.mirror.version import Version, record_path

_Stamp = Optional[tuple[int, int, int, int]]
"""What tells a record from another that took its place; None where there is none."""


class References:
    """The digests that the versions of a mirror name. For one thread.

    Args:
        root: of the mirror.
        writes_lists: whether lists that are missing are written, as in mirrors of older releases.
    """

    def __init__(self, root: Path, *, writes_lists: bool = False) -> None:
        self._root = root
        self._writes_lists = writes_lists
        self._read: dict[Path, _Stamp] = {}

    def subtract_from(self, digests: set[bytes]) -> None:
        """Take out of a set what is named by any version that was not read before.

        Raises:
            SettingsError: a record may not be read, so that it is unknown what it names.
        """
        for tree in _trees(self._root):
            stamp = _stamp(tree)  # before it is read: a record that is replaced meanwhile counts as changed then
            if tree not in self._read:
                digests.difference_update(named_by(tree, self._writes_lists))
                self._read[tree] = stamp

    def current(self) -> bool:
        """Whether no version came, went or changed since it was read. Reads no record."""
        return self._read == {tree: _stamp(tree) for tree in _trees(self._root)}


def named_by(tree: Path, writes_list: bool = False) -> Iterator[bytes]:
    """The digests that the version of a tree names; none where its record is damaged.

    Args:
        tree: the tree of the version.
        writes_list: whether a list that is missing, or does not fit, is written. Safe to repeat.

    Raises:
        SettingsError: the record may not be read, or is of a newer program.
    """
    try:
        digests = read_digest_list(tree)
    except OSError:
        digests = None
    if digests is not None:
        return each_digest(digests)
    record = load_record(tree)
    if isinstance(record, Version):
        if writes_list:
            write_digest_list(tree, record.identity, record.manifest.files)
        return (bytes.fromhex(entry.sha256) for entry in record.manifest.files)
    if record.state is not RecordState.DAMAGED:
        raise SettingsError(f"{tree}: its record {record.reason}, so nothing can leave the store", hint=record.hint)
    return iter(())


def _trees(root: Path) -> Iterator[Path]:
    for topic in real_folders(root):
        for folder in real_folders(topic / ".versions"):
            yield from trees_in(folder)


def _stamp(tree: Path) -> _Stamp:
    try:
        status = os.lstat(record_path(tree))
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
