"""Hash many files side by side, in a process for each core.

Threads would do for large files. With small ones they spend their time passing the interpreter lock to each other:
50,000 files of 2 kB take two threads longer than one. The processes are fresh interpreters that import next to nothing
(15 ms), not forks: a fork would inherit the locks of whatever threads there are. One that a signal stops is killed, and
its files are hashed in this process.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Optional

from dci_downloader.errors import CancelledError
from dci_downloader.hooks import NeverStop, Stop
from dci_downloader.mirror import digests

_BATCH_FILES = 256
_BATCH_SIZE = 16 << 20
_STOP_SECONDS = 0.2  # between two looks for a request to stop
_LOOK_SECONDS = 1.0  # between two looks at whether workers are stopped; one that is at two of them is killed

Batch = list[str]
_Worker = Optional["subprocess.Popen[bytes]"]
"""A process that hashes; None where it could not be started, and its batches are hashed in this process."""


@contextmanager
def hashing(
    files: Iterable[tuple[str, int]],
    workers: int = 0,
    stop: Stop = NeverStop(),  # noqa: B008  has no state
) -> Iterator[Iterator[tuple[str, str]]]:
    """Hash files side by side for a block, the biggest first, so that none trails at the end.

    The work goes on while the block does something else; leaving the block ends it at once.

    Args:
        files: the paths of regular files, with how many bytes they should have; a wrong size only costs time.
        workers: how many processes; 0 for one on each core.
        stop: asked while the next digest is waited for.

    Yields:
        An iterator over each path and its digest, an empty string where it cannot be read to its end. It raises
        CancelledError once ``stop`` is requested.
    """
    with Hasher(workers, stop) as hasher:
        yield hasher.hash(files)


class Hasher:
    """Hashes one list of files after another, with the same processes; they end with the block.

    Args:
        workers: how many processes at the most; 0 for one on each core.
        stop: asked while a digest is waited for.
    """

    def __init__(self, workers: int = 0, stop: Stop = NeverStop()) -> None:  # noqa: B008  has no state
        self._stop = stop
        self._count = workers or len(os.sched_getaffinity(0))
        self._pool: Optional[_WorkerPool] = None

    def __enter__(self) -> Hasher:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.close()

    def hash(self, files: Iterable[tuple[str, int]]) -> Iterator[tuple[str, str]]:
        """Start to hash files; gives what :func:`hashing` does. Another list may be started before this one is done."""
        files = list(files)
        batches = _batches(files)
        is_big = any(size > _BATCH_SIZE for _, size in files)  # this process could not stop in the middle of one
        if not is_big and (self._count < 2 or (self._pool is None and len(batches) < 2)):
            # a single worker would not be faster than this process
            return (pair for batch in batches for pair in zip(batch, digests.digests(batch)))
        if self._pool is None:
            self._pool = _WorkerPool(self._count)
        self._pool.grow(min(self._count, len(batches)))
        return self._pool.hash(batches, self._stop)


def _batches(files: Iterable[tuple[str, int]]) -> list[Batch]:
    """Group small files, because passing one to a worker costs more than hashing it; large ones stay alone."""
    batches: list[Batch] = []
    room = 0
    for path, size in sorted(files, key=lambda file: -file[1]):
        if not batches or room < size or len(batches[-1]) == _BATCH_FILES:
            batches.append([])
            room = _BATCH_SIZE
        batches[-1].append(path)
        room -= size
    return batches


class _WorkerPool:
    """A number of worker processes, and threads that send them batches and wait for the digests."""

    def __init__(self, most: int) -> None:
        self._threads = ThreadPoolExecutor(most)
        self._workers: list[_Worker] = []
        self._idle: SimpleQueue[_Worker] = SimpleQueue()
        self._closed = False
        self._closing = threading.Event()
        threading.Thread(target=self._kill_stopped, name="hashing", daemon=True).start()

    def grow(self, count: int) -> None:
        """Start workers until there are so many."""
        while len(self._workers) < count:
            self._workers.append(_start())
            self._idle.put(self._workers[-1])

    def hash(self, batches: list[Batch], stop: Stop) -> Iterator[tuple[str, str]]:
        """Start to hash all files of the batches; gives the digests in order."""
        results = deque(self._threads.submit(self._hash, batch) for batch in batches)
        return (pair for batch in batches for pair in zip(batch, _awaited(results.popleft(), stop)))

    def _hash(self, batch: Batch) -> list[str]:
        """Let an idle worker hash a batch; where it never started, or died, hash it here."""
        if self._closed:
            return []
        worker = self._idle.get()  # comes back from another thread where there are more threads than workers
        try:
            response = _request(worker, batch)
        finally:
            self._idle.put(worker)
        return response.split(",") if response or self._closed else digests.digests(batch)

    def _kill_stopped(self) -> None:
        """Kill workers that stay stopped: they may never be continued, and their threads would wait for ever."""
        before: set[int] = set()
        while not self._closing.wait(_LOOK_SECONDS):
            stopped = {worker.pid for worker in self._workers if worker is not None and _is_stopped(worker.pid)}
            for worker in self._workers:
                if worker is not None and worker.pid in stopped & before:
                    worker.kill()
            before = stopped

    def close(self) -> None:
        """End all work at once."""
        self._closed = True
        self._closing.set()
        for worker in self._workers:
            if worker is not None:
                worker.kill()
        self._threads.shutdown(cancel_futures=True)  # its threads wait for workers, which are dead
        for worker in self._workers:
            if worker is not None:
                worker.communicate()  # leaves neither a zombie nor an open pipe


def _awaited(result: Future[list[str]], stop: Stop) -> list[str]:
    """The digests of a batch, once they are there.

    Raises:
        CancelledError: ``stop`` was requested before.
    """
    while not wait([result], _STOP_SECONDS).done:
        if stop.requested():
            raise CancelledError("interrupted")
    return result.result()


def _start() -> _Worker:
    """Start a worker, in a session of its own, so that Ctrl-C reaches only this process. It ends with its input."""
    command = [sys.executable, "-I", "-S", digests.__file__]
    try:
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
        )
    except OSError:
        return None


def _is_stopped(pid: int) -> bool:
    """Whether a process is stopped by a signal; see proc_pid_stat(5)."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as status:
            return status.read().rpartition(b")")[2].split()[0] == b"T"
    except (OSError, IndexError):
        return False


def _request(worker: _Worker, batch: Batch) -> str:
    """The line that a worker responds with, without its end; empty when there is none."""
    if worker is None or worker.stdin is None or worker.stdout is None:
        return ""
    request = b"\0".join(map(os.fsencode, batch))
    try:
        worker.stdin.write(b"%d\n" % len(request) + request)
        worker.stdin.flush()
        response = worker.stdout.readline().decode()
    except OSError:
        return ""
    return response[:-1] if response.endswith("\n") else ""  # a line without an end was cut
