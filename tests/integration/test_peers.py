"""Mirrors behind real nginx serve mirrors; in network namespaces of their own where the machine allows that."""

import os
import re
import shlex
import subprocess
import urllib.error
import urllib.request
from contextlib import ExitStack, contextmanager, suppress

import pytest

from tests.integration.conftest import needs, nginx
from tests.pages import PAGES, blocks

pytestmark = needs("nginx")

FILES = {
    ".composeinfo": b"{}",
    "BaseOS/x86_64/os/images/boot.img": os.urandom(3_000_000),
    **{f"BaseOS/x86_64/os/Packages/p{number}.rpm": os.urandom(500 + number) for number in range(60)},
}


@contextmanager
def place(number):
    """Where a web server can run: an address, and a command to start it there."""
    name, link = f"dci{os.getpid()}-{number}", f"dci{os.getpid() % 100_000}x{number}"
    network = f"10.{20 + os.getpid() % 200}.{os.getpid() // 200 % 25 * 10 + number}"  # not that of tests beside these
    commands = [
        f"ip netns add {name}",
        f"ip link add {link} type veth peer name eth0 netns {name}",
        f"ip addr add {network}.1/30 dev {link}",
        f"ip link set {link} up",
        f"ip netns exec {name} ip addr add {network}.2/30 dev eth0",
        f"ip netns exec {name} ip link set eth0 up",
        f"ip netns exec {name} ip link set lo up",
    ]
    try:
        try:
            for command in commands:
                subprocess.run(command.split(), check=True, capture_output=True)
            where = (f"{network}.2", ("ip", "netns", "exec", name))
        except (OSError, subprocess.CalledProcessError):
            where = ("127.0.0.1", ())
        yield where
    finally:
        for command in (f"ip link del {link}", f"ip netns del {name}"):
            with suppress(OSError):
                subprocess.run(command.split(), capture_output=True)


class Labs:
    """Mirrors, and web servers before them."""

    def __init__(self, real, folder, running):
        self.real = real
        self.folder = folder
        self._running = running

    def sync(self, name, *peers, code=0):
        """Mirror the topic into a lab's folder; gives the report on the component."""
        options = [word for peer in peers for word in ("--peer", peer)]
        if code:
            return self.real.run("RHEL-9.2", self.folder / name, *options)
        report = self.real.report("RHEL-9.2", self.folder / name, *options)
        return report["topics"][0]["components"][0]

    def serve(self, name, number):
        """Start a lab's web server; gives its URL, and a function that takes its network away."""
        address, prefix = self._running.enter_context(place(number))
        root = self.folder / f"nginx-{name}"
        stop = ExitStack()
        self._running.enter_context(stop)
        url = stop.enter_context(nginx(self.folder / name, root, address=address, prefix=prefix))

        def vanish():
            if prefix:  # nobody answers, not even with a refusal
                subprocess.run([*prefix, "ip", "link", "set", "eth0", "down"], check=True)
            else:
                stop.close()

        return url, vanish

    def read(self, name):
        """What installers find in a lab."""
        compose = self.folder / name / "RHEL-9.2" / "compose"
        return {str(path.relative_to(compose)): path.read_bytes() for path in compose.rglob("*") if path.is_file()}

    def upstream(self):
        """Paths of the content, not of manifests and image lists, that the object store was asked for so far."""
        paths = re.findall(r'"GET /[^/]+/([^\s?]+)', self.real.log.read_text())
        return [path for path in paths if path not in ("dci_files_list.json", "images_list.yaml")]


@pytest.fixture
def labs(real, tmp_path):
    compose = tmp_path / "build"
    for path, content in FILES.items():
        (compose / path).parent.mkdir(parents=True, exist_ok=True)
        (compose / path).write_bytes(content)
    topic = real.catalog.add_topic("RHEL-9.2", component_types=("compose",))
    real.publish(topic, "RHEL-9.2.0-1", compose)
    with ExitStack() as running:
        yield Labs(real, tmp_path, running)


def origins(component):
    return {each["name"]: (each["files"], each["bytes"]) for each in component["received"]}


SIZE = sum(map(len, FILES.values()))


def files_of(component):
    """How many files each source gave: all together, all there are.

    On a busy machine peers may seem slow, and then the object store is asked beside them.
    """
    files = {name: given for name, (given, _) in origins(component).items()}
    assert sum(files.values()) == len(FILES)
    return files


def test_three_mirrors_fetch_once_from_the_object_store(labs):
    first = labs.sync("lab1")
    assert origins(first) == {"object store": (len(FILES), SIZE)}
    assert len(labs.upstream()) == len(FILES)
    one, _ = labs.serve("lab1", 1)
    second = labs.sync("lab2", one)
    assert files_of(second)[one] > 0
    two, _ = labs.serve("lab2", 2)
    third = files_of(labs.sync("lab3", one, two))
    assert third[one] > 0
    assert third[two] > 0
    assert labs.read("lab1") == labs.read("lab2") == labs.read("lab3") == FILES


def test_a_peer_that_lies_and_one_that_is_dead_change_nothing_but_the_notes(labs):
    for name in ("lab1", "liar", "dead"):
        labs.sync(name)
    (good, _), (liar, _), (dead, vanish) = (labs.serve(name, at) for at, name in enumerate(("lab1", "liar", "dead"), 1))
    for path in (labs.folder / "liar/.dci-downloader/objects").rglob("*"):
        if path.is_file():
            size = path.stat().st_size
            path.unlink()
            path.write_bytes(b"x" * size)
    vanish()
    done = labs.sync("lab4", dead, liar, good)
    assert files_of(done)[good] > 0
    assert files_of(done)[liar] == 0
    assert labs.read("lab4") == FILES
    notes = "\n".join(done["notes"])
    assert f"peer {dead} is not asked any more" in notes
    assert f"peer {liar} is not asked any more: what it gives is something else" in notes


def test_what_peers_lack_comes_from_the_object_store(labs):
    labs.sync("lab1")
    lacking = sorted(path for path in (labs.folder / "lab1/.dci-downloader/objects").rglob("*") if path.is_file())[:5]
    for path in lacking:
        path.unlink()
    one, _ = labs.serve("lab1", 1)
    files = files_of(labs.sync("lab2", one))
    assert files["object store"] >= 5
    assert files[one] > 0
    assert labs.read("lab2") == FILES


def test_peers_learn_no_secret(labs):
    labs.sync("lab1")
    one, _ = labs.serve("lab1", 1)
    labs.sync("lab2", one)
    asked = (labs.folder / "nginx-lab1" / "access.log").read_text()
    assert asked
    assert labs.real.catalog.remoteci.api_secret not in asked
    assert "?" not in asked


@pytest.mark.parametrize("url", ["lab1", "ftp://lab1/dci", "http://user:s3cret@lab1/dci", "http://lab1/dci?x"])
def test_a_peer_is_the_url_of_a_mirror_without_a_login(labs, url):
    done = labs.sync("lab1", url, code=2)
    assert (done.returncode, "--peer" in done.stderr, "s3cret" in done.stderr) == (2, True, False)


def test_peers_may_stand_in_settings(labs, tmp_path):
    labs.sync("lab1")
    one, _ = labs.serve("lab1", 1)
    settings = tmp_path / "settings.yml"
    settings.write_text(f"local_repo: {tmp_path}/lab2\npeers: [{one}/]\ntopic: RHEL-9.2\n")
    report = labs.real.report("--settings", settings)
    assert files_of(report["topics"][0]["components"][0])[one] > 0
    settings.write_text("peers: [http://user:s3cret@lab1/dci, 7]\ntopic: RHEL-9.2\n")
    done = labs.real.run("--settings", settings, tmp_path / "x")
    assert (done.returncode, "s3cret" in done.stderr) == (2, False)
    assert done.stderr.count("peers: expected") == 2


@pytest.mark.slow
def test_a_dead_peer_is_asked_once_a_run_and_not_once_a_topic(labs, tmp_path):
    labs.sync("lab1")
    one, vanish = labs.serve("lab1", 1)
    vanish()
    topic = labs.real.catalog.add_topic("RHEL-9.3", component_types=("compose",))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / ".composeinfo").write_text("new content")
    labs.real.publish(topic, "RHEL-9.3.0-1", tmp_path / "other")
    settings = tmp_path / "settings.yml"
    settings.write_text(f"local_repo: {tmp_path}/lab2\npeers: [{one}]\ntopics: [topic: RHEL-9.2, topic: RHEL-9.3]\n")
    first, second = labs.real.report("--settings", settings, "--all")["topics"]
    assert (first["dropped_peers"], second["dropped_peers"]) == ([one], [])
    assert [len(each["components"][0]["notes"]) for each in (first, second)] == [1, 0]
    assert second["components"][0]["files_downloaded"] == 1


def snippet(language, beginning=""):
    (found,) = (block for block in blocks(PAGES["many-machines"], language) if block.startswith(beginning))
    return found


def test_nginx_as_its_page_has_it_serves_installers_and_peers(labs):
    labs.sync("lab1")
    inside = snippet("nginx").strip().removeprefix("server {").removesuffix("}")
    server = inside.replace("listen 80;", "").replace("/srv/dci/", f"{labs.folder}/lab1/")
    with nginx(None, labs.folder / "nginx-readme", server=server) as url:
        for path, content in FILES.items():
            with urllib.request.urlopen(f"{url}/dci/RHEL-9.2/compose/{path}") as answer:
                assert answer.read() == content
        assert files_of(labs.sync("lab2", f"{url}/dci"))[f"{url}/dci"] > 0
        for path in ("lock", "partial/", "unflushed/"):
            assert (labs.folder / "lab1/.dci-downloader" / path).exists()
            with pytest.raises(urllib.error.HTTPError, match="404") as caught:
                urllib.request.urlopen(f"{url}/dci/.dci-downloader/{path}")
            caught.value.close()


@needs("rclone")
def test_a_copy_made_with_rclone_serves_installers_and_peers(labs):
    labs.sync("lab1")
    commands = [shlex.split(line) for line in snippet("console", "rclone copy").splitlines()]
    for command in commands:
        assert command[0] == "rclone"
        there = [
            word.replace("/srv/dci", f"{labs.folder}/lab1").replace("dci:bucket", f"{labs.folder}/cdn")
            for word in command
        ]
        environ = {**os.environ, "RCLONE_CONFIG": str(labs.folder / "rclone.conf")}
        subprocess.run(there, check=True, capture_output=True, env=environ)
    assert labs.read("cdn") == FILES
    cdn, _ = labs.serve("cdn", 1)
    assert files_of(labs.sync("lab2", cdn))[cdn] > 0
