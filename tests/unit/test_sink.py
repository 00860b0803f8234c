import hashlib
import os
import select

import pytest

from dci_downloader.errors import DigestMismatchError, DiskFullError
from dci_downloader.mirror.partial import Partial
from dci_downloader.mirror.store import Store
from dci_downloader.models import FileEntry
from dci_downloader.transfer.sink import Sink
from dci_downloader.transfer.transfers import Segment, Transfer
from dci_downloader.transfer.tuning import Tuning

CONTENT = bytes(range(256)) * 64
HALF = len(CONTENT) // 2
TUNING = Tuning(write_batch=1000)


def entry_of(content, path="a.iso"):
    return FileEntry(path, hashlib.sha256(content).hexdigest(), len(content))


class Rig:
    """A sink, and what it reported."""

    def __init__(self, root):
        self.store = Store(root / "store")
        self.store.prepare()
        self._wake, write = self._ends = os.pipe2(os.O_NONBLOCK)
        self.stored = []
        self.sink = Sink(self.store, write, lambda transfer, error: self.stored.append((transfer, error)), TUNING)
        self.unfinished = set()
        self.closed = False

    def big(self, content=CONTENT, segments=2):
        transfer = Transfer(entry_of(content), unfinished=segments)
        transfer.partial = self.store.open_partial(transfer.entry)
        self.unfinished.add(transfer)
        return transfer

    def settle(self):
        self.sink.flush()
        while not self.sink.idle:
            assert select.select([self._wake], [], [], 10)[0], "nothing happened in 10 seconds"
            os.read(self._wake, 100)
            self.sink.collect()
            self.sink.flush()

    def close(self):
        if not self.closed:
            self.closed = True
            self.sink.close(self.unfinished)
            for end in self._ends:
                os.close(end)


@pytest.fixture
def rig(tmp_path):
    rig = Rig(tmp_path)
    yield rig
    rig.close()


def test_a_small_file_is_stored_as_a_whole(rig):
    transfer = Transfer(entry_of(CONTENT))
    rig.sink.small_file(transfer, [CONTENT[:HALF], CONTENT[HALF:]])
    assert rig.sink.idle
    assert rig.stored == [(transfer, None)]
    assert rig.sink.unwritten == 0
    assert rig.store.path(transfer.entry.sha256).read_bytes() == CONTENT


def test_a_small_file_with_another_content_is_reported(rig):
    transfer = Transfer(entry_of(CONTENT))
    rig.sink.small_file(transfer, [CONTENT[::-1]])
    rig.settle()
    ((whose, error),) = rig.stored
    assert whose is transfer
    assert isinstance(error, DigestMismatchError)
    assert not rig.store.holds(transfer.entry)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_big_file_is_finished_with_its_last_segment_whatever_the_order(rig, order):
    transfer = rig.big()
    segments = [Segment(transfer, 0, HALF), Segment(transfer, HALF, len(CONTENT))]
    for number in order:
        segment = segments[number]
        rig.sink.write(
            segment, [CONTENT[segment.start : segment.start + 100], CONTENT[segment.start + 100 : segment.end]]
        )
        assert segment.start == segment.end
        assert rig.stored == []
        rig.sink.segment(transfer)
        rig.settle()
    rig.unfinished.clear()
    assert rig.stored == [(transfer, None)]
    assert rig.store.path(transfer.entry.sha256).read_bytes() == CONTENT
    assert list(rig.store.partials.iterdir()) == []


def test_a_file_in_one_piece_is_finished_without_a_journal(rig, monkeypatch):
    monkeypatch.setattr(Partial, "save", lambda *_, **__: pytest.fail("a journal was written"))
    transfer = rig.big(segments=1)
    transfer.in_one_piece = True
    segment = Segment(transfer, 0, len(CONTENT))
    for start in range(0, len(CONTENT), 1000):
        rig.sink.write(segment, [CONTENT[start : start + 1000]])
    rig.sink.segment(transfer)
    rig.settle()
    rig.unfinished.clear()
    assert rig.stored == [(transfer, None)]
    assert rig.store.path(transfer.entry.sha256).read_bytes() == CONTENT


def test_each_segment_is_recorded_for_the_next_run(rig):
    transfer = rig.big()
    rig.sink.write(Segment(transfer, HALF, len(CONTENT)), [CONTENT[HALF:]])
    assert rig.store.partial_bytes(transfer.entry) == 0
    rig.sink.segment(transfer)
    rig.settle()
    assert rig.store.partial_bytes(transfer.entry) == HALF
    assert rig.stored == []


def test_what_was_received_of_a_segment_is_recorded_for_the_next_run(rig):
    transfer = rig.big()
    rig.sink.write(Segment(transfer, HALF, len(CONTENT)), [CONTENT[HALF : HALF + 10]])
    rig.sink.record()
    rig.settle()
    assert rig.store.partial_bytes(transfer.entry) == 10


@pytest.mark.parametrize("end", ["discard", "save"])
def test_nothing_is_recorded_of_a_file_that_is_over(rig, end):
    transfer = rig.big()
    rig.sink.write(Segment(transfer, 0, HALF), [CONTENT[:HALF]])
    rig.sink.discard(transfer, lambda _: None) if end == "discard" else rig.sink.save(transfer)
    rig.settle()
    left = sorted((path.name, path.stat().st_ino) for path in rig.store.partials.iterdir())
    rig.sink.record()
    rig.settle()
    assert left == sorted((path.name, path.stat().st_ino) for path in rig.store.partials.iterdir())


def test_a_big_file_with_another_content_is_reported_and_discarded(rig):
    transfer = rig.big(segments=1)
    rig.sink.write(Segment(transfer, 0, len(CONTENT)), [CONTENT[::-1]])
    rig.sink.segment(transfer)
    rig.settle()
    assert isinstance(rig.stored[0][1], DigestMismatchError)
    assert list(rig.store.partials.iterdir()) == []


def test_a_file_that_is_over_is_not_finished(rig):
    transfer = rig.big(segments=1)
    rig.sink.write(Segment(transfer, 0, len(CONTENT)), [CONTENT])
    rig.sink.segment(transfer)
    transfer.over = True
    rig.settle()
    assert rig.stored == []
    assert not rig.store.holds(transfer.entry)


def test_a_complete_partial_is_finished(rig):
    transfer = rig.big(segments=0)
    transfer.partial.write(0, CONTENT)
    rig.sink.finish(transfer)
    rig.settle()
    assert rig.stored == [(transfer, None)]
    assert rig.store.holds(transfer.entry)


def test_a_discarded_file_is_gone_before_that_is_reported(rig):
    transfer = rig.big()
    rig.sink.write(Segment(transfer, 0, HALF), [CONTENT[:HALF]])
    left = []
    rig.sink.discard(transfer, lambda whose: left.append((whose, list(rig.store.partials.iterdir()))))
    rig.settle()
    assert left == [(transfer, [])]


def test_a_file_given_up_is_saved_and_may_be_taken_up_by_another_run(rig):
    transfer = rig.big()
    rig.sink.write(Segment(transfer, 0, HALF), [CONTENT[:HALF]])
    rig.sink.save(transfer)
    rig.sink.save(Transfer(entry_of(b"small")))
    rig.settle()
    assert rig.store.partial_bytes(transfer.entry) == HALF
    rig.store.open_partial(transfer.entry).close()


def test_closing_writes_what_was_handed_over_and_saves_what_is_unfinished(rig):
    transfer = rig.big()
    rig.sink.write(Segment(transfer, 0, HALF), [CONTENT[:HALF]])
    small = Transfer(entry_of(b"small"))
    rig.sink.small_file(small, [b"small"])
    rig.close()
    assert rig.store.holds(small.entry)
    assert rig.store.partial_bytes(transfer.entry) == HALF


@pytest.mark.parametrize("after", ["write", "segment", "discard", "save"])
def test_a_full_disk_is_raised_to_whoever_collects(rig, monkeypatch, after):
    transfer = rig.big()

    def full(*_, **__):
        raise DiskFullError("no room")

    method = {"segment": "save", "save": "close"}.get(after, after)
    with monkeypatch.context() as patched:
        patched.setattr(type(transfer.partial), method, full)
        if after == "write":
            rig.sink.write(Segment(transfer, 0, HALF), [CONTENT[:HALF]])
        elif after == "discard":
            rig.sink.discard(transfer, lambda _: None)
        else:
            getattr(rig.sink, after)(transfer)
        with pytest.raises(DiskFullError):
            rig.settle()


def test_nothing_is_hashed_or_stored_any_more_once_it_is_closing(rig):
    transfer = rig.big(segments=1)
    transfer.partial.write(0, CONTENT)
    rig.sink._closing.set()
    rig.sink.finish(transfer)
    rig.settle()
    assert not rig.store.holds(transfer.entry)
