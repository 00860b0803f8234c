import errno
import os
import stat

import pytest

from dci_downloader.errors import (
    IntegrityError,
    SettingsError,
)
from dci_downloader.mirror import publish as publish_module
from dci_downloader.mirror import store as store_module
from dci_downloader.mirror import tree
from dci_downloader.mirror.adopt import adopt
from dci_downloader.mirror.publish import publish
from dci_downloader.mirror.version import record_path
from tests.unit.samples import FIRST, LINKS, SECOND, Sample, component_of, entry_of, manifest_of, names_in, refuse_links
from tests.unit.system_calls import record_calls


def test_publishing_gives_agents_one_relative_link_to_a_whole_tree(sample):
    done = sample.publish("c1", FIRST)
    assert done.path == sample.link
    assert done.notes == ()
    assert os.readlink(sample.link) == ".versions/compose/c1"
    assert {path: content for path, content in sample.read().items() if "latest" not in path} == FIRST
    assert sample.topic.intact(done.version)
    assert not store_module.Store(sample.store.root, boot="later").needs_recovery(), "all was flushed"


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
        assert names_in(sample.folder) == ["c1", "c1.json"]


def test_missing_content_publishes_nothing_and_leaves_nothing(sample):
    sample.publish("c1", FIRST)
    with sample.topic.lock(), pytest.raises(IntegrityError, match="new: its content"):
        publish(sample.topic, component_of("c2"), None, manifest_of({**FIRST, "new": b"x"}))
    assert os.readlink(sample.link) == ".versions/compose/c1"
    assert names_in(sample.folder) == ["c1", "c1.json"]


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
    assert names_in(sample.folder) == ["c1", "c1.json", "c2", "c2.json"]
    assert sorted(os.listdir(sample.topic.path)) == [".compose.json", ".lock", ".versions", "compose"]


def test_a_foreign_folder_of_the_same_name_is_not_touched(sample):
    (sample.folder / "c1").mkdir(parents=True)
    version = sample.publish("c1", FIRST).version
    assert version.folder == f"c1+{version.identity[:8]}"
    assert os.listdir(sample.folder / "c1") == []
    sample.topic.tree(version).rename(sample.root.parent / "elsewhere")
    record_path(sample.topic.tree(version)).write_text("mine")
    with pytest.raises(SettingsError, match="no version of this program"):
        sample.publish("c1", FIRST)
    assert record_path(sample.topic.tree(version)).read_text() == "mine"


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
        assert sorted(os.listdir(sample.topic.path)) == [".compose.json", ".lock", ".versions", "compose"]


def test_a_link_that_leads_elsewhere_is_replaced_and_its_target_left_alone(sample, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    sample.topic.path.mkdir(parents=True)
    sample.link.symlink_to(tmp_path / "elsewhere")
    assert sample.topic.published("compose") is None
    sample.publish("c1", FIRST)
    assert os.readlink(sample.link) == ".versions/compose/c1"
    assert os.listdir(tmp_path / "elsewhere") == []


def test_a_file_in_the_place_of_the_link_is_a_settings_error(sample):
    sample.topic.path.mkdir(parents=True)
    sample.link.write_text("mine")
    with pytest.raises(SettingsError, match="compose is a file"):
        sample.publish("c1", FIRST)
    assert sample.link.read_text() == "mine"
    assert not sample.folder.exists() or os.listdir(sample.folder) == [], "no tree is built each time"


@pytest.mark.parametrize("call", ["flush_folder", "rename"])
def test_what_fails_after_the_swap_is_told_and_the_publication_stands(sample, monkeypatch, call):
    def fail(*arguments, **options):
        if os.path.lexists(sample.link) and sample.link.is_symlink():
            raise OSError(errno.EIO, "Input/output error")
        return real(*arguments, **options)

    sample.link.mkdir(parents=True)  # the previous downloader's, which is moved aside
    target = os if call == "rename" else publish_module
    real = getattr(target, call)
    with monkeypatch.context() as patch:
        patch.setattr(target, call, fail)
        done = sample.publish("c1", FIRST)
    assert done.notes == (f"{sample.link} is published, but then: Input/output error",)
    assert os.readlink(sample.link) == ".versions/compose/c1"


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


# What is on disk, in which order, and who may read it


def test_files_reach_the_disk_before_the_record_that_names_them_and_both_before_the_link(sample, monkeypatch):
    sample.publish("c1", FIRST)
    with sample.topic.lock():
        sample.fill(SECOND)
        calls = record_calls(monkeypatch, sample.topic.path)
        publish(sample.topic, component_of("c2"), None, manifest_of(SECOND, LINKS))
    assert calls == [
        ("syncfs", "../.dci-downloader"),
        ("unlink", "../.dci-downloader/unflushed/*"),
        ("fsync", ".versions/compose/.c2.json.*"),
        ("rename", ".versions/compose/c2.json"),
        ("fsync", ".versions/compose"),
        ("rename", ".versions/compose/.c2.digests"),
        ("fsync", ".versions/compose/..c2.head.*"),
        ("rename", ".versions/compose/.c2.head"),
        ("fsync", ".versions/compose"),
        ("rename", ".versions/compose/c2"),
        ("fsync", ".versions/compose"),
        ("rename", "compose"),
        ("fsync", "."),
        ("fsync", "..compose.json.*"),
        ("rename", ".compose.json"),
        ("fsync", "."),
    ]


def adopted(sample, files):
    """From a plain folder, one file of it by copy for it has another name elsewhere."""
    for number, (path, content) in enumerate(files.items()):
        (sample.link / path).parent.mkdir(parents=True, exist_ok=True)
        (sample.link / path).write_bytes(content)
        if number == 0:
            os.link(sample.link / path, sample.root.parent / "elsewhere")
    adopt(sample.link, manifest_of(files), sample.store)


def fetched(sample, files):
    for path, content in files.items():
        partial = sample.store.open_partial(entry_of(path, content))
        partial.write(0, content)
        partial.finish()


@pytest.mark.parametrize("umask", [0o077, 0o002, 0])
@pytest.mark.parametrize("bring", [Sample.fill, fetched, adopted])
@pytest.mark.parametrize("linked", [True, False], ids=["links", "copies"])
def test_everybody_may_read_what_is_published_and_nobody_write_it_whatever_the_umask(
    sample, monkeypatch, umask, bring, linked
):
    before = os.umask(umask)
    try:
        with sample.topic.lock():
            bring(sample, FIRST)
            if not linked:
                refuse_links(monkeypatch)
            publish(sample.topic, component_of("c1"), None, manifest_of(FIRST, LINKS))
    finally:
        os.umask(before)
    made = [path for path in (sample.root, *sample.root.rglob("*")) if "/.old-" not in str(path)]
    modes = {path: stat.S_IMODE(path.lstat().st_mode) for path in made}
    files = [path for path in sample.folder.rglob("c1/**/*") if path.is_file() and not path.is_symlink()]
    assert len(files) == len(FIRST)
    assert {modes[path] for path in files} == {0o444}
    assert {modes[path] for path in sample.store.objects.glob("*/*")} == {0o444}
    assert {modes[path] for path in modes if path.is_dir() and not path.is_symlink()} == {0o755}
    assert modes[sample.folder / "c1.json"] == 0o644


def test_copies_reach_their_own_disk_before_the_record_that_names_them(sample, monkeypatch):
    sample.fill(FIRST)
    refuse_links(monkeypatch)
    with sample.topic.lock():
        calls = record_calls(monkeypatch, sample.topic.path)
        publish(sample.topic, component_of("c1"), None, manifest_of(FIRST, LINKS))
    flushed, recorded = (
        calls.index(("syncfs", ".versions/compose/.new-*")),
        calls.index(("rename", ".versions/compose/c1.json")),
    )
    assert flushed < recorded
