"""The command line, as argparse sees it. What the options mean together is decided in :mod:`dci_downloader.settings`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import NoReturn

from dci_downloader import __version__
from dci_downloader.errors import SettingsError

_EXAMPLES = """\
examples:
  source dcirc.sh                                      your credentials
  dci-downloader RHEL-9.2 /srv/dci                     the newest build, x86_64, all variants
  dci-downloader RHEL-9.2 /srv/dci --variant BaseOS --variant AppStream --arch ppc64le
  dci-downloader 'RHEL-9.*' /srv/dci --filter compose:nightly --dry-run
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


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least 1")
    return number


def _not_negative(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{text} is negative")
    return number


def _seconds(text: str) -> float:
    number = float(text)
    if not 0 <= number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a number of seconds")
    return number


def _patience(text: str) -> float:
    number = _seconds(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than one second")
    return number


def _rate(text: str) -> int:
    """Bytes per second, with the suffixes of curl's and wget's option of that name: powers of 1024."""
    powers = {"k": 1, "m": 2, "g": 3}
    digits, suffix = (text[:-1], text[-1].lower()) if text[-1:].isalpha() else (text, "")
    if suffix and suffix not in powers:
        raise argparse.ArgumentTypeError(f"{text}: K, M or G may follow the number")
    rate = int(float(digits) * 1024 ** powers.get(suffix, 0))
    if rate < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least one byte per second")
    return rate


# argparse names the type in its messages
_positive.__name__ = _not_negative.__name__ = "number"
_seconds.__name__ = _patience.__name__ = "number of seconds"
_rate.__name__ = "rate"


def sync_parser() -> Parser:
    """``dci-downloader TOPIC DEST``: mirror a topic."""
    parser = Parser(
        prog="dci-downloader",
        usage="%(prog)s TOPIC DEST [options]\n       %(prog)s demo [DEST] [--serve]",
        description="Mirror the newest builds of a DCI topic into a folder: resumable, verified, published at once.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("places", nargs="*", metavar="TOPIC DEST", help="topic or pattern (RHEL-9.*), and folder")
    what = parser.add_argument_group("what to fetch")
    what.add_argument("--component-id", default="", metavar="ID", help="this component; TOPIC may be left out")
    what.add_argument(
        "--filter",
        action="append",
        dest="filters",
        metavar="TYPE[:TAG]",
        help="newest of a type, with this tag; repeat",
    )
    what.add_argument("--arch", action="append", dest="archs", metavar="ARCH", help="default: x86_64; repeat for more")
    what.add_argument("--variant", action="append", dest="variants", metavar="NAME", help="default: all; repeat")
    what.add_argument("--debug", action="store_true", help="debug packages too")
    what.add_argument("--src", action="store_true", help="source packages too")
    what.add_argument("--iso", action="store_true", help="ISO images too")
    what.add_argument("--all", action="store_true", help="everything the component holds")
    what.add_argument(
        "--package-filter", action="append", dest="packages", metavar="NAME", help="only these packages; repeat"
    )
    what.add_argument("--include", action="append", metavar="GLOB", help="of all that, only these paths; repeat")
    what.add_argument("--exclude", action="append", metavar="GLOB", help="and not these; repeat")
    how = parser.add_argument_group("how")
    how.add_argument("--dry-run", action="store_true", help="say what would be done, write nothing")
    how.add_argument("--keep", type=_not_negative, default=1, metavar="N", help="older versions that stay (default: 1)")
    how.add_argument("--connections", type=_positive, default=64, metavar="N", help="at most so many (default: 64)")
    how.add_argument("--limit-rate", type=_rate, metavar="RATE", help="bytes per second in all: 500K, 50M, 1G")
    how.add_argument(
        "--patience", type=_patience, default=30.0, metavar="SECONDS", help="without progress, give up (default: 30)"
    )
    how.add_argument(
        "--lock-timeout", type=_seconds, metavar="SECONDS", help="wait for another run (default: for ever)"
    )
    say = parser.add_argument_group("output")
    say.add_argument("--json", action="store_true", help="a report for programs on standard output")
    say.add_argument("--quiet", action="store_true", help="nothing but errors")
    say.add_argument("--verbose", action="store_true", help="details too")
    say.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
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
