import errno
import json
import os
from collections import namedtuple

import pytest

from dci_downloader.errors import (
    DiskFullError,
    IntegrityError,
    LockedError,
    ManifestError,
    NotFoundError,
    SettingsError,
)
from dci_downloader.mirror import digests, files, tree
from dci_downloader.mirror import publish as publish_module
from dci_downloader.mirror import store as store_module
from dci_downloader.mirror.publish import publish
from dci_downloader.mirror.retention import expired, reclaimable, remove, retire
from dci_downloader.mirror.rollback import roll_back
from dci_downloader.mirror.status import status
from dci_downloader.mirror.version import read_record, record_path
from dci_downloader.models import Plan
from tests.unit.samples import FIRST, LINKS, SECOND, Sample, component_of, entry_of, manifest_of


@pytest.fixture
def sample(tmp_path):
    return Sample(tmp_path / "mirror")


def test_a_mirror_that_does_not_exist_is_empty_and_asking_creates_nothing(sample):
    wanted = manifest_of(FIRST)
    plan = sample.mirror.plan(component_of("c1"), wanted)
    assert (plan.missing_files, plan.missing_bytes) == (2, 405)
    sample.mirror.check_space([plan])
    assert sample.mirror.topics() == ()
    with pytest.raises(NotFoundError):
        status(sample.mirror)
    assert sample.topic.types() == ()
    assert sample.topic.versions("compose") == ()
    assert sample.topic.published("compose") is None
    assert expired(sample.topic, "compose", 1) == ()
    assert not sample.root.exists()


def test_publishing_gives_agents_one_relative_link_to_a_whole_tree(sample):
    done = sample.publish("c1", FIRST)
    assert done.path == sample.link
    assert done.notes == ()
    assert os.readlink(sample.link) == ".versions/compose/c1"
    assert {path: content for path, content in sample.read().items() if "latest" not in path} == FIRST
    assert sample.topic.intact(done.version)
    assert not store_module.Store(sample.store.root, boot="later").needs_recovery(), "all was flushed"


def test_record_tells_all_there_is_to_know(sample):
    version = sample.publish("c1", FIRST, {"archs": ["x86_64"]}).version
    assert sample.topic.published("compose") == version
    assert version.component == component_of("c1")
    assert version.selection == {"archs": ["x86_64"]}
    assert version.manifest == manifest_of(FIRST, LINKS)
    assert version.topic == "RHEL 9.2"
    assert version.last_verified is None
    assert sample.topic.types() == ("compose",)


def test_second_publication_replaces_the_first_which_stays_as_older(sample):
    first = sample.publish("c1", FIRST).version
    second = sample.publish("c2", SECOND).version
    assert (sample.link / ".composeinfo").read_bytes() == b"second"
    assert sample.topic.versions("compose") == (second, first)
    assert sample.topic.published("compose") == second


def test_publishing_the_same_again_uses_the_tree_that_is_there(sample):
    sample.publish("c1", FIRST)
    inode = (sample.folder / "c1").stat().st_ino
    again = sample.publish("c1", FIRST, tags=("nightly", "rtt"))
    assert (sample.folder / "c1").stat().st_ino == inode
    assert sample.topic.versions("compose") == (again.version,)
    assert again.version.component.tags == ("nightly", "rtt")


def test_the_same_component_under_another_selection_is_another_version(sample):
    sample.publish("c1", FIRST, ["BaseOS"])
    version = sample.publish("c1", SECOND, ["AppStream"]).version
    assert version.folder == f"c1+{version.identity[:8]}"
    assert sample.read(sample.folder / "c1")[".composeinfo"] == b"first"
    assert (sample.link / ".composeinfo").read_bytes() == b"second"


@pytest.mark.parametrize("exchanges", [True, False])
def test_a_damaged_tree_is_noticed_and_rebuilt_from_the_store(sample, monkeypatch, exchanges):
    version = sample.publish("c1", FIRST).version
    (sample.link / "same").unlink()
    assert not sample.topic.intact(version)
    if not exchanges:
        monkeypatch.setattr(tree, "exchange", lambda *_: False)
    again = sample.publish("c1", FIRST).version
    assert sample.topic.intact(again)
    assert again.folder == "c1"
    (old,) = sample.folder.glob(".old-*")
    assert (old / ".composeinfo").read_bytes() == b"first", "who is reading there can go on"
    with sample.topic.lock():
        assert sorted(os.listdir(sample.folder)) == ["c1", "c1.json"]


def test_missing_content_publishes_nothing_and_leaves_nothing(sample):
    sample.publish("c1", FIRST)
    with sample.topic.lock(), pytest.raises(IntegrityError, match="new: its content"):
        publish(sample.topic, component_of("c2"), None, manifest_of({**FIRST, "new": b"x"}))
    assert os.readlink(sample.link) == ".versions/compose/c1"
    assert sorted(os.listdir(sample.folder)) == ["c1", "c1.json"]


STEPS = [
    (tree, "build"),
    (store_module, "flush_file_system"),
    (publish_module, "write_record"),
    (publish_module, "flush_folder"),
    (tree, "put_in_place"),
]


@pytest.mark.parametrize(("module", "name"), STEPS, ids=[name for _, name in STEPS])
@pytest.mark.parametrize("after", [False, True])
def test_a_run_that_dies_at_any_step_leaves_what_was_published(sample, monkeypatch, module, name, after):
    class Killed(BaseException):
        pass

    def die(*arguments, **options):
        if after:
            real(*arguments, **options)
        raise Killed

    sample.publish("c1", FIRST)
    real = getattr(module, name)
    with monkeypatch.context() as patch:
        patch.setattr(module, name, die)
        patch.setattr(tree, "remove_tree", lambda path: None)
        with pytest.raises(Killed):
            sample.publish("c2", SECOND)
    assert {path: content for path, content in sample.read().items() if "latest" not in path} == FIRST
    done = sample.publish("c2", SECOND)
    assert done.version.folder == "c2"
    assert (sample.link / ".composeinfo").read_bytes() == b"second"
    assert sorted(os.listdir(sample.folder)) == ["c1", "c1.json", "c2", "c2.json"]
    assert sorted(os.listdir(sample.topic.path)) == [".lock", ".versions", "compose"]


def test_records_without_a_tree_are_swept_and_foreign_files_are_not(sample):
    version = sample.publish("c1", FIRST).version
    (sample.folder / "c2.json").write_bytes(record_path(sample.topic.tree(version)).read_bytes())
    (sample.folder / "mine.json").write_text("{}")
    (sample.folder / "mine").mkdir()
    sample.publish("c1", FIRST)
    assert sorted(os.listdir(sample.folder)) == ["c1", "c1.json", "mine", "mine.json"]
    assert sample.topic.versions("compose") == (sample.topic.published("compose"),)


def test_a_foreign_folder_of_the_same_name_is_not_touched(sample):
    (sample.folder / "c1").mkdir(parents=True)
    version = sample.publish("c1", FIRST).version
    assert version.folder == f"c1+{version.identity[:8]}"
    assert os.listdir(sample.folder / "c1") == []
    (record_path(sample.topic.tree(version))).unlink()
    with pytest.raises(SettingsError, match="no version of this program"):
        sample.publish("c1", FIRST)


@pytest.mark.parametrize(
    "change", [b"", b"[]", {"format": 99}, {"files": 7}, {"component": {"id": 1}}, {"published_at": "soon"}]
)
def test_a_record_that_cannot_be_read_is_no_version(sample, change):
    place = sample.topic.tree(sample.publish("c1", FIRST).version)
    if isinstance(change, dict):
        change = json.dumps({**json.loads(record_path(place).read_text()), **change}).encode()
    record_path(place).write_bytes(change)
    assert read_record(place) is None
    assert sample.topic.versions("compose") == ()
    assert sample.topic.published("compose") is None


# What stands in the place of the published link


@pytest.mark.parametrize("exchanges", [True, False])
def test_a_plain_folder_gives_way_to_the_link(sample, monkeypatch, exchanges):
    if not exchanges:
        monkeypatch.setattr(tree, "exchange", lambda *_: False)
    sample.link.mkdir(parents=True)
    (sample.link / "old").touch()
    assert sample.topic.published("compose") is None
    reader = os.open(sample.link, os.O_RDONLY)
    sample.publish("c1", FIRST)
    assert sample.topic.published("compose").folder == "c1"
    assert os.listdir(reader) == ["old"], "who is reading there can go on"
    os.close(reader)
    with sample.topic.lock():
        assert sorted(os.listdir(sample.topic.path)) == [".lock", ".versions", "compose"]


def test_a_link_that_leads_elsewhere_is_replaced_and_its_target_left_alone(sample, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    sample.topic.path.mkdir(parents=True)
    sample.link.symlink_to(tmp_path / "elsewhere")
    assert sample.topic.published("compose") is None
    sample.publish("c1", FIRST)
    assert os.readlink(sample.link) == ".versions/compose/c1"
    assert os.listdir(tmp_path / "elsewhere") == []


def test_a_link_to_a_version_that_is_gone_publishes_nothing(sample):
    sample.publish("c1", FIRST)
    tree.remove_tree(sample.folder / "c1")
    assert sample.topic.published("compose") is None


def test_a_file_in_the_place_of_the_link_is_a_settings_error(sample):
    sample.topic.path.mkdir(parents=True)
    sample.link.write_text("mine")
    with pytest.raises(SettingsError, match="compose is a file"):
        sample.publish("c1", FIRST)
    assert sample.link.read_text() == "mine"


@pytest.mark.parametrize("name", ["RHEL_9.2", "RHEL_9.2/.versions", "RHEL_9.2/.versions/compose"])
def test_a_folder_that_is_a_link_elsewhere_is_refused_and_nothing_written_there(sample, tmp_path, name):
    (tmp_path / "elsewhere").mkdir()
    (sample.root / name).parent.mkdir(parents=True)
    (sample.root / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SettingsError, match="symbolic link"):
        sample.publish("c1", FIRST)
    with pytest.raises(SettingsError, match="symbolic link"):
        sample.topic.versions("compose")
    assert sample.mirror.topics() == ()
    assert os.listdir(tmp_path / "elsewhere") == []


@pytest.mark.parametrize("name", ["..", "a/b", "", ".hidden", "a\0b"])
def test_names_that_are_no_folder_are_refused(sample, name):
    with pytest.raises(ManifestError):
        sample.mirror.topic(name)
    with pytest.raises(ManifestError):
        sample.topic.versions(name)
    with pytest.raises(ManifestError):
        sample.publish(name, FIRST)


# Without hard links


def refuse_links(monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)


def test_copies_are_told_once_and_hold_up_like_links(sample, monkeypatch):
    refuse_links(monkeypatch)
    done = sample.publish("c1", FIRST)
    assert done.notes == (
        "3 files are copies of their objects, for hard links are not to be had (Invalid cross-device link)",
    )
    assert sample.topic.intact(done.version)
    os.truncate(sample.link / "same", 3)
    assert not sample.topic.intact(done.version)
    assert sample.topic.intact(sample.publish("c1", FIRST).version)


# Older versions


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


def test_rollback_publishes_what_was_published_before_and_refuses_when_nothing_is_older(sample):
    first = sample.publish("c1", FIRST).version
    sample.publish("c2", SECOND)
    with sample.topic.lock():
        done = roll_back(sample.topic, "compose")
        assert (done.topic, done.type, done.version) == ("RHEL 9.2", "compose", first.folder)
        assert "next sync" in done.notes[-1]
        assert os.readlink(sample.link) == ".versions/compose/c1"
        with pytest.raises(NotFoundError):
            roll_back(sample.topic, "compose")
        with pytest.raises(NotFoundError):
            roll_back(sample.topic, "hwcert")


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


def test_spaces_in_a_type_become_underscores_everywhere(sample):
    done = sample.publish("c1", FIRST, type="compose noinstall")
    assert done.path == sample.topic.path / "compose_noinstall"
    assert os.readlink(done.path) == ".versions/compose_noinstall/c1"
    assert sample.topic.types() == ("compose_noinstall",)
    for name in ("compose noinstall", "compose_noinstall"):
        assert sample.topic.published(name).identity == done.version.identity
        assert [version.identity for version in sample.topic.versions(name)] == [done.version.identity]
    assert [row.type for row in status(sample.mirror).rows] == ["compose noinstall"]
    sample.publish("c2", SECOND, type="compose noinstall")
    with sample.topic.lock():
        assert roll_back(sample.topic, "compose_noinstall").version == "c1"


def test_rollback_to_a_damaged_version_restores_it_first(sample):
    sample.publish("c1", FIRST)
    sample.publish("c2", SECOND)
    (sample.folder / "c1" / "same").unlink()
    with sample.topic.lock():
        assert roll_back(sample.topic, "compose").version == "c1"
    assert sample.topic.intact(sample.topic.published("compose"))


# Locks and power cuts


def test_one_sync_of_a_topic_keeps_another_out_but_not_one_of_another_topic(sample):
    told = []
    with sample.topic.lock():
        with pytest.raises(LockedError), sample.mirror.topic("RHEL 9.2").lock(0, told.append):
            pass
        with sample.mirror.topic("RHEL 9.3").lock(0):
            pass


def killed_while_publishing(sample):
    """A run that fetched everything and dies at the last step."""

    class Killed(BaseException):
        pass

    def die(*_):
        raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(publish_module, "write_record", die)
        patch.setattr(tree, "remove_tree", lambda path: None)
        with pytest.raises(Killed):
            sample.publish("c2", SECOND)


@pytest.mark.parametrize(("boot", "hashed"), [("boot-1", set()), ("boot-2", {b"second", b"new"})])
def test_a_killed_run_costs_no_hashing_and_a_power_cut_only_what_no_version_holds(tmp_path, monkeypatch, boot, hashed):
    before = Sample(tmp_path / "mirror", boot="boot-1")
    before.publish("c1", FIRST)
    flush = store_module.Store.flush
    monkeypatch.setattr(store_module.Store, "flush", lambda store: None)  # killed before it came to that
    killed_while_publishing(before)
    monkeypatch.setattr(store_module.Store, "flush", flush)
    asked = []
    real = digests.sha256_file
    monkeypatch.setattr(digests, "sha256_file", lambda path, buffer: asked.append(path[-64:]) or real(path, buffer))
    after = Sample(tmp_path / "mirror", boot=boot)
    with after.topic.lock():
        wanted = manifest_of(SECOND, LINKS)
        assert after.mirror.plan(component_of("c2"), wanted).missing == ()
        publish(after.topic, component_of("c2"), None, wanted)
    assert set(asked) == {entry_of("", content).sha256 for content in hashed}
    assert (after.link / ".composeinfo").read_bytes() == b"second"


def test_after_a_power_cut_what_was_not_flushed_is_hashed_before_it_is_trusted(tmp_path):
    before = Sample(tmp_path / "mirror", boot="boot-1")
    before.publish("c1", FIRST)
    before.fill(SECOND)
    lost = before.store.path(entry_of("", b"second").sha256)
    lost.chmod(0o644)
    lost.write_bytes(b"\0" * 6)
    new = before.folder / ".new-12345678"
    new.mkdir()
    os.link(lost, new / "f")
    after = Sample(tmp_path / "mirror", boot="boot-2")
    with after.topic.lock():
        assert not after.store.holds(entry_of("", b"second"))
        assert after.store.holds(entry_of("", b"new"))
    assert not new.exists()


# Room and status


def test_room_is_checked_before_the_first_byte_less_what_partials_occupy(sample, monkeypatch):
    entry = entry_of("big.iso", b"x" * 1_000_000)
    plan = Plan(manifest_of({}), (entry,))
    sample.mirror.prepare()
    Statvfs = namedtuple("Statvfs", "f_bavail f_frsize")
    monkeypatch.setattr(files.os, "statvfs", lambda _: Statvfs(100, 4096))
    with pytest.raises(DiskFullError) as caught:
        sample.mirror.check_space([plan, plan])
    assert (caught.value.needed, caught.value.free) == (1_004_096, 409_600)
    partial = sample.store.open_partial(entry)
    sample.mirror.check_space([plan])
    partial.discard()


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
    stored = sum(found.st_size for _, found in sample.store.iter_objects())
    assert found.saved == found.size - stored


def test_types_without_readable_versions_are_left_out_of_the_status(sample):
    version = sample.publish("c1", FIRST).version
    record_path(sample.topic.tree(version)).unlink()
    assert status(sample.mirror).rows == ()


def test_content_that_only_removed_versions_share_is_counted_as_freed_once(sample):
    sample.publish("c0", {"a": b"shared", "b": b"shared"})
    sample.publish("c1", {"a": b"shared"})
    sample.publish("c2", FIRST)
    assert reclaimable(sample.topic, expired(sample.topic, "compose", 0)) == (("c1", "c0"), 1, 6)


def test_rollback_to_a_version_whose_content_rotted_is_refused(sample):
    older = sample.publish("c1", {"a": b"one", "b": b"same"}, links={}).version
    newer = sample.publish("c2", {"a": b"two", "b": b"same"}, links={}).version
    rotten = sample.store.path(next(entry.sha256 for entry in older.manifest.files if entry.path == "a"))
    rotten.chmod(0o644)
    rotten.write_bytes(b"0ne")
    with sample.topic.lock(), pytest.raises(IntegrityError, match=r"c1 is damaged: a should have sha256"):
        roll_back(sample.topic, "compose")
    assert sample.topic.published("compose") == newer


def test_what_others_put_aside_under_a_similar_name_stays(sample):
    sample.publish("c1", FIRST)
    ours, theirs = sample.topic.path / ".old-0123abcd", sample.topic.path / ".old-backup"
    ours.mkdir()
    theirs.mkdir()
    with sample.topic.lock():
        assert (ours.exists(), theirs.exists()) == (False, True)
