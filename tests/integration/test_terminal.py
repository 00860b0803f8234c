"""What people see: the program at real pseudo-terminals of several widths, and in a real terminal that is resized."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import termios
import threading
import time

import pytest

from tests.faults.server import FaultServer, forwarding
from tests.integration.conftest import needs
from tests.pseudo_terminals import keep_on_interrupt

pyte = pytest.importorskip("pyte")  # an emulator of terminals

CONTENT = 3_000_000
PROGRAM = [sys.executable, "-m", "dci_downloader"]


class Terminal:
    """A program at a terminal, and what is on its screen."""

    def __init__(self, command, columns, environ):
        self._end, other = pty.openpty()
        self._screen = pyte.HistoryScreen(columns, 50)
        self._stream = pyte.ByteStream(self._screen)
        self.raw = b""
        self._set_size(other, columns)
        keep_on_interrupt(other)
        base = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "TERM": "xterm-256color"}
        self.process = subprocess.Popen(
            command,
            stdin=other,
            stdout=other,
            stderr=other,
            env={**base, "LC_ALL": "C.UTF-8", **environ},
            preexec_fn=self._take_terminal,
            start_new_session=True,
        )
        os.close(other)

    @staticmethod
    def _take_terminal():
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # so that Ctrl-C in it is a signal

    @staticmethod
    def _set_size(terminal, columns):
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))

    def resize(self, columns):
        self._set_size(self._end, columns)
        self._screen.resize(50, columns)

    def type(self, keys):
        os.write(self._end, keys)

    @property
    def lines(self):
        return [line.rstrip() for line in self._screen.display if line.strip()]

    def read_until(self, done=lambda lines: False):
        """Read until the screen is as it is to be, or the program has ended; gives the lines."""
        deadline = time.monotonic() + 50
        while not done(self.lines):
            assert time.monotonic() < deadline, self.lines
            if not select.select([self._end], [], [], 1)[0]:
                continue
            try:
                received = os.read(self._end, 65536)
            except OSError:  # the program has ended
                break
            if not received:
                break
            self.raw += received
            self._stream.feed(received)
        return self.lines

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self._end)


@pytest.fixture
def slow_store(lab, monkeypatch):
    """A store in front of which somebody stands who lets bytes pass, or holds them up."""
    store = FaultServer(forwarding(lab.site.store.url))
    monkeypatch.setattr(lab.site.control._api, "_store_url", store.url)
    yield store
    store.flowing.set()
    store.close()


@pytest.fixture
def at_terminal(lab, tmp_path):
    opened = []

    def at_terminal(*arguments, columns=80, command=PROGRAM, **environ):
        environ = {**lab.site.environment(), **environ}
        opened.append(Terminal([*command, *map(str, arguments)], columns, environ))
        return opened[-1]

    yield at_terminal
    for terminal in opened:
        terminal.close()


def big(lab):
    lab.catalog.topics[lab.topic.id].component_types = ("compose-noinstall",)
    lab.build({"image": os.urandom(CONTENT)}, type="compose-noinstall", name="RHEL-9.2.0-20221121.2")


SLOWLY = ("--all", "--limit-rate", "150K")  # far longer than a test needs, which ends it itself


@pytest.mark.parametrize(
    ("columns", "wanted"),
    [
        (40, r"^ ?\d+%  \d\.\d/3\.0 MB +\S+ .B/s +\d:\d\d left$"),
        (60, r"^RHEL-9\.… +\d+% [█░]{10,}  \d\.\d/3\.0 MB +\S+ .B/s +\d:\d\d left$"),
        (80, r"^RHEL-9\.2\.0-20221121\.2 +\d+% [█░]{10,}  \d\.\d/3\.0 MB +\S+ .B/s +\d:\d\d left$"),
        (120, r"^RHEL-9\.2\.0-20221121\.2 +\d+% [█░]{20,}  0/1 files  \d\.\d/3\.0 MB +\S+ .B/s +\d:\d\d left$"),
    ],
)
def test_the_bar_is_one_line_at_every_width_and_gone_after_an_interruption(lab, at_terminal, tmp_path, columns, wanted):
    big(lab)
    terminal = at_terminal("RHEL-9.2", tmp_path / "m", *SLOWLY, columns=columns)
    (line,) = terminal.read_until(lambda lines: lines and re.search(wanted, lines[-1]))
    assert len(line) < columns
    terminal.type(b"\x03")
    lines = terminal.read_until()
    assert terminal.process.wait(30) == 130
    assert not any("%" in line or "^C" in line for line in lines)
    text = " ".join(line.strip() for line in lines)
    assert "interrupted" in text
    assert "here and stay" in re.sub(r"\s+", " ", text)
    assert "nothing is published yet" in text
    assert "run the same command again" in text


def test_another_width_in_mid_work_leaves_nothing_behind(lab, at_terminal, tmp_path):
    big(lab)
    terminal = at_terminal("RHEL-9.2", tmp_path / "m", *SLOWLY, columns=120)
    terminal.read_until(lambda lines: lines and "kB/s" in lines[-1])
    for columns in (60, 100, 40):
        terminal.resize(columns)
        (line,) = terminal.read_until(lambda lines: len(lines) == 1 and lines[0].endswith("left"))
        assert len(line) < columns
    terminal.resize(120)
    terminal.type(b"\x03")
    lines = terminal.read_until()
    assert terminal.process.wait(30) == 130
    assert re.match(r"✗ compose-noinstall RHEL-9\.2\.0-20221121\.2   interrupted$", lines[0])
    assert not any("%" in line for line in lines)


def test_a_terminal_that_cannot_move_its_cursor_gets_lines(lab, at_terminal, tmp_path, compose):
    lab.build(compose)
    terminal = at_terminal("RHEL-9.2", tmp_path / "m", TERM="dumb")
    lines = terminal.read_until()
    assert terminal.process.wait(30) == 0
    assert lines[0] == "RHEL-9.2.0-0: 5 files, 1.0 kB"
    assert b"\x1b" not in terminal.raw
    assert b"\r\r" not in terminal.raw.replace(b"\r\n", b"")


@pytest.mark.parametrize(
    ("environ", "coloured"),
    [
        ({}, True),
        pytest.param({"NO_COLOR": "1"}, False, marks=pytest.mark.slow),
        pytest.param({"TERM": "dumb"}, False, marks=pytest.mark.slow),
        ({"TERM": "dumb", "CLICOLOR_FORCE": "1"}, True),
    ],
)
def test_success_and_failure_have_colours_where_they_are_wanted(lab, at_terminal, tmp_path, compose, environ, coloured):
    lab.build(compose)
    terminal = at_terminal("RHEL-9.2", tmp_path / "m", **environ)
    terminal.read_until()
    assert (b"\x1b[32m\xe2\x9c\x93\x1b[0m compose" in terminal.raw) == coloured
    terminal = at_terminal("RHEL-99", tmp_path / "m", **environ)
    terminal.read_until()
    assert terminal.process.wait(30) == 4
    assert (b"\x1b[31mdci-downloader: error:\x1b[0m there is no topic" in terminal.raw) == coloured


def test_a_pipe_gets_no_colours_and_the_c_locale_no_other_letters(lab, tmp_path, compose):
    lab.build(compose)
    for locale in ({"LC_ALL": "C"}, {"LANG": "C"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}):
        environ = {"PATH": os.environ["PATH"], **lab.site.environment(), **locale}
        done = subprocess.run(
            [*PROGRAM, "RHEL-9.2", f"{tmp_path}/m"], env=environ, capture_output=True, check=True, timeout=60
        )
        assert re.search(rb"^\+ compose RHEL-9\.2\.0-0 .* -> /", done.stderr, flags=re.MULTILINE)
        assert done.stderr.isascii()


@pytest.mark.slow
def test_the_clock_ticks_while_nothing_arrives(lab, at_terminal, slow_store, tmp_path):
    big(lab)
    store = slow_store
    store.pause = 0.01
    terminal = at_terminal("RHEL-9.2", tmp_path / "m", "--all", "--patience", "9", columns=80)
    terminal.read_until(lambda lines: lines and re.search(r" [1-9]\d?% ", lines[-1]))
    store.flowing.clear()
    for second in (5, 6):
        terminal.read_until(
            lambda lines, second=second: lines and f"no data for {second} s (gives up at 9)" in lines[-1]
        )
    lines = terminal.read_until()
    assert terminal.process.wait(60) == 5
    assert "not published: 1 of 1 file failed" in lines[0]
    assert re.fullmatch(r"    \d\.\d of 3\.0 MB are here and stay", lines[1])
    assert "run the same command again: it goes on from there" in lines[-1]


@pytest.mark.slow
@needs("tmux")
def test_a_terminal_that_wraps_its_lines_anew_is_left_clean(lab, tmp_path):
    """Which most do when they get narrower: the line of the bar is two lines then."""
    big(lab)
    socket = f"dci-{os.getpid()}"
    tmux = [shutil.which("tmux"), "-L", socket, "-f", "/dev/null"]
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LC_ALL": "C.UTF-8", **lab.site.environment()}
    command = " ".join([*PROGRAM, "RHEL-9.2", f"{tmp_path}/m", *SLOWLY])

    def run(*arguments):
        done = subprocess.run([*tmux, *arguments], env=environ, capture_output=True, text=True, check=True, timeout=30)
        return [line.rstrip() for line in done.stdout.splitlines() if line.strip()]

    def wait_for(condition):
        deadline = time.monotonic() + 60
        while not condition(lines := run("capture-pane", "-p", "-t", "pane")):
            assert time.monotonic() < deadline, lines
            threading.Event().wait(0.1)
        return lines

    shell = f"sh -c 'trap : INT; {command}; echo ended $?; read line'"
    run("new-session", "-d", "-s", "pane", "-x", "120", "-y", "30", shell)
    try:
        run("set-option", "-t", "pane", "window-size", "manual")
        wait_for(lambda lines: lines and "kB/s" in lines[-1])
        for columns in (61, 100, 45):
            run("resize-window", "-t", "pane", "-x", str(columns), "-y", "30")
            lines = wait_for(lambda lines: len(lines) == 1 and lines[0].endswith("left"))
            assert len(lines[0]) < columns
        run("resize-window", "-t", "pane", "-x", "200", "-y", "30")
        run("send-keys", "-t", "pane", "C-c")
        lines = wait_for(lambda lines: lines and lines[-1] == "ended 130")
        assert lines[0] == "✗ compose-noinstall RHEL-9.2.0-20221121.2   interrupted"
        assert not any("%" in line for line in lines)
    finally:
        run("kill-server")


def test_an_outage_says_what_is_still_published(lab, tmp_path, compose):
    lab.build(compose)
    environ = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", **lab.site.environment()}
    command = [*PROGRAM, "RHEL-9.*", f"{tmp_path}/m", "--patience", "1"]
    assert subprocess.run(command, env=environ, capture_output=True, timeout=60).returncode == 0
    lab.site.control.stop()
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60)
    assert done.returncode == 5
    assert "RHEL-9.2: still published: compose RHEL-9.2.0-0\n" in done.stderr


def test_an_interruption_while_the_server_is_asked_says_that_the_same_command_goes_on(lab, tmp_path, compose):
    lab.build(compose)
    asked, go_on = threading.Event(), threading.Event()

    def hold(_):
        asked.set()
        go_on.wait(50)

    environ = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", **lab.site.environment()}
    front = FaultServer(lambda request: (hold(request), forwarding(lab.site.control.url)(request))[1])
    environ["DCI_CS_URL"] = front.url
    try:
        with subprocess.Popen([*PROGRAM, "RHEL-9.2", f"{tmp_path}/m"], env=environ, stderr=subprocess.PIPE) as process:
            assert asked.wait(50)
            process.send_signal(signal.SIGTERM)
            said = process.stderr.read().decode().splitlines()
            assert process.wait(30) == 130
    finally:
        go_on.set()
        front.close()
    said = [line for line in said if ": asking which builds there are: " not in line]  # a machine that is busy for 10 s
    assert said == ["dci-downloader: error: interrupted", "  hint: run the same command again: it goes on from there"]
