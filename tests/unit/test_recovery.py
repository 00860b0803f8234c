import os
import threading

import pytest

from dci_downloader.errors import LockedError, SettingsError
from dci_downloader.mirror import recovery
from dci_downloader.mirror.prune import prune
from dci_downloader.mirror.recovery import recover
from tests.unit.samples import FIRST, SECOND, Sample, entry_of
from tests.unit.system_calls import record_calls


def cut_power(sample, *lost):
    """What is on disk of a run that had not flushed: some of its objects are zeros."""
    for content in lost:
        path = sample.store.path(entry_of("", content).sha256)
        path.chmod(0o644)
        path.write_bytes(bytes(len(content)))
    return Sample(sample.root, boot="after")


@pytest.fixture
def before(tmp_path):
    return Sample(tmp_path / "mirror", boot="before")


def test_recovery_after_a_power_cut_removes_what_the_disk_never_got(before, tmp_path):
    before.publish("c1", {"linked": b"linked"})
    before.fill({"good": b"good", "lost": b"lost", "adopted": b"adopted"})
    os.link(before.store.path(entry_of("", b"adopted").sha256), tmp_path / "adopted")
    after = cut_power(before, b"lost", b"linked", b"adopted")
    assert recover(after.store, after.root) == 2
    assert after.store.holds(entry_of("", b"good"))
    assert not after.store.holds(entry_of("", b"lost"))
    assert after.store.holds(entry_of("", b"linked")), "what a version names was flushed before: verify judges it"
    assert not after.store.holds(entry_of("", b"adopted")), "a link alone says nothing"
    assert not after.store.needs_recovery()
    assert recover(after.store, after.root) == 0


def test_objects_are_aside_and_on_disk_before_the_markers_go(before, monkeypatch):
    before.fill({"good": b"good"})
    after = cut_power(before)
    calls = record_calls(monkeypatch, before.store.root)
    recover(after.store, after.root)
    names = [(call, path) for call, path in calls if call in ("rename", "syncfs") or path.startswith("unflushed")]
    assert names[1:3] == [("syncfs", "."), ("unlink", "unflushed/*")]
    assert names[0][0] == names[3][0] == "rename"


def test_other_runs_go_on_while_what_is_aside_is_hashed(before, monkeypatch):
    before.fill(SECOND)
    after = cut_power(before, b"second")
    real = recovery.hashing

    def hashing(files, workers):
        other = Sample(before.root, boot="after")
        other.topic = other.mirror.topic("RHEL 9.3")
        with other.topic.lock(0):
            assert not other.store.holds(entry_of("", b"new")), "not trusted yet"
        return real(files, workers)

    monkeypatch.setattr(recovery, "hashing", hashing)
    assert recover(after.store, after.root, 0) == 1
    assert after.store.holds(entry_of("", b"new"))


def test_what_was_fetched_while_it_was_aside_stays_one_object(before, monkeypatch):
    before.fill({"good": b"good"})
    after = cut_power(before)
    real = recovery.hashing

    def hashing(files, workers):
        after.fill({"good": b"good"})
        return real(files, workers)

    monkeypatch.setattr(recovery, "hashing", hashing)
    recover(after.store, after.root)
    assert after.store.holds(entry_of("", b"good"))
    assert not after.store.needs_recovery(), "what this boot wrote is no reason"


def test_a_recovery_that_was_killed_is_finished_by_the_next_run(before, monkeypatch):
    before.fill({"good": b"good", "lost": b"lost"})
    after = cut_power(before, b"lost")

    class Killed(BaseException):
        pass

    def die(*_):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(recovery, "hashing", die)
        with pytest.raises(Killed):
            recover(after.store, after.root)
    assert not after.store.markers.from_other_boot()
    assert after.store.needs_recovery()
    assert not after.store.holds(entry_of("", b"good"))
    with Sample(before.root, boot="after").topic.lock(0):
        pass
    assert after.objects() == {entry_of("", b"good").sha256}


def test_nobody_trusts_an_object_while_a_run_of_another_machine_may_link_to_it(before):
    before.fill({"good": b"good"})
    with before.store.lock().holding(shared=True), pytest.raises(LockedError):
        recover(cut_power(before).store, before.root, 0)
    assert before.store.needs_recovery() is False


def test_who_comes_while_another_moves_aside_waits_for_that_whatever_its_timeout(before, monkeypatch):
    before.fill({"good": b"good"})
    after, other = cut_power(before), Sample(before.root, boot="after")
    began = threading.Event()
    real = recovery.References.subtract_from
    came = []

    def subtract_from(references, digests):
        if not began.is_set():
            began.set()
            second.start()
        real(references, digests)

    def come():
        came.append(recover(other.store, other.root, 0))

    second = threading.Thread(target=come)
    monkeypatch.setattr(recovery.References, "subtract_from", subtract_from)
    recover(after.store, after.root, 0)
    second.join()
    assert came == [0]


def test_a_version_that_comes_before_objects_are_moved_aside_keeps_what_it_names(before, monkeypatch):
    before.fill(FIRST)
    after = cut_power(before)
    real = recovery.References.current
    asked = []

    def current(references):
        if not asked:
            asked.append(None)
            return False
        return real(references)

    monkeypatch.setattr(recovery.References, "current", current)
    assert recover(after.store, after.root) == 0
    assert asked == [None]
    assert not after.store.needs_recovery()


def test_where_a_record_cannot_be_read_every_object_is_hashed(before):
    before.publish("c1", FIRST)
    record = before.folder / "c1.json"
    record.write_bytes(record.read_bytes().replace(b'"format": 1', b'"format": 99', 1))
    before.fill({"good": b"good"})
    after = cut_power(before, b"first")
    assert recover(after.store, after.root) == 1
    assert not after.store.holds(entry_of("", b"first"))


def test_prune_removes_what_is_aside(before, monkeypatch):
    before.publish("c1", FIRST)
    before.store.unsure.mkdir()
    aside = before.store.unsure / entry_of("", b"x" * 100).sha256
    aside.write_bytes(b"x" * 100)
    (before.store.unsure / "theirs").write_text("theirs")
    assert prune(before.mirror).size == 100
    assert os.listdir(before.store.unsure) == ["theirs"]


def test_nothing_is_hashed_or_removed_through_a_link(before, tmp_path):
    """Whoever owns the mirror could else have a run of root remove files elsewhere that have a digest's name."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / ("a" * 64)).write_bytes(b"not its content")
    before.fill({"good": b"good"})
    before.store.unsure.symlink_to(elsewhere)
    with pytest.raises(SettingsError):
        recover(before.store, before.root)
    assert (elsewhere / ("a" * 64)).exists()
