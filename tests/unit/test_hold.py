"""A type that is held stays at the version that is published, whatever the server offers."""

import shutil

import pytest

from dci_downloader import Mirror, NotFoundError, Outcome, Selection, SyncOptions, pre_run, sync_topic
from dci_downloader.cli.main import main
from dci_downloader.errors import DownloaderError, LockedError, SettingsError
from dci_downloader.mirror import hold
from dci_downloader.mirror.prune import prune
from dci_downloader.mirror.rollback import rollback
from tests.unit.samples import FIRST, SECOND

ALL = Selection(all=True)


@pytest.fixture
def mirror(lab, tmp_path):
    """A mirror with two versions."""
    mirror = Mirror(tmp_path / "dci")
    for number in (1, 2):
        lab.build({".composeinfo": b"%d" % number, "metadata/same": b"same"}, number=number)
        sync_topic(lab.server, mirror, "RHEL-9.2", ALL)
    return mirror


def published(mirror, component_type="compose"):
    return mirror.topic("RHEL-9.2").published_folder(component_type)


def newer(lab, number=3):
    return lab.build({".composeinfo": b"%d" % number, "metadata/same": b"same", "new": b"new"}, number=number)


def sync(lab, mirror, **options):
    lab.site.store.forget()
    return sync_topic(lab.server, mirror, "RHEL-9.2", ALL, options=SyncOptions(**options))


def test_a_sync_says_what_it_would_publish_and_fetches_nothing(lab, mirror):
    (held,) = hold.hold(mirror, "RHEL-9.2")
    assert held == ("RHEL-9.2", "compose", "RHEL-9.2.0-2")
    newer(lab)
    before = sorted(str(path) for path in mirror.root.rglob("*"))
    for _ in range(2):
        report = sync(lab, mirror)
        (component,) = report.components
        assert (report.exit_code, component.outcome, component.name) == (0, Outcome.HELD, "RHEL-9.2.0-3")
        assert (component.files_downloaded, component.changes.since) == (2, "RHEL-9.2.0-2")
        assert (component.versions_removed, lab.fetched()) == ((), [])
    assert (published(mirror), sorted(str(path) for path in mirror.root.rglob("*"))) == ("RHEL-9.2.0-2", before)


def test_what_is_released_follows_the_newest_again(lab, mirror):
    hold.hold(mirror, "RHEL-9.2", "compose")
    newer(lab)
    sync(lab, mirror)
    assert [each.type for each in hold.release(mirror, "RHEL-9.2")] == ["compose"]
    assert hold.release(mirror, "RHEL-9.2", "Compose") == ()
    (component,) = sync(lab, mirror).components
    assert (component.outcome, published(mirror)) == (Outcome.PUBLISHED, "RHEL-9.2.0-3")


def test_a_rollback_that_holds_outlasts_the_next_sync(lab, mirror):
    (back,) = rollback(mirror, "RHEL-9.2", hold=True)
    assert back.notes[-1].startswith("it is held")
    (component,) = sync(lab, mirror).components
    assert (component.outcome, component.name) == (Outcome.HELD, "RHEL-9.2.0-2")
    assert published(mirror) == "RHEL-9.2.0-1"


def test_a_held_version_that_is_the_newest_is_nothing_new_and_is_mended(lab, mirror):
    hold.hold(mirror, "RHEL-9.2")
    (mirror.root / "RHEL-9.2/compose/new").unlink(missing_ok=True)
    (mirror.root / "RHEL-9.2/compose/.composeinfo").unlink()
    (component,) = sync(lab, mirror).components
    assert component.outcome in (Outcome.UNCHANGED, Outcome.PUBLISHED)
    assert (mirror.root / "RHEL-9.2/compose/.composeinfo").read_bytes() == b"2"
    assert sync(lab, mirror).components[0].outcome is Outcome.UNCHANGED


def test_one_type_is_held_and_the_others_are_not(lab, mirror):
    topic = lab.topic
    topic.component_types = ("compose", "hwcert")
    lab.build({"a": b"1"}, name="h1", type="hwcert")
    sync(lab, mirror)
    hold.hold(mirror, "RHEL-9.2", "compose")
    newer(lab)
    lab.build({"a": b"2"}, name="h2", number=5, type="hwcert")
    outcomes = {each.type: each.outcome for each in sync(lab, mirror).components}
    assert outcomes == {"compose": Outcome.HELD, "hwcert": Outcome.PUBLISHED}


def test_a_dry_run_says_the_same(lab, mirror):
    hold.hold(mirror, "RHEL-9.2")
    newer(lab)
    assert sync(lab, mirror, dry_run=True).components[0].outcome is Outcome.HELD


def test_what_is_held_needs_no_room(lab, mirror, monkeypatch):
    hold.hold(mirror, "RHEL-9.2")
    newer(lab)
    monkeypatch.setattr("dci_downloader.mirror.mirror.free_bytes", lambda path: 0)
    assert sync(lab, mirror).exit_code == 0


def test_a_job_does_not_run_with_another_version_than_its_own(lab, mirror):
    hold.hold(mirror, "RHEL-9.2")
    job = lab.catalog.add_job(lab.topic, [newer(lab)])
    report = sync_topic(lab.server, mirror, selection=ALL, options=SyncOptions(job=lab.server.job(job.id)))
    assert report.exit_code == 2
    assert "release" in report.failures[0].hint
    with pytest.raises(DownloaderError, match=r"held at RHEL-9\.2\.0-2"), pre_run(lab.server, mirror, job.id, ALL):
        raise AssertionError("the job must not run")


def test_a_hold_says_since_when_and_the_first_time_counts(sample):
    sample.publish("c1", FIRST)
    assert hold.held_since(sample.topic, "compose") is None
    hold.hold(sample.mirror, "RHEL 9.2")
    since = hold.held_since(sample.topic, "compose")
    hold.hold(sample.mirror, "RHEL 9.2")
    assert hold.held_since(sample.topic, "compose") == since


@pytest.mark.parametrize("left", [b"", b"\0" * 30, b"x" * 10_000])
def test_a_file_that_a_power_cut_left_holds_all_the_same(sample, left):
    sample.publish("c1", FIRST)
    hold.hold(sample.mirror, "RHEL 9.2")
    hold.hold_path(sample.topic, "compose").write_bytes(left)
    assert hold.is_held(sample.topic, "compose")
    assert hold.held_since(sample.topic, "compose") is None
    hold.release(sample.mirror, "RHEL 9.2")
    assert not hold.is_held(sample.topic, "compose")


def test_prune_and_a_copy_of_the_mirror_keep_the_hold(sample, tmp_path):

    sample.publish("c1", FIRST)
    sample.publish("c2", SECOND)
    hold.hold(sample.mirror, "RHEL 9.2")
    prune(sample.mirror, 0)
    assert hold.is_held(sample.topic, "compose")
    shutil.copytree(sample.root, tmp_path / "copy", symlinks=True)
    assert hold.is_held(Mirror(tmp_path / "copy").topic("RHEL 9.2"), "compose")


def test_what_is_not_published_cannot_be_held(sample):
    sample.publish("c1", FIRST)
    sample.link.unlink()
    for component_type in ("", "compose"):
        with pytest.raises(NotFoundError, match="nothing of it is published"):
            hold.hold(sample.mirror, "RHEL 9.2", component_type)
    with pytest.raises(NotFoundError, match="nothing of type"):
        hold.hold(sample.mirror, "RHEL 9.2", "hwcert")


def test_a_running_sync_is_waited_for(sample):
    sample.publish("c1", FIRST)
    with sample.topic.lock(), pytest.raises(LockedError):
        hold.hold(sample.mirror, "RHEL 9.2", timeout=0)


def test_a_folder_in_the_place_of_the_file_is_an_error_and_no_traceback(sample):
    sample.publish("c1", FIRST)
    hold.hold_path(sample.topic, "compose").mkdir()
    assert hold.is_held(sample.topic, "compose")
    with pytest.raises(SettingsError):
        hold.release(sample.mirror, "RHEL 9.2")


def test_the_commands_say_what_is_held_and_what_a_sync_would_do(lab, mirror, monkeypatch, capsys):
    for name, value in lab.site.environment().items():
        monkeypatch.setenv(name, value)
    root = str(mirror.root)
    assert main(["hold", root, "rhel-9.2"]) == 0
    assert capsys.readouterr().out == "RHEL-9.2 compose stays at RHEL-9.2.0-2\n"
    newer(lab)
    assert main(["RHEL-9.2", root, "--all"]) == 0
    shown = capsys.readouterr().err
    assert "held at RHEL-9.2.0-2" in shown
    assert main(["RHEL-9.2", root, "--all", "--json"]) == 0
    assert '"outcome": "held"' in capsys.readouterr().out
    monkeypatch.setenv("DCI_LOCAL_REPO", root)
    assert main(["release", "RHEL-9.2", "compose", "--json"]) == 0
    out, err = capsys.readouterr()
    assert '"version": "RHEL-9.2.0-2"' in out
    assert err == f"DEST is {root} (DCI_LOCAL_REPO)\n"
    assert main(["release", root, "RHEL-9.2"]) == 0
    assert capsys.readouterr().out == "nothing of it was held\n"
    assert main(["hold", root, "RHEL-9.3"]) == 4
    assert "did you mean RHEL-9.2?" in capsys.readouterr().err
    assert main(["hold", root]) == 2
    assert main(["hold", root, "a", "b", "c"]) == 2


def test_a_hold_at_a_version_that_is_gone_is_a_failure_that_says_what_to_do(lab, mirror):
    hold.hold(mirror, "RHEL-9.2")
    newer(lab)
    shutil.rmtree(mirror.topic("RHEL-9.2").versions_folder("compose") / "RHEL-9.2.0-2")
    for dry_run in (True, False):
        report = sync(lab, mirror, dry_run=dry_run)
        (failure,) = report.components[0].failures
        assert (report.exit_code, lab.fetched()) == (7, [])
        assert f"dci-downloader release {mirror.root} RHEL-9.2 compose;" in failure.hint
    hold.release(mirror, "RHEL-9.2")
    with pytest.raises(NotFoundError, match="nothing of it is published"):
        hold.hold(mirror, "RHEL-9.2")
    assert sync(lab, mirror).exit_code == 0
    assert published(mirror) == "RHEL-9.2.0-3"


def test_a_sync_says_that_what_is_held_is_damaged(lab, mirror):
    hold.hold(mirror, "RHEL-9.2")
    newer(lab)
    (mirror.topic("RHEL-9.2").link("compose") / "metadata/same").write_bytes(b"other")
    (component,) = sync(lab, mirror).components
    assert (component.outcome, component.notes) == (
        Outcome.HELD,
        ("RHEL-9.2.0-2, which is held, is damaged: dci-downloader verify --repair puts it right",),
    )


def test_status_does_not_promise_that_a_sync_mends_what_is_held(mirror, capsys):
    hold.hold(mirror, "RHEL-9.2")
    shutil.rmtree(mirror.topic("RHEL-9.2").versions_folder("compose") / "RHEL-9.2.0-2")
    assert main(["status", str(mirror.root)]) == 0
    assert "it is held, so no sync puts it right: dci-downloader rollback or release" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["hold", "release", "remove", "rollback"])
def test_a_mirror_without_a_topic_is_no_whole_line(mirror, command, capsys):
    assert main([command, str(mirror.root)]) == 2
    assert "there is no TOPIC\n  hint: name it after DEST" in capsys.readouterr().err
