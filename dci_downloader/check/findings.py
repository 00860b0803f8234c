"""What a check finds, and how long a probe may take to find it."""

from __future__ import annotations

import enum
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from dci_downloader.errors import DownloaderError, TransferError
from dci_downloader.mirror.disk_errors import disk_error


class Grade(enum.Enum):
    """How good or bad a finding is: a warning keeps no run from its work."""

    GOOD = "good"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        subject: what it is about: ``credentials``, ``disk``, the name of a topic.
        text: what was found, one line for a person; holds no secret.
        hint: what to do about it; empty where there is nothing to do.
        exit_code: that of the run that would fail because of it; 0 for good findings and warnings.
    """

    grade: Grade
    subject: str
    text: str
    hint: str = ""
    exit_code: int = 0


Probe = Callable[[], Iterable[Finding]]
"""Looks at something. An error that it raises is a finding too."""


def good(subject: str, text: str) -> Finding:
    """A finding that is as it should be."""
    return Finding(Grade.GOOD, subject, text)


def warning(subject: str, text: str, hint: str = "") -> Finding:
    """A finding that keeps no run from its work."""
    return Finding(Grade.WARNING, subject, text, hint)


def failure(subject: str, error: DownloaderError) -> Finding:
    """The finding for an error."""
    return Finding(Grade.FAILURE, subject, str(error), error.hint, error.exit_code)


def findings_of(subject: str, probe: Probe, seconds: float) -> list[Finding]:
    """The findings of a probe within its time, also those before it ran out of time.

    It works in a thread of its own, a daemon, which is left where it is stuck: a network file system that is gone, for
    example, holds it until it is back.

    Args:
        subject: of what the probe raises.
        probe: looks at something.
        seconds: how long it may take.
    """
    found: list[Finding] = []
    unexpected: list[BaseException] = []

    def work() -> None:
        try:
            found.extend(probe())  # one by one: those before an error, or before its time is over, count
        except DownloaderError as error:
            found.append(failure(subject, error))
        except OSError as error:
            found.append(failure(subject, disk_error(error, str(error.filename or subject))))
        except Exception as error:
            unexpected.append(error)

    thread = threading.Thread(target=work, name=f"check {subject}", daemon=True)
    thread.start()
    thread.join(seconds)
    result = list(found)
    if thread.is_alive():
        text = f"no answer within {seconds:,.0f} s"
        result.append(failure(subject, TransferError(text, hint="is a server or a network disk gone? Try again later")))
    elif unexpected:
        raise unexpected[0]
    return result
