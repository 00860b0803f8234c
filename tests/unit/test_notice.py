"""A publication that the command of ``on_published`` was not told of is made up for by the next run, and only once."""

import os
import subprocess
import sys

import pytest

from dci_downloader import (
    CancelledError,
    Filter,
    Mirror,
    Outcome,
    PackageChangeKind,
    Selection,
    SyncOptions,
    remove,
    rollback,
    sync_topic,
)
from dci_downloader.hooks import NeverStop
from dci_downloader.mirror.notice import put_notice, taken_notice

PACKAGE = "BaseOS/x86_64/os/Packages/bash-5-{}.x86_64.rpm"
EVERYTHING = Selection(all=True)


class Interruption(NeverStop):
    """Is requested as soon as the command, which makes a file, has been started."""

    def __init__(self, path):
        self._path = path

    def requested(self):
        return self._path.exists()


@pytest.fixture
def mirror(tmp_path):
    return Mirror(tmp_path / "dci")


@pytest.fixture
def sync(lab, mirror, tmp_path):
    """Sync with a command that notes what it was told; gives the report."""
    script = f'printf "%s %s\\n" "$DCI_COMPONENT" "$DCI_PREVIOUS" >> {tmp_path}/told'

    def sync(script=script, stop=NeverStop(), **options):  # noqa: B008
        command = ("sh", "-c", script) if script else ()
        return sync_topic(
            lab.server, mirror, "RHEL-9.2", EVERYTHING, options=SyncOptions(on_published=command, **options), stop=stop
        )

    return sync


def told(tmp_path):
    return (tmp_path / "told").read_text().splitlines() if (tmp_path / "told").exists() else []


def notices(mirror):
    return [path.name for path in mirror.root.rglob(".notice-*")]


def test_a_command_that_was_interrupted_is_run_by_the_next_run_and_then_no_more(lab, mirror, sync, tmp_path):
    lab.build({PACKAGE.format(1): b"1"})
    sync()
    lab.build({PACKAGE.format(2): b"2"}, number=1)
    started = tmp_path / "started"
    with pytest.raises(CancelledError):
        sync(f"touch {started}; sleep 1000", Interruption(started))
    assert told(tmp_path) == ["RHEL-9.2.0-0 "]
    report = tmp_path / "report.json"
    (again,) = sync(f'cat > {report}; printf "%s %s" "$DCI_COMPONENT" "$DCI_PREVIOUS" >> {tmp_path}/told').components
    assert (again.outcome, again.failures) == (Outcome.UNCHANGED, ())
    assert told(tmp_path) == ["RHEL-9.2.0-0 ", "RHEL-9.2.0-1 RHEL-9.2.0-0"]
    assert f'"kind": "{PackageChangeKind.UPGRADED.value}"' in report.read_text()
    assert notices(mirror) == []
    sync()
    assert len(told(tmp_path)) == 2


def test_a_run_that_is_killed_once_it_has_published_is_made_up_for(lab, mirror, sync, tmp_path):
    lab.build({"a": b"1"})
    program = (
        "import os, sys; from dci_downloader import *\n"
        "from dci_downloader import sync\n"
        "sync.run_for_published = lambda *_: os._exit(9)\n"
        "with ControlServer.from_env() as server:\n"
        "    options = SyncOptions(on_published=('true',))\n"
        "    sync_topic(server, Mirror(sys.argv[1]), 'RHEL-9.2', Selection(all=True), options=options)\n"
    )
    environ = {**os.environ, **lab.site.environment()}
    killed = subprocess.run([sys.executable, "-c", program, str(mirror.root)], env=environ, timeout=100, check=False)
    assert killed.returncode == 9
    assert len(notices(mirror)) == 1
    sync()
    assert told(tmp_path) == ["RHEL-9.2.0-0 "]


def test_a_command_that_fails_is_not_run_again(lab, mirror, sync, tmp_path):
    lab.build({"a": b"1"})
    assert sync("exit 3").exit_code == 1
    assert sync().exit_code == 0
    assert (told(tmp_path), notices(mirror)) == ([], [])


def test_what_was_replaced_or_rolled_back_meanwhile_is_not_told(lab, mirror, sync, tmp_path):
    lab.build({"a": b"1"})
    sync()
    lab.build({"a": b"2"}, number=1)
    started = tmp_path / "started"
    with pytest.raises(CancelledError):
        sync(f"touch {started}; sleep 1000", Interruption(started))
    rollback(mirror, "RHEL-9.2")
    sync(filters=(Filter("compose", name="RHEL-9.2.0-0"),))
    assert told(tmp_path) == ["RHEL-9.2.0-0 "]
    lab.build({"a": b"3"}, number=2)
    sync()
    assert told(tmp_path) == ["RHEL-9.2.0-0 ", "RHEL-9.2.0-2 RHEL-9.2.0-0"]
    assert notices(mirror) == []


def test_only_one_run_takes_a_notice_and_without_a_command_there_is_none(lab, mirror, sync):
    lab.build({"a": b"1"})
    sync("")
    assert notices(mirror) == []
    topic = mirror.topic("RHEL-9.2")
    put_notice(topic, "compose", topic.published("compose").identity, "older")
    with taken_notice(topic, "compose") as first, taken_notice(topic, "compose") as second:
        assert (first, second) == ("older", None)
    with taken_notice(topic, "compose") as third:
        assert third is None
    put_notice(topic, "compose", "0" * 64, "")
    with taken_notice(topic, "compose") as other:
        assert other is None
    assert len(notices(mirror)) == 1
    assert remove(mirror, "RHEL-9.2").notes == ()
    assert not (mirror.root / "RHEL-9.2").exists()
