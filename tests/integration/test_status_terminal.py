"""``status`` at real pseudo-terminals of several widths."""

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios

import pytest

from tests.unit.samples import FIRST, SECOND, Sample


def lines_at(columns, *words):
    """What the program prints at a terminal of so many columns."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    environ = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    process = subprocess.Popen(
        [sys.executable, "-m", "dci_downloader", *map(str, words)],
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        env={**environ, "LC_ALL": "C.UTF-8"},
    )
    os.close(theirs)
    received = b""
    try:
        while chunk := os.read(ours, 65536):
            received += chunk
    except OSError:  # the program has ended, and with it the terminal
        pass
    finally:
        os.close(ours)
    assert process.wait(timeout=30) == 0
    return received.decode().replace("\r\n", "\n").splitlines()


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_status_fits_the_terminal(tmp_path, columns):
    sample = Sample(tmp_path / "dci")
    for name, files in (("RHEL-9.2.0-20221120.1", FIRST), ("RHEL-9.2.0-20221121.2", SECOND)):
        sample.publish(name, files, tags=("nightly", "kernel:5.14.0-284.11.1.el9_2"))
    lines = lines_at(columns, "status", sample.root)
    assert max(map(len, lines)) <= columns
    shown = " ".join(" ".join(lines).split())
    for part in ("RHEL 9.2", "compose", "RHEL-9.2.0-20221121.2", "809 bytes", "on arrival", "free"):
        assert part in shown
    assert ("PUBLISHED" in shown) == (columns >= 80)
