"""The previous downloader in a virtual environment of its own, and a server for both."""

import hashlib
import os
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

import pytest

from dci_downloader.demo.catalog import Catalog
from dci_downloader.demo.site import DemoSite

REQUIREMENT = "dci-downloader==3.2.0.*"
OURS = [sys.executable, "-m", "dci_downloader"]


@pytest.fixture(scope="session")
def previous(tmp_path_factory):
    """The command of dci-downloader 3.2.0, installed once for all tests."""
    home = tmp_path_factory.mktemp("previous")
    venv.create(home, with_pip=True)
    installed = subprocess.run(
        [home / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", REQUIREMENT],
        capture_output=True,
        text=True,
        errors="backslashreplace",
    )
    if installed.returncode:
        pytest.skip(f"{REQUIREMENT} cannot be installed here: {installed.stderr.strip().splitlines()[-1]}")
    return [str(home / "bin/dci-downloader")]


def compose(mark):
    """Files and symlinks of a small compose; ``mark`` makes its content its own."""
    files = {".composeinfo": mark, "metadata/rpms.json": b"{}"}
    for variant in ("BaseOS", "AppStream"):
        for arch in ("x86_64", "aarch64"):
            base = f"{variant}/{arch}"
            for name in ("bash", "kernel"):
                files[f"{base}/os/Packages/{name}.rpm"] = f"{name} {base} ".encode() + mark
            files[f"{base}/os/repodata/repomd.xml"] = b"<repomd/>"
            files[f"{base}/debug/tree/Packages/bash-debuginfo.rpm"] = f"debug {base}".encode()
            files[f"{base}/iso/{variant}.iso"] = f"iso {base}".encode()
        files[f"{variant}/source/tree/Packages/bash.src.rpm"] = f"source {variant}".encode()
    links = {f"{variant}/x86_64/os/newest.rpm": "Packages/bash.rpm" for variant in ("BaseOS", "AppStream")}
    return {"files": files, "symlinks": links}


def catalog():
    """What both are asked for. Components that are added later are newer."""
    made = Catalog()
    own_team = made.remoteci.team.id
    rhel9 = made.add_topic("RHEL-9.2", component_types=("compose", "hwcert"))
    for name, tags in (
        ("both", ("nightly", "kernel:5.14")),
        ("milestone", ("milestone", "kernel:5.14")),
        ("nightly", ("nightly",)),
    ):
        made.add_component(rhel9, name=name, tags=tags, **compose(name.encode()))
    made.add_component(rhel9, name="hwcert-1", type="hwcert", tags=("old",), files={"a.rpm": b"1"})
    commit = made.add_component(rhel9, name="https://git.example.com/org/repo/1a2b", type="git", files={})
    made.drop(commit, "dci_files_list.json")
    _, older, _, *others = made.components.values()
    made.add_job(rhel9, [older, *others])
    made.add_component(rhel9, name="hwcert-2", type="hwcert", files={"a.rpm": b"2", "b/c.rpm": b"c"})
    rhel8 = made.add_topic("RHEL-8.8")
    made.add_component(rhel8, name="RHEL-8.8.0", **compose(b"8.8"))
    made.add_component(
        made.add_topic("RHEL 7 ELS"),
        name="ELS",
        files={".composeinfo": b"7", "Server/x86_64/os/Packages/bash.rpm": b"7", "Client/x86_64/os/bash.rpm": b"7"},
    )
    made.add_component(
        made.add_topic("OSP17.1"),
        name="OSP17.1-1",
        files={".composeinfo": b"o", "OSP/x86_64/os/a.rpm": b"a"},
        images_list=b"images: []\n",
    )
    made.add_component(made.add_topic("INACTIVE", state="inactive"), name="i", **compose(b"i"))
    private = made.add_topic("PRIVATE")
    made.add_component(private, name="public", **compose(b"public"))
    made.add_component(private, name="private", team_id=own_team, **compose(b"private"))
    lacking = made.add_topic("LACKING", component_types=("compose", "hwcert"))
    made.add_component(lacking, name="alone", **compose(b"l"))
    without = made.add_topic("WITHOUT", component_types=("compose", "ocp"))
    made.add_component(without, name="with-files", **compose(b"w"))
    made.add_component(without, name="4.12", type="ocp", files={})
    rotten = made.add_component(made.add_topic("ROTTEN"), name="rotten", files={".composeinfo": b"right"})
    made.put(rotten, ".composeinfo", b"wrong")
    made.add_component(made.add_topic("ODD"), name="odd", files={".composeinfo": b"o", "metadata/a#1": b"1"})
    return made


@dataclass(frozen=True)
class Outcome:
    """What a program left.

    Attributes:
        code: its exit code; None where it hung.
        files: sha256 of each published file, and the target of each symlink, by path below DEST.
        said: what it wrote, for the message of a failed test.
    """

    code: int
    files: dict
    said: str


class Both:
    """Runs both programs side by side."""

    def __init__(self, previous, site, root):
        self._commands = {"theirs": previous, "ours": OURS}
        self._site = site
        self._root = root

    def ids(self):
        """The id of each component by its name, and that of the job, to be filled into arguments and files."""
        catalog = self._site.catalog
        (job,) = catalog.jobs
        return {"job": job, **{component.name: component.id for component in catalog.components.values()}}

    def run(self, arguments, files, environ, seconds):
        """The outcome of the previous program and of ours; ``{dir}``, ``{dest}`` and ``{ids[name]}`` are filled in."""
        running = [self._start(name, arguments, files, environ) for name in self._commands]
        return [self._outcome(process, folder, seconds) for process, folder in running]

    def _start(self, name, arguments, files, environ):
        folder = self._root / name
        folder.mkdir()

        def filled(text):
            return text.format(dir=folder, dest=folder / "dest", ids=self.ids(), url=self._site.url)

        for file, text in files.items():
            (folder / file).write_text(text.replace("{dest}", str(folder / "dest")))
        own = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "LC_ALL": "C.UTF-8",
            "PYTHONPATH": str(Path(__file__).parents[2]) if name == "ours" else "",
        }
        process = subprocess.Popen(
            [*self._commands[name], *map(filled, arguments)],
            env={**own, **self._site.environment(), **{key: filled(value) for key, value in environ.items()}},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="backslashreplace",  # 3.2.0 writes from several threads, and sometimes half a character
            cwd=folder,
        )
        return process, folder

    def _outcome(self, process, folder, seconds):
        try:
            said, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            said, _ = process.communicate()
            return Outcome(None, {}, said)
        return Outcome(process.returncode, published(folder / "dest"), said)


def published(dest):
    """What a reader finds below ``DEST/<topic>/<type>/``, which may be a folder or a link to one."""
    found = {}
    for place in dest.glob("[!.]*/[!.]*"):
        root = place.resolve()
        for path in root.rglob("*"):
            name = str(place.relative_to(dest) / path.relative_to(root))
            if path.is_symlink():
                found[name] = f"-> {os.readlink(path)}"
            elif path.is_file():
                found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


@pytest.fixture(scope="session")
def site():
    with DemoSite(catalog()) as site:
        yield site


@pytest.fixture
def both(previous, site, tmp_path):
    return Both(previous, site, tmp_path)
