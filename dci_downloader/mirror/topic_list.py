"""The list of topics: which topics and types another mirror may take from here.

    .dci-downloader/topics.json

A name here says that there is an index (see :mod:`~dci_downloader.mirror.index`); what the topic holds, that says. Runs
of several topics side by side change the list, each its own entry, under a lock of its own that is held for a moment.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Optional

from dci_downloader.content.names import check_name
from dci_downloader.errors import ManifestError
from dci_downloader.mirror.disk_errors import disk_errors
from dci_downloader.mirror.files import replace_atomically
from dci_downloader.mirror.locks import FileLock
from dci_downloader.mirror.native import native
from dci_downloader.mirror.reading import read_file
from dci_downloader.mirror.record_fields import FORMAT, instant, parse_document, text, texts, time
from dci_downloader.mirror.topic import TopicMirror
from dci_downloader.models import folder_name

TOPICS_NAME = "topics.json"
MAX_LIST = 16 << 20
"""Bytes; a topic takes about a hundred."""

_MOST_TYPES = 5000  # each is a request to whoever looks for a component in all of them


@dataclass(frozen=True)
class ListedTopic:
    """A topic of a mirror.

    Attributes:
        name: its own, as the control server has it.
        id: on the control server; may be empty.
        created_at: on the control server, UTC; None where that is not known.
        types: that something is published of.
    """

    name: str
    id: str
    created_at: Optional[datetime]
    types: tuple[str, ...]


def parse_topics(document: bytes) -> tuple[ListedTopic, ...]:
    """Read and check a list of topics.

    Raises:
        ManifestError: it is no such list, or names what no mirror may hold.
    """
    return parse_document(document, "the list of topics", _topics)


def _topics(fields: Any) -> tuple[ListedTopic, ...]:
    topics = tuple(map(_topic, fields["topics"]))
    if sum(len(topic.types) for topic in topics) > _MOST_TYPES:
        raise ValueError(f"it names more than {_MOST_TYPES:,} types of component")
    for names in ([topic.name for topic in topics], *(topic.types for topic in topics)):
        if len(set(map(folder_name, names))) != len(names):
            raise ValueError("it names a topic, or a type of one, twice")
    return topics


def list_topic(topic: TopicMirror, listed: ListedTopic, *, gone: bool = False) -> None:
    """Write the types of a topic into its entry, where they are not there already. Safe to repeat.

    Topics whose folder is gone leave the list, too.

    Args:
        topic: the topic to list.
        listed: the entry with the types that it is about; its id and date may be unknown, then those known before stay.
        gone: whether nothing is published of these types any more.

    Raises:
        DiskFullError: no room.
        SettingsError: it cannot be written.
    """
    path = topic.store.root / TOPICS_NAME
    if _changed(listed_topics(topic.store.root), listed, gone) is None:
        return
    with disk_errors(path), FileLock(topic.store.root / "topics.lock").holding():
        topics = listed_topics(topic.store.root)  # another run may have changed it meanwhile
        entry = _changed(topics, listed, gone)
        if entry is not None:
            others = [each for each in topics if not _same(each, listed) and _is_there(topic.root, each)]
            replace_atomically(path, _document([*others, *([entry] if entry.types else [])]), durable=True, mode=0o644)


def listed_topics(store: Path) -> tuple[ListedTopic, ...]:
    """The list in a store's folder; empty where it cannot be read: it is made anew with the next change."""
    path = store / TOPICS_NAME
    with suppress(OSError, ManifestError):
        return parse_topics(read_file(path, MAX_LIST))
    return ()


def _same(one: ListedTopic, other: ListedTopic) -> bool:
    return folder_name(one.name) == folder_name(other.name)


def _changed(topics: Sequence[ListedTopic], listed: ListedTopic, gone: bool) -> Optional[ListedTopic]:
    """The entry of a topic as it should be; None where the list has it so."""
    before = next((each for each in topics if _same(each, listed)), None)
    folders = set(map(folder_name, listed.types))
    kept = [each for each in before.types if folder_name(each) not in folders] if before else []
    types = tuple(sorted([*kept, *(() if gone else listed.types)]))
    known = before or listed
    entry = ListedTopic(listed.name, listed.id or known.id, listed.created_at or known.created_at, types)
    return None if entry == before or not (before or types) else entry


def _is_there(root: Path, topic: ListedTopic) -> bool:
    try:
        os.lstat(root / native(folder_name(topic.name)) / ".versions")
    except PermissionError:  # another user's
        return True
    except OSError:
        return False
    return True


def _document(topics: Sequence[ListedTopic]) -> bytes:
    entries = [vars(topic) for topic in sorted(topics, key=lambda topic: topic.name)]
    return json.dumps({"format": FORMAT, "topics": entries}, default=instant, indent=1).encode()


def _topic(fields: Any) -> ListedTopic:
    created_at = fields["created_at"]
    topic = ListedTopic(
        name=text(fields["name"]),
        id=text(fields["id"], empty=True),
        created_at=None if created_at is None else time(created_at),
        types=texts(fields["types"]),
    )
    check_name(folder_name(topic.name), "topic")
    for component_type in topic.types:
        check_name(folder_name(component_type), "component type")
    return topic
