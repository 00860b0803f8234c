import errno
import fcntl
import os
import stat

import pytest

from dci_downloader.errors import DownloaderError, IntegrityError
from dci_downloader.mirror import tree
from tests.unit.samples import FIRST, LINKS, Sample, entry_of, manifest_of


@pytest.fixture
def sample(tmp_path):
    sample = Sample(tmp_path / "mirror")
    sample.fill(FIRST)
    return sample


def build(sample, manifest=None):
    root = sample.root / "tree"
    return root, tree.build(root, manifest or manifest_of(FIRST, LINKS), sample.store.object_path)


def look(sample, root, copies=frozenset()):
    return list(tree.differences(root, manifest_of(FIRST, LINKS), sample.store.object_matcher(), copies))


def test_tree_holds_the_objects_themselves_and_the_links(sample):
    root, built = build(sample)
    assert built == (frozenset(), "")
    assert sample.read(root) == FIRST
    for entry in manifest_of(FIRST).files:
        assert os.path.samefile(root / entry.path, sample.store.path(entry.sha256))
    assert os.readlink(root / "BaseOS/latest") == "x86_64"
    assert look(sample, root) == []
    assert list(tree.extras(root, manifest_of(FIRST, LINKS))) == []


def test_folders_are_readable_by_all_whatever_the_umask(sample):
    before = os.umask(0o077)
    try:
        root, _ = build(sample)
    finally:
        os.umask(before)
    assert {stat.S_IMODE(path.stat().st_mode) for path in (root, root / "BaseOS", root / "BaseOS/x86_64/os")} == {0o755}


@pytest.mark.parametrize("code", [errno.EXDEV, errno.EMLINK, errno.EPERM, errno.EOPNOTSUPP])
def test_files_are_copied_read_only_where_no_link_is_to_be_had(sample, monkeypatch, code):
    def refuse(*_, **__):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "link", refuse)
    root, built = build(sample)
    assert built == (frozenset(FIRST), os.strerror(code))
    assert sample.read(root) == FIRST
    assert stat.S_IMODE((root / "same").stat().st_mode) == 0o444
    assert look(sample, root, built.copies) == []
    assert len(look(sample, root)) == len(FIRST)


def test_reflink_is_preferred_to_a_copy(sample, monkeypatch):
    asked = []
    monkeypatch.setattr(fcntl, "ioctl", lambda *arguments: asked.append(arguments[1]))
    source = sample.store.object_path(entry_of("", b"first").sha256)
    tree.copy_file(source, str(sample.root / "copy"))
    assert len(asked) == 1
    assert (sample.root / "copy").read_bytes() == b""


@pytest.mark.parametrize("path", ["../out", "/out", "a/../../out", "./a", "a//b/c"])
def test_path_that_leads_out_of_the_tree_is_refused(sample, path):
    with pytest.raises(IntegrityError, match="leads out"):
        build(sample, manifest_of({path: b"first"}))
    assert not (sample.root / "out").exists()


@pytest.mark.parametrize("path", ["..", ".", ""])
def test_path_that_names_no_file_is_refused(sample, path):
    with pytest.raises(DownloaderError):
        build(sample, manifest_of({path: b"first"}))


def test_nothing_is_written_through_a_symlink_of_the_manifest(sample, tmp_path):
    (tmp_path / "outside").mkdir()
    with pytest.raises(DownloaderError):
        build(sample, manifest_of({"a/f": b"first"}, [("a", str(tmp_path / "outside"))]))
    assert os.listdir(tmp_path / "outside") == []


def test_missing_object_and_a_path_that_stands_twice_name_the_entry(sample):
    with pytest.raises(IntegrityError, match="gone: its content"):
        build(sample, manifest_of({"gone": b"gone"}))
    tree.remove_tree(sample.root / "tree")
    twice = manifest_of({"a": b"first"})
    with pytest.raises(IntegrityError, match="a: stands twice"):
        build(sample, twice.__class__("compose", twice.files * 2))


def test_other_failures_of_link_are_not_hidden(sample, monkeypatch):
    def fail(*_, **__):
        raise OSError(errno.EIO, "I/O error")

    monkeypatch.setattr(os, "link", fail)
    with pytest.raises(DownloaderError, match="I/O error"):
        build(sample)


def test_every_damage_that_stat_can_see_is_told(sample):
    root, _ = build(sample)
    (root / ".composeinfo").unlink()
    (root / "same").unlink()
    (root / "same").write_bytes(b"bash" * 100)
    (root / "BaseOS/latest").unlink()
    (root / "BaseOS/latest").symlink_to("elsewhere")
    rpm = root / "BaseOS/x86_64/os/Packages/b/bash.rpm"
    rpm.unlink()
    rpm.mkdir()
    assert [(damage.path, damage.found) for damage in look(sample, root)] == [
        (".composeinfo", "nothing"),
        ("BaseOS/x86_64/os/Packages/b/bash.rpm", "not a regular file"),
        ("same", "another file"),
        ("BaseOS/latest", "elsewhere"),
    ]


def test_truncation_and_a_lost_object_are_seen(sample):
    root, _ = build(sample)
    entry = entry_of(".composeinfo", b"first")
    sample.store.remove(entry.sha256)
    assert [damage.found for damage in look(sample, root)] == ["another file"]
    os.chmod(root / ".composeinfo", 0o644)
    os.truncate(root / ".composeinfo", 2)
    assert [damage.found for damage in look(sample, root)] == ["2 bytes"]


def test_what_is_not_in_the_manifest_is_extra(sample):
    root, _ = build(sample)
    (root / "mine").touch()
    (root / "BaseOS" / "empty").mkdir()
    (root / "BaseOS" / "aside").symlink_to("/")
    assert {damage.path for damage in tree.extras(root, manifest_of(FIRST, LINKS))} == {
        "mine",
        "BaseOS/empty",
        "BaseOS/aside",
    }


@pytest.mark.parametrize("exchanges", [True, False])
def test_a_folder_in_the_way_is_swapped_and_left_to_the_caller(tmp_path, monkeypatch, exchanges):
    if not exchanges:
        monkeypatch.setattr(tree, "exchange", lambda *_: False)
    (tmp_path / "new").symlink_to("target")
    (tmp_path / "place").mkdir()
    (tmp_path / "place" / "old").touch()
    assert tree.put_in_place(tmp_path / "new", tmp_path / "place") is True
    assert os.readlink(tmp_path / "place") == "target"
    assert os.listdir(tmp_path / "new") == ["old"]
    assert sorted(os.listdir(tmp_path)) == ["new", "place"]


def test_a_swap_that_fails_half_way_puts_the_old_folder_back(tmp_path, monkeypatch):
    monkeypatch.setattr(tree, "exchange", lambda *_: False)
    (tmp_path / "place").mkdir()
    with pytest.raises(FileNotFoundError):
        tree.put_in_place(tmp_path / "new", tmp_path / "place")
    assert os.listdir(tmp_path) == ["place"]


def test_removing_follows_no_link_and_can_be_repeated(tmp_path):
    (tmp_path / "folder" / "inside").mkdir(parents=True)
    (tmp_path / "kept").mkdir()
    (tmp_path / "folder" / "link").symlink_to(tmp_path / "kept")
    (tmp_path / "link").symlink_to(tmp_path / "kept")
    for name in ("folder", "link", "gone"):
        tree.remove_tree(tmp_path / name)
    assert os.listdir(tmp_path) == ["kept"]


def test_inodes_are_asked_for_where_folders_number_them_otherwise(sample, monkeypatch):
    class Lying:
        def __init__(self, item):
            self.name = item.name

        def inode(self):
            return 7

    class Scan:
        def __init__(self, path):
            self.path = path

        def __enter__(self):
            return map(Lying, real(self.path))

        def __exit__(self, *_):
            return False

    root, _ = build(sample)
    real = os.scandir
    monkeypatch.setattr(os, "scandir", Scan)
    assert look(sample, root) == []
    (root / "same").unlink()
    (root / "same").write_bytes(b"bash" * 100)
    assert [damage.path for damage in look(sample, root)] == ["same"]
