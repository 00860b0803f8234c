import errno
import fcntl
import json
import os
import stat

import pytest

from dci_downloader.errors import (
    DigestMismatchError,
    DiskFullError,
    DownloaderError,
    LockedError,
)
from dci_downloader.mirror import partial as partial_module
from dci_downloader.mirror import store as store_module
from dci_downloader.mirror.store import Store
from tests.unit.samples import CONTENT, ENTRY, entry_of, leftovers, open_store
from tests.unit.system_calls import record_calls


def test_partial_of_pieces_in_any_order_becomes_an_object(store):
    partial = store.open_partial(ENTRY)
    assert partial.done == ()
    partial.write(6000, CONTENT[6000:])
    partial.write(0, CONTENT[:1000])
    partial.write(1000, CONTENT[1000:6000])
    assert partial.done == ((0, len(CONTENT)),)
    partial.finish()
    path = store.path(ENTRY.sha256)
    assert path.read_bytes() == CONTENT
    assert stat.S_IMODE(path.stat().st_mode) == 0o444
    assert leftovers(store) == []
    partial.close()
    partial.discard()
    assert store.holds(ENTRY)


def test_partial_of_no_bytes_is_complete(store):
    store.open_partial(entry_of("f", b"")).finish()
    assert store.holds(entry_of("f", b""))


def test_bytes_in_order_are_hashed_as_they_come_and_never_read_back(store, monkeypatch):
    partial = store.open_partial(ENTRY)
    for start in range(0, len(CONTENT), 1000):
        partial.write(start, CONTENT[start : start + 1000])
    monkeypatch.setattr(os, "pread", None)
    assert partial.catch_up() == 0
    partial.finish()
    assert store.holds(ENTRY)


def test_gaps_that_fill_let_the_hash_catch_up_in_bounded_pieces(store):
    partial = store.open_partial(ENTRY)
    partial.write(100, CONTENT[100:1000])
    assert partial.catch_up() == 0
    partial.write(0, CONTENT[:100])
    assert partial.catch_up(limit=300) == 300
    assert partial.catch_up() == 600
    assert partial.catch_up() == 0
    partial.write(1000, CONTENT[1000:])
    assert partial.catch_up() == 0, "what follows the frontier is hashed at once"
    partial.finish()
    assert store.holds(ENTRY)


def test_bytes_written_again_count_as_they_are_on_disk(store):
    partial = store.open_partial(ENTRY)
    partial.write(0, b"x" * 2000)
    partial.write(500, CONTENT[500:])
    partial.write(0, CONTENT[:500])
    assert partial.done == ((0, len(CONTENT)),)
    partial.finish()
    assert store.holds(ENTRY)


def test_overlapping_pieces_that_end_together_keep_the_longer_one(store):
    partial = store.open_partial(ENTRY)
    partial.write(100, CONTENT[100:200])
    partial.write(150, CONTENT[150:200])
    assert partial.done == ((100, 200),)
    partial.discard()


def test_complete_partial_of_other_content_is_discarded(store):
    partial = store.open_partial(ENTRY)
    partial.write(0, b"x" * ENTRY.size)
    with pytest.raises(DigestMismatchError) as caught:
        partial.finish()
    assert caught.value.path == ENTRY.path
    assert leftovers(store) == []
    assert not store.holds(ENTRY)


def test_incomplete_partial_does_not_finish(store):
    partial = store.open_partial(ENTRY)
    partial.write(0, CONTENT[:-1])
    with pytest.raises(ValueError, match="not complete"):
        partial.finish()
    partial.discard()


@pytest.mark.parametrize("offset", [-1, ENTRY.size])
def test_bytes_outside_the_file_are_refused(store, offset):
    partial = store.open_partial(ENTRY)
    with pytest.raises(ValueError, match="outside"):
        partial.write(offset, b"x")
    partial.discard()


def test_short_writes_are_completed(store, monkeypatch):
    partial = store.open_partial(ENTRY)
    pwrite = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, chunk, offset: pwrite(fd, chunk[:3000], offset))
    partial.write(0, CONTENT)
    partial.finish()
    assert store.path(ENTRY.sha256).read_bytes() == CONTENT


def killed(partial):
    """What a process that dies leaves: an open descriptor closed, nothing saved."""
    os.close(partial._fd)
    partial._fd = -1


def test_killed_run_is_taken_up_where_its_journal_was(store, tmp_path):
    partial = store.open_partial(ENTRY)
    partial.write(0, CONTENT[:1000])
    partial.write(5000, CONTENT[5000:6000])
    partial.save()
    partial.write(1000, CONTENT[1000:2000])
    killed(partial)
    after = open_store(tmp_path)
    assert after.partial_bytes(ENTRY) == 2000
    partial = after.open_partial(ENTRY)
    assert partial.done == ((0, 1000), (5000, 6000))
    partial.write(1000, CONTENT[1000:5000])
    partial.write(6000, CONTENT[6000:])
    partial.finish()
    assert after.path(ENTRY.sha256).read_bytes() == CONTENT


def test_after_a_power_cut_only_what_was_flushed_is_trusted(store, tmp_path):
    partial = store.open_partial(ENTRY)
    partial.write(0, CONTENT[:1000])
    partial.save(flush=True)
    partial.write(1000, CONTENT[1000:2000])
    partial.save()
    killed(partial)
    assert open_store(tmp_path).partial_bytes(ENTRY) == 2000
    assert open_store(tmp_path, "boot-2").open_partial(ENTRY).done == ((0, 1000),)


def test_closed_partial_outlives_a_reboot(store, tmp_path):
    partial = store.open_partial(ENTRY)
    partial.write(10, CONTENT[10:20])
    partial.close()
    assert open_store(tmp_path, "boot-2").partial_bytes(ENTRY) == 10


def test_without_a_boot_id_only_what_was_flushed_is_trusted(store, monkeypatch):
    monkeypatch.setattr(store_module, "boot_id", lambda: "")
    nameless = Store(store.root)
    partial = nameless.open_partial(ENTRY)
    partial.write(0, CONTENT[:10])
    partial.save()
    killed(partial)
    assert nameless.partial_bytes(ENTRY) == 0


ODD = {
    "not JSON": b"{",
    "empty": b"",
    "a list": b"[]",
    "deep": b"[" * 100_000,
    "not UTF-8": b"\xff\xfe\xff",
    "other size": {"size": 5},
    "no ranges": {"done": None},
    "beyond the end": {"done": [[0, ENTRY.size + 1]]},
    "negative": {"done": [[-5, 10]]},
    "overlapping": {"done": [[0, 10], [5, 20]]},
    "unsorted": {"done": [[50, 60], [0, 10]]},
    "fractions": {"done": [[0, 10.0]]},
    "booleans": {"done": [[False, True]]},
    "words": {"done": [["0", "9"]]},
    "triples": {"done": [[0, 1, 2]]},
    "flushed odd": {"flushed": 7},
}


@pytest.mark.parametrize("change", ODD.values(), ids=ODD.keys())
def test_journal_that_cannot_be_trusted_starts_the_file_anew(store, change):
    partial = store.open_partial(ENTRY)
    partial.write(0, b"x" * ENTRY.size)
    partial.close()
    journal = partial_module.journal_path(partial.path)
    if isinstance(change, dict):
        change = json.dumps({**json.loads(journal.read_text()), **change}).encode()
    journal.write_bytes(change)
    assert store.partial_bytes(ENTRY) == 0
    partial = store.open_partial(ENTRY)
    assert partial.done == ()
    assert not journal.exists()
    assert partial.path.read_bytes() == b"\0" * ENTRY.size
    partial.discard()


def test_preallocated_file_without_a_journal_holds_nothing(store):
    killed(store.open_partial(ENTRY))
    assert (store.partials / ENTRY.sha256).stat().st_size == ENTRY.size
    assert store.partial_bytes(ENTRY) == 0


def test_truncated_partial_starts_anew_whatever_its_journal_says(store):
    partial = store.open_partial(ENTRY)
    partial.write(0, CONTENT[:100])
    partial.close()
    os.truncate(partial.path, 50)
    assert store.open_partial(ENTRY).done == ()


def test_partial_that_shrinks_while_it_is_read_back_is_an_error_not_a_loop(store):
    partial = store.open_partial(ENTRY)
    partial.write(100, CONTENT[100:])
    partial.write(0, CONTENT[:100])
    os.truncate(partial.path, 50)
    with pytest.raises(DownloaderError, match="ends at byte 100"):
        partial.catch_up(limit=1000)


def test_second_writer_is_told_that_the_partial_is_locked(store, tmp_path):
    partial = store.open_partial(ENTRY)
    with pytest.raises(LockedError):
        open_store(tmp_path).open_partial(ENTRY)
    partial.close()
    open_store(tmp_path).open_partial(ENTRY).close()


def test_partial_that_became_an_object_while_it_was_being_opened_is_not_written(store, monkeypatch):
    partial = store.open_partial(ENTRY)
    partial.write(0, CONTENT)
    flock = fcntl.flock

    def finished_meanwhile(fd, mode):
        if partial._fd >= 0:
            partial.finish()
        flock(fd, mode)

    monkeypatch.setattr(fcntl, "flock", finished_meanwhile)
    again = store.open_partial(ENTRY)
    again.write(0, b"x" * 100)
    assert store.path(ENTRY.sha256).read_bytes() == CONTENT
    again.discard()


def test_no_room_for_a_partial_leaves_nothing(store, monkeypatch):
    def full(*_):
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    monkeypatch.setattr(partial_module, "preallocate", full)
    with pytest.raises(DiskFullError):
        store.open_partial(ENTRY)
    assert leftovers(store) == []


def test_partial_that_cannot_enter_the_store_stays_for_the_next_run(store, monkeypatch):
    partial = store.open_partial(ENTRY)
    partial.write(0, CONTENT)
    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", lambda *_: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
        with pytest.raises(DiskFullError):
            partial.finish()
    partial.close()
    store.open_partial(ENTRY).finish()
    assert store.holds(ENTRY)


def test_journal_is_written_in_place_where_the_disk_is_full(store, monkeypatch):
    partial = store.open_partial(ENTRY)
    partial.write(0, CONTENT[:1000])
    partial.write(5000, CONTENT[5000:6000])
    partial.save()

    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(partial_module, "replace_atomically", full)
    partial.write(1000, CONTENT[1000:7000])
    partial.close()
    assert store.partial_bytes(ENTRY) == 7000


@pytest.mark.parametrize("other", ["nothing", "a symbolic link", "a hard link"])
def test_nothing_but_a_journal_is_written_over(store, monkeypatch, tmp_path, other):
    partial = store.open_partial(ENTRY)
    partial.write(0, CONTENT[:1000])
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("precious")
    journal = partial_module.journal_path(partial.path)
    if other == "a symbolic link":
        journal.symlink_to(elsewhere)
    elif other == "a hard link":
        os.link(elsewhere, journal)

    def full(*_, **__):
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    monkeypatch.setattr(partial_module, "replace_atomically", full)
    with pytest.raises(DiskFullError):
        partial.save()
    assert elsewhere.read_text() == "precious"
    partial.discard()


def test_bytes_reach_the_disk_before_the_journal_that_lists_them_as_flushed(store, monkeypatch):
    partial = store.open_partial(ENTRY)
    partial.write(0, CONTENT[:1000])
    calls = record_calls(monkeypatch, store.root)
    partial.save()
    assert calls == [("rename", "partial/*.json")], "until the machine stops, the page cache has them"
    calls.clear()
    partial.save(flush=True)
    assert calls == [("fdatasync", "partial/*"), ("rename", "partial/*.json")]
    calls.clear()
    partial.close()
    assert calls == [("fdatasync", "partial/*"), ("rename", "partial/*.json")]
