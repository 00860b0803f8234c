"""The container, built by buildah on a base of this machine's own files, and run."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from dci_downloader.version_number import VERSION
from tests.integration.conftest import needs
from tests.packaging.conftest import ROOT, run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), needs("buildah", "ldd")]

PROGRAMS = ["bash", "sh", "cat", "env", "id", "install", "ln", "ls", "mkdir", "rm", "python3", "ldconfig"]
FOLDERS = ["/usr/lib/python3", "/usr/share/python-wheels", "/etc/ssl/certs"]
PYTHON = "/usr/bin/python3"


def libraries(*paths):
    """The shared libraries that programs and libraries load."""
    listed = subprocess.run(["ldd", *paths], capture_output=True, text=True).stdout
    return {path for path in re.findall(r"(/\S+\.so\S*) \(0x", listed) if os.path.exists(path)}


def of_libc():
    """What else belongs to the C library: wheels link it under its older names."""
    (libc,) = (path for path in libraries(PYTHON) if "/libc.so" in path)
    names = ("dl", "gcc_s", "nss_dns", "nss_files", "pthread", "resolv", "rt", "util")
    return {str(path) for name in names for path in Path(libc).parent.glob(f"lib{name}.so.*")}


def copy(path, root):
    """Put a file where it is here, and where a link in its path leads to."""
    for place in {path, os.path.realpath(path)}:
        target = root / place.lstrip("/")
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """The smallest root file system that has Python, from this machine's own."""
    if subprocess.run([PYTHON, "-c", "import ensurepip, venv"], capture_output=True).returncode:
        pytest.skip(f"{PYTHON} has no venv")
    root = tmp_path_factory.mktemp("base") / "root"
    standard = run(PYTHON, "-c", "import sysconfig; print(sysconfig.get_path('stdlib'))").strip()
    for folder in [*FOLDERS, standard]:
        if os.path.isdir(folder):
            ignored = shutil.ignore_patterns("test", "dist-packages", "__pycache__", "config-*")
            shutil.copytree(folder, root / folder.lstrip("/"), ignore=ignored, ignore_dangling_symlinks=True)
    programs = [path for path in map(shutil.which, PROGRAMS) if path]
    extensions = [str(path) for path in Path(standard, "lib-dynload").glob("*.so")]
    for path in {*programs, PYTHON, *of_libc(), *libraries(*programs, PYTHON, *extensions)}:
        copy(path, root)
    if not (root / "bin").exists():
        (root / "bin").symlink_to("usr/bin")
    for folder in ("tmp", "proc", "dev", "sys", "usr/local/bin", "opt"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\n")
    return root


@pytest.fixture
def buildah(tmp_path):
    """buildah with a storage of its own, or the reason why it cannot work here."""
    storage = ["--root", tmp_path / "storage", "--runroot", tmp_path / "run", "--storage-driver", "vfs"]

    def buildah(*words):
        return run("buildah", *storage, *words, env={**os.environ, "BUILDAH_ISOLATION": "chroot"})

    tried = subprocess.run(["buildah", *map(str, storage), "from", "scratch"], capture_output=True, text=True)
    if tried.returncode:
        pytest.skip(f"buildah does not work here: {tried.stderr.strip()[-200:]}")
    return buildah


@pytest.fixture
def wheelhouse(unpacked, tmp_path):
    """The sdist with the wheels that the base's Python needs."""
    run(PYTHON, "-m", "venv", tmp_path / "venv")
    source = tmp_path / "source"
    shutil.copytree(unpacked, source)
    command = [tmp_path / "venv/bin/pip", "wheel", "--quiet", "--wheel-dir", source / "wheelhouse", "pip", source]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"the package index cannot be reached: {done.stderr.strip()[-200:]}")
    return source


def test_it_is_built_on_any_base_with_python_and_mirrors_as_an_ordinary_user(base, wheelhouse, buildah, tmp_path):
    (tmp_path / "Base").write_text("FROM scratch\nCOPY root /\nENV PATH=/usr/local/bin:/usr/bin:/bin\n")
    buildah("bud", "--quiet", "-t", "base", "-f", tmp_path / "Base", base.parent)
    containerfile = ROOT / ".packaging/Containerfile"
    buildah("bud", "--quiet", "--build-arg", "BASE=localhost/base", "-t", "made", "-f", containerfile, wheelhouse)
    settings = json.loads(buildah("inspect", "--type", "image", "made"))["OCIv1"]["config"]
    assert (settings["User"], settings["Volumes"], settings["Entrypoint"]) == (
        "1001:0",
        {"/dci": {}},
        ["dci-downloader"],
    )
    assert settings["Labels"]["version"] == VERSION
    assert not [line for line in settings["Env"] if "SECRET" in line]
    container = buildah("from", "made").strip()
    assert buildah("run", container, "--", "dci-downloader", "--version") == f"dci-downloader {VERSION}\n"
    assert buildah("run", container, "--", "id", "-u") == "1001\n"
    assert "0 damages" in buildah("run", container, "--", "dci-downloader", "demo", "/dci")
    assert "RHEL-9.2" in buildah("run", container, "--", "ls", "/dci")


def test_the_containerfile_is_of_this_release_and_takes_ubi_9_unless_told_otherwise():
    text = (ROOT / ".packaging/Containerfile").read_text(encoding="utf-8")
    assert re.search(r"^ARG BASE=registry\.access\.redhat\.com/ubi9/", text, re.MULTILINE)
    assert f"ARG VERSION={VERSION}\n" in text
    assert "DCI_API_SECRET=" not in text
