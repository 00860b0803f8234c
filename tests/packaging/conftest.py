"""The sdist and the wheel of this checkout, and a machine's file system of which nothing stays."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BUILD_TOOLS = ("argparse_manpage", "build", "hatchling", "shtab", "twine")


def run(*command, **options):
    """Run a program to its success, and give what it printed."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, **options)
    assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def build(source, target, kind):
    """Build an sdist or a wheel of a source tree; its path."""
    missing = [name for name in BUILD_TOOLS if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}; pip install -e '.[dev]'")
    run(sys.executable, "-m", "build", "--no-isolation", f"--{kind}", "--outdir", target, source)
    (built,) = Path(target).iterdir()
    return built


@pytest.fixture(scope="session")
def sdist(tmp_path_factory):
    """The sdist of this checkout."""
    return build(ROOT, tmp_path_factory.mktemp("sdist"), "sdist")


@pytest.fixture(scope="session")
def unpacked(sdist, tmp_path_factory):
    """The sdist, unpacked."""
    folder = tmp_path_factory.mktemp("unpacked")
    shutil.unpack_archive(sdist, folder)
    (source,) = folder.iterdir()
    return source


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    """The wheel of this checkout."""
    return build(ROOT, tmp_path_factory.mktemp("wheel"), "wheel")


OWN_ROOT = """
set -e
mount -t tmpfs none "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
for folder in proc dev sys tmp $(df --output=target "$PWD" "$HOME" | sed 1d); do
    [ "$folder" = / ] || mount --rbind "/${folder#/}" "$1/root/${folder#/}"
done
exec chroot "$1/root" bash -euc "$2"
"""


@pytest.fixture
def own_root(tmp_path):
    """Runs a script of bash, as root, on this machine's own file system, of whose changes nothing is left.

    Only ``/tmp``, and what is mounted beside, is the real one.
    """

    def own_root(script, **environ):
        return run(
            *("unshare", "--mount", "bash", "-c", OWN_ROOT, "own-root", folder, script),
            env={**os.environ, "LC_ALL": "C.UTF-8", **environ},
            cwd=ROOT,
        )

    folder = tmp_path / "own-root"
    folder.mkdir()
    tried = subprocess.run(
        ["unshare", "--mount", "bash", "-c", OWN_ROOT, "own-root", folder, "true"], capture_output=True, text=True
    )
    if tried.returncode:
        pytest.skip(f"no file system of its own can be had here: {tried.stderr.strip()[-200:]}")
    return own_root
