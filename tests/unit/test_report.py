import json

from dci_downloader.changes import Changes, PackageChange, PackageChangeKind
from dci_downloader.cli import report
from dci_downloader.errors import worst_exit_code
from dci_downloader.results import (
    ComponentReport,
    ContainerImage,
    ContainerImageOutcome,
    Failure,
    Outcome,
    Report,
    SourceTotals,
)


def component(outcome, **more):
    return ComponentReport(
        id="c1",
        name="RHEL-9.2.0-1",
        type="compose",
        tags=("nightly",),
        path="/srv/RHEL-9.2/compose",
        outcome=outcome,
        **more,
    )


def of(*components):
    return Report("RHEL-9.2", "t1", components, 1.23456)


def test_json_holds_the_sums_and_every_component():
    first = component(Outcome.PUBLISHED, files=3, size=30, files_downloaded=2, bytes_downloaded=20, files_reused=1)
    second = component(Outcome.UNCHANGED, files=5, size=50, files_reused=5, bytes_reused=50)
    document = json.loads(report.to_json([of(first, second)], 2.5, 0))
    assert (document["files_downloaded"], document["bytes_downloaded"], document["files_reused"]) == (2, 20, 6)
    assert (document["bytes_reused"], document["failed"], document["exit_code"], document["seconds"]) == (50, 0, 0, 2.5)
    (topic,) = document["topics"]
    assert (topic["topic"], topic["topic_id"], topic["seconds"]) == ("RHEL-9.2", "t1", 1.235)
    assert [found["outcome"] for found in topic["components"]] == ["published", "unchanged"]
    assert topic["components"][0]["tags"] == ["nightly"]


def test_json_names_each_failure():
    failure = Failure("a/b", "wrong", 7, expected="e" * 64, actual="f" * 64)
    document = json.loads(report.to_json([of(component(Outcome.FAILED, failures=(failure,)))], 1.0, 7))
    assert document["failed"] == 1
    assert document["topics"][0]["components"][0]["failures"] == [
        {"path": "a/b", "reason": "wrong", "exit_code": 7, "expected": "e" * 64, "actual": "f" * 64}
    ]


def test_words_for_what_was_published():
    done = component(
        Outcome.PUBLISHED,
        files_downloaded=2,
        bytes_downloaded=2_000_000,
        files_reused=1,
        bytes_reused=10,
        versions_removed=("RHEL-9.2.0-0",),
        bytes_removed=5_000,
        notes=("careful",),
    )
    assert list(report.to_lines(of(done))) == [
        "RHEL-9.2 compose RHEL-9.2.0-1: published in /srv/RHEL-9.2/compose"
        " (2 files, 2.0 MB fetched, 1 file, 10 bytes reused, RHEL-9.2.0-0 (5.0 kB) removed)",
        "  note: careful",
    ]


def test_words_tell_what_changed_since_the_version_before():
    (line,) = report.to_lines(of(component(Outcome.PUBLISHED, changes=Changes("RHEL-9.2.0-0", 2000, 1, 0))))
    assert line.endswith("; 2,000 added, 1 changed, 0 removed since RHEL-9.2.0-0")


def test_words_and_document_tell_which_packages_changed():
    packages = (PackageChange("bash", PackageChangeKind.UPGRADED, ("5-1",), ("5-2",), ("BaseOS/x86_64",)),)
    done = of(component(Outcome.PUBLISHED, changes=Changes("RHEL-9.2.0-0", 1, 0, 1, packages)))
    assert "  packages: 1 upgraded (bash)" in report.to_lines(done)
    (document,) = json.loads(report.to_json([done], 1, 0))["topics"][0]["components"]
    assert [package["name"] for package in document["changes"]["packages"]] == ["bash"]


def test_words_for_a_plan():
    planned = component(Outcome.PLANNED, files_downloaded=1, bytes_downloaded=7, files_reused=0)
    assert list(report.to_lines(of(planned))) == [
        "RHEL-9.2 compose RHEL-9.2.0-1: would fetch 1 file, 7 bytes, reuse 0 files, 0 bytes, remove nothing"
    ]


def test_words_for_nothing_new():
    same = component(Outcome.UNCHANGED, files=3, size=1000)
    assert list(report.to_lines(of(same))) == ["RHEL-9.2 compose RHEL-9.2.0-1: nothing new (3 files, 1.0 kB)"]


def test_words_for_what_has_no_files_and_for_a_type_without_a_component():
    skipped = component(Outcome.SKIPPED, notes=("it has no files",))
    missing = ComponentReport("", "", "hwcert", (), "", Outcome.FAILED, failures=(Failure("", "none", 4),))
    assert list(report.to_lines(of(skipped, missing))) == [
        "RHEL-9.2 compose RHEL-9.2.0-1: skipped",
        "  note: it has no files",
        "RHEL-9.2 hwcert: FAILED, nothing published (0 files, 0 bytes fetched)",
        "  none",
    ]


def test_words_for_failures_name_the_first_ten_and_each_hint_once():
    failures = tuple(Failure(f"f{number}", "gone", 5, "try again") for number in range(12))
    lines = list(report.to_lines(of(component(Outcome.FAILED, failures=failures))))
    assert lines[0] == "RHEL-9.2 compose RHEL-9.2.0-1: FAILED, nothing published (0 files, 0 bytes fetched)"
    assert lines[1:3] == ["  f0: gone", "  f1: gone"]
    assert lines[11:] == ["  … and 2 more failures; --json lists them all", "  hint: try again"]


def test_a_reason_that_names_its_file_does_not_name_it_twice():
    lines = list(
        report.to_lines(of(component(Outcome.FAILED, failures=(Failure("f", "f: bad", 7), Failure("", "all", 4)))))
    )
    assert lines[1:] == ["  f: bad", "  all"]


def test_the_gravest_failure_gives_the_exit_code():
    failures = (Failure("a", "x", 5), Failure("b", "y", 7), Failure("c", "z", 4))
    assert of(component(Outcome.FAILED, failures=failures)).exit_code == 7
    assert of(component(Outcome.UNCHANGED)).exit_code == 0


def test_a_topic_that_failed_as_a_whole_says_so():
    failed = Report("RHEL-99", "", (), 0.1, Failure("", "there is no topic RHEL-99", 4, "look again"))
    assert list(report.to_lines(failed)) == ["RHEL-99: FAILED", "  there is no topic RHEL-99", "  hint: look again"]
    document = json.loads(report.to_json([failed, of(component(Outcome.UNCHANGED))], 1.0, failed.exit_code))
    assert (document["failed"], document["exit_code"], document["topics"][1]["failure"]) == (1, 4, None)
    assert document["topics"][0]["failure"] == {
        "path": "",
        "reason": "there is no topic RHEL-99",
        "exit_code": 4,
        "hint": "look again",
    }


def test_a_lock_is_the_least_grave():
    assert worst_exit_code([75, 4]) == 4
    assert worst_exit_code([75, 0]) == 75
    assert worst_exit_code([]) == 0


def test_words_tell_where_it_came_from_if_not_all_from_the_object_store():
    received = (SourceTotals("http://lab1/dci", 2, 2_000_000), SourceTotals("object store", 0, 0))
    _, line = report.to_lines(of(component(Outcome.PUBLISHED, received=received)))
    assert line == "  from http://lab1/dci: 2 files, 2.0 MB; object store: 0 files, 0 bytes"
    alone = component(Outcome.PUBLISHED, received=(SourceTotals("object store", 2, 5),))
    assert len(list(report.to_lines(of(alone)))) == 1


def test_words_count_images_by_what_became_of_them():
    outcomes = (
        ContainerImageOutcome.COPIED,
        ContainerImageOutcome.PRESENT,
        ContainerImageOutcome.COPIED,
        ContainerImageOutcome.FAILED,
    )
    images = tuple(ContainerImage("s", "c", outcome) for outcome in outcomes)
    _, line = report.to_lines(of(component(Outcome.UNCHANGED, images=images)))
    assert line == "  images: 2 copied, 1 present, 1 failed"


def test_images_that_were_put_together_are_counted_apart():
    done = component(
        Outcome.PUBLISHED,
        files_downloaded=2,
        bytes_downloaded=2_000_000,
        files_assembled=1,
        bytes_assembled=9_000_000_000,
    )
    (line,) = report.to_lines(of(done))
    assert "(2 files, 2.0 MB fetched, 1 image put together with 9.0 GB of files that were here, 0 files" in line
    document = json.loads(report.to_json([of(done)], 2.5, 0))
    assert (document["files_assembled"], document["bytes_assembled"]) == (1, 9_000_000_000)
    assert document["topics"][0]["components"][0]["files_assembled"] == 1


def test_a_plan_says_what_is_expected_of_images():
    planned = component(
        Outcome.PLANNED, files_downloaded=1, bytes_downloaded=7, files_assembled=2, bytes_assembled=9_000
    )
    (line,) = report.to_lines(of(planned))
    assert (
        "would fetch 1 file, 7 bytes, put together 2 images with up to 9.0 kB of files that are here by then," in line
    )
