"""The parsers of the commands that help to set the program up, and explain it."""

from __future__ import annotations

import textwrap

from dci_downloader.cli.arguments import Parser, add_option, command_parser
from dci_downloader.settings.table import SETTINGS, settings_at
from dci_downloader.settings.types import Level

SHELLS = ("bash", "zsh", "fish")
"""The shells that there are completion scripts for."""


def check_parser() -> Parser:
    """``dci-downloader check``: will a run work?"""
    parser = command_parser(
        "check",
        "Say whether tonight's run will work: settings, credentials, clock, topics, object store, peers, disk, and "
        "what starts it. Changes nothing. The exit code is that of the gravest fault.",
        "check",
        "check RHEL-9.2 /srv/dci",
        ending="Without TOPIC it is about those of the settings that are found, or named.",
    )
    parser.usage = "dci-downloader check [TOPIC] [DEST] [options]"
    parser.add_argument("names", nargs="*", metavar="TOPIC", help="name or pattern, as for mirroring it")
    parser.add_argument("--json", action="store_true", help="the same for programs")
    add_option(parser, "settings")
    add_option(parser, "dcirc")
    add_option(parser, "dci_cs_url")
    add_option(parser, "from", help="ask this mirror instead")
    return parser


def settings_parser() -> Parser:
    """``dci-downloader settings check``: the values of settings files."""
    parser = command_parser(
        "settings",
        "Check settings files, and show each value with its origin. Fetches nothing.",
        "settings check settings.yml",
        ending=_settings_help(),
    )
    parser.add_argument("action", choices=("check",), metavar="check", help="what to do")
    parser.add_argument(
        "settings", nargs="*", metavar="FILE", help="YAML; later over earlier (default: those that are found)"
    )
    return parser


def _settings_help() -> str:
    """The names of all settings, by where they may stand in a settings file."""
    levels = {name: setting.levels for name, setting in SETTINGS.items() if setting.levels}
    groups = {
        "top level": [name for name, at in levels.items() if Level.FILE in at and Level.TOPIC not in at],
        "there or in a topic": [name for name, at in levels.items() if Level.TOPIC in at],
        "in filters": settings_at(Level.FILTER),
        "in variants": settings_at(Level.VARIANT),
    }
    lines = ["DCI_* variables count too, as they would in a run; secrets are not shown.", ""]
    lines += ["settings, explained by `dci-downloader help settings`:"]
    for title, names in groups.items():
        heading = f"  {title + ':':21}"
        lines += textwrap.wrap(", ".join(names), 80, initial_indent=heading, subsequent_indent=" " * len(heading))
    return "\n".join(lines)


def systemd_units_parser() -> Parser:
    """``dci-downloader systemd-units``: a service and a timer."""
    parser = command_parser(
        "systemd-units",
        "Print a hardened systemd service that mirrors what settings files name, and a timer that starts it every "
        "night.",
        "systemd-units --settings settings.yml --user dci",
        "systemd-units timer",
    )
    parser.add_argument("unit", nargs="?", choices=("service", "timer"), metavar="service|timer", help="default: both")
    add_option(parser, "settings", help="YAML (default: /etc/dci-downloader/settings.yml)")
    parser.add_argument("--user", default="", metavar="NAME", help="whom it runs as (default: you)")
    add_option(parser, "dcirc", default="/etc/dci-downloader/dcirc.sh", help="credentials (default: %(default)s)")
    return parser


def completion_parser() -> Parser:
    """``dci-downloader completion``: for the shell's TAB key."""
    parser = command_parser(
        "completion",
        "Print a script that makes a shell complete the command line.",
        "completion bash > ~/.local/share/bash-completion/completions/dci-downloader",
        "completion zsh > ~/.zfunc/_dci-downloader",
        "completion fish > ~/.config/fish/completions/dci-downloader.fish",
        ending="zsh looks into ~/.zfunc once ~/.zshrc says so, before compinit: fpath+=~/.zfunc",
    )
    parser.add_argument("shell", choices=SHELLS, metavar="SHELL", help="bash, zsh or fish")
    return parser


def demo_parser() -> Parser:
    """``dci-downloader demo``: a walk through the program, against an embedded server."""
    description = "Mirror two nightlies of a sample topic from a server inside this program: no account, no network."
    parser = command_parser("demo", description, "demo", "demo --serve")
    parser.add_argument(
        "destination", nargs="?", metavar="DEST", help="an empty or new folder (default: a temporary one)"
    )
    parser.add_argument("--serve", action="store_true", help="only keep the server up, and print its DCI_* variables")
    return parser


def help_parser() -> Parser:
    """``dci-downloader help``: the pages."""
    parser = command_parser(
        "help",
        "Show a page of the manual, or what a command does. On a terminal through $PAGER, or less.",
        "help",
        "help settings",
        "help verify",
    )
    parser.add_argument("page", nargs="?", default="", metavar="PAGE", help="a page or a command (default: list them)")
    return parser
