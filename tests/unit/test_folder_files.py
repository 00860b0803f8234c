import errno
import os
import threading

import pytest

from dci_downloader.control.upstream import FolderObjects
from dci_downloader.errors import CancelledError, DiskFullError, SettingsError
from dci_downloader.hooks import NeverStop, NullProgress
from dci_downloader.mirror.store import Store
from dci_downloader.transfer import folder_files
from dci_downloader.transfer.folder_files import fetch_from_folder
from tests.unit.samples import entry_of, leftovers, open_store

SMALL = {f"p{number}": b"%d" % number * 50 for number in range(20)}
BIG = os.urandom(3 << 20)


class Totals(NullProgress):
    def __init__(self):
        self.files = self.size = 0

    def advance(self, files, size):
        self.files += files
        self.size += size


@pytest.fixture
def source(tmp_path):
    """The store of another mirror."""
    store = Store(tmp_path / "first" / ".dci-downloader")
    store.prepare()
    for path, content in {**SMALL, "big": BIG}.items():
        store.add(entry_of(path, content), [content])
    return store


@pytest.fixture(params=["near", "far"])
def folder(request, source, monkeypatch):
    """That mirror, on the file system of ours or on another."""
    if request.param == "far":
        monkeypatch.setattr(folder_files._Copying, "is_near", lambda _: False)
    return FolderObjects(source.root.parent)


ENTRIES = [entry_of(path, content) for path, content in {**SMALL, "big": BIG}.items()]


def fetch(folder, store, entries=ENTRIES, stop=None, progress=None):
    return fetch_from_folder(entries, folder, store, progress or NullProgress(), stop or NeverStop())


def test_what_is_there_comes_verified_and_read_only(folder, tmp_path):
    store, progress = open_store(tmp_path), Totals()
    done = fetch(folder, store, progress=progress)
    size = sum(entry.size for entry in ENTRIES)
    assert (done.files, done.bytes, done.failures) == (len(ENTRIES), size, ())
    assert (progress.files, progress.size) == (len(ENTRIES), size)
    assert [(each.name, each.files) for each in done.received] == [(str(folder.root), len(ENTRIES))]
    for entry in ENTRIES:
        assert store.holds(entry)
        assert store.path(entry.sha256).stat().st_mode & 0o777 == 0o444
    assert leftovers(store) == []


def test_on_one_file_system_objects_are_linked(source, tmp_path):
    store = open_store(tmp_path)
    fetch(FolderObjects(source.root.parent), store)
    for entry in ENTRIES:
        assert store.path(entry.sha256).stat().st_ino == source.path(entry.sha256).stat().st_ino


def test_where_links_are_not_to_be_had_they_are_copied(source, tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    store = open_store(tmp_path)
    assert fetch(FolderObjects(source.root.parent), store).failures == ()
    assert store.path(ENTRIES[0].sha256).stat().st_ino != source.path(ENTRIES[0].sha256).stat().st_ino


def give_away(path, whose):
    """Let somebody else change a file."""
    if whose == "another's":
        if os.geteuid() != 0:
            pytest.skip("only root gives files away")
        os.chown(path, 1234, 1234)
    os.chmod(path, {"the group's": 0o464, "everybody's": 0o446, "another's": 0o444}[whose])


@pytest.mark.parametrize("whose", ["another's", "the group's", "everybody's"])
def test_what_somebody_else_may_write_to_is_copied_and_left_as_it_is(source, tmp_path, whose):
    entry = ENTRIES[0]
    path = source.path(entry.sha256)
    give_away(path, whose)
    before = path.stat()
    store = open_store(tmp_path)
    assert fetch(FolderObjects(source.root.parent), store).failures == ()
    taken, now = store.path(entry.sha256).stat(), path.stat()
    assert (taken.st_ino != now.st_ino, taken.st_uid) == (True, os.geteuid())
    assert (now.st_mode, now.st_uid, now.st_nlink) == (before.st_mode, before.st_uid, before.st_nlink)
    os.chmod(path, 0o644)
    path.write_bytes(b"changed afterwards")
    assert store.holds(entry)


@pytest.mark.parametrize("path", ["p3", "big"])
def test_what_is_wrong_there_is_named_with_both_digests_and_the_others_come(folder, source, tmp_path, path):
    entry = next(entry for entry in ENTRIES if entry.path == path)
    os.chmod(source.path(entry.sha256), 0o644)
    wrong = b"x" * entry.size
    source.path(entry.sha256).write_bytes(wrong)
    store = open_store(tmp_path)
    (failure,) = fetch(folder, store).failures
    assert (failure.path, failure.exit_code, failure.expected) == (path, 7, entry.sha256)
    assert failure.actual == entry_of("", wrong).sha256
    assert not store.holds(entry)
    assert all(store.holds(other) for other in ENTRIES if other is not entry)
    assert leftovers(store) == []


@pytest.mark.parametrize("kind", ["absent", "short", "link", "fifo", "folder"])
def test_what_is_not_there_is_a_failure_worth_another_run(folder, source, tmp_path, kind):
    path = source.path(ENTRIES[0].sha256)
    content = path.read_bytes()
    path.unlink()
    if kind == "short":
        path.write_bytes(content[:-1])
    elif kind == "link":
        (tmp_path / "elsewhere").write_bytes(content)
        path.symlink_to(tmp_path / "elsewhere")
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    (failure,) = fetch(folder, open_store(tmp_path)).failures
    assert (failure.exit_code, bool(failure.hint)) == (5, True)


def test_objects_that_may_not_be_read_are_told_as_such(folder, source, tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(folder_files, "candidate", refuse)
    monkeypatch.setattr(folder_files, "open_folder", refuse)
    (failure,) = fetch(folder, open_store(tmp_path), ENTRIES[:1]).failures
    assert failure.exit_code == 5
    assert failure.reason.endswith("cannot be read: Permission denied")
    assert failure.hint.startswith("let this user read that mirror")


def test_a_folder_that_is_a_link_is_not_entered(folder, source, tmp_path):
    entry = ENTRIES[0]
    inner = source.path(entry.sha256).parent
    inner.rename(tmp_path / "elsewhere")
    inner.symlink_to(tmp_path / "elsewhere")
    failures = {failure.path for failure in fetch(folder, open_store(tmp_path)).failures}
    assert entry.path in failures


def test_an_interrupted_copy_goes_on_where_it_was(source, tmp_path, monkeypatch):
    class Stop(NeverStop):
        def requested(self):
            return stopped.is_set()

    stopped, read = threading.Event(), []
    real = folder_files._read

    def reading(reader, size, position):
        read.append((position, size))
        stopped.set()
        return real(reader, size, position)

    folder = FolderObjects(source.root.parent)
    monkeypatch.setattr(folder_files._Copying, "is_near", lambda _: False)
    monkeypatch.setattr(folder_files, "_WAIT", 0.001)
    store, entry = open_store(tmp_path), ENTRIES[-1]
    monkeypatch.setattr(folder_files, "_read", reading)
    with pytest.raises(CancelledError):
        fetch(folder, store, [entry, *ENTRIES[:3]], stop=Stop())
    monkeypatch.setattr(folder_files, "_read", real)
    assert fetch(folder, store, [entry]).failures == ()
    assert store.holds(entry)
    assert leftovers(store) == []


@pytest.mark.parametrize("path", ["p3", "big"])
def test_a_file_that_gets_shorter_while_it_is_copied_is_a_failure_and_leaves_no_wrong_byte(
    source, tmp_path, monkeypatch, path
):
    entry = next(entry for entry in ENTRIES if entry.path == path)
    real = os.fstat

    def fstat(fd):
        status = real(fd)
        if os.path.samestat(status, source.path(entry.sha256).stat()):
            os.truncate(source.path(entry.sha256), entry.size // 2)
        return status

    monkeypatch.setattr(folder_files._Copying, "is_near", lambda _: False)
    monkeypatch.setattr(folder_files.os, "fstat", fstat)
    store = open_store(tmp_path)
    (failure,) = fetch(FolderObjects(source.root.parent), store, [entry]).failures
    assert (failure.exit_code, failure.reason) == (5, f"{source.root.parent} does not have its content")
    assert not store.holds(entry)


def test_a_file_system_that_gives_a_little_at_a_time_gives_all(source, tmp_path, monkeypatch):
    real = os.pread
    monkeypatch.setattr(folder_files._Copying, "is_near", lambda _: False)
    monkeypatch.setattr(folder_files.os, "pread", lambda fd, size, offset: real(fd, min(size, 65_537), offset))
    assert fetch(FolderObjects(source.root.parent), open_store(tmp_path)).failures == ()


def test_an_object_that_fails_to_be_taken_fails_alone_and_a_full_disk_ends_the_fetch(source, tmp_path, monkeypatch):
    def take_file(found, store):
        if found.entry == ENTRIES[3]:
            raise error
        return real(found, store)

    real, error = folder_files.take_file, SettingsError("it may not be written", hint="let this user")
    monkeypatch.setattr(folder_files, "take_file", take_file)
    store = open_store(tmp_path)
    (failure,) = fetch(FolderObjects(source.root.parent), store).failures
    assert (failure.path, failure.reason, failure.exit_code, failure.hint) == (
        "p3",
        "it may not be written",
        2,
        "let this user",
    )
    assert [entry.path for entry in ENTRIES if not store.holds(entry)] == ["p3"]
    error = DiskFullError("full")
    with pytest.raises(DiskFullError):
        fetch(FolderObjects(source.root.parent), store, ENTRIES[3:4])


def test_an_object_that_is_replaced_after_it_was_hashed_is_not_taken(source, tmp_path, monkeypatch):
    entry = ENTRIES[3]
    real = folder_files.take_file

    def take_file(found, store):
        place = source.path(entry.sha256)
        place.unlink()
        place.write_bytes(bytes(entry.size))
        return real(found, store)

    monkeypatch.setattr(folder_files, "take_file", take_file)
    store = open_store(tmp_path)
    (failure,) = fetch(FolderObjects(source.root.parent), store, [entry]).failures
    assert (failure.path, failure.exit_code) == ("p3", 5)
    assert not store.holds(entry)


def test_linking_is_interrupted_between_two_files(source, tmp_path):
    class Stop(NeverStop):
        def requested(self):
            return progress.files == 2

    progress, store = Totals(), open_store(tmp_path)
    with pytest.raises(CancelledError):
        fetch(FolderObjects(source.root.parent), store, stop=Stop(), progress=progress)
    assert sum(map(store.holds, ENTRIES)) == 2
    assert fetch(FolderObjects(source.root.parent), store).failures == ()


def test_a_mirror_that_is_gone_is_told_for_each_file(source, tmp_path):
    source.root.rename(tmp_path / "elsewhere")
    failures = fetch(FolderObjects(source.root.parent), open_store(tmp_path)).failures
    assert {failure.path for failure in failures} == {entry.path for entry in ENTRIES}
    assert {failure.exit_code for failure in failures} == {5}


def test_a_full_disk_ends_the_fetch(source, tmp_path, monkeypatch):
    def refuse(self, *_):
        raise DiskFullError("full")

    monkeypatch.setattr(folder_files._Copying, "is_near", lambda _: False)
    store = open_store(tmp_path)
    monkeypatch.setattr(Store, "add", refuse)
    with pytest.raises(DiskFullError):
        fetch(FolderObjects(source.root.parent), store)


def test_a_file_that_another_run_is_writing_is_waited_for(source, tmp_path, monkeypatch):
    monkeypatch.setattr(folder_files._Copying, "is_near", lambda _: False)
    monkeypatch.setattr(folder_files, "_WAIT", 0.01)
    store, entry = open_store(tmp_path), ENTRIES[-1]
    other = open_store(tmp_path).open_partial(entry)
    other.write(0, BIG)
    real, waited = Store.open_partial, threading.Event()

    def open_partial(self, wanted):
        try:
            return real(self, wanted)
        finally:
            waited.set()

    monkeypatch.setattr(Store, "open_partial", open_partial)
    finisher = threading.Thread(target=lambda: (waited.wait(), other.finish()))
    finisher.start()
    done = fetch(FolderObjects(source.root.parent), store, [entry])
    finisher.join()
    assert done.failures == ()
    assert store.holds(entry)
