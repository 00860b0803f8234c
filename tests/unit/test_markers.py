import os

import pytest

from dci_downloader.mirror import store as store_module
from dci_downloader.mirror.store import Store
from tests.unit.samples import CONTENT, ENTRY, entry_of, open_store
from tests.unit.system_calls import record_calls


def test_a_flush_ends_the_doubt_about_what_was_written(store, tmp_path):
    store.add(ENTRY, [CONTENT])
    assert len(os.listdir(store.markers.folder)) == 1
    assert not open_store(tmp_path).needs_recovery()
    assert open_store(tmp_path, "boot-2").needs_recovery()
    store.flush()
    store.flush()
    assert not open_store(tmp_path, "boot-2").needs_recovery()


def test_without_a_boot_id_every_marker_is_a_doubt(store, tmp_path, monkeypatch):
    store.add(ENTRY, [CONTENT])
    monkeypatch.setattr(store_module, "boot_id", lambda: "")
    assert Store(store.root).needs_recovery()


def test_what_is_written_after_a_flush_is_doubtful_again(store, tmp_path):
    store.add(ENTRY, [CONTENT])
    store.flush()
    store.add(entry_of("f", b"x"), [b"x"])
    assert open_store(tmp_path, "boot-2").needs_recovery()


def test_a_marker_is_on_disk_before_the_first_object_and_there_until_all_are_flushed(store, monkeypatch):
    calls = record_calls(monkeypatch, store.root)
    store.add(ENTRY, [CONTENT])
    assert calls == [
        ("fsync", "unflushed/.*.*"),
        ("rename", "unflushed/*"),
        ("fsync", "unflushed"),
        ("rename", f"objects/{ENTRY.sha256[:2]}/*"),
    ]
    calls.clear()
    store.add(entry_of("f", b"x"), [b"x"])
    assert calls == [("rename", "objects/2d/*")], "one marker is enough"
    calls.clear()
    store.flush()
    assert calls == [("syncfs", "."), ("unlink", "unflushed/*")]


def test_a_process_that_writes_on_behalf_of_a_run_leaves_the_marker_to_it(store):
    helper = Store(store.root, boot="boot-1", marker=store.marker_path())
    helper.add(ENTRY, [CONTENT])
    assert len(os.listdir(store.markers.folder)) == 1
    store.flush()
    assert os.listdir(store.markers.folder) == []


def make_pipe(path):
    os.mkfifo(path)


def make_link(path):
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("make", [make_pipe, make_link, os.mkdir])
def test_what_is_no_marker_is_neither_read_nor_removed(store, tmp_path, make):
    place = store.markers.folder / ("0" * 16)
    make(place)
    (store.markers.folder / "mine").write_text("mine")
    assert not open_store(tmp_path, "boot-2").needs_recovery()
    store.markers.remove_all()
    assert sorted(os.listdir(store.markers.folder)) == ["0" * 16, "mine"]


def test_a_marker_that_cannot_be_read_is_a_doubt(store, monkeypatch):
    def refuse(path, limit):
        raise PermissionError(13, "Permission denied")

    store.add(ENTRY, [CONTENT])
    monkeypatch.setattr("dci_downloader.mirror.markers.read_file", refuse)
    assert store.needs_recovery()
