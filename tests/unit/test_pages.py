"""``help``: pages and commands by name."""

import pytest

from dci_downloader import SettingsError
from dci_downloader.cli import main as cli
from dci_downloader.cli import pages
from dci_downloader.cli.command_parsers import PARSERS

NAMES = {
    "design",
    "images",
    "maintenance",
    "many-machines",
    "migration",
    "operations",
    "options",
    "performance",
    "python",
    "report",
    "security",
    "settings",
}


def test_the_pages_are_these_and_each_begins_with_its_title():
    assert set(pages.names()) == NAMES
    for name in NAMES:
        assert pages.read(name).startswith("# ")


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_pipe_gets_a_page_as_it_is_written(name, capsys):
    assert pages.show(name, {}) == 0
    shown = capsys.readouterr().out
    assert shown.endswith(pages.read(name))
    assert (shown == pages.read(name)) == (name not in PARSERS)


@pytest.mark.parametrize("name", PARSERS)
def test_a_command_is_explained_as_by_its_own_option(name, capsys):
    assert pages.show(name, {}) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(PARSERS[name]().format_help())


def test_what_there_is_is_listed_and_fits_the_smallest_terminal(capsys):
    assert pages.show("", {}) == 0
    lines = capsys.readouterr().out.splitlines()
    assert {line.split()[0] for line in lines if line} >= {*NAMES, *PARSERS}
    assert [line for line in lines if len(line) > 80] == []


@pytest.mark.parametrize("subject", ["Settings", "settings.md", "MANY-MACHINES"])
def test_a_page_is_found_however_it_is_written(subject, capsys):
    assert pages.show(subject, {}) == 0
    assert capsys.readouterr().out


@pytest.mark.parametrize(
    ("subject", "hint"),
    [
        ("setings", "did you mean settings?"),
        ("verfy", "did you mean verify?"),
        ("machines", "did you mean many-machines?"),
        ("../settings", "did you mean settings?"),
        ("xyzzy", "`dci-downloader help` lists the pages and commands"),
        ("\x1b[2J", "`dci-downloader help` lists the pages and commands"),
    ],
)
def test_what_is_neither_is_2_with_what_was_meant(subject, hint, capsys):
    with pytest.raises(SettingsError) as caught:
        pages.show(subject, {})
    assert caught.value.hint == hint
    assert cli.main(["help", subject]) == 2
    shown = capsys.readouterr()
    assert (shown.out, "\x1b" in shown.err) == ("", False)


def test_one_page_at_a_time():
    assert cli.main(["help", "settings", "options"]) == 2


@pytest.mark.parametrize(
    ("environ", "command"),
    [
        ({"TERM": "xterm", "PAGER": "sh -e"}, ["sh", "-e"]),
        ({"TERM": "xterm", "PAGER": ""}, []),
        ({"TERM": "xterm", "PAGER": "cat"}, []),
        ({"TERM": "xterm", "PAGER": "no-such-pager"}, []),
        ({"TERM": "xterm", "PAGER": "'"}, []),
        ({"TERM": "dumb", "PAGER": "sh"}, []),
        ({"PAGER": "sh"}, []),
    ],
)
def test_the_pager_is_the_users_if_there_is_one(environ, command):
    assert pages._pager(environ) == command
