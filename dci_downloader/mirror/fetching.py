"""What is being fetched, and what an interrupted run left: a small file for each component, for ``status``.

    fetching/3f2a….json      one for each topic and type, gone once the component is published

Its amounts are those of the whole component, as in the lines that a run ends with. Nothing relies on it: it is written
now and then without a flush, and what cannot be written or read is left out. A run on this machine counts as running
while its process exists, one on another machine while it wrote lately.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Optional

from dci_downloader.errors import DownloaderError
from dci_downloader.hooks import MultiProgress, Progress
from dci_downloader.mirror.files import boot_id, make_folder, replace_atomically
from dci_downloader.mirror.object_names import is_digest
from dci_downloader.mirror.reading import open_listed, read_open
from dci_downloader.mirror.record_fields import text, whole_number
from dci_downloader.mirror.record_fields import time as instant_of
from dci_downloader.mirror.store import Store
from dci_downloader.mirror.topic import TopicMirror
from dci_downloader.models import Component, FileEntry, Plan

FOLDER = "fetching"
_PERIOD = 2.0  # seconds between two writes
_SILENCE = timedelta(minutes=2)  # after which a run on another machine counts as ended
_MAX_SIZE = 1 << 16  # bytes
_MAX_AMOUNT = 2**63 - 1
_MAX_FILES = 1000
_AMOUNTS = ("files", "size", "files_done", "size_done")


@dataclass(frozen=True)
class Fetching:
    """A component that is being fetched, or that an interrupted run left.

    Attributes:
        name: of the component.
        files: how many are wanted of it, with ``size`` bytes, each path counted.
        files_done: how many of them are here, from this run or from before.
        size_done: how many of the bytes are here, those of unfinished files included.
        began_at: UTC.
        seen_at: when the run last wrote how far it is, UTC.
        running: whether the run still works.
    """

    topic: str
    type: str
    name: str
    files: int
    size: int
    files_done: int
    size_done: int
    began_at: datetime
    seen_at: datetime
    running: bool = False


class _Recorder(MultiProgress):
    """Passes everything on, and writes now and then how far it is."""

    def __init__(self, progress: Progress, plan: Plan, write: Callable[[dict[str, int], bool], None]) -> None:
        super().__init__(progress)
        self._write = write
        self._left = plan.missing_files
        self._amounts = _amounts(plan)
        self._next = 0.0

    def begin(self, label: str, files: int, size: int) -> None:
        self.save()
        super().begin(label, files, size)

    def advance(self, files: int, size: int) -> None:
        self._left -= files
        self._amounts["files_done"] += files
        self._amounts["size_done"] += size
        if time.monotonic() >= self._next:
            self.save()
        super().advance(files, size)

    def save(self) -> None:
        self._next = time.monotonic() + _PERIOD
        self._write(self._amounts, True)

    def end_with(self, look: Callable[[], Plan]) -> None:
        """Write how far it came: where files lack, what is on disk now, for what was under way may be dropped."""
        if self._left > 0:
            with suppress(OSError, DownloaderError):
                self._amounts = _amounts(look())
        self._write(self._amounts, False)


@contextmanager
def recorded_fetching(topic: TopicMirror, component: Component, plan: Plan, progress: Progress) -> Iterator[Progress]:
    """Record for a block how far the fetching of what a plan misses is; gives the progress to report it to."""
    path, began_at = _path(topic, component.type), topic.clock().isoformat()
    own = {"topic": topic.name, "type": component.type, "name": component.name, "began_at": began_at}
    process = {"host": socket.gethostname(), "boot": boot_id(), "pid": os.getpid(), "start": _start_of(os.getpid())}

    def write(amounts: dict[str, int], running: bool) -> None:
        moment = {"seen_at": topic.clock().isoformat(), "process": process if running else {}}
        content = json.dumps({**own, **amounts, **moment}).encode()
        with suppress(OSError, DownloaderError):
            make_folder(path.parent)
            replace_atomically(path, content, mode=0o644)

    recorder = _Recorder(progress, plan, write)
    try:
        yield recorder
    finally:
        recorder.end_with(lambda: topic.store.plan(plan.wanted))


def forget_fetching(topic: TopicMirror, component_type: str) -> None:
    """Remove the record of a component: it is published. Safe to repeat."""
    path = _path(topic, component_type)
    with suppress(OSError), open_listed(path.parent) as folder:
        os.unlink(path.name, dir_fd=folder)


def fetchings(store: Path, now: datetime) -> tuple[Fetching, ...]:
    """What is being fetched, or was left, sorted by topic and type.

    Args:
        store: ``DEST/.dci-downloader``.
        now: UTC.
    """
    found = []
    with suppress(OSError), open_listed(store / FOLDER) as folder:
        for name in sorted(os.listdir(folder))[:_MAX_FILES]:
            with suppress(OSError, ValueError, KeyError, TypeError, RecursionError, OverflowError):
                found.append(_fetching(read_open(name, _MAX_SIZE, folder), now))
    return tuple(sorted(found, key=lambda each: (each.topic, each.type)))


def _path(topic: TopicMirror, component_type: str) -> Path:
    digest = hashlib.sha256(f"{topic.path.name}/{component_type}".encode("utf-8", "surrogateescape")).hexdigest()
    return topic.store.root / FOLDER / f"{digest[:32]}.json"


def _amounts(plan: Plan) -> dict[str, int]:
    return dict(zip(_AMOUNTS, (len(plan.wanted.files), plan.wanted.size, *plan.here)))


def _fetching(content: bytes, now: datetime) -> Fetching:
    """What a record says; anything else raises some error, see :func:`fetchings`."""
    record = json.loads(content.decode())
    topic, of_type, name = (text(record[key], empty=True) for key in ("topic", "type", "name"))
    files, size, files_done, size_done = (whole_number(record[key], _MAX_AMOUNT) for key in _AMOUNTS)
    began_at, seen_at = (instant_of(record[key]) for key in ("began_at", "seen_at"))
    running = _is_running(record["process"], now - seen_at)
    return Fetching(topic, of_type, name, files, size, files_done, size_done, began_at, seen_at, running)


def unfinished(store: Store) -> tuple[int, int]:
    """How many files the next sync goes on with, and how many bytes of them are here."""
    files = size = 0
    for sha256 in filter(is_digest, store.partial_names()):  # each has a journal beside it
        with suppress(OSError):
            path = store.partial_path(sha256)
            here = store.partial_bytes(FileEntry("", sha256, os.lstat(path).st_size))
            files, size = files + (here > 0), size + here
    return files, size


def _is_running(process: Any, silence: timedelta) -> bool:
    if not process:
        return False
    if process["host"] != socket.gethostname():
        return silence < _SILENCE
    start = _start_of(int(process["pid"]))
    return start is not None and (process["boot"], process["start"]) == (boot_id(), start)


def _start_of(pid: int) -> Optional[int]:
    """When a process started, in ticks since the boot (proc(5)); None where there is none, or no /proc."""
    with suppress(OSError, ValueError, IndexError):
        return int(Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[19])
    return None
