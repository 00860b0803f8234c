"""Hash many files side by side, in a process for each core.

Threads would do for large files. With small ones they spend their time handing the interpreter lock to each other:
50,000 files of 2 kB take two threads longer than one. The processes are fresh interpreters that import next to nothing
(15 ms), not forks: a fork would inherit the locks of whatever threads there are.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Optional

from dci_downloader.mirror import digests

_BATCH_FILES = 256
_BATCH_SIZE = 16 << 20

Batch = list[str]


@contextmanager
def hashing(files: Iterable[tuple[str, int]], workers: int = 0) -> Iterator[Iterator[tuple[str, str]]]:
    """Hash files side by side for a block, the biggest first, so that none trails at the end.

    The work goes on while the block does something else; leaving the block ends it at once.

    Args:
        files: the paths of regular files, with how many bytes they should have; it need not be true.
        workers: how many processes; 0 for one on each core.

    Yields:
        An iterator over each path and its digest, an empty string where it cannot be read to its end.
    """
    batches = _batches(files)
    count = min(workers or len(os.sched_getaffinity(0)), len(batches))
    if count < 2:  # another process would be no help
        yield (found for batch in batches for found in zip(batch, digests.digests(batch)))
        return
    crew = _Crew(count)
    try:
        yield crew.hash(batches)
    finally:
        crew.end()


def _batches(files: Iterable[tuple[str, int]]) -> list[Batch]:
    """Small files in handfuls, for handing over each costs more than hashing it; large ones alone."""
    batches: list[Batch] = []
    room = 0
    for path, size in sorted(files, key=lambda file: -file[1]):
        if not batches or room < size or len(batches[-1]) == _BATCH_FILES:
            batches.append([])
            room = _BATCH_SIZE
        batches[-1].append(path)
        room -= size
    return batches


class _Crew:
    """So many processes, and a thread for each that hands it batches."""

    def __init__(self, count: int) -> None:
        self._threads = ThreadPoolExecutor(count)
        self._workers = [_start() for _ in range(count)]
        self._idle: SimpleQueue[Optional[subprocess.Popen[bytes]]] = SimpleQueue()
        for worker in self._workers:
            self._idle.put(worker)
        self._ended = False

    def hash(self, batches: list[Batch]) -> Iterator[tuple[str, str]]:
        """Begin to hash all files of the batches."""
        answers = zip(batches, self._threads.map(self._hash, batches))
        return (found for batch, answer in answers for found in zip(batch, answer))

    def _hash(self, batch: Batch) -> list[str]:
        """Let an idle worker hash a batch. Where one cannot be started, or died, it is done here."""
        if self._ended:
            return []
        worker = self._idle.get()
        try:
            answer = _ask(worker, batch)
        finally:
            self._idle.put(worker)
        return answer.split(",") if answer or self._ended else digests.digests(batch)

    def end(self) -> None:
        """Stop, whatever is being done."""
        self._ended = True
        for worker in self._workers:
            if worker is not None:
                worker.kill()
        self._threads.shutdown(cancel_futures=True)
        for worker in self._workers:
            if worker is not None:
                worker.communicate()


def _start() -> Optional[subprocess.Popen[bytes]]:
    """A worker; in a session of its own, so that Ctrl-C reaches only us. It ends when its standard input does."""
    command = [sys.executable, "-I", "-S", digests.__file__]
    try:
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
        )
    except OSError:
        return None


def _ask(worker: Optional[subprocess.Popen[bytes]], batch: Batch) -> str:
    """The answer of a worker, without the end of its line; empty when there is none."""
    if worker is None or worker.stdin is None or worker.stdout is None:
        return ""
    request = b"\0".join(map(os.fsencode, batch))
    try:
        worker.stdin.write(b"%d\n" % len(request) + request)
        worker.stdin.flush()
        answer = worker.stdout.readline().decode()
    except OSError:
        return ""
    return answer[:-1] if answer.endswith("\n") else ""
