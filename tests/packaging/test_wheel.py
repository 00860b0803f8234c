"""What is published for pip: complete, lean, the same every time."""

from __future__ import annotations

import email
import hashlib
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile

import pytest

from dci_downloader.cli import completion
from dci_downloader.cli.arguments import sync_parser
from dci_downloader.cli.command_parsers import PARSERS
from dci_downloader.cli.setup_parsers import SHELLS
from dci_downloader.version_number import VERSION
from tests.packaging.conftest import ROOT, build, run

pytestmark = pytest.mark.slow

PAGES = ["dci-downloader", "download-topic", *(f"dci-downloader-{command}" for command in PARSERS)]
SHARED = {
    "share/bash-completion/completions/dci-downloader": "bash",
    "share/zsh/site-functions/_dci-downloader": "zsh",
    "share/fish/vendor_completions.d/dci-downloader.fish": "fish",
}


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def sources():
    """What the package is made of, as paths below the root."""
    package, suffixes = ROOT / "dci_downloader", (".py", ".md", ".typed", ".css", ".js")
    found = [path for path in package.rglob("*") if path.is_file() and path.suffix in suffixes]
    return {path.relative_to(ROOT).as_posix() for path in found}


def test_the_wheel_holds_the_package_and_what_a_machine_wants_of_it_and_nothing_else(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    about, shared = f"dci_downloader-{VERSION}.dist-info", f"dci_downloader-{VERSION}.data/data"
    assert names == {
        *sources(),
        *(f"dci_downloader/share/completions/{shell}" for shell in SHELLS),
        *(f"{shared}/share/man/man1/{page}.1" for page in PAGES),
        *(f"{shared}/{path}" for path in SHARED),
        f"{shared}/share/doc/dci-downloader/downloader.yml.example",
        *(f"{about}/{name}" for name in ("METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE")),
    }


def test_the_wheel_says_whose_it_is_and_what_it_needs(wheel):
    about = email.message_from_bytes(zipfile.ZipFile(wheel).read(f"dci_downloader-{VERSION}.dist-info/METADATA"))
    assert (about["Name"], about["Version"], about["Requires-Python"]) == ("dci-downloader", VERSION, ">=3.9")
    assert (about["License-Expression"], about.get_all("License-File")) == ("Apache-2.0", ["LICENSE"])
    assert {url.partition(",")[0] for url in about.get_all("Project-URL")} == {"Homepage", "Documentation"}
    assert set(about.get_all("Provides-Extra")) == {"agent", "completion", "dev", "metrics", "test"}
    needed = [line for line in about.get_all("Requires-Dist") if "extra ==" not in line]
    assert sorted(needed) == [
        "dciauth>=4.0.1",
        "pycurl>=7.43.0.6",
        "pyyaml>=5.4",
        "requests>=2.25.1",
    ]
    assert "Requires-Dist: dciclient" in str(about)


def test_two_builds_are_equal_and_so_is_that_of_the_unpacked_sdist(sdist, wheel, unpacked, tmp_path):
    copy = tmp_path / "another folder"
    ignored = shutil.ignore_patterns(".venv", ".git", ".*_cache", "__pycache__", ".hypothesis")
    shutil.copytree(ROOT, copy, ignore=ignored)
    assert digest(build(copy, tmp_path / "1", "wheel")) == digest(wheel)
    assert digest(build(copy, tmp_path / "2", "sdist")) == digest(sdist)
    assert digest(build(unpacked, tmp_path / "3", "wheel")) == digest(wheel)


def test_the_sdist_holds_what_it_takes_to_build_and_to_test_and_nothing_of_this_machine(sdist):
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {name.partition("/")[0] for name in names} - {"", ".ci"} == {
        ".github",
        ".gitignore",
        ".packaging",
        "LICENSE",
        "PKG-INFO",
        "README.md",
        "dci_downloader",
        "downloader.yml.example",
        "pyproject.toml",
        "tests",
    }
    assert sources() <= names
    tests = {path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("*.py")}
    assert tests <= names
    assert not [name for name in names if name.endswith(".pyc") or "_cache" in name]


def test_twine_finds_nothing_wrong(sdist, wheel):
    run(sys.executable, "-m", "twine", "check", "--strict", sdist, wheel)


@pytest.mark.timeout(900)
def test_the_tests_of_the_sdist_pass_from_the_unpacked_sdist(unpacked):
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "tests/unit", "tests/integration"]
    done = subprocess.run(command, cwd=unpacked, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """A virtual environment with the wheel in it and without anything else."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder, with_pip=True)
    run(folder / "bin/pip", "install", "--no-index", "--no-deps", "--no-build-isolation", wheel)
    return folder


def test_the_wheel_is_installed_without_a_build_backend_and_completes_without_an_extra(installed):
    program = installed / "bin/dci-downloader"
    assert run(program, "--version") == f"dci-downloader {VERSION}\n"
    listed = run("env", "-u", "PIP_QUIET", installed / "bin/pip", "list", "--format=freeze").splitlines()
    assert [line.partition("=")[0] for line in listed if not line.startswith(("pip=", "setuptools="))] == [
        "dci-downloader"
    ]
    # `settings` and the like need PyYAML, the scripts nothing
    python = installed / "bin/python"
    script = "from dci_downloader.cli import completion; print(end=completion.script('{}'))"
    for path, shell in SHARED.items():
        assert (
            run(python, "-I", "-c", script.format(shell))
            == (installed / path).read_text()
            == completion.generate(shell)
        )


@pytest.mark.skipif(not shutil.which("mandoc"), reason="judges man pages with mandoc")
@pytest.mark.parametrize("page", PAGES)
def test_each_man_page_is_right_and_says_what_help_says(installed, page):
    path = installed / "share/man/man1" / f"{page}.1"
    if page == "download-topic":
        assert path.read_text() == ".so man1/dci-downloader.1\n"
        return
    found = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", path], capture_output=True, text=True).stdout
    assert [line for line in found.splitlines() if 'missing date, using ""' not in line] == []
    shown = run("mandoc", "-T", "utf8", "-O", "width=300", path)
    plain = " ".join(run("col", "-b", input=shown).split())
    parser = sync_parser() if page == "dci-downloader" else PARSERS[page[len("dci-downloader-") :]]()
    for action in parser._actions:
        if action.help != "==SUPPRESS==" and "-h" not in action.option_strings:
            assert all(option in plain for option in action.option_strings), action
            assert " ".join((action.help % {"default": action.default, "prog": "x"}).split()) in plain
    for line in (parser.epilog or "").splitlines():
        if line.startswith("  dci-downloader"):
            assert " ".join(line.split()) in plain
