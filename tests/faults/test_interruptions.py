"""Runs that end before they are done, and the runs after them."""

from __future__ import annotations

import errno
import functools
import os
import random
import resource
import signal
import subprocess
import sys
import threading
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from dci_downloader.content import ranges
from dci_downloader.errors import CancelledError, DiskFullError
from dci_downloader.hooks import NeverStop
from dci_downloader.mirror import files, partial
from dci_downloader.mirror.store import Store
from dci_downloader.options import TransferOptions
from dci_downloader.transfer import engine
from tests.faults.conftest import Bench, Tally
from tests.faults.server import CHUNK, Exchange
from tests.faults.sizes import BIG, SEGMENT, SMALL

ROOT = Path(__file__).parents[2]


class After:
    """A stop that is requested once so many bytes were received."""

    def __init__(self, tally: Tally, size: int) -> None:
        self._tally = tally
        self._size = size

    def requested(self) -> bool:
        return self._tally.size >= self._size

    def deferred(self) -> AbstractContextManager[None]:
        return nullcontext()


def asked_bytes(bench: Bench, path: str) -> int:
    return sum(end - start for start, end in bench.store.ranges(path))


def test_a_stop_keeps_what_came_and_the_next_run_asks_for_the_rest_only(bench: Bench):
    big = bench.add("big.iso", BIG)
    bench.store.pause = 0.02
    with pytest.raises(CancelledError):
        bench.fetch(stop=After(bench.tally, BIG // 2), connections=2)
    kept = bench.mirror.partial_bytes(big)
    assert kept == bench.tally.size >= BIG // 2
    assert bench.partials() == [big.sha256, big.sha256 + ".json"]
    bench.serve()
    resumed = bench.fetch()
    assert (resumed.failures, resumed.files, resumed.bytes) == ((), 1, BIG - kept)
    assert bench.arrived("big.iso")
    assert bench.partials() == []
    assert asked_bytes(bench, "big.iso") == BIG - kept
    wanted = sorted(bench.store.ranges("big.iso"))
    assert all(before[1] <= after[0] for before, after in zip(wanted, wanted[1:]))
    assert bench.tally.size == BIG


def test_a_stop_before_anything_came_leaves_nothing_of_small_files(bench: Bench):
    bench.add("small.rpm", SMALL)
    with pytest.raises(CancelledError):
        bench.fetch(stop=After(bench.tally, 0))
    assert bench.partials() == []
    assert bench.store.log == []


def test_a_complete_partial_is_finished_without_a_request(bench: Bench):
    big = bench.add("big.iso", BIG)
    complete = bench.mirror.open_partial(big)
    complete.write(0, bench.contents["big.iso"])
    complete.close()
    fetched = bench.fetch()
    assert (fetched.files, fetched.bytes, fetched.failures) == (1, 0, ())
    assert bench.arrived("big.iso")
    assert bench.store.log == bench.control.log == []


def test_a_partial_with_wrong_bytes_is_found_out_and_fetched_anew(bench: Bench):
    big = bench.add("big.iso", BIG)
    wrong = bench.mirror.open_partial(big)
    wrong.write(0, bytes(SEGMENT))
    wrong.close()
    fetched = bench.fetch()
    assert (fetched.files, fetched.failures) == (1, ())
    assert bench.arrived("big.iso")
    assert bench.partials() == []


JOURNAL = 1000
"""Bytes that there is always room for: what a file gives back that is being replaced."""


class FullDisk:
    """Takes so many bytes, then no more."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, room: int, code: int) -> None:
        self._room, self._code = room, code
        pwrite, write = os.pwrite, os.write
        monkeypatch.setattr(os, "pwrite", lambda fd, chunk, at: self._take(len(chunk)) or pwrite(fd, chunk, at))
        monkeypatch.setattr(files.os, "write", lambda fd, content: self._take(len(content)) or write(fd, content))

    def _take(self, size: int) -> None:
        if size > JOURNAL and size > self._room:
            raise OSError(self._code, os.strerror(self._code))
        self._room -= size


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
@pytest.mark.parametrize("sizes", [[SMALL] * 40, [BIG, BIG - 1]], ids=["small", "big"])
def test_a_full_disk_ends_the_run_and_what_came_is_kept(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, sizes: list[int], code: int
):
    for number, size in enumerate(sizes):
        bench.add(f"{number}", size)
    with monkeypatch.context() as patched:
        FullDisk(patched, sum(sizes) // 2, code)
        with pytest.raises(DiskFullError) as caught:
            bench.fetch()
    assert caught.value.hint
    assert not any(name.endswith(".tmp") for name in bench.partials())
    held = sum(entry.size for entry in bench.entries.values() if bench.mirror.holds(entry))
    kept = held + sum(bench.mirror.partial_bytes(entry) for entry in bench.entries.values())
    assert kept >= sum(sizes) // 4
    missing = {path: entry for path, entry in bench.entries.items() if not bench.mirror.holds(entry)}
    bench.entries = missing
    resumed = bench.fetch()
    assert (resumed.failures, resumed.bytes) == ((), sum(sizes) - kept)


def test_a_disk_that_is_full_for_journals_too_keeps_what_came(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    """Others filled it: the file has its room, but no journal can be written beside the one there is."""
    entry = bench.add("big.iso", BIG)
    bench.tune(record_seconds=0.02)
    bench.store.pause = 0.02
    replace_atomically = partial.replace_atomically
    full = threading.Event()

    def replaced(path: Path, content: bytes) -> None:
        if full.is_set():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        replace_atomically(path, content)
        full.set()

    monkeypatch.setattr(partial, "replace_atomically", replaced)
    with pytest.raises(CancelledError):
        bench.fetch(stop=After(bench.tally, BIG // 2), connections=2)
    assert bench.mirror.partial_bytes(entry) == bench.tally.size >= BIG // 2


def test_a_limit_on_the_size_of_files_is_told(bench: Bench):
    bench.add("big.iso", BIG)
    limit = functools.partial(resource.setrlimit, resource.RLIMIT_FSIZE, (SEGMENT, SEGMENT))
    process = started(bench, "big.iso", 2, preexec_fn=limit, stderr=subprocess.PIPE)
    _, words = process.communicate(timeout=20)
    assert process.returncode == 1
    assert b"DiskFullError" in words
    assert b"big.iso" in words or bench.entries["big.iso"].sha256.encode() in words
    assert started(bench, "big.iso", 2).wait(20) == 0
    assert bench.arrived("big.iso")


def test_no_room_for_a_partial_ends_the_run(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    def full(fd: int, size: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    bench.add("big.iso", BIG)
    monkeypatch.setattr(partial, "preallocate", full)
    with pytest.raises(DiskFullError):
        bench.fetch()
    assert bench.partials() == []


def test_two_runs_share_the_work_on_one_file(bench: Bench):
    bench.add("big.iso", BIG)
    bench.store.pause = 0.02
    other = Store(bench.mirror.root)
    fetched: list[Any] = []

    def second() -> None:
        own = engine.Engine(other, TransferOptions(), Tally(), NeverStop(), tuning=bench.tuning)
        fetched.append(own.fetch(list(bench.entries.values()), bench.source))

    thread = threading.Thread(target=second)
    thread.start()
    first = bench.fetch()
    thread.join(20)
    assert (first.files, first.failures) == (fetched[0].files, fetched[0].failures) == (1, ())
    assert first.bytes + fetched[0].bytes == BIG
    assert bench.arrived("big.iso")
    assert bench.partials() == []


def test_no_segment_begins_before_as_many_are_recorded(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    """Between arrival and journal a segment would be lost to a kill, beside those that are on their way."""
    bench.add("big.iso", BIG)
    recorded = threading.Event()
    save = partial.Partial.save

    def late(self: partial.Partial, **how: bool) -> None:
        assert recorded.wait(10)
        save(self, **how)

    monkeypatch.setattr(partial.Partial, "save", late)
    fetched: list[Any] = []
    run = threading.Thread(target=lambda: fetched.append(bench.fetch(connections=2)))
    run.start()
    while len(bench.store.log) < 2:
        bench.store.closing.wait(0.01)
    bench.store.closing.wait(0.2)  # time enough for a third request
    assert len(bench.store.log) == 2
    recorded.set()
    run.join(20)
    bench.assert_all_arrived(fetched[0])


SCRIPT = """
import sys
from dataclasses import replace
from pathlib import Path
from dci_downloader.mirror.store import Store
from dci_downloader.hooks import NeverStop, NullProgress
from dci_downloader.models import FileEntry
from dci_downloader.options import TransferOptions
from dci_downloader.transfer import engine
from tests.faults.conftest import StubSource
from tests.faults.sizes import SMALL_SCALE

url, root, path, sha256, size, connections, segment, seconds = sys.argv[1:]
tuning = replace(
    SMALL_SCALE,
    smallest_segment=int(segment),
    biggest_segment=int(segment),
    record_seconds=float(seconds),
    write_chunks=16,
)
store = Store(Path(root))
options = TransferOptions(connections=int(connections))
entry = FileEntry(path, sha256, int(size))
fetched = engine.Engine(store, options, NullProgress(), NeverStop(), tuning=tuning).fetch([entry], StubSource(url))
assert not fetched.failures, fetched.failures
"""


def started(
    bench: Bench, path: str, connections: int, segment: int = SEGMENT, seconds: float = 0.5, **process: Any
) -> subprocess.Popen[bytes]:
    entry = bench.entries[path]
    values = [bench.source.url, bench.mirror.root, path, entry.sha256, entry.size, connections, segment, seconds]
    return subprocess.Popen([sys.executable, "-c", SCRIPT, *map(str, values)], cwd=ROOT, **process)


@pytest.mark.slow
def test_after_kill_9_at_most_one_segment_per_connection_is_asked_for_again(bench: Bench):
    connections, chances = 3, random.Random(9)
    size = 30 * SEGMENT
    entry = bench.add("big.iso", size)
    bench.store.pause = 0.02
    for _ in range(3):
        kept = bench.mirror.partial_bytes(entry)
        before = len(bench.store.log)
        process = started(bench, "big.iso", connections)
        enough = before + chances.randrange(4, 8)
        while len(bench.store.log) < enough and process.poll() is None:
            bench.store.closing.wait(0.005)
        bench.store.closing.wait(0.03 + chances.random() / 20)  # time to note the segment before the last request
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        asked = ranges.union(wanted for wanted in bench.store.ranges("big.iso")[before:] if wanted)
        assert bench.mirror.partial_bytes(entry) >= kept + ranges.total(asked) - connections * SEGMENT
        assert not bench.mirror.holds(entry)
    before, kept = len(bench.store.log), bench.mirror.partial_bytes(entry)
    assert kept > 0
    assert started(bench, "big.iso", connections).wait(20) == 0
    assert sum(end - start for start, end in bench.store.ranges("big.iso")[before:]) == size - kept
    assert bench.arrived("big.iso")
    assert bench.partials() == []


@pytest.mark.slow
def test_six_kills_make_at_most_a_fifth_more_of_a_file_move(bench: Bench):
    """At a twentieth of the time: what is recorded twice a second is recorded here forty times."""
    connections, rounds, size = 3, 6, 12 << 20
    entry = bench.add("big.iso", size)
    moved = Tally()
    send = Exchange.send

    def counted(exchange: Exchange) -> None:
        answer = exchange.answer()
        send(exchange, answer.head())
        for start in range(0, len(answer.body), CHUNK):
            moved.size += len(answer.body[start : start + CHUNK])
            send(exchange, answer.body[start : start + CHUNK])

    bench.store.default = counted
    bench.store.pause = 0.016
    for number in range(rounds):
        process = started(bench, "big.iso", connections, 4 << 20, 0.025)
        while moved.size < size * (number + 1) // (rounds + 1) and process.poll() is None:
            bench.store.closing.wait(0.005)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        assert bench.mirror.partial_bytes(entry) > 0
    assert started(bench, "big.iso", connections, 4 << 20, 0.025).wait(30) == 0
    assert bench.arrived("big.iso")
    assert moved.size <= 1.2 * size
