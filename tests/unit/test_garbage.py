import os

from dci_downloader.mirror.garbage import collect_garbage, recover
from tests.unit.samples import entry_of, open_store
from tests.unit.system_calls import record_calls


def test_recovery_after_a_power_cut_removes_what_the_disk_never_got(store, tmp_path):
    for content in (b"good", b"lost", b"linked"):
        store.add(entry_of("f", content), [content])
    (tmp_path / "tree").mkdir()
    os.link(store.path(entry_of("f", b"linked").sha256), tmp_path / "tree" / "f")
    for content in (b"lost", b"linked"):
        path = store.path(entry_of("f", content).sha256)
        path.chmod(0o644)
        path.write_bytes(b"\0" * len(content))
    after = open_store(tmp_path, "boot-2")
    assert recover(after, {entry_of("f", b"linked").sha256}) == 1
    assert after.holds(entry_of("f", b"good"))
    assert not after.holds(entry_of("f", b"lost"))
    assert after.holds(entry_of("f", b"linked")), "what a version names was flushed before, and is for verify to judge"
    assert recover(after, ()) == 1
    assert not after.holds(entry_of("f", b"linked")), "a link alone says nothing: a folder that was taken over has one"
    assert not after.needs_recovery()


def test_after_a_recovery_everything_is_flushed_before_the_markers_go(store, tmp_path, monkeypatch):
    store.add(entry_of("f", b"good"), [b"good"])
    after = open_store(tmp_path, "boot-2")
    calls = record_calls(monkeypatch, store.root)
    recover(after, ())
    assert calls == [("syncfs", "."), ("unlink", "unflushed/*")]


def test_garbage_is_what_no_tree_links_to_and_no_version_names(store, tmp_path):
    entries = {content: entry_of("f", content) for content in (b"garbage", b"linked", b"named")}
    for content, entry in entries.items():
        store.add(entry, [content])
    os.link(store.path(entries[b"linked"].sha256), tmp_path / "link")
    assert collect_garbage(store, {entries[b"named"].sha256}) == ((), 1, len(b"garbage"))
    assert {content for content, entry in entries.items() if store.holds(entry)} == {b"linked", b"named"}
