import errno
import os

import pytest

from dci_downloader.cli.main import main
from dci_downloader.errors import LockedError, NotFoundError
from dci_downloader.mirror import prune as prune_module
from dci_downloader.mirror.mirror import Mirror
from dci_downloader.mirror.prune import preview, prune
from dci_downloader.mirror.publish import publish
from dci_downloader.mirror.topic import TopicMirror
from dci_downloader.mirror.version import record_path
from dci_downloader.results import Removal
from tests.unit.samples import FIRST, SECOND, Sample, component_of, entry_of, manifest_of, names_in


def test_prune_keeps_what_is_published_and_so_many_older_and_no_orphan(sample):
    for number in range(4):
        sample.publish(f"c{number}", {"own": b"%d" % number, **FIRST})
    sample.fill({"orphan": b"orphan"})
    removed = prune(sample.mirror, keep=1)
    assert removed == (("c1", "c0"), 3, 8)
    assert [version.folder for version in sample.topic.versions("compose")] == ["c3", "c2"]
    assert not sample.store.holds(entry_of("", b"orphan"))
    assert sample.topic.intact(sample.topic.published("compose"))
    assert prune(sample.mirror, keep=1) == ((), 0, 0)


def test_prune_finishes_what_killed_runs_left(sample):
    sample.publish("c1", FIRST)
    sample.fill(SECOND)
    new = sample.folder / ".new-12345678"
    new.mkdir()
    os.link(sample.store.path(entry_of("", b"new").sha256), new / "f")
    (sample.store.partials / "1234-1.tmp").write_bytes(b"x" * 5000)
    assert prune(sample.mirror).size > 5000
    assert names_in(sample.folder) == ["c1", "c1.json"]
    assert os.listdir(sample.store.partials) == []
    assert not sample.store.holds(entry_of("", b"new"))


def test_partials_stay_for_a_day(sample):
    sample.publish("c1", FIRST)
    partial = sample.store.open_partial(entry_of("big", b"x" * 10_000))
    partial.close()
    written = partial.path.stat().st_mtime
    prune(sample.mirror, now=lambda: written + 86_000)
    assert len(os.listdir(sample.store.partials)) == 2
    assert prune(sample.mirror, now=lambda: written + 87_000).size >= 10_000
    assert os.listdir(sample.store.partials) == []


def test_content_that_a_version_names_stays_even_when_its_tree_lost_it(sample):
    sample.publish("c1", FIRST)
    (sample.link / ".composeinfo").unlink()
    prune(sample.mirror)
    assert sample.store.holds(entry_of("", b"first"))


def test_a_tree_that_lost_its_record_is_left_alone(sample):
    version = sample.publish("c1", FIRST).version
    record_path(sample.topic.tree(version)).unlink()
    prune(sample.mirror, keep=0)
    assert sample.read()[".composeinfo"] == b"first"


def test_hidden_files_of_folders_that_are_no_topics_are_left_alone(sample):
    sample.publish("c1", FIRST)
    (sample.root / "mine").mkdir()
    (sample.root / "mine" / ".new-idea").touch()
    prune(sample.mirror)
    assert (sample.root / "mine" / ".new-idea").exists()


@pytest.mark.parametrize("name", ["t\x1b[2J", "a\nb"])
def test_a_folder_that_no_topic_can_have_keeps_nothing_from_being_pruned(sample, name):
    sample.publish("c1", FIRST)
    sample.publish("c2", SECOND)
    foreign = sample.root / name / ".versions" / "compose" / "v"
    foreign.mkdir(parents=True)
    assert prune(sample.mirror, keep=0).versions == ("c1",)
    assert foreign.is_dir()


def test_prune_waits_for_running_syncs_or_says_that_they_run(sample):
    with sample.topic.lock(), pytest.raises(LockedError):
        prune(sample.mirror, timeout=0)


def test_a_topic_with_nothing_to_remove_is_not_locked(sample):
    sample.publish("c1", FIRST)
    other = sample.mirror.topic("RHEL 9.3")
    with other.lock():
        publish(other, component_of("c1"), None, manifest_of(FIRST))
    asked = []
    real = TopicMirror.alone

    def alone(topic, *arguments):
        asked.append(topic.path.name)
        return real(topic, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TopicMirror, "alone", alone)
        prune(sample.mirror)
        (sample.topic.path / ".old-0123abcd").mkdir()
        prune(sample.mirror)
    assert asked == ["RHEL_9.2"]


def test_a_topic_that_is_being_synced_keeps_old_versions_of_others_from_nothing(sample):
    for number in range(2):
        sample.publish(f"c{number}", {"own": b"%d" % number})
    other = sample.mirror.topic("RHEL 9.1")
    with other.lock():
        (other.path / ".versions" / "compose").mkdir(parents=True)
        (other.path / ".new-0123abcd").mkdir()
        with pytest.raises(LockedError):
            prune(sample.mirror, keep=0, timeout=0)
        assert [version.folder for version in sample.topic.versions("compose")] == ["c1"]
        assert entry_of("", b"0").sha256 in sample.objects()
    assert entry_of("", b"0").sha256 not in sample.objects(), "it was written down"


def test_a_store_of_an_older_release_is_pruned_on_a_full_disk(sample, monkeypatch):
    sample.publish("c1", FIRST)
    sample.publish("c2", SECOND)
    for name in ("unsure", "candidates"):
        assert not (sample.store.root / name).exists()

    def full(path, *_):
        code = errno.EEXIST if os.path.exists(path) else errno.ENOSPC
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "mkdir", full)
    assert prune(sample.mirror, keep=0) == (("c1",), 1, 5)


def test_prune_of_nothing_is_an_error_and_creates_nothing(sample):
    with pytest.raises(NotFoundError):
        prune(sample.mirror)
    assert not sample.root.exists()


@pytest.mark.parametrize("boot", ["now", "before"])
def test_markers_of_killed_runs_go_with_a_flush_but_for_those_of_another_boot(tmp_path, monkeypatch, boot):
    killed = Sample(tmp_path / "mirror", boot=boot)
    killed.fill(FIRST)
    flushed = []
    monkeypatch.setattr(prune_module, "flush_file_system", lambda path: flushed.append(os.listdir(path / "unflushed")))
    sample = Sample(tmp_path / "mirror", boot="now")
    prune(sample.mirror)
    assert len(flushed) == (1 if boot == "now" else 0)
    assert sample.store.needs_recovery() == (boot == "before")
    assert bool(sample.store.markers.left()) == (boot == "before")


def test_a_preview_is_what_prune_then_does_and_removes_nothing(sample):
    sample.publish("c1", FIRST)
    sample.publish("c2", SECOND)
    sample.publish("c3", {**SECOND, "more": b"more" * 50})
    (sample.folder / "c2.json").write_bytes(b"")
    sample.fill({"garbage": b"nobody names it"})
    partial = sample.store.partials / ("ab" * 32)
    partial.write_bytes(b"x" * 5000)
    os.utime(partial, (0, 0))
    for keep in (1, 0):
        before = sorted(str(path) for path in sample.root.rglob("*"))
        expected = preview(sample.mirror, keep)
        assert sorted(str(path) for path in sample.root.rglob("*")) == before
        done = prune(sample.mirror, keep)
        assert (sorted(done.versions), done.files, done.size) == (
            *(sorted(expected.versions), expected.files, expected.size),
        )
    assert preview(sample.mirror, 0) == Removal()


def test_a_preview_needs_no_lock_and_a_mirror(sample, tmp_path):
    sample.publish("c1", FIRST)
    with sample.topic.lock():
        assert preview(sample.mirror) == Removal()
    with pytest.raises(NotFoundError):
        preview(Mirror(tmp_path / "nothing"))


def test_the_command_says_what_it_would_do(sample, capsys):
    sample.publish("c1", FIRST)
    sample.publish("c2", SECOND)
    assert main(["prune", str(sample.root), "--keep", "0", "--dry-run"]) == 0
    assert capsys.readouterr().out.startswith("would remove c1; ")
    assert (sample.folder / "c1").is_dir()
