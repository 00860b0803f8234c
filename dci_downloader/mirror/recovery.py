"""After a power cut: objects that may never have reached the disk are hashed before anybody trusts them.

What a version names was flushed before its record was written, and is trusted. All other objects are moved aside, to
``unsure/``: then no run takes them for content, and none has to wait until they are hashed. Those that are right go
back. The order is:

1. under the recovery lock, which keeps no sync out that needs no recovery: which objects does no version name?
2. under the store's lock alone, as nobody looks for objects: move these aside, flush, remove the markers.
3. hash what is aside. Other runs fetch what they miss meanwhile; a run that dies leaves the rest to the next.

A marker goes only when all is aside and on disk, and what is aside says itself that it is to be hashed: a power cut
while this runs starts it again.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Optional

from dci_downloader.errors import LockedError, SettingsError
from dci_downloader.mirror.disk_errors import disk_errors
from dci_downloader.mirror.files import flush_file_system, make_folder, remove_file
from dci_downloader.mirror.hashing import hashing
from dci_downloader.mirror.locks import FileLock
from dci_downloader.mirror.references import References
from dci_downloader.mirror.store import Store

_PATIENCE = 60.0  # seconds for another run to move aside what is unsure: it takes one or two


def recover(
    store: Store,
    root: Path,
    timeout: Optional[float] = None,
    waiting: Callable[[str], None] = lambda _: None,
    workers: int = 0,
) -> int:
    """Hash every object that may not have reached the disk, and remove those whose content is wrong. Safe to repeat.

    The number of links of an object does not count: a file that was adopted from a folder has a second one there.

    Args:
        store: one that :meth:`Store.needs_recovery`; nothing is done with others.
        root: of the mirror.
        timeout: seconds to wait for other runs; None waits for ever, 0 not at all.
        waiting: called once for each wait, with a line for people that names the holder.
        workers: how many processes hash side by side; 0 for one on each core.

    Returns:
        How many objects were removed.

    Raises:
        LockedError: another run holds the store for longer than ``timeout``.
    """
    if store.markers.from_other_boot():
        lock = FileLock(store.root / "recovery.lock")
        with lock.holding(timeout=timeout, waiting=waiting, patience=_PATIENCE):
            while store.markers.from_other_boot() and not _move_aside(store, root, timeout, waiting):
                pass  # a version came or went meanwhile
    if not store.unsure_names():
        return 0
    # while another run hashes, this one waits as long as it may, and then fetches what has not been put back
    with suppress(LockedError), _hashing_lock(store).holding(timeout=timeout, waiting=waiting):
        return _hash(store, workers)
    return 0


def _move_aside(store: Store, root: Path, timeout: Optional[float], waiting: Callable[[str], None]) -> bool:
    """Move the objects aside that no version names; false where versions changed meanwhile."""
    unsure, references = set(map(bytes.fromhex, store.object_names())), References(root, writes_lists=True)
    try:
        references.subtract_from(unsure)
        trusted = True
    except SettingsError:  # a record cannot be read, and may name any object: all are hashed
        unsure, trusted = set(map(bytes.fromhex, store.object_names())), False
    with store.lock().holding(timeout=timeout, waiting=waiting), disk_errors(store.root):
        if trusted and not references.current():
            return False
        make_folder(store.unsure)
        for digest in unsure:
            with suppress(FileNotFoundError):
                os.rename(store.object_path(digest.hex()), store.unsure / digest.hex())
        flush_file_system(store.root)  # of this boot, too, a run may have died before its flush
        store.markers.remove_all()
    return True


def _hash(store: Store, workers: int) -> int:
    """Hash what is aside, put back what is right and remove the rest; gives how many were removed."""
    removed = 0
    with disk_errors(store.unsure):
        sizes = []
        for name in store.unsure_names():
            with suppress(FileNotFoundError):  # prune took it for garbage
                sizes.append((str(store.unsure / name), os.lstat(store.unsure / name).st_size))
        with hashing(sizes, workers) as hashes:
            for path, digest in hashes:
                if digest == path[-64:]:  # an object is named by its digest
                    _put_back(store, path, digest)
                else:
                    removed += remove_file(path)
    return removed


def _put_back(store: Store, path: str, digest: str) -> None:
    target = store.path(digest)
    if os.path.lexists(target):  # it was fetched meanwhile
        remove_file(path)
        return
    make_folder(target.parent)
    with suppress(FileNotFoundError):
        os.rename(path, target)


def remove_unsure(store: Store) -> int:
    """Remove what is aside, for no version names it; gives the bytes that this frees. What a run hashes now stays.

    To be called under the store's exclusive lock.
    """
    freed = 0
    with suppress(LockedError), _hashing_lock(store).holding(timeout=0), disk_errors(store.unsure):
        for name in store.unsure_names():
            freed += os.lstat(store.unsure / name).st_size
            remove_file(store.unsure / name)
    return freed


def _hashing_lock(store: Store) -> FileLock:
    """Held by the run that hashes what is aside."""
    return FileLock(store.root / "hashing.lock")
