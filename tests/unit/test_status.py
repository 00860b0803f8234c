import pytest

from dci_downloader.mirror.hold import hold, release
from dci_downloader.mirror.removal import remove_tree
from dci_downloader.mirror.status import status
from dci_downloader.mirror.version import record_path
from tests.unit.samples import FIRST, SECOND, entry_of


def test_status_tells_versions_and_what_links_save(sample):
    sample.publish("c1", FIRST)
    version = sample.publish("c2", SECOND).version
    sample.publish("h1", FIRST, type="hwcert")
    sample.link.with_name("hwcert").unlink()
    found = status(sample.mirror)
    compose, hwcert = found.rows
    assert (compose.topic, compose.type, compose.version, compose.kept) == ("RHEL 9.2", "compose", "c2", ("c1",))
    assert (compose.tags, compose.files, compose.size) == (("nightly",), 4, 809)
    assert (compose.published_at, compose.last_verified) == (version.published_at, None)
    assert (hwcert.version, hwcert.kept) == ("", ("h1",))
    assert found.size == 805 + 809 + 805
    stored = sum(sample.store.path(name).stat().st_size for name in sample.store.object_names())
    assert found.saved == found.size - stored


def test_a_version_whose_record_is_gone_has_a_row_that_says_so(sample):
    version = sample.publish("c1", FIRST).version
    record_path(sample.topic.tree(version)).unlink()
    (row,) = status(sample.mirror).rows
    assert (row.topic, row.type, row.version, row.files, row.damaged) == ("RHEL_9.2", "compose", "c1", 0, True)
    assert row.problems == ("c1: its record is missing: the next sync, or verify --repair, puts it right",)


@pytest.mark.parametrize("left", ["tree", "everything"])
def test_a_published_link_that_leads_nowhere_has_a_row_that_says_so(sample, left):
    sample.publish("c1", FIRST)
    remove_tree(sample.folder / "c1" if left == "tree" else sample.folder.parent)
    (row,) = status(sample.mirror).rows
    assert (row.version, row.damaged) == ("c1", True)
    assert "c1: it is gone, though it is published" in row.problems[0]


def test_a_hold_is_shown_until_the_release(sample):
    sample.publish("c1", FIRST)
    hold(sample.mirror, "RHEL 9.2")
    (row,) = status(sample.mirror).rows
    assert (row.held, row.held_since is not None) == (True, True)
    release(sample.mirror, "RHEL 9.2")
    (row,) = status(sample.mirror).rows
    assert (row.held, row.held_since) == (False, None)


def test_damage_that_is_known_is_shown_until_it_is_mended(sample):
    version = sample.publish("c1", FIRST).version
    older = sample.publish("c2", SECOND).version
    sample.store.damage.add([entry_of("", b"first").sha256])
    (row,) = status(sample.mirror).rows
    assert (row.damaged, len(row.problems)) == (False, 1)
    assert row.problems == ("c1: known to be damaged: verify --repair puts it right",)
    sample.store.damage.add([older.identity])
    (row,) = status(sample.mirror).rows
    assert (row.damaged, len(row.problems)) == (True, 2)
    sample.store.damage.remove([older.identity, entry_of("", b"first").sha256])
    (row,) = status(sample.mirror).rows
    assert (row.damaged, row.problems, row.kept) == (False, (), (version.folder,))


def test_an_older_version_whose_record_is_damaged_is_named(sample):
    version = sample.publish("c1", FIRST).version
    sample.publish("c2", SECOND)
    record_path(sample.topic.tree(version)).write_bytes(b"")
    (row,) = status(sample.mirror).rows
    assert (row.version, row.damaged) == ("c2", False)
    assert row.problems == ("c1: its record is empty: the next build, verify --repair or prune removes it",)


def test_folders_that_are_not_ours_are_passed_by(sample):
    sample.publish("c1", FIRST)
    (sample.root / "lost+found").mkdir(mode=0o700)
    (sample.folder / "lost+found").mkdir(mode=0o700)
    (sample.folder / "mine.json").write_text("{}")
    (sample.folder / "mine").mkdir()
    (sample.folder / "mine" / "f").write_text("mine")
    (sample.topic.path / "elsewhere").symlink_to("/etc")
    (sample.topic.path / "up").symlink_to(".versions/up/..")
    assert [(row.type, row.problems) for row in status(sample.mirror).rows] == [("compose", ())]
