import hashlib
import io
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress

import pytest

from dci_downloader.errors import CancelledError
from dci_downloader.hooks import NeverStop
from dci_downloader.mirror import digests, hashing


@pytest.fixture
def files(tmp_path):
    """Paths and sizes, among them one that is gone, a link and a folder."""
    names = {"a": b"abc", "empty": b"", "big": os.urandom(700_001), "odd\nname": b"odd", "é": b"e"}
    for name, content in names.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "link").symlink_to("a")
    (tmp_path / "folder").mkdir()
    expected = {str(tmp_path / name): hashlib.sha256(content).hexdigest() for name, content in names.items()}
    return {**expected, **{str(tmp_path / name): "" for name in ("gone", "link", "folder")}}


def hash_files(files, workers=0):
    with hashing.hashing(files, workers) as found:
        yield from found


def listed(files):
    return [(path, os.path.getsize(path) if os.path.exists(path) else 0) for path in files]


@pytest.fixture
def tiny_batches(monkeypatch):
    monkeypatch.setattr(hashing, "_BATCH_FILES", 2)


def test_every_file_gets_its_digest_and_what_cannot_be_read_none(files):
    assert dict(hash_files(listed(files))) == files


def test_processes_say_the_same(files, tiny_batches):
    assert dict(hash_files(listed(files), 2)) == files


def test_the_biggest_come_first_and_the_small_together():
    sizes = [("a", 1), ("iso", 50 << 20), ("b", 2), ("c", 17 << 20)]
    assert hashing._batches(sizes) == [["iso"], ["c"], ["b", "a"]]
    many = hashing._batches((str(number), 10) for number in range(600))
    assert [len(batch) for batch in many] == [256, 256, 88]


def test_nothing_is_nothing():
    assert list(hash_files([])) == []


@pytest.fixture
def started(monkeypatch):
    """The processes that were started."""
    found = []
    start = hashing._start

    def watched():
        found.append(start())
        return found[-1]

    monkeypatch.setattr(hashing, "_start", watched)
    return found


def test_few_files_start_no_process(files, started):
    assert dict(hash_files(listed(files), 8)) == files
    assert started == []


def test_no_more_processes_than_there_is_work_for_and_none_is_left(files, started, tiny_batches):
    assert dict(hash_files(listed(files), 99)) == files
    assert len(started) == len(files) // 2
    assert all(process.returncode is not None for process in started)


def test_leaving_early_ends_the_work_at_once(tmp_path, started, tiny_batches, monkeypatch):
    for number in range(20):
        (tmp_path / str(number)).touch()
        os.truncate(tmp_path / str(number), 1 << 40)  # a terabyte of zeros each: none is ever hashed to its end
    request = hashing._request
    monkeypatch.setattr(
        hashing, "_request", lambda worker, batch: "x,x" if "first" in batch else request(worker, batch)
    )
    hashes = hash_files([("first", 2), *((str(path), 1) for path in tmp_path.iterdir())], 3)
    assert next(hashes) == ("first", "x")
    hashes.close()
    assert [process.returncode for process in started] == [-9, -9, -9]


def test_a_process_that_dies_costs_nothing(files, started, tiny_batches, monkeypatch):
    request = hashing._request

    def dying(worker, batch):
        worker.kill()
        worker.wait()
        return request(worker, batch)

    monkeypatch.setattr(hashing, "_request", dying)
    assert dict(hash_files(listed(files), 2)) == files


def test_processes_that_are_stopped_hold_up_nothing(files, started, tiny_batches, monkeypatch):
    monkeypatch.setattr(hashing, "_LOOK_SECONDS", 0.02)
    request = hashing._request

    def stopped(worker, batch):
        with suppress(ProcessLookupError):
            os.kill(worker.pid, signal.SIGSTOP)
        return request(worker, batch)

    monkeypatch.setattr(hashing, "_request", stopped)
    assert dict(hash_files(listed(files), 2)) == files


def test_where_no_process_can_be_started_it_is_done_here(files, monkeypatch, tiny_batches):
    monkeypatch.setattr(sys, "executable", "")
    assert dict(hash_files(listed(files), 2)) == files


def test_processes_hear_nothing_of_ctrl_c(files, started, tiny_batches):
    hashes = hash_files(listed(files), 2)
    next(hashes)
    assert {os.getsid(process.pid) for process in started}.isdisjoint({os.getsid(0)})
    hashes.close()


def test_the_program_answers_each_request_in_its_order(files):
    paths = list(map(os.fsencode, files))
    requests = [b"\0".join(paths), paths[0]]
    asked = io.BytesIO(b"".join(b"%d\n" % len(request) + request for request in requests))
    answers = io.BytesIO()
    digests.serve(asked, answers)
    expected = list(files.values())
    assert answers.getvalue().decode() == ",".join(expected) + "\n" + expected[0] + "\n"


def test_the_program_needs_nothing_but_the_standard_library():
    done = subprocess.run(
        [sys.executable, "-I", "-S", digests.__file__], input=b"4\n/etc", stdout=subprocess.PIPE, check=True
    )
    assert done.stdout == b"\n"


class Interrupted(NeverStop):
    """Is requested while a file is being hashed; then the hashing may end."""

    def __init__(self):
        self.ended = threading.Event()

    def requested(self):
        self.ended.set()
        return True


@pytest.mark.parametrize("workers", [1, 2])
def test_a_big_file_keeps_no_one_from_ending(tmp_path, monkeypatch, workers):
    stop = Interrupted()
    monkeypatch.setattr(hashing, "_BATCH_SIZE", 2)
    monkeypatch.setattr(hashing, "_STOP_SECONDS", 0.001)
    monkeypatch.setattr(hashing, "_request", lambda *_: stop.ended.wait() and "")
    (tmp_path / "iso").write_bytes(b"iso")
    with pytest.raises(CancelledError), hashing.hashing([(str(tmp_path / "iso"), 3)], workers, stop) as found:
        next(found)
