from pathlib import Path

import pytest

import dci_downloader
from dci_downloader.cli.arguments import parse, parse_sync
from dci_downloader.cli.setup_parsers import settings_parser
from dci_downloader.content.selection import Variant
from dci_downloader.errors import SettingsError
from dci_downloader.options import Filter
from dci_downloader.settings.command_line import CommandLine

ROOT = Path(dci_downloader.__file__).parent


def test_no_namespace_of_argparse_leaves_the_command_line():
    below = [path for path in ROOT.rglob("*.py") if path.relative_to(ROOT).parts[0] != "cli"]
    assert len(below) > 30
    assert [path for path in below if "argparse" in path.read_text(encoding="utf-8")] == []


def test_options_that_are_not_given_keep_their_defaults():
    assert parse_sync([]) == CommandLine()


def test_options_of_a_topic_are_kept_under_the_names_of_settings_as_values():
    words = "RHEL-9.2 --arch a --variant v --filter t:u /srv --debug --src --iso --all --package-filter p --keep 0"
    command_line = parse_sync(words.split())
    assert command_line.positional == ("RHEL-9.2", "/srv")
    assert command_line.topic_settings == {
        "archs": ("a",),
        "variants": (Variant("v"),),
        "filters": (Filter("t", ("u",)),),
        "with_debug": True,
        "with_source": True,
        "with_iso": True,
        "download_everything": True,
        "package_filters": ("p",),
        "keep": 0,
    }


def test_options_of_the_run_are_attributes():
    words = "--job-id 7 --local-repo /srv --dcirc d --dci-cs-url u --tech-preview rhdl --dry-run --lock-timeout 1.5 "
    words += "--json --quiet --verbose --log-file l --log-format json --metrics-file m --settings s"
    assert parse_sync(words.split()) == CommandLine(
        settings=("s",),
        local_repo="/srv",
        job_id="7",
        dcirc="d",
        dci_cs_url="u",
        tech_preview="rhdl",
        dry_run=True,
        lock_timeout=1.5,
        json=True,
        quiet=True,
        verbose=True,
        log_file="l",
        log_format="json",
        metrics_file="m",
    )


def test_settings_files_are_kept_in_their_order():
    assert parse_sync(["--settings", "a", "--settings", "b"]).settings == ("a", "b")
    assert parse(settings_parser(), ["check", "a", "b"]).settings == ["a", "b"]


@pytest.mark.parametrize(
    ("words", "meant"),
    [("a b --variants x", "--variant"), ("--local-dir=x", "--local-repo"), ("--src --isos", "--iso")],
)
def test_an_option_that_is_like_another_names_it(words, meant):
    with pytest.raises(SettingsError) as raised:
        parse_sync(words.split())
    assert raised.value.hint == f"did you mean {meant}?"


@pytest.mark.parametrize("registry", ["localhost:5000", "r.lab", "10.0.0.1:443", "[::1]:5000", "my_registry:1"])
def test_a_registry_is_a_host_with_its_port(registry):
    assert parse_sync(["--registry", registry]).topic_settings == {"registry": registry}


def test_a_login_of_a_registry_is_not_repeated_in_the_error():
    with pytest.raises(SettingsError) as raised:
        parse_sync(["--registry", "u:hidden@r:5000"])
    assert "hidden" not in str(raised.value)


def test_options_may_be_abbreviated_as_in_the_previous_downloader():
    command_line = parse_sync(["--set", "a", "--filt", "t", "--deb", "--local", "/srv", "--comp", "7"])
    assert (command_line.settings, command_line.local_repo) == (("a",), "/srv")
    assert command_line.topic_settings == {"filters": (Filter("t"),), "with_debug": True, "component_id": "7"}


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("--arch=", "argument --arch: expected a value, not ''"),
        ("--variant=", "argument --variant: expected a value, not ''"),
        ("--keep -1", "argument --keep: expected a whole number, at least 0, not '-1'"),
        ("--connections 0", "expected a whole number, at least 1, not '0'"),
        ("--connections many", "expected a whole number, at least 1, not 'many'"),
        ("--limit-rate 5X", "expected bytes per second, at least 1, like 500K, 50M or 1G, not '5X'"),
        ("--limit-rate 0", "expected bytes per second"),
        ("--patience 0.5", "expected a number of seconds, at least 1, not '0.5'"),
        ("--patience nan", "expected a number of seconds"),
        ("--lock-timeout inf", "expected a number of seconds, at least 0, not 'inf'"),
        ("--registry http://r", "argument --registry: expected HOST:PORT, like localhost:5000"),
        ("--registry r:99999", "argument --registry: expected HOST:PORT"),
        ("--registry r:0", "argument --registry: expected HOST:PORT"),
        ("--co 1", "ambiguous option: --co could match --component-id, --connections"),
        ("--tech-preview else", "invalid choice"),
        ("--unknown", "unrecognized arguments"),
        ("--to x", "unrecognized arguments"),  # two dashes and an "o" are no likeness
        ("--jz", "unrecognized arguments"),
        ("--tech-previews=x", "unrecognized arguments"),
    ],
)
def test_a_wrong_option_says_what_was_expected(words, reason):
    with pytest.raises(SettingsError) as raised:
        parse_sync(words.split())
    assert reason in str(raised.value)
    assert raised.value.hint == "see `dci-downloader --help`"


def test_a_peer_that_is_none_is_refused_without_being_shown():
    assert parse_sync(["--peer", "http://lab1/dci/", "--peer", "https://lab2"]).topic_settings == {
        "peers": ("http://lab1/dci", "https://lab2")
    }
    with pytest.raises(SettingsError, match="expected the URL of a mirror") as caught:
        parse_sync(["--peer", "http://user:s3cret@lab1/"])
    assert "s3cret" not in str(caught.value)
