"""What servers say: topics, components, jobs and manifests, and the plan that follows; all immutable.

Sizes are bytes, durations seconds, instants timezone-aware UTC. Paths inside a component are relative POSIX paths
(``BaseOS/x86_64/os/.treeinfo``) that :mod:`dci_downloader.content.manifest` has already found safe.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Optional


@dataclass(frozen=True)
class Topic:
    """A version of a product, as the control server names it.

    Attributes:
        name: for people and folders; may hold spaces.
        component_types: the types of component that make up one build.
        optional_types: those of them that need not exist.
        registry: ``login`` and ``password`` of the topic's container registry, where it has one, and what else the
            control server says of it, its address for example.
    """

    id: str
    name: str
    component_types: tuple[str, ...] = ()
    optional_types: tuple[str, ...] = ()
    created_at: Optional[datetime] = None
    registry: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Component:
    """One build attached to a topic.

    Attributes:
        version: as the control server states it; empty where there is none.
        team_id: the owner of a private component; None for what Red Hat publishes.
    """

    id: str
    name: str
    type: str
    topic_id: str
    tags: tuple[str, ...] = ()
    created_at: Optional[datetime] = None
    released_at: Optional[datetime] = None
    team_id: Optional[str] = None
    state: str = "active"
    version: str = ""


@dataclass(frozen=True)
class Job:
    """One run of an agent, with the components it was scheduled with.

    Attributes:
        etag: of the job as it was read; empty when the server sent none. Every change of the job changes it.
    """

    id: str
    status: str
    topic: Topic
    components: tuple[Component, ...]
    etag: str = ""


class FileEntry(NamedTuple):
    """A file that a manifest lists.

    Attributes:
        path: relative to the component.
        sha256: 64 lower-case hexadecimal digits.
        size: bytes.
    """

    path: str
    sha256: str
    size: int


class SymlinkEntry(NamedTuple):
    """A symbolic link that a manifest lists.

    Attributes:
        path: where the link is, relative to the component.
        destination: the target, relative to the link's own folder; never outside the component.
    """

    path: str
    destination: str


@dataclass(frozen=True)
class Manifest:
    """What a component holds, or the part of it that is wanted.

    Attributes:
        component_type: decides which selection rules apply.
        files: sorted by path, each path once.
        symlinks: sorted by path.
        warnings: what was odd but harmless, one line each.
        etag: the object store's, for a conditional request; empty when unknown.
    """

    component_type: str
    files: tuple[FileEntry, ...]
    symlinks: tuple[SymlinkEntry, ...] = ()
    warnings: tuple[str, ...] = ()
    etag: str = ""

    @property
    def size(self) -> int:
        """Bytes of all files, each path counted."""
        return sum(entry.size for entry in self.files)


@dataclass(frozen=True)
class Plan:
    """What a mirror still lacks of one component.

    Attributes:
        wanted: the manifest after selection.
        missing: the files to fetch, each content once, biggest first.
        partial_bytes: how many bytes of ``missing`` an earlier run left on disk.
    """

    wanted: Manifest
    missing: tuple[FileEntry, ...]
    partial_bytes: int = 0

    @property
    def missing_files(self) -> int:
        """How many files to fetch."""
        return len(self.missing)

    @property
    def missing_bytes(self) -> int:
        """Bytes to fetch, without those that earlier runs left."""
        return sum(entry.size for entry in self.missing) - self.partial_bytes


def folder_name(name: str) -> str:
    """The folder of a topic or a component type: spaces become underscores, as in the previous downloader."""
    return name.replace(" ", "_")
