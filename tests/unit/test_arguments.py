import pytest

from dci_downloader.cli.arguments import parse, settings_parser, sync_parser
from dci_downloader.errors import SettingsError


def test_nothing_is_said_where_nothing_is_given():
    said = vars(parse(sync_parser(), []))
    flags = {"dry_run", "json", "quiet", "verbose"}
    assert {name for name, value in said.items() if value is not None} == flags | {"places"}


def test_options_are_kept_under_the_names_of_settings():
    words = "RHEL-9.2 --arch a --variant v --filter t:u /srv --debug --src --iso --all --package-filter p --keep 0"
    said = parse(sync_parser(), words.split())
    assert (said.places, said.archs, said.variants, said.filters) == (["RHEL-9.2", "/srv"], ["a"], ["v"], ["t:u"])
    assert said.with_debug
    assert said.with_source
    assert said.with_iso
    assert said.download_everything
    assert (said.package_filters, said.keep) == (["p"], 0)


def test_settings_files_are_kept_in_their_order():
    assert parse(sync_parser(), ["--settings", "a", "--settings", "b"]).settings == ["a", "b"]
    assert parse(settings_parser(), ["check", "a", "b"]).settings == ["a", "b"]


@pytest.mark.parametrize(
    ("words", "meant"),
    [("a b --variants x", "--variant"), ("--local-dir=x", "--local-repo"), ("--src --isos", "--iso")],
)
def test_an_option_that_is_like_another_names_it(words, meant):
    with pytest.raises(SettingsError) as raised:
        parse(sync_parser(), words.split())
    assert raised.value.hint == f"did you mean {meant}?"


@pytest.mark.parametrize("registry", ["localhost:5000", "r.lab", "10.0.0.1:443", "[::1]:5000", "my_registry:1"])
def test_a_registry_is_a_host_with_its_port(registry):
    assert parse(sync_parser(), ["--registry", registry]).registry == registry


def test_a_login_of_a_registry_is_not_repeated_in_the_error():
    with pytest.raises(SettingsError) as raised:
        parse(sync_parser(), ["--registry", "u:hidden@r:5000"])
    assert "hidden" not in str(raised.value)


def test_options_may_be_abbreviated_as_in_the_previous_downloader():
    said = parse(sync_parser(), ["--set", "a", "--filt", "t", "--deb", "--local", "/srv", "--comp", "7"])
    assert (said.settings, said.filters, said.with_debug, said.local_repo, said.component_id) == (
        ["a"],
        ["t"],
        True,
        "/srv",
        "7",
    )


@pytest.mark.parametrize(("text", "rate"), [("500K", 512_000), ("1.5m", 1_572_864), ("1G", 2**30), ("7", 7)])
def test_rates_have_the_suffixes_of_curl(text, rate):
    assert parse(sync_parser(), ["--limit-rate", text]).limit_rate == rate


@pytest.mark.parametrize(
    ("words", "reason"),
    [
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
        ("--tech-previews=x", "unrecognized arguments"),
    ],
)
def test_a_wrong_option_says_what_was_expected(words, reason):
    with pytest.raises(SettingsError) as raised:
        parse(sync_parser(), words.split())
    assert reason in str(raised.value)
    assert raised.value.hint == "see `dci-downloader --help`"


def test_a_peer_that_is_none_is_refused_without_being_shown():
    assert parse(sync_parser(), ["--peer", "http://lab1/dci/", "--peer", "https://lab2"]).peers == [
        "http://lab1/dci",
        "https://lab2",
    ]
    with pytest.raises(SettingsError, match="expected the URL of a mirror") as caught:
        parse(sync_parser(), ["--peer", "http://user:s3cret@lab1/"])
    assert "s3cret" not in str(caught.value)
