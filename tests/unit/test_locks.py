import errno
import fcntl
import os
import stat

import pytest

from dci_downloader.errors import LockedError, SettingsError
from dci_downloader.mirror.locks import FileLock
from tests.unit.ordinary_user import OTHER, USER, as_user, give


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


def locks(path):
    clock = Clock()
    return FileLock(path), FileLock(path, clock=clock, sleep=clock.sleep), clock


def test_lock_keeps_another_holder_out_and_names_who_has_it(tmp_path):
    first, second, clock = locks(tmp_path / ".lock")
    told = []
    with first.holding():
        assert first.held
        with pytest.raises(LockedError) as caught:
            second.acquire(timeout=0, waiting=told.append)
        assert (clock.now, told) == (0, [])
        with pytest.raises(LockedError):
            second.acquire(timeout=10, waiting=told.append)
    assert f"pid {os.getpid()} on " in caught.value.holder
    assert told == [f"waiting for {caught.value.holder}"]
    assert 10 <= clock.now < 12
    assert not first.held
    assert not second.held


def test_lock_that_becomes_free_is_taken_and_its_file_stays(tmp_path):
    first, second, clock = locks(tmp_path / ".lock")
    first.acquire()
    clock.sleep = lambda seconds: first.release()
    second = FileLock(tmp_path / ".lock", clock=clock, sleep=clock.sleep)
    second.acquire()
    inode = os.stat(tmp_path / ".lock").st_ino
    second.release()
    second.release()
    assert os.stat(tmp_path / ".lock").st_ino == inode


def test_shared_holders_stand_beside_each_other_but_not_beside_an_exclusive_one(tmp_path):
    first, second, _ = locks(tmp_path / ".lock")
    with first.holding(shared=True):
        with second.holding(shared=True, timeout=0):
            pass
        with pytest.raises(LockedError):
            second.acquire(timeout=0)


def test_what_nobody_holds_for_long_is_waited_for_without_a_word_whatever_the_timeout(tmp_path):
    first, second, clock = locks(tmp_path / ".lock")
    told = []
    with first.holding():
        with pytest.raises(LockedError):
            second.acquire(shared=True, timeout=0, waiting=told.append, patience=3)
        assert (3 <= clock.now < 4, told) == (True, [])
    first.acquire()
    clock.now, pause = 0.0, clock.sleep

    def sleep(seconds):
        pause(seconds)
        if clock.now > 2:
            first.release()

    third = FileLock(tmp_path / ".lock", clock=clock, sleep=sleep)
    third.acquire(shared=True, timeout=0, waiting=told.append, patience=3)
    assert (third.held, told) == (True, [])
    third.release()


def test_lock_is_taken_even_when_no_room_is_left_to_say_who_holds_it(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "full")

    lock = FileLock(tmp_path / ".lock")
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        lock.acquire()
    assert lock.held
    lock.release()


def test_lock_file_that_is_a_symlink_is_refused(tmp_path):
    (tmp_path / ".lock").symlink_to("elsewhere")
    with pytest.raises(SettingsError, match=r"\.lock"):
        FileLock(tmp_path / ".lock").acquire()
    assert stat.S_ISLNK(os.lstat(tmp_path / ".lock").st_mode)


def test_one_of_several_holders_is_named_only_once_it_signs(tmp_path):
    staying, leaving = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")
    staying.acquire(shared=True)
    staying.sign()
    signed = (tmp_path / "lock").read_text()
    assert f"pid {os.getpid()} on " in signed
    (tmp_path / "lock").write_text("another, who stays")
    leaving.acquire(shared=True)
    leaving.release()
    assert (tmp_path / "lock").read_text() == "another, who stays"
    staying.release()


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL])
@pytest.mark.parametrize("shared", [True, False])
def test_a_file_system_without_locks_is_named_as_one(tmp_path, monkeypatch, code, shared):
    def refuse(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(SettingsError, match=r"lock: this file system offers no locks") as caught:
        FileLock(tmp_path / "lock").acquire(shared=shared)
    assert "mount it with locks" in caught.value.hint


def test_nothing_is_written_into_a_file_that_has_another_name(tmp_path):
    (tmp_path / "precious").write_text("precious")
    os.link(tmp_path / "precious", tmp_path / "lock")
    with FileLock(tmp_path / "lock").holding(timeout=0):
        assert (tmp_path / "precious").read_text() == "precious"


@pytest.mark.parametrize("kind", ["fifo", "link", "folder"])
def test_what_is_no_file_is_no_lock(tmp_path, kind):
    place = tmp_path / "lock"
    {"fifo": os.mkfifo, "folder": os.mkdir, "link": lambda path: path.symlink_to(tmp_path / "x")}[kind](place)
    with pytest.raises(SettingsError) as caught:
        FileLock(place).acquire(timeout=0)
    assert "move it aside" in caught.value.hint
    assert not (tmp_path / "x").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="two users need root")
def test_two_users_of_a_group_lock_in_turn(public_path):
    give(public_path, user=USER, group=1500)
    os.chmod(public_path, 0o2775)

    def lock():
        os.umask(0o002)
        with FileLock(public_path / "lock").holding(timeout=0):
            assert f"pid {os.getpid()}" in (public_path / "lock").read_text()

    as_user(lock, user=USER, group=1500)
    as_user(lock, user=OTHER, group=1500)
    os.chmod(public_path / "lock", 0o644)  # as an earlier version made it

    def lock_all_the_same():
        with FileLock(public_path / "lock").holding(timeout=0):
            pass

    as_user(lock_all_the_same, user=OTHER, group=1500)
