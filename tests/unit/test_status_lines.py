"""What the command ``status`` prints."""

from dataclasses import replace
from datetime import timedelta

import pytest

from dci_downloader.cli import status as status_module
from dci_downloader.cli.status import status
from dci_downloader.mirror.fetching import Fetching
from dci_downloader.mirror.mirror import Mirror
from dci_downloader.mirror.status import Status, StatusRow
from tests.unit.samples import FIRST, SECOND, Clock

NOW = Clock().now
OLD = NOW - timedelta(hours=2, minutes=5)
ROW = StatusRow(
    "RHEL-9.2",
    "compose",
    "RHEL-9.2.0-20221121.2",
    tags=("nightly", "kernel:5.14.0-284.11.1.el9_2"),
    files=52_345,
    size=7_100_000_000,
    published_at=OLD,
    last_verified=NOW - timedelta(days=3),
    kept=("RHEL-9.2.0-20221120.1",),
)
PLAIN = StatusRow("RHEL-9.2", "hwcert", "hwcert-1679572343", files=1, size=40_000, published_at=OLD)
DAMAGED = StatusRow("RHEL 7 ELS", "compose", "c1", damaged=True, problems=("c1: its record is missing: run verify",))
RUN = Fetching("RHEL-9.2", "compose", "RHEL-9.2.0-3", 1000, 4_000_000_000, 250, 1_000_000_000, OLD, NOW, True)
LEFT = Fetching("RHEL-9.3", "compose", "RHEL-9.3.0-1", 10, 2000, 1, 1000, OLD, OLD)
FOUND = Status((ROW, PLAIN, DAMAGED), 14_000_000_000, 6_000_000_000, 82_000_000_000, (RUN, LEFT), 3, 1_200_000_000)


@pytest.fixture
def lines(monkeypatch, tmp_path):
    """The lines for a status, as a function."""

    def lines(found=FOUND, **options):
        monkeypatch.setattr(status_module, "read_status", lambda _: found)
        mirror = Mirror(tmp_path, clock=lambda: NOW)
        return status(mirror, **options).lines

    return lines


def test_without_a_terminal_there_is_all_of_it(lines):
    assert lines() == [
        "TOPIC       TYPE     VERSION                SIZE     PUBLISHED  VERIFIED    FILES   OLDER                "
        "  TAGS",
        "RHEL-9.2    compose  RHEL-9.2.0-20221121.2  7.1 GB   2 h ago    3 d ago     52,345  RHEL-9.2.0-20221120.1"
        "  nightly,kernel:5.14.0-284.11.1.el9_2",
        "RHEL-9.2    hwcert   hwcert-1679572343      40.0 kB  2 h ago    on arrival  1       -                      -",
        "RHEL 7 ELS  compose  c1                     0 bytes  -          DAMAGED     0       -                      -",
        "RHEL-9.2 compose RHEL-9.2.0-3: being fetched for 2 h 5 min, 1.0 GB of 4.0 GB, 250 of 1,000 files are here",
        "RHEL-9.3 compose RHEL-9.3.0-1: not finished (2 h ago), 1.0 kB of 2.0 kB, 1 of 10 files are here;"
        " the next sync goes on there",
        "14.0 GB in all versions, of which hard links save 6.0 GB; 1.2 GB in 3 unfinished files; 82.0 GB free",
        "RHEL 7 ELS compose c1: its record is missing: run verify",
    ]


@pytest.mark.parametrize("width", [20, 30, 40, 60, 70, 80, 100, 120, 200])
def test_no_line_is_wider_than_the_terminal(lines, width):
    shown = lines(width=width)
    whole = max(len(word) for line in shown for word in line.split()) + 2
    assert max(map(len, shown)) <= max(width, whole)
    text = " ".join(" ".join(shown).split())
    for part in ("RHEL-9.2.0-20221121.2", "hwcert-1679572343", "7.1 GB", "2 h ago", "DAMAGED", "on arrival", "82.0 GB"):
        assert part in text


def test_80_columns_have_a_table_and_40_a_block_for_each_row(lines):
    wide, narrow = lines(width=80), lines(width=40)
    assert wide[0].split() == ["TOPIC", "TYPE", "VERSION", "SIZE", "PUBLISHED", "VERIFIED"]
    assert narrow[:4] == [
        "RHEL-9.2 compose",
        "  RHEL-9.2.0-20221121.2",
        "  7.1 GB, published 2 h ago, verified 3",
        "    d ago",
    ]


def test_what_is_held_says_so(lines):
    held = Status((replace(ROW, held=True), replace(DAMAGED, held=True)), 1, 0)
    assert "  3 d ago, held  " in lines(held)[1]
    assert "  DAMAGED, held  " in lines(held)[2]
    assert "d ago, held" in " ".join(line.strip() for line in lines(held, width=40))


def test_times_in_utc_where_they_are_asked_for(lines):
    shown = lines(utc=True)
    assert "2026-10-31 21:55Z  2026-10-29 00:00Z" in shown[1]
    assert "not finished (2026-10-31 21:55Z)" in shown[5]


def test_an_empty_mirror_says_so(lines):
    assert lines(Status((), 0, 0, 5)) == ["nothing is published yet", "5 bytes free"]
    assert lines(Status((), 0, 0, None)) == [
        "nothing is published yet",
        "how much is free the file system does not say",
    ]


def test_names_of_others_are_made_fit_for_a_terminal(lines):
    found = Status((StatusRow("RHEL", "compose", "a\x1b[2J\nb", files=1, size=1, published_at=OLD),), 1, 0)
    for width in (None, 80, 30):
        assert "\x1b" not in "".join(lines(found, width=width))
        assert all("\n" not in line for line in lines(found, width=width))


def test_a_real_mirror_as_a_document(sample):
    sample.publish("c1", FIRST)
    sample.publish("c2", SECOND)
    document = status(sample.mirror).document
    (version,) = document["versions"]
    assert (version["version"], version["kept"], version["last_verified"]) == ("c2", ["c1"], None)
    assert version["published_at"].endswith("+00:00")
    assert document["free"] > 0
    assert (document["fetching"], document["unfinished_files"], document["unfinished_bytes"]) == ([], 0, 0)


def test_what_runs_as_a_document(lines, monkeypatch, tmp_path):
    monkeypatch.setattr(status_module, "read_status", lambda _: FOUND)
    running, left = status(Mirror(tmp_path, clock=lambda: NOW)).document["fetching"]
    assert (running["running"], running["files_done"], running["began_at"]) == (True, 250, OLD.isoformat())
    assert (left["running"], left["size"], left["seen_at"]) == (False, 2000, OLD.isoformat())
