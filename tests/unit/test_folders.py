import os
import stat

import pytest

from dci_downloader.errors import SettingsError
from dci_downloader.mirror import folders
from dci_downloader.mirror.digests import FOLDER
from dci_downloader.mirror.folders import (
    is_foreign,
    make_own_folder,
    mend_folders,
    open_below,
    real_folders,
    require_own_name,
)
from tests.unit.ordinary_user import as_user, give


def names(parent):
    return [path.name for path in real_folders(parent)]


def test_hidden_folders_links_files_and_lost_and_found_are_none_of_ours(tmp_path):
    for name in ("b", "a", ".hidden", "lost+found"):
        (tmp_path / name).mkdir()
    (tmp_path / "link").symlink_to("a")
    (tmp_path / "file").touch()
    assert names(tmp_path) == ["a", "b"]
    for none in ("gone", "file", "link", "file/below", "lost+found"):
        assert names(tmp_path / none) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="making folders of another user needs root")
def test_other_peoples_folders_that_may_not_be_entered_are_passed_by_and_own_ones_are_an_error(public_path):
    for name in ("mine", "theirs", "readable"):
        (public_path / name / ".versions").mkdir(parents=True)
    give(public_path)
    for name in ("theirs", "readable"):
        os.chown(public_path / name, 0, 0)
    for name, mode in {"theirs": 0o700, "readable": 0o755, "mine": 0}.items():
        os.chmod(public_path / name, mode)

    def look():
        assert names(public_path) == ["mine", "readable"]
        assert is_foreign(public_path / "theirs")
        with pytest.raises(SettingsError, match=r"mine/\.versions: Permission denied"):
            real_folders(public_path / "mine" / ".versions")

    as_user(look)


def test_the_folders_of_a_topic_get_their_modes_again(public_path):
    folders = [public_path / "topic" / name for name in (".", ".versions", ".versions/compose")]
    folders[-1].mkdir(parents=True)
    give(public_path / "topic")
    for folder in reversed(folders):
        os.chmod(folder, 0)

    as_user(mend_folders, public_path / "topic")
    assert [stat.S_IMODE(folder.stat().st_mode) for folder in folders] == [0o755] * 3
    mend_folders(public_path / "topic")
    (public_path / "new").mkdir()
    mend_folders(public_path / "new")


def test_no_link_on_the_way_is_followed(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "link").symlink_to("a")
    root = os.open(tmp_path, FOLDER)
    try:
        for folder in ("", "a", "a/b"):
            fd = open_below(root, folder)
            assert os.path.samestat(os.fstat(fd), os.stat(tmp_path / folder))
            os.close(fd)
        for folder in ("link", "link/b", "gone", "a/gone"):
            with pytest.raises(OSError, match=r"Not a directory|No such file"):
                open_below(root, folder)
    finally:
        os.close(root)


@pytest.mark.parametrize(
    ("name", "kept"),
    [("Compose", "compose"), ("v1.", "v1"), ("straße", "strasse"), ("caf\u00e9", "cafe\u0301"), ("same", "same")],
)
def test_a_name_that_the_file_system_takes_for_another_folders_is_refused(tmp_path, monkeypatch, name, kept):
    """As vfat does, and exFAT; that accents are taken apart from their letters makes it no other name."""
    (tmp_path / "else").mkdir()
    monkeypatch.setattr(folders.os, "listdir", lambda _: ["else", kept])
    monkeypatch.setattr(folders.os.path, "samefile", lambda one, _: one.name == kept)
    require_own_name(tmp_path / name)  # which is not there
    if name == "same" or name.startswith("caf"):
        make_own_folder(tmp_path / name)
        make_own_folder(tmp_path / name)
        return
    with pytest.raises(SettingsError, match=f"takes that for {kept}, the folder of something else") as caught:
        make_own_folder(tmp_path / name)
    assert caught.value.hint


def test_folders_whose_names_differ_by_case_alone_are_two_where_the_file_system_has_both(tmp_path):
    make_own_folder(tmp_path / "compose")
    make_own_folder(tmp_path / "Compose")
