import os

import pytest

from dci_downloader.errors import SettingsError
from dci_downloader.mirror import references as references_module
from dci_downloader.mirror.digest_list import list_path
from dci_downloader.mirror.prune import preview, prune
from dci_downloader.mirror.references import References, named_by
from dci_downloader.mirror.retention import retire
from dci_downloader.mirror.version import record_path
from tests.unit.samples import FIRST, SECOND, entry_of


def digests_of(files):
    return {bytes.fromhex(entry_of("", content).sha256) for content in files.values()}


@pytest.fixture
def tree(sample):
    sample.publish("c1", FIRST)
    return sample.folder / "c1"


@pytest.fixture
def unread(monkeypatch):
    """Records that may not be read."""

    def refuse(*_):
        raise AssertionError("a record was read")

    monkeypatch.setattr(references_module, "load_record", refuse)


def test_a_list_is_written_with_its_record_and_read_in_its_place(tree, unread):
    assert set(named_by(tree)) == digests_of(FIRST)


@pytest.mark.parametrize("state", ["missing", "empty", "cut", "flipped", "of another version", "foreign", "folder"])
def test_a_list_that_does_not_fit_is_made_anew_from_the_record(sample, tree, state):
    path = list_path(tree)
    content = path.read_bytes()
    if state == "of another version":
        sample.publish("c2", {"other": b"other"})
        content = list_path(sample.folder / "c2").read_bytes()
    path.unlink()
    if state == "folder":
        path.mkdir()
    elif state != "missing":
        flipped = bytes([content[70] ^ 1]).join((content[:70], content[71:]))
        changed = {"empty": b"", "cut": content[:-32], "flipped": flipped, "foreign": b"theirs"}
        path.write_bytes(changed.get(state, content))
    before = sorted(os.listdir(tree.parent))
    assert set(named_by(tree)) == digests_of(FIRST)
    assert sorted(os.listdir(tree.parent)) == before, "to look has no side effect"
    assert set(named_by(tree, writes_list=True)) == digests_of(FIRST)
    assert path.is_dir() or path.read_bytes()[-32:] == list_content(tree)[-32:]
    assert set(named_by(tree)) == digests_of(FIRST)


def list_content(tree):
    return list_path(tree).read_bytes()


def test_a_list_that_is_older_than_the_record_beside_it_keeps_nothing_from_being_named(sample, tree):
    sample.publish("c2", SECOND)
    record_path(tree).write_bytes(record_path(sample.folder / "c2").read_bytes())
    assert digests_of(SECOND) <= set(named_by(tree))


def test_a_damaged_record_names_nothing(sample, tree):
    sample.publish("c2", SECOND)
    record_path(tree).write_bytes(b"")
    assert set(named_by(tree)) == set()
    left = digests_of(FIRST) | digests_of(SECOND)
    References(sample.root).subtract_from(left)
    assert left == digests_of(FIRST) - digests_of(SECOND)


@pytest.mark.parametrize("listed", [True, False])
def test_nobody_can_say_what_a_record_names_that_may_not_be_read(sample, tree, monkeypatch, listed):
    real = os.open

    def refuse(path, *more, **named):
        if str(path) == str(record_path(tree)):
            raise PermissionError(13, "Permission denied")
        return real(path, *more, **named)

    if not listed:
        list_path(tree).unlink()
    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(SettingsError, match="nothing can leave the store"):
        References(sample.root).subtract_from(set())


def test_a_record_of_a_newer_program_is_asked_for_itself(sample, tree):
    record = record_path(tree)
    record.write_bytes(record.read_bytes().replace(b'"format": 1', b'"format": 2', 1))
    with pytest.raises(SettingsError, match="nothing can leave the store"):
        References(sample.root).subtract_from(set())


def test_a_version_that_came_went_or_was_replaced_is_noticed(sample, tree):
    references = References(sample.root)
    assert not references.current(), "nothing was read"
    references.subtract_from(set())
    assert references.current()
    record = record_path(tree)
    content = record.read_bytes()
    record.unlink()
    record.write_bytes(content)
    assert not references.current()
    references = References(sample.root)
    references.subtract_from(set())
    sample.publish("c2", SECOND)
    assert not references.current()
    references = References(sample.root)
    references.subtract_from(set())
    (sample.folder / "c1").rename(sample.folder / ".old-12345678")
    assert not references.current(), "what it named was judged to be needed"


def test_the_stamps_are_taken_before_records_are_read(sample, tree, monkeypatch):
    references = References(sample.root)
    real = references_module.named_by

    def replaced(path, writes_list):
        named = list(real(path, writes_list))
        record_path(tree).write_bytes(record_path(tree).read_bytes() + b" ")
        return named

    monkeypatch.setattr(references_module, "named_by", replaced)
    references.subtract_from(set())
    assert not references.current()


def test_a_list_goes_with_its_version_and_one_without_a_version_is_swept(sample, tree):
    orphan = list_path(sample.folder / "c0")
    orphan.write_bytes(list_path(tree).read_bytes())
    foreign = sample.folder / ".theirs.digests"
    foreign.write_text("theirs")
    sample.publish("c2", SECOND)
    sample.publish("c3", SECOND, selection="another")
    with sample.topic.lock():
        retire(sample.topic, "compose", 0)
    assert sorted(path.name for path in sample.folder.glob(".*.digests")) == [".c3.digests", ".theirs.digests"]


def test_a_sweep_writes_the_lists_that_older_releases_did_not_and_a_preview_none(sample, tree):
    list_path(tree).unlink()
    preview(sample.mirror)
    assert not list_path(tree).exists()
    prune(sample.mirror)
    assert list_path(tree).exists()


def test_a_user_who_may_not_write_reads_all_the_same(tree, monkeypatch):
    list_path(tree).unlink()

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("dci_downloader.mirror.digest_list.replace_atomically", refuse)
    assert set(named_by(tree, writes_list=True)) == digests_of(FIRST)
    assert not list_path(tree).exists()
