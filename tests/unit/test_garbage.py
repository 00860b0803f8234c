import os

import pytest

from dci_downloader.errors import LockedError, SettingsError
from dci_downloader.mirror import garbage
from dci_downloader.mirror.garbage import collect_garbage, sweep
from dci_downloader.mirror.retention import remove_expired, retire
from tests.unit.samples import FIRST, SECOND, Sample, entry_of


def digest(content):
    return bytes.fromhex(entry_of("", content).sha256)


def swept(sample):
    return sweep(sample.store, sample.root, 0, print)


def test_garbage_is_what_no_tree_links_to_and_no_version_names(sample, tmp_path):
    sample.publish("c1", {"named": b"named"}, links=())
    (sample.link / "named").unlink()
    sample.fill({"garbage": b"garbage", "linked": b"linked"})
    os.link(sample.store.path(entry_of("", b"linked").sha256), tmp_path / "link")
    assert swept(sample) == ((), 1, len(b"garbage"))
    assert sample.objects() == {entry_of("", content).sha256 for content in (b"linked", b"named")}


def test_what_somebody_links_to_is_garbage_once_it_is_not(sample, tmp_path):
    sample.publish("c1", {"own": b"1"})
    os.link(sample.link / "own", tmp_path / "link")
    sample.publish("c2", FIRST)
    with sample.topic.lock():
        retire(sample.topic, "compose", 0)
    assert entry_of("", b"1").sha256 in sample.objects()
    (tmp_path / "link").unlink()
    with sample.topic.lock():
        pass
    assert entry_of("", b"1").sha256 not in sample.objects()


def test_a_collection_asks_only_for_what_was_written_down(sample):
    sample.publish("c1", FIRST)
    sample.fill({"orphan": b"orphan", "candidate": b"candidate"})
    sample.store.candidates.add([digest(b"candidate"), digest(b"first"), digest(b"gone")])
    assert collect_garbage(sample.store, sample.root) == ((), 1, len(b"candidate"))
    assert entry_of("", b"orphan").sha256 in sample.objects(), "an interrupted run may go on with it"
    assert sample.store.candidates.read().digests == set()


def test_a_collection_that_another_run_keeps_from_happening_happens_later(sample):
    sample.fill({"candidate": b"candidate"})
    sample.store.candidates.add([digest(b"candidate")])
    with sample.store.lock().holding(shared=True), pytest.raises(LockedError):
        collect_garbage(sample.store, sample.root)
    assert collect_garbage(Sample(sample.root).store, sample.root).files == 1


def test_a_version_that_comes_while_garbage_is_judged_keeps_what_it_names(sample, monkeypatch):
    sample.publish("c1", FIRST)
    sample.fill(SECOND)
    sample.store.candidates.add([digest(b"second"), digest(b"new")])
    other = Sample(sample.root)
    publish_before_the_lock(monkeypatch, other, lambda: other.publish("c2", SECOND))
    assert collect_garbage(sample.store, sample.root).files == 0
    assert other.topic.intact(other.topic.published("compose"))
    assert {entry_of("", b"second").sha256, entry_of("", b"new").sha256} <= sample.objects()


def test_a_version_that_goes_while_garbage_is_judged_leaves_its_candidates(sample, monkeypatch):
    sample.publish("c1", {"own": b"1"})
    sample.publish("c2", FIRST)
    sample.fill({"candidate": b"candidate"})
    sample.store.candidates.add([digest(b"candidate"), digest(b"1")])
    other = Sample(sample.root)
    publish_before_the_lock(monkeypatch, other, lambda: remove_without_collection(other, "c1"))
    assert collect_garbage(sample.store, sample.root).files == 2
    assert entry_of("", b"1").sha256 not in sample.objects()


def remove_without_collection(sample, folder):
    with sample.topic.alone(0, print):
        assert remove_expired(sample.topic, "compose", 0) == (folder,)


def publish_before_the_lock(monkeypatch, sample, change):
    """Let another run change versions after the first judgement, and before the lock is taken for it."""
    pending = [change]
    judge = garbage.References.subtract_from

    def judged(references, digests):
        judge(references, digests)
        if pending:
            pending.pop()()

    monkeypatch.setattr(garbage.References, "subtract_from", judged)


def test_versions_that_change_all_the_time_end_a_collection_and_not_a_sweep(sample, monkeypatch):
    sample.fill({"candidate": b"candidate"})
    sample.store.candidates.add([digest(b"candidate")])
    answers = iter([False] * 7 + [True] * 9)
    monkeypatch.setattr(garbage.References, "current", lambda references: next(answers))
    assert collect_garbage(sample.store, sample.root).files == 0
    assert swept(sample).files == 1


def test_many_objects_go_in_several_short_holds_and_a_kill_between_them_loses_none(sample, monkeypatch):
    contents = [b"%d" % number for number in range(10)]
    sample.fill({content.decode(): content for content in contents})
    sample.store.candidates.add(map(digest, contents))
    holds = []

    class Killed(BaseException):
        pass

    def pause(seconds):
        holds.append(len(sample.objects()))
        other = sample.store.lock()
        with other.holding(shared=True, timeout=0):
            pass
        if len(holds) == 3:
            raise Killed

    monkeypatch.setattr(garbage.time, "sleep", pause)
    clock = iter(range(10_000))
    monkeypatch.setattr(garbage.time, "monotonic", lambda: next(clock) / 2)
    monkeypatch.setattr(garbage, "_HOLD", 1)
    with pytest.raises(Killed):
        collect_garbage(sample.store, sample.root)
    assert holds == [9, 8, 7]
    assert len(sample.store.candidates.read().digests) == 10
    monkeypatch.setattr(garbage.time, "sleep", lambda seconds: None)
    collect_garbage(sample.store, sample.root)
    assert sample.objects() == set()
    assert sample.store.candidates.read() == (set(), ())


def test_nothing_leaves_while_a_record_cannot_be_read(sample):
    sample.publish("c1", FIRST)
    record = sample.folder / "c1.json"
    record.write_bytes(record.read_bytes().replace(b'"format": 1', b'"format": 99', 1))
    sample.fill({"candidate": b"candidate"})
    sample.store.candidates.add([digest(b"candidate")])
    for clean in (lambda: collect_garbage(sample.store, sample.root), lambda: swept(sample)):
        with pytest.raises(SettingsError, match="nothing can leave the store"):
            clean()
    assert sample.store.candidates.read().digests == {digest(b"candidate")}
