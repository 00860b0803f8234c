"""The parsers of the commands; :mod:`dci_downloader.cli.commands` has the commands themselves."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence

from dci_downloader.cli.arguments import CommandFormatter, Parser, add_option, converter
from dci_downloader.settings.table import SETTINGS, settings_at
from dci_downloader.settings.types import COUNT, OUTPUT, Level

_DEFAULT = "default: by DCI_LOCAL_REPO or settings"

SHELLS = ("bash", "zsh", "fish")
"""The shells that there are completion scripts for."""


def _command_parser(command: str, description: str, *examples: str, ending: str = "") -> Parser:
    """A parser with description, examples of use, and a text after them."""
    lines = ["examples:", *(f"  dci-downloader {example}" for example in examples), ending]
    return Parser(
        prog=f"dci-downloader {command}",
        description=textwrap.fill(description, 80),
        epilog="\n".join(lines).rstrip(),
        formatter_class=CommandFormatter,
        allow_abbrev=False,
    )


def _list_parser(command: str, description: str, *examples: str, sort: Sequence[str], limit: int) -> Parser:
    """The parser of a command that lists what the control server offers."""
    ending = "A pipe gets one line for each, tab-separated and without a header."
    parser = _command_parser(command, description, *examples, ending=ending)
    parser.add_argument(
        "--sort", choices=sort, default=sort[0], metavar="KEY", help=f"{', '.join(sort)} (the default: {sort[0]})"
    )
    parser.add_argument("--reverse", action="store_true", help="in the opposite order")
    limit_help = f"at most so many (default: {limit}; 0: all)" if limit else "at most so many (default: all)"
    parser.add_argument("--limit", type=converter(COUNT), default=limit, metavar="N", help=limit_help)
    parser.add_argument("--json", action="store_true", help="the same for programs")
    add_option(parser, "dcirc")
    add_option(parser, "dci_cs_url")
    add_option(parser, "from", help="ask this mirror instead")
    return parser


def topics_parser() -> Parser:
    """``dci-downloader topics``: the topics that this remoteci has access to."""
    parser = _list_parser(
        "topics",
        "List the active topics that this remoteci has access to, the newest first.",
        "topics",
        "topics 'RHEL-9.*' --sort name",
        sort=("created", "name"),
        limit=0,
    )
    parser.add_argument("pattern", nargs="?", default="*", metavar="PATTERN", help="a name, or how it begins: RHEL-9.*")
    return parser


def components_parser() -> Parser:
    """``dci-downloader components``: the builds of a topic."""
    parser = _list_parser(
        "components",
        "List the active components of a topic, the newest first; private ones are those of your team.",
        "components RHEL-9.2 --limit 5",
        "components RHEL-9.2 --filter compose:nightly --sizes",
        "components RHEL-9.2 --since 2022-11-21 --limit 5",
        sort=("created", "name", "type", "size"),
        limit=20,
    )
    parser.add_argument("topic", metavar="TOPIC", help="name or pattern, as for mirroring it")
    add_option(parser, "filters", help="only these; repeat")
    parser.add_argument("--since", metavar="WHEN", help="created then or later: 2026-11-01, or with a time; UTC")
    parser.add_argument("--query", default="", metavar="QUERY", help="and for which this holds: contains(tags,nightly)")
    parser.add_argument("--sizes", action="store_true", help="ask the file list of each how large it is")
    return parser


def completion_parser() -> Parser:
    """``dci-downloader completion``: for the shell's TAB key."""
    parser = _command_parser(
        "completion",
        "Print a script that makes a shell complete the command line.",
        "completion bash > ~/.local/share/bash-completion/completions/dci-downloader",
        "completion zsh > ~/.zfunc/_dci-downloader",
        "completion fish > ~/.config/fish/completions/dci-downloader.fish",
        ending="zsh looks into ~/.zfunc once ~/.zshrc says so, before compinit: fpath+=~/.zfunc",
    )
    parser.add_argument("shell", choices=SHELLS, metavar="SHELL", help="bash, zsh or fish")
    return parser


def check_parser() -> Parser:
    """``dci-downloader check``: will a run work?"""
    parser = _command_parser(
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
    parser = _command_parser(
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


def _maintenance_parser(command: str, description: str, *examples: str) -> Parser:
    """The parser of a command about a whole mirror."""
    parser = _command_parser(command, description, *examples)
    parser.add_argument("destination", nargs="?", default="", metavar="DEST", help=f"root of the mirror ({_DEFAULT})")
    parser.add_argument("--json", action="store_true", help="the same for programs")
    return parser


def _topic_parser(command: str, description: str, *examples: str) -> Parser:
    """The parser of a command about a topic of a mirror."""
    ending = f"DEST is the root of the mirror ({_DEFAULT});\nTYPE one component type (default: all)."
    parser = _command_parser(command, description, *examples, ending=ending)
    parser.usage = f"dci-downloader {command} [DEST] TOPIC [TYPE] [options]"
    parser.add_argument("names", nargs="+", metavar="TOPIC", help="the topic's name")
    parser.add_argument("--json", action="store_true", help="the same for programs")
    add_option(parser, "lock_timeout")
    return parser


def status_parser() -> Parser:
    """``dci-downloader status``: what a mirror holds."""
    description = "Show what a mirror holds: versions, sizes, and what hard links save. No network."
    parser = _maintenance_parser("status", description, "status /srv/dci", "status /srv/dci --html page.html")
    parser.add_argument("--utc", action="store_true", help="times in UTC, not how long ago")
    parser.add_argument("--html", type=converter(OUTPUT), metavar="FILE", help="write it as a page of HTML, too")
    return parser


def changes_parser() -> Parser:
    """``dci-downloader changes``: which packages differ between two builds."""
    parser = _command_parser(
        "changes",
        "Show which packages differ: between what is published in a mirror and what was published before it, or "
        "between two builds on the control server, of which nothing is downloaded.",
        "changes /srv/dci RHEL-9.2",
        "changes /srv/dci RHEL-9.2 compose --arch x86_64",
        ending="Of the control server: --component-id or --job-id, the older one first,\n"
        "and the newer one; TOPIC alone may stand before them, or nothing.",
    )
    parser.add_argument(
        "names", nargs="*", metavar="DEST TOPIC TYPE", help="of a mirror; DEST and TYPE may be left out"
    )
    add_option(parser, "component_id", action="append", help="a build; twice")
    add_option(parser, "job_id", action="append", help="the builds of a job; twice")
    add_option(parser, "variants", type=str, help="only of this variant; repeat")
    add_option(parser, "archs", help="only of this architecture; repeat")
    parser.add_argument("--by-tree", action="store_true", help="each variant and architecture on its own")
    parser.add_argument("--json", action="store_true", help="the same for programs")
    add_option(parser, "dcirc")
    add_option(parser, "dci_cs_url")
    add_option(parser, "from", help="ask this mirror instead")
    return parser


def verify_parser() -> Parser:
    """``dci-downloader verify``: hash everything again."""
    description = "Hash everything that is published again, offline. Exit code 7 and one line for each damage."
    parser = _maintenance_parser("verify", description, "verify /srv/dci", "verify /srv/dci --repair")
    parser.add_argument("--repair", action="store_true", help="fetch what is damaged, and nothing else")
    add_option(parser, "dcirc", help="credentials for that, in place of `source FILE`")
    add_option(parser, "from", help="fetch it from another mirror, without credentials")
    add_option(parser, "peers", help="ask this mirror first; repeat")
    add_option(parser, "settings", help="ask the peers that it names first")
    parser.add_argument("-q", "--quiet", action="store_true", help="nothing but damage and errors")
    add_option(parser, "lock_timeout")
    return parser


def rollback_parser() -> Parser:
    """``dci-downloader rollback``: publish the version before."""
    description = "Publish the version before the present one again. No network. The next sync brings the newest back."
    parser = _topic_parser("rollback", description, "rollback /srv/dci RHEL-9.2", "rollback RHEL-9.2 compose --hold")
    parser.add_argument("--hold", action="store_true", help="and have it stay until `release`")
    return parser


def hold_parser() -> Parser:
    """``dci-downloader hold``: keep what is published."""
    description = (
        "Keep a topic at what is published of it. The next syncs say what they would publish, and fetch nothing."
    )
    return _topic_parser("hold", description, "hold /srv/dci RHEL-9.2", "hold RHEL-9.2 compose")


def release_parser() -> Parser:
    """``dci-downloader release``: follow the newest build again."""
    description = "End what `hold` began: the next sync publishes the newest build again."
    return _topic_parser("release", description, "release /srv/dci RHEL-9.2", "release RHEL-9.2 compose")


def remove_parser() -> Parser:
    """``dci-downloader remove``: forget a topic."""
    description = (
        "Remove a topic, or a type of it, from a mirror, with what is published, and say what that freed. "
        "Asks nothing. A sync whose settings name it brings it back."
    )
    return _topic_parser("remove", description, "remove /srv/dci RHEL-9.1", "remove RHEL-9.2 hwcert")


def prune_parser() -> Parser:
    """``dci-downloader prune``: remove old versions and garbage."""
    description = "Remove old versions, stale partial files, and what no version holds any more."
    parser = _maintenance_parser("prune", description, "prune /srv/dci", "prune /srv/dci --keep 0")
    add_option(parser, "keep")
    add_option(parser, "dry_run", help="say what would be removed, remove nothing")
    add_option(parser, "lock_timeout")
    return parser


def systemd_units_parser() -> Parser:
    """``dci-downloader systemd-units``: a service and a timer."""
    parser = _command_parser(
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


def demo_parser() -> Parser:
    """``dci-downloader demo``: a walk through the program, against an embedded server."""
    description = "Mirror two nightlies of a sample topic from a server inside this program: no account, no network."
    parser = _command_parser("demo", description, "demo", "demo --serve")
    parser.add_argument(
        "destination", nargs="?", metavar="DEST", help="an empty or new folder (default: a temporary one)"
    )
    parser.add_argument("--serve", action="store_true", help="only keep the server up, and print its DCI_* variables")
    return parser


def help_parser() -> Parser:
    """``dci-downloader help``: the pages."""
    parser = _command_parser(
        "help",
        "Show a page of the manual, or what a command does. On a terminal through $PAGER, or less.",
        "help",
        "help settings",
        "help verify",
    )
    parser.add_argument("page", nargs="?", default="", metavar="PAGE", help="a page or a command (default: list them)")
    return parser


PARSERS: Mapping[str, Callable[[], Parser]] = {
    "topics": topics_parser,
    "components": components_parser,
    "status": status_parser,
    "changes": changes_parser,
    "verify": verify_parser,
    "rollback": rollback_parser,
    "hold": hold_parser,
    "release": release_parser,
    "remove": remove_parser,
    "prune": prune_parser,
    "check": check_parser,
    "settings": settings_parser,
    "systemd-units": systemd_units_parser,
    "completion": completion_parser,
    "demo": demo_parser,
    "help": help_parser,
}
"""The parser of each command, in the order of ``--help``."""
