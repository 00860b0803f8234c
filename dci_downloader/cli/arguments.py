"""The command line as argparse sees it: options follow from the table of settings."""

from __future__ import annotations

import argparse
import re
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any, NoReturn, Union

from dci_downloader.content.similarity import similar_name
from dci_downloader.errors import SettingsError
from dci_downloader.settings.command_line import CommandLine
from dci_downloader.settings.table import GROUPS, SETTINGS, TOPIC_SETTINGS
from dci_downloader.settings.types import FLAG, Choice, Entry, ListOf, Scalar, Setting
from dci_downloader.version_number import VERSION

_USAGE = """\
%(prog)s TOPIC DEST [options]        the newest build of a topic
       %(prog)s --settings FILE [options]   every topic of the file
       %(prog)s COMMAND --help              topics, components, status,
         changes, verify, rollback, hold, release, remove, prune, check,
         settings, systemd-units, completion, demo, help"""

_EXAMPLES = """\
examples:
  source dcirc.sh                        # your credentials; then
  dci-downloader RHEL-9.2 /srv/dci       # x86_64, all variants
  dci-downloader RHEL-9.2 /srv/dci --variant BaseOS --arch aarch64
  dci-downloader 'RHEL-9.*' /srv/dci --filter compose:nightly --dry-run
exit codes: 0 done or nothing new, 1 unexpected, 2 usage or settings,
  3 no access, 4 not found, 5 transfers failed (run again), 6 disk full,
  7 wrong content, 75 locked, 130 interrupted
"""


_ONE_DASH = re.compile(r"argument (-\w)/.*: ignored explicit argument '(.*)'")
_CHOICE = re.compile(r"invalid choice: '(.*)' \(choose from (.*)\)")
"""What argparse says, in all its versions."""


class Parser(argparse.ArgumentParser):
    """A parser that raises instead of leaving the program."""

    def error(self, message: str) -> NoReturn:
        """Raise what is wrong with the command line.

        Raises:
            SettingsError: always.
        """
        similar = self._similar_option(message) or _similar_choice(message)
        raise SettingsError(message, hint=f"did you mean {similar}?" if similar else f"see `{self.prog} --help`")

    def _get_option_tuples(self, option_string: str) -> list[Any]:
        """Keep ``--set`` an abbreviation of ``--settings``, as it was before there was ``--set-state``."""
        candidates: list[Any] = super()._get_option_tuples(option_string)
        return [candidate for candidate in candidates if candidate[1] != "--set-state"] or candidates

    def _similar_option(self, message: str) -> str:
        """The option that an unknown one resembles most; empty for other mistakes, or where none resembles it."""
        known = [
            option[2:]
            for option, action in self._option_string_actions.items()
            if action.help != argparse.SUPPRESS and option.startswith("--")
        ]
        unknown = [word for word in message.partition("unrecognized arguments: ")[2].split() if word.startswith("-")]
        one_dash = _ONE_DASH.search(message)  # -variant is taken for -v with something after it
        if one_dash:
            unknown = ["".join(one_dash.groups())]
        similar = (similar_name(word.lstrip("-").partition("=")[0], known) for word in unknown)
        return next((f"--{name}" for name in similar if name), "")


def _similar_choice(message: str) -> str:
    """The choice that a wrong one resembles most; empty for other mistakes."""
    found = _CHOICE.search(message)
    return similar_name(found[1], re.findall(r"[\w.-]+", found[2])) or "" if found else ""


class CommandFormatter(argparse.RawDescriptionHelpFormatter):
    """Leaves room for the longest option, so that each is one line of the smallest terminal."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=27, width=80)


class _SyncFormatter(CommandFormatter):
    """Leaves out the blank lines between most groups, so that many options fit a screen."""

    def format_help(self) -> str:
        return re.sub(r"\n\n(?!examples:|what to fetch:)", "\n", super().format_help())


def sync_parser() -> Parser:
    """``dci-downloader TOPIC DEST``: mirror a topic."""
    parser = Parser(
        prog="dci-downloader",
        usage=_USAGE,
        description="Mirror builds of Distributed CI: resumable, verified, published at once.",
        epilog=_EXAMPLES,
        formatter_class=_SyncFormatter,
        allow_abbrev=True,  # 3.2.0 took `--setting` for --settings, so cron lines may hold such
        add_help=False,  # not in a group of its own
    )
    # TOPIC and DEST are explained by the usage
    parser.add_argument("positional", nargs="*", metavar="TOPIC DEST", help=argparse.SUPPRESS)
    add_sync_options(parser)
    return parser


def command_parser(command: str, description: str, *examples: str, ending: str = "") -> Parser:
    """The parser of a command.

    Args:
        command: its name.
        description: what it does; lines are broken here.
        examples: command lines without the program's name.
        ending: what is shown after them, with its own line breaks.
    """
    lines = ["examples:", *(f"  dci-downloader {example}" for example in examples), ending]
    return Parser(
        prog=f"dci-downloader {command}",
        description=textwrap.fill(description, 80),
        epilog="\n".join(lines).rstrip(),
        formatter_class=CommandFormatter,
        allow_abbrev=False,
    )


def add_sync_options(parser: Parser) -> None:
    """Add the options of a sync, in their groups."""
    for title, settings in GROUPS.items():
        group = parser.add_argument_group(title)
        for setting in settings:
            if setting.option.startswith("--"):
                add_option(group, setting.name)
    group.add_argument("-V", "--version", action="version", version=f"%(prog)s {VERSION}", help="the version")
    group.add_argument("-h", "--help", action="help", help="this")


def add_option(group: argparse._ActionsContainer, name: str, **changes: Any) -> None:
    """Add the option of a setting; its value is None where it is not given.

    Args:
        group: a parser, or a group of its options.
        name: of the setting.
        changes: keywords of ``add_argument`` that differ from what the table says.
    """
    setting = SETTINGS[name]
    option, _, metavar = setting.option.partition(" ")
    keywords: dict[str, Any] = {"dest": name, "default": None, "help": _help(setting)}
    value_type = setting.value_type
    if value_type is FLAG:
        keywords["action"] = "store_true"
    elif isinstance(value_type, Choice):
        keywords.update(metavar=metavar, choices=value_type.names)
    elif isinstance(value_type, ListOf):
        keywords.update(metavar=metavar, action="append", type=converter(value_type.item))
    else:
        keywords.update(metavar=metavar, type=converter(value_type))
    group.add_argument(*filter(None, (setting.short, option)), **{**keywords, **changes})


def converter(value_type: Union[Scalar, Entry]) -> Callable[[str], Any]:
    """Make a converter for argparse, which passes on what the type expects."""

    def convert(text: str) -> Any:
        try:
            return value_type.parse(text)
        except ValueError as error:
            shown = "" if isinstance(value_type, Scalar) and value_type.confidential else f", not {text!r}"
            raise argparse.ArgumentTypeError(f"{error}{shown}") from None

    return convert


def _help(setting: Setting) -> str:
    if not setting.help:
        return argparse.SUPPRESS
    default = f" (default: {setting.default_text})" if setting.default_text else ""
    return f"{setting.help}{default}{'; repeat' if isinstance(setting.value_type, ListOf) else ''}"


def parse(parser: Parser, arguments: Sequence[str]) -> argparse.Namespace:
    """Parse a command line whose options and positional arguments may be mixed.

    Raises:
        SettingsError: it is not a valid one.
    """
    return parser.parse_intermixed_args(list(arguments))


def parse_sync(arguments: Sequence[str]) -> CommandLine:
    """Parse the command line of a sync.

    Raises:
        SettingsError: it is not a valid one.
    """
    given: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in vars(parse(sync_parser(), arguments)).items()
        if value is not None
    }
    of_topics = {setting.name: given[setting.name] for setting in TOPIC_SETTINGS if setting.name in given}
    given["upstream"] = given.pop("from", "")  # no attribute of Python can have that name
    of_run = {field.name: given[field.name] for field in fields(CommandLine) if field.name in given}
    return CommandLine(**of_run, topic_settings=of_topics)
