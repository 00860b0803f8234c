"""Status: what a mirror holds, by its records alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Optional

from dci_downloader.mirror.mirror import Mirror
from dci_downloader.mirror.topic import TopicMirror
from dci_downloader.mirror.version import Version


@dataclass(frozen=True)
class StatusRow:
    """One type of a topic in a mirror.

    Attributes:
        topic: the topic's own name.
        version: the folder of the published version; empty when none is published.
        files: how many files it holds, with ``size`` bytes.
        published_at: when it was last published.
        last_verified: when every byte of it was last found right; None if never.
        kept: the folders of the other versions, the last published first.
    """

    topic: str
    type: str
    version: str
    tags: tuple[str, ...] = ()
    files: int = 0
    size: int = 0
    published_at: Optional[datetime] = None
    last_verified: Optional[datetime] = None
    kept: tuple[str, ...] = ()


@dataclass(frozen=True)
class Status:
    """What a mirror holds.

    Attributes:
        rows: one for each type of each topic.
        size: bytes of all versions, each file of each counted.
        saved: how many of these bytes hard links save.
    """

    rows: tuple[StatusRow, ...] = field(repr=False)
    size: int
    saved: int


def status(mirror: Mirror) -> Status:
    """What is here. Reads records only; needs no network and has no side effect.

    Raises:
        NotFoundError: there is no mirror.
    """
    mirror.require()
    rows = []
    size = saved = 0
    seen = set()
    for topic in mirror.topics():
        for component_type in topic.types():
            versions = topic.versions(component_type)
            if versions:
                rows.append(_row(topic, versions))
            for version in versions:
                size += version.manifest.size
                for entry in version.manifest.files:
                    if entry.sha256 in seen and entry.path not in version.copies:  # a link to what is counted
                        saved += entry.size
                    seen.add(entry.sha256)
    return Status(tuple(rows), size, saved)


def _row(topic: TopicMirror, versions: tuple[Version, ...]) -> StatusRow:
    """The row of one type, of which there is at least one version."""
    component_type = versions[0].component.type
    folder = topic.published_folder(component_type)
    kept = tuple(version.folder for version in versions if version.folder != folder)
    published = next((version for version in versions if version.folder == folder), None)
    if published is None:
        return StatusRow(versions[0].topic, component_type, "", kept=kept)
    return StatusRow(
        topic=published.topic,
        type=component_type,
        version=published.folder,
        tags=published.component.tags,
        files=len(published.manifest.files),
        size=published.manifest.size,
        published_at=published.published_at,
        last_verified=published.last_verified,
        kept=kept,
    )
