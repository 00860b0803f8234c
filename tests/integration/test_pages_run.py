"""The command lines of README and pages run as they stand there, against the server of the demo."""

import re

import pytest

from dci_downloader.cli import main as cli
from dci_downloader.demo.compose import sample_site
from tests.pages import PAGES, README, blocks, commands, section

PARTS = {
    "the first day": section(README, "## The first day"),
    "did it work": section(README, "## Did it work?"),
    "options": PAGES["options"],
    "settings": PAGES["settings"],
    "maintenance": PAGES["maintenance"],
}

NOT_HERE = re.compile(r"[A-Z]{2,}$|/etc/")
"""Words that stand for something else, or are a place that this machine has not."""


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """A mirror with two versions, the server it came from in the environment, and a settings file beside it."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "dci"
    with sample_site() as site:
        for name, value in site.environment().items():
            monkeypatch.setenv(name, value)
        (tmp_path / "settings.yml").write_text(f"local_repo: {folder}\ntopic: RHEL-9.2\nvariants: [AppStream]\n")
        for variant in ("BaseOS", "AppStream"):
            assert cli.main(["RHEL-9.2", str(folder), "--variant", variant, "--quiet"]) == 0
        yield folder


def runnable():
    """The command lines of each block that can be run here."""
    for name, text in PARTS.items():
        for number, block in enumerate(blocks(text, "console")):
            found = commands(f"```console\n{block}```")
            lines = [words for words in found if not any(map(NOT_HERE.search, words))]
            if lines:
                yield pytest.param(lines, id=f"{name} {number}")


def test_every_part_has_some_to_run():
    assert {param.id.rpartition(" ")[0] for param in runnable()} == set(PARTS)


@pytest.mark.parametrize("lines", list(runnable()))
def test_the_command_lines_of_a_block_run_one_after_the_other(lines, mirror, tmp_path, capsys):
    for words in lines:
        words = [word.replace("/srv/dci", str(mirror)).replace("/data", str(tmp_path / "data")) for word in words]
        assert cli.main(words) == 0, f"{words}\n{capsys.readouterr().err}"


def test_the_settings_of_the_readme_are_those_that_the_command_lines_name(tmp_path, capsys):
    (text,) = blocks(section(README, "## Every night"), "yaml")
    (tmp_path / "settings.yml").write_text(text)
    assert cli.main(["settings", "check", str(tmp_path / "settings.yml")]) == 0
    shown = capsys.readouterr().out
    assert re.search(r"^local_repo +/srv/dci ", shown, flags=re.MULTILINE)
    assert re.findall(r"^topic +(\S+)", shown, flags=re.MULTILINE) == ["RHEL-9.2", "RHEL-8.*"]
