"""Objects that leave the store: after a power cut those that never reached the disk, and those that nothing needs.

Both are decided by the records of the versions: what a version names was flushed before its record was written, and is
needed. To be called under the store's exclusive lock.
"""

from __future__ import annotations

from collections.abc import Container

from dci_downloader.mirror.disk_errors import disk_errors
from dci_downloader.mirror.files import flush_file_system, remove_file
from dci_downloader.mirror.hashing import hashing
from dci_downloader.mirror.store import Store
from dci_downloader.results import Removal


def recover(store: Store, referenced: Container[str], workers: int = 0) -> int:
    """Hash every object that no version names, and remove those whose content is wrong. Safe to repeat.

    The number of links of an object does not count: a file that was adopted from a folder has a second one there.

    Args:
        store: one that :meth:`Store.needs_recovery`.
        referenced: the digests that versions name.
        workers: how many processes hash side by side; 0 for one on each core.

    Returns:
        How many objects were removed.
    """
    removed = 0
    with disk_errors(store.root):
        unsure = [(str(path), status.st_size) for path, status in store.iter_objects() if path.name not in referenced]
        with hashing(unsure, workers) as hashes:
            for path, digest in hashes:
                if digest != path[-64:]:  # an object is named by its digest
                    removed += remove_file(path)
        flush_file_system(store.root)  # of this boot, too, a run may have died before its flush
        store.markers.remove_all()
    return removed


def collect_garbage(store: Store, referenced: Container[str]) -> Removal:
    """Remove the objects that no tree links to and no version names. Safe to repeat.

    Both are asked: trees that are copies hold no links, and a tree that was damaged may have lost some.

    Args:
        store: which.
        referenced: the digests that versions name.
    """
    files = size = 0
    for path, status in store.iter_objects():
        if status.st_nlink == 1 and path.name not in referenced:  # the one link is its own name
            files, size = files + 1, size + status.st_size
            store.remove(path.name)
    return Removal(files=files, size=size)
