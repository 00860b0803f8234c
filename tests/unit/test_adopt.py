import os
import stat

import pytest

from dci_downloader.errors import CancelledError
from dci_downloader.hooks import NeverStop
from dci_downloader.mirror import adopt as adopt_module
from dci_downloader.mirror.adopt import adopt, adoptable
from tests.unit.samples import FIRST, LINKS, Sample, component_of, entry_of, manifest_of

WANTED = manifest_of(FIRST, LINKS)
BASH = entry_of("same", b"bash" * 100)


@pytest.fixture
def sample(tmp_path):
    """A mirror whose compose folder the previous downloader filled."""
    sample = Sample(tmp_path / "mirror")
    sample.mirror.prepare()
    put(sample.link, FIRST)
    return sample


def put(root, files):
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)


def test_files_that_fit_are_linked_in_and_the_folder_stays(sample):
    inodes = {path.stat().st_ino for path in sample.link.rglob("*.rpm")}
    assert sum(entry.size for entry in adoptable(sample.link, WANTED, sample.store)) == 405
    assert adopt(sample.link, WANTED, sample.store, workers=1) == (2, 405)
    assert sample.store.path(BASH.sha256).stat().st_ino in inodes
    assert stat.S_IMODE(sample.store.path(BASH.sha256).stat().st_mode) == 0o444
    assert sample.read() == FIRST
    assert os.listdir(sample.store.partials) == []
    assert sample.mirror.plan(component_of("c1"), WANTED).missing == ()
    sample.publish("c1", FIRST)
    assert sample.link.is_symlink()


def test_adopting_again_finds_nothing_to_do(sample):
    adopt(sample.link, WANTED, sample.store)
    assert adopt(sample.link, WANTED, sample.store) == (0, 0)


def test_other_content_of_the_same_size_is_told_apart_by_its_digest(sample):
    (sample.link / ".composeinfo").write_bytes(b"FIRST")
    assert sum(entry.size for entry in adoptable(sample.link, WANTED, sample.store)) == 405
    assert adopt(sample.link, WANTED, sample.store) == (1, 400)
    assert (sample.link / ".composeinfo").read_bytes() == b"FIRST"


def test_other_sizes_missing_files_and_folders_are_not_even_read(sample):
    (sample.link / ".composeinfo").write_bytes(b"longer than it should be")
    (sample.link / "same").unlink()
    rpm = sample.link / "BaseOS/x86_64/os/Packages/b/bash.rpm"
    rpm.unlink()
    rpm.mkdir()
    assert adoptable(sample.link, WANTED, sample.store) == ()
    assert adopt(sample.link, WANTED, sample.store) == (0, 0)


def test_a_file_that_has_another_name_outside_is_copied_and_stays_writable(sample, tmp_path):
    os.link(sample.link / ".composeinfo", tmp_path / "mine")
    mode = (tmp_path / "mine").stat().st_mode
    assert adopt(sample.link, WANTED, sample.store) == (2, 405)
    entry = entry_of("", b"first")
    assert sample.store.path(entry.sha256).read_bytes() == b"first"
    assert not os.path.samefile(tmp_path / "mine", sample.store.path(entry.sha256))
    assert (tmp_path / "mine").stat().st_mode == mode


def test_a_file_reached_through_a_symlink_is_copied(sample, tmp_path):
    (sample.link / ".composeinfo").rename(tmp_path / "mine")
    (sample.link / ".composeinfo").symlink_to(tmp_path / "mine")
    assert adopt(sample.link, WANTED, sample.store) == (2, 405)
    assert (tmp_path / "mine").stat().st_nlink == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="giving files away needs root")
@pytest.mark.parametrize("mode", [0o644, 0o444, 0o600, 0o666])
def test_a_file_of_another_user_is_copied_for_he_could_change_it_later(sample, mode):
    theirs, ours = sample.link / ".composeinfo", sample.link / "same"
    theirs.chmod(mode)
    os.chown(theirs, 1000, 1000)
    ours.chmod(0o664)  # as a umask of 002 leaves it
    assert adopt(sample.link, WANTED, sample.store) == (2, 405)
    taken = sample.store.path(entry_of("", b"first").sha256).stat()
    assert (taken.st_uid, stat.S_IMODE(taken.st_mode), taken.st_nlink) == (0, 0o444, 1)
    assert (theirs.stat().st_uid, stat.S_IMODE(theirs.stat().st_mode), theirs.stat().st_nlink) == (1000, mode, 1)
    sample.publish("c1", FIRST)
    theirs_now = next(sample.root.rglob(".old-*/.composeinfo"))
    theirs_now.write_bytes(b"FIRST")
    assert sample.read() == FIRST


def test_a_file_that_may_not_be_linked_is_copied(sample, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError

    monkeypatch.setattr(os, "link", refuse)
    assert adopt(sample.link, WANTED, sample.store) == (2, 405)
    assert sample.store.path(BASH.sha256).stat().st_nlink == 1


def test_a_copy_that_changed_under_our_hands_does_not_enter_the_store(sample, tmp_path, monkeypatch):
    os.link(sample.link / ".composeinfo", tmp_path / "mine")
    monkeypatch.setattr(adopt_module, "copy_file", lambda *_: False)
    assert adopt(sample.link, WANTED, sample.store) == (1, 400)
    assert not sample.store.holds(entry_of("", b"first"))
    assert os.listdir(sample.store.partials) == []


def test_a_file_that_was_replaced_since_it_was_hashed_is_not_linked(sample, monkeypatch):
    def late(path, temporary, **_):
        os.unlink(path)
        with open(path, "wb") as file:
            file.write(b"bash" * 99 + b"evil")
        real_link(path, temporary)

    real_link = os.link
    monkeypatch.setattr(os, "link", late)
    assert adopt(sample.link, WANTED, sample.store) == (0, 0)
    assert sample.objects() == set()
    assert os.listdir(sample.store.partials) == []


def test_a_file_that_only_its_owner_may_read_is_linked_and_readable_then(sample):
    os.chmod(sample.link / "same", 0o600)
    inode = (sample.link / "same").stat().st_ino
    (sample.link / "BaseOS/x86_64/os/Packages/b/bash.rpm").unlink()
    assert adopt(sample.link, WANTED, sample.store) == (2, 405)
    status = sample.store.path(BASH.sha256).stat()
    assert (status.st_ino, stat.S_IMODE(status.st_mode)) == (inode, 0o444)


@pytest.mark.parametrize("absolute", [True, False])
def test_a_folder_elsewhere_that_a_link_leads_to_is_copied_from_and_stays_as_it_is(sample, tmp_path, absolute):
    elsewhere = tmp_path / "big disk"
    sample.link.rename(elsewhere)
    sample.link.symlink_to(elsewhere if absolute else os.path.relpath(elsewhere, sample.link.parent))
    before = {path: path.stat() for path in elsewhere.rglob("*")}
    assert len(adoptable(sample.link, WANTED, sample.store)) == 2
    assert adopt(sample.link, WANTED, sample.store) == (2, 405)
    sample.publish("c1", FIRST)
    assert sample.read() == FIRST
    assert os.readlink(sample.link).startswith(".versions/")
    for path, status in before.items():
        now = path.stat()
        assert (now.st_mode, now.st_nlink, now.st_ino) == (status.st_mode, status.st_nlink, status.st_ino)


def test_a_published_link_is_nothing_to_adopt(sample):
    sample.publish("c1", FIRST)
    sample.store.remove(BASH.sha256)
    assert adopt(sample.link, WANTED, sample.store) == (0, 0)


def test_adoption_can_be_interrupted(sample):
    class Now(NeverStop):
        def requested(self):
            return True

    with pytest.raises(CancelledError):
        adopt(sample.link, WANTED, sample.store, stop=Now())
