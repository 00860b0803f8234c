import errno
import os
import subprocess

import pytest

from dci_downloader.mirror import removal
from dci_downloader.mirror.removal import leftover_note, move_aside, remove_tree
from tests.unit.ordinary_user import as_user, give


def test_removing_follows_no_link_and_can_be_repeated(tmp_path):
    (tmp_path / "folder" / "inside").mkdir(parents=True)
    (tmp_path / "kept").mkdir()
    (tmp_path / "folder" / "link").symlink_to(tmp_path / "kept")
    (tmp_path / "link").symlink_to(tmp_path / "kept")
    for name in ("folder", "link", "gone"):
        assert remove_tree(tmp_path / name) == ()
    assert remove_tree(tmp_path / "no" / "folder") == ()
    assert os.listdir(tmp_path) == ["kept"]


@pytest.mark.parametrize("mode", [0o555, 0o000, 0o300, 0o400])
def test_folders_that_keep_their_owner_out_are_removed_all_the_same(public_path, mode):
    inner = public_path / "tree" / "a" / "b"
    inner.mkdir(parents=True)
    (inner / "file").touch()
    give(public_path / "tree")
    give(public_path)
    for folder in (inner, inner.parent, public_path / "tree"):
        os.chmod(folder, mode)

    def remove():
        assert remove_tree(public_path / "tree") == ()

    as_user(remove)
    assert not (public_path / "tree").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="making files of another user needs root")
def test_what_belongs_to_somebody_else_is_told_by_its_own_path_and_left(public_path):
    theirs = public_path / "tree" / "theirs"
    theirs.mkdir(parents=True)
    for name in "abc":
        (theirs / name).touch()
    (public_path / "tree" / "mine").touch()
    give(public_path)
    os.chown(theirs, 0, 0)

    def remove():
        (line,) = remove_tree(public_path / "tree")
        assert line.startswith(f"{theirs}/")
        assert line.endswith("could not be removed and stays: Permission denied")

    as_user(remove)
    assert sorted(os.listdir(theirs)) == ["a", "b", "c"]
    assert os.listdir(public_path / "tree") == ["theirs"]


@pytest.mark.parametrize("options", [["-t", "tmpfs", "none"], ["--bind"]], ids=["tmpfs", "bind"])
def test_what_is_mounted_below_stays_with_all_it_holds(tmp_path, options):
    mount, source = tmp_path / "tree" / "a" / "mount", tmp_path / "source"
    mount.mkdir(parents=True)
    (tmp_path / "tree" / "file").touch()
    source.mkdir()
    arguments = [*options, source] if options == ["--bind"] else options
    if os.geteuid() or subprocess.run(["mount", *arguments, mount], capture_output=True).returncode:
        pytest.skip("may not mount a file system here")
    try:
        (mount / "precious").write_text("precious")
        (line,) = remove_tree(tmp_path / "tree")
        assert line.startswith(f"{mount} could not be removed and stays: a file system is mounted there")
        assert (mount / "precious").read_text() == "precious"
        assert os.listdir(tmp_path / "tree") == ["a"]
        assert len(remove_tree(mount)) == 1
        assert (mount / "precious").read_text() == "precious"
    finally:
        subprocess.run(["umount", mount], check=True)
    assert remove_tree(tmp_path / "tree") == ()
    assert os.listdir(tmp_path) == ["source"]


def test_a_file_that_is_mounted_stays(tmp_path):
    (tmp_path / "source").write_text("precious")
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "file").touch()
    command = ["mount", "--bind", tmp_path / "source", tmp_path / "tree" / "file"]
    if os.geteuid() or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("may not mount a file system here")
    try:
        assert "mounted there" in remove_tree(tmp_path / "tree")[0]
    finally:
        subprocess.run(["umount", tmp_path / "tree" / "file"], check=True)
    assert (tmp_path / "source").read_text() == "precious"


def test_where_mounts_have_no_numbers_their_devices_tell_them_apart(tmp_path, monkeypatch):
    monkeypatch.setattr(removal, "_MOUNT_ID", removal.re.compile("nothing like it"))
    (tmp_path / "tree" / "a").mkdir(parents=True)
    assert remove_tree(tmp_path / "tree") == ()


def test_a_folder_that_is_nested_too_deeply_stays_and_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(removal, "_MAX_DEPTH", 2)
    (tmp_path / "a" / "b" / "c").mkdir(parents=True)
    assert "nested too deeply" in remove_tree(tmp_path / "a")[0]


def test_what_cannot_be_moved_across_layers_is_removed_where_it_is_and_other_errors_are_told(tmp_path, monkeypatch):
    (tmp_path / "a").mkdir()
    assert move_aside(tmp_path / "a", tmp_path / "b") == tmp_path / "b"

    def refuse(code):
        def rename(*_):
            raise OSError(code, os.strerror(code))

        return rename

    monkeypatch.setattr(os, "rename", refuse(errno.EXDEV))
    assert move_aside(tmp_path / "b", tmp_path / "c") == tmp_path / "b"
    monkeypatch.setattr(os, "rename", refuse(errno.EBUSY))
    with pytest.raises(OSError, match="busy"):
        move_aside(tmp_path / "b", tmp_path / "c")


def test_a_note_names_each_place_once_and_not_too_many():
    assert leftover_note(["a", "a", "b"]) == ("a", "b")
    assert leftover_note(list("abcdefg")) == ("a", "b", "c", "d", "e", "… and 2 more places")


@pytest.mark.skipif(os.geteuid() != 0, reason="making files of another user needs root")
def test_an_empty_folder_of_somebody_else_goes_though_it_may_not_be_entered(public_path):
    (public_path / "tree" / "theirs").mkdir(parents=True)
    give(public_path)
    give(public_path / "tree")
    os.chmod(public_path / "tree" / "theirs", 0)

    def remove():
        assert remove_tree(public_path / "tree") == ()

    as_user(remove)
    assert not (public_path / "tree").exists()
