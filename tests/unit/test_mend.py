import os
import shutil
import stat

import pytest

from dci_downloader.mirror.mend import mend, mend_checked
from dci_downloader.mirror.verify import verify
from tests.unit.ordinary_user import as_user, give
from tests.unit.samples import FIRST, Sample, entry_of


@pytest.fixture
def sample(public_path):
    sample = Sample(public_path / "mirror")
    sample.publish("c1", FIRST)
    return sample


def mended(sample):
    with sample.topic.lock():
        return mend(sample.topic, sample.topic.published("compose"))


def copied(sample, public_path):
    """What ``rsync -a`` without ``-H`` makes of a mirror."""
    shutil.copytree(sample.root, public_path / "copy", symlinks=True)
    return Sample(public_path / "copy")


def test_what_is_intact_is_left_alone(sample):
    before = sample.link.resolve().stat().st_ino
    assert mended(sample) == ()
    assert sample.link.resolve().stat().st_ino == before


def test_a_copy_of_a_mirror_is_whole_and_is_linked_again_with_one_line(sample, public_path):
    copy = copied(sample, public_path)
    (check,) = verify(copy.mirror)
    assert (check.damages, check.unlinked) == ((), 3)
    (line,) = mended(copy)
    assert "3 files of this copy" in line
    assert copy.read() == FIRST
    assert copy.topic.intact(copy.topic.published("compose"))
    assert mended(copy) == ()


@pytest.mark.parametrize("change", ["restore under umask 077", "chmod -R 0775", "chmod -R 0"])
def test_modes_are_put_right_down_to_the_last_folder(sample, change):
    give(sample.root.parent)

    def check():
        paths = sorted((path for path in sample.topic.path.rglob("*") if not path.is_symlink()), reverse=True)
        paths += list(sample.store.objects.glob("*"))
        for path in paths:
            mode = {"restore under umask 077": stat.S_IMODE(path.stat().st_mode) & 0o700, "chmod -R 0775": 0o775}
            os.chmod(path, mode.get(change, 0))
        fresh = Sample(sample.root)
        with fresh.topic.lock():
            (line,) = mend(fresh.topic, fresh.topic.published("compose"))
        assert "modes" in line
        for path in fresh.topic.path.rglob("*"):
            wanted = 0o755 if path.is_dir() else 0o444
            if not path.is_symlink() and path.suffix != ".json" and path.name != ".lock":
                assert stat.S_IMODE(path.stat().st_mode) & wanted == wanted, path
        assert fresh.read() == FIRST
        assert fresh.topic.intact(fresh.topic.published("compose"))

    as_user(check)


def test_what_is_missing_or_wrong_at_first_sight_is_not_mended(sample):
    (sample.link / "same").unlink()
    assert mended(sample) is None


def test_a_file_apart_whose_object_is_missing_is_not_mended(sample):
    sample.store.remove(entry_of("", b"first").sha256)
    assert mended(sample) is None


def test_a_file_that_nobody_may_read_and_that_is_wrong_is_shown_to_nobody_and_fetched_again(sample):
    os.chmod(sample.link / ".composeinfo", 0o600)
    (sample.link / ".composeinfo").write_bytes(b"FIRST")
    assert mended(sample) is None
    assert stat.S_IMODE((sample.link / ".composeinfo").stat().st_mode) & 0o044 == 0
    assert not sample.store.holds(entry_of("", b"first"))


def test_checked_versions_are_mended_without_network_and_damaged_ones_left(sample, public_path):
    copy = copied(sample, public_path)
    checks = verify(copy.mirror)
    (line,) = mend_checked(copy.mirror, checks)
    assert line.startswith("RHEL 9.2 compose: 3 files")
    assert mend_checked(copy.mirror, verify(copy.mirror)) == ()
    (copy.link / "same").unlink()
    assert mend_checked(copy.mirror, verify(copy.mirror)) == ()


def test_a_mirror_that_is_closed_itself_stays_so_and_is_told(sample):
    os.chmod(sample.link / "same", 0o600)
    os.chmod(sample.root, 0o700)
    (line,) = mended(sample)
    assert f"{sample.root} itself is closed to other users" in line
    assert stat.S_IMODE(sample.root.stat().st_mode) == 0o700


@pytest.mark.parametrize("target", ["./x86_64", "x86_64/", ".//x86_64/.", "absolute"])
def test_a_link_that_is_written_otherwise_and_leads_where_it_should_is_no_damage_and_mended(tmp_path, target):
    sample = Sample(tmp_path / "mirror")
    version = sample.publish("c1", FIRST).version
    link = sample.topic.tree(version) / "BaseOS" / "latest"
    link.unlink()
    link.symlink_to(str(link.parent / "x86_64") if target == "absolute" else target)
    (check,) = verify(sample.mirror)
    assert (check.exit_code, check.damages, check.respelled) == (0, (), 1)
    (line,) = mend_checked(sample.mirror, [check])
    assert "1 link written otherwise" in line
    assert os.readlink(link) == "x86_64"
    assert sample.topic.intact(version)


@pytest.mark.parametrize("target", ["../x86_64", "x86_64/../x86_64", "/x86_64", "x86_64/os", "aarch64"])
def test_a_link_that_leads_elsewhere_or_may_do_so_is_damage(tmp_path, target):
    sample = Sample(tmp_path / "mirror")
    link = sample.topic.tree(sample.publish("c1", FIRST).version) / "BaseOS" / "latest"
    link.unlink()
    link.symlink_to(target)
    (check,) = verify(sample.mirror)
    assert (check.exit_code, check.respelled) == (7, 0)
