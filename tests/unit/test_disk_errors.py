import errno
import os

import pytest

from dci_downloader.errors import DiskFullError, SettingsError
from dci_downloader.mirror.disk_errors import destination_error, disk_error, disk_errors
from tests.unit.ordinary_user import USER, give


@pytest.mark.parametrize(
    ("code", "expected", "hint"),
    [
        (errno.ENOSPC, DiskFullError, "make room"),
        (errno.EDQUOT, DiskFullError, "quota"),
        (errno.EFBIG, DiskFullError, "ulimit -f"),
        (errno.EACCES, SettingsError, "may write to"),
        (errno.EPERM, SettingsError, "chmod u+rwx"),
        (errno.EROFS, SettingsError, "may write to"),
        (errno.ENOTDIR, SettingsError, "in the way"),
        (errno.ENAMETOOLONG, SettingsError, "shorter path"),
        (errno.EBUSY, SettingsError, "mounted there"),
        (errno.EAGAIN, SettingsError, "ulimit -u"),
        (errno.EXDEV, SettingsError, "another file system"),
        (errno.ENOLCK, SettingsError, "locks"),
        (errno.ENOSYS, SettingsError, "file system cannot"),
        (errno.EINVAL, SettingsError, "file system cannot"),
        (errno.ESTALE, SettingsError, "mount it again"),
        (errno.EMFILE, SettingsError, "ulimit -n"),
        (errno.ENOENT, SettingsError, "went away"),
        (errno.EIO, SettingsError, "system's log"),
        (errno.EUCLEAN, SettingsError, "system's log"),
    ],
)
def test_system_errors_become_errors_that_name_the_place_and_say_what_to_do(code, expected, hint):
    with pytest.raises(expected) as caught, disk_errors("/srv/dci"):
        raise OSError(code, os.strerror(code))
    assert type(caught.value) is expected
    assert str(caught.value) == f"/srv/dci: {os.strerror(code)}"
    assert hint in caught.value.hint


@pytest.mark.parametrize("code", [code for code in errno.errorcode if code != errno.EINTR])
def test_no_error_of_the_system_is_an_unexpected_one(code):
    with pytest.raises((DiskFullError, SettingsError)) as caught, disk_errors("/srv/dci"):
        raise OSError(code, os.strerror(code))
    assert caught.value.exit_code in (2, 6)
    assert caught.value.hint


def test_the_file_that_the_system_named_is_told_where_it_is_inside(tmp_path):
    with pytest.raises(SettingsError, match=r"a/b: No such"), disk_errors(tmp_path):
        os.rmdir(tmp_path / "a" / "b")
    with pytest.raises(SettingsError, match=r"^/srv/dci: No such"), disk_errors("/srv/dci"):
        os.rmdir(tmp_path / "a" / "b")


def test_a_relative_path_in_a_working_folder_that_was_deleted_says_to_go_elsewhere(tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    error = FileNotFoundError(errno.ENOENT, "No such file or directory")
    monkeypatch.chdir(tmp_path / "gone")
    assert "went away" in disk_error(error, "rel").hint
    (tmp_path / "gone").rmdir()
    assert disk_error(error, "rel").hint.endswith("cd elsewhere, or name DEST by its whole path")
    assert "went away" in disk_error(error, tmp_path / "rel").hint


def test_a_folder_of_another_user_is_no_reason_to_take_it_from_him(public_path):
    give(public_path, USER)
    said = destination_error(public_path, errno.EACCES).hint
    assert said.startswith("it belongs to user ") == (os.geteuid() == 0)
    assert ("sudo -u " in said) == (os.geteuid() == 0)
    give(public_path, 0)
    assert "sudo install -d" in destination_error(public_path, errno.EACCES).hint
    assert "sudo install -d" in destination_error(public_path / "missing", errno.EACCES).hint
