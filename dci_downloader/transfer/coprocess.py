"""A second process that fetches part of the files, for an event loop in Python fills one core long before a fast line.

It is started where there is much to fetch. Once the loop here finds no time to wait, it gets half of the files whose
turn has not come, and so again when it is done with them; across a slow line that never happens. It is a fresh
interpreter, not a fork: that would inherit the locks of whatever threads there are.

Over the line between the two go, from here to there, a :class:`Setup`, then files; from there to here None when it is
ready, then :class:`Advance`, lines of detail and, each time it is done, :class:`Fetched`. The end of the line asks it
to stop. Should it end by itself, on a full disk or by the hand of an admin, what it has left is fetched here, and what
was in its way is met here, too.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Optional

import dci_downloader
from dci_downloader.hooks import NeverStop, NullProgress, Progress
from dci_downloader.mirror.store import Store
from dci_downloader.models import FileEntry, Source
from dci_downloader.options import TransferOptions
from dci_downloader.transfer.pipeline import Fetched, Pipeline

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

FILES_PER_SECOND = 6000
BYTES_PER_SECOND = 400_000_000
"""What one process was measured to bring, nearby."""

WORTH_STARTING = 0.5
WORTH_GIVING = 0.1
"""Seconds that one process needs at the least for files that are worth a second one, or worth being given to it."""

TELL_SECONDS = 0.05
"""Seconds between two messages about progress."""


class Setup(NamedTuple):
    """How the other process is to work.

    Attributes:
        store: the root of the store.
        marker: of the store, see :meth:`Store.marker_path`.
        locates: see :class:`Pipeline`.
    """

    source: Source
    store: Path
    marker: str
    options: TransferOptions
    locates: tuple[int, int]


class Advance(NamedTuple):
    """That many more files are complete, and bytes have come; see :meth:`Progress.advance`."""

    files: int
    size: int


class Coprocess:
    """The other process, as seen from here. The arguments are those of :func:`dci_downloader.transfer.engine.fetch`.

    Args:
        pipeline: what works here.

    Attributes:
        working: whether it has files that it is not done with.
    """

    def __init__(
        self, pipeline: Pipeline, source: Source, store: Store, options: TransferOptions, progress: Progress
    ) -> None:
        self.working = False
        self._pipeline, self._source, self._store = pipeline, source, store
        self._options, self._progress = options, progress
        self._process: Optional[subprocess.Popen[bytes]] = None
        self._line: Optional[Connection[Any, Any]] = None
        self._ready = False
        self._given: list[FileEntry] = []
        self._told = Advance(0, 0)

    def start(self, entries: Sequence[FileEntry]) -> None:
        """Start the process, where these files are worth it and there is a processor for it.

        Where there are fewer files than connections, the turn of all of them comes before it would be there.
        """
        options = self._options
        alone = options.connections < 2 or options.limit_rate is not None or len(os.sched_getaffinity(0)) < 2
        if alone or len(entries) <= options.connections or _seconds(entries) < WORTH_STARTING:
            return
        from multiprocessing import Pipe  # here, for short runs need not wait for it

        self._line, theirs = Pipe()
        path = [*sys.path, str(Path(dci_downloader.__file__).parents[1])]  # found by an import hook, it is not in there
        with theirs, suppress(OSError):
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _MAIN, str(theirs.fileno()), *path],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for us to hear
            )
        self._pipeline.watch(self._line.fileno(), self._hear)

    def turn(self) -> None:
        """Give it files where there is more to do here than can be done; take them back where nothing can be done."""
        if self._ready and self._pipeline.loaded:
            self._give()
        elif self.working and self._pipeline.ended:
            self._lose()

    def close(self) -> None:
        """End the process; where it is at work, it saves what came."""
        if self._line is not None:
            self._line.close()
        if self._process is not None:
            if not self.working:
                self._process.kill()
            self._process.wait()

    def _give(self) -> None:
        assert self._line is not None
        self._ready = False
        entries = self._pipeline.halve()
        if not entries or _seconds(entries) < WORTH_GIVING:
            self._pipeline.take(entries)
            return
        self.working = True
        self._told = Advance(0, 0)
        try:
            if not self._given:
                connections, locates = self._pipeline.share()
                options = replace(self._options, connections=connections)
                self._line.send(Setup(self._source, self._store.root, self._store.marker_path(), options, locates))
            self._given = entries
            self._line.send(entries)
        except OSError:  # it died meanwhile
            self._given = entries
            self._lose()

    def _hear(self) -> None:
        assert self._line is not None
        try:
            said = self._line.recv()
        except (EOFError, OSError):
            self._lose()
            return
        if said is None:
            self._ready = True
        elif isinstance(said, Advance):
            self._told = Advance(self._told.files + said.files, self._told.size + said.size)
            self._progress.advance(*said)
        elif isinstance(said, str):
            self._progress.detail(said)
        else:
            self.working, self._ready = False, True
            self._pipeline.credit(said)

    def _lose(self) -> None:
        """Do without it; what it is not done with is to be done here."""
        assert self._line is not None
        self._pipeline.unwatch(self._line.fileno())
        self._line.close()
        self._ready = False
        if self.working:
            assert self._process is not None
            self._process.wait()
            self.working = False
            left = [entry for entry in self._given if not self._store.holds(entry)]
            kept = sum(entry.size for entry in self._given) - sum(e.size - self._store.partial_bytes(e) for e in left)
            self._progress.advance(len(self._given) - len(left) - self._told.files, kept - self._told.size)
            self._pipeline.credit(Fetched(len(self._given) - len(left), max(kept, self._told.size), ()))
            self._pipeline.take(left)


def _seconds(entries: Iterable[FileEntry]) -> float:
    """How long one process needs for files at the least."""
    return sum(1 / FILES_PER_SECOND + entry.size / BYTES_PER_SECOND for entry in entries)


_MAIN = """
import sys
sys.path[:] = sys.argv[2:]
from dci_downloader.transfer.coprocess import main
main(int(sys.argv[1]))
"""


def main(descriptor: int) -> None:
    """Be the other process.

    Args:
        descriptor: of its end of the line.
    """
    from multiprocessing.connection import Connection

    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # sent to all of a service: what follows is for the first to say
    line = Connection(descriptor)
    with suppress(EOFError, OSError):  # the other is gone, or needs nothing more
        line.send(None)
        _work(line.recv(), line)


def _work(setup: Setup, line: Connection[Any, Any]) -> None:
    told = _CoprocessProgress(line)
    store = Store(setup.store, marker=setup.marker)
    seen = Fetched(0, 0, ())
    with closing(Pipeline([], setup.source, store, setup.options, told, setup.locates)) as pipeline:
        while not pipeline.ended:
            pipeline.take(line.recv())
            fetched = pipeline.run(told)
            told.tell()
            new = fetched.failures[len(seen.failures) :]
            line.send(Fetched(fetched.files - seen.files, fetched.bytes - seen.bytes, new))
            seen = fetched


class _CoprocessProgress(NullProgress, NeverStop):
    """Progress and stop of the other process: what it is told goes over the line, whose end is the request to stop."""

    def __init__(self, line: Connection[Any, Any]) -> None:
        self._line = line
        self._files = self._size = 0
        self._last = time.monotonic()
        self._ended = False

    def detail(self, text: str) -> None:
        self._send(text)

    def advance(self, files: int, size: int) -> None:
        self._files += files
        self._size += size

    def requested(self) -> bool:
        now = time.monotonic()
        if now - self._last >= TELL_SECONDS:
            self._last = now
            self.tell()
            self._ended = self._ended or self._line.poll()
        return self._ended

    def tell(self) -> None:
        """Send what has come since the last time."""
        if self._files or self._size:
            self._send(Advance(self._files, self._size))
            self._files = self._size = 0

    def _send(self, said: object) -> None:
        try:
            self._line.send(said)
        except OSError:
            self._ended = True
