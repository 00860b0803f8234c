"""The demo: what a newcomer sees."""

import os
import re
import signal
import subprocess
import sys

import pytest

from dci_downloader import ControlServer, Mirror, SettingsError, environment, sync_topic
from dci_downloader.demo import walkthrough


def test_the_demo_tells_a_true_story(tmp_path):
    told = []
    assert walkthrough.run(str(tmp_path / "demo"), told.append) == 0
    text = "\n".join(told)
    assert re.search(r"compose RHEL-9\.2\.0-20221120\.1: \d+ files, [\d.]+ MB fetched", text)
    assert re.search(r"\d+ files, [\d.]+ kB fetched; \d+ files were here already", text)
    assert "Interrupted after 1.5 MB" in text
    sizes = re.search(r"Run again: ([\d.]+) (kB|MB) fetched, ([\d.]+) MB taken up", text).groups()
    fetched, before = float(sizes[0]) / {"kB": 1000, "MB": 1}[sizes[1]], float(sizes[2])
    assert fetched + before == pytest.approx(6.3, abs=0.2)
    assert before >= 1.5
    assert "0 damages" in text
    compose = tmp_path / "demo/RHEL-9.2/compose"
    assert os.readlink(compose) == ".versions/compose/RHEL-9.2.0-20221121.2+" + os.readlink(compose)[-8:]
    assert (compose / ".composeinfo").is_file()


def test_without_a_folder_it_makes_one(monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.mkdtemp", lambda prefix: str(tmp_path))
    assert walkthrough.run(None, lambda line: None) == 0
    assert (tmp_path / "RHEL-9.2").is_dir()


@pytest.mark.parametrize("kind", ["file", "full", "link"])
def test_a_folder_that_holds_something_is_left_alone(tmp_path, kind):
    place = tmp_path / "place"
    if kind == "file":
        place.write_text("mine")
    elif kind == "full":
        place.mkdir()
        (place / "mine").write_text("mine")
    else:
        place.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SettingsError, match="is not an empty folder"):
        walkthrough.run(str(place), print)


def test_damage_is_told_by_the_exit_code(monkeypatch, tmp_path):
    def verify(mirror):
        path = next(path for path in (mirror.store.root / "objects").rglob("*") if path.is_file())
        path.chmod(0o644)
        path.write_bytes(b"rot")
        return real(mirror)

    real = walkthrough.verify
    monkeypatch.setattr(walkthrough, "verify", verify)
    assert walkthrough.run(str(tmp_path / "demo"), lambda line: None) == 7


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_server_stays_until_it_is_told_to_go(tmp_path, number):
    command = [sys.executable, "-m", "dci_downloader", "demo", "--serve"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        exports = [server.stdout.readline() for _ in range(3)]
        environ = dict(re.fullmatch(r"export (\w+)=(.*)\n", line).groups() for line in exports)
        with ControlServer.from_env(environ) as client:
            assert sync_topic(client, Mirror(tmp_path), "RHEL-9.2").exit_code == 0
        server.send_signal(number)
        assert server.wait(timeout=10) == 0


def test_the_server_says_how_it_is_reached_by_each_kind_of_credentials():
    command = [sys.executable, "-m", "dci_downloader", "demo", "--serve"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        lines = [server.stdout.readline() for _ in range(6)]
        kinds = [dict(re.findall(r"(\w+)=(\S+)", line)) for line in lines if "in place of" in line]
        assert [environment.credentials_kind(environ) for environ in kinds] == ["login", "sso"]
        for environ in kinds:
            with ControlServer.from_env(environ) as client:
                assert [topic.name for topic in client.topics()] == ["RHEL-9.2"]
        server.send_signal(signal.SIGTERM)
        assert server.wait(timeout=10) == 0
