"""How a caller follows a run and ends it: two protocols, each with an implementation that does nothing."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Protocol


class Progress(Protocol):
    """Gets reports of a run while it works, in the thread that runs it. Every method must return at once."""

    def message(self, text: str) -> None:
        """A line for everybody: which topic a pattern means, a topic that waits for a lock."""

    def detail(self, text: str) -> None:
        """A line for those who asked for more: which component was chosen, a peer that is not asked any more."""

    def begin(self, label: str, files: int, size: int) -> None:
        """Work on that many files and bytes starts; ``label`` names it."""

    def advance(self, files: int, size: int) -> None:
        """So many more files are complete, and bytes there, received or taken from the store.

        A negative ``size`` says that bytes were discarded.
        """

    def end(self) -> None:
        """The work that ``begin`` announced is over, complete or not."""


class NullProgress:
    """Ignores every report; a subclass overrides those that it is about."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    def message(self, text: str) -> None:
        """Ignore it."""

    def detail(self, text: str) -> None:
        """Ignore it."""

    def begin(self, label: str, files: int, size: int) -> None:
        """Ignore it."""

    def advance(self, files: int, size: int) -> None:
        """Ignore it."""

    def end(self) -> None:
        """Ignore it."""


class Stop(Protocol):
    """A request to end the run; on the command line, a signal."""

    def requested(self) -> bool:
        """Whether the work should end as soon as it cleanly can."""

    def deferred(self) -> AbstractContextManager[None]:
        """Entered by work that must not be interrupted, and calls ``requested`` several times a second instead."""


class NeverStop:
    """Is never requested."""

    def __repr__(self) -> str:
        return "NeverStop()"

    def requested(self) -> bool:
        """False."""
        return False

    def deferred(self) -> AbstractContextManager[None]:
        """A context that does nothing."""
        return nullcontext()
