"""Remove: forget a topic of a mirror, or a type of it, with what is published.

The link goes first, so that no one begins to read what is being removed; open files stay readable. Then
the versions go, and at last, where nothing else is in it, the topic's folder: under the lock of the whole store, for
whoever waits for the topic's lock holds that one, too.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from dci_downloader.errors import LockedError, SettingsError
from dci_downloader.hooks import NullProgress, Progress
from dci_downloader.mirror.carried import carried_path
from dci_downloader.mirror.disk_errors import disk_errors
from dci_downloader.mirror.fetching import forget_fetching
from dci_downloader.mirror.files import flush_folder, remove_file
from dci_downloader.mirror.hold import hold_path, is_held
from dci_downloader.mirror.index import write_index
from dci_downloader.mirror.lookup import find_types
from dci_downloader.mirror.mirror import Mirror
from dci_downloader.mirror.native import native
from dci_downloader.mirror.notice import remove_notices
from dci_downloader.mirror.removal import leftover_note
from dci_downloader.mirror.retention import discard, reclaimable
from dci_downloader.mirror.topic import TopicMirror
from dci_downloader.results import Removal
from dci_downloader.short_repr import short_repr


@dataclass(frozen=True)
class RemovedTopic:
    """What was removed.

    Attributes:
        topic: the topic's own name.
        types: of it, as their folders were named.
        removal: the versions, the published ones among them, and what that freed.
        notes: what stays and why, a line each.
    """

    topic: str
    types: tuple[str, ...]
    removal: Removal
    notes: tuple[str, ...] = ()

    __repr__ = short_repr


def remove(
    mirror: Mirror,
    topic_name: str,
    component_type: str = "",
    *,
    timeout: Optional[float] = None,
    progress: Progress = NullProgress(),  # noqa: B008  has no state
) -> RemovedTopic:
    """Forget a topic, or a type of it. After a failure it is safe to repeat.

    Args:
        mirror: the mirror that has the topic.
        topic_name: the topic.
        component_type: one type of it; empty for all.
        timeout: seconds to wait for other runs; None waits for ever, 0 not at all.
        progress: gets a message before a wait.

    Raises:
        NotFoundError: there is no mirror, or no such topic or type.
        SettingsError: one is held, or a folder cannot be read or written; nothing was removed of a type that is held.
        LockedError: another run holds the topic for longer than ``timeout``.
    """
    topic, types = find_types(mirror, topic_name, component_type)
    versions: tuple[str, ...] = ()
    files = size = 0
    with topic.lock(timeout, progress.message):
        name = _own_name(topic, types)
        _require_free(topic, name, types)
        for each in types:
            removal = _remove_type(topic, each)
            versions += removal.versions
            files, size = files + removal.files, size + removal.size
    if not topic.types():
        _remove_folder(topic, timeout, progress)
    return RemovedTopic(name, types, Removal(versions, files, size), leftover_note(topic.leftovers))


def _own_name(topic: TopicMirror, types: tuple[str, ...]) -> str:
    versions = (version for each in types for version in topic.versions(each))
    return next((topic.name_of(version) for version in versions), topic.name)


def _require_free(topic: TopicMirror, name: str, types: tuple[str, ...]) -> None:
    """Make sure that no type is held.

    Raises:
        SettingsError: one is.
    """
    held = [each for each in types if is_held(topic, each)]
    if held:
        raise SettingsError(
            f"{name}: {', '.join(held)} is held, so nothing is removed",
            hint=f"end the hold first: dci-downloader release {topic.root} {name}",
        )


def _remove_type(topic: TopicMirror, component_type: str) -> Removal:
    """Remove link and versions of a type."""
    link, folder = topic.link(component_type), topic.versions_folder(component_type)
    versions, unreadable = topic.read_heads(component_type)
    removal = reclaimable(topic, versions)
    with disk_errors(topic.path):
        if link.is_symlink():
            remove_file(link)
            flush_folder(topic.path)  # before the versions go: no power cut may leave a link to none
        elif remove_file(carried_path(link)):
            flush_folder(topic.path)  # likewise, for the file that stands for the link
        elif os.path.lexists(link):
            topic.leftovers.append(f"{link} is no link of this program and stays")
        folders = (*(version.folder for version in versions), *(record.folder for record in unreadable))
        write_index(topic, component_type, without=folders)  # other mirrors are told that nothing is published any more
        removed = tuple(each for each in folders if discard(topic, folder / native(each)))
        remove_file(hold_path(topic, component_type))
        remove_notices(topic, component_type)
        forget_fetching(topic, component_type)
        _remove_empty(topic, folder)
    return removal._replace(versions=removed)


def _remove_empty(topic: TopicMirror, folder: Path) -> None:
    """Remove a folder, unless something that is not of this program is in it: that is noted."""
    try:
        os.rmdir(folder)
    except FileNotFoundError:
        return
    except OSError as error:
        topic.leftovers.append(f"{folder} could not be removed and stays: {error.strerror}")


def _remove_folder(topic: TopicMirror, timeout: Optional[float], progress: Progress) -> None:
    """Remove the folder of a topic of which no type is left, as far as nothing else is in it.

    Where another run keeps its lock it stays, empty: it does no harm.
    """
    with suppress(LockedError), topic.store.lock().holding(timeout=timeout, waiting=progress.message):
        if topic.types():  # a sync has published one meanwhile
            return
        with disk_errors(topic.path):
            if set(os.listdir(topic.path)) <= {".lock", ".versions"}:
                with suppress(OSError):  # other people have files in .versions
                    os.rmdir(topic.path / ".versions")
                    remove_file(topic.path / ".lock")
                    os.rmdir(topic.path)
