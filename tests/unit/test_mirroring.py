import json
import signal
from datetime import datetime, timezone

import pytest

from dci_downloader.cli import main as cli
from dci_downloader.control.client import ControlServer
from dci_downloader.demo.catalog import Catalog
from dci_downloader.demo.site import DemoSite
from dci_downloader.errors import CancelledError, DiskFullError, LockedError, SettingsError


@pytest.fixture
def site(monkeypatch):
    catalog = Catalog()
    for number, name in enumerate(("A", "B")):
        moment = datetime(2026, 1, 1 + number, tzinfo=timezone.utc)
        topic = catalog.add_topic(name, component_types=("compose",), created_at=moment)
        files = {"BaseOS/x86_64/os/Packages/a.rpm": name.encode()}
        catalog.add_component(topic, name=f"{name}-1", type="compose", files=files, created_at=moment)
    with DemoSite(catalog) as site:
        for name, value in site.environment().items():
            monkeypatch.setenv(name, value)
        yield site


def run(tmp_path, names, *words):
    entries = ", ".join(f"{{topic: {name}}}" for name in names)
    (tmp_path / "s.yml").write_text(f"local_repo: {tmp_path}/m\ntopics: [{entries}]\n")
    return cli.main(["--settings", f"{tmp_path}/s.yml", *words])


def test_all_topics_of_a_file_are_mirrored(site, tmp_path):
    assert run(tmp_path, "AB") == 0
    for name in "AB":
        assert (tmp_path / f"m/{name}/compose/BaseOS/x86_64/os/Packages/a.rpm").read_text() == name


def test_a_topic_that_fails_does_not_stop_the_others(site, tmp_path, capsys):
    assert run(tmp_path, ["A", "nowhere", "B"], "--json") == 4
    assert (tmp_path / "m/B/compose").is_symlink()
    output = capsys.readouterr()
    document = json.loads(output.out)
    assert [topic["topic"] for topic in document["topics"]] == ["A", "nowhere", "B"]
    failure = document["topics"][1]["failure"]
    assert (failure["reason"], failure["exit_code"]) == ("there is no topic nowhere", 4)
    assert (document["exit_code"], document["failed"]) == (4, 1)
    assert "there is no topic nowhere" in output.err


def test_a_full_disk_or_an_interruption_ends_the_run(site, tmp_path, monkeypatch, capsys):
    from dci_downloader import topics

    for error in (DiskFullError("full"), CancelledError("stop")):

        def fail(*_, error=error, **__):
            raise error

        monkeypatch.setattr(topics, "sync_topic", fail)
        assert run(tmp_path, "AB", "--json") == error.exit_code
        first, second = json.loads(capsys.readouterr().out)["topics"]
        assert (first["topic"], first["failure"]["reason"]) == ("A", str(error))
        assert (second["topic"], second["failure"]["reason"]) == ("B", "not tried: the run ended before its turn")


def test_a_lock_is_the_least_grave_failure(site, tmp_path, monkeypatch):
    from dci_downloader import topics

    failures = iter([LockedError("held"), SettingsError("contradiction"), LockedError("held"), LockedError("held")])

    def fail(*_, **__):
        raise next(failures)

    monkeypatch.setattr(topics, "sync_topic", fail)
    assert run(tmp_path, "AB") == 2
    assert run(tmp_path, "AB") == 75


def test_the_only_topic_fails_as_the_run(site, tmp_path, capsys):
    assert run(tmp_path, ["nowhere"], "--json") == 4
    assert json.loads(capsys.readouterr().out)["error"] == "there is no topic nowhere"


def test_a_signal_while_the_job_is_asked_for_ends_with_a_report(site, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(ControlServer, "job", lambda *_: signal.raise_signal(signal.SIGTERM))
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        assert cli.main(["--job-id", "j1", str(tmp_path / "m"), "--json"]) == 130
    finally:
        signal.signal(signal.SIGTERM, before)
    hint = "run the same command again: it goes on from there"
    assert json.loads(capsys.readouterr().out) == {"topics": [], "error": "interrupted", "hint": hint, "exit_code": 130}
