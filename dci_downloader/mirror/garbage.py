"""Objects that leave the store because no version needs them: those of removed versions, and with prune any.

The records say what is needed. Reading them takes the longer the larger the mirror is, and the store's lock keeps every
run out. So the order is:

1. without a lock: which of the objects in question does no version name? (:class:`References`)
2. with the store's lock alone: is that still so? If so, remove some, for a quarter of a second at most; else go to 1.

Why nothing is lost that a run is about to link to: whoever looks for objects holds the store's lock shared, from
before the first look until the record of the tree it built is on disk. So while the lock is held alone, every content
that is needed is named by a record, and each of them was read, for :meth:`References.current` compares them under the
lock. A run that was killed before its record was there does not need the objects any more; the next run looks anew.

Why no candidate is forgotten: its file goes under the same lock, and only while all versions that it was judged by are
still there. So no run is between writing its candidates down and removing the version that names them.

An object is removed only where nothing else links to it. Links and names are both asked: trees that are copies hold no
links, and a tree that was damaged may have lost some.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Optional

from dci_downloader.mirror.disk_errors import disk_errors
from dci_downloader.mirror.references import References
from dci_downloader.mirror.store import Store
from dci_downloader.results import Removal

_HOLD = 0.25  # seconds that the store's lock is held alone; less than others wait for it: see BRIEF in locks.py
_PAUSE = 0.05  # seconds that it is left to others then, who look every 0.02 s
_TRIES = 3  # times that a run judges anew because versions changed meanwhile


def collect_garbage(store: Store, root: Path) -> Removal:
    """Remove what removed versions held and no other version needs. Safe to repeat, and to be killed.

    Does not wait: what cannot be judged now stays written down.

    Args:
        store: the store to collect in.
        root: of the mirror.

    Raises:
        LockedError: another run may need any object.
        SettingsError: a record cannot be read, so that it is unknown what it names.
    """
    removal = Removal()
    for _ in range(_TRIES):
        written = store.candidates.read()
        if not any(_links(store, digest) == 1 for digest in written.digests):
            break  # nothing to do, or trees that could not be removed still link to them
        collection = _Collection(store, root, set(written.digests))
        done = collection.remove(timeout=0, finish=partial(store.candidates.replace, written))
        removal = removal._replace(files=removal.files + collection.files, size=removal.size + collection.size)
        if done:
            break
    return removal


def sweep(store: Store, root: Path, timeout: Optional[float], waiting: Callable[[str], None]) -> Removal:
    """Remove every object that no version needs. Safe to repeat, and to be killed.

    Args:
        store: the store to collect in.
        root: of the mirror.
        timeout: seconds to wait for running syncs to end; None waits for ever, 0 not at all.
        waiting: called once for each wait, with a line for people that names the holder.

    Raises:
        LockedError: a sync runs for longer than ``timeout``.
        SettingsError: a record cannot be read, so that it is unknown what it names.
    """
    removal, done = Removal(), False
    while not done:
        collection = _Collection(store, root, set(map(bytes.fromhex, store.object_names())))
        done = collection.remove(timeout, waiting, lambda left: store.candidates.replace(store.candidates.read(), left))
        removal = removal._replace(files=removal.files + collection.files, size=removal.size + collection.size)
    return removal


class _Collection:
    """One judgement of objects, and the removal of those that no version needs.

    Args:
        store: the store to collect in.
        root: of the mirror.
        digests: of the objects in question.

    Attributes:
        files: how many were removed, with ``size`` bytes.

    Raises:
        SettingsError: a record cannot be read.
    """

    def __init__(self, store: Store, root: Path, digests: set[bytes]) -> None:
        self.files = self.size = 0
        self._store = store
        self._references = References(root, writes_lists=True)
        self._left = digests
        self._references.subtract_from(self._left)
        self._queue = sorted(self._left, reverse=True)

    def remove(
        self,
        timeout: Optional[float],
        waiting: Callable[[str], None] = lambda _: None,
        finish: Callable[[set[bytes]], None] = lambda _: None,
    ) -> bool:
        """Remove what was judged; false where versions changed meanwhile, and it has to be judged again.

        Args:
            timeout: seconds to wait for the store's lock each time.
            waiting: called once for each wait.
            finish: called under the lock when all is done, with what no version names and something links to.
        """
        while True:
            with self._store.lock().holding(timeout=timeout, waiting=waiting), disk_errors(self._store.objects):
                if not self._references.current():
                    return False
                self._remove_some()
                if not self._queue:
                    finish(self._left)
                    return True
            time.sleep(_PAUSE)

    def _remove_some(self) -> None:
        deadline = time.monotonic() + _HOLD
        while self._queue and time.monotonic() < deadline:
            digest = self._queue.pop()
            path = self._store.object_path(digest.hex())
            try:
                status = os.lstat(path)
                if status.st_nlink > 1:
                    continue
                os.unlink(path)
                self.files, self.size = self.files + 1, self.size + status.st_size
            except FileNotFoundError:
                pass  # a collection that was killed has removed it already
            self._left.discard(digest)


def _links(store: Store, digest: bytes) -> int:
    """How many names an object has; 0 where it is gone."""
    try:
        return os.lstat(store.object_path(digest.hex())).st_nlink
    except OSError:
        return 0
