"""Reports say whether it worked, and raise where it did not."""

import pytest

from dci_downloader import errors
from dci_downloader.results import ComponentReport, Failure, Outcome, Report

CODES = [2, 3, 4, 5, 6, 7, 75, 130]


def report(*failures, whole=None):
    outcome = Outcome.FAILED if failures else Outcome.PUBLISHED
    return Report(
        "RHEL-9.2", "1", (ComponentReport("2", "n", "compose", (), "", outcome, failures=failures),), 1, whole
    )


def test_a_report_without_failures_is_ok_and_raises_nothing():
    assert report().ok
    report().raise_for_failures()


@pytest.mark.parametrize("code", CODES)
def test_a_failure_is_raised_by_the_class_that_has_its_exit_code(code):
    failed = report(Failure("a/b.rpm", "reason", code, "hint"))
    assert not failed.ok
    with pytest.raises(errors.DownloaderError) as caught:
        failed.raise_for_failures()
    error = caught.value
    assert type(error).exit_code == error.exit_code == code
    assert (str(error), error.hint) == ("RHEL-9.2: a/b.rpm: reason", "hint")


def test_the_worst_failure_is_raised_and_the_others_are_counted():
    failed = report(Failure("a", "status 404", 5), Failure("b", "rotten", 7), Failure("c", "status 404", 5))
    with pytest.raises(errors.IntegrityError, match=r"^RHEL-9\.2: b: rotten \(and 2 more\)$"):
        failed.raise_for_failures()


def test_a_topic_that_failed_as_a_whole_is_raised():
    failed = report(whole=Failure("", "there is no topic RHEL-9.2", 4))
    assert not failed.ok
    with pytest.raises(errors.NotFoundError, match="there is no topic"):
        failed.raise_for_failures()


def test_what_nobody_foresaw_is_raised_by_the_base():
    with pytest.raises(errors.DownloaderError) as caught:
        report(Failure("a", "odd", 1)).raise_for_failures()
    assert type(caught.value) is errors.DownloaderError
