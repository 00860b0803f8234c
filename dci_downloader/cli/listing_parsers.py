"""The parsers of the commands that list what the control server offers."""

from __future__ import annotations

from collections.abc import Sequence

from dci_downloader.cli.arguments import Parser, add_option, command_parser, converter
from dci_downloader.settings.types import COUNT


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


def _list_parser(command: str, description: str, *examples: str, sort: Sequence[str], limit: int) -> Parser:
    """The parser of a command that lists what the control server offers."""
    ending = "A pipe gets one line for each, tab-separated and without a header."
    parser = command_parser(command, description, *examples, ending=ending)
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
