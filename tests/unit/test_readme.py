"""README and pages say what the program does."""

import json
import re

import pytest

from dci_downloader import errors, results
from dci_downloader.changes import Changes, PackageChange, PackageChangeKind
from dci_downloader.cli import report
from dci_downloader.cli.arguments import parse, parse_sync, sync_parser
from dci_downloader.cli.command_parsers import PARSERS
from dci_downloader.cli.commands import COMMANDS
from dci_downloader.cli.output import print_error_document
from dci_downloader.settings.command_line import CommandLine
from dci_downloader.settings.precedence import merge
from tests.pages import PAGES, PATHS, README, ROOT, blocks, commands, commands_in_sentences, section

TEXT = "\n".join([README, *PAGES.values()])
EXIT_CODES = [
    kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.DownloaderError)
]
SECTIONS = [
    "Try it",
    "Install it",
    "The first day",
    "Every night",
    "Did it work?",
    "When it fails",
    "Where things are",
    "From Python",
    "All pages",
    "Contributing",
]


def test_the_readme_is_short_and_in_the_order_of_what_one_needs():
    assert len(README.splitlines()) <= 220
    assert re.findall(r"^## (.*)", README, flags=re.MULTILINE) == SECTIONS
    contents = README.partition("\n## ")[0]
    named = [title for title, _ in re.findall(r"\[([^\]]+)\]\(#([\w-]+)\)", contents)]
    assert named == SECTIONS


def test_the_readme_leads_to_every_page():
    linked = re.findall(
        r"^\| \[([\w-]+)\]\(dci_downloader/docs/([\w-]+)\.md\) \|", section(README, "## All pages"), re.MULTILINE
    )
    assert all(name == page for name, page in linked)
    assert {name for name, _ in linked} == set(PAGES)


def test_the_readme_warns_of_the_previous_program_of_this_name():
    assert re.search(r"PyPI.*`pip install dci-downloader`.*3\.2\.0", section(README, "## Install it"), re.DOTALL)


def anchors(text):
    """The anchors that headings of a page get, as GitHub makes them."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    for heading in re.findall(r"^#+ (.*)", text, flags=re.MULTILINE):
        yield re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.name)
def test_every_link_leads_somewhere(path):
    text = path.read_text(encoding="utf-8")
    targets = [target for target in re.findall(r"\]\(([^)\s]+)\)", text) if "//" not in target]
    for target in targets:
        file, _, anchor = target.partition("#")
        found = path.parent / file if file else path
        assert found.exists(), target
        assert not anchor or anchor in anchors(found.read_text(encoding="utf-8")), target


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.name)
def test_headings_of_a_page_are_told_apart_by_their_anchors(path):
    found = list(anchors(path.read_text(encoding="utf-8")))
    assert len(found) == len(set(found))


def test_what_the_readme_says_one_sees_is_what_the_program_says():
    """The phrases in the first column of its table of symptoms."""
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "dci_downloader").rglob("*.py"))
    rows = re.findall(r"^\| (.*?) \|", section(README, "### By symptom"), re.MULTILINE)[2:]
    phrases = [phrase.rstrip(" …") for row in rows for phrase in re.findall(r"`([^`]+)`", row)]
    assert len(phrases) >= 3
    for phrase in phrases:
        assert phrase in sources, phrase


@pytest.mark.parametrize("name", ["README", *PAGES])
def test_every_command_line_can_be_parsed(name):
    text = {"README": README, **PAGES}[name]
    for words in [*commands(text), *commands_in_sentences(text)]:
        if words == ["--version"]:
            continue
        if words[0] in PARSERS:
            parse(PARSERS[words[0]](), words[1:])
        else:
            parse_sync(words)


@pytest.mark.parametrize("name", ["README", *PAGES])
def test_every_settings_file_is_right(name, tmp_path):
    for number, block in enumerate(
        re.findall(r"^```yaml\n(.*?)^```", {"README": README, **PAGES}[name], re.MULTILINE | re.DOTALL)
    ):
        if not block.startswith(("apiVersion:", "- name:")):  # of Kubernetes and Ansible
            file = tmp_path / f"{number}.yml"
            file.write_text(block)
            merged = merge(CommandLine(settings=(str(file),)), {})
            assert merged.notes == ()


def documented_options():
    rows = re.findall(r"^\| `(.+?)`(?:, `(.+?)`)? \|", PAGES["options"], flags=re.MULTILINE)
    return {name.split()[0]: name for row in rows for name in row if name.startswith("-")}


def options(parser):
    for action in parser._actions:
        if action.help != "==SUPPRESS==":
            for option in action.option_strings:
                metavar = "" if action.nargs == 0 else f" {action.metavar}"
                yield option, f"{option}{metavar}"


def test_the_table_of_options_is_that_of_help():
    real = dict(options(sync_parser()))
    documented = documented_options()
    assert set(documented) == set(real)
    for option, name in documented.items():
        assert name == real[option] or option in ("-h", "--help", "-V", "--version")


@pytest.mark.parametrize("name", PARSERS)
def test_the_other_commands_and_their_options_are_named(name):
    parser = PARSERS[name]()
    assert parser.prog == f"dci-downloader {name}"
    assert f"{parser.prog} " in TEXT
    for option, _ in options(parser):
        assert option in ("-h", "--help") or option in TEXT


def test_the_commands_of_help_are_those_there_are():
    usage = " ".join(sync_parser().format_help().partition("COMMAND --help")[2].split())
    assert usage.startswith(f"{', '.join(PARSERS)} ")
    assert list(COMMANDS) == list(PARSERS)


@pytest.mark.parametrize(("make", "lines"), [(sync_parser, 55), *((make, 31) for make in PARSERS.values())])
def test_help_fits_a_screen(make, lines):
    shown = make().format_help().splitlines()
    assert len(shown) <= lines
    assert [line for line in shown if len(line) > 80 and "completion" not in line] == []  # its paths are long


@pytest.mark.parametrize("error", EXIT_CODES)
def test_every_exit_code_is_documented(error):
    for text in (section(README, "### By exit code"), section(PAGES["report"], "## Exit codes")):
        assert re.search(rf"^\| {error.exit_code} \|", text, flags=re.MULTILINE)
    shown = sync_parser().format_help().partition("exit codes:")[2]
    assert re.search(rf"\b{error.exit_code} ", shown)


def keys_of(document):
    """Every key of a JSON value, however deep."""
    if isinstance(document, dict):
        for key, value in document.items():
            yield key
            yield from keys_of(value)
    elif isinstance(document, list):
        for item in document:
            yield from keys_of(item)


def test_the_report_in_its_page_has_every_key_and_no_other(capsys):
    failure = results.Failure("a", "b", 5, "c", "d", "e")
    image = results.ContainerImage("s", "c", results.ContainerImageOutcome.COPIED)
    package = PackageChange("p", PackageChangeKind.ADDED)
    parts = {
        "failures": (failure,),
        "changes": Changes("v", packages=(package,)),
        "images": (image,),
        "received": (results.SourceTotals("n", 1, 1),),
    }
    component = results.ComponentReport("i", "n", "t", (), "p", results.Outcome.FAILED, **parts)
    document = json.loads(report.to_json([results.Report("t", "i", (component,), 1.0)], 1.0, 5))
    print_error_document(errors.TransferError("e", hint="h"))
    document.update(json.loads(capsys.readouterr().out), topics=document["topics"])
    (shown,) = blocks(section(PAGES["report"], "## The report"), "text")
    columns = [re.split(r"   +", line.strip())[0] for line in shown.splitlines()]
    documented = {key.strip(" []") for column in columns for key in column.split(",")}
    assert documented == set(keys_of(document))


def test_the_figures_about_peers_are_those_of_the_program():
    from dci_downloader.transfer.tuning import Tuning

    tuning = Tuning()
    text = " ".join(PAGES["many-machines"].split())
    assert f"{tuning.slow_rate // 1024} kB/s on a connection for {tuning.slow_seconds:g} seconds" in text
    assert f"after three wrong answers, or {tuning.most_misses} objects in a row" in text
    assert tuning.most_faults == 3


def test_every_metric_and_every_event_is_documented(tmp_path):
    from dci_downloader.cli import metrics

    metrics.write(tmp_path / "m", [results.Report("t", "i", (), 1.0, results.Failure("", "b", 5))], 0)
    named = set(re.findall(r"^# TYPE (\w+)", (tmp_path / "m").read_text(), flags=re.MULTILINE))
    assert set(re.findall(r"^\| `(dci_downloader_\w+)` \|", PAGES["report"], flags=re.MULTILINE)) == named
    source = "".join(
        (ROOT / "dci_downloader" / "cli" / f"{name}.py").read_text() for name in ("progress", "run_output")
    )
    events = set(re.findall(r"\.emit\(\"(\w+)\"", source))
    (table,) = re.findall(r"^\| event \| .*?\n\n", PAGES["report"], flags=re.MULTILINE | re.DOTALL)
    documented = {name for row in table.strip().splitlines()[2:] for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert documented == events
