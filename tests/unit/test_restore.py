"""Repair, with the transfer replaced by its result; :mod:`tests.unit.test_verify` has what verification finds."""

import os
import shutil

import pytest

from dci_downloader.errors import IntegrityError, TransferError
from dci_downloader.mirror.hold import hold
from dci_downloader.mirror.prune import prune
from dci_downloader.mirror.publish import publish
from dci_downloader.mirror.removal import remove_tree
from dci_downloader.mirror.restore import rebuild_damaged, restore_links
from dci_downloader.mirror.rollback import rollback
from dci_downloader.mirror.status import status
from dci_downloader.mirror.verify import verify
from dci_downloader.mirror.version import record_path
from tests.unit.samples import FIRST, LINKS, SECOND, component_of, entry_of, manifest_of, names_in
from tests.unit.test_verify import no_fetch, rot


class Fetches:
    """Brings what a plan misses, and remembers the paths."""

    def __init__(self, sample, contents=SECOND):
        self.sample = sample
        self.contents = contents
        self.paths = []

    def __call__(self, component, plan):
        for entry in plan.missing:
            self.paths.append(entry.path)
            self.sample.store.add(entry, [self.contents[entry.path]])


def whole(sample):
    return not any(check.damages for check in verify(sample.mirror))


def test_a_second_repair_with_an_old_verdict_fetches_and_removes_nothing(sample):
    sample.publish("c1", FIRST)
    rot(sample.link / ".composeinfo")
    checks = verify(sample.mirror)
    first = Fetches(sample, FIRST)
    rebuild_damaged(sample.mirror, checks, first)
    inode = (sample.link / ".composeinfo").stat().st_ino
    rebuild_damaged(sample.mirror, checks, no_fetch)
    assert first.paths == [".composeinfo"]
    assert (sample.link / ".composeinfo").stat().st_ino == inode
    assert whole(sample)


def test_a_repair_after_a_sync_that_mended_it_leaves_everything_alone(sample):
    sample.publish("c1", FIRST)
    rot(sample.link / ".composeinfo")
    checks = verify(sample.mirror)
    sample.publish("c1", FIRST)  # fills the store with what is marked, as a sync does
    rebuild_damaged(sample.mirror, checks, no_fetch)
    assert whole(sample)


def test_the_damaged_object_stays_until_another_replaces_it(sample):
    sample.publish("c1", FIRST)
    rot(sample.link / ".composeinfo")
    checks = verify(sample.mirror)

    def fail(component, plan):
        assert sample.store.path(entry_of("", b"first").sha256).exists()
        raise TransferError("no line")

    with pytest.raises(TransferError):
        rebuild_damaged(sample.mirror, checks, fail)
    assert (sample.link / ".composeinfo").exists()


def test_what_only_the_store_has_lost_is_linked_from_the_tree(sample):
    sample.publish("c1", FIRST)
    for content in FIRST.values():
        sample.store.remove(entry_of("", content).sha256)
    checks = verify(sample.mirror)
    assert len(checks[0].damages) == len(FIRST)
    (sample.link / "same").unlink()  # another path of the same content is left
    rebuild_damaged(sample.mirror, checks, no_fetch)
    assert whole(sample)
    assert status(sample.mirror).rows[0].problems == ()


def test_older_versions_with_the_same_damage_are_restored_too(sample):
    sample.publish("c1", FIRST)
    sample.publish("c2", SECOND)
    rot(sample.link / "same")
    with sample.mirror.topic("RHEL 9.3").lock() as other:
        publish(other, component_of("d1"), None, manifest_of(FIRST))
        publish(other, component_of("d2"), None, manifest_of({".composeinfo": b"first"}))
    fetches = Fetches(sample)
    assert rebuild_damaged(sample.mirror, verify(sample.mirror), fetches) == ()
    assert len(fetches.paths) == 1
    for tree in (sample.folder / "c1", sample.folder / "c2", sample.root / "RHEL_9.3/.versions/compose/d1"):
        assert (tree / "same").read_bytes() == b"bash" * 100
    assert whole(sample)


def test_one_build_under_two_topics_is_restored_in_both(sample):
    sample.publish("c1", FIRST)
    with sample.mirror.topic("RHEL 9.3").lock() as other:
        publish(other, component_of("c1"), None, manifest_of(FIRST, LINKS))
    rot(sample.link / "same")
    rebuild_damaged(sample.mirror, verify(sample.mirror), Fetches(sample))
    assert (sample.root / "RHEL_9.3" / "compose" / "same").read_bytes() == b"bash" * 100
    assert [check.damages for check in verify(sample.mirror)] == [(), ()]


def test_older_versions_that_cannot_be_restored_are_left_and_named(sample):
    sample.publish("c1", {**FIRST, "own": b"own"})
    sample.publish("c2", SECOND)
    rot(sample.link / "same")
    sample.store.remove(entry_of("", b"own").sha256)
    (sample.folder / "c1" / "own").unlink()
    (note,) = rebuild_damaged(sample.mirror, verify(sample.mirror), FetchesOnly(sample, "c2"))
    assert note.startswith("RHEL_9.2 compose: the older version c1 is left damaged")
    assert [check.damages for check in verify(sample.mirror)] == [()]


class FetchesOnly(Fetches):
    """One component is gone from the server."""

    def __init__(self, sample, name):
        super().__init__(sample)
        self.name = name

    def __call__(self, component, plan):
        if component.name != self.name:
            raise TransferError(f"{component.name}: 404")
        super().__call__(component, plan)


def test_an_older_version_that_is_known_to_be_damaged_is_verified_and_restored(sample):
    sample.publish("c1", {**FIRST, "own": b"own"})
    rot(sample.link / "own")
    verify(sample.mirror)
    sample.publish("c2", SECOND)
    checks = verify(sample.mirror)
    assert [(check.version, check.exit_code, [damage.path for damage in check.damages]) for check in checks] == [
        ("c2", 0, []),
        ("c1", 7, ["own"]),
    ]
    fetches = Fetches(sample, {"own": b"own"})
    rebuild_damaged(sample.mirror, checks, fetches)
    assert fetches.paths == ["own"]
    assert (sample.folder / "c1" / "own").read_bytes() == b"own"
    assert [check.version for check in verify(sample.mirror)] == ["c2"]


def test_trees_of_older_versions_whose_record_is_damaged_are_removed(sample):
    older = sample.publish("c1", FIRST).version
    sample.publish("c2", SECOND)
    record_path(sample.topic.tree(older)).write_bytes(b"\0" * 100)
    checks = verify(sample.mirror)
    assert [(check.version, check.exit_code) for check in checks] == [("c1", 7), ("c2", 0)]
    rebuild_damaged(sample.mirror, checks, no_fetch)
    with sample.topic.lock():
        assert names_in(sample.folder) == ["c2", "c2.json"]
    assert whole(sample)


def test_a_published_tree_that_is_gone_is_built_again_by_its_record_without_a_transfer(sample):
    sample.publish("c1", FIRST)
    remove_tree(sample.folder / "c1")
    rebuild_damaged(sample.mirror, verify(sample.mirror), no_fetch)
    assert (sample.link / "same").read_bytes() == b"bash" * 100
    assert [(check.version, check.damages) for check in verify(sample.mirror)] == [("c1", ())]


def test_a_repair_that_brings_another_content_publishes_nothing_of_it(sample):
    sample.publish("c1", FIRST)
    rot(sample.link / ".composeinfo")
    with pytest.raises(IntegrityError):
        rebuild_damaged(sample.mirror, verify(sample.mirror), Fetches(sample, SECOND))
    assert status(sample.mirror).rows[0].damaged


@pytest.mark.parametrize("there", ["/nowhere", ".versions/compose/none", "", "empty folder", "tree of files"])
def test_a_damaged_link_leads_again_to_what_was_published_without_a_transfer(sample, there):
    sample.publish("c1", FIRST)
    sample.publish("c2", SECOND)
    rollback(sample.mirror, "RHEL 9.2")  # so that the last published is not the newest
    before = sample.read()
    sample.link.unlink()
    if there == "empty folder":
        sample.link.mkdir()
    elif there == "tree of files":  # as a copy to where there are no links
        shutil.copytree(sample.folder / "c1", sample.link, symlinks=True)
    elif there:
        sample.link.symlink_to(there)
    (line,) = restore_links(sample.mirror)
    assert line.endswith("compose: its link leads to c1 again")
    assert (sample.link.is_symlink(), sample.read()) == (True, before)
    assert [check.exit_code for check in verify(sample.mirror)] == [0]
    assert restore_links(sample.mirror) == ()


def test_a_damaged_link_leads_to_the_version_that_it_names_by_another_way(sample):
    sample.publish("c1", FIRST)
    sample.publish("c2", SECOND)
    sample.link.unlink()
    sample.link.symlink_to(sample.folder / "c1")
    restore_links(sample.mirror)
    assert os.readlink(sample.link) == ".versions/compose/c1"


def test_what_a_damaged_link_should_lead_to_is_repaired_first(sample):
    sample.publish("c1", FIRST)
    sample.link.unlink()
    sample.link.symlink_to("/nowhere")
    entry = entry_of("", b"first")
    for path in (sample.store.path(entry.sha256), sample.folder / "c1" / ".composeinfo"):
        path.unlink()
    assert restore_links(sample.mirror) == ()
    assert os.readlink(sample.link) == "/nowhere"
    assert rebuild_damaged(sample.mirror, verify(sample.mirror), Fetches(sample, FIRST)) == ()
    assert sample.read(sample.folder / "c1") == FIRST
    assert os.readlink(sample.link) == ".versions/compose/c1"


@pytest.mark.parametrize(("there", "advice"), [("file", "move it aside"), ("folder with more", "or run the sync")])
def test_what_is_somebody_elses_in_the_place_of_a_link_stays_and_is_named(sample, there, advice):
    sample.publish("c1", FIRST)
    sample.link.unlink()
    mine = sample.link if there == "file" else sample.link / "mine"
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("mine")
    (note,) = rebuild_damaged(sample.mirror, verify(sample.mirror), no_fetch)
    assert advice in note
    assert mine.read_text() == "mine"


@pytest.mark.parametrize("there", ["", "/nowhere", ".versions/compose/none"])
def test_while_a_link_is_damaged_what_it_should_lead_to_counts_as_published(sample, there):
    for number in range(3):
        sample.publish(f"c{number}", {**FIRST, "own": b"%d" % number})
    sample.link.unlink()
    if there:
        sample.link.symlink_to(there)
    prune(sample.mirror, keep=0)
    assert names_in(sample.folder) == ["c2", "c2.json"]


def test_a_hold_at_a_version_that_is_gone_is_not_moved_to_another(sample):
    sample.publish("c1", FIRST)
    sample.publish("c2", SECOND)
    hold(sample.mirror, "RHEL 9.2")
    remove_tree(sample.folder / "c2")
    record_path(sample.folder / "c2").unlink()
    (note,) = rebuild_damaged(sample.mirror, verify(sample.mirror), no_fetch)
    assert "c2, which is held, is gone" in note
    assert os.readlink(sample.link) == ".versions/compose/c2"
