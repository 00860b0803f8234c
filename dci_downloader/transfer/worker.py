"""One thread beside the event loop, for what would make the loop wait: writing and hashing."""

from __future__ import annotations

import contextlib
import os
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, NamedTuple, Optional


class Task(NamedTuple):
    """What the worker is to do.

    Attributes:
        size: bytes that wait for it.
        then: called by :meth:`Worker.collect` with what ``function`` raised, or None.
    """

    function: Callable[..., None]
    arguments: tuple[Any, ...]
    size: int
    then: Callable[[Optional[Exception]], None]


class Worker:
    """Does tasks in the order they were given, handed over in batches.

    A batch is handed over when it holds enough bytes, or when :meth:`flush` says that nothing more is coming soon: to
    do that for every chunk costs more than the second thread saves.

    Args:
        name: of the thread.
        wake: a descriptor that gets a byte when results are there.
        batch_bytes: bytes after which a batch is handed over.
        closing_seconds: that it gets to do what is left.

    Attributes:
        outstanding: bytes submitted whose tasks are not done and collected yet.
    """

    def __init__(self, name: str, wake: int, batch_bytes: int, closing_seconds: float) -> None:
        self.outstanding = 0
        self._wake = wake
        self._most_bytes = batch_bytes
        self._closing_seconds = closing_seconds
        self._closed = False
        self._batch: list[Task] = []
        self._batch_bytes = 0
        self._unfinished = 0
        self._queue: SimpleQueue[Optional[list[Task]]] = SimpleQueue()
        self._results: deque[tuple[Task, Optional[Exception]]] = deque()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    @property
    def idle(self) -> bool:
        """Whether every task was done and collected."""
        return not self._unfinished

    def submit(self, task: Task) -> None:
        """Have a task done, after all that was submitted before."""
        self._batch.append(task)
        self._batch_bytes += task.size
        self.outstanding += task.size
        self._unfinished += 1
        if self._batch_bytes >= self._most_bytes:
            self.flush()

    def flush(self) -> None:
        """Hand over what was submitted."""
        if self._batch:
            self._queue.put(self._batch)
            self._batch = []
            self._batch_bytes = 0

    def drain(self) -> None:
        """Wait until all that was submitted is done; to collect it is left for later. No longer than at the end."""
        done = threading.Event()
        self.submit(Task(done.set, (), 0, lambda _: None))
        self.flush()
        done.wait(self._closing_seconds)

    def collect(self) -> None:
        """Call ``then``, in this thread, of every task that was done since the last call."""
        while self._results:
            task, error = self._results.popleft()
            self.outstanding -= task.size
            self._unfinished -= 1
            task.then(error)

    def close(self) -> None:
        """Do all that is left, then end the thread; one that a disk holds for too long is left behind."""
        self.flush()
        self._queue.put(None)
        self._thread.join(self._closing_seconds)
        self._closed = True

    def _work(self) -> None:
        """Do batches until there is a None in their place: what the thread runs."""
        while True:
            batch = self._queue.get()
            if batch is None:
                return
            for task in batch:
                error: Optional[Exception] = None
                try:
                    task.function(*task.arguments)
                except Exception as raised:  # handed to the loop, which decides what it means for the run
                    error = raised
                self._results.append((task, error))
            if self._closed:  # the descriptor may be another by now
                return
            with contextlib.suppress(BlockingIOError):  # full of bytes: the loop will wake anyway
                os.write(self._wake, b"\0")
