"""What is published stays whole: readers during syncs, real full disks, killed holders of locks, odd destinations."""

import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest

from dci_downloader import DiskFullError, Mirror, Outcome, Selection, SyncOptions, sync_topic
from dci_downloader.cli.main import main
from dci_downloader.mirror import mirror as mirror_module
from dci_downloader.mirror.files import free_bytes
from dci_downloader.mirror.prune import prune
from dci_downloader.mirror.rollback import roll_back
from dci_downloader.mirror.verify import verify
from dci_downloader.models import Component, FileEntry, Manifest
from tests.unit.samples import Sample, entry_of

EVERYTHING = Selection(all=True)


@pytest.fixture
def run(lab, monkeypatch, capsys):
    """Run the command line; gives exit code, standard output and standard error."""
    for name, value in lab.site.environment().items():
        monkeypatch.setenv(name, value)

    def run(*arguments):
        code = main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return code, out, err

    return run


# Destinations that cannot be used: a dry run says what the run would say


def place(tmp_path, kind):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "dci").mkdir()
    (tmp_path / "dangling").symlink_to("nowhere")
    if kind == "store is a file":
        (tmp_path / "dci" / ".dci-downloader").write_text("mine")
    if kind == "topic is a link":
        (tmp_path / "dci" / "RHEL-9.2").symlink_to(tmp_path / "elsewhere")
    if kind == "objects are a link":
        (tmp_path / "dci" / ".dci-downloader").mkdir()
        (tmp_path / "dci" / ".dci-downloader" / "objects").symlink_to(tmp_path / "elsewhere")
    names = {"file": "file", "below a file": "file/dci", "dangling link": "dangling", "long name": "x" * 300}
    return tmp_path / names.get(kind, "x/" * 3000 if kind == "long path" else "dci")


@pytest.mark.parametrize(
    "kind",
    [
        "file",
        "below a file",
        "dangling link",
        "long name",
        "long path",
        "store is a file",
        "topic is a link",
        "objects are a link",
    ],
)
def test_a_destination_that_cannot_be_used_is_2_and_a_dry_run_says_so_too(run, lab, tmp_path, compose, kind):
    lab.build(compose)
    dest = place(tmp_path, kind)
    code, _, said = run("RHEL-9.2", dest, "--dry-run")
    assert (code, "hint: " in said) == (2, True)
    code, _, err = run("RHEL-9.2", dest)
    assert (code, "hint: " in err) == (2, True)
    assert said == err
    assert (tmp_path / "file").read_text() == "mine"
    assert os.listdir(tmp_path / "elsewhere") == []
    assert lab.fetched() == []


@pytest.mark.parametrize("command", [["status"], ["verify"], ["prune"], ["rollback", "RHEL-9.2"]])
@pytest.mark.parametrize("kind", ["file", "below a file", "long name", "long path", "topic is a link"])
def test_looking_after_a_place_that_is_no_mirror_is_one_line(run, lab, tmp_path, command, kind):
    dest = place(tmp_path, kind)
    code, out, err = run(command[0], dest, *command[1:])
    assert code in (2, 4), (out, err)
    assert err.startswith("dci-downloader: error: ")


def test_a_dry_run_says_that_there_is_no_room_as_the_run_would(run, lab, tmp_path, compose, monkeypatch):
    lab.build(compose)
    monkeypatch.setattr(mirror_module, "free_bytes", lambda path: 10)
    told = [run("RHEL-9.2", tmp_path / "dci", *more, "--json") for more in ([], ["--dry-run"])]
    assert [code for code, _, _ in told] == [6, 6]
    real, dry = (json.loads(out)["topics"][0]["components"][0]["failures"] for _, out, _ in told)
    assert real == dry


def test_a_dry_run_adds_up_what_all_components_need(lab, tmp_path, monkeypatch):
    topic = lab.catalog.add_topic("OSP", component_types=("one", "two"))
    for kind in ("one", "two"):
        lab.build({kind: kind.encode() * 10_000}, name=kind, type=kind, topic=topic)
    monkeypatch.setattr(mirror_module, "free_bytes", lambda path: 50_000)
    report = sync_topic(lab.server, Mirror(tmp_path), "OSP", options=SyncOptions(dry_run=True))
    assert [component.outcome for component in report.components] == [Outcome.PLANNED, Outcome.FAILED]
    assert report.exit_code == 6


def test_what_finds_no_room_takes_none_from_others_in_a_dry_run_either(lab, tmp_path, monkeypatch):
    topic = lab.catalog.add_topic("OSP", component_types=("big", "small"))
    for kind, size in (("big", 100_000), ("small", 10)):
        lab.build({kind: b"x" * size}, name=kind, type=kind, topic=topic)
    monkeypatch.setattr(mirror_module, "free_bytes", lambda path: 50_000)
    told = [
        [component.outcome for component in sync_topic(lab.server, Mirror(tmp_path), "OSP", options=options).components]
        for options in (SyncOptions(dry_run=True), SyncOptions())
    ]
    assert told == [[Outcome.FAILED, Outcome.PLANNED], [Outcome.FAILED, Outcome.PUBLISHED]]


def test_a_folder_that_will_be_adopted_needs_no_room(lab, tmp_path, monkeypatch):
    lab.build({"image": b"x" * 100_000}, name="c")
    plain = tmp_path / "RHEL-9.2" / "compose"
    plain.mkdir(parents=True)
    (plain / "image").write_bytes(b"x" * 100_000)
    monkeypatch.setattr(mirror_module, "free_bytes", lambda path: 50_000)
    options = SyncOptions(dry_run=True)
    for each in (options, SyncOptions()):
        assert sync_topic(lab.server, Mirror(tmp_path), "RHEL-9.2", EVERYTHING, options=each).exit_code == 0


# Real disks that are too small


@pytest.fixture
def small_disk(tmp_path):
    """Mounts small file systems, where the machine lets us."""
    mounted = []

    def mount(options):
        folder = tmp_path / f"disk{len(mounted)}"
        folder.mkdir()
        if not shutil.which("mount") or os.geteuid():
            pytest.skip("mounting a small tmpfs needs root and mount(8)")
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True, text=True
        )
        if done.returncode:
            pytest.skip(f"a tmpfs cannot be mounted here: {done.stderr.strip()}")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def whole(root, content):
    return (root / "RHEL-9.2" / "compose" / "image").read_bytes() == content


def test_a_disk_that_is_too_small_is_told_before_the_first_byte_and_judged_on_its_own(lab, small_disk):
    disk = small_disk("size=8m")
    lab.build({"image": b"old" * 1_000_000}, number=1)
    assert sync_topic(lab.server, Mirror(disk / "dci"), "RHEL-9.2", EVERYTHING).exit_code == 0
    lab.build({"image": b"new" * 2_000_000}, number=2)
    lab.site.store.forget()
    for dry_run in (True, False):
        options = SyncOptions(dry_run=dry_run)
        report = sync_topic(lab.server, Mirror(disk / "dci"), "RHEL-9.2", EVERYTHING, options=options)
        (failure,) = report.failures
        assert failure.exit_code == 6
        assert f"{disk}/dci: 6,004,096 bytes are needed, " in failure.reason
    assert lab.fetched() == []
    assert whole(disk / "dci", b"old" * 1_000_000)


def test_a_disk_that_fills_up_later_ends_the_run_and_the_next_one_goes_on(lab, small_disk, monkeypatch):
    disk = small_disk("size=8m")
    lab.build({"image": b"old" * 1_000_000}, number=1)
    sync_topic(lab.server, Mirror(disk), "RHEL-9.2", EVERYTHING)
    lab.build({"image": b"new" * 1_000_000, **{f"p{number}": os.urandom(400_000) for number in range(9)}}, number=2)
    with monkeypatch.context() as patch:
        patch.setattr(mirror_module, "free_bytes", lambda path: 10**9)  # another program took it meanwhile
        report = sync_topic(lab.server, Mirror(disk), "RHEL-9.2", EVERYTHING)
    assert report.exit_code == 6
    assert report.components[0].outcome is Outcome.FAILED
    assert whole(disk, b"old" * 1_000_000)
    assert verify(Mirror(disk))[0].damages == ()
    subprocess.run(["mount", "-o", "remount,size=32m", str(disk)], check=True)
    lab.site.store.forget()
    report = sync_topic(lab.server, Mirror(disk), "RHEL-9.2", EVERYTHING)
    assert report.exit_code == 0
    assert len(lab.fetched()) < 10, "what was complete is not fetched again"
    assert whole(disk, b"new" * 1_000_000)


def test_no_inodes_left_for_a_tree_is_a_full_disk_and_leaves_what_is_published(lab, small_disk):
    disk = small_disk("size=8m,nr_inodes=70")
    lab.build({"image": b"old"}, number=1)
    assert sync_topic(lab.server, Mirror(disk), "RHEL-9.2", EVERYTHING).exit_code == 0
    lab.build({f"folder{number}/p": b"p" for number in range(200)}, number=2)
    assert sync_topic(lab.server, Mirror(disk), "RHEL-9.2", EVERYTHING).exit_code == 6
    assert whole(disk, b"old")
    prune(Mirror(disk), 0)
    assert verify(Mirror(disk))[0].damages == ()


def test_verify_on_a_full_disk_says_what_it_found(run, lab, small_disk):
    disk = small_disk("size=8m")
    lab.build({"image": b"old" * 1_000_000}, number=1)
    sync_topic(lab.server, Mirror(disk), "RHEL-9.2", EVERYTHING)
    with open(disk / "fill", "wb") as file:
        os.posix_fallocate(file.fileno(), 0, free_bytes(disk))
    code, out, _ = run("verify", disk)
    assert code == 0
    assert "compose RHEL-9.2.0-1: whole (1 file, 3.0 MB); this is not recorded: " in out


def test_verify_needs_no_permission_to_write(run, lab, small_disk):
    disk = small_disk("size=8m")
    lab.build({"image": b"old"}, number=1)
    sync_topic(lab.server, Mirror(disk), "RHEL-9.2", EVERYTHING)
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    code, out, _ = run("verify", disk)
    assert code == 0
    assert "whole (1 file, 3 bytes); this is not recorded: " in out
    assert run("status", disk)[0] == 0
    code, out, _ = run("RHEL-9.2", disk, "--dry-run")
    assert (code, "the run itself would fail: " in out, "Read-only file system" in out) == (0, True, True)
    for command in (
        ["RHEL-9.2", disk],
        ["prune", disk],
        ["rollback", disk, "RHEL-9.2"],
    ):
        code, _, err = run(*command)
        assert (code, "Read-only file system" in err) == (2, True), command


def test_what_a_partial_occupies_already_is_not_needed_again(small_disk):
    disk = small_disk("size=8m")
    mirror = Mirror(disk)
    mirror.prepare()
    content = b"x" * 6_000_000
    entry = entry_of("image", content)
    plan = mirror.plan(Component("c", "c", "compose", "t"), Manifest("compose", (entry,)))
    mirror.check_space([plan])
    partial = mirror.store.open_partial(entry)
    partial.write(0, content[:1000])
    partial.close()
    mirror.check_space([plan])
    other = FileEntry("other", "0" * 64, 3_000_000)
    with pytest.raises(DiskFullError):
        mirror.check_space([mirror.plan(Component("d", "d", "compose", "t"), Manifest("compose", (entry, other)))])


# Locks


HOLD = """
import sys, time
from dci_downloader import Mirror
from dci_downloader.mirror.locks import FileLock
mirror = Mirror(sys.argv[1])
mirror.prepare()
with mirror.store.lock().holding() if sys.argv[2] == "prune" else mirror.topic("RHEL-9.2").lock():
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def holder(dest, what):
    """Another process that holds a lock until it is killed."""
    command = [sys.executable, "-c", HOLD, str(dest), what]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.slow
def test_nobody_waits_for_a_lock_who_does_not_want_to(run, lab, tmp_path, compose):
    lab.build(compose)
    dest = tmp_path / "dci"
    assert run("RHEL-9.2", dest)[0] == 0
    commands = [["RHEL-9.2", dest], ["verify", dest], ["prune", dest], ["rollback", dest, "RHEL-9.2"]]
    with holder(dest, "prune") as process:
        for command in commands:
            code, _, err = run(*command, "--lock-timeout", "0")
            assert code == 75
            assert f"locked by pid {process.pid} on {os.uname().nodename} since 20" in err
    with holder(dest, "sync"):
        assert [run(*command, "--lock-timeout", "0")[0] for command in commands] == [75, 0, 75, 75]


def test_a_version_is_not_recorded_as_verified_while_its_topic_is_being_changed(run, lab, tmp_path, compose):
    lab.build(compose)
    run("RHEL-9.2", tmp_path)
    with holder(tmp_path, "sync"):
        code, out, _ = run("verify", tmp_path)
        assert code == 0
        assert f"; this is not recorded: {tmp_path}/RHEL-9.2/.lock is locked by pid " in out
        assert json.loads(run("verify", tmp_path, "--json")[1])["versions"][0]["recorded"] is False
    assert json.loads(run("verify", tmp_path, "--json")[1])["versions"][0]["recorded"] is True


def test_who_waits_says_for_whom_and_a_killed_holder_keeps_nobody(run, lab, tmp_path, compose):
    lab.build(compose)
    told = []

    class Killing:
        """The progress that kills whom it is told about."""

        def __getattr__(self, name):
            return lambda *_: None

        def message(self, text):
            if text.startswith("waiting for"):
                told.append(text)
                process.send_signal(signal.SIGKILL)

    with holder(tmp_path, "sync") as process:
        report = sync_topic(lab.server, Mirror(tmp_path), "RHEL-9.2", EVERYTHING, progress=Killing())
    assert report.exit_code == 0
    assert len(told) == 1
    assert told[0].startswith(f"waiting for pid {process.pid} on {os.uname().nodename} since 20")
    assert told[0].endswith(" UTC")


# Repair


def test_a_repair_takes_credentials_from_a_dcirc_and_names_every_damage(run, lab, tmp_path, compose, monkeypatch):
    lab.build(compose)
    dest = tmp_path / "dci"
    run("RHEL-9.2", dest, "--all")
    dcirc = tmp_path / "dcirc.sh"
    dcirc.write_text("".join(f"export {name}={value}\n" for name, value in lab.site.environment().items()))
    for name in lab.site.environment():
        monkeypatch.delenv(name)
    link = dest / "RHEL-9.2" / "compose"
    (link / ".composeinfo").unlink()
    rpm = link / "BaseOS/x86_64/os/Packages/b/bash-5.1-1.x86_64.rpm"
    rpm.chmod(0o644)
    rpm.write_bytes(b"?" * rpm.stat().st_size)
    (link / "mine").touch()
    code, out, _ = run("verify", dest)
    damages = [line for line in out.splitlines() if ": expected " in line]
    assert (code, len(damages)) == (7, 3)
    assert all(line.startswith(f"{link}/") and ", found " in line for line in damages)
    code, _, err = run("verify", dest, "--repair")
    assert (code, "DCI_CLIENT_ID" in err) == (3, True)
    lab.site.store.forget()
    assert run("verify", dest, "--repair", "--dcirc", dcirc)[0] == 0
    assert lab.fetched() == [str(rpm.relative_to(link))]
    assert run("verify", dest)[0] == 0


# Readers


READ = """
import os, sys
place, last = sys.argv[1], ""
while not os.path.exists(place + ".end"):
    root = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
    found = {}
    for folder, _, names, fd in os.fwalk(".", dir_fd=root):
        for name in names:
            with open(os.open(name, os.O_RDONLY, dir_fd=fd)) as file:
                found[os.path.join(folder, name)] = file.read()
    os.close(root)
    assert len(found) == 40 and len(set(found.values())) == 1, sorted(found.items())
    if last != (last := found.popitem()[1]):
        print(last, flush=True)
"""


def test_readers_see_one_whole_version_whatever_is_published_meanwhile(tmp_path):
    sample = Sample(tmp_path / "mirror")
    names = [f"{folder}/p{number}" for folder in ("a", "a/b", "c", "d/e") for number in range(10)]
    builds = [dict.fromkeys(names, b"build %d" % build) for build in range(40)]
    for name in names:  # what the previous downloader left
        (sample.link / name).parent.mkdir(parents=True, exist_ok=True)
        (sample.link / name).write_bytes(b"a plain folder")
    command = [sys.executable, "-c", READ, str(sample.link)]
    readers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    try:
        assert {reader.stdout.readline() for reader in readers} == {"a plain folder\n"}
        sample.publish("c0", builds[0], links=())
        # what was a plain folder is there until the next run: they have left it
        assert {reader.stdout.readline() for reader in readers} == {"build 0\n"}
        for number, build in enumerate(builds[1:], 1):
            sample.publish(f"c{number}", build, links=())
            if number % 5 == 4:
                with sample.topic.lock():
                    roll_back(sample.topic, "compose")
        sample.link.with_name("compose.end").touch()
        seen = [len(reader.communicate(timeout=60)[0].splitlines()) for reader in readers]
    finally:
        for reader in readers:
            reader.kill()
            reader.wait()
    assert [reader.returncode for reader in readers] == [0, 0]
    assert min(seen) > 1, "they read while it was published"
