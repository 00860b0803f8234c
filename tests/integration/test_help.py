"""Help that is true: its examples run, and it comes at once."""

import re
import shlex
import subprocess
import sys
import time

import pytest

from dci_downloader.cli import main as cli
from dci_downloader.cli.arguments import sync_parser
from dci_downloader.cli.command_parsers import PARSERS
from dci_downloader.demo.compose import sample_site

ALL = {"": sync_parser, **PARSERS}


def examples():
    """The command lines that help shows, each with the command whose help it is."""
    for name, make in ALL.items():
        shown = make().format_help().partition("examples:\n")[2]
        for line in shown.splitlines():
            if line.startswith("  dci-downloader"):
                yield name, line.strip()


@pytest.fixture(scope="module")
def site():
    with sample_site() as site:
        yield site


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the examples run, one after the other: what one mirrored, the next looks after."""
    return tmp_path_factory.mktemp("examples")


def test_every_command_has_an_example():
    assert {name for name, _ in examples()} == set(ALL)


@pytest.mark.parametrize("line", [line for _, line in examples() if not line.endswith("--serve")])
def test_every_example_of_help_runs(site, folder, line, monkeypatch, capsys):
    for name, value in site.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(folder)
    (folder / "settings.yml").write_text(f"local_repo: {folder}/dci\ntopic: RHEL-9.2\nvariants: [AppStream]\n")
    program, *words = shlex.split(line, comments=True)
    if ">" in words:
        words = words[: words.index(">")]
    # a mirror with two versions of the topic for each example that looks after one
    mirror = folder / "dci"
    if words[0] in ("status", "verify", "rollback", "prune"):
        for variant in ("BaseOS", "AppStream"):
            assert cli.main(["RHEL-9.2", str(mirror), "--variant", variant, "--quiet"]) == 0
    code = cli.main([word.replace("/srv/dci", str(mirror)) for word in words])
    assert (program, code) == ("dci-downloader", 0), capsys.readouterr().err


@pytest.mark.parametrize("name", ALL)
def test_help_of_every_command_goes_to_standard_output(name, capsys):
    for option in ("-h", "--help"):
        with pytest.raises(SystemExit) as ended:
            cli.main([*name.split(), option])
        shown = capsys.readouterr()
        assert (ended.value.code, shown.err) == (0, "")
        assert re.match(rf"usage: dci-downloader {name}", shown.out)


def test_the_version_is_there_in_a_quarter_of_a_second():
    """The fastest of five, so that another process on this machine does not decide."""
    taken = []
    for _ in range(5):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-m", "dci_downloader", "--version"], check=True, capture_output=True)
        taken.append(time.perf_counter() - began)
    assert min(taken) < 0.25
