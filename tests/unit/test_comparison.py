import os

import pytest

from dci_downloader.mirror import tree
from dci_downloader.mirror.comparison import extras, inspect
from tests.unit.samples import FIRST, LINKS, Sample, entry_of, manifest_of

WANTED = manifest_of(FIRST, LINKS)


@pytest.fixture
def sample(tmp_path):
    sample = Sample(tmp_path / "mirror")
    sample.fill(FIRST)
    return sample


@pytest.fixture
def root(sample):
    root = sample.root / "tree"
    tree.build(root, WANTED, sample.store.object_path)
    return root


def look(sample, root, copies=frozenset()):
    return inspect(root, WANTED, str(sample.store.objects), copies)


def test_a_tree_as_it_was_built_is_intact(sample, root):
    assert look(sample, root) == ((), (), (), ())
    assert look(sample, root).intact
    assert list(extras(root, WANTED)) == []


def test_every_damage_that_stat_can_see_is_told(sample, root):
    (root / ".composeinfo").unlink()
    os.chmod(root / "same", 0o644)
    os.truncate(root / "same", 2)
    (root / "BaseOS/latest").unlink()
    (root / "BaseOS/latest").symlink_to("elsewhere")
    rpm = root / "BaseOS/x86_64/os/Packages/b/bash.rpm"
    rpm.unlink()
    rpm.mkdir()
    state = look(sample, root)
    assert [(damage.path, damage.found) for damage in state.damages] == [
        (".composeinfo", "nothing"),
        ("BaseOS/x86_64/os/Packages/b/bash.rpm", "not a regular file"),
        ("same", "2 bytes"),
        ("BaseOS/latest", "elsewhere"),
    ]
    assert not state.intact


def test_a_file_that_is_no_link_to_its_object_is_no_damage(sample, root):
    (root / "same").unlink()
    (root / "same").write_bytes(b"bash" * 100)
    sample.store.remove(entry_of(".composeinfo", b"first").sha256)
    assert look(sample, root) == ((), (".composeinfo", "same"), (), ())
    assert look(sample, root, frozenset({"same"})).unlinked == (".composeinfo",)


def test_where_the_folder_of_objects_is_gone_all_files_are_there_and_stand_apart(sample, root):
    sample.store.objects.rename(sample.root / "elsewhere")
    assert look(sample, root) == ((), tuple(sorted(FIRST)), (), ())
    sample.store.objects.symlink_to(sample.root / "elsewhere")
    assert look(sample, root).intact


@pytest.mark.parametrize(
    ("mode", "told"), [(0o400, True), (0o466, True), (0o664, True), (0o000, True), (0o755, False), (0o444, False)]
)
def test_modes_that_keep_readers_out_or_let_others_write_are_told(sample, root, mode, told):
    os.chmod(root / ".composeinfo", mode)
    assert look(sample, root) == ((), (), (".composeinfo",) if told else (), ())


@pytest.mark.parametrize("mode", [0o700, 0o555, 0o711, 0o000])
def test_modes_of_folders_are_told_too(sample, root, mode):
    for folder in ("BaseOS/x86_64", "BaseOS", "."):
        os.chmod(root / folder, mode)
    assert look(sample, root).modes == (".", "BaseOS", "BaseOS/x86_64")


@pytest.mark.parametrize("place", ["BaseOS", "BaseOS/x86_64/os", "."])
def test_nothing_is_looked_at_through_a_link_in_a_folders_place(sample, root, place, tmp_path, monkeypatch):
    folder = root / place
    folder.rename(tmp_path / "moved")
    folder.symlink_to(tmp_path / "moved")
    asked = []
    real = os.lstat
    monkeypatch.setattr(os, "lstat", lambda path: asked.append(str(path)) or real(path))
    state = inspect(root, WANTED, "", frozenset())
    assert (place, "a folder", "no folder") in state.damages
    below = "" if place == "." else f"{place}/"
    assert [path for path in asked if path.startswith(f"{root}/{below}")] == []
    assert {damage.path for damage in state.damages} >= {path for path in FIRST if path.startswith(below)}


def test_what_is_not_in_the_manifest_is_extra(root):
    (root / "mine").touch()
    (root / "BaseOS" / "empty").mkdir()
    (root / "BaseOS" / "aside").symlink_to("/")
    assert {damage.path for damage in extras(root, WANTED)} == {"mine", "BaseOS/empty", "BaseOS/aside"}


def test_inodes_are_asked_for_where_folders_number_them_otherwise(sample, root, monkeypatch):
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

    real = os.scandir
    monkeypatch.setattr(os, "scandir", Scan)
    assert look(sample, root).intact
    (root / "same").unlink()
    (root / "same").write_bytes(b"bash" * 100)
    assert look(sample, root).unlinked == ("same",)
