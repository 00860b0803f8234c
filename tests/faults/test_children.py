"""skopeo, in whichever way the program ends: no child and no login is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dci_downloader import container_images
from dci_downloader.errors import CancelledError
from dci_downloader.hooks import NeverStop, NullProgress
from dci_downloader.options import Network
from dci_downloader.skopeo import Login

LOGIN = {"login": "lab", "password": "pa55-word", "url": "r.example.com"}


def install(folder: Path, body: str) -> str:
    """A program in place of skopeo that notes its number; gives the PATH that finds it."""
    (folder / "bin").mkdir()
    program = folder / "bin" / "skopeo"
    program.write_text(f"#!/bin/sh\necho $$ >> {folder}/pids\n{body}\n")
    program.chmod(0o755)
    return f"{folder / 'bin'}:{os.environ['PATH']}"


PROGRAM = """
import sys
from dci_downloader.cli import signals, start
signals._SAME_MOMENT = 0.0
sys.exit(start.main())
"""


def pids(folder: Path) -> list[int]:
    path = folder / "pids"
    return list(map(int, path.read_text().split())) if path.exists() else []


def runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"  # nobody may be there who asks for how it ended


def wait_until(condition, seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def copying(lab, tmp_path):
    """The program, while it waits for several skopeos that never end."""
    topic = lab.catalog.add_topic("OSP17.1", component_types=("puddle",), registry=LOGIN)
    listed = "".join(f"- r.example.com/image{number}\n" for number in range(6)).encode()
    lab.build({"x": b"1"}, topic=topic, type="puddle", images_list=listed)
    path = install(tmp_path, "exec sleep 300")
    (tmp_path / "temporary").mkdir()
    environ = {**lab.site.environment(), "PATH": path, "TMPDIR": str(tmp_path / "temporary")}
    command = [sys.executable, "-c", PROGRAM, "OSP17.1", f"{tmp_path}/dci", "--registry", "127.0.0.1:1"]
    process = subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True)
    try:
        wait_until(lambda: len(pids(tmp_path)) == container_images.PARALLEL)
        assert all(map(runs, pids(tmp_path)))
        yield process
        wait_until(lambda: not any(map(runs, pids(tmp_path))))
        assert os.listdir(tmp_path / "temporary") == []
        assert len(pids(tmp_path)) == container_images.PARALLEL
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_every_skopeo(copying, number):
    copying.send_signal(number)
    said = copying.communicate(timeout=20)[1]
    assert copying.returncode == 130
    assert "Traceback" not in said
    assert LOGIN["password"] not in said


def test_a_second_signal_leaves_no_skopeo(copying):
    copying.send_signal(signal.SIGTERM)
    copying.send_signal(signal.SIGTERM)
    copying.communicate(timeout=20)
    assert copying.returncode == 130


def test_a_program_that_is_killed_leaves_no_skopeo(copying):
    copying.kill()
    copying.communicate(timeout=20)


def test_the_login_is_on_no_command_line_and_in_no_environment(copying, tmp_path):
    for pid in pids(tmp_path):
        for name in ("cmdline", "environ"):
            shown = Path(f"/proc/{pid}/{name}").read_bytes()
            assert LOGIN["password"].encode() not in shown
            assert b"DCI_API_SECRET" not in shown
    copying.terminate()
    copying.communicate(timeout=20)


def test_a_skopeo_that_does_not_end_when_it_is_asked_to_is_ended(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", install(tmp_path, "trap '' TERM; while :; do read -t 1 x < /dev/zero; done"))
    monkeypatch.setattr(container_images, "END_SECONDS", 0.2)

    class Begun(NeverStop):
        def requested(self) -> bool:
            return bool(pids(tmp_path))

    with pytest.raises(CancelledError):
        container_images.mirror(b"- r.example.com/a", "lab:1", Login(), Network(), NullProgress(), Begun())
    assert not any(map(runs, pids(tmp_path)))
