"""The TAB key in real shells."""

import os
import pty
import select
import subprocess
import sys
import time

import pytest

from dci_downloader.cli import completion
from dci_downloader.cli.main import main
from tests.integration.conftest import needs

TYPED = [
    ("dci-downloader stat\t\n", "<status>"),
    ("dci-downloader status --js\t\n", "<status><--json>"),
    ("dci-downloader completion fi\t\n", "<completion><fish>"),
    ("dci-downloader --dry\t\n", "<--dry-run>"),
    ("dci-downloader RHEL-9.2 /srv --pack\t\n", "<RHEL-9.2></srv><--package-filter>"),
    ("dci-downloader --filter compose:nightly --verb\t\n", "<--filter><compose:nightly><--verbose>"),
    ("dci-downloader --settings lab7\t\n", "<--settings><lab7.yml>"),
    ("dci-downloader RHEL-9.2 mirr\t\n", "<RHEL-9.2><mirror>"),
]
SHELLS = {
    "bash": (["bash", "--norc", "-i"], ". ./script\n"),
    "zsh": (["zsh", "-f", "-i"], "fpath=($PWD $fpath); autoload -U compinit; compinit -u -D\n"),
}


@pytest.fixture
def script(tmp_path, capsys):
    """A folder with things to complete, and the script for a shell in it, under both names that shells want."""

    def script(shell):
        assert main(["completion", shell]) == 0
        text = capsys.readouterr().out
        for name in ("script", "_dci-downloader"):
            (tmp_path / name).write_text(text)
        (tmp_path / "lab7.yml").touch()
        (tmp_path / "mirror").mkdir()
        return tmp_path

    return script


class Terminal:
    """A shell at a terminal."""

    def __init__(self, command, folder):
        self._end, shell = pty.openpty()
        environ = {"PATH": os.environ["PATH"], "HOME": str(folder), "TERM": "dumb", "PS1": "$ ", "LC_ALL": "C.UTF-8"}
        self._process = subprocess.Popen(
            command, stdin=shell, stdout=shell, stderr=shell, cwd=folder, env=environ, start_new_session=True
        )
        os.close(shell)

    def type(self, text, expected):
        """Type a text and read until something comes; gives all that came if it does not come."""
        os.write(self._end, text.encode())
        shown, deadline = "", time.monotonic() + 20
        while expected not in shown and time.monotonic() < deadline:
            if select.select([self._end], [], [], 1)[0]:
                shown += os.read(self._end, 65536).decode(errors="replace")
        return shown

    def close(self):
        os.close(self._end)
        self._process.kill()
        self._process.wait()


@pytest.mark.parametrize("shell", [pytest.param(shell, marks=needs(shell)) for shell in SHELLS])
def test_bash_and_zsh_complete_commands_options_and_files(script, shell):
    command, setup = SHELLS[shell]
    terminal = Terminal(command, script(shell))
    try:
        terminal.type(setup, "$ ")
        ready = "dci-downloader() { printf 'ran'; printf '<%s>' \"${@%/}\"; echo .; }; echo re''ady\n"
        assert "ready" in terminal.type(ready, "\nready")
        for typed, wanted in TYPED:
            assert f"ran{wanted}." in terminal.type(typed, f"ran{wanted}.")
        # a value that nothing can be offered for: no complaint of the script appears
        assert "not found" not in terminal.type("dci-downloader --filter x\t\n", "ran<--filter><x>.")
    finally:
        terminal.close()


@needs("fish")
def test_fish_completes_commands_options_and_files(script):
    folder = script("fish")
    for typed, wanted in TYPED:
        line = typed[: typed.index("\t")]
        program = f"source script; complete -C {line!r}"
        done = subprocess.run(
            ["fish", "--no-config", "-c", program],
            cwd=folder,
            env={"PATH": os.environ["PATH"], "HOME": str(folder), "LC_ALL": "C.UTF-8"},
            capture_output=True,
            text=True,
            check=True,
        )
        offered = [shown.split("\t")[0].rstrip("/") for shown in done.stdout.splitlines()]
        assert offered == [wanted.rpartition("<")[2][:-1]], line


def test_without_shtab_it_says_what_to_install(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(completion, "_BUILT", tmp_path / "nowhere")  # as in a checkout; an sdist has it
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert main(["completion", "bash"]) == 2
    assert "pip install 'dci-downloader[completion]'" in capsys.readouterr().err


def test_what_was_built_with_the_program_needs_no_shtab(monkeypatch, tmp_path, capsys):
    (tmp_path / "bash").write_text("# built")
    monkeypatch.setattr(completion, "_BUILT", tmp_path)
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert main(["completion", "bash"]) == 0
    assert capsys.readouterr().out == "# built\n"
