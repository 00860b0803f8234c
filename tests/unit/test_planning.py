"""What a sync is to do with each component: those without files, with odd names, in each other's way, and room."""

import os

import pytest

from dci_downloader import (
    DiskFullError,
    FileEntry,
    Filter,
    Mirror,
    Outcome,
    Report,
    SyncOptions,
    sync_topic,
)
from dci_downloader.transfer import missing
from tests.unit.samples import names_in

GIT = "https://github.com/org/repo/commit/5b5cbb324a"
WITHOUT = {
    "no manifest": {"without_files": True},
    "an empty manifest": {},
    "a manifest without lists": {"manifest": b'{"files": [], "symlinks": [], "directories": []}'},
    "nothing but links": {"symlinks": {"latest": "nowhere", "a/b": "c"}},
}


@pytest.fixture
def root(tmp_path):
    return tmp_path / "dci"


def job_of(lab, *components):
    return lab.server.job(lab.catalog.add_job(lab.topic, components).id)


def sync(lab, root, **options):
    return sync_topic(lab.server, Mirror(root), options.pop("topic", ""), options=SyncOptions(**options))


def outcomes(report: Report):
    return [
        (done.type, done.outcome.value, [failure.exit_code for failure in done.failures]) for done in report.components
    ]


def published(root, topic="RHEL-9.2"):
    return sorted(name for name in os.listdir(root / topic) if not name.startswith("."))


@pytest.mark.parametrize("without", WITHOUT.values(), ids=WITHOUT)
@pytest.mark.parametrize("dry_run", [False, True])
def test_a_job_with_components_without_files_brings_those_that_have_some(lab, root, compose, without, dry_run):
    job = job_of(
        lab,
        lab.build({}, type="git", name=GIT, **without),
        lab.build({}, type="git", name="another", **without),
        lab.build(compose),
        lab.build({}, type="quay.io/org", name="quay.io/org/app:4.18", **without),
        lab.build({}, type=".hidden", name="x" * 300, **without),
        lab.build({}, type="compose", name="second", **without),
    )
    report = sync(lab, root, job=job, dry_run=dry_run)
    did = "planned" if dry_run else "published"
    assert [(done.outcome.value, bool(done.path), done.notes) for done in report.components] == [
        (did, True, ()) if done.name == "RHEL-9.2.0-0" else ("skipped", False, report.components[0].notes)
        for done in report.components
    ]
    assert "has no files" in report.components[0].notes[0]
    assert (report.exit_code, report.failures) == (0, ())
    assert dry_run or published(root) == ["compose"]
    if not dry_run:
        again = sync(lab, root, job=job)
        assert [done.outcome for done in again.components].count(Outcome.UNCHANGED) == 1


@pytest.mark.parametrize("without", WITHOUT.values(), ids=WITHOUT)
def test_a_topic_with_a_component_without_files_brings_the_others(lab, root, without):
    lab.topic = lab.catalog.add_topic("OCP-4.12", component_types=("ocp", "rhcos"))
    lab.build({}, type="ocp", name="OpenShift 4.12", **without)
    lab.build({"image": b"x"}, type="rhcos")
    assert outcomes(sync(lab, root, topic="OCP-4.12")) == [("ocp", "skipped", []), ("rhcos", "published", [])]
    assert published(root, "OCP-4.12") == ["rhcos"]


@pytest.mark.parametrize("without", WITHOUT.values(), ids=WITHOUT)
def test_where_nothing_has_files_each_component_says_so(lab, root, without):
    job = job_of(lab, lab.build({}, type="git", name=GIT, **without), lab.build({}, type="a/b", **without))
    report = sync(lab, root, job=job)
    assert outcomes(report) == [("git", "failed", [4]), ("a/b", "failed", [4])]
    assert f"component {GIT} of type git has no files" in report.failures[0].reason


def test_components_with_files_in_one_folder_fail_and_the_rest_is_mirrored(lab, root, compose):
    job = job_of(
        lab,
        lab.build({"a": b"a"}, type="driver", name="one"),
        lab.build(compose),
        lab.build({"b": b"b"}, type="driver", name="two"),
        lab.build({}, type="driver", name="three"),
    )
    for dry_run, did in ((True, "planned"), (False, "published")):
        report = sync(lab, root, job=job, dry_run=dry_run)
        assert outcomes(report) == [
            ("driver", "failed", [2]),
            ("compose", did, []),
            ("driver", "failed", [2]),
            ("driver", "skipped", []),
        ]
        assert {failure.reason for failure in report.failures} == {"one and two would both be published as driver"}
        assert "--component-id" in report.failures[0].hint
    assert published(root) == ["compose"]


@pytest.mark.parametrize("type_", ["a/b", ".versions", "..", "x" * 256, "a\nb"])
def test_a_type_that_cannot_be_a_folder_fails_alone(lab, root, compose, type_):
    job = job_of(lab, lab.build({"a": b"a"}, type=type_), lab.build(compose))
    report = sync(lab, root, job=job)
    failed, done = report.components
    assert (failed.outcome, failed.path, done.outcome) == (Outcome.FAILED, "", Outcome.PUBLISHED)
    assert (report.exit_code, "cannot be a folder" in report.failures[0].reason) == (7, True)
    assert published(root) == ["compose"]


NAMES = ["quay.io/org/app:4.18", ".hidden", "..", "../../../etc", "x" * 300, "é" * 200, "a%2Fb", "a\nb", "a.json", "/"]


@pytest.mark.parametrize("name", NAMES)
def test_any_name_can_be_published_and_is_found_again(lab, root, name):
    lab.build({"a": b"1"}, number=1, name=name)
    (first,) = sync(lab, root, topic="RHEL-9.2").components
    assert (first.outcome, first.name) == (Outcome.PUBLISHED, name)
    assert (root / "RHEL-9.2/compose/a").read_bytes() == b"1"
    assert published(root) == ["compose"]
    assert sync(lab, root, topic="RHEL-9.2").components[0].outcome is Outcome.UNCHANGED
    assert sync(lab, root, topic="RHEL-9.2", keep=1).exit_code == 0
    lab.build({"a": b"2"}, number=2, name=f"{name}2")
    (second,) = sync(lab, root, topic="RHEL-9.2", keep=0).components
    assert (len(second.versions_removed), second.changes.changed) == (1, 1)
    assert len(names_in(root / "RHEL-9.2/.versions/compose")) == 2
    assert [path.name for path in root.parent.iterdir()] == ["dci"]


def test_a_version_that_was_published_under_its_plain_name_stays_known(lab, root, monkeypatch):
    lab.build({"a": b"1"}, name="a%41")
    with monkeypatch.context() as before:
        before.setattr("dci_downloader.mirror.publish.version_folder", lambda name: name)
        sync(lab, root, topic="RHEL-9.2")
    assert os.readlink(root / "RHEL-9.2/compose") == ".versions/compose/a%41"
    assert sync(lab, root, topic="RHEL-9.2").components[0].outcome is Outcome.UNCHANGED
    assert os.listdir(root / "RHEL-9.2/.versions/compose").count("a%41") == 1


def test_a_type_without_a_component_fails_and_the_others_are_published(lab, root):
    lab.topic = lab.catalog.add_topic("LACKING", component_types=("compose", "hwcert", "kernel"))
    lab.build({"a": b"a"}, type="hwcert")
    for dry_run, did in ((True, "planned"), (False, "published")):
        report = sync(lab, root, topic="LACKING", dry_run=dry_run)
        assert outcomes(report) == [("hwcert", did, []), ("compose", "failed", [4]), ("kernel", "failed", [4])]
        assert report.failure is None
        assert (report.components[1].name, report.components[1].path) == ("", "")
    assert published(root, "LACKING") == ["hwcert"]
    filters = (Filter("HWCERT"), Filter("hwcert", ()), Filter("nope", ("x",)))
    assert outcomes(sync(lab, root, topic="LACKING", filters=filters)) == [
        ("hwcert", "unchanged", []),
        ("nope", "failed", [4]),
    ]


def test_a_component_id_is_asked_for_once(lab, root):
    component = lab.build({"a": b"a"})
    for topic in ("", "RHEL-9.2"):
        lab.site.control.forget()
        assert sync(lab, root, topic=topic, component_id=component.id).exit_code == 0
        asked = [request.path for request in lab.site.control.requests]
        assert asked.count(f"/api/v1/components/{component.id}") == 1


# room


@pytest.fixture
def two(lab):
    """A topic with two components of 3,000 bytes each, and one of nothing new."""
    lab.topic = lab.catalog.add_topic("TWO", component_types=("one", "two"))
    lab.build({"a": b"a" * 3000}, type="one")
    lab.build({"b": b"b" * 3000}, type="two")


def free(monkeypatch, size):
    monkeypatch.setattr("dci_downloader.mirror.mirror.free_bytes", lambda path: size)


@pytest.mark.parametrize("dry_run", [False, True])
def test_room_is_needed_for_all_components_together(lab, root, two, monkeypatch, dry_run):
    room, did = Mirror(root).store.room_needed([entry(3000)]), "planned" if dry_run else "published"
    free(monkeypatch, room * 2 - 1)  # whatever comes and goes meanwhile
    report = sync(lab, root, topic="TWO", dry_run=dry_run)
    assert outcomes(report) == [("one", did, []), ("two", "failed", [6])]
    assert lab.fetched() == ([] if dry_run else ["a"])
    assert f"{room * 2:,} bytes are needed" in report.failures[0].reason
    other = root.parent / "other"
    free(monkeypatch, room * 2)
    assert sync(lab, other, topic="TWO", dry_run=dry_run).exit_code == 0


def entry(size):
    return FileEntry("x", "0" * 64, size)


def test_what_needs_no_room_is_mirrored_where_there_is_none(lab, root, two, monkeypatch):
    assert sync(lab, root, topic="TWO", filters=(Filter("one"),)).exit_code == 0
    free(monkeypatch, 0)
    assert outcomes(sync(lab, root, topic="TWO")) == [("one", "unchanged", []), ("two", "failed", [6])]


def test_a_content_that_two_components_share_is_fetched_and_counted_once(lab, root, monkeypatch):
    lab.topic = lab.catalog.add_topic("TWO", component_types=("one", "two"))
    for type_ in ("one", "two"):
        lab.build({"a": b"same" * 1000, type_: type_.encode()}, type=type_)
    report = sync(lab, root, topic="TWO")
    assert sorted(lab.fetched()) == ["a", "one", "two"]
    assert [done.files_downloaded for done in report.components] == [2, 1]
    assert [done.files_reused for done in report.components] == [0, 1]


def test_a_disk_that_fills_ends_the_run_for_the_components_after(lab, root, two, monkeypatch):
    def fetch(*_):
        asked.append(1)
        raise DiskFullError("full")

    asked = []
    monkeypatch.setattr(missing.Engine, "fetch", fetch)
    report = sync(lab, root, topic="TWO")
    assert [failure.reason for failure in report.failures] == ["full", "not tried: the run ended before its turn"]
    assert (report.exit_code, [failure.exit_code for failure in report.failures], asked) == (6, [6, 6], [1])


def test_a_component_that_found_no_room_says_so_though_the_run_ends_before_it(lab, root, two, monkeypatch):
    def fetch(*_):
        raise DiskFullError("full")

    monkeypatch.setattr(missing.Engine, "fetch", fetch)
    free(monkeypatch, Mirror(root).store.room_needed([entry(3000)]))
    reasons = [failure.reason for failure in sync(lab, root, topic="TWO").failures]
    assert reasons[0] == "full"
    assert "bytes are needed" in reasons[1]
