"""Signals in the first and the last moments of the program: its own exit code, whatever is just being imported."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

NOWHERE = {"DCI_CLIENT_ID": "remoteci/x", "DCI_API_SECRET": "y", "DCI_CS_URL": "http://127.0.0.1:1"}
NUMBERS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


def start(*command: str) -> subprocess.Popen[str]:
    environ = {"PATH": os.environ["PATH"], **NOWHERE}
    return subprocess.Popen(
        [sys.executable, *command],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # whatever the tests were started under
        preexec_fn=lambda: [signal.signal(number, signal.SIG_DFL) for number in NUMBERS] and None,
    )


WHILE_IMPORTED = """
import signal, sys
from dci_downloader.cli import start
class Finder:
    @staticmethod
    def find_spec(name, *_):
        if name == {module!r}:
            signal.raise_signal({number})
sys.meta_path.insert(0, Finder)
sys.argv[1:] = {arguments!r}
sys.exit(start.main())
"""


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("module", ["cli.main", "errors", "cli.signals"])
def test_a_signal_before_there_are_handlers_is_held_for_them(module: str, number: signal.Signals) -> None:
    arguments = ["RHEL-9.2", "/nowhere/dci", "--json"]
    code = WHILE_IMPORTED.format(module=f"dci_downloader.{module}", number=int(number), arguments=arguments)
    process = start("-c", code)
    out, err = process.communicate(timeout=20)
    assert json.loads(out)["exit_code"] == process.returncode == 130, err
    assert "Traceback" not in err


def wait_for_handlers(process: subprocess.Popen[str]) -> None:
    """Until the program catches the last of them (proc(5))."""
    while True:
        with open(f"/proc/{process.pid}/status") as status:
            caught = next(int(line.split()[1], 16) for line in status if line.startswith("SigCgt"))
        if caught >> (NUMBERS[-1] - 1) & 1:
            return
        assert process.poll() is None


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    out, err = process.communicate(timeout=20)
    assert "Traceback" not in err
    assert "Exception ignored" not in err
    return process.returncode, out + err


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize(
    "arguments", [("RHEL-9.2", "/nowhere/dci", "--patience", "9"), ("topics",)], ids=["sync", "list"]
)
def test_a_signal_while_modules_are_imported_is_130(number: signal.Signals, arguments: tuple[str, ...]) -> None:
    for milliseconds in (0, 40, 110, 230):
        process = start("-m", "dci_downloader", *arguments)
        wait_for_handlers(process)
        time.sleep(milliseconds / 1000)
        process.send_signal(number)
        assert ended(process)[0] == 130


def test_a_program_that_reads_the_report_learns_of_it() -> None:
    for milliseconds in (0, 60, 150):
        process = start("-m", "dci_downloader", "RHEL-9.2", "/nowhere/dci", "--json", "--patience", "9")
        wait_for_handlers(process)
        time.sleep(milliseconds / 1000)
        process.terminate()
        out, _ = process.communicate(timeout=20)
        assert json.loads(out)["exit_code"] == process.returncode == 130


def test_a_second_signal_at_any_time_after_the_first_is_130() -> None:
    for milliseconds in (0, 5, 20, 60):
        process = start("-m", "dci_downloader", "RHEL-9.2", "/nowhere/dci")
        wait_for_handlers(process)
        process.send_signal(signal.SIGTERM)
        time.sleep(milliseconds / 1000)
        process.send_signal(signal.SIGTERM)
        assert ended(process)[0] == 130


LAST = """
import atexit, os, signal, sys
def signals():
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(os.getpid(), number)
        sum(range(1000))
atexit.register(signals)
from dci_downloader.cli import main
sys.argv[1:] = {arguments!r}
{before}
sys.exit(main.main())
"""
FIRST = """
run = main._run
def interrupted(*arguments):
    signal.raise_signal(signal.SIGTERM)
    return run(*arguments)
main._run = interrupted
"""


@pytest.mark.parametrize(
    ("arguments", "before", "code"),
    [
        (["--version"], "", 0),
        (["--help"], "", 0),
        (["--nonsense"], "", 2),
        (["status", "/nowhere"], "", 4),
        (["RHEL-9.2", "/nowhere/dci"], FIRST, 130),
    ],
)
def test_a_signal_after_the_exit_code_is_settled_does_not_change_it(arguments, before, code) -> None:
    assert ended(start("-c", LAST.format(arguments=arguments, before=before)))[0] == code


def test_signals_that_were_ignored_stay_so() -> None:
    """As under nohup."""
    code = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n" + LAST.format(
        arguments=["--version"], before="signal.raise_signal(signal.SIGHUP)"
    )
    assert ended(start("-c", code))[0] == 0
