import errno
import hashlib
import os
import stat

import pytest

from dci_downloader.errors import (
    DigestMismatchError,
    DiskFullError,
    IntegrityError,
    SettingsError,
)
from dci_downloader.mirror import store as store_module
from dci_downloader.mirror.garbage import sweep
from tests.unit.ordinary_user import as_user, give
from tests.unit.samples import CONTENT, ENTRY, entry_of, leftovers, open_store


def test_an_object_is_read_only_while_it_has_the_content_of_its_name(store):
    store.add(ENTRY, [CONTENT])
    assert store.read(ENTRY.sha256) == CONTENT
    store.path(ENTRY.sha256).chmod(0o644)
    store.path(ENTRY.sha256).write_bytes(CONTENT[::-1])
    with pytest.raises(IntegrityError, match="is damaged"):
        store.read(ENTRY.sha256)


NO_DIGESTS = ["", "abc", "../" * 20 + "etc/passwd", "A" * 64, "a" * 63 + "/", "a" * 65, "a" * 63 + "\n"]


@pytest.mark.parametrize("name", NO_DIGESTS)
def test_what_is_no_digest_names_nothing_in_the_store(store, name):
    entry = ENTRY._replace(sha256=name)
    for ask in (store.holds, store.open_partial, store.partial_bytes):
        with pytest.raises(IntegrityError, match="is no sha256"):
            ask(entry)
    for ask in (store.path, store.read, store.remove, store.make_read_only, store.partial_path, store.below_objects):
        with pytest.raises(IntegrityError, match="is no sha256"):
            ask(name)
    with pytest.raises(IntegrityError, match="is no sha256"):
        store.commit("/nowhere", name)


def test_preparing_is_repeatable(store):
    store.prepare()
    assert not store.holds(ENTRY)
    assert not store.needs_recovery()


@pytest.mark.parametrize("name", [".dci-downloader", ".dci-downloader/objects"])
def test_something_in_the_way_of_the_store_is_a_settings_error(tmp_path, name):
    path = tmp_path / "mirror" / name
    path.parent.mkdir(parents=True)
    path.write_text("mine")
    with pytest.raises(SettingsError, match="is not a folder"):
        open_store(tmp_path)
    assert path.read_text() == "mine"


def test_destination_below_a_file_is_a_settings_error(tmp_path):
    (tmp_path / "mirror").touch()
    with pytest.raises(SettingsError, match="mirror"):
        open_store(tmp_path)


def test_added_content_is_held_read_only_under_its_digest(store):
    store.add(ENTRY, [CONTENT[:100], CONTENT[100:]])
    path = store.path(ENTRY.sha256)
    assert path.read_bytes() == CONTENT
    assert path.parent.name == ENTRY.sha256[:2]
    assert stat.S_IMODE(path.stat().st_mode) == 0o444
    assert store.holds(ENTRY)
    assert leftovers(store) == []


def test_empty_content_is_content(store):
    store.add(entry_of("f", b""), [])
    assert store.holds(entry_of("f", b""))


def test_adding_what_is_there_changes_nothing(store):
    store.add(ENTRY, [CONTENT])
    inode = store.path(ENTRY.sha256).stat().st_ino
    store.add(ENTRY, [CONTENT])
    assert store.path(ENTRY.sha256).stat().st_ino == inode


def test_wrong_content_is_refused_with_both_digests_and_leaves_nothing(store):
    with pytest.raises(DigestMismatchError) as caught:
        store.add(ENTRY, [b"<html>"])
    assert (caught.value.path, caught.value.expected) == (ENTRY.path, ENTRY.sha256)
    assert caught.value.actual == hashlib.sha256(b"<html>").hexdigest()
    assert not store.holds(ENTRY)
    assert leftovers(store) == []


def test_right_content_with_another_size_in_the_manifest_is_refused(store):
    with pytest.raises(IntegrityError, match="has 10240 bytes, its manifest says 5"):
        store.add(ENTRY._replace(size=5), [CONTENT])


def test_truncated_object_is_replaced_and_not_written_into(store, tmp_path):
    path = store.path(ENTRY.sha256)
    path.parent.mkdir()
    path.write_bytes(b"short")
    os.link(path, tmp_path / "other")
    store.add(ENTRY, [CONTENT])
    assert path.read_bytes() == CONTENT
    assert (tmp_path / "other").read_bytes() == b"short"


def test_symlink_in_place_of_an_object_is_replaced_and_not_followed(store, tmp_path):
    (tmp_path / "victim").write_bytes(CONTENT)
    path = store.path(ENTRY.sha256)
    path.parent.mkdir()
    path.symlink_to(tmp_path / "victim")
    assert not store.holds(ENTRY)
    store.add(ENTRY, [CONTENT])
    assert not path.is_symlink()


def test_folder_of_objects_that_leads_elsewhere_is_refused(store, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    store.path(ENTRY.sha256).parent.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SettingsError, match="symbolic link"):
        store.add(ENTRY, [CONTENT])
    with pytest.raises(SettingsError, match="not a folder of objects"):
        list(store.object_names())
    assert os.listdir(tmp_path / "elsewhere") == []
    assert leftovers(store) == []


def test_full_disk_is_reported_and_leaves_nothing(store, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(store_module, "write_all", full)
    with pytest.raises(DiskFullError) as caught:
        store.add(ENTRY, [CONTENT])
    assert caught.value.hint
    assert leftovers(store) == []


def test_removed_object_is_gone(store):
    store.add(ENTRY, [CONTENT])
    store.remove(ENTRY.sha256)
    store.remove(ENTRY.sha256)
    assert not store.holds(ENTRY)


def test_only_regular_files_are_listed_as_objects(store):
    store.add(ENTRY, [CONTENT])
    (store.path(ENTRY.sha256).parent / "folder").mkdir()
    assert list(store.object_names()) == [ENTRY.sha256]


@pytest.mark.parametrize("place", ["", "objects", "partial", "unflushed", "unsure", "candidates", "objects/ab"])
@pytest.mark.parametrize("target", ["elsewhere", "nowhere"])
def test_a_folder_of_the_store_that_is_a_link_is_refused_before_anything_is_read_or_written(tmp_path, place, target):
    store = open_store(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    folder = store.root / place
    if folder.is_dir():
        folder.rename(tmp_path / "moved")
    folder.symlink_to(tmp_path / target)
    for call in (store.check_links, store.prepare, store.check):
        with pytest.raises(SettingsError) as caught:
            call()
        assert "move it aside" in caught.value.hint
    assert os.listdir(tmp_path / "elsewhere") == []


def test_an_object_that_is_a_link_is_not_read(tmp_path):
    store = open_store(tmp_path)
    (tmp_path / "secret").write_text("secret")
    place = store.path(ENTRY.sha256)
    place.parent.mkdir()
    place.symlink_to(tmp_path / "secret")
    with pytest.raises(SettingsError):
        store.read(ENTRY.sha256)
    assert not store.holds(ENTRY)


def test_other_peoples_folders_in_the_store_are_passed_by(tmp_path):
    store = open_store(tmp_path)
    for name in ("objects/lost+found", "objects/theirs", "partial/lost+found"):
        (store.root / name).mkdir()
    store.prepare()
    store.add(ENTRY, [CONTENT])
    assert list(store.object_names()) == [ENTRY.sha256]


def test_other_peoples_files_beside_the_objects_are_passed_by(tmp_path):
    store = open_store(tmp_path)
    store.add(ENTRY, [CONTENT])
    for name in ("foreign.json", ".nfs0000000100000001", f"{ENTRY.sha256}.bak"):
        (store.path(ENTRY.sha256).parent / name).write_text("theirs")
    assert list(store.object_names()) == [ENTRY.sha256]
    assert sweep(store, store.root.parent, 0, print).files == 1
    assert len(os.listdir(store.path(ENTRY.sha256).parent)) == 3


def test_a_folder_in_the_place_of_an_object_is_named(tmp_path):
    store = open_store(tmp_path)
    store.path(ENTRY.sha256).mkdir(parents=True)
    with pytest.raises(SettingsError) as caught:
        store.add(ENTRY, [CONTENT])
    assert str(caught.value) == f"{store.path(ENTRY.sha256)}: Is a directory"
    assert leftovers(store) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="making files of another user needs root")
def test_an_object_of_another_user_that_may_not_be_read_is_not_held_and_replaced(public_path):
    store = open_store(public_path)
    store.add(ENTRY, [CONTENT])
    for path in (public_path, *public_path.rglob("*")):
        give(path)
    os.chown(store.path(ENTRY.sha256), 0, 0)
    os.chmod(store.path(ENTRY.sha256), 0o600)

    def replace():
        assert not store.holds(ENTRY)
        store.add(ENTRY, [CONTENT])
        assert store.holds(ENTRY)
        os.chmod(store.path(ENTRY.sha256), 0)
        assert store.holds(ENTRY), "an own one gets its mode again"

    as_user(replace)
