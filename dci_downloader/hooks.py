"""What a run tells its caller while it works, and how the caller ends it; each with a twin that does nothing."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Protocol


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


class NullProgress:
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


class NeverStop:
    """The stop that is never requested."""

    def requested(self) -> bool:
        """False."""
        return False

    def deferred(self) -> AbstractContextManager[None]:
        """Nothing to defer."""
        return nullcontext()
