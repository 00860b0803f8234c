import os
import stat

import pytest

from dci_downloader.errors import IntegrityError
from dci_downloader.mirror import modes as modes_module
from dci_downloader.mirror import tree
from dci_downloader.mirror.modes import make_read_only, put_modes_right
from tests.unit.ordinary_user import USER, as_user, give
from tests.unit.samples import FIRST, LINKS, Sample, entry_of, manifest_of

WANTED = manifest_of(FIRST, LINKS)
BASH = "BaseOS/x86_64/os/Packages/b/bash.rpm"


@pytest.fixture
def root(public_path):
    sample = Sample(public_path / "mirror")
    sample.fill(FIRST)
    tree.build(public_path / "tree", WANTED, sample.store.object_path)
    return public_path / "tree"


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("before", [0o000, 0o400, 0o600, 0o664, 0o777, 0o4755])
def test_a_file_is_read_only_for_all_again(root, before):
    os.chmod(root / BASH, before)
    assert put_modes_right(root, WANTED, [BASH]) == (1, frozenset())
    assert mode(root / BASH) == 0o444


def test_folders_come_before_what_they_hold(root):
    folder = os.path.dirname(BASH)
    os.chmod(root / BASH, 0o600)
    os.chmod(root / folder, 0)
    assert put_modes_right(root, WANTED, [BASH, folder]) == (2, frozenset())
    assert (mode(root / folder), mode(root / BASH)) == (0o755, 0o444)


def test_wrong_content_that_only_its_owner_may_read_is_shown_to_nobody(root):
    os.chmod(root / BASH, 0o600)
    (root / BASH).write_bytes(b"secret")
    assert put_modes_right(root, WANTED, [BASH]) == (0, frozenset([BASH]))
    assert mode(root / BASH) & 0o044 == 0


def test_content_that_everybody_may_read_is_not_read_again(root, monkeypatch):
    monkeypatch.setattr(modes_module, "sha256_open", lambda _: pytest.fail("it was read"))
    os.chmod(root / BASH, 0o664)
    assert put_modes_right(root, WANTED, [BASH]).changed == 1


@pytest.mark.parametrize("place", [BASH, "BaseOS/x86_64"])
def test_nothing_is_changed_through_a_link(root, tmp_path, place):
    (root / place).rename(tmp_path / "outside")
    (root / place).symlink_to(tmp_path / "outside")
    victim = tmp_path / "outside" if place == BASH else tmp_path / "outside" / BASH[len(place) + 1 :]
    os.chmod(victim, 0o600)
    assert put_modes_right(root, WANTED, [BASH]) == (0, frozenset())
    assert mode(victim) == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="files of another user need root")
def test_other_peoples_files_stay_as_they_are(root):
    give(root)
    os.chown(root / BASH, 0, 0)
    os.chmod(root / BASH, 0o664)

    def put_right():
        assert put_modes_right(root, WANTED, [BASH]) == (0, frozenset())

    as_user(put_right, user=USER)
    assert mode(root / BASH) == 0o664


def test_what_is_no_file_has_no_mode_to_put_right(tmp_path):
    os.mkfifo(tmp_path / "fifo", 0o600)
    fd = os.open(tmp_path / "fifo", os.O_PATH | os.O_NOFOLLOW)
    assert make_read_only(fd, entry_of("", b"").sha256) is False
    os.close(fd)


def test_the_content_that_a_file_should_have_is_asked_for_by_its_digest(tmp_path):
    (tmp_path / "file").write_bytes(b"content")
    os.chmod(tmp_path / "file", 0o600)
    fd = os.open(tmp_path / "file", os.O_PATH | os.O_NOFOLLOW)
    with pytest.raises(IntegrityError):
        make_read_only(fd, entry_of("", b"other").sha256)
    assert make_read_only(fd, entry_of("", b"content").sha256) is True
    os.close(fd)


@pytest.mark.parametrize("before", [0o600, 0o664])
def test_where_chmod_changes_nothing_nothing_is_said_to_be_changed(root, monkeypatch, before):
    os.chmod(root / BASH, before)
    os.chmod(root / "BaseOS", 0o700)
    monkeypatch.setattr(os, "chmod", lambda *_: None)
    monkeypatch.setattr(modes_module, "sha256_open", lambda _: pytest.fail("it was read at each run"))
    assert put_modes_right(root, WANTED, ["BaseOS", BASH]) == (0, frozenset())
