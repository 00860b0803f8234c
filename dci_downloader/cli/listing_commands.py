"""The commands that list what the control server offers: ``topics`` and ``components``.

A command imports what it needs after its arguments are parsed, so that ``--help`` does not wait for it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from dci_downloader.cli import listing_parsers
from dci_downloader.cli.arguments import parse

if TYPE_CHECKING:
    from dci_downloader.cli.listing import ListOptions
    from dci_downloader.cli.output import CommandResult
    from dci_downloader.control.upstream import Upstream
    from dci_downloader.hooks import Progress


def topics(argv: Sequence[str]) -> int:
    """List topics."""
    arguments = parse(listing_parsers.topics_parser(), argv)
    from dci_downloader.cli import listing

    def ask(server: Upstream, options: ListOptions, progress: Progress) -> CommandResult:
        return listing.topics(server, arguments.pattern, options, progress)

    return _list(arguments, ask)


def components(argv: Sequence[str]) -> int:
    """List the components of a topic."""
    arguments = parse(listing_parsers.components_parser(), argv)
    from dci_downloader.cli import listing

    def ask(server: Upstream, options: ListOptions, progress: Progress) -> CommandResult:
        filters, options = arguments.filters or (), replace(options, since=arguments.since, query=arguments.query)
        return listing.components(server, arguments.topic, filters, options, progress, sizes=arguments.sizes)

    return _list(arguments, ask)


def _list(arguments: argparse.Namespace, ask: Callable[[Upstream, ListOptions, Progress], CommandResult]) -> int:
    """Print what the control server offers, as a table for a terminal, as plain lines for a pipe."""
    from dci_downloader.cli import output
    from dci_downloader.cli.listing import ListOptions
    from dci_downloader.cli.progress import progress_for
    from dci_downloader.cli.upstreams import connector
    from dci_downloader.hooks import phase

    options = ListOptions(arguments.sort, arguments.reverse, arguments.limit, output.table_width())
    progress = progress_for(sys.stderr)
    connect = connector(getattr(arguments, "from"), arguments.dcirc, arguments.dci_cs_url, progress)
    with connect() as server, phase(progress, "asking which there are"):
        result = ask(server, options, progress)
    return output.print_result(result, as_json=arguments.json)
