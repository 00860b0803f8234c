"""Notices of published versions for which the command of ``on_published`` has not been run to its end.

    <topic>/.versions/<type>/.notice-<identity>      its text is the folder of the version that it replaced

A notice is written before the link is swapped, and removed once the command has ended. Where a run ends in between, the
next one runs the command. Meanwhile it holds a lock on the notice, so that no other run does the same.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Optional

from dci_downloader.changes import Changes
from dci_downloader.mirror.disk_errors import disk_errors
from dci_downloader.mirror.files import make_folder, remove_file, replace_atomically
from dci_downloader.mirror.locks import flock
from dci_downloader.mirror.topic import TopicMirror
from dci_downloader.mirror.version import Version, changes_since

_PREFIX = ".notice-"
_MAX_SIZE = 4096  # bytes


def put_notice(topic: TopicMirror, component_type: str, identity: str, since: str) -> None:
    """Note that a version is about to be published. Safe to repeat. To be called under the topic's lock.

    Args:
        topic: of the version.
        component_type: of the version.
        identity: of the version.
        since: the folder of the version that it replaces; empty for none.

    Raises:
        DiskFullError: no room.
        SettingsError: the mirror cannot be written to.
    """
    path = topic.versions_folder(component_type) / f"{_PREFIX}{identity}"
    with disk_errors(path):
        for folder in (topic.path, path.parent.parent, path.parent):
            make_folder(folder)
        remove_notices(topic, component_type)  # of versions that are no longer published
        replace_atomically(path, since.encode("utf-8", "surrogateescape"), durable=True, mode=0o644)


def remove_notices(topic: TopicMirror, component_type: str) -> None:
    """Remove the notices of a type. Safe to repeat. To be called under the topic's lock.

    Raises:
        SettingsError: one cannot be removed.
    """
    for path in _notices(topic, component_type):
        with disk_errors(path):
            remove_file(path)


@contextmanager
def taken_notice(topic: TopicMirror, component_type: str) -> Iterator[Optional[str]]:
    """Take the notice of what is published of a type, for a block; after it, unless it raises, the notice is gone.

    Gives the folder of the version that was replaced, empty for none; None where there is no notice of what is
    published, and where another run has taken it.

    Raises:
        SettingsError: it cannot be read, or not be removed.
    """
    path = _of_published(topic, component_type)
    fd = _open(path) if path else None
    if path is None or fd is None:
        yield None
        return
    with open(fd, "rb") as file:
        if not _is_alone(path, fd):
            yield None
            return
        yield file.read(_MAX_SIZE).decode("utf-8", "surrogateescape")
        with disk_errors(path):
            remove_file(path)


def changes_by_records(topic: TopicMirror, component_type: str, since: str) -> Changes:
    """What differs between what is published of a type and an older version, as far as records tell."""
    published = topic.published(component_type)
    before = next((head for head in topic.heads(component_type) if head.folder == since), None)
    version = topic.load(before) if before else None
    if published is None or not isinstance(version, Version):
        return Changes(since)
    return changes_since(version, published.manifest)


def _notices(topic: TopicMirror, component_type: str) -> list[Path]:
    folder = topic.versions_folder(component_type)
    with disk_errors(folder), suppress(FileNotFoundError):
        return [folder / name for name in os.listdir(folder) if name.startswith(_PREFIX)]
    return []


def _of_published(topic: TopicMirror, component_type: str) -> Optional[Path]:
    """The notice of what is published, where there is one."""
    notices = {path.name: path for path in _notices(topic, component_type)}
    folder = topic.published_folder(component_type)
    heads = topic.heads(component_type) if notices and folder else ()
    return next((notices.get(f"{_PREFIX}{head.identity}") for head in heads if head.folder == folder), None)


def _open(path: Path) -> Optional[int]:
    with disk_errors(path), suppress(FileNotFoundError):
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    return None


def _is_alone(path: Path, fd: int) -> bool:
    """Whether this run alone has the notice, and nobody removed it before that."""
    try:
        flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.lstat(path), os.fstat(fd))
    except (BlockingIOError, FileNotFoundError):
        return False
