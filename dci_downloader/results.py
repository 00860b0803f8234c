"""The results of a run: reports and failures, all immutable. Sizes are bytes, durations seconds."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import NamedTuple, Optional

from dci_downloader.changes import Changes
from dci_downloader.errors import DownloaderError, error_class, worst_exit_code
from dci_downloader.short_repr import short_repr


@dataclass(frozen=True)
class Failure:
    """Why a file, a component or a topic could not be mirrored.

    Attributes:
        path: relative to the component; empty for a component or a topic as a whole.
        reason: one line for a person; holds no secret and no signature.
        exit_code: that of the error class.
        hint: what the user can do; empty where there is nothing.
        expected: the sha256 in the manifest, where the content is wrong.
        actual: the sha256 of the content received, where it is wrong.
    """

    path: str
    reason: str
    exit_code: int
    hint: str = ""
    expected: str = ""
    actual: str = ""

    __repr__ = short_repr

    @classmethod
    def of(cls, error: DownloaderError) -> Failure:
        """The failure of a component or a topic as a whole."""
        return cls("", str(error), error.exit_code, error.hint)

    def error(self, before: str = "", after: str = "") -> DownloaderError:
        """The error that this failure stands for, of the class that has its exit code.

        Args:
            before: what its message begins with.
            after: what it ends with.
        """
        error = error_class(self.exit_code)(f"{before}{self}{after}", hint=self.hint)
        error.exit_code = self.exit_code
        return error

    def __str__(self) -> str:
        """Path and reason, one line."""
        return f"{self.path}: {self.reason}" if self.path and not self.reason.startswith(self.path) else self.reason


NOT_TRIED = "not tried: the run ended before its turn"


class Outcome(enum.Enum):
    """What a run did with a component. One without files is skipped, one that is held stays as it is published."""

    PUBLISHED = "published"
    UNCHANGED = "unchanged"
    PLANNED = "planned"
    HELD = "held"
    SKIPPED = "skipped"
    FAILED = "failed"


OBJECT_STORE = "object store"


class SourceTotals(NamedTuple):
    """How much of a component was received from one source.

    Attributes:
        name: the URL of a peer, ``OBJECT_STORE``, or the address of the mirror that was asked in its place.
        files: received completely, with the right content.
        bytes: received, including those discarded.
    """

    name: str
    files: int
    bytes: int


class Assembled(NamedTuple):
    """Images that were put together from what the mirror held; in a dry run, that would be.

    Attributes:
        files: images.
        bytes: of them that were taken from the store.
    """

    files: int = 0
    bytes: int = 0

    def plus(self, files: int, size: int) -> Assembled:
        """The sum with more images, and more bytes of them."""
        return Assembled(self.files + files, self.bytes + size)


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
        copy: its reference in the lab's registry.
    """

    source: str
    copy: str
    outcome: ContainerImageOutcome


class Removal(NamedTuple):
    """What was removed; in a dry run, what would be.

    Attributes:
        versions: the folders of the versions.
        files: how many contents left the disk, each counted once.
        size: bytes that this frees.
    """

    versions: tuple[str, ...] = ()
    files: int = 0
    size: int = 0


@dataclass(frozen=True)
class ComponentReport:
    """What a run did with one component.

    Attributes:
        path: the published link, under which agents read the component; empty where it is not mirrored at all.
        files: how many files the version holds, with ``size`` bytes.
        files_downloaded: files fetched by this run; with ``PLANNED`` and ``HELD``, files to fetch; without those
            assembled.
        bytes_downloaded: bytes received for them, including those discarded; without what an earlier run left.
        bytes_resumed: what an earlier run left of them, and this one took up.
        files_assembled: images put together from files that the mirror held, with ``bytes_assembled`` of them; the rest
            of their bytes is downloaded. With ``PLANNED``, what is expected at the most.
        files_reused: files whose content was in the mirror already, with ``bytes_reused``.
        versions_removed: folders of the older versions that were removed; with ``PLANNED``, that would be.
        bytes_removed: bytes that this frees.
        failures: the files, or the component as a whole, that could not be mirrored.
        notes: one line each: warnings of the manifest, a fallback from hard links to copies.
        seconds: how long it took.
        received: what was downloaded, by source.
        images: the container images, where ``SyncOptions.registry`` asks for them; the reason why one failed is among
            the failures.
        version: the component's own, as the control server states it.
        changes: against the version that was published when the run began; empty where the run failed.
        bytes_kept: where the run failed, how many of the ``size`` bytes are in the mirror, and stay for the next one.
        published: the name of the component that agents read now, this one or an older one; empty for none.
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
    files_assembled: int = 0
    bytes_assembled: int = 0
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
    bytes_resumed: int = 0
    bytes_kept: int = 0
    published: str = ""

    __repr__ = short_repr


@dataclass(frozen=True)
class Report:
    """What a run did with a topic.

    Attributes:
        topic: its name; where it could not be resolved, what was asked for.
        failure: why the topic as a whole could not be mirrored; None where each component has its own outcome.
        seconds: how long it took.
        dropped_peers: URLs of the peers that this run stopped asking; the notes of the components say why.
    """

    topic: str
    topic_id: str
    components: tuple[ComponentReport, ...]
    seconds: float
    failure: Optional[Failure] = None
    dropped_peers: tuple[str, ...] = ()

    __repr__ = short_repr

    @property
    def failures(self) -> tuple[Failure, ...]:
        """Every failure: that of the topic as a whole, and those of its components."""
        own = () if self.failure is None else (self.failure,)
        return (*own, *(failure for component in self.components for failure in component.failures))

    @property
    def exit_code(self) -> int:
        """0, or that of the worst failure."""
        return worst_exit_code(failure.exit_code for failure in self.failures)

    @property
    def ok(self) -> bool:
        """Whether all of it was mirrored, or was there already: the exit code is 0."""
        return not self.failures

    def raise_for_failures(self) -> None:
        """Raise the worst failure, and say how many there are besides; do nothing where there is none.

        Raises:
            DownloaderError: or the class below it that has the exit code of the failure.
        """
        for failure in self.failures:
            if failure.exit_code == self.exit_code:
                others = len(self.failures) - 1
                raise failure.error(f"{self.topic}: ", f" (and {others:,} more)" if others else "")
