"""The values that the parts of the program hand to each other, all immutable.

Sizes are bytes, durations seconds, instants timezone-aware UTC. Paths inside a component are relative POSIX paths
(``BaseOS/x86_64/os/.treeinfo``) that :mod:`dci_downloader.content.manifest` has already found safe.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Optional, Protocol

from dci_downloader.errors import gravest


@dataclass(frozen=True)
class Topic:
    """A version of a product, as the control server names it.

    Attributes:
        name: for people and folders; may hold spaces.
        component_types: the types of component that make up one build.
        optional_types: those of them that need not exist.
        registry: login of the topic's container registry, where it has one; holds a secret.
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
        version: as the control server has it; empty where it has none.
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
        etag: of the job as it was read; empty when the server told none. Every change of the job gives it another.
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
        destination: what it holds, relative to its own folder; never leads outside the component.
    """

    path: str
    destination: str


@dataclass(frozen=True)
class Manifest:
    """What a component holds, or the part of it that is wanted.

    Attributes:
        component_type: decides which selection rules apply.
        files: by path, each path once.
        symlinks: by path.
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
    """What one component still lacks: wanted minus held.

    Attributes:
        wanted: the manifest after selection.
        missing: the files to fetch, each content once, biggest first.
        partial_bytes: how much of ``missing`` an earlier run already left on disk.
    """

    wanted: Manifest
    missing: tuple[FileEntry, ...]
    partial_bytes: int = 0

    @property
    def missing_files(self) -> int:
        """How many files are to be fetched."""
        return len(self.missing)

    @property
    def missing_bytes(self) -> int:
        """Bytes to be fetched, less what earlier runs left."""
        return sum(entry.size for entry in self.missing) - self.partial_bytes


class Changes(NamedTuple):
    """In which files two versions differ.

    Attributes:
        since: the version that was published before; empty where there was none, and then every file is added.
        added: paths that were not there.
        changed: paths whose content was another.
        removed: paths that are there no more.
    """

    since: str = ""
    added: int = 0
    changed: int = 0
    removed: int = 0


class SignedRequest(NamedTuple):
    """A request to the control server that is valid for a few minutes; the headers hold a signature."""

    url: str
    headers: Mapping[str, str]


class Source(Protocol):
    """Where the files of one component can be asked for. Implemented by ``ControlServer.files``."""

    def request(self, path: str) -> SignedRequest:
        """Sign, afresh at each call, the request that the control server answers with a redirect to the file."""

    def follow(self, url: str) -> Optional[SignedRequest]:
        """Sign a redirect that stays on the control server; None for one that leads elsewhere."""


@dataclass(frozen=True)
class Network:
    """How connections are made, alike for API calls and file bytes.

    Attributes:
        ca_bundle: file or folder of trusted certificates; empty for the default of ``requests``.
        proxies: proxy URL by scheme (``http``, ``https``, ``all``).
        no_proxy: hosts that are reached without a proxy, comma-separated.
        connect_timeout: seconds to open a connection.
        read_timeout: seconds without a byte before an answer is given up.
    """

    ca_bundle: str = ""
    proxies: Mapping[str, str] = field(default_factory=dict, repr=False)
    no_proxy: str = ""
    connect_timeout: float = 10.0
    read_timeout: float = 30.0


@dataclass(frozen=True)
class TransferOptions:
    """How files are fetched.

    Attributes:
        connections: the most connections to the object store.
        limit_rate: bytes per second for the whole run; None for no limit.
        patience: seconds that a file, or the whole run, may go without progress.
        peers: URLs of the roots of other mirrors, which are asked before the object store.
        network: proxies, certificates, timeouts.
    """

    connections: int = 64
    limit_rate: Optional[int] = None
    patience: float = 30.0
    network: Network = field(default_factory=Network)
    peers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Failure:
    """A file, or a whole component, that could not be brought.

    Attributes:
        path: relative to the component; empty when it is the component as a whole.
        reason: one line for a person; no secret, no signature.
        exit_code: that of the error this is.
        hint: what the user can do, where there is something.
        expected: the sha256 of the manifest where the content is at fault.
        actual: the sha256 of the content that came, likewise.
    """

    path: str
    reason: str
    exit_code: int
    hint: str = ""
    expected: str = ""
    actual: str = ""

    def __str__(self) -> str:
        """Path and reason, one line."""
        return f"{self.path}: {self.reason}" if self.path and not self.reason.startswith(self.path) else self.reason


class Outcome(enum.Enum):
    """What a run did with a component."""

    PUBLISHED = "published"
    UNCHANGED = "unchanged"
    PLANNED = "planned"
    FAILED = "failed"


OBJECT_STORE = "object store"


class Received(NamedTuple):
    """How much of a component came from where.

    Attributes:
        name: the URL of a peer, or ``OBJECT_STORE``.
        files: that it gave, with the content that was wanted.
        bytes: that came from it, in vain or not.
    """

    name: str
    files: int
    bytes: int


class ImageOutcome(enum.Enum):
    """What a run did with a container image."""

    COPIED = "copied"
    PRESENT = "present"
    PLANNED = "planned"
    FAILED = "failed"


class Image(NamedTuple):
    """A container image that a component names.

    Attributes:
        source: the reference in its list.
        copy: where it is, or would be, in the lab's registry.
    """

    source: str
    copy: str
    outcome: ImageOutcome


@dataclass(frozen=True)
class ComponentReport:
    """What happened to one component.

    Attributes:
        version: the component's own, as the control server has it.
        path: where agents read it: the published link.
        changes: against what was published when the run began; nothing where the run failed.
        files: how many files the version holds, with ``size`` bytes.
        files_downloaded: fetched by this run, or with ``PLANNED`` to be fetched.
        bytes_downloaded: bytes that came over the network for them, in vain or not; what an earlier run left of them
            is not counted.
        files_reused: files whose content was in the mirror already, with ``bytes_reused``.
        versions_removed: older versions that were, or with ``PLANNED`` would be, removed.
        bytes_removed: what that frees.
        failures: what could not be brought.
        seconds: how long it took.
        received: what was downloaded, by where it came from.
        images: its container images, where ``SyncOptions.registry`` asks for them; the reason why one failed is among
            the failures.
        notes: one line each: warnings of the manifest, a fallback from hard links to copies.
    """

    id: str
    name: str
    type: str
    tags: tuple[str, ...]
    path: str
    outcome: Outcome
    files: int = 0
    size: int = 0
    files_downloaded: int = 0
    bytes_downloaded: int = 0
    files_reused: int = 0
    bytes_reused: int = 0
    versions_removed: tuple[str, ...] = ()
    bytes_removed: int = 0
    failures: tuple[Failure, ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    received: tuple[Received, ...] = ()
    images: tuple[Image, ...] = ()
    version: str = ""
    changes: Changes = field(default_factory=Changes)


@dataclass(frozen=True)
class Report:
    """What a run did with a topic.

    Attributes:
        topic: its name, or what was asked for where it could not be found.
        failure: what kept the topic as a whole from being mirrored; None where its components tell.
        seconds: how long it took.
        dropped_peers: URLs of peers that turned out to be of no use; the notes of the components tell why.
    """

    topic: str
    topic_id: str
    components: tuple[ComponentReport, ...]
    seconds: float
    failure: Optional[Failure] = None
    dropped_peers: tuple[str, ...] = ()

    @property
    def failures(self) -> tuple[Failure, ...]:
        """Everything that failed: the topic as a whole, or what its components say."""
        own = () if self.failure is None else (self.failure,)
        return (*own, *(failure for component in self.components for failure in component.failures))

    @property
    def exit_code(self) -> int:
        """0, or that of the gravest failure."""
        return gravest(failure.exit_code for failure in self.failures)


@dataclass(frozen=True)
class Filter:
    """Which component of a type is wanted.

    Attributes:
        tags: all of them must be on the component.
        name: the exact name, or empty; the only way, beside an id, to a private component.
    """

    type: str
    tags: tuple[str, ...] = ()
    name: str = ""


@dataclass(frozen=True)
class SyncOptions:
    """How a topic is synchronised.

    Attributes:
        filters: which components; none for the newest of each type.
        component_id: exactly this component, or an empty string.
        job: exactly what this job was created with, in place of ``filters`` and ``component_id``.
        registry: ``HOST:PORT`` that container images are mirrored to, by skopeo; empty for none of that.
        keep: how many older versions stay beside the published one.
        lock_timeout: seconds to wait for another run; None for as long as it takes, 0 not at all.
        dry_run: only say what would be done; nothing is written.
        transfer: how files are fetched.
    """

    filters: tuple[Filter, ...] = ()
    component_id: str = ""
    job: Optional[Job] = None
    registry: str = ""
    keep: int = 1
    lock_timeout: Optional[float] = None
    dry_run: bool = False
    transfer: TransferOptions = field(default_factory=TransferOptions)


class Progress(Protocol):
    """What a run tells while it works. Called from the thread that runs it; must return at once."""

    def message(self, text: str) -> None:
        """A line worth reading even when all goes well: which topic a pattern meant, what was chosen."""

    def detail(self, text: str) -> None:
        """A line for those who asked for more."""

    def begin(self, label: str, files: int, size: int) -> None:
        """Work on that many files and bytes starts; ``label`` names it."""

    def advance(self, files: int, size: int) -> None:
        """That many more files are complete, and bytes have come. ``size`` may be negative: bytes came in vain."""

    def end(self) -> None:
        """The work that ``begin`` announced is over."""


class Silence:
    """The progress that says nothing, or in a subclass only what that defines."""

    def message(self, text: str) -> None:
        """Say nothing."""

    def detail(self, text: str) -> None:
        """Say nothing."""

    def begin(self, label: str, files: int, size: int) -> None:
        """Say nothing."""

    def advance(self, files: int, size: int) -> None:
        """Say nothing."""

    def end(self) -> None:
        """Say nothing."""


class Stop(Protocol):
    """A request to end the run; on the command line a signal makes it."""

    def requested(self) -> bool:
        """Whether the work should end as soon as it cleanly can."""

    def deferred(self) -> AbstractContextManager[None]:
        """Entered by work that asks ``requested`` often and must not be interrupted in between."""


class Never:
    """The stop that is never requested."""

    def requested(self) -> bool:
        """False."""
        return False

    def deferred(self) -> AbstractContextManager[None]:
        """Nothing to defer."""
        return nullcontext()


def folder_name(name: str) -> str:
    """Name of the folder for a topic: spaces become underscores (as in the previous downloader)."""
    return name.replace(" ", "_")
