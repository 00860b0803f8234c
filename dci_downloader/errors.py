"""The exceptions of this package, as one tree.

    DownloaderError             1    unexpected
    ├ SettingsError             2    usage or settings
    ├ AccessError               3    credentials missing or refused
    ├ NotFoundError             4    no such topic, component, job or version
    │ └ NoFilesError                 a component without files
    ├ TransferError             5    worth running again
    │ ├ StatusError                  an unexpected status
    │ │ └ StaleJobError              a job has changed since it was read
    │ ├ StallError                   a transfer made no progress for too long
    │ └ ServerUnreachableError       no connection to a server
    ├ DiskFullError             6    not enough room
    ├ IntegrityError            7    content is not what it should be
    │ ├ ManifestError                the manifest itself cannot be trusted
    │ └ DigestMismatchError          bytes do not hash to what the manifest says
    ├ LockedError               75   another run holds the lock (EX_TEMPFAIL)
    └ CancelledError            130  the user or a signal ended the run (128 + SIGINT)

The number is the exit code of the command line. ``str(error)`` is one line for a person: what happened and where;
``error.hint``, where there is one, says what to do about it. Neither ever holds a secret or a presigned signature.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Optional


class DownloaderError(Exception):
    """The base of every error that this package raises on purpose.

    Attributes:
        exit_code: of the command line.
        hint: what the user can do, or an empty string.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


AUTHORITY_HINT = "point REQUESTS_CA_BUNDLE at a file that holds the certificate of that authority"
HOST_NAME_HINT = "is the host name right (DCI_CS_URL?); does a proxy answer in its place?"
CLOCK_HINT = "is this machine's clock right? If it is, tell the owner of that server"
"""Hints about a certificate that is not trusted, alike for API calls and file bytes."""


class SettingsError(DownloaderError):
    """The command line, the environment or a settings file cannot be used."""

    exit_code = 2


class AccessError(DownloaderError):
    """Credentials are missing or wrong, or do not give access to what was asked for."""

    exit_code = 3


class NotFoundError(DownloaderError):
    """There is no such topic, component, job, file or version."""

    exit_code = 4


class NoFilesError(NotFoundError):
    """A component has no files, as those of OpenShift, git commits and container images.

    Attributes:
        name: of the component.
        type: of the component.
    """

    def __init__(self, name: str, type: str) -> None:
        super().__init__(
            f"component {name} of type {type} has no files",
            hint="some have none, those of OpenShift for example; choose other types with --filter",
        )
        self.name = name
        self.type = type


class TransferError(DownloaderError):
    """Something could not be fetched. Another run may succeed, and resumes where this one ended."""

    exit_code = 5


class StatusError(TransferError):
    """A server answered with an HTTP status that no other class of errors stands for.

    Attributes:
        url: the URL without query and credentials.
        status: the HTTP status.
    """

    def __init__(self, message: str, *, url: str, status: int, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.url = url
        self.status = status


class StaleJobError(StatusError):
    """A job was left as it is, because it has changed since it was read. Read it again, and decide anew."""


class StallError(TransferError):
    """No byte was received for longer than the patience of the run."""


class ServerUnreachableError(TransferError):
    """A server's name cannot be resolved, or it cannot be connected to or trusted."""


class DiskFullError(DownloaderError):
    """There is not enough room.

    Attributes:
        needed: bytes that are needed, where known.
        free: bytes that are free, where known.
    """

    exit_code = 6

    def __init__(
        self, message: str, *, needed: Optional[int] = None, free: Optional[int] = None, hint: str = ""
    ) -> None:
        super().__init__(message, hint=hint)
        self.needed = needed
        self.free = free


class IntegrityError(DownloaderError):
    """Content is not what it should be. Nothing of it is published."""

    exit_code = 7


class ManifestError(IntegrityError):
    """A manifest cannot be trusted: not JSON, or an entry that no mirror may hold.

    Attributes:
        entry: the bad entry as the server sent it, shortened; empty where the whole document is bad.
    """

    def __init__(self, message: str, *, entry: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.entry = entry


class DigestMismatchError(IntegrityError):
    """Bytes do not hash to what the manifest says.

    Attributes:
        path: the file, relative to its component.
        expected: the sha256 of the manifest, 64 hexadecimal digits.
        actual: the sha256 of the bytes.
    """

    def __init__(self, path: str, *, expected: str, actual: str) -> None:
        super().__init__(f"{path}: content does not match its manifest (expected sha256 {expected}, got {actual})")
        self.path = path
        self.expected = expected
        self.actual = actual


class LockedError(DownloaderError):
    """Another run holds the lock.

    Attributes:
        holder: who holds it: pid, host and since when, as far as known.
    """

    exit_code = 75

    def __init__(self, message: str, *, holder: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.holder = holder


class CancelledError(DownloaderError):
    """The run was asked to stop. What is complete stays, and the next run resumes.

    Attributes:
        report: of a sync, the ``Report`` on what it had done until then; None where it had not come to any component.
    """

    exit_code = 130
    report: Any = None


_CLASSES = {
    kind.exit_code: kind
    for kind in (
        SettingsError,
        AccessError,
        NotFoundError,
        TransferError,
        DiskFullError,
        IntegrityError,
        LockedError,
        CancelledError,
    )
}


def error_class(exit_code: int) -> type[DownloaderError]:
    """The class of the errors that have an exit code; the base where none has it."""
    return _CLASSES.get(exit_code, DownloaderError)


def worst_exit_code(exit_codes: Iterable[int]) -> int:
    """The exit code of a run with several failures; 0 for none.

    The highest: wrong content (7) is worse than a full disk (6), and that than a failed transfer (5). A held lock (75,
    from sysexits.h) is the mildest whatever its number: the other run does the work.
    """
    return max(exit_codes, key=lambda code: 0.5 if code == LockedError.exit_code else code, default=0)
