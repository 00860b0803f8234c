import errno
import threading

import pytest

from dci_downloader.check.findings import Grade, failure, findings_of, good
from dci_downloader.errors import NotFoundError


def test_what_a_probe_found_before_its_error_counts():
    def probe():
        yield good("one", "fine")
        raise NotFoundError("gone", hint="look")

    found = findings_of("subject", probe, 30)
    assert [(each.subject, each.grade, each.exit_code, each.hint) for each in found] == [
        ("one", Grade.GOOD, 0, ""),
        ("subject", Grade.FAILURE, 4, "look"),
    ]


def test_an_error_of_the_system_is_a_finding_that_names_the_place():
    def probe():
        raise OSError(errno.ENOSPC, "No space left on device", "/srv/x")

    (found,) = findings_of("disk", probe, 30)
    assert (found.exit_code, "/srv/x" in found.text) == (6, True)


def test_a_probe_that_does_not_end_is_left_and_what_it_found_counts():
    stuck = threading.Event()

    def probe():
        yield good("one", "fine")
        stuck.wait()

    try:
        first, second = findings_of("nfs", probe, 0.5)
    finally:
        stuck.set()
    assert (first.subject, second.subject, second.exit_code) == ("one", "nfs", 5)
    assert "no answer" in second.text


def test_a_fault_of_the_program_is_no_finding():
    with pytest.raises(ZeroDivisionError):
        findings_of("x", lambda: [1 // 0], 30)


def test_a_failure_has_the_exit_code_and_the_hint_of_its_error():
    assert failure("x", NotFoundError("no", hint="look")).exit_code == 4
