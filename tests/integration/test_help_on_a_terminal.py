"""Pages on a terminal: a real one with a real pager."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
from contextlib import contextmanager
from pathlib import Path

import pytest

from dci_downloader.cli import pages
from tests.integration.conftest import needs
from tests.pseudo_terminals import keep_on_interrupt

pytestmark = needs("setsid")

PATIENCE = 40  # seconds until what is waited for must be there


class Terminal:
    """A program that runs on a terminal of its own."""

    def __init__(self, master, process):
        self.master = master
        self.process = process
        self.shown = ""

    def read_until(self, text):
        """Read what is shown until there is a text in it; None reads until the program leaves."""
        while text is None or text not in self.shown:
            assert select.select([self.master], [], [], PATIENCE)[0], f"nothing more comes; so far: {self.shown!r}"
            try:
                self.shown += os.read(self.master, 65536).decode("utf-8", "replace")
            except OSError:  # EIO: nobody has the other side open any more
                assert text is None, f"it left; so far: {self.shown!r}"
                return

    def type(self, keys):
        os.write(self.master, keys)

    def leave(self):
        """Read to the end, and give the exit code."""
        self.read_until(None)
        return self.process.wait(timeout=PATIENCE)


@contextmanager
def terminal(*words, columns=80, lines=24, **environ):
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    keep_on_interrupt(slave)
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH") if name in os.environ}
    process = subprocess.Popen(
        ["setsid", "--ctty", sys.executable, "-m", "dci_downloader", *words],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env={**kept, "TERM": "xterm", "LC_ALL": "C.UTF-8", "LESSSECURE": "1", **environ},
        cwd=Path(__file__).parents[2],
    )
    os.close(slave)
    try:
        yield Terminal(master, process)
    finally:
        process.kill()
        process.wait()
        os.close(master)


def plain(shown):
    """What is shown, without escape codes."""
    return re.sub(r"\x1b(\[[0-9;?]*[A-Za-z]|[=>])|\r", "", shown)


@needs("less")
@pytest.mark.parametrize("columns", [40, 80, 120])
def test_a_page_is_shown_by_less_no_wider_than_the_terminal(columns):
    with terminal("help", "images", columns=columns) as screen:
        screen.read_until("ISO images")
        screen.type(b"q")
        assert screen.leave() == 0
        lines = plain(screen.shown).splitlines()
        assert lines[0].startswith("# Images")
        assert max(map(len, lines)) <= columns + 1  # less puts a prompt or a mark there


@needs("less")
def test_ctrl_c_is_for_the_pager():
    with terminal("help", "operations") as screen:
        screen.read_until("# Operations")
        screen.type(b"\x03")
        screen.read_until("\a")  # it rings when it heard of it
        screen.type(b"/semanage\r")  # it still looks for what one wants
        screen.read_until("public_content_t")
        screen.type(b"q")
        assert screen.leave() == 0


@needs("less")
def test_what_fits_the_screen_needs_no_key():
    with terminal("help", "help", lines=60) as screen:
        assert screen.leave() == 0
        assert "usage: dci-downloader help" in screen.shown


def test_the_users_own_pager_gets_the_page(tmp_path):
    pager = tmp_path / "my pager"
    pager.write_text('#!/bin/sh\necho "[$LESS]"\nhead -n 1\n')
    pager.chmod(0o755)
    with terminal("help", "design", PAGER=f"'{pager}'", LESS="-i") as screen:
        assert screen.leave() == 0
        assert plain(screen.shown).splitlines() == ["[-i]", pages.read("design").splitlines()[0]]


@pytest.mark.parametrize("environ", [{"PAGER": "cat"}, {"PAGER": "no-such-pager"}, {"PAGER": ""}, {"TERM": "dumb"}])
def test_without_a_pager_all_of_it_is_printed(environ):
    with terminal("help", "migration", **environ) as screen:
        assert screen.leave() == 0
        assert "\x1b" not in screen.shown
        assert screen.shown.startswith("# Coming from dci-downloader 3")
        assert pages.read("migration").split()[-1] in screen.shown


def test_a_pager_that_cannot_be_started_is_no_reason_to_show_nothing(tmp_path):
    pager = tmp_path / "pager"
    pager.write_text("no program")
    pager.chmod(0o755)
    with terminal("help", "migration", PAGER=str(pager)) as screen:
        assert screen.leave() == 0
        assert "# Coming from dci-downloader 3" in screen.shown


def test_a_pipe_whose_reader_leaves_is_no_failure():
    command = [sys.executable, "-m", "dci_downloader", "help", "python"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as program:
        program.stdout.close()
        assert program.stderr.read() == b""
        assert program.wait(timeout=PATIENCE) == 0


@pytest.mark.parametrize("encoding", ["ascii", "iso-8859-1"])
def test_what_the_encoding_lacks_is_escaped(encoding):
    command = [sys.executable, "-m", "dci_downloader", "help", "performance"]
    environ = {**os.environ, "PYTHONIOENCODING": encoding}
    done = subprocess.run(command, env=environ, capture_output=True, timeout=PATIENCE)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode(encoding).startswith("# How fast it is")
