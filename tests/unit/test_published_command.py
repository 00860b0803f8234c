"""The command that is run after a publication: what it gets, what becomes of it, and that it does not outlive a run."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from contextlib import nullcontext
from dataclasses import replace
from unittest.mock import patch

import pytest

from dci_downloader import published_command
from dci_downloader.errors import CancelledError
from dci_downloader.hooks import NeverStop, NullProgress
from dci_downloader.published_command import run_for_published
from dci_downloader.results import Changes, ComponentReport, Failure, Outcome, Report

SECRET = "s3cret-of-the-remoteci"
STAY = "echo started; sleep 1000 & {} & wait"


class Said(NullProgress):
    def __init__(self):
        self.lines = []

    def detail(self, text):
        self.lines.append(text)


class Requested(NeverStop):
    """Is requested once the event is set."""

    def __init__(self):
        self.event = threading.Event()

    def requested(self):
        return self.event.is_set()


def component(name="RHEL-9.2.0-2", outcome=Outcome.PUBLISHED, **more):
    changes = Changes("RHEL-9.2.0-1", 1, 2, 3)
    return ComponentReport("7", name, "compose", ("nightly",), "dci/RHEL-9.2/compose", outcome, changes=changes, **more)


def report(*components):
    return Report("RHEL-9.2", "t1", components or (component(),), 1.0)


def taken_notice(_, component_type):
    """There is a notice of every type but one."""
    return nullcontext(None if component_type == "told" else "RHEL-9.2.0-1")


def run(*command, reports=None, progress=None, stop=None, **options):
    with patch.object(published_command, "taken_notice", taken_notice):
        return run_for_published(reports or report(), None, command, progress or Said(), stop or NeverStop(), **options)


def shell(script, **options):
    return run("sh", "-c", script, **options)


def failure_of(done):
    (failure,) = done.failures
    return failure


@pytest.fixture
def pipe(tmp_path):
    """A named pipe, whose reader sees the end once no process has it open any more."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    return path


def test_it_gets_the_report_on_standard_input_and_what_was_published_where(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    script = 'cat > report; printf "%s\\n" "$DCI_TOPIC" "$DCI_COMPONENT" "$DCI_PATH" "$DCI_PREVIOUS" > env'
    done = shell(script)
    assert done == report()
    assert (tmp_path / "env").read_text().splitlines() == [
        *("RHEL-9.2", "RHEL-9.2.0-2", f"{tmp_path}/dci/RHEL-9.2/compose", "RHEL-9.2.0-1")
    ]
    document = json.loads((tmp_path / "report").read_text())
    (only,) = document["components"]
    assert (document["topic"], only["name"], only["outcome"]) == ("RHEL-9.2", "RHEL-9.2.0-2", "published")


def test_it_runs_once_for_each_component_that_was_published_and_for_no_other(tmp_path):
    here = (Outcome.PUBLISHED, Outcome.UNCHANGED)
    others = [component(str(outcome), outcome) for outcome in Outcome if outcome not in here]
    told = [replace(component(str(outcome), outcome), type="told") for outcome in here]
    reports = report(component("a"), *others, *told, component("b"))
    assert shell(f'echo "$DCI_COMPONENT" >> {tmp_path}/names', reports=reports) == reports
    assert (tmp_path / "names").read_text() == "a\nb\n"


def test_no_shell_sees_its_words(tmp_path):
    run("sh", "-c", f'printf %s "$1" > {tmp_path}/word', "x", "$HOME `id` * ; é")
    assert (tmp_path / "word").read_text() == "$HOME `id` * ; é"


def test_its_environment_holds_no_secret(tmp_path, monkeypatch):
    secrets = {
        "DCI_CLIENT_ID": "remoteci/1",
        "DCI_API_SECRET": SECRET,
        "DCI_CS_URL": f"https://me:{SECRET}@cs",
        "OTHER_NAME": f"--secret={SECRET}",
        "HTTPS_PROXY": "http://user:hidden-word@proxy:3128",
        "SSO_TOKEN": "hidden-token",
        "GITHUB_TOKEN": "hidden-github",
        "AWS_SECRET_ACCESS_KEY": "hidden-aws",
        "DB_PASSWORD": "hidden-db",
    }
    for name, value in {**secrets, "DCI_LOCAL_REPO": "/srv/dci", "LANG": "C.UTF-8"}.items():
        monkeypatch.setenv(name, value)
    shell(f"env > {tmp_path}/env")
    text = (tmp_path / "env").read_text()
    assert SECRET not in text
    assert "hidden" not in text
    assert "DCI_LOCAL_REPO=/srv/dci\n" in text
    assert "LANG=C.UTF-8\n" in text
    assert f"PATH={os.environ['PATH']}\n" in text


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo one; echo 'no room at the registry' >&2; exit 3", "sh ended with 3: no room at the registry"),
        ("exit 1", "sh ended with 1"),
        ("kill -KILL $$", "sh was ended by signal 9"),
    ],
)
def test_its_failure_is_one_of_the_component_that_stays_published(script, reason):
    done = shell(script)
    failure = failure_of(done)
    assert (failure.reason, failure.exit_code, done.exit_code) == (f"on_published: {reason}", 1, 1)
    assert "published all the same" in failure.hint
    assert done.components[0].outcome is Outcome.PUBLISHED


def test_a_failure_does_not_keep_the_next_component_from_its_turn(tmp_path):
    done = shell(f'echo x >> {tmp_path}/runs; [ "$DCI_COMPONENT" = b ]', reports=report(component("a"), component("b")))
    assert (tmp_path / "runs").read_text() == "x\nx\n"
    assert [len(each.failures) for each in done.components] == [1, 0]


def test_failures_from_before_stay(tmp_path):
    before = Failure("", "an image", 5)
    done = shell("exit 1", reports=report(component(failures=(before,))))
    assert done.failures[0] == before
    assert done.exit_code == 5


@pytest.mark.parametrize("made", ["nothing", "folder", "not executable", "no program"])
def test_a_program_that_cannot_be_run_is_a_failure(tmp_path, made):
    path = tmp_path / "program"
    if made == "folder":
        path.mkdir()
    elif made != "nothing":
        path.write_bytes(b"\x7fELF of another machine")
        path.chmod(0o644 if made == "not executable" else 0o755)
    reason = failure_of(run(str(path))).reason
    assert reason.startswith(f"on_published: {path} ")
    assert ("Exec format error" in reason) == (made == "no program")


def test_a_command_that_reads_nothing_or_a_part_does_not_matter():
    large = report(component(notes=("x" * 300_000,)))
    assert shell("exec <&-; true", reports=large).exit_code == 0
    assert shell("head -c 1", reports=large).exit_code == 0
    assert shell("[ $(wc -c) -gt 300000 ]", reports=large).exit_code == 0


def test_much_output_is_read_and_its_end_kept():
    said = Said()
    done = shell("head -c 3000000 /dev/zero | tr '\\0' x; echo; echo the end; exit 2", progress=said)
    assert failure_of(done).reason.endswith("ended with 2: the end")
    assert sum(map(len, said.lines)) < 100_000


def test_output_cannot_drive_a_terminal():
    said = Said()
    done = shell("printf 'a\\033[2Jb\\377\\n'; exit 1", progress=said)
    assert all("\x1b" not in text for text in (*said.lines, failure_of(done).reason))


def test_a_command_that_closes_its_output_is_waited_for():
    assert failure_of(shell("exec >&- 2>&-; sleep 0.3; exit 4")).reason.endswith("ended with 4")


def test_a_daemon_that_it_leaves_is_not_waited_for_and_lives(pipe):
    # the daemon keeps standard output open, as careless ones do
    reading = os.open(pipe, os.O_RDWR)
    done = shell(f"setsid sh -c 'trap \"\" PIPE; read x; echo $x >> {pipe}' < {pipe} & exit 0")
    assert done.exit_code == 0
    os.write(reading, b"alive\n")
    os.close(reading)


@pytest.fixture
def pipe_ends(pipe):
    """Whether the pipe comes to its end: nobody has it open any more."""
    ended = threading.Event()

    def read():
        with open(pipe) as file:
            file.read()
        ended.set()

    def ends():
        os.close(os.open(pipe, os.O_RDWR))  # or else a command that was ended before it opened it is waited for
        return ended.wait(30)

    threading.Thread(target=read, daemon=True).start()
    return ends


@pytest.mark.parametrize(
    "child", ["sleep 1000", "setsid sleep 1000", "timeout 1000 sleep 1000", "sh -c 'sleep 1000; :'"]
)
@pytest.mark.parametrize("traps", ["", "trap '' TERM; "])
def test_one_that_takes_too_long_is_ended_with_all_it_has_started(pipe, pipe_ends, monkeypatch, child, traps):
    monkeypatch.setattr("dci_downloader.published_command.GRACE", 0.2)
    done = shell(f"exec > {pipe}; {traps}{STAY.format(child)}", longest=0.5)
    assert "took longer than" in failure_of(done).reason
    assert pipe_ends()


def test_what_it_starts_while_it_is_being_ended_is_ended_too(pipe, pipe_ends, monkeypatch):
    monkeypatch.setattr("dci_downloader.published_command.GRACE", 0.2)
    busy = "trap '' TERM; i=0; while [ $i -lt 800 ]; do setsid sleep 1000 & i=$((i+1)); done; wait"
    done = shell(f"exec > {pipe}; {busy}", longest=0.1)
    assert "took longer than" in failure_of(done).reason
    assert pipe_ends()


def test_a_request_to_end_ends_it_with_all_it_has_started(pipe):
    stop = Requested()
    ended = threading.Event()

    def read():
        with open(pipe) as file:
            file.readline()
            stop.event.set()
            file.read()
        ended.set()

    threading.Thread(target=read, daemon=True).start()
    with pytest.raises(CancelledError):
        shell(f"exec > {pipe}; {STAY.format('setsid sleep 1000')}", stop=stop)
    assert ended.wait(30)


PROGRAM = """
import sys
from tests.unit.test_published_command import shell
shell(sys.argv[1])
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_it_does_not_outlive_a_run_that_is_killed(pipe, number):
    script = f"exec > {pipe}; echo started; exec sleep 1000"
    with subprocess.Popen([sys.executable, "-c", PROGRAM, script]) as process, open(pipe) as file:
        assert file.readline() == "started\n"
        process.send_signal(number)
        assert file.read() == ""


def test_a_path_without_programs_is_a_failure(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    assert "is no program" in failure_of(run("sh", "-c", "true")).reason
    sh = shutil.which("sh", path="/bin:/usr/bin")
    assert run(sh, "-c", "true").exit_code == 0
