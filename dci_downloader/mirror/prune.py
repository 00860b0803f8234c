"""Prune: remove versions beyond those to keep, old partials, and content that no version holds.

Topics are looked through one after the other, and changed under their own locks; objects leave as
:mod:`~dci_downloader.mirror.garbage` says. The published versions stay.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Optional

from dci_downloader.errors import DownloaderError, LockedError, ManifestError, SettingsError
from dci_downloader.hooks import NullProgress, Progress
from dci_downloader.mirror.disk_errors import disk_errors
from dci_downloader.mirror.files import flush_file_system, remove_file
from dci_downloader.mirror.folders import mend_folders, real_folders
from dci_downloader.mirror.garbage import sweep
from dci_downloader.mirror.mirror import Mirror
from dci_downloader.mirror.native import text_of
from dci_downloader.mirror.recovery import remove_unsure
from dci_downloader.mirror.references import References
from dci_downloader.mirror.removal import leftover_note
from dci_downloader.mirror.retention import expired, reclaimable, remove_expired, unreadable
from dci_downloader.mirror.store import Store
from dci_downloader.mirror.temporaries import topic_temporaries
from dci_downloader.mirror.topic import TopicMirror
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

    Syncs may begin meanwhile; those that run already are waited for.

    Args:
        mirror: the mirror to prune.
        keep: how many builds of each type stay beside the published one.
        timeout: seconds to wait for running syncs to end; None waits for ever, 0 not at all.
        progress: gets a message before a wait, and one about each thing that cannot be removed.
        now: seconds since the epoch; partials that were not written to for a day are removed.

    Returns:
        The versions and objects that were removed; ``size`` counts objects and partials.

    Raises:
        NotFoundError: there is no mirror.
        LockedError: a sync runs for longer than ``timeout``; old versions of other topics were removed.
        SettingsError: a folder cannot be read; everything that does not depend on it was done.
    """
    mirror.open()
    store = mirror.store
    versions: tuple[str, ...] = ()
    # the others are pruned all the same
    obstacles: list[DownloaderError] = [topic.error for topic in mirror.linked_topics()]
    for folder in real_folders(mirror.root):
        try:
            versions += _prune_topic(mirror, folder, keep, timeout, progress)
        except (LockedError, SettingsError) as error:  # noqa: PERF203  once for each topic
            obstacles.append(error)
    for obstacle in obstacles:
        if isinstance(obstacle, LockedError):
            raise obstacle
    with store.lock().holding(timeout=timeout, waiting=progress.message):
        freed = _remove_partials(store.partials, now() - _PARTIAL_AGE) + remove_unsure(store)
        markers = [] if store.needs_recovery() else store.markers.left()  # no running sync has one
    if obstacles:  # a record that cannot be read may name any object
        raise obstacles[0]
    # after the versions, whose content is garbage now
    collected = sweep(store, mirror.root, timeout, progress.message)
    _flush_and_remove(store, markers)
    return Removal(versions, collected.files, collected.size + freed)


def preview(mirror: Mirror, keep: int = 1, *, now: Callable[[], float] = time.time) -> Removal:
    """What :func:`prune` would remove, as far as can be told beside running syncs. Takes no lock, removes nothing.

    Args:
        mirror: the mirror to prune.
        keep: how many builds of each type stay beside the published one.
        now: seconds since the epoch.

    Raises:
        NotFoundError: there is no mirror.
        SettingsError: a folder or a record cannot be read.
    """
    mirror.require()
    for linked in mirror.linked_topics():
        raise linked.error
    store, versions, files, size = mirror.store, [], 0, 0
    for topic in mirror.topics():
        for component_type in topic.types():
            removal = reclaimable(topic, expired(topic, component_type, keep))
            versions += [*removal.versions, *unreadable(topic, component_type)]
            files, size = files + removal.files, size + removal.size
    garbage = set(map(bytes.fromhex, store.object_names()))
    References(mirror.root).subtract_from(garbage)
    for digest in garbage:
        with suppress(FileNotFoundError):
            status = os.lstat(store.object_path(digest.hex()))
            if status.st_nlink == 1:
                files, size = files + 1, size + status.st_size
    size += sum(_occupied(status) for _, status in _stale(store.partials, now() - _PARTIAL_AGE))
    return Removal(tuple(versions), files, size)


def _flush_and_remove(store: Store, markers: list[Path]) -> None:
    """Put on disk what killed runs of this boot have written: after the next boot nobody need hash it then."""
    if markers:
        with disk_errors(store.root):
            flush_file_system(store.root)
            for path in markers:
                remove_file(path)


def _prune_topic(
    mirror: Mirror, folder: Path, keep: int, timeout: Optional[float], progress: Progress
) -> tuple[str, ...]:
    """Remove temporaries and old versions of a topic; a folder that is no topic is left as it is."""
    versions: tuple[str, ...] = ()
    try:
        topic = mirror.topic(text_of(folder.name))
    except ManifestError:  # no topic can have this name
        return ()
    for each in topic.types():
        topic.versions_folder(each)  # raises where it is a link: what versions elsewhere need is not known
    if not real_folders(folder / ".versions"):
        return ()
    mend_folders(folder)
    if not _has_something_to_remove(topic, keep):
        return ()  # without its lock, which would turn away a sync that does not wait
    try:
        with topic.alone(timeout, progress.message):
            for component_type in topic.types():
                versions += remove_expired(topic, component_type, keep)
    finally:
        for line in leftover_note(topic.leftovers):
            progress.message(line)
    return versions


def _has_something_to_remove(topic: TopicMirror, keep: int) -> bool:
    """Whether a topic has temporaries, old versions, or records that cannot be read."""
    if any(topic_temporaries(topic.path)):
        return True
    return any(topic.read_heads(each)[1] or expired(topic, each, keep) for each in topic.types())


def _remove_partials(folder: Path, before: float) -> int:
    """Remove temporaries, and the partials and journals last written before then; gives the bytes that this frees."""
    freed = 0
    with disk_errors(folder):
        for path, status in _stale(folder, before):
            freed += _occupied(status)
            remove_file(path)
    return freed


def _stale(folder: Path, before: float) -> Iterator[tuple[Path, os.stat_result]]:
    """The temporaries, and the partials and journals last written before then."""
    for path in folder.iterdir() if folder.is_dir() else ():
        with suppress(FileNotFoundError):
            status = path.lstat()
            if not stat.S_ISDIR(status.st_mode) and (path.suffix == ".tmp" or status.st_mtime < before):
                yield path, status


def _occupied(status: os.stat_result) -> int:
    return status.st_blocks * 512  # stat(2) counts in this unit on every file system
