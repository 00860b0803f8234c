"""The command line, as argparse sees it. What the options mean together is decided in ``layers`` and ``settings``."""

from __future__ import annotations

import argparse
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import NoReturn, TypeVar

from dci_downloader import __version__
from dci_downloader.errors import SettingsError
from dci_downloader.network.addresses import mirror_url, registry_address
from dci_downloader.settings import bounds

_USAGE = """\
%(prog)s TOPIC DEST [options]        the newest build of a topic
       %(prog)s --settings FILE [options]   every topic of the file
       %(prog)s COMMAND --help              topics, components, status,
                     verify, rollback, prune, settings, systemd-units,
                     completion, demo"""

_EXAMPLES = """\
examples:
  source dcirc.sh                        # your credentials; then
  dci-downloader RHEL-9.2 /srv/dci       # x86_64, all variants
  dci-downloader RHEL-9.2 /srv/dci --variant BaseOS --arch aarch64
  dci-downloader 'RHEL-9.*' /srv/dci --filter compose:nightly --dry-run
  dci-downloader --settings settings.yml --local-repo /srv/dci
exit codes: 0 done or nothing new, 1 unexpected, 2 usage or settings,
  3 no access, 4 not found, 5 transfers failed (run again), 6 disk full,
  7 wrong content, 75 locked, 130 interrupted
"""

_SETTINGS = """\
DCI_* variables count too, as they would in a run; secrets are not shown.

settings, explained by README and downloader.yml.example:
  for the run:    local_repo or download_folder, version
  what:           topic; or lists of topics: topics or jobs, with topic or name
  for all topics, or in one of them:
                  component_id, filters (type, tag, tags, name), archs,
                  variants (name, with_debug, with_source, with_iso),
                  with_debug, with_source, with_iso, download_everything,
                  package_filters, include, exclude, keep, connections,
                  limit_rate, patience, peers, registry
"""


class Parser(argparse.ArgumentParser):
    """A parser that raises instead of leaving the program."""

    def error(self, message: str) -> NoReturn:
        """Raise what is wrong with the command line.

        Raises:
            SettingsError: always.
        """
        meant = self._meant(message)
        raise SettingsError(message, hint=f"did you mean {meant}?" if meant else f"see `{self.prog} --help`")

    def _meant(self, message: str) -> str:
        """The option that is most like one that isn't there; empty for other mistakes, or where none is like it."""
        import difflib  # is for mistakes only, and --version is to be quick

        there = [option for option, action in self._option_string_actions.items() if action.help != argparse.SUPPRESS]
        strange = message.partition("unrecognized arguments: ")[2].split()
        close = (difflib.get_close_matches(word.partition("=")[0], there, n=1) for word in strange if word[:2] == "--")
        return next((options[0] for options in close if options), "")


class _Wide(argparse.RawDescriptionHelpFormatter):
    """Leaves room for the longest option, so that each is one line of the smallest terminal."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=27, width=80)


class _Dense(_Wide):
    """Loses no line between groups, so that many options fit a screen."""

    def format_help(self) -> str:
        return re.sub(r"\n\n(?!examples:|what to fetch:)", "\n", super().format_help())


_Number = TypeVar("_Number", int, float)


def _bound(convert: Callable[[str], _Number]) -> Callable[[str], _Number]:
    """A converter whose own words argparse passes on."""

    def checked(text: str) -> _Number:
        try:
            return convert(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"{error}, not {text!r}") from None

    return checked


def _filled(text: str) -> str:
    """A value that is there: what an unset variable leaves must not come to mean everything."""
    if not text.strip():
        raise argparse.ArgumentTypeError("its value is empty")
    return text


def _peer(text: str) -> str:
    """A peer's URL. The message does not show what was given, for that may hold a password."""
    try:
        return mirror_url(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _registry(text: str) -> str:
    """A registry; a wrong one is not shown, for it may hold a login."""
    try:
        return registry_address(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def sync_parser() -> Parser:
    """``dci-downloader TOPIC DEST``: mirror a topic."""
    parser = Parser(
        prog="dci-downloader",
        usage=_USAGE,
        description="Mirror builds of Distributed CI: resumable, verified, published at once.",
        epilog=_EXAMPLES,
        formatter_class=_Dense,
        allow_abbrev=True,  # 3.2.0 took `--setting` for --settings, so cron lines may hold such
        add_help=False,  # not in a group of its own
    )
    # TOPIC and DEST are explained by the usage
    parser.add_argument("places", nargs="*", metavar="TOPIC DEST", help=argparse.SUPPRESS)
    add_sync_options(parser)
    return parser


def add_sync_options(parser: Parser) -> None:
    """The options of a sync, in their groups."""
    _add_what(parser.add_argument_group("what to fetch"))
    _add_where(parser.add_argument_group("from where, to where"))
    _add_how(parser.add_argument_group("how"))
    say = parser.add_argument_group("output")
    say.add_argument("--json", action="store_true", help="a report for programs on standard output")
    say.add_argument("--quiet", action="store_true", help="nothing but errors")
    say.add_argument("--verbose", action="store_true", help="also calls, and what is tried again and why")
    say.add_argument("--log-file", type=_filled, metavar="FILE", help="append all that happens, with times")
    format_help = "json: of the log, else of stderr"
    say.add_argument("--log-format", choices=("text", "json"), metavar="FORMAT", help=format_help)
    say.add_argument("--metrics-file", type=_filled, metavar="FILE", help="for Prometheus' node_exporter")
    say.add_argument("--version", action="version", version=f"%(prog)s {__version__}", help="the version")
    say.add_argument("-h", "--help", action="help", help="this")


def _add_what(group: argparse._ArgumentGroup) -> None:
    def many(option: str, metavar: str, dest: str, text: str) -> None:
        group.add_argument(option, action="append", type=_filled, dest=dest, metavar=metavar, help=text)

    def flag(option: str, dest: str, text: str) -> None:
        group.add_argument(option, action="store_true", dest=dest, default=None, help=text)

    group.add_argument("--component-id", type=_filled, metavar="ID", help="this component; TOPIC may be left out")
    group.add_argument("--job-id", type=_filled, metavar="ID", help="the components of this job; likewise")
    many("--filter", "TYPE[:TAG]", "filters", "newest of a type, with this tag; repeat")
    many("--arch", "ARCH", "archs", "default: x86_64; repeat for more")
    many("--variant", "NAME", "variants", "default: all; repeat")
    flag("--debug", "with_debug", "debug packages too")
    flag("--src", "with_source", "source packages too")
    flag("--iso", "with_iso", "ISO images too")
    flag("--all", "download_everything", "everything the component holds")
    many("--package-filter", "NAME", "package_filters", "only these packages; repeat")
    many("--include", "GLOB", "include", "of all that, only these paths; repeat")
    many("--exclude", "GLOB", "exclude", "and not these; repeat")


def _add_where(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--settings", action="append", metavar="FILE", help="YAML; repeat: later over earlier")
    group.add_argument("--local-repo", metavar="DIR", help="the same as DEST")
    _add_control_server(group)
    group.add_argument("--dci-repo-url", metavar="URL", help="without effect: the control server knows")
    group.add_argument(
        "--peer", action="append", type=_peer, dest="peers", metavar="URL", help="ask this mirror first; repeat"
    )
    group.add_argument("--registry", type=_registry, metavar="HOST:PORT", help="the lab's, for container images")
    group.add_argument("--tech-preview", choices=("rhdl",), help=argparse.SUPPRESS)


def _add_control_server(group: argparse._ActionsContainer) -> None:
    group.add_argument("--dcirc", metavar="FILE", help="credentials, in place of `source FILE`")
    group.add_argument("--dci-cs-url", metavar="URL", help="control server (default: DCI_CS_URL)")


def _add_how(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--dry-run", action="store_true", help="say what would be done, write nothing")
    group.add_argument(
        "--keep", type=_bound(bounds.not_negative), metavar="N", help="older versions that stay (default: 1)"
    )
    group.add_argument(
        "--connections", type=_bound(bounds.at_least_one), metavar="N", help="at most so many (default: 64)"
    )
    group.add_argument(
        "--limit-rate", type=_bound(bounds.rate), metavar="RATE", help="bytes per second in all: 500K, 50M, 1G"
    )
    group.add_argument(
        "--patience", type=_bound(bounds.patience), metavar="SECONDS", help="without progress, give up (default: 30)"
    )
    group.add_argument(
        "--lock-timeout",
        type=_bound(bounds.seconds),
        metavar="SECONDS",
        help="wait for another run (default: for ever)",
    )


def _command_parser(command: str, description: str, *examples: str, ending: str = "") -> Parser:
    """The parser of a command: what it does, and lines that show how it is used."""
    shown = ["examples:", *(f"  dci-downloader {example}" for example in examples)] if examples else []
    return Parser(
        prog=f"dci-downloader {command}",
        description=textwrap.fill(description, 80),
        epilog="\n".join([*shown, *([ending] if ending else [])]),
        formatter_class=_Wide,
        allow_abbrev=False,
    )


def _list_parser(command: str, description: str, *examples: str, sort: Sequence[str], limit: int) -> Parser:
    """The parser of a command that lists what the control server offers."""
    ending = "A pipe gets one line for each, tab-separated and without a header."
    parser = _command_parser(command, description, *examples, ending=ending)
    parser.add_argument(
        "--sort", choices=sort, default=sort[0], metavar="KEY", help=f"{', '.join(sort)} (the default: {sort[0]})"
    )
    parser.add_argument("--reverse", action="store_true", help="the other way round")
    shown = f"at most so many (default: {limit}; 0: all)" if limit else "at most so many (default: all)"
    parser.add_argument("--limit", type=_bound(bounds.not_negative), default=limit, metavar="N", help=shown)
    parser.add_argument("--json", action="store_true", help="the same for programs")
    _add_control_server(parser)
    return parser


def topics_parser() -> Parser:
    """``dci-downloader topics``: what this remoteci may have."""
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
    """``dci-downloader components``: which builds of a topic there are."""
    parser = _list_parser(
        "components",
        "List the active components of a topic, the newest first; private ones are those of your team.",
        "components RHEL-9.2 --limit 5",
        "components RHEL-9.2 --filter compose:nightly --sizes",
        sort=("created", "name", "type", "size"),
        limit=20,
    )
    parser.add_argument("topic", metavar="TOPIC", help="name or pattern, as for mirroring it")
    parser.add_argument(
        "--filter", action="append", type=_filled, dest="filters", metavar="TYPE[:TAG]", help="only these; repeat"
    )
    parser.add_argument("--sizes", action="store_true", help="ask the file list of each how large it is")
    return parser


def completion_parser() -> Parser:
    """``dci-downloader completion``: for the shell's TAB key."""
    parser = _command_parser(
        "completion",
        "Print what teaches a shell to complete the command line.",
        "completion bash > ~/.local/share/bash-completion/completions/dci-downloader",
        "completion zsh > ~/.zfunc/_dci-downloader",
        "completion fish > ~/.config/fish/completions/dci-downloader.fish",
        ending="zsh looks into ~/.zfunc once ~/.zshrc says so, before compinit: fpath+=~/.zfunc",
    )
    parser.add_argument("shell", choices=("bash", "zsh", "fish"), metavar="SHELL", help="bash, zsh or fish")
    return parser


def settings_parser() -> Parser:
    """``dci-downloader settings check``: what the settings come to."""
    parser = _command_parser(
        "settings",
        "Check settings files, and show what holds: each value, and who says so. Fetches nothing.",
        "settings check settings.yml",
        ending=_SETTINGS,
    )
    parser.add_argument("action", choices=("check",), metavar="check", help="what to do")
    parser.add_argument("settings", nargs="+", metavar="FILE", help="YAML; later over earlier")
    return parser


def _upkeep_parser(command: str, description: str, *examples: str) -> Parser:
    parser = _command_parser(command, description, *examples)
    parser.add_argument("destination", metavar="DEST", help="root of the mirror")
    parser.add_argument("--json", action="store_true", help="the same for programs")
    return parser


def _add_lock_timeout(parser: Parser) -> None:
    help_text = "wait for another run (default: for ever)"
    parser.add_argument("--lock-timeout", type=_bound(bounds.seconds), metavar="SECONDS", help=help_text)


def status_parser() -> Parser:
    """``dci-downloader status``: what is here."""
    description = "Show what a mirror holds: versions, sizes, and what hard links save. No network."
    return _upkeep_parser("status", description, "status /srv/dci")


def verify_parser() -> Parser:
    """``dci-downloader verify``: hash everything again."""
    description = "Hash everything that is published again, offline. Exit code 7 and one line for each damage."
    parser = _upkeep_parser("verify", description, "verify /srv/dci", "verify /srv/dci --repair")
    parser.add_argument("--repair", action="store_true", help="fetch what is damaged, and nothing else")
    parser.add_argument("--dcirc", metavar="FILE", help="credentials for that, in place of `source FILE`")
    parser.add_argument("--quiet", action="store_true", help="nothing but damage and errors")
    _add_lock_timeout(parser)
    return parser


def rollback_parser() -> Parser:
    """``dci-downloader rollback``: the version before."""
    description = "Publish the version before the present one again. No network. The next sync brings the newest back."
    parser = _upkeep_parser("rollback", description, "rollback /srv/dci RHEL-9.2", "rollback /srv/dci RHEL-9.2 compose")
    parser.add_argument("topic", metavar="TOPIC", help="the topic's name")
    parser.add_argument("type", nargs="?", default="", metavar="TYPE", help="one component type (default: all)")
    _add_lock_timeout(parser)
    return parser


def prune_parser() -> Parser:
    """``dci-downloader prune``: old versions and garbage."""
    description = "Remove old versions, stale partial files, and what no version holds any more."
    parser = _upkeep_parser("prune", description, "prune /srv/dci", "prune /srv/dci --keep 0")
    help_text = "older versions that stay (default: 1)"
    parser.add_argument("--keep", type=_bound(bounds.not_negative), default=1, metavar="N", help=help_text)
    _add_lock_timeout(parser)
    return parser


def systemd_units_parser() -> Parser:
    """``dci-downloader systemd-units``: a service and a timer."""
    parser = _command_parser(
        "systemd-units",
        "Print a hardened systemd service that mirrors what settings files say, as the user who asks, and a timer that "
        "starts it every night.",
        "systemd-units --settings settings.yml",
        "systemd-units timer --settings settings.yml",
    )
    parser.add_argument("unit", nargs="?", choices=("service", "timer"), metavar="service|timer", help="default: both")
    parser.add_argument("--settings", action="append", required=True, metavar="FILE", help="YAML; repeat")
    parser.add_argument(
        "--dcirc", default="/etc/dci-downloader/dcirc.sh", metavar="FILE", help="credentials (default: %(default)s)"
    )
    return parser


def demo_parser() -> Parser:
    """``dci-downloader demo``: the whole thing against an embedded server."""
    description = "Mirror two nightlies of a sample topic from a server inside this program: no account, no network."
    parser = _command_parser("demo", description, "demo", "demo --serve")
    parser.add_argument(
        "destination", nargs="?", metavar="DEST", help="an empty or new folder (default: a temporary one)"
    )
    parser.add_argument("--serve", action="store_true", help="only keep the server up, and print its DCI_* variables")
    return parser


COMMANDS: Mapping[str, Callable[[], Parser]] = {
    "topics": topics_parser,
    "components": components_parser,
    "status": status_parser,
    "verify": verify_parser,
    "rollback": rollback_parser,
    "prune": prune_parser,
    "settings": settings_parser,
    "systemd-units": systemd_units_parser,
    "completion": completion_parser,
    "demo": demo_parser,
}
"""What may stand where otherwise a topic stands, in the order of ``--help``."""


def parse(parser: Parser, arguments: Sequence[str]) -> argparse.Namespace:
    """Parse a command line whose options and positional arguments may be mixed.

    Raises:
        SettingsError: it is not a valid one.
    """
    return parser.parse_intermixed_args(list(arguments))
