"""Mirrors of mirrors, three in a row: nginx in network namespaces, an S3-compatible store, a folder."""

import json
import os
import random
import re
import shlex
import shutil
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from dci_downloader.content.selection import RULES, Selection
from dci_downloader.mirror.publish import publish
from dci_downloader.mirror.store import Store
from tests.integration.conftest import free_port, needs, nginx
from tests.unit.samples import Sample, component_of, manifest_of

PAGE = Path(__file__).parents[2] / "dci_downloader" / "docs" / "many-machines.md"
ROOT = Path(__file__).parents[2]
OBJECTS = ".dci-downloader/objects"
COUNT, CHANGED = 100, 5
SELECTION = {"rules": RULES, **Selection().to_json()}


def nightly(number):
    """A build; of the one before, 5 % are changed."""
    files = {".composeinfo": b"%d" % number}
    for index in range(COUNT):
        version = number if index < CHANGED else 0
        content = random.Random(f"{index} {version}").randbytes(20_000)
        files[f"BaseOS/x86_64/os/Packages/p{index}-{version}.rpm"] = content
    return files


def mirrored(topic, dest, source, *options, prefix=()):
    """Mirror from another mirror; gives the report on the run. There are no credentials."""
    command = [*prefix, sys.executable, "-m", "dci_downloader", topic, str(dest), "--json", *options]
    done = subprocess.run(
        [*command, "--from", str(source)],
        env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "HOME": "/nonexistent"},
        capture_output=True,
        text=True,
        timeout=120,
        cwd=ROOT,
    )
    report = json.loads(done.stdout)
    assert report["exit_code"] == done.returncode, done.stdout + done.stderr
    return report


class Tiers:
    """A first mirror that knows a control server, and builds for it."""

    def __init__(self, real, folder):
        self.real = real
        self.folder = folder
        self.topic = real.catalog.add_topic("RHEL-9.2", component_types=("compose",))
        self.first = folder / "first"
        self.number = 0

    def build(self):
        """Attach a build, and mirror it into the first mirror."""
        self.number += 1
        compose = self.folder / f"build-{self.number}"
        for path, content in nightly(self.number).items():
            (compose / path).parent.mkdir(parents=True, exist_ok=True)
            (compose / path).write_bytes(content)
        self.real.publish(self.topic, f"RHEL-9.2.0-{self.number}", compose)
        self.real.report("RHEL-9.2", self.first, "--all")

    def sync(self, dest, source, prefix=()):
        """Mirror from another mirror, somewhere; gives the report on the component."""
        report = mirrored("RHEL-9.2", dest, source, "--all", prefix=prefix)
        assert report["exit_code"] == 0, report
        return report["topics"][0]["components"][0]

    def read(self, dest):
        """What installers find."""
        link = dest / "RHEL-9.2" / "compose"
        return {str(path.relative_to(link)): path.read_bytes() for path in link.rglob("*") if path.is_file()}


def changed_bytes():
    old, new = nightly(1), nightly(2)
    return sum(len(content) for path, content in new.items() if old.get(path) != content)


@pytest.fixture
def tiers(real, tmp_path):
    tiers = Tiers(real, tmp_path)
    tiers.build()
    return tiers


def objects_in(log):
    """How many objects nginx gave, and bytes of them."""
    lines = re.findall(rf'"GET [^"]*/{OBJECTS}/\S+ [^"]*" 20\d (\d+)', log.read_text())
    return len(lines), sum(map(int, lines))


@contextmanager
def row_of_namespaces():
    """Three network namespaces in a row, and two addresses: of the first, and of the second towards the third."""
    names = [f"dcirow{os.getpid()}{letter}" for letter in "abc"]
    a, b, c = names
    network = f"10.{220 + os.getpid() % 30}.{os.getpid() // 30 % 250}"
    commands = [
        *(f"ip netns add {name}" for name in names),
        *(f"ip -n {name} link set lo up" for name in names),
        f"ip link add upper netns {b} type veth peer name lower netns {a}",
        f"ip link add upper netns {c} type veth peer name lower netns {b}",
        f"ip -n {a} addr add {network}.1/30 dev lower",
        f"ip -n {b} addr add {network}.2/30 dev upper",
        f"ip -n {b} addr add {network}.5/30 dev lower",
        f"ip -n {c} addr add {network}.6/30 dev upper",
        *(f"ip -n {name} link set {end} up" for name, end in ((a, "lower"), (b, "upper"), (b, "lower"), (c, "upper"))),
    ]
    try:
        if any(subprocess.run(command.split(), capture_output=True).returncode for command in commands):
            pytest.skip("network namespaces cannot be made here")
        yield [("ip", "netns", "exec", name) for name in names], f"{network}.1", f"{network}.5"
    finally:
        for name in names:
            with suppress(OSError):
                subprocess.run(["ip", "netns", "del", name], capture_output=True)


@pytest.mark.slow
@needs("nginx", "ip", "curl")
def test_a_new_nightly_reaches_the_third_tier_with_only_what_changed_at_each_step(tiers, tmp_path):
    second, third = tmp_path / "second", tmp_path / "third"
    second.mkdir()
    with ExitStack() as running:
        places, to_first, to_second = running.enter_context(row_of_namespaces())
        one = running.enter_context(nginx(tiers.first, tmp_path / "nginx-1", address=to_first, prefix=places[0]))
        two = running.enter_context(nginx(second, tmp_path / "nginx-2", address=to_second, prefix=places[1]))
        logs = [tmp_path / f"nginx-{number}" / "access.log" for number in (1, 2)]
        tiers.sync(second, one, places[1])
        tiers.sync(third, two, places[2])
        assert tiers.read(third) == nightly(1)
        assert tiers.sync(third, two, places[2])["outcome"] == "unchanged"
        unreachable = subprocess.run([*places[2], "curl", "-s", "-m", "2", one], capture_output=True)
        assert unreachable.returncode != 0, "the third has a route to the first"
        before = [objects_in(log) for log in logs]
        tiers.build()
        for dest, source, place in ((second, one, places[1]), (third, two, places[2])):
            assert tiers.sync(dest, source, place)["bytes_downloaded"] == changed_bytes()
        assert tiers.read(third) == nightly(2)
        for log, (files, size) in zip(logs, before):
            assert objects_in(log) == (files + CHANGED + 1, size + changed_bytes())


@pytest.mark.slow
def test_the_same_through_a_folder(tiers, tmp_path):
    second, third = tmp_path / "second", tmp_path / "third"
    tiers.sync(second, tiers.first)
    tiers.sync(third, second)
    tiers.build()
    assert tiers.sync(second, tiers.first)["bytes_downloaded"] == changed_bytes()
    assert tiers.sync(third, second)["bytes_downloaded"] == changed_bytes()
    assert tiers.read(third) == nightly(2)
    shared = next((tiers.first / OBJECTS).glob("*/*"))
    assert (third / OBJECTS / shared.parent.name / shared.name).stat().st_ino == shared.stat().st_ino, (
        "links, not copies"
    )


@pytest.mark.slow
@needs("nginx")
def test_what_a_killed_run_took_from_another_mirror_is_not_fetched_again(tmp_path):
    files = {"big.iso": os.urandom(30_000_000), **{f"{number}.rpm": os.urandom(40_000) for number in range(100)}}
    first, second = Sample(tmp_path / "first"), tmp_path / "second"
    first.publish("c1", files, {"rules": RULES, **Selection(all=True).to_json()})
    entries = manifest_of(files).files
    total = sum(entry.size for entry in entries)
    with nginx(first.root, tmp_path / "nginx") as url:
        command = [sys.executable, "-m", "dci_downloader", "RHEL 9.2", str(second), "--all", "--from", url]
        for part in (0.3, 0.6):
            with subprocess.Popen([*command, "--limit-rate", "15M", "--quiet"], cwd=ROOT) as process:
                store, deadline = Store(second / ".dci-downloader"), time.monotonic() + 60
                while sum(e.size if store.holds(e) else store.partial_bytes(e) for e in entries) < part * total:
                    assert process.poll() is None
                    assert time.monotonic() < deadline
                process.kill()
        report = mirrored("RHEL 9.2", second, url, "--all")
    assert 0 < report["topics"][0]["components"][0]["bytes_downloaded"] <= (1 - part) * total
    assert {path: (second / "RHEL_9.2" / "compose" / path).read_bytes() for path in files} == files


def s3rver():
    """The S3-compatible store of npm, where it is installed."""
    beside = Path(sys.prefix) / "node_modules" / ".bin" / "s3rver"
    return shutil.which("s3rver") or (str(beside) if beside.exists() else None)


@contextmanager
def bucket(folder):
    """A bucket that anybody may read; gives its URL, and the environment in which rclone knows it as ``dci:``."""
    program = s3rver()
    if program is None:
        pytest.skip("not installed here: s3rver")
    port = free_port()
    command = [program, "--directory", str(folder), "--address", "127.0.0.1", "--port", str(port), "--silent"]
    process = subprocess.Popen([*command, "--configure-bucket", "dci"], stdout=subprocess.DEVNULL)
    remote = {
        "TYPE": "s3",
        "PROVIDER": "Other",
        "ACCESS_KEY_ID": "S3RVER",
        "SECRET_ACCESS_KEY": "S3RVER",
        "ENDPOINT": f"http://127.0.0.1:{port}",
        "FORCE_PATH_STYLE": "true",
    }
    try:
        deadline = time.monotonic() + 30
        while subprocess.run(["curl", "-s", "-o", "/dev/null", f"http://127.0.0.1:{port}/"]).returncode:
            assert process.poll() is None
            assert time.monotonic() < deadline, "s3rver does not start"
        yield f"http://127.0.0.1:{port}/dci", {f"RCLONE_CONFIG_DCI_{name}": value for name, value in remote.items()}
    finally:
        process.terminate()
        process.wait(timeout=10)


def bucket_lines(mirror, folder):
    """The commands of the page, for this mirror and a folder of the bucket."""
    lines = re.findall(r"^rclone copy /srv/dci dci:bucket .*$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(lines) == 2
    own = [line.replace("/srv/dci", str(mirror)).replace("dci:bucket", f"dci:dci/{folder}") for line in lines]
    return [shlex.split(line) for line in own]


@pytest.mark.slow
@needs("rclone", "curl", "node")
def test_the_same_through_a_bucket_by_the_commands_of_the_page(tiers, tmp_path):
    second, third = tmp_path / "second", tmp_path / "third"
    with bucket(tmp_path / "bucket") as (url, remote):
        environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), **remote}

        def upload(mirror):
            for line in bucket_lines(mirror, mirror.name):
                subprocess.run([*line, "--config", "/dev/null", "--quiet"], env=environ, check=True, timeout=120)

        def step(mirror, source):
            """Upload a mirror, and have another one take what is new from there."""
            upload(source)
            return tiers.sync(mirror, f"{url}/{source.name}")["bytes_downloaded"]

        step(second, tiers.first)
        step(third, second)
        assert tiers.read(third) == tiers.read(second) == nightly(1)
        tiers.build()
        assert step(second, tiers.first) == changed_bytes()
        assert step(third, second) == changed_bytes()
        assert tiers.read(third) == tiers.read(second) == nightly(2)


def published_by_name(listing):
    return re.findall(r"connect\(.*?sa_family=AF_INET6?, .*?(?:sin6?_port=htons\((\d+)\)).*?\)", listing)


@pytest.mark.slow
@needs("nginx", "strace")
def test_no_other_host_is_asked_and_no_credential_is_read(tiers, tmp_path):
    home = tmp_path / "home"
    secrets = [home / ".netrc", home / ".config/dci-downloader/dcirc.sh", home / "dcirc.sh"]
    for path in secrets:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("export DCI_API_SECRET=s3cr3t-of-a-file\n")
        path.chmod(0o600)
    log = tmp_path / "strace"
    with nginx(tiers.first, tmp_path / "nginx-1") as url:
        port = url.rpartition(":")[2]
        done = subprocess.run(
            [
                *("strace", "-f", "-qq", "-s", "300", "-o", log, "-e", "trace=connect,sendto,write,open,openat"),
                *(sys.executable, "-m", "dci_downloader", "RHEL-9.2", tmp_path / "second", "--all"),
                *("--from", url, "--dcirc", home / "dcirc.sh"),
            ],
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(home),
                "DCI_CLIENT_ID": "remoteci/x",
                "DCI_API_SECRET": "s3cr3t-of-the-environment",
                "DCI_CS_URL": "http://127.0.0.1:1",
            },
            capture_output=True,
            text=True,
            timeout=300,
            cwd=ROOT,
        )
    if "ptrace" in done.stderr and done.returncode:
        pytest.skip("strace may not trace here")
    assert done.returncode == 0, done.stderr
    assert "--dcirc is not used" in done.stderr
    calls = log.read_text(errors="replace")
    assert set(published_by_name(calls)) == {port}
    opened = "\n".join(re.findall(r"^.*\bopen(?:at)?\(.*$", calls, re.MULTILINE))
    assert f'"{tmp_path}/second' in opened
    for path in secrets:
        assert f'"{path}"' not in opened
    assert "s3cr3t" not in "\n".join(re.findall(r"^.*\b(?:sendto|write)\(.*$", calls, re.MULTILINE))


EXFAT = ("mkfs.exfat",), (("mount.exfat-fuse",),)
VFAT = ("mkfs.vfat", "-F", "32"), (("mount", "-t", "vfat"), ("fusefat", "-o", "rw+,allow_other"))
"""What makes a file system of sticks, and what may mount it."""


@contextmanager
def stick_of(file_system, folder):
    """A stick: a file system without links that ignores case, in a file."""
    make, mounts = file_system
    if shutil.which(make[0]) is None:
        pytest.skip(f"not installed here: {make[0]}")
    image = folder.with_name("image")
    with image.open("wb") as file:
        file.truncate(64 << 20)
    folder.mkdir()
    subprocess.run([*make, image], check=True, capture_output=True)
    loop = subprocess.run(["losetup", "-f", "--show", image], capture_output=True, text=True).stdout.strip()
    usable = (mount for mount in mounts if loop and shutil.which(mount[0]))
    try:
        if not any(subprocess.run([*mount, loop, folder], capture_output=True).returncode == 0 for mount in usable):
            pytest.skip(f"cannot be mounted here: {make[0]}")
        try:
            yield
        finally:
            subprocess.run(["umount", folder], check=True)
    finally:
        if loop:
            subprocess.run(["losetup", "-d", loop], check=True)


@pytest.mark.slow
@needs("losetup")
@pytest.mark.parametrize("file_system", [EXFAT, VFAT], ids=["exFAT", "vfat"])
def test_a_stick_without_links_is_brought_up_to_date_and_read_inside(tiers, tmp_path, file_system):
    stick, inside = tmp_path / "stick", tmp_path / "inside"
    with stick_of(file_system, stick):
        done = tiers.sync(stick / "dci", tiers.first)
        assert any("nothing is published here for installers" in note for note in done["notes"])
        tiers.sync(inside, stick / "dci")
        assert tiers.read(inside) == nightly(1)
        tiers.build()
        assert tiers.sync(stick / "dci", tiers.first)["bytes_downloaded"] == changed_bytes()
        assert tiers.sync(inside, stick / "dci")["bytes_downloaded"] == changed_bytes()
        assert tiers.read(inside) == nightly(2)


def publish_into(root, topic, *components):
    """Publish components of a name, a type and a file in a mirror."""
    sample = Sample(root)
    mirror = sample.mirror.topic(topic)
    with mirror.lock():
        for name, component_type in components:
            files = {"file": f"{topic} {component_type} {name}".encode()}
            sample.fill(files)
            component = component_of(name, id=f"id-{component_type}-{name}", type=component_type, topic_id=topic)
            publish(mirror, component, SELECTION, manifest_of(files))


@pytest.mark.slow
@needs("losetup")
@pytest.mark.parametrize("file_system", [EXFAT, VFAT], ids=["exFAT", "vfat"])
def test_names_that_a_stick_takes_for_others_are_told_and_odd_ones_are_carried(tmp_path, file_system):
    first, stick, inside = tmp_path / "odd", tmp_path / "stick", tmp_path / "inside"
    publish_into(first, "RHEL-9.2", ("quay.io/app:4.18", "compose"))
    publish_into(first, "RHEL-9.3", ("V1", "compose"), ("v1", "compose"), ("v1.", "compose"), ('"v1" ', "compose"))
    publish_into(first, "rhel-9.3", ("other", "compose"))
    publish_into(first, "RHEL-9.4", ("c1", "compose"), ("c2", "Compose"))
    publish_into(first, "RHEL:9", ("c1", "compose"))
    with stick_of(file_system, stick):
        dest = stick / "dci"
        for topic in ("RHEL-9.2", "RHEL-9.3"):
            assert mirrored(topic, dest, first)["exit_code"] == 0
            assert mirrored(topic, dest, first)["files_downloaded"] == 0
        for name in ("V1", "v1", "v1."):
            assert mirrored("RHEL-9.3", dest, first, "--component-id", f"id-compose-{name}")["exit_code"] == 0
        for options in ((), ("--dry-run",)):
            other = mirrored("rhel-9.3", dest, first, *options)
            assert (other["exit_code"], "takes that for RHEL-9.3" in other["error"]) == (2, True)
        both = mirrored("RHEL-9.4", dest, first)["topics"][0]["components"]
        assert sorted(each["outcome"] for each in both) == ["failed", "published"]
        (failure,) = (failure for each in both for failure in each["failures"])
        assert (failure["exit_code"], "takes that for" in failure["reason"]) == (2, True)
        colon = mirrored("RHEL:9", dest, first)
        assert (colon["exit_code"], bool(colon["hint"])) == (2, True)
        for topic, name in (("RHEL-9.2", "quay.io/app:4.18"), ("RHEL-9.3", "v1.")):
            assert mirrored(topic, inside, dest)["exit_code"] == 0
            assert (inside / topic / "compose" / "file").read_text() == f"{topic} compose {name}"
        assert mirrored("RHEL-9.3", inside, dest, "--component-id", "id-compose-v1")["exit_code"] == 0
        assert (inside / "RHEL-9.3" / "compose" / "file").read_text() == "RHEL-9.3 compose v1"
