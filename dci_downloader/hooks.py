"""How a caller follows a run and ends it: two protocols, each with an implementation that does nothing.

:class:`MultiProgress` lets several callers follow one run.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Protocol


class Progress(Protocol):
    """Gets reports of a run while it works, in the thread that runs it. Every method must return at once.

    Methods may join these: a subclass of :class:`NullProgress` goes on working then.
    """

    def message(self, text: str) -> None:
        """A line for everybody: which topic a pattern means, a topic that waits for a lock."""

    def detail(self, text: str) -> None:
        """A line for verbose output: which component was chosen, a peer that is not asked any more."""

    def begin(self, label: str, files: int, size: int) -> None:
        """Work on that many files and bytes starts; ``label`` names it."""

    def advance(self, files: int, size: int) -> None:
        """So many more files are complete, and bytes there, received or taken from the store.

        A negative ``size`` says that bytes were discarded.
        """

    def waiting(self, seconds: float, limit: float) -> None:
        """Nothing has arrived for so many seconds; at ``limit`` seconds the work is given up. Called repeatedly."""

    def end(self) -> None:
        """The work that ``begin`` announced is over, complete or not."""

    def phase(self, label: str) -> None:
        """Work without bytes to count starts, ``label`` names it; empty where it is over."""


class NullProgress:
    """Ignores every report; a subclass overrides the methods that it needs."""

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

    def waiting(self, seconds: float, limit: float) -> None:
        """Ignore it."""

    def end(self) -> None:
        """Ignore it."""

    def phase(self, label: str) -> None:
        """Ignore it."""


class MultiProgress:
    """Passes every report on to all of several receivers."""

    def __init__(self, *receivers: Progress) -> None:
        self._receivers = receivers

    def message(self, text: str) -> None:
        """Pass on a line."""
        for receiver in self._receivers:
            receiver.message(text)

    def detail(self, text: str) -> None:
        """Pass on a detail."""
        for receiver in self._receivers:
            receiver.detail(text)

    def begin(self, label: str, files: int, size: int) -> None:
        """Pass on that work begins."""
        for receiver in self._receivers:
            receiver.begin(label, files, size)

    def advance(self, files: int, size: int) -> None:
        """Pass on how much more is complete."""
        for receiver in self._receivers:
            receiver.advance(files, size)

    def waiting(self, seconds: float, limit: float) -> None:
        """Pass on that nothing arrives."""
        for receiver in self._receivers:
            receiver.waiting(seconds, limit)

    def end(self) -> None:
        """Pass on that the work is over."""
        for receiver in self._receivers:
            receiver.end()

    def phase(self, label: str) -> None:
        """Pass on which work without bytes begins or ends."""
        for receiver in self._receivers:
            receiver.phase(label)


@contextmanager
def phase(progress: Progress, label: str) -> Iterator[None]:
    """Report a block as work without bytes to count."""
    progress.phase(label)
    try:
        yield
    finally:
        progress.phase("")


@contextmanager
def entering(progress: Progress, label: str, context: AbstractContextManager[object]) -> Iterator[None]:
    """Enter a context for a block; entering it is reported as work without bytes to count."""
    with ExitStack() as stack:
        with phase(progress, label):
            stack.enter_context(context)
        yield


class Stop(Protocol):
    """A request to end the run; on the command line, a signal."""

    def requested(self) -> bool:
        """Whether the work should end as soon as it cleanly can."""

    def deferred(self) -> AbstractContextManager[None]:
        """A context for work that must not be interrupted: it calls ``requested`` several times a second instead."""


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
