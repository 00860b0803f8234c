"""Help that is true: its examples run, and it comes at once."""

import os
import pwd
import re
import resource
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from dci_downloader.cli import main as cli
from dci_downloader.cli.arguments import sync_parser
from dci_downloader.cli.command_parsers import PARSERS
from dci_downloader.demo.compose import sample_site
from dci_downloader.settings import discovery

EXAMPLE = Path(__file__).parents[2] / "downloader.yml.example"
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


def test_every_command_has_an_example():
    assert {name for name, _ in examples()} == set(ALL)


@pytest.mark.parametrize("line", [line for _, line in examples() if not line.endswith("--serve")])
def test_every_example_of_help_runs(site, tmp_path, line, monkeypatch, capsys):
    for name, value in site.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(discovery, "SYSTEM_FOLDER", str(tmp_path))
    (tmp_path / "settings.yml").write_text(f"local_repo: {tmp_path}/dci\ntopic: RHEL-9.2\nvariants: [AppStream]\n")
    program, *words = shlex.split(line, comments=True)
    if ">" in words:
        words = words[: words.index(">")]
    # a mirror with two versions of the topic for each example that looks after one
    mirror = tmp_path / "dci"
    if words[0] in ("status", "changes", "verify", "rollback", "hold", "release", "prune", "remove"):
        for variant in ("BaseOS", "AppStream"):
            assert cli.main(["RHEL-9.2", str(mirror), "--variant", variant, "--quiet"]) == 0
    # the machine that runs the tests has another user, the sample site another topic
    others = {"/srv/dci": str(mirror), "dci": pwd.getpwuid(os.geteuid()).pw_name, "RHEL-9.1": "RHEL-9.2"}
    code = cli.main([others.get(word, word) for word in words])
    assert (program, code) == ("dci-downloader", 0), capsys.readouterr().err


@pytest.mark.parametrize("name", ALL)
def test_help_of_every_command_goes_to_standard_output(name, capsys):
    for option in ("-h", "--help"):
        with pytest.raises(SystemExit) as ended:
            cli.main([*name.split(), option])
        shown = capsys.readouterr()
        assert (ended.value.code, shown.err) == (0, "")
        assert re.match(rf"usage: dci-downloader {name}", shown.out)


def processor_seconds(*words):
    """Of the fastest of seven runs, so that other processes on this machine do not decide."""
    taken = []
    for _ in range(7):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, *words], check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        taken.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(taken)


def test_the_version_waits_for_nothing_and_settings_check_for_little():
    """Beside the start of Python with what every command line needs, whatever the speed of this machine."""
    start = processor_seconds("-c", "import argparse, dataclasses, urllib.parse, yaml")
    assert processor_seconds("-m", "dci_downloader", "--version") < start
    assert processor_seconds("-m", "dci_downloader", "settings", "check", str(EXAMPLE)) < 3 * start


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["--help"], set()),
        (["settings", "check", str(EXAMPLE)], {"yaml"}),
        (["topics"], {"requests"}),
        (["components", "RHEL-9.2"], {"requests"}),
    ],
)
def test_a_command_loads_no_library_that_it_does_not_need(site, words, wanted):
    program = (
        "import sys; from dci_downloader.cli.main import main\n"
        "try: code = main(sys.argv[1:])\n"
        "except SystemExit as ended: code = ended.code\n"
        "loaded = {'pycurl', 'requests', 'yaml', 'tqdm', 'prometheus_client', 'multiprocessing'} & set(sys.modules)\n"
        "print(code, *loaded, file=sys.stderr)"
    )
    environ = {**os.environ, **site.environment()}
    command = [sys.executable, "-c", program, *words]
    done = subprocess.run(command, env=environ, check=True, capture_output=True, text=True)
    code, *loaded = done.stderr.split()
    assert (code, set(loaded)) == ("0", wanted)
