"""The command line, as argparse sees it. What the options mean together is decided in ``layers`` and ``settings``."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import NoReturn, TypeVar

from dci_downloader import __version__, bounds
from dci_downloader.errors import SettingsError

_EXAMPLES = """\
examples:
  source dcirc.sh                                      your credentials
  dci-downloader RHEL-9.2 /srv/dci                     the newest build, x86_64, all variants
  dci-downloader RHEL-9.2 /srv/dci --variant BaseOS --variant AppStream --arch ppc64le
  dci-downloader 'RHEL-9.*' /srv/dci --filter compose:nightly --dry-run
  dci-downloader --settings /etc/dci-rhel-agent/settings.yml --local-repo /data
  dci-downloader status|verify|rollback|prune --help   look after a mirror that is there
  dci-downloader demo                                  see it work: no account, no network

exit codes: 0 done or nothing new, 1 unexpected, 2 usage or settings, 3 no access, 4 not found,
  5 transfers failed (run again), 6 disk full, 7 wrong content, 75 locked, 130 interrupted
"""


class Parser(argparse.ArgumentParser):
    """A parser that raises instead of leaving the program."""

    def error(self, message: str) -> NoReturn:
        """Raise what is wrong with the command line.

        Raises:
            SettingsError: always.
        """
        raise SettingsError(message, hint=f"see `{self.prog} --help`")


class _Wide(argparse.RawDescriptionHelpFormatter):
    """Leaves room for the longest option, so that each is one line."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=26)


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


def sync_parser() -> Parser:
    """``dci-downloader TOPIC DEST``: mirror a topic."""
    parser = Parser(
        prog="dci-downloader",
        usage="%(prog)s TOPIC DEST [options]\n       %(prog)s --settings FILE [options]\n"
        "       %(prog)s settings check FILE...\n       %(prog)s demo [DEST] [--serve]",
        description="Mirror the newest builds of a DCI topic into a folder: resumable, verified, published at once.",
        epilog=_EXAMPLES,
        formatter_class=_Wide,
        allow_abbrev=False,
    )
    parser.add_argument("places", nargs="*", metavar="TOPIC DEST", help="topic or pattern (RHEL-9.*), and folder")
    _add_what(parser.add_argument_group("what to fetch"))
    _add_where(parser.add_argument_group("from where, to where"))
    _add_how(parser.add_argument_group("how"))
    say = parser.add_argument_group("output")
    say.add_argument("--json", action="store_true", help="a report for programs on standard output")
    say.add_argument("--quiet", action="store_true", help="nothing but errors")
    say.add_argument("--verbose", action="store_true", help="details too")
    say.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    return parser


def _add_what(group: argparse._ArgumentGroup) -> None:
    def many(option: str, metavar: str, dest: str, text: str) -> None:
        group.add_argument(option, action="append", type=_filled, dest=dest, metavar=metavar, help=text)

    def flag(option: str, dest: str, text: str) -> None:
        group.add_argument(option, action="store_true", dest=dest, default=None, help=text)

    group.add_argument("--component-id", type=_filled, metavar="ID", help="this component; TOPIC may be left out")
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
    group.add_argument("--dcirc", metavar="FILE", help="credentials, in place of `source FILE`")
    group.add_argument("--dci-cs-url", metavar="URL", help="control server (default: DCI_CS_URL)")
    group.add_argument("--dci-repo-url", metavar="URL", help="without effect: the control server knows")
    group.add_argument("--tech-preview", choices=("rhdl",), help=argparse.SUPPRESS)


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


def settings_parser() -> Parser:
    """``dci-downloader settings check``: what the settings come to."""
    parser = Parser(
        prog="dci-downloader settings",
        description="Check settings files, and show what holds: each value, and who says so. Fetches nothing.",
        epilog="DCI_* variables count too, as they would in a run; secrets are not shown.",
        allow_abbrev=False,
    )
    parser.add_argument("action", choices=("check",), metavar="check", help="what to do")
    parser.add_argument("settings", nargs="+", metavar="FILE", help="YAML; later over earlier")
    return parser


def _upkeep_parser(command: str, description: str) -> Parser:
    parser = Parser(prog=f"dci-downloader {command}", description=description, allow_abbrev=False)
    parser.add_argument("destination", metavar="DEST", help="root of the mirror")
    parser.add_argument("--json", action="store_true", help="the same for programs")
    return parser


def _add_lock_timeout(parser: Parser) -> None:
    help_text = "wait for another run (default: for ever)"
    parser.add_argument("--lock-timeout", type=_bound(bounds.seconds), metavar="SECONDS", help=help_text)


def status_parser() -> Parser:
    """``dci-downloader status``: what is here."""
    return _upkeep_parser("status", "Show what a mirror holds: versions, sizes, and what hard links save. No network.")


def verify_parser() -> Parser:
    """``dci-downloader verify``: hash everything again."""
    description = "Hash everything that is published again, offline. Exit code 7 and one line for each damage."
    parser = _upkeep_parser("verify", description)
    parser.add_argument("--repair", action="store_true", help="fetch what is damaged, and nothing else")
    parser.add_argument("--quiet", action="store_true", help="nothing but damage and errors")
    return parser


def rollback_parser() -> Parser:
    """``dci-downloader rollback``: the version before."""
    description = "Publish the version before the present one again. No network. The next sync brings the newest back."
    parser = _upkeep_parser("rollback", description)
    parser.add_argument("topic", metavar="TOPIC", help="the topic's name")
    parser.add_argument("type", nargs="?", default="", metavar="TYPE", help="one component type (default: all)")
    _add_lock_timeout(parser)
    return parser


def prune_parser() -> Parser:
    """``dci-downloader prune``: old versions and garbage."""
    parser = _upkeep_parser("prune", "Remove old versions, stale partial files, and what no version holds any more.")
    help_text = "versions that stay beside the published one (default: 1)"
    parser.add_argument("--keep", type=_bound(bounds.not_negative), default=1, metavar="N", help=help_text)
    _add_lock_timeout(parser)
    return parser


def demo_parser() -> Parser:
    """``dci-downloader demo``: the whole thing against an embedded server."""
    parser = Parser(
        prog="dci-downloader demo",
        description="Mirror two nightlies of a sample topic from a server inside this program: no account, no network.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "destination", nargs="?", metavar="DEST", help="an empty or new folder (default: a temporary one)"
    )
    parser.add_argument(
        "--serve", action="store_true", help="keep the server up and print the DCI_* variables for it, until Ctrl-C"
    )
    return parser


def parse(parser: Parser, arguments: Sequence[str]) -> argparse.Namespace:
    """Parse a command line whose options and positional arguments may be mixed.

    Raises:
        SettingsError: it is not a valid one.
    """
    return parser.parse_intermixed_args(list(arguments))
