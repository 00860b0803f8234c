"""Trees whose records are lost, and how they differ from other people's folders beside them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from dci_downloader.mirror.digests import digests
from dci_downloader.mirror.native import text_of
from dci_downloader.mirror.record import RecordState, Unreadable, begins_like_a_record
from dci_downloader.mirror.store import Store

_MAX_ASKED = 8  # files that are hashed to tell whether a folder is a version's: the first may be damaged


def is_lost_tree(store: Store, folder: Path, record: Unreadable, published: str) -> bool:
    """Whether a folder without a record that can be read is the tree of a version, not something foreign.

    Args:
        store: of the mirror.
        folder: in the place of a tree.
        record: why its record cannot be read.
        published: the name of the tree that the published link points at.
    """
    if record.state is not RecordState.DAMAGED or begins_like_a_record(folder):
        return True
    return text_of(folder.name) == published or _holds_a_file_of(store, folder)


def _holds_a_file_of(store: Store, folder: Path) -> bool:
    """Whether the store has one of the first files of a folder, the smaller ones first."""
    left = _MAX_ASKED
    for parent, folders, names in os.walk(folder):
        folders.sort()
        files = [f"{parent}/{name}" for name in names if stat.S_ISREG(os.lstat(f"{parent}/{name}").st_mode)]
        asked = sorted(files, key=os.path.getsize)[:left]
        if any(digest and os.path.lexists(store.object_path(digest)) for digest in digests(asked)):
            return True
        left -= len(asked)
        if not left:
            break
    return False
