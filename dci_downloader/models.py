"""What servers say: topics, components, jobs and manifests, and the plan that follows; all immutable.

Sizes are bytes, durations seconds, instants timezone-aware UTC. Paths inside a component are relative POSIX paths
(``BaseOS/x86_64/os/.treeinfo``) that :mod:`dci_downloader.content.manifest` has already found safe.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, Optional

from dci_downloader.frozen_mapping import FrozenMapping
from dci_downloader.short_repr import short_repr


@dataclass(frozen=True)
class Product:
    """A product of Red Hat, such as RHEL; each topic is a version of one.

    Attributes:
        label: in capitals: ``RHEL``, ``OPENSHIFT``.
        extra: what else the control server says of it.
    """

    id: str
    name: str
    label: str = ""
    description: str = ""
    state: str = "active"
    created_at: Optional[datetime] = None
    updated_at: Optional[datetime] = None
    etag: str = ""
    extra: FrozenMapping = field(default_factory=FrozenMapping, repr=False, hash=False, compare=False)

    __repr__ = short_repr


@dataclass(frozen=True)
class Topic:
    """A version of a product, as the control server names it.

    Attributes:
        name: for people and folders; may hold spaces.
        component_types: the types of component that make up one build.
        optional_types: those of them that need not exist.
        registry: ``login`` and ``password`` of the topic's container registry, where it has one, and what else the
            control server says of it, its address for example.
        state: ``active`` or ``inactive``.
        product: None where the server does not say it.
        next_topic: the one that upgrades lead to, as far as the server says it.
        export_control: whether Red Hat has cleared it for export; None where the server does not say it.
        data: whatever its owner put there, without the registry.
        etag: of the topic as it was read.
        extra: what else the control server says of it.
    """

    id: str
    name: str
    component_types: tuple[str, ...] = ()
    optional_types: tuple[str, ...] = ()
    created_at: Optional[datetime] = None
    registry: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)
    state: str = "active"
    product: Optional[Product] = None
    product_id: str = ""
    next_topic: Optional[Topic] = None
    next_topic_id: str = ""
    export_control: Optional[bool] = None
    data: FrozenMapping = field(default_factory=FrozenMapping, repr=False, hash=False)
    updated_at: Optional[datetime] = None
    etag: str = ""
    extra: FrozenMapping = field(default_factory=FrozenMapping, repr=False, hash=False, compare=False)

    __repr__ = short_repr


@dataclass(frozen=True)
class Component:
    """One build attached to a topic.

    Attributes:
        version: as the control server states it; empty where there is none.
        team_id: the owner of a private component; None for what Red Hat publishes.
        display_name: for people.
        canonical_project_name: an older name for people; empty where there is none.
        uid: what its feeder calls it; empty where there is none.
        url: where it comes from; empty where there is none.
        data: whatever its feeder put there: architectures or a channel, for example.
        etag: of the component as it was read.
        extra: what else the control server says of it, but neither jobs nor files.
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
    display_name: str = ""
    canonical_project_name: str = ""
    uid: str = ""
    url: str = ""
    title: str = ""
    message: str = ""
    data: FrozenMapping = field(default_factory=FrozenMapping, repr=False, hash=False)
    updated_at: Optional[datetime] = None
    etag: str = ""
    extra: FrozenMapping = field(default_factory=FrozenMapping, repr=False, hash=False, compare=False)

    __repr__ = short_repr


@dataclass(frozen=True)
class Job:
    """One run of an agent, with the components it was scheduled with.

    Attributes:
        status: how far it is: ``new``, ``pre-run``, ``running``, ``post-run``, ``success``, ``failure``, ``error`` or
            ``killed``.
        etag: of the job as it was read; empty when the server sent none. Every change of the job changes it.
        configuration: which of a lab's configurations it runs on.
        status_reason: why it has this status, by people.
        duration: seconds from its creation to its last state.
        data: whatever its agent put there.
        extra: what else the control server says of it, but nothing of the remoteci.
    """

    id: str
    status: str
    topic: Topic
    components: tuple[Component, ...]
    etag: str = ""
    name: str = ""
    tags: tuple[str, ...] = ()
    comment: str = ""
    configuration: str = ""
    status_reason: str = ""
    url: str = ""
    state: str = "active"
    remoteci_id: str = ""
    team_id: str = ""
    product_id: str = ""
    previous_job_id: str = ""
    update_previous_job_id: str = ""
    pipeline_id: str = ""
    duration: int = 0
    created_at: Optional[datetime] = None
    updated_at: Optional[datetime] = None
    client_version: str = ""
    user_agent: str = ""
    data: FrozenMapping = field(default_factory=FrozenMapping, repr=False, hash=False)
    extra: FrozenMapping = field(default_factory=FrozenMapping, repr=False, hash=False, compare=False)

    __repr__ = short_repr


@dataclass(frozen=True)
class JobFile:
    """A file that an agent attached to a job.

    Attributes:
        mime: type of the content.
        size: bytes.
        extra: what else the control server says of it.
    """

    id: str
    name: str
    job_id: str = ""
    jobstate_id: str = ""
    team_id: str = ""
    mime: str = ""
    md5: str = ""
    size: int = 0
    state: str = "active"
    created_at: Optional[datetime] = None
    updated_at: Optional[datetime] = None
    etag: str = ""
    extra: FrozenMapping = field(default_factory=FrozenMapping, repr=False, hash=False, compare=False)

    __repr__ = short_repr


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
        selection: what was selected of the component where another mirror says what it holds of it, as in its record;
            None for all of it.
    """

    component_type: str
    files: tuple[FileEntry, ...]
    symlinks: tuple[SymlinkEntry, ...] = ()
    warnings: tuple[str, ...] = ()
    etag: str = ""
    selection: Any = None

    __repr__ = short_repr

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

    __repr__ = short_repr

    @property
    def missing_files(self) -> int:
        """How many files to fetch."""
        return len(self.missing)

    @property
    def missing_bytes(self) -> int:
        """Bytes to fetch, without those that earlier runs left."""
        return sum(entry.size for entry in self.missing) - self.partial_bytes

    @property
    def here(self) -> tuple[int, int]:
        """How many of the wanted files are here, each path counted, and bytes, those of unfinished files included."""
        missing = {entry.sha256 for entry in self.missing}
        sizes = [entry.size for entry in self.wanted.files if entry.sha256 not in missing]
        return len(sizes), sum(sizes) + self.partial_bytes


def folder_name(name: str) -> str:
    """The folder of a topic or a component type: spaces become underscores, as in the previous downloader."""
    return name.replace(" ", "_")
