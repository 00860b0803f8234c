"""Prune: remove versions beyond those to keep, old partials, and content that no version holds.

It holds the store's lock alone, so no sync is running that is about to link to what it removes. The published versions
stay.
"""

from __future__ import annotations

import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Optional

from dci_downloader.errors import ManifestError, SettingsError
from dci_downloader.hooks import NullProgress, Progress
from dci_downloader.mirror.disk_errors import disk_errors
from dci_downloader.mirror.files import flush_file_system, remove_file
from dci_downloader.mirror.folders import mend_folders, real_folders
from dci_downloader.mirror.garbage import collect_garbage
from dci_downloader.mirror.mirror import Mirror
from dci_downloader.mirror.native import text_of
from dci_downloader.mirror.record import referenced_digests
from dci_downloader.mirror.removal import left_note
from dci_downloader.mirror.retention import retire
from dci_downloader.mirror.store import Store
from dci_downloader.mirror.temporaries import remove_topic_temporaries
from dci_downloader.results import Removal

_PARTIAL_AGE = 86_400.0  # seconds


def prune(
    mirror: Mirror,
    keep: int = 1,
    *,
    timeout: Optional[float] = None,
    progress: Progress = NullProgress(),  # noqa: B008  has no state
    now: Callable[[], float] = time.time,
) -> Removal:
    """Remove what a mirror no longer needs. Safe to repeat, and to be killed.

    Args:
        mirror: which.
        keep: how many builds of each type stay beside the published one.
        timeout: seconds to wait for running syncs to end; None waits for ever, 0 not at all.
        progress: gets a message before a wait, and one about each thing that cannot be removed.
        now: seconds since the epoch; partials that were not written to for a day are removed.

    Returns:
        The versions and objects that were removed; ``size`` counts objects and partials.

    Raises:
        NotFoundError: there is no mirror.
        LockedError: a sync runs for longer than ``timeout``.
        SettingsError: a folder cannot be read; everything that does not depend on it was done.
    """
    mirror.require()
    mirror.prepare()  # a copy of a mirror may lack empty folders
    with mirror.store.lock().holding(timeout=timeout, waiting=progress.message):
        versions: tuple[str, ...] = ()
        obstacles: list[SettingsError] = []
        for folder in real_folders(mirror.root):
            versions += _prune_topic(mirror, folder, keep, obstacles, progress)
        partials = _remove_partials(mirror.store.partials, now() - _PARTIAL_AGE)
        if obstacles:  # what a record names that cannot be read is no garbage
            raise obstacles[0]
        # after the versions, whose content is garbage now
        collected = collect_garbage(mirror.store, referenced_digests(mirror.root))
        _remove_markers(mirror.store)
    return Removal(versions, collected.files, collected.size + partials)


def _remove_markers(store: Store) -> None:
    """Put on disk what killed runs of this boot have written: after the next boot nobody need hash it then."""
    if store.markers.any_left() and not store.needs_recovery():
        with disk_errors(store.root):
            flush_file_system(store.root)
            store.markers.remove_all()


def _prune_topic(
    mirror: Mirror, folder: Path, keep: int, obstacles: list[SettingsError], progress: Progress
) -> tuple[str, ...]:
    """Remove temporaries and old versions of a topic; a folder that is no topic is left as it is.

    An error is added to ``obstacles``: it is no reason to leave other topics as they are.
    """
    versions: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    try:
        topic = mirror.topic(text_of(folder.name))
    except ManifestError:  # not a name of ours
        return ()
    try:
        if real_folders(folder / ".versions"):
            mend_folders(folder)
            left += remove_topic_temporaries(folder)
            for component_type in topic.types():
                versions += retire(topic, component_type, keep).versions
            left += tuple(topic.left)
    except SettingsError as error:
        obstacles.append(error)
    for line in left_note(left):
        progress.message(line)
    return versions


def _remove_partials(folder: Path, before: float) -> int:
    """Remove temporaries, and the partials and journals last written before then; gives the bytes that this frees."""
    freed = 0
    with disk_errors(folder):
        for path in folder.iterdir():
            status = path.lstat()
            if stat.S_ISDIR(status.st_mode):
                continue  # not ours
            if path.suffix == ".tmp" or status.st_mtime < before:
                freed += status.st_blocks * 512  # stat(2) counts in this unit on every file system
                remove_file(path)
    return freed
