import errno
import os

import pytest

from dci_downloader.errors import (
    IntegrityError,
)
from dci_downloader.mirror.publish import publish
from dci_downloader.mirror.retention import expired, reclaimable, remove, retire
from dci_downloader.mirror.rollback import roll_back
from tests.unit.samples import FIRST, LINKS, component_of, entry_of, manifest_of, refuse_links
from tests.unit.system_calls import record_calls


def test_retiring_keeps_so_many_older_versions_and_their_content_leaves_with_the_lock(sample):
    for number in range(4):
        sample.publish(f"c{number}", {**FIRST, "own": b"%d" % number})
    assert [version.folder for version in expired(sample.topic, "compose", 1)] == ["c1", "c0"]
    with sample.topic.lock():
        removed = retire(sample.topic, "compose", 1)
        assert removed == (("c1", "c0"), 2, 2)
    assert [version.folder for version in sample.topic.versions("compose")] == ["c3", "c2"]
    assert sample.objects() == {entry_of("", content).sha256 for content in (b"first", b"bash" * 100, b"2", b"3")}


def test_what_would_be_removed_after_a_publication_counts_the_present_one_as_older(sample):
    for number in range(3):
        sample.publish(f"c{number}", FIRST)
    folders = [version.folder for version in expired(sample.topic, "compose", 1, next_identity="another")]
    assert folders == ["c1", "c0"]
    next_identity = sample.topic.versions("compose")[2].identity
    assert [version.folder for version in expired(sample.topic, "compose", 1, next_identity)] == ["c1"]


def test_selections_of_one_build_count_as_one(sample):
    for name in ("c0", "c1"):
        for selection in ("a", "b", "c"):
            sample.publish(name, {**FIRST, "own": name.encode()}, selection=selection)
    newest = sample.topic.published_folder("compose")

    def left(keep):
        gone = {version.folder for version in expired(sample.topic, "compose", keep)}
        return [version.component.name for version in sample.topic.versions("compose") if version.folder not in gone]

    assert [left(keep) for keep in (2, 1, 0)] == [["c1"] * 3 + ["c0"] * 3, ["c1"] * 3 + ["c0"] * 3, ["c1"]]
    with sample.topic.lock():
        assert retire(sample.topic, "compose", 1).versions == ()
    sample.publish("c2", FIRST, selection="a")
    assert left(1) == ["c2", "c1", "c1", "c1"]
    assert left(2) == ["c2"] + ["c1"] * 3 + ["c0"] * 3
    assert newest in {version.folder for version in expired(sample.topic, "compose", 0)}


def test_what_would_be_removed_counts_the_builds_after_the_publication(sample):
    for name in ("c0", "c1"):
        for selection in ("a", "b"):
            sample.publish(name, FIRST, selection=selection)
    gone = expired(sample.topic, "compose", 1, next_identity="another", next_build="id-c1")
    assert gone == ()
    gone = expired(sample.topic, "compose", 1, next_identity="another", next_build="id-c2")
    assert [version.component.name for version in gone] == ["c0", "c0"]


def test_the_published_version_stays_even_when_it_is_the_oldest(sample):
    for number in range(3):
        sample.publish(f"c{number}", FIRST)
    with sample.topic.lock():
        roll_back(sample.topic, "compose")
        roll_back(sample.topic, "compose")
        assert [version.folder for version in expired(sample.topic, "compose", 0)] == ["c2", "c1"]
        with pytest.raises(IntegrityError, match="is published"):
            remove(sample.topic, sample.topic.published("compose"))


def test_content_of_removed_versions_waits_while_another_sync_runs(sample):
    sample.publish("c0", {"own": b"0"})
    sample.publish("c1", FIRST)
    with sample.store.lock().holding(shared=True):
        with sample.topic.lock():
            assert retire(sample.topic, "compose", 0).versions == ("c0",)
        assert sample.store.holds(entry_of("own", b"0"))


def test_removed_copies_are_counted_too(sample, monkeypatch):
    refuse_links(monkeypatch)
    sample.publish("c0", {"own": b"0", "lost": b"lost"}, links=())
    sample.publish("c1", FIRST)
    (sample.folder / "c0" / "lost").unlink()
    assert reclaimable(sample.topic, expired(sample.topic, "compose", 0)) == (("c0",), 1, 1)


@pytest.mark.parametrize(("keep", "left"), [(2, ["c2", "c1"]), (1, ["c2"]), (0, [])])
def test_after_a_rollback_the_newer_version_counts_among_those_to_keep_and_comes_first(sample, keep, left):
    for number in range(3):
        sample.publish(f"c{number}", {"own": b"%d" % number})
    with sample.topic.lock():
        roll_back(sample.topic, "compose")
        roll_back(sample.topic, "compose")
        retire(sample.topic, "compose", keep)
    assert [version.folder for version in sample.topic.versions("compose")] == [*left, "c0"]
    assert sample.topic.published("compose").folder == "c0"


def test_content_that_only_removed_versions_share_is_counted_as_freed_once(sample):
    sample.publish("c0", {"a": b"shared", "b": b"shared"})
    sample.publish("c1", {"a": b"shared"})
    sample.publish("c2", FIRST)
    assert reclaimable(sample.topic, expired(sample.topic, "compose", 0)) == (("c1", "c0"), 1, 6)


def test_a_version_is_gone_at_once_and_only_then_its_record_and_its_files(sample, monkeypatch):
    sample.publish("c1", {"a": b"1"}, links=())
    sample.publish("c2", {"a": b"2"}, links=())
    calls = record_calls(monkeypatch, sample.folder)
    (old,) = expired(sample.topic, "compose", 0)
    remove(sample.topic, old)
    own = [(name, path) for name, path in calls if not path.startswith("../")]
    assert own[:2] == [("rename", ".old-*"), ("unlink", "c1.json")]


@pytest.mark.parametrize("content", [b"", bytes(500), b'{"format": 1, "identity": "a"', None])
def test_a_version_whose_record_is_lost_goes_with_the_next_publication_and_never_the_published_one(sample, content):
    for number in range(2):
        sample.publish(f"c{number}", {**FIRST, "own": b"%d" % number})
    for name in ("c0", "c1"):
        (sample.folder / f"{name}.json").unlink()
        if content is not None:
            (sample.folder / f"{name}.json").write_bytes(content)
    with sample.topic.lock():
        assert retire(sample.topic, "compose", 1).versions == (), "nothing whole is published"
        publish(sample.topic, component_of("c1"), None, manifest_of({**FIRST, "own": b"1"}, LINKS))
        assert retire(sample.topic, "compose", 1).versions == ("c0",)
    assert sorted(path.name for path in sample.folder.glob("c*")) == ["c1", "c1.json"]


def test_other_peoples_folders_are_no_versions_whose_record_is_lost(sample):
    sample.publish("c1", FIRST)
    (sample.folder / "mine").mkdir()
    (sample.folder / "mine" / "file").write_text("mine")
    with sample.topic.lock():
        retire(sample.topic, "compose", 0)
    assert (sample.folder / "mine" / "file").read_text() == "mine"


def test_what_cannot_be_removed_is_told_and_stays_a_version(sample, monkeypatch):
    for number in range(2):
        sample.publish(f"c{number}", {"own": b"%d" % number}, links=())
    real = os.rename

    def busy(one, other):
        if str(one).endswith("c0"):
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
        real(one, other)

    monkeypatch.setattr(os, "rename", busy)
    with sample.topic.lock():
        assert retire(sample.topic, "compose", 0).versions == ()
        (line,) = sample.topic.leftovers
    assert f"{sample.folder / 'c0'}: Device or resource busy (a file system is mounted there" in line
    assert [version.folder for version in sample.topic.versions("compose")] == ["c1", "c0"]
