from dci_downloader.cli.failure_lines import failure_lines
from dci_downloader.results import Failure


def lines(*failures, **options):
    return list(failure_lines(failures, **options))


def test_one_failure_names_its_file_once():
    assert lines(Failure("f", "f: bad", 7), Failure("", "all", 4)) == ["f: bad", "all"]
    assert lines(Failure("f", "bad", 7)) == ["f: bad"]


def test_failures_of_one_reason_are_one_line_and_their_hint_comes_once():
    failures = [Failure(f"f{number}", "HTTP 503 by h:80", 5, "try later") for number in range(3)]
    other = Failure("x", "HTTP 404 by h:80", 5, "")
    assert lines(*failures, other) == ["3 files: HTTP 503 by h:80", "x: HTTP 404 by h:80", "hint: try later"]


def test_what_differs_from_file_to_file_makes_no_other_reason():
    wrong = [
        Failure(f"f{n}", f"f{n}: does not match (expected sha256 {n:064x}, got {n + 9:064x})", 7) for n in range(3)
    ]
    short = [Failure(f"g{n}", f"ended at byte {n:,}, {n * 1000:,} bytes early", 5) for n in range(1000, 1004)]
    assert lines(*wrong, *short) == [
        "3 files: does not match (expected sha256 …, got …)",
        "4 files: ended at byte …, … bytes early",
    ]


def test_statuses_and_ports_stay_apart():
    failures = [Failure("a", "HTTP 500", 5), Failure("b", "HTTP 502", 5), Failure("c", "h:80: refused", 5)]
    assert len(lines(*failures, Failure("d", "h:81: refused", 5))) == 4


def test_the_first_ten_names_are_for_those_who_ask():
    failures = [Failure(f"f{number:02}", "gone", 5) for number in reversed(range(12))]
    assert lines(*failures) == ["12 files: gone"]
    verbose = lines(*failures, verbose=True)
    assert verbose[1:3] == ["  f00", "  f01"]
    assert verbose[-1] == "  … and 2 more; --json lists all"
    assert len(lines(*failures[:10], verbose=True)) == 11


def test_many_reasons_are_cut_off():
    found = lines(*(Failure("a", chr(97 + number) * 3, 5) for number in range(15)))
    assert (len(found), found[-1]) == (11, "… and 5 more failures for other reasons; --json lists all")
