"""What starts a run at night: whether cron's PATH leads to the program."""

import os

import pytest

from dci_downloader.check.findings import Grade
from dci_downloader.check.schedule import CRON_PATH, CronLine, cron_lines, programs, schedule

COMMAND = "/usr/local/bin/dci-downloader --lock-timeout 0"


def program(folder, name="dci-downloader"):
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("text", "with_user", "found"),
    [
        ("37 3 * * * dci dci-downloader --lock-timeout 0", True, [("t:1", "dci-downloader", CRON_PATH)]),
        ("37 3 * * * dci-downloader", False, [("t:1", "dci-downloader", CRON_PATH)]),
        (f"# a\nPATH = '/x:/y'\n\n@daily root {COMMAND}", True, [("t:4", COMMAND.split()[0], "/x:/y")]),
        ("1 2 3 4 5 u cd / && (download-topic RHEL-9.2 /srv);", True, [("t:1", "download-topic", CRON_PATH)]),
        ("# 1 2 3 4 5 u dci-downloader", True, []),
        ("MAILTO=dci-downloader\n1 2 3 4 5 u echo", True, []),
        ("1 2 3", True, []),
        ("\0\n@reboot\n", True, []),
        ("1 * * * * u dci-downloader\nPATH=/late", True, [("t:1", "dci-downloader", CRON_PATH)]),
    ],
)
def test_lines_of_cron_that_start_the_program_are_read_as_cron_reads_them(text, with_user, found):
    assert list(cron_lines(text, "t", with_user=with_user)) == [CronLine(*each) for each in found]


def test_a_program_that_cron_does_not_find_is_a_failure_that_says_what_to_write(tmp_path):
    table = tmp_path / "table"
    table.write_text("37 3 * * * dci dci-downloader\n")
    (finding, *_) = schedule([table], crontab=["false"])
    if finding.grade is Grade.GOOD:
        pytest.skip("this machine has the program in /usr/bin")
    assert (finding.grade, finding.exit_code) == (Grade.FAILURE, 4)
    assert finding.text.startswith(f"{table}:1: cron does not find dci-downloader")
    assert "PATH=" in finding.hint


def test_one_that_it_finds_is_named_with_its_path(tmp_path):
    path = program(tmp_path / "bin")
    table = tmp_path / "table"
    table.write_text(f"PATH={tmp_path}/bin:/usr/bin\n37 3 * * * dci dci-downloader\n")
    own = ["echo", f"5 4 * * * {path}"]
    findings = [finding for finding in schedule([table], crontab=own) if finding.subject == "cron"]
    assert [(finding.grade, finding.text) for finding in findings] == [
        (Grade.GOOD, f"{table}:2 starts {path}"),
        (Grade.GOOD, f"crontab -l:1 starts {path}"),
    ]


def test_where_nothing_starts_a_run_a_warning_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))  # no systemctl, no crontab
    (finding,) = schedule([tmp_path / "none"])
    assert (finding.grade, finding.exit_code) == (Grade.WARNING, 0)


@pytest.mark.parametrize(("said", "grade"), [("enabled", Grade.GOOD), ("disabled", Grade.WARNING)])
def test_a_timer_is_seen(tmp_path, monkeypatch, said, grade):
    program(tmp_path / "bin", "systemctl").write_text(f"#!/bin/sh\necho {said}\n")
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    (finding,) = (each for each in schedule([tmp_path / "none"], crontab=["false"]) if each.subject == "timer")
    assert finding.grade is grade


def test_programs_that_the_settings_ask_for_are_looked_for(tmp_path):
    hook = program(tmp_path / "bin", "hook")
    environ = {"PATH": str(tmp_path / "bin")}
    assert [each.grade for each in programs(["hook"], "", environ)] == [Grade.GOOD]
    assert [each.grade for each in programs([str(hook)], "", {})] == [Grade.GOOD]
    found = list(programs(["/nowhere/hook", "-x"], "localhost:5000", environ))
    assert [(each.subject, each.exit_code) for each in found] == [("on_published", 2), ("skopeo", 2)]
