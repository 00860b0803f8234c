import errno
import os

import pytest

from dci_downloader.errors import CancelledError, IntegrityError, LockedError, NotFoundError, SettingsError
from dci_downloader.hooks import NeverStop, NullProgress
from dci_downloader.mirror import digests
from dci_downloader.mirror.index import write_index
from dci_downloader.mirror.publish import publish
from dci_downloader.mirror.restore import rebuild_damaged
from dci_downloader.mirror.status import status
from dci_downloader.mirror.verify import verify
from tests.unit.samples import FIRST, SECOND, Sample, component_of, entry_of, manifest_of, refuse_links


@pytest.fixture
def sample(tmp_path):
    sample = Sample(tmp_path / "mirror")
    sample.publish("c1", FIRST)
    return sample


def rot(path):
    """Change bytes in place, as a disk does."""
    os.chmod(path, 0o644)
    content = bytearray(path.read_bytes())
    content[0] ^= 1
    path.write_bytes(content)
    os.chmod(path, 0o444)


class Counting(NullProgress):
    def __init__(self):
        self.files = self.size = 0

    def advance(self, files, size):
        self.files += files
        self.size += size


def test_a_whole_mirror_is_recorded_as_verified_and_each_content_hashed_once(sample, monkeypatch):
    progress, hashed = Counting(), []
    real = digests.sha256_file
    monkeypatch.setattr(digests, "sha256_file", lambda path, buffer: hashed.append(path) or real(path, buffer))
    (one,) = verify(sample.mirror, workers=1, progress=progress)
    assert one.damages == ()
    assert (progress.files, progress.size, len(hashed)) == (3, 805, 2)
    assert sample.topic.published("compose").last_verified is not None
    assert status(sample.mirror).rows[0].last_verified is not None


def test_older_versions_and_unpublished_types_are_not_hashed(sample):
    sample.publish("c2", SECOND)
    sample.publish("h1", {"h": b"h"}, links=(), type="hwcert")
    (sample.topic.path / "hwcert").unlink()
    with sample.topic.lock():
        write_index(sample.topic, "hwcert")
    assert [one.version for one in verify(sample.mirror)] == ["c2"]


def test_rot_is_told_for_every_path_with_both_digests(sample):
    entry = entry_of("", b"bash" * 100)
    rot(sample.link / "same")
    (one,) = verify(sample.mirror)
    assert [damage.path for damage in one.damages] == ["BaseOS/x86_64/os/Packages/b/bash.rpm", "same"]
    assert {damage.expected for damage in one.damages} == {f"sha256 {entry.sha256}"}
    assert all(damage.found.startswith("sha256 ") and damage.found != damage.expected for damage in one.damages)
    assert one.damaged_objects == {entry.sha256}
    assert sample.topic.published("compose").last_verified is None


def test_a_lost_object_a_replaced_file_an_extra_and_a_wrong_link_are_told(sample):
    sample.store.remove(entry_of("", b"first").sha256)
    (sample.link / "same").unlink()
    (sample.link / "same").write_bytes(b"bash" * 100)
    (sample.link / "mine").touch()
    (sample.link / "BaseOS" / "latest").unlink()
    (one,) = verify(sample.mirror)
    assert [(damage.path, damage.found) for damage in one.damages] == [
        (".composeinfo", "nothing that can be read"),
        ("BaseOS/latest", "nothing"),
        ("mine", "something that is not in the manifest"),
    ]
    assert one.unlinked == 2, "their content is right, or told already"


def test_copies_are_hashed_themselves(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.EXDEV, "cross-device")

    monkeypatch.setattr(os, "link", refuse)
    sample = Sample(tmp_path / "other")
    sample.publish("c1", FIRST)
    assert verify(sample.mirror)[0].damages == ()
    rot(sample.link / "same")
    (one,) = verify(sample.mirror)
    assert [damage.path for damage in one.damages] == ["same"]
    assert one.damaged_objects == frozenset()
    rebuild_damaged(sample.mirror, [one], no_fetch)
    assert verify(sample.mirror)[0].damages == ()


def no_fetch(component, plan):
    raise AssertionError("nothing is missing")


def test_repair_fetches_only_what_is_damaged_and_writes_into_no_file(sample, tmp_path):
    asked = []

    def fetch(component, plan):
        asked.extend(entry.path for entry in plan.missing)
        sample.store.add(entry_of("", b"first"), [b"first"])

    os.link(sample.link / ".composeinfo", tmp_path / "witness")
    rot(sample.link / ".composeinfo")
    rotten = (tmp_path / "witness").read_bytes()
    rebuild_damaged(sample.mirror, verify(sample.mirror), fetch)
    assert asked == [".composeinfo"]
    assert (tmp_path / "witness").read_bytes() == rotten
    assert (sample.link / ".composeinfo").read_bytes() == b"first"
    assert verify(sample.mirror)[0].damages == ()


def test_repair_removes_extras_without_fetching_and_leaves_whole_versions_alone(sample):
    (sample.link / "mine").touch()
    sample.publish("h1", {"h": b"h"}, links=(), type="hwcert")
    inode = (sample.topic.path / "hwcert").stat().st_ino
    rebuild_damaged(sample.mirror, verify(sample.mirror), no_fetch)
    assert not (sample.link / "mine").exists()
    assert (sample.topic.path / "hwcert").stat().st_ino == inode


def test_a_repair_that_cannot_fetch_leaves_the_published_tree(sample):
    rot(sample.link / ".composeinfo")
    with pytest.raises(IntegrityError):
        rebuild_damaged(sample.mirror, verify(sample.mirror), lambda component, plan: None)
    assert (sample.link / "same").read_bytes() == FIRST["same"]
    assert not sample.topic.intact(sample.topic.published("compose")), "so that the next sync fetches it"


def test_a_version_that_was_replaced_while_it_was_hashed_is_not_recorded(sample):
    class Racing(NullProgress):
        def end(self):
            sample.publish("c2", SECOND)

    verify(sample.mirror, progress=Racing())
    assert [version.last_verified for version in sample.topic.versions("compose")] == [None, None]


def test_verification_can_be_interrupted(sample):
    class Now(NeverStop):
        def requested(self):
            return True

    with pytest.raises(CancelledError):
        verify(sample.mirror, stop=Now())


def test_verify_of_nothing_is_an_error(tmp_path):
    with pytest.raises(NotFoundError):
        verify(Sample(tmp_path / "none").mirror)


@pytest.mark.parametrize("mode", [0o400, 0o466, 0o664])
def test_wrong_modes_are_no_damage_but_are_counted_for_the_next_sync(sample, mode):
    os.chmod(sample.link / "same", mode)
    (one,) = verify(sample.mirror)
    assert (one.damages, one.modes) == ((), 2)
    assert not sample.topic.intact(sample.topic.published("compose")), "so that a sync mends it"


def test_modes_that_a_file_system_may_force_on_us_are_none(sample):
    os.chmod(sample.link / "same", 0o755)
    (one,) = verify(sample.mirror)
    assert (one.damages, one.modes) == ((), 0)


def test_what_stands_apart_from_the_store_is_hashed_itself(sample):
    for path, content in FIRST.items():
        (sample.link / path).unlink()
        (sample.link / path).write_bytes(content)
        os.chmod(sample.link / path, 0o444)
    (one,) = verify(sample.mirror)
    assert (one.damages, one.unlinked, one.damaged_objects) == ((), 3, frozenset())
    rot(sample.link / "same")
    (one,) = verify(sample.mirror)
    assert [damage.path for damage in one.damages] == ["same"]


def test_every_topic_and_type_is_verified(sample):
    with sample.mirror.topic("RHEL 9.3").lock() as other:
        publish(other, component_of("d1"), None, manifest_of(FIRST))
    sample.publish("h1", {"h": b"h"}, links=(), type="hwcert")
    rot(sample.root / "RHEL_9.3" / "compose" / ".composeinfo")
    checked = verify(sample.mirror)
    assert [(one.topic, one.version, len(one.damages)) for one in checked] == [
        ("RHEL 9.2", "c1", 1),
        ("RHEL 9.2", "h1", 0),
        ("RHEL 9.3", "d1", 1),
    ]


def test_a_repair_waits_for_a_running_sync_as_long_as_it_is_told_to(sample):
    rot(sample.link / ".composeinfo")
    checked = verify(sample.mirror)
    with sample.topic.lock(), pytest.raises(LockedError):
        rebuild_damaged(sample.mirror, checked, no_fetch, timeout=0)


def test_a_repair_builds_no_older_version_anew(sample):
    sample.publish("c2", SECOND)
    (sample.link / "mine").touch()
    inode = (sample.folder / "c1").stat().st_ino
    rebuild_damaged(sample.mirror, verify(sample.mirror), no_fetch)
    assert not (sample.link / "mine").exists()
    assert (sample.folder / "c1").stat().st_ino == inode


def test_the_result_is_a_short_value(sample):
    (sample.link / "same").unlink()
    (one,) = verify(sample.mirror)
    assert (one.topic, one.type, one.version, one.files, one.size) == ("RHEL 9.2", "compose", "c1", 3, 805)
    assert len(repr(one)) < 150


def test_a_version_whose_record_cannot_be_read_is_named(sample):
    record = sample.folder / "c1.json"
    record.write_bytes(record.read_bytes()[:200])
    (one,) = verify(sample.mirror)
    assert (one.topic, one.type, one.version, one.files, one.exit_code) == ("RHEL_9.2", "compose", "c1", 0, 7)
    assert one.damages == (("", "a record", "that it is truncated after 200 bytes"),)


def test_a_published_tree_that_is_gone_is_named(sample):
    (sample.folder / "c1").rename(sample.root / "elsewhere")
    (one,) = verify(sample.mirror)
    assert (one.version, one.exit_code, one.damages[0].found) == ("c1", 7, "nothing")


@pytest.mark.parametrize(
    "target",
    [
        *("/etc", "compose", "elsewhere", "../RHEL_9.2", ".versions/compose/..", ".versions/hwcert/c1"),
        *(".versions/compose/c1/../../../../../etc", ".versions/compose/c1.json"),
    ],
)
def test_a_published_link_that_leads_to_something_else_is_damage(sample, target):
    sample.link.unlink()
    sample.link.symlink_to(target)
    (one,) = verify(sample.mirror)
    assert (one.type, one.files, one.exit_code) == ("compose", 0, 7)
    assert one.damages == (("", "a link to one of its versions", f"a link to {target}"),)
    (row,) = status(sample.mirror).rows
    assert row.damaged
    advice = "the next sync, or verify --repair, puts it right"
    assert row.problems == (f"its link leads to {target}, which is none of its versions: {advice}",)
    sample.publish("c1", FIRST)
    assert [one.exit_code for one in verify(sample.mirror)] == [0]


def test_a_link_or_folder_of_somebody_else_is_no_damage(sample):
    (sample.topic.path / "hwcert").mkdir()
    (sample.topic.path / "latest").symlink_to("/etc")
    (sample.folder.parent / "hwcert").mkdir()
    assert [one.exit_code for one in verify(sample.mirror)] == [0]


@pytest.mark.parametrize(
    ("there", "found"), [("", "nothing"), ("folder", "a folder"), ("file", "a file, which is to be moved aside first")]
)
def test_something_else_in_the_place_of_the_published_link_is_damage(sample, there, found):
    sample.link.unlink()
    if there == "folder":
        sample.link.mkdir()
    elif there:
        sample.link.touch()
    (one,) = verify(sample.mirror)
    assert (one.exit_code, one.damages) == (7, (("", "a link to one of its versions", found),))
    (row,) = status(sample.mirror).rows
    assert row.damaged
    assert row.problems == (f"in the place of its link is {found}: the next sync, or verify --repair, puts it right",)


def test_a_record_that_this_user_may_not_read_is_named_apart(sample, monkeypatch):
    def refuse(path, limit):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("dci_downloader.mirror.record.read_file", refuse)
    (one,) = verify(sample.mirror)
    assert (one.version, one.exit_code) == ("c1", 2)
    assert "Permission denied" in one.damages[0].found


def test_damage_is_remembered_until_it_is_mended(sample):
    rot(sample.link / ".composeinfo")
    verify(sample.mirror)
    version = sample.topic.published("compose")
    assert sample.store.damage.read() == {version.identity, entry_of("", b"first").sha256}
    assert sample.mirror.plan(version.component, version.manifest).missing == (entry_of(".composeinfo", b"first"),)
    sample.publish("c1", FIRST)  # fills the store with what is missing, as a sync does
    assert sample.store.damage.read() == frozenset()
    assert verify(sample.mirror)[0].damages == ()


def test_nothing_that_is_known_to_be_damaged_is_published(sample):
    rot(sample.link / ".composeinfo")
    verify(sample.mirror)
    with sample.topic.lock(), pytest.raises(IntegrityError, match=r"\.composeinfo: its content in the store is damag"):
        publish(sample.topic, component_of("c2"), None, manifest_of(FIRST))
    assert sample.topic.published("compose").folder == "c1"


def test_damage_that_mended_itself_is_forgotten(sample):
    sample.store.damage.add([entry_of("", b"first").sha256, sample.topic.published("compose").identity])
    assert verify(sample.mirror)[0].damages == ()
    assert sample.store.damage.read() == frozenset()


def test_a_user_who_may_not_write_verifies_and_only_cannot_record_it(sample, monkeypatch):
    def refuse(*_):
        raise SettingsError("Permission denied")

    rot(sample.link / ".composeinfo")
    monkeypatch.setattr("dci_downloader.mirror.damage.DamageMarks.add", refuse)
    (one,) = verify(sample.mirror)
    assert (one.exit_code, one.obstacle) == (7, "Permission denied")


def test_files_that_this_user_may_not_read_are_no_damage_to_remember(sample, monkeypatch):
    path = sample.store.object_path(entry_of("", b"first").sha256)
    real = digests.sha256_file

    def refuse(name, buffer):
        if str(name).endswith(path[-64:]):
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(name, buffer)

    monkeypatch.setattr(digests, "sha256_file", refuse)
    monkeypatch.setattr(os, "access", lambda name, mode: name != path)
    (one,) = verify(sample.mirror, workers=1)
    assert (one.exit_code, one.damaged_objects) == (2, frozenset())
    assert one.damages[0].found == "a file that this user may not read"
    assert sample.store.damage.read() == frozenset()


def test_a_folder_in_a_tree_that_is_a_link_elsewhere_is_not_entered(sample, tmp_path, monkeypatch):
    refuse_links(monkeypatch)
    other = Sample(tmp_path / "other")
    other.publish("c1", {"a/b/secret": b"right"}, links=())
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "secret").write_bytes(b"hidden"[:5])
    tree = other.folder / "c1" / "a" / "b"
    (tree / "secret").unlink()
    tree.rmdir()
    tree.symlink_to(tmp_path / "elsewhere")
    (one,) = verify(other.mirror)
    assert one.exit_code == 7
    assert entry_of("", b"hidden"[:5]).sha256 not in str(one.damages)


@pytest.mark.parametrize("target", ["{folder}/c1", ".versions/compose", "./.versions/compose/c1"])
def test_a_published_link_that_leads_to_a_version_otherwise_is_told_and_put_right_by_the_next_sync(sample, target):
    sample.link.unlink()
    sample.link.symlink_to(target.format(folder=sample.folder))
    (one,) = verify(sample.mirror)
    assert one.exit_code == IntegrityError.exit_code
    assert os.readlink(sample.link) in one.damages[0].found
    sample.publish("c1", FIRST)
    assert [each.exit_code for each in verify(sample.mirror)] == [0]
