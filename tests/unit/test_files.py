import ctypes
import errno
import os
import stat
from functools import partial
from pathlib import Path
from shlex import quote

import pytest

from dci_downloader.errors import SettingsError
from dci_downloader.mirror import files
from tests.other_user import as_other, needs_root, open_folder


def test_boot_id_stays_the_same_and_is_empty_where_the_kernel_does_not_say(monkeypatch):
    assert files.boot_id() == files.boot_id() != ""
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: (_ for _ in ()).throw(FileNotFoundError()))
    assert files.boot_id() == ""


def test_make_folder_is_repeatable_but_takes_neither_a_file_nor_a_symlink(tmp_path):
    files.make_folder(tmp_path / "a")
    files.make_folder(tmp_path / "a")
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("a")
    with pytest.raises(SettingsError, match="file is not a folder"):
        files.make_folder(tmp_path / "file")
    with pytest.raises(SettingsError, match="link is a symbolic link"):
        files.make_folder(tmp_path / "link")


@pytest.mark.parametrize("content", [b"", b"abc", bytes(100_000)])
def test_write_all_writes_all(tmp_path, content):
    with open(tmp_path / "f", "wb") as stream:
        files.write_all(stream.fileno(), content)
    assert (tmp_path / "f").read_bytes() == content


def test_write_all_goes_on_after_short_writes(tmp_path, monkeypatch):
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, rest: write(fd, rest[:2]))
    with open(tmp_path / "f", "wb") as stream:
        files.write_all(stream.fileno(), b"helloworld!")
    assert (tmp_path / "f").read_bytes() == b"helloworld!"


@pytest.mark.parametrize("durable", [False, True])
def test_replace_gives_a_new_file_and_leaves_the_linked_old_one_alone(tmp_path, durable):
    (tmp_path / "f").write_bytes(b"old")
    os.link(tmp_path / "f", tmp_path / "g")
    files.replace_atomically(tmp_path / "f", b"new", durable=durable)
    assert (tmp_path / "f").read_bytes() == b"new"
    assert (tmp_path / "g").read_bytes() == b"old"
    assert sorted(os.listdir(tmp_path)) == ["f", "g"]


def test_failed_replace_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    (tmp_path / "f").write_bytes(b"old")

    def full(*_):
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(files, "write_all", full)
    with pytest.raises(OSError, match="full"):
        files.replace_atomically(tmp_path / "f", b"new")
    assert os.listdir(tmp_path) == ["f"]
    assert (tmp_path / "f").read_bytes() == b"old"


def test_a_file_can_be_written_in_parts(tmp_path):
    files.replace_atomically(tmp_path / "f", (part for part in (b"one", b"", b"two")))
    assert (tmp_path / "f").read_bytes() == b"onetwo"


def test_parts_that_cannot_be_made_leave_the_old_file_and_nothing_else(tmp_path):
    (tmp_path / "f").write_bytes(b"old")

    def parts():
        yield b"new"
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        files.replace_atomically(tmp_path / "f", parts())
    assert os.listdir(tmp_path) == ["f"]
    assert (tmp_path / "f").read_bytes() == b"old"


def test_remove_file_says_whether_there_was_one(tmp_path):
    (tmp_path / "f").touch()
    assert files.remove_file(tmp_path / "f") is True
    assert files.remove_file(tmp_path / "f") is False


def test_flushing_a_file_system_works_and_reports_what_the_kernel_says(tmp_path, monkeypatch):
    files.flush_file_system(tmp_path)
    monkeypatch.setattr(files, "_libc", FailingLibc(errno.EIO))
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        files.flush_file_system(tmp_path)


class FailingLibc:
    def __init__(self, code):
        self.code = code

    def __getattr__(self, name):
        def call(*_):
            ctypes.set_errno(self.code)
            return -1

        return call


@pytest.mark.parametrize("size", [0, 5_000_000])
def test_preallocation_reserves_the_room(tmp_path, size):
    with open(tmp_path / "f", "wb") as stream:
        files.preallocate(stream.fileno(), size)
    found = (tmp_path / "f").stat()
    assert found.st_size == size
    assert found.st_blocks * 512 >= size


def test_preallocation_is_sparse_where_the_file_system_cannot_and_fails_when_it_is_full(tmp_path, monkeypatch):
    with open(tmp_path / "f", "wb") as stream:
        monkeypatch.setattr(files, "_libc", FailingLibc(errno.EOPNOTSUPP))
        files.preallocate(stream.fileno(), 5_000_000)
        assert os.fstat(stream.fileno()).st_size == 5_000_000
        monkeypatch.setattr(files, "_libc", FailingLibc(errno.ENOSPC))
        with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
            files.preallocate(stream.fileno(), 5_000_000)


def test_exchange_swaps_a_link_and_a_folder(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("x")
    assert files.exchange(tmp_path / "folder", tmp_path / "link") is True
    assert (tmp_path / "folder").is_symlink()
    assert (tmp_path / "link").is_dir()


def test_exchange_says_when_the_kernel_cannot_and_reports_other_failures(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError):
        files.exchange(tmp_path / "a", tmp_path / "b")
    monkeypatch.setattr(files, "_libc", FailingLibc(errno.EINVAL))
    assert files.exchange(tmp_path / "a", tmp_path / "b") is False


def test_free_bytes_of_a_folder_that_is_not_made_yet_is_that_of_its_file_system(tmp_path):
    assert files.free_bytes(tmp_path / "a" / "b") > 0


def test_what_making_a_folder_would_raise_is_known_before(tmp_path, monkeypatch):
    files.check_folder(tmp_path)
    files.check_folder(tmp_path / "a" / "b")
    assert os.listdir(tmp_path) == []
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path)
    (tmp_path / "dangling").symlink_to("nowhere")
    files.check_folder(tmp_path / "link", links=True)
    for name in ("file", "file/below", "link", "dangling", "dangling/below", "x" * 256):
        with pytest.raises(SettingsError):
            files.check_folder(tmp_path / name)
    with pytest.raises(SettingsError):
        files.check_folder(tmp_path / "dangling", links=True)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(SettingsError, match="Permission denied"):
        files.check_folder(tmp_path / "a")
    read_only = os.statvfs_result((*os.statvfs(tmp_path)[:8], os.ST_RDONLY, 255))
    monkeypatch.setattr(os, "statvfs", lambda path: read_only)
    with pytest.raises(SettingsError, match="Read-only"):
        files.check_folder(tmp_path / "a")


@pytest.mark.parametrize("make", [files.make_root, partial(files.check_folder, links=True)], ids=["make", "check"])
@pytest.mark.parametrize("below", [".", "a", "a b/c"])
@needs_root
def test_a_destination_that_is_not_ours_names_the_step_that_helps(make, below):
    with open_folder() as folder:
        said = as_other(lambda: make(folder / below))
    where = str(folder / below)
    assert f"{where}: Permission denied" in said
    assert f"sudo install -d -o $USER {quote(where)}" in said


@pytest.mark.parametrize("place", ["/proc/x", "/proc/self/x/y", "/sys/x"])
def test_where_no_folder_can_be_nobody_is_sent_to_make_one(place):
    for make in (files.make_root, files.check_folder):
        with pytest.raises(SettingsError) as caught:
            make(Path(place))
        assert str(caught.value).startswith(place)
        assert "choose a destination on a disk" in caught.value.hint


@pytest.mark.parametrize("setgid", [True, False])
@pytest.mark.parametrize(("umask", "group"), [(0o002, True), (0o022, False), (0o077, False), (0, True)])
def test_a_group_may_write_only_in_its_own_folder_and_as_the_umask_says(tmp_path, setgid, umask, group):
    os.chmod(tmp_path, 0o2775 if setgid else 0o755)
    before = os.umask(umask)
    try:
        files.make_folder(tmp_path / "folder")
        files.replace_atomically(tmp_path / "folder" / "record", b"{}", mode=0o644)
    finally:
        os.umask(before)
    shared = 0o020 if setgid and group else 0
    assert stat.S_IMODE((tmp_path / "folder").stat().st_mode) == 0o755 | shared | (0o2000 if setgid else 0)
    assert stat.S_IMODE((tmp_path / "folder" / "record").stat().st_mode) == 0o644 | shared


def test_a_folder_that_is_there_gets_back_what_everybody_may_do_and_keeps_the_rest(tmp_path):
    for before, after in {0o2700: 0o2755, 0o777: 0o777, 0o775: 0o775, 0o000: 0o755}.items():
        (tmp_path / "folder").mkdir()
        os.chmod(tmp_path / "folder", before)
        files.make_folder(tmp_path / "folder")
        assert stat.S_IMODE((tmp_path / "folder").stat().st_mode) == after
        (tmp_path / "folder").rmdir()


@pytest.mark.parametrize("code", [errno.EPERM, errno.EOPNOTSUPP])
def test_where_a_file_system_keeps_no_modes_they_stay(tmp_path, monkeypatch, code):
    def refuse(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "chmod", refuse)
    monkeypatch.setattr(os, "fchmod", refuse)
    (tmp_path / "folder").mkdir(mode=0o700)
    files.make_folder(tmp_path / "folder")
    files.replace_atomically(tmp_path / "record", b"{}", mode=0o644)
    monkeypatch.setattr(os, "fchmod", lambda *_: (_ for _ in ()).throw(OSError(errno.EIO, "broken")))
    with pytest.raises(OSError, match="broken"):
        files.replace_atomically(tmp_path / "record", b"{}", mode=0o644)


def test_a_name_as_long_as_any_may_be_is_replaced_too(tmp_path):
    for name in ("x" * 255, "é" * 127):
        files.replace_atomically(tmp_path / name, b"new")
        assert (tmp_path / name).read_bytes() == b"new"


def test_a_folder_that_cannot_be_flushed_by_name_needs_no_flush(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda fd: (_ for _ in ()).throw(OSError(errno.EINVAL, "CIFS")))
    files.flush_folder(tmp_path)
    monkeypatch.setattr(os, "fsync", lambda fd: (_ for _ in ()).throw(OSError(errno.EIO, "broken")))
    with pytest.raises(OSError, match="broken"):
        files.flush_folder(tmp_path)
