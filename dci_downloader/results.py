"""What became of a run: reports, failures and changes, all immutable. Sizes are bytes, durations seconds."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import NamedTuple, Optional

from dci_downloader.errors import worst_exit_code


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


class SourceTotals(NamedTuple):
    """How much of a component came from where.

    Attributes:
        name: the URL of a peer, or ``OBJECT_STORE``.
        files: that it gave, with the content that was wanted.
        bytes: that came from it, in vain or not.
    """

    name: str
    files: int
    bytes: int


class ContainerImageOutcome(enum.Enum):
    """What a run did with a container image."""

    COPIED = "copied"
    PRESENT = "present"
    PLANNED = "planned"
    FAILED = "failed"


class ContainerImage(NamedTuple):
    """A container image that a component names.

    Attributes:
        source: the reference in its list.
        copy: where it is, or would be, in the lab's registry.
    """

    source: str
    copy: str
    outcome: ContainerImageOutcome


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
    received: tuple[SourceTotals, ...] = ()
    images: tuple[ContainerImage, ...] = ()
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
        return worst_exit_code(failure.exit_code for failure in self.failures)
