"""The README says what the program does."""

import json
import re
from pathlib import Path

import pytest

from dci_downloader import errors, results
from dci_downloader.changes import Changes, PackageChange, PackageChangeKind
from dci_downloader.cli import report
from dci_downloader.cli.arguments import sync_parser
from dci_downloader.cli.command_parsers import PARSERS
from dci_downloader.cli.commands import COMMANDS
from dci_downloader.cli.output import print_error_document

README = Path(__file__).parents[2] / "README.md"
TEXT = README.read_text(encoding="utf-8")


def documented_options():
    rows = re.findall(r"^\| `(.+?)`(?:, `(.+?)`)? \|", TEXT, flags=re.MULTILINE)
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
        assert name == real[option] or option in ("-h", "--help", "--version")


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


@pytest.mark.parametrize(
    "error",
    [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.DownloaderError)],
)
def test_every_exit_code_is_documented(error):
    assert re.search(rf"^\| {error.exit_code} \|", TEXT, flags=re.MULTILINE)
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


def test_the_report_in_the_readme_has_every_key_and_no_other(capsys):
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
    (shown,) = re.findall(r"^### The report\n.*?```text\n(.*?)```", TEXT, flags=re.MULTILINE | re.DOTALL)
    columns = [re.split(r"   +", line.strip())[0] for line in shown.splitlines()]
    documented = {key.strip(" []") for column in columns for key in column.split(",")}
    assert documented == set(keys_of(document))


def test_the_figures_about_peers_are_those_of_the_program():
    from dci_downloader.transfer.tuning import Tuning

    tuning = Tuning()
    section = " ".join(TEXT.partition("### Many machines\n")[2].partition("\n## ")[0].split())
    assert f"{tuning.slow_rate // 1024} kB/s on a connection for {tuning.slow_seconds:g} seconds" in section
    assert f"after three wrong answers, or {tuning.most_misses} objects in a row" in section
    assert tuning.most_faults == 3


def test_every_metric_and_every_event_is_documented(tmp_path):
    from dci_downloader.cli import metrics

    metrics.write(tmp_path / "m", [results.Report("t", "i", (), 1.0, results.Failure("", "b", 5))], 0)
    named = set(re.findall(r"^# TYPE (\w+)", (tmp_path / "m").read_text(), flags=re.MULTILINE))
    assert set(re.findall(r"^\| `(dci_downloader_\w+)` \|", TEXT, flags=re.MULTILINE)) == named
    source = "".join(
        (README.parent / "dci_downloader" / "cli" / f"{name}.py").read_text() for name in ("progress", "run_output")
    )
    events = set(re.findall(r"\.emit\(\"(\w+)\"", source))
    (table,) = re.findall(r"^\| event \| .*?\n\n", TEXT, flags=re.MULTILINE | re.DOTALL)
    documented = {name for row in table.strip().splitlines()[2:] for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert documented == events
