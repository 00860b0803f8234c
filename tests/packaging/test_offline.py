"""A machine without a package index: the README's lines, with the pips of RHEL and the newest."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from dci_downloader.version_number import VERSION
from tests.packaging.conftest import ROOT, run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

README = (ROOT / "README.md").read_text(encoding="utf-8")
MAKE, INSTALL = re.search(r"### Without the internet\n.*?```console\n(.*?)\n(.*?)\n```", README, re.DOTALL).groups()
PIPS = {"20.2.4": "RHEL 8's module python39", "21.2.3": "RHEL 9", "": "the newest"}


def pip_environment():
    """Where pip takes nothing from the configuration of this machine."""
    left_out = ("PIP_", "PYTHON")
    return {name: value for name, value in os.environ.items() if not name.startswith(left_out)}


@pytest.fixture(scope="module")
def interpreter():
    """The oldest Python of this machine that the program supports: old pips run on none that is much newer."""
    for version in ("3.9", "3.10", "3.11"):
        for found in (f"python{version}", *map(str, Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))):
            tried = subprocess.run(["env", found, "-c", "import venv, ensurepip"], capture_output=True)
            if not tried.returncode:
                return found
    return pytest.skip("old pips run on Python 3.9 to 3.11, and there is none here")


@pytest.fixture(scope="module")
def make_environment(interpreter, tmp_path_factory):
    """Makes a virtual environment with a certain pip in it; an empty version is the newest."""

    def make(pip):
        folder = tmp_path_factory.mktemp("pip")
        run("env", interpreter, "-m", "venv", folder / ".venv")
        done = subprocess.run(
            [
                folder / ".venv/bin/python",
                "-m",
                "pip",
                "install",
                "--quiet",
                "--upgrade",
                f"pip=={pip}" if pip else "pip",
            ],
            capture_output=True,
            text=True,
        )
        if done.returncode:
            pytest.skip(f"the package index cannot be reached: {done.stderr.strip()[-200:]}")
        return folder

    return make


@pytest.fixture(scope="module")
def wheelhouse(make_environment):
    """The folder that the README's first line makes."""
    folder = make_environment("")
    source = folder / "clone"
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(".venv", ".git", ".*_cache", "__pycache__"))
    line = MAKE.replace("python3", str(folder / ".venv/bin/python"))
    run("bash", "-euc", line, cwd=source)
    return source / "wheelhouse"


@pytest.mark.parametrize("pip", PIPS, ids=PIPS.values())
def test_the_wheelhouse_is_installed_without_an_index_and_without_a_compiler(pip, make_environment, wheelhouse):
    folder = make_environment(pip)
    had = run(folder / ".venv/bin/pip", "--version").split()[1]
    assert had == pip or not pip
    os.symlink(wheelhouse, folder / "wheelhouse")
    # the second line makes the environment itself, so that its pip is the one that Python brings: here it has this one
    _, _, line = INSTALL.partition(" && ")
    line = line.replace("sudo ", "").replace("/opt/dci-downloader/", f"{folder}/.venv/")
    assert line.count("--no-index") == 2
    environ = {**pip_environment(), "PIP_INDEX_URL": "http://127.0.0.1:9/none", "CC": "/bin/false"}
    run("bash", "-euc", line, cwd=folder, env=environ)
    assert run(folder / ".venv/bin/dci-downloader", "--version") == f"dci-downloader {VERSION}\n"
    assert "0 damages" in run(folder / ".venv/bin/dci-downloader", "demo", env=environ)


def test_an_old_pip_alone_does_not_know_the_wheels_of_pycurl(make_environment, wheelhouse):
    """So the README has the newer one installed first."""
    folder = make_environment("20.2.4")
    if not list(wheelhouse.glob("pycurl-*manylinux_2_*")):
        pytest.skip("these wheels of pycurl have a tag that old pips know")
    command = [folder / ".venv/bin/pip", "install", "--no-index", "--find-links", wheelhouse, "dci-downloader"]
    done = subprocess.run(command, capture_output=True, text=True, env=pip_environment())
    assert "No matching distribution found for pycurl" in done.stderr
