import errno
import fcntl
import os
import stat

import pytest

from dci_downloader.errors import DownloaderError, IntegrityError, SettingsError
from dci_downloader.mirror import tree
from dci_downloader.mirror.comparison import inspect
from dci_downloader.mirror.removal import remove_tree
from tests.unit.samples import FIRST, LINKS, Sample, entry_of, manifest_of, refuse_links


@pytest.fixture
def sample(tmp_path):
    sample = Sample(tmp_path / "mirror")
    sample.fill(FIRST)
    return sample


def build(sample, manifest=None):
    root = sample.root / "tree"
    return root, tree.build(root, manifest or manifest_of(FIRST, LINKS), sample.store.object_path)


def look(sample, root, copies=frozenset()):
    return inspect(root, manifest_of(FIRST, LINKS), str(sample.store.objects), copies)


def test_tree_holds_the_objects_themselves_and_the_links(sample):
    root, built = build(sample)
    assert built == (frozenset(), "")
    assert sample.read(root) == FIRST
    for entry in manifest_of(FIRST).files:
        assert os.path.samefile(root / entry.path, sample.store.path(entry.sha256))
    assert os.readlink(root / "BaseOS/latest") == "x86_64"
    assert look(sample, root).intact


def test_folders_are_readable_by_all_whatever_the_umask(sample):
    before = os.umask(0o077)
    try:
        root, _ = build(sample)
    finally:
        os.umask(before)
    assert {stat.S_IMODE(path.stat().st_mode) for path in (root, root / "BaseOS", root / "BaseOS/x86_64/os")} == {0o755}


@pytest.mark.parametrize("code", [errno.EXDEV, errno.EMLINK, errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL])
def test_files_are_copied_read_only_where_no_link_is_to_be_had(sample, monkeypatch, code):
    def refuse(*_, **__):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "link", refuse)
    root, built = build(sample)
    assert built == (frozenset(FIRST), os.strerror(code))
    assert sample.read(root) == FIRST
    assert stat.S_IMODE((root / "same").stat().st_mode) == 0o444
    assert look(sample, root, built.copies).intact
    assert len(look(sample, root).unlinked) == len(FIRST)


def test_reflink_is_preferred_to_a_copy_and_what_it_shares_is_hashed(sample, monkeypatch):
    asked = []

    def clone(writer, request, reader):
        asked.append(request)
        os.pwrite(writer, b"first", 0)

    monkeypatch.setattr(fcntl, "ioctl", clone)
    digest = entry_of("", b"first").sha256
    assert tree.copy_file(sample.store.object_path(digest), str(sample.root / "copy"), digest)
    assert len(asked) == 1
    assert (sample.root / "copy").read_bytes() == b"first"
    same = entry_of("", b"bash" * 100).sha256
    assert not tree.copy_file(sample.store.object_path(same), str(sample.root / "other"), same)
    assert not (sample.root / "other").exists()


def test_nobody_may_read_a_copy_before_its_content_is_known(sample, monkeypatch):
    seen = []
    real = os.read

    def read(fd, size):
        seen.append(stat.S_IMODE((sample.root / "copy").stat().st_mode))
        return real(fd, size)

    monkeypatch.setattr(os, "read", read)
    secret = sample.root / "secret"
    secret.write_bytes(b"secret")
    assert not tree.copy_file(str(secret), str(sample.root / "copy"), entry_of("", b"first").sha256)
    assert set(seen) == {0o600}
    assert not (sample.root / "copy").exists()


def test_a_link_or_a_fifo_in_an_objects_place_is_not_copied(sample):
    os.mkfifo(sample.root / "fifo")
    (sample.root / "link").symlink_to(sample.store.object_path(entry_of("", b"first").sha256))
    with pytest.raises(OSError, match="symbolic links"):
        tree.copy_file(str(sample.root / "link"), str(sample.root / "copy"), entry_of("", b"first").sha256)
    assert not tree.copy_file(str(sample.root / "fifo"), str(sample.root / "copy"), entry_of("", b"first").sha256)
    assert not (sample.root / "copy").exists()


def test_a_damaged_object_is_not_copied_into_a_tree(sample, monkeypatch):
    path = sample.store.path(entry_of("", b"first").sha256)
    os.chmod(path, 0o644)
    path.write_bytes(b"FIRST")
    refuse_links(monkeypatch)
    with pytest.raises(IntegrityError, match="composeinfo: its content in the store is damaged"):
        build(sample)


def test_objects_that_nobody_may_read_get_their_mode_with_the_tree_and_only_where_they_are_right(sample):
    for path in sample.store.objects.glob("*/*"):
        os.chmod(path, 0o600)
    root, _ = build(sample)
    assert {stat.S_IMODE((root / path).stat().st_mode) for path in FIRST} == {0o444}
    secret = sample.store.path(entry_of("", b"first").sha256)
    os.chmod(secret, 0o600)
    secret.write_bytes(b"FIRST")
    other = sample.root / "other"
    with pytest.raises(IntegrityError, match="composeinfo"):
        tree.build(other, manifest_of(FIRST, LINKS), sample.store.object_path)
    assert stat.S_IMODE(secret.stat().st_mode) & 0o044 == 0


@pytest.mark.parametrize("code", [errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL])
def test_a_file_system_without_symbolic_links_is_named_as_one(sample, monkeypatch, code):
    def refuse(*_, **__):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "symlink", refuse)
    with pytest.raises(SettingsError, match="no symbolic links") as caught:
        build(sample)
    assert "destination" in caught.value.hint


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
    remove_tree(sample.root / "tree")
    twice = manifest_of({"a": b"first"})
    with pytest.raises(IntegrityError, match="a: stands twice"):
        build(sample, twice.__class__("compose", twice.files * 2))


@pytest.mark.parametrize("paths", [("Packages/a", "Packages/A"), ("os/a", "OS/b"), ("os/p/a", "os/P/b")])
def test_paths_that_the_file_system_takes_for_one_are_no_fault_of_the_manifest(sample, monkeypatch, paths):
    """As one that ignores case does."""

    def once(function, position):
        seen = set()

        def call(*arguments, **options):
            name = str(arguments[position]).lower()
            if name in seen:
                raise FileExistsError(errno.EEXIST, "File exists")
            seen.add(name)
            return function(*arguments, **options)

        return call

    monkeypatch.setattr(os, "link", once(os.link, 1))
    monkeypatch.setattr(os, "mkdir", once(os.mkdir, 0))
    with pytest.raises(SettingsError, match="this file system takes that for another path of this build") as caught:
        build(sample, manifest_of(dict.fromkeys(paths, b"first")))
    assert caught.value.hint


def test_other_failures_of_link_are_not_hidden(sample, monkeypatch):
    def fail(*_, **__):
        raise OSError(errno.EIO, "I/O error")

    monkeypatch.setattr(os, "link", fail)
    with pytest.raises(DownloaderError, match="I/O error"):
        build(sample)


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


def test_a_folder_of_a_lower_layer_is_replaced_though_it_cannot_be_moved(tmp_path, monkeypatch):
    real = os.rename

    def rename(one, other):
        if os.path.isdir(one) and not os.path.islink(one):
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        real(one, other)

    monkeypatch.setattr(tree, "exchange", lambda *_: False)
    monkeypatch.setattr(os, "rename", rename)
    (tmp_path / "new").symlink_to("target")
    (tmp_path / "place" / "below").mkdir(parents=True)
    assert tree.put_in_place(tmp_path / "new", tmp_path / "place") is False
    assert os.readlink(tmp_path / "place") == "target"
    assert os.listdir(tmp_path) == ["place"]


@pytest.mark.parametrize("kind", ["link", "fifo", "other size"])
def test_what_is_no_object_of_the_right_size_is_published_in_no_tree(sample, tmp_path, kind):
    place = sample.store.path(entry_of("", b"first").sha256)
    place.unlink()
    (tmp_path / "secret").write_text("first")
    if kind == "link":
        place.symlink_to(tmp_path / "secret")
    elif kind == "fifo":
        os.mkfifo(place)
    else:
        place.write_bytes(b"longer than first")
    with pytest.raises(IntegrityError, match="composeinfo: its content in the store is damaged"):
        build(sample)
