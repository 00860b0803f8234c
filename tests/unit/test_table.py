"""One table declares the settings; everything else that says something of them follows from it."""

import re

import pytest

from dci_downloader.cli.arguments import parse_sync, sync_parser
from dci_downloader.cli.checks import check_settings
from dci_downloader.cli.pages import FOLDER
from dci_downloader.cli.setup_parsers import settings_parser
from dci_downloader.content.selection import Selection
from dci_downloader.options import SyncOptions, TransferOptions
from dci_downloader.settings import table, yaml_file
from dci_downloader.settings.settings import load
from dci_downloader.settings.table import DEFAULTS, SETTINGS, TOPIC_SETTINGS
from dci_downloader.settings.types import COUNT, Level, Setting
from tests import reference

ENVIRONMENT = {"DCI_CLIENT_ID": "remoteci/1", "DCI_API_SECRET": "s3cret", "DCI_CS_URL": "http://cs"}


@pytest.mark.parametrize("name", reference.TABLES)
def test_the_tables_of_the_pages_are_those_of_the_table(name):
    """Where this fails: ``python -m tests.reference``."""
    text = (FOLDER / f"{name}.md").read_text(encoding="utf-8")
    assert reference.page(name, text) == text


def test_the_example_file_is_that_of_the_table():
    """Where this fails: ``python -m tests.reference``."""
    assert reference.EXAMPLE.read_text(encoding="utf-8") == reference.example()


def test_the_example_loads_and_shows_every_setting():
    text = reference.EXAMPLE.read_text(encoding="utf-8")
    file = yaml_file.parse(text.encode(), "downloader.yml.example")
    assert (file.problems, file.notes) == ((), ())
    assert len(file.topics) == 3
    for setting in SETTINGS.values():
        assert not setting.levels or re.search(rf"(?<!\w){setting.name}:", text), setting.name


def test_the_example_passes_settings_check():
    assert check_settings([str(reference.EXAMPLE)], {}).exit_code == 0


def test_every_option_of_the_parser_is_one_of_the_table():
    options = {
        action.option_strings[-1]: action
        for action in sync_parser()._actions
        if action.option_strings and action.dest not in ("version", "help")
    }
    declared = {setting.option.split()[0]: setting for setting in SETTINGS.values() if setting.option[:2] == "--"}
    assert set(options) == set(declared)
    assert {action.option_strings[0] for action in options.values() if len(action.option_strings) > 1} == {"-q", "-v"}
    assert {option: action.dest for option, action in options.items()} == {
        option: setting.name for option, setting in declared.items()
    }


def test_the_help_of_settings_names_every_setting_and_its_levels():
    text = settings_parser().format_help().partition("settings, explained")[2]
    groups = {
        title: set(re.findall(r"\w+", names))
        for title, names in re.findall(r"^  ([a-z ]+): +((?:.+\n?)(?: {10,}.+\n?)*)", text, flags=re.MULTILINE)
    }
    assert set.union(*groups.values()) == {setting.name for setting in SETTINGS.values() if setting.levels}
    assert groups["in filters"] == {"type", "tag", "tags", "name"}
    assert groups["in variants"] == {"name", "with_debug", "with_source", "with_iso"}


@pytest.mark.parametrize("setting", TOPIC_SETTINGS, ids=lambda setting: setting.name)
def test_defaults_are_those_of_the_options(setting):
    options, attribute = setting.fills
    assert DEFAULTS[setting.name] == (getattr(options(), attribute), "default")


def test_every_attribute_of_a_selection_is_filled_by_a_setting():
    filled = {setting.fills[1] for setting in TOPIC_SETTINGS if setting.fills[0] is Selection}
    assert filled == set(Selection.__dataclass_fields__)


def test_every_setting_of_a_topic_may_stand_on_the_top_level_too():
    for setting in TOPIC_SETTINGS:
        assert Level.FILE in setting.levels
        assert Level.TOPIC in setting.levels


def test_an_entry_of_the_table_is_all_that_a_new_setting_needs(monkeypatch, tmp_path):
    """A second setting for ``keep`` stands for one whose option was just added to the program."""
    new = Setting(
        "spare",
        COUNT,
        "--spare N",
        "new",
        levels=Level.FILE | Level.TOPIC,
        variable="DCI_SPARE",
        fills=(SyncOptions, "keep"),
    )
    others = [setting for setting in TOPIC_SETTINGS if setting.name != "keep"]
    monkeypatch.setitem(table.SETTINGS, "spare", new)
    monkeypatch.setitem(table.GROUPS, "new", (new,))
    monkeypatch.setitem(table.DEFAULTS, "spare", DEFAULTS["keep"])
    for module in ("cli.arguments", "settings.settings"):
        monkeypatch.setattr(f"dci_downloader.{module}.TOPIC_SETTINGS", (*others, new))
    table.settings_at.cache_clear()
    try:
        path = tmp_path / "s.yml"
        path.write_text("local_repo: /srv\ntopics: [{topic: a, spare: 5}, {topic: b}]\n")
        words = ["--settings", str(path)]
        assert "  --spare N               new (default: 1)" in sync_parser().format_help()
        for more, environ, keep in (([], {}, [5, 1]), ([], {"DCI_SPARE": "7"}, [5, 7]), (["--spare", "3"], {}, [3, 3])):
            settings = load(parse_sync([*words, *more]), {**ENVIRONMENT, **environ})
            assert [topic.options.keep for topic in settings.topics] == keep
        assert any(re.fullmatch(r"spare +5 +.*s\.yml:2:21", line) for line in check_settings([str(path)], {}).lines)
        path.write_text("spare: many\n")
        assert yaml_file.read(str(path)).problems == (f"{path}:1:8: spare: expected a whole number, not a string",)
    finally:
        table.settings_at.cache_clear()


def test_the_limit_of_the_rate_is_explained_alike_everywhere():
    phrase = "over all connections together"
    setting = SETTINGS["limit_rate"]
    for text in (setting.help, setting.text, setting.comment, TransferOptions.__doc__):
        assert phrase in " ".join(text.split())
