import json
import threading
from datetime import timedelta

import pytest

from dci_downloader.changes import Changes, PackageChange, PackageChangeKind
from dci_downloader.mirror import history
from dci_downloader.mirror.history import MOST_BUILDS, MOST_RUNS, History, read_history, record_run
from dci_downloader.mirror.mirror import Mirror
from dci_downloader.results import ComponentReport, Failure, Outcome, Report

UPGRADE = PackageChange("bash", PackageChangeKind.UPGRADED, ("5-1",), ("5-2",), ("BaseOS/x86_64",), False, True)


def component(name="c1", outcome=Outcome.PUBLISHED, type="compose", **more):
    return ComponentReport(f"id-{name}", name, type, (), "/p", outcome, files=3, size=1000, **more)


def report(*components, topic="RHEL 9.2", failure=None):
    return Report(topic, "t1", components, 1.0, failure)


@pytest.fixture
def mirror(sample):
    sample.fill({})
    return sample.mirror


@pytest.fixture
def path(mirror):
    return mirror.store.root / "runs.json"


def test_a_run_and_what_it_published_can_be_read_again(sample, mirror):
    sample.publish("c1", {"a": b""})
    changes = Changes("c0", 1, 2, 3, (UPGRADE,))
    failed = component("h1", Outcome.FAILED, "hwcert", failures=(Failure("f", "no", 5), Failure("g", "no", 5)))
    record_run(mirror, [report(component(changes=changes, bytes_downloaded=7), failed), report(topic="other")], 12.5)
    found = read_history(mirror)
    (run,) = found.runs
    assert (run.seconds, run.exit_code, run.ended_at.utcoffset()) == (12.5, 5, timedelta())
    first, other = run.topics
    assert (first.topic, first.published, first.unchanged, first.size) == ("RHEL 9.2", ("compose c1",), 0, 7)
    assert (first.reason, other.reason) == ("f: no (and 1 more)", "")
    (build,) = found.builds_of("RHEL 9.2", "compose")
    assert (build.version, build.since, build.files, build.size, build.packages) == ("c1", "c0", 3, 1000, (UPGRADE,))
    assert found.builds_of("RHEL 9.2", "hwcert") == ()


def test_runs_and_builds_are_bounded_and_only_the_newest_build_has_its_packages(mirror):
    for number in range(MOST_RUNS + 5):
        record_run(mirror, [report(component(f"c{number}", changes=Changes("c", packages=(UPGRADE,))))], number)
    found = read_history(mirror)
    assert [run.seconds for run in found.runs] == list(range(MOST_RUNS + 4, 4, -1))
    builds = found.builds_of("RHEL 9.2", "compose")
    assert len(builds) == MOST_BUILDS
    assert [len(build.packages) for build in builds] == [1] + [0] * (MOST_BUILDS - 1)


def test_packages_beyond_a_number_are_counted(mirror, path):
    many = tuple(UPGRADE._replace(name=f"p{number}") for number in range(history._MOST_PACKAGES + 7))
    record_run(mirror, [report(component(changes=Changes("c", packages=many)))], 1)
    (build,) = read_history(mirror).builds
    assert (len(build.packages), build.more_packages) == (history._MOST_PACKAGES, 7)


def test_a_reason_holds_no_login_and_is_not_longer_than_a_line_or_two(mirror, path):
    failure = Failure("", "http://me:secret@proxy.example.com:3128/ refused; " + "x" * 5000, 5)
    record_run(mirror, [report(failure=failure)], 1)
    assert "secret" not in path.read_text()
    (topic,) = read_history(mirror).runs[0].topics
    assert topic.reason.startswith("http://proxy.example.com:3128/ refused")
    assert len(topic.reason) <= 500


def test_where_there_is_no_mirror_nothing_is_made(tmp_path):
    record_run(Mirror(tmp_path / "no"), [report(component())], 1)
    record_run(Mirror(f"/{'x' * 300}"), [report(component())], 1)
    record_run(Mirror(f"{tmp_path}{'/x' * 3000}"), [report(component())], 1)
    assert list(tmp_path.iterdir()) == []
    assert read_history(Mirror(tmp_path / "no")) == History()


@pytest.mark.parametrize("content", [b"", b"\0" * 64, b"[]", b"1", b"{", b"[" * 100_000, b"\xff", b'{"entries": 1}'])
def test_a_damaged_history_is_empty_and_the_next_run_begins_another(mirror, path, content):
    path.write_bytes(content)
    assert read_history(mirror) == History()
    record_run(mirror, [report(component())], 1)
    assert len(read_history(mirror).runs) == 1


@pytest.mark.parametrize("part", ["runs", "builds"])
@pytest.mark.parametrize("value", [None, "x", -1, 1e400, float("nan"), [], {}, True, "\ud800", [1]])
def test_what_is_damaged_in_a_history_is_left_out_and_the_rest_stays(mirror, part, value):
    path = mirror.store.root / f"{part}.json"
    for number in range(2):
        record_run(mirror, [report(component(f"c{number}", changes=Changes("c", packages=(UPGRADE,))))], number)
    whole = json.loads(path.read_text())
    for field in whole["entries"][0]:
        first = {**whole["entries"][0], field: value}
        path.write_text(json.dumps({**whole, "entries": [first, *whole["entries"][1:]]}))
        found = read_history(mirror)
        assert len(getattr(found, part)) in (1, 2), field
        assert min(len(found.runs), len(found.builds)) >= 1


def test_something_else_in_its_place_is_no_reason_to_fail(mirror, path):
    path.symlink_to("/etc/passwd")
    assert read_history(mirror) == History()
    record_run(mirror, [report(component())], 1)
    assert len(read_history(mirror).runs) == 1
    path.unlink()
    path.mkdir()
    record_run(mirror, [report(component())], 1)
    assert read_history(mirror).runs == ()


def test_runs_that_end_side_by_side_are_all_there(mirror):
    threads = [
        threading.Thread(target=record_run, args=(mirror, [report(topic=f"t{number}")], 1)) for number in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {run.topics[0].topic for run in read_history(mirror).runs} == {f"t{number}" for number in range(8)}


def test_a_disk_that_is_full_loses_the_run_and_nothing_else(mirror, path, monkeypatch):
    record_run(mirror, [report(component())], 1)
    before = path.read_bytes()

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(history, "replace_atomically", full)
    record_run(mirror, [report(component())], 2)
    assert path.read_bytes() == before
