"""The index of a type: what another mirror may take from here, in one small file beside the published link.

    <topic>/.<type>.json

It names the published version and those that are kept, each with its component and the digest of its record; the
record names every file by its digest. So a reader of index, records and objects, who never reads the link, sees one
whole version at any moment: one rename changes which.

The link is for installers, the index for mirrors. The link is swapped first, and until the index follows, a moment
later or with the next run, the index names the version before, which is still whole.

The file is a JSON object. It may come from another mirror, so it is checked like a manifest. Unknown keys are ignored;
another ``format`` is that of a newer release.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Optional

from dci_downloader.content.names import EntryError, check_name, check_segment
from dci_downloader.errors import DiskFullError, ManifestError, SettingsError
from dci_downloader.mirror.disk_errors import disk_errors
from dci_downloader.mirror.files import replace_atomically
from dci_downloader.mirror.head import Head
from dci_downloader.mirror.native import native
from dci_downloader.mirror.reading import hash_file, read_file
from dci_downloader.mirror.record_fields import (
    FORMAT,
    MAX_NUMBER,
    MAX_SIZE,
    component_fields,
    component_of,
    instant,
    parse_document,
    text,
    time,
    whole_number,
)
from dci_downloader.mirror.topic import TopicMirror
from dci_downloader.mirror.topic_list import ListedTopic, list_topic
from dci_downloader.mirror.version import record_path, type_folder
from dci_downloader.models import Component, folder_name

MAX_INDEX = 16 << 20
"""Bytes; a version takes some hundred."""

_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class IndexedVersion:
    """A version as an index has it.

    Attributes:
        folder: of its tree.
        record: the sha256 of its record.
        size: bytes of its record.
        number: orders the versions of a type: the higher, the later published.
        published_at: when it was last published, UTC.
        component: what it is a version of.
    """

    folder: str
    record: str
    size: int
    number: int
    published_at: datetime
    component: Component


@dataclass(frozen=True)
class Index:
    """The versions of one type of a topic.

    Attributes:
        topic: its name.
        topic_id: on the control server.
        type: of the components.
        number: one more with each change of the index.
        since: when the published version took the place of another, UTC.
        published: the folder of the published version.
        versions: the published one first, then the others, the last published first.
    """

    topic: str
    topic_id: str
    type: str
    number: int
    since: datetime
    published: str
    versions: tuple[IndexedVersion, ...]


def parse_index(document: bytes) -> Index:
    """Read and check an index.

    Raises:
        ManifestError: it is no index, or names what no mirror may hold.
    """
    return parse_document(document, "the index", _index)


def index_path(topic: TopicMirror, component_type: str) -> Path:
    """Where the index of a type is, or would be."""
    topic.versions_folder(component_type)  # raises where the topic is a link
    return topic.path / index_name(type_folder(component_type))


def index_name(folder: str) -> str:
    """The name of the index of a type, by that of its folder; no type's own folder begins with a dot."""
    return f".{folder}.json"


def read_index(topic: TopicMirror, component_type: str) -> Optional[Index]:
    """The index of a type of this mirror; None where there is none that can be read."""
    with suppress(OSError, ManifestError):
        return parse_index(read_file(index_path(topic, component_type), MAX_INDEX))
    return None


def refresh_index(topic: TopicMirror, component_type: str) -> tuple[str, ...]:
    """Write the index where it does not say what is there, as in a mirror of an older release. Safe to repeat.

    To be called under the topic's lock. Looks at names and sizes, and reads records only where those differ.

    Returns:
        What stood in the way, for people.
    """
    try:
        index = read_index(topic, component_type)
        if index is None or not _describes(index, topic, component_type):
            write_index(topic, component_type)
        else:
            list_topic(topic, _listed(topic, index))
    except (DiskFullError, SettingsError) as error:
        return _note(error)
    return ()


def write_index(topic: TopicMirror, component_type: str, *, without: Collection[str] = ()) -> None:
    """Write the index of a type, and its entry in the list of topics. Safe to repeat.

    To be called under the topic's lock, after the link was swapped, and before versions are removed. Where nothing is
    published the index goes away, and with it the type from the list.

    Args:
        topic: the topic of the index.
        component_type: the type that is indexed.
        without: folders of versions that are about to be removed.

    Raises:
        DiskFullError: no room.
        SettingsError: it cannot be written.
    """
    path, before = index_path(topic, component_type), read_index(topic, component_type)
    with disk_errors(path):
        index = _made(topic, component_type, without, before)
        if index is None:
            with suppress(FileNotFoundError):
                os.unlink(path)
        elif index != before:
            replace_atomically(path, _document(index), durable=True, mode=0o644)
    gone = ListedTopic(before.topic if before else topic.name, "", None, (component_type,))
    list_topic(topic, _listed(topic, index) if index else gone, gone=index is None)


def _listed(topic: TopicMirror, index: Index) -> ListedTopic:
    """The entry of the topic, as far as an index has it."""
    return ListedTopic(index.topic, index.topic_id, topic.created_at, (index.type,))


def note_index(topic: TopicMirror, component_type: str) -> tuple[str, ...]:
    """Do the same after a publication; an error is no failure then, but a note for people."""
    try:
        write_index(topic, component_type)
    except (DiskFullError, SettingsError) as error:
        return _note(error)
    return ()


def _note(error: Exception) -> tuple[str, ...]:
    return (f"it is published, but mirrors that take from here are not told yet: {error}",)


def _made(
    topic: TopicMirror, component_type: str, without: Collection[str], before: Optional[Index]
) -> Optional[Index]:
    """The index as it should be; the one before where that is so already; None where nothing is published."""
    published = topic.published_folder(component_type)
    heads = [head for head in topic.heads(component_type) if head.folder not in without]
    if before and os.path.lexists(topic.link(component_type)) and published not in [head.folder for head in heads]:
        published = before.published  # the link is damaged, and verify --repair or the next sync puts it right
    heads.sort(key=lambda head: head.folder != published)  # the published one first
    if not heads or heads[0].folder != published:
        return None
    versions = tuple(_indexed(topic, head) for head in heads)
    first = versions[0].component
    same = before is not None and before.published == published
    index = Index(
        topic=topic.name_of(heads[0]),
        topic_id=first.topic_id,
        type=first.type,
        number=before.number if before else 0,
        since=before.since if before and same else topic.clock(),
        published=published,
        versions=versions,
    )
    if index == before:
        return before
    return replace(index, number=min(index.number + 1, MAX_NUMBER))


def _indexed(topic: TopicMirror, head: Head) -> IndexedVersion:
    digest, size = hash_file(record_path(topic.tree(head)), MAX_SIZE)
    return IndexedVersion(head.folder, digest, size, head.number, head.published_at, head.component)


def _describes(index: Index, topic: TopicMirror, component_type: str) -> bool:
    """Whether an index tells of the published version, and of those that are there, as far as names and sizes tell."""
    if index.published != topic.published_folder(component_type):
        return False
    folder = topic.versions_folder(component_type)
    sizes = {}
    with disk_errors(folder), os.scandir(folder) as items:
        for item in items:
            if not item.name.startswith(".") and item.name.endswith(".json"):
                sizes[item.name[: -len(".json")]] = item.stat(follow_symlinks=False).st_size
    return sizes == {native(version.folder): version.size for version in index.versions}


def _document(index: Index) -> bytes:
    versions = [{**vars(version), "component": component_fields(version.component)} for version in index.versions]
    document = {"format": FORMAT, **vars(index), "versions": versions}
    return json.dumps(document, default=instant, indent=1).encode()


def _index(fields: Any) -> Index:
    """Make an index of its fields; what is missing or of another kind raises whatever it raises."""
    versions = tuple(map(_version, fields["versions"]))
    index = Index(
        topic=text(fields["topic"]),
        topic_id=text(fields["topic_id"], empty=True),
        type=text(fields["type"]),
        number=whole_number(fields["number"]),
        since=time(fields["since"]),
        published=_folder(fields["published"]),
        versions=versions,
    )
    check_name(folder_name(index.topic), "topic")
    folders = [version.folder for version in versions]
    if index.published not in folders[:1] or len(set(folders)) != len(folders):
        raise ValueError("the published version does not come first in it, or a version comes twice")
    if {folder_name(version.component.type) for version in versions} != {folder_name(index.type)}:
        raise ValueError("it holds another type")
    return index


def _version(fields: Any) -> IndexedVersion:
    if not _DIGEST.fullmatch(text(fields["record"])):
        raise ValueError("the digest of a record is not 64 hexadecimal digits")
    return IndexedVersion(
        folder=_folder(fields["folder"]),
        record=fields["record"],
        size=whole_number(fields["size"], MAX_SIZE),
        number=whole_number(fields["number"]),
        published_at=time(fields["published_at"]),
        component=component_of(fields["component"]),
    )


def _folder(name: Any) -> str:
    """The name of a version's folder: one step of a path, as this program makes them."""
    check_segment(text(name))
    if name.startswith("."):
        raise EntryError("a folder begins with a dot")
    return str(name)
