import json

from dci_downloader.changes import Changes, PackageChange, PackageChangeKind
from dci_downloader.cli import report
from dci_downloader.errors import worst_exit_code
from dci_downloader.results import (
    ComponentReport,
    Failure,
    Outcome,
    Report,
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


def test_the_document_tells_which_packages_changed():
    packages = (PackageChange("bash", PackageChangeKind.UPGRADED, ("5-1",), ("5-2",), ("BaseOS/x86_64",)),)
    done = of(component(Outcome.PUBLISHED, changes=Changes("RHEL-9.2.0-0", 1, 0, 1, packages)))
    (document,) = json.loads(report.to_json([done], 1, 0))["topics"][0]["components"]
    assert [package["name"] for package in document["changes"]["packages"]] == ["bash"]


def test_the_gravest_failure_gives_the_exit_code():
    failures = (Failure("a", "x", 5), Failure("b", "y", 7), Failure("c", "z", 4))
    assert of(component(Outcome.FAILED, failures=failures)).exit_code == 7
    assert of(component(Outcome.UNCHANGED)).exit_code == 0


def test_a_topic_that_failed_as_a_whole_says_so():
    failed = Report("RHEL-99", "", (), 0.1, Failure("", "there is no topic RHEL-99", 4, "look again"))
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


def test_what_was_put_together_and_taken_up_is_counted():
    more = {"files_assembled": 1, "bytes_assembled": 9_000_000_000, "bytes_resumed": 4_000_000}
    done = component(Outcome.PUBLISHED, published="RHEL-9.2.0-1", **more)
    document = json.loads(report.to_json([of(done)], 2.5, 0))
    assert {key: document[key] for key in more} == more
    (found,) = document["topics"][0]["components"]
    assert {key: found[key] for key in more} == more
    assert (found["bytes_kept"], found["published"]) == (0, "RHEL-9.2.0-1")
