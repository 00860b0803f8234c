import fcntl
import os

import pytest

from dci_downloader.errors import LockedError, SettingsError
from dci_downloader.mirror.locked_file import open_locked
from tests.unit.ordinary_user import OTHER, USER, as_user, give


def test_a_file_is_made_and_found_again_with_what_it_holds(tmp_path):
    for content in (b"", b"first"):
        fd = open_locked(tmp_path / "partial")
        assert os.read(fd, 100) == content
        os.pwrite(fd, b"first", 0)
        os.close(fd)


def test_one_process_writes_at_a_time(tmp_path):
    fd = open_locked(tmp_path / "partial")
    with pytest.raises(LockedError):
        open_locked(tmp_path / "partial")
    os.close(fd)


def test_a_file_that_somebody_knows_by_another_name_gives_way_to_a_new_one(tmp_path):
    (tmp_path / "precious").write_text("precious")
    os.link(tmp_path / "precious", tmp_path / "partial")
    fd = open_locked(tmp_path / "partial")
    os.pwrite(fd, b"new", 0)
    os.close(fd)
    assert (tmp_path / "precious").read_text() == "precious"


def test_a_fifo_gives_way_and_a_link_is_not_followed(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    os.close(open_locked(tmp_path / "fifo"))
    assert (tmp_path / "fifo").is_file()
    (tmp_path / "link").symlink_to("elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        open_locked(tmp_path / "link")
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="two users need root")
@pytest.mark.parametrize("mode", [0o644, 0o600, 0o000])
def test_what_another_user_left_and_lets_nobody_write_to_gives_way(public_path, mode):
    (public_path / "partial").write_text("theirs")
    give(public_path, user=USER, group=1500)
    os.chmod(public_path, 0o2775)
    os.chmod(public_path / "partial", mode)

    def take():
        fd = open_locked(public_path / "partial")
        assert os.read(fd, 100) == b""
        os.close(fd)

    as_user(take, user=OTHER, group=1500)


def test_a_file_system_without_locks_is_named_as_one(tmp_path, monkeypatch):
    monkeypatch.setattr(fcntl, "flock", lambda *_: (_ for _ in ()).throw(OSError(37, "No locks available")))
    with pytest.raises(SettingsError, match="no locks"):
        open_locked(tmp_path / "partial")
