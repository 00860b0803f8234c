"""A mirror: one store, and the topics whose versions are made of it.

DEST/.dci-downloader/    the store (see :mod:`dci_downloader.mirror.store`)
DEST/<topic>/            versions and published links (see :mod:`dci_downloader.mirror.topic`)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Optional, Union

from dci_downloader.content.plan import make_plan
from dci_downloader.errors import DiskFullError, NotFoundError
from dci_downloader.mirror.files import disk_errors, free_bytes, utc_now
from dci_downloader.mirror.store import Store
from dci_downloader.mirror.topic import TopicMirror
from dci_downloader.mirror.version import real_folders
from dci_downloader.models import Component, Manifest, Plan

STORE = ".dci-downloader"


@dataclass(frozen=True)
class StatusRow:
    """One published, or merely kept, type of a topic.

    Attributes:
        topic: its own name.
        version: the folder that agents read; empty when nothing is published.
        files: how many it holds, with ``size`` bytes.
        published_at: UTC.
        last_verified: when its content was last found right, UTC.
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
        size: bytes of all versions, each file of each counted.
        saved: how many of these bytes hard links save.
    """

    rows: tuple[StatusRow, ...]
    size: int
    saved: int


class Mirror:
    """A folder that holds published versions of components.

    Making this object touches nothing; a mirror that does not exist is an empty one.

    Args:
        root: the folder.
        clock: now, in UTC.
        boot: what identifies this boot of the machine; asked from the kernel when empty.
    """

    def __init__(self, root: Union[Path, str], *, clock: Callable[[], datetime] = utc_now, boot: str = "") -> None:
        self.root = Path(root)
        self.store = Store(self.root / STORE, boot=boot)
        self._clock = clock

    def prepare(self) -> None:
        """Make the mirror's folders. Safe to repeat.

        Raises:
            SettingsError: something else is in the way, or the place cannot be written to.
        """
        self.store.prepare()

    def demand(self) -> None:
        """See that there is a mirror. No side effect.

        Raises:
            NotFoundError: there is none.
            SettingsError: its path is longer than the system allows.
        """
        with disk_errors(self.root):
            if not self.store.root.is_dir():
                raise NotFoundError(
                    f"{self.root}: there is no mirror here", hint="name the folder that was synchronised"
                )

    def topic(self, name: str) -> TopicMirror:
        """The part of the mirror that belongs to a topic, whether it exists or not.

        Raises:
            ManifestError: the name cannot be that of a folder.
        """
        return TopicMirror(self.root, name, self.store, self._clock)

    def topics(self) -> tuple[TopicMirror, ...]:
        """The topics that there are versions of."""
        with disk_errors(self.root):
            found = [path.name for path in real_folders(self.root) if real_folders(path / ".versions")]
        return tuple(map(self.topic, found))

    def plan(self, component: Component, wanted: Manifest) -> Plan:
        """What is missing here of a component, or of the part of it that is wanted. No side effect.

        Contents are held by digest alone, so what another component brought is not missing.
        """
        store, begun = self.store, self.store.partial_names()
        return make_plan(wanted, store.holds, lambda entry: store.partial_bytes(entry) if entry.sha256 in begun else 0)

    def check_space(self, plans: Sequence[Plan]) -> None:
        """See that there is room for what plans miss, before the first byte is fetched.

        Raises:
            DiskFullError: there is not.
        """
        missing = {entry.sha256: entry for plan in plans for entry in plan.missing}
        needed = self.store.room_needed(tuple(missing.values()))
        with disk_errors(self.root):
            free = free_bytes(self.store.partials)
        if needed > free:
            raise DiskFullError(
                f"{self.root}: {needed:,} bytes are needed, {free:,} are free",
                needed=needed,
                free=free,
                hint="make room, select less, or keep fewer versions (--keep, dci-downloader prune)",
            )

    def status(self) -> Status:
        """What is here. Reads records only; no side effect."""
        rows = []
        size = saved = 0
        seen = set()
        for topic in self.topics():
            for component_type in topic.types():
                versions = topic.versions(component_type)
                if versions:
                    rows.append(_row(topic, component_type))
                for version in versions:
                    size += version.manifest.size
                    for entry in version.manifest.files:
                        if entry.sha256 in seen and entry.path not in version.copies:
                            saved += entry.size
                        seen.add(entry.sha256)
        return Status(tuple(rows), size, saved)


def _row(topic: TopicMirror, component_type: str) -> StatusRow:
    versions = topic.versions(component_type)
    component_type = versions[0].component.type
    published = topic.published_folder(component_type)
    kept = tuple(version.folder for version in versions if version.folder != published)
    shown = next((version for version in versions if version.folder == published), None)
    if shown is None:
        return StatusRow(versions[0].topic, component_type, "", kept=kept)
    return StatusRow(
        topic=shown.topic,
        type=component_type,
        version=shown.folder,
        tags=shown.component.tags,
        files=len(shown.manifest.files),
        size=shown.manifest.size,
        published_at=shown.published_at,
        last_verified=shown.last_verified,
        kept=kept,
    )
