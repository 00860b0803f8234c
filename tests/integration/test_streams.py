"""Standard streams that are closed, full or read by nobody, other encodings, and errors for programs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import product

import pytest

from dci_downloader.cli.commands import COMMANDS
from dci_downloader.cli.main import main

PROGRAM = f"{sys.executable} -m dci_downloader"


@pytest.fixture
def shell(lab, compose, tmp_path):
    """A command line of bash; DEST stands for a mirror."""
    lab.build(compose)

    def shell(command, **environ):
        command = command.replace("DEST", f"{tmp_path}/dci").replace("dci-downloader", PROGRAM)
        environ = {**os.environ, **lab.site.environment(), **environ}
        done = subprocess.run(["bash", "-c", command], env=environ, capture_output=True, timeout=60)
        assert b"Traceback" not in done.stdout + done.stderr, done.stderr
        return done

    return shell


@pytest.mark.parametrize("closed", ["2>&-", "<&- 2>&-", "<&- >/dev/null 2>&- 3>&1", "2>/dev/full"])
def test_without_standard_error_json_is_all_there_is(shell, closed):
    done = shell(f"dci-downloader RHEL-9.2 DEST --all --json --verbose {closed}")
    assert done.returncode == 0
    if "null" not in closed:
        assert json.loads(done.stdout)["exit_code"] == 0
    done = shell(f"dci-downloader status DEST/no --json {closed.replace('>/dev/null', '').replace('3>&1', '')}")
    assert (done.returncode, json.loads(done.stdout)["exit_code"]) == (4, 4)


@pytest.mark.parametrize("command", ["RHEL-9.2 DEST --all --json", "topics", "--help", "--version", "topics --help"])
def test_a_closed_standard_output_stops_nothing(shell, command, tmp_path):
    assert shell(f"dci-downloader {command} >&-").returncode == 0
    assert shell(f"dci-downloader {command} >&- 2>&- <&-").returncode == 0
    if "DEST" in command:
        assert (tmp_path / "dci/RHEL-9.2/compose").is_symlink()


@pytest.mark.parametrize("command", ["topics", "RHEL-9.2 DEST --all --json", "--help", "status DEST"])
def test_a_reader_that_went_away_leaves_the_exit_code_to_the_work(shell, command):
    assert shell("dci-downloader RHEL-9.2 DEST --all").returncode == 0
    done = shell(f"exec 3> >(exec 0<&-); wait $!; dci-downloader {command} >&3")
    assert (done.returncode, done.stderr.count(b"error")) == (0, 0)


def test_a_reader_that_went_away_hides_no_failure(shell):
    done = shell("exec 3> >(exec 0<&-); wait $!; dci-downloader NOPE DEST --json >&3")
    assert (done.returncode, b"NOPE" in done.stderr) == (4, True)


@pytest.mark.parametrize("command", ["topics --json", "--version", "completion bash", "NOPE DEST --json"])
def test_a_full_disk_under_standard_output_is_6_or_what_failed_before(shell, command):
    done = shell(f"dci-downloader {command} >/dev/full")
    assert done.returncode == (4 if "NOPE" in command else 6)
    assert b"error" in done.stderr


CALLS = {
    "an unknown option": (["{command}", "--nonsense", "--json"], 2),
    "no argument": (["{command}", "--json"], 2),
    "too many arguments": (["{command}", "a", "b", "c", "d", "e", "--json"], 2),
}


@pytest.mark.parametrize(
    ("call", "command"),
    # without an argument, check is used as it should be: what it lacks is what it tells
    [each for each in product(CALLS, [*COMMANDS, "--keep"]) if each != ("no argument", "check")],
)
def test_errors_of_usage_are_json_where_that_is_asked_for(command, call, capsys, monkeypatch):
    for name in ("DCI_CLIENT_ID", "DCI_API_SECRET", "DCI_CS_URL"):
        monkeypatch.delenv(name, raising=False)
    words, _ = CALLS[call]
    code = main([word.format(command=command) for word in words])
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert document["exit_code"] == code in (2, 3)
    assert document["error"]
    assert document["error"] in err


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["status", "{dest}", "--json"], 4),
        (["verify", "{dest}", "--json"], 4),
        (["verify", "{dest}", "--repair", "--json", "--quiet"], 4),
        (["rollback", "{dest}", "RHEL-9.2", "--json"], 4),
        (["prune", "{dest}", "--json"], 4),
        (["topics", "NOPE", "--json"], 4),
        (["components", "NOPE", "--json"], 4),
        (["NOPE", "{dest}", "--json"], 4),
        (["RHEL-9.2", "--json"], 2),
        (["RHEL-9.2", "{dest}", "--js", "--keep", "x"], 2),
        (["--settings", "{dest}/none.yml", "--json"], 2),
        (["--settings", "{dest}/none.yml", "--json", "--log-format", "json"], 2),
        (["RHEL-9.2", "{dest}", "--log-file", "/nowhere/log", "--json"], 2),
        (["RHEL-9.2", "{dest}", "--metrics-file", "/nowhere/log", "--json"], 2),
        (["RHEL-9.2", "{dest}", "--dcirc", "/nowhere/log", "--json"], 2),
        (["NOPE", "{dest}", "--json", "--log-format", "json"], 4),
    ],
)
def test_a_failure_is_one_json_object_and_its_exit_code(lab, compose, tmp_path, monkeypatch, capsys, words, code):
    lab.build(compose)
    for name, value in lab.site.environment().items():
        monkeypatch.setenv(name, value)
    assert main([word.format(dest=tmp_path / "dci") for word in words]) == code
    assert json.loads(capsys.readouterr().out)["exit_code"] == code


def test_metrics_that_cannot_be_written_in_the_end_leave_one_object(lab, compose, tmp_path, monkeypatch, capsys):
    pytest.importorskip("prometheus_client")
    from dci_downloader.cli import metrics
    from dci_downloader.errors import DiskFullError

    def full(*_):
        raise DiskFullError("metrics: no room")

    lab.build(compose)
    monkeypatch.setattr(metrics, "write", full)
    for name, value in lab.site.environment().items():
        monkeypatch.setenv(name, value)
    code = main(["RHEL-9.2", f"{tmp_path}/dci", "--all", "--json", "--metrics-file", f"{tmp_path}/m.prom"])
    out, err = capsys.readouterr()
    assert (code, json.loads(out)["exit_code"], "no room" in err) == (6, 0, True)


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "utf-8", "iso8859-15:strict"])
def test_json_is_json_and_words_are_readable_in_any_encoding(lab, compose, tmp_path, shell, encoding):
    topic = lab.catalog.add_topic("RHÉL-中-\U0001f600", component_types=("compose",))
    lab.build(compose, topic=topic, name="bûild-中", number=7)
    done = shell("dci-downloader topics --json", PYTHONIOENCODING=encoding)
    assert "RHÉL-中-\U0001f600" in [each["name"] for each in json.loads(done.stdout.decode("utf-8"))["topics"]]
    for command in ("topics", "RHÉL-中-\U0001f600 DEST --all --verbose", "status DEST", "verify DEST"):
        done = shell(f"dci-downloader {command}", PYTHONIOENCODING=encoding)
        assert done.returncode == 0, done.stderr


CONTROLS = "\x1b[2J\x1b]0;title\x07\x9b31m\u202egpj.exe\u2066\x7f\x00\x85\u2028\r"


def test_escape_codes_of_names_reach_no_stream(lab, compose, tmp_path, monkeypatch, capsys):
    """Tags of the server, and names of files that somebody put into the tree."""
    lab.build({**compose}, tags=[f"tag{CONTROLS}"])
    for name, value in lab.site.environment().items():
        monkeypatch.setenv(name, value)
    dest = tmp_path / "dci"
    log = tmp_path / "log"
    assert main(["RHEL-9.2", str(dest), "--all", "--verbose", "--log-file", str(log)]) == 0
    stray = f"stray{CONTROLS}\nRHEL-9.2 compose x: whole".replace("\x00", "")
    (dest / "RHEL-9.2" / "compose" / stray).write_text("x")
    (dest / "RHEL-9.2" / "compose" / b"\xff\xfe".decode("utf-8", "surrogateescape")).write_text("x")
    main(["status", str(dest)])
    main(["verify", str(dest)])
    main(["components", "RHEL-9.2"])
    main([f"NOPE{CONTROLS}", str(dest)])
    main(["RHEL-9.2", str(dest), f"--nonsense{CONTROLS}"])
    said = "".join(capsys.readouterr()) + log.read_text()
    assert "stray" in said
    assert all(char.isprintable() or char in "\n\t" for char in said)
    assert "\nRHEL-9.2 compose x: whole" not in said


@pytest.mark.parametrize(
    ("number", "code", "says"), [(24, 2, "open files"), (28, 6, "make room"), (12, 2, "memory"), (5, 2, "disk errors")]
)
def test_what_the_system_refuses_is_no_unexpected_error(monkeypatch, capsys, number, code, says):
    def refused(*_, **options):
        raise OSError(number, os.strerror(number), "/some/file")

    monkeypatch.setattr("dci_downloader.cli.status.status", refused)
    assert main(["status", "x", "--json"]) == code
    out, err = capsys.readouterr()
    assert (json.loads(out)["exit_code"], "/some/file" in err, says in err) == (code, True, True)
