"""Holds: a type that is held stays at its published version, whatever the control server offers.

    <topic>/.versions/<type>/.hold      the type is held while this file exists; its text says since when

A sync publishes nothing of a held type, and fetches nothing for it. A rollback changes its version all the same.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, Optional

from dci_downloader.errors import IntegrityError, NotFoundError, SettingsError
from dci_downloader.hooks import NullProgress, Progress
from dci_downloader.mirror.disk_errors import disk_errors
from dci_downloader.mirror.files import remove_file, replace_atomically
from dci_downloader.mirror.lookup import find_types
from dci_downloader.mirror.mirror import Mirror
from dci_downloader.mirror.reading import read_file
from dci_downloader.mirror.topic import TopicMirror

_MAX_SIZE = 200  # bytes


class Hold(NamedTuple):
    """A type that is held, or was until now.

    Attributes:
        topic: the topic's own name.
        version: the folder of the published version; empty where nothing is published.
    """

    topic: str
    type: str
    version: str


def hold_path(topic: TopicMirror, component_type: str) -> Path:
    """The file that says that a type is held."""
    return topic.versions_folder(component_type) / ".hold"


def is_held(topic: TopicMirror, component_type: str) -> bool:
    """Whether a type stays at the version that is published.

    Raises:
        SettingsError: that cannot be known.
    """
    path = hold_path(topic, component_type)
    with disk_errors(path):
        try:
            os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            return False
    return True


def held_since(topic: TopicMirror, component_type: str) -> Optional[datetime]:
    """Since when a type is held, in UTC; None where it is not, or nothing tells."""
    try:
        return datetime.fromisoformat(read_file(hold_path(topic, component_type), _MAX_SIZE).decode().strip())
    except (OSError, ValueError, SettingsError):
        return None


def put_hold(topic: TopicMirror, component_type: str) -> None:
    """Hold a type. Safe to repeat: the time of the first call stays. To be called under the topic's lock.

    Raises:
        DiskFullError: no room.
        SettingsError: the mirror cannot be written to.
    """
    if not is_held(topic, component_type):
        path = hold_path(topic, component_type)
        with disk_errors(path):
            content = topic.clock().isoformat(timespec="seconds") + "\n"
            replace_atomically(path, content.encode(), durable=True, mode=0o644)


def hold(
    mirror: Mirror,
    topic_name: str,
    component_type: str = "",
    *,
    timeout: Optional[float] = None,
    progress: Progress = NullProgress(),  # noqa: B008  has no state
) -> tuple[Hold, ...]:
    """Keep a topic at what is published of it, until it is released. Safe to repeat.

    Args:
        mirror: the mirror that has the topic.
        topic_name: the topic.
        component_type: one type of it; empty for all that something is published of.
        timeout: seconds to wait for another run; None waits for ever, 0 not at all.
        progress: gets a message before a wait.

    Raises:
        NotFoundError: there is no such topic or type, or nothing of it is published.
        LockedError: another run holds the topic for longer than ``timeout``.
    """
    topic, types = find_types(mirror, topic_name, component_type)
    with topic.lock(timeout, progress.message):
        holds = [each for each in _state(topic, types) if topic.published(each.type)]
        if not holds:
            raise NotFoundError(
                f"{'/'.join([topic.name, *filter(None, [component_type])])}: nothing of it is published",
                hint="mirror it first: what is held is the version that is published",
            )
        for each in holds:
            put_hold(topic, each.type)
    return tuple(holds)


def release(
    mirror: Mirror,
    topic_name: str,
    component_type: str = "",
    *,
    timeout: Optional[float] = None,
    progress: Progress = NullProgress(),  # noqa: B008  has no state
) -> tuple[Hold, ...]:
    """End the holds of a topic: the next sync publishes the newest again. Safe to repeat.

    Args:
        mirror: the mirror that has the topic.
        topic_name: the topic.
        component_type: one type of it; empty for all.
        timeout: seconds to wait for another run; None waits for ever, 0 not at all.
        progress: gets a message before a wait.

    Returns:
        The types that were held.

    Raises:
        NotFoundError: there is no such topic or type.
        LockedError: another run holds the topic for longer than ``timeout``.
    """
    topic, types = find_types(mirror, topic_name, component_type)
    with topic.lock(timeout, progress.message):
        holds = _state(topic, [each for each in types if is_held(topic, each)])
        for each in holds:
            path = hold_path(topic, each.type)
            with disk_errors(path):
                remove_file(path)
    return holds


def check_hold(topic: TopicMirror, component_type: str, *, for_job: bool) -> tuple[str, ...]:
    """Make sure that the version that a hold keeps published can be used.

    Args:
        topic: whose type is held.
        component_type: that is held.
        for_job: whether a job needs the version that the hold keeps from being published.

    Returns:
        Notes for people: that the version is damaged.

    Raises:
        IntegrityError: it is gone, or cannot be read.
        SettingsError: a job must not run with another version.
    """
    (state,) = _state(topic, [component_type])
    place = f"{topic.root} {state.topic} {state.type}"
    if for_job:
        raise SettingsError(
            f"{state.topic}/{state.type} is held at {state.version or 'nothing'}, and the job is for another version",
            hint=f"end the hold: dci-downloader release {place}",
        )
    published = topic.published(component_type)
    if published is None:
        raise IntegrityError(
            f"{state.topic}/{state.type} is held at {state.version or 'nothing'}, which is gone or cannot be read",
            hint=f"where only its link is gone: dci-downloader verify {topic.root} --repair; else end the hold: "
            f"dci-downloader release {place}; or hold what is here: "
            f"dci-downloader rollback {place} --hold",
        )
    if topic.intact(published):
        return ()
    return (f"{state.version}, which is held, is damaged: dci-downloader verify --repair puts it right",)


def _state(topic: TopicMirror, types: Sequence[str]) -> tuple[Hold, ...]:
    names = {each: topic.published(each) for each in types}
    return tuple(
        Hold(topic.name_of(published) if published else topic.name, each, topic.published_folder(each))
        for each, published in names.items()
    )
