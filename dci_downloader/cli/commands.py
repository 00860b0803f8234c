"""The commands: each parses its arguments, has the module of its group do the work, and prints the result.

A command imports what it needs after its arguments are parsed, so that ``--help`` does not wait for it.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING

from dci_downloader.cli import command_parsers
from dci_downloader.cli.arguments import parse, parse_sync

if TYPE_CHECKING:
    from dci_downloader.cli.listing import ListOptions
    from dci_downloader.cli.output import CommandResult
    from dci_downloader.control.upstream import Upstream
    from dci_downloader.hooks import Progress


def prepare(argv: Sequence[str]) -> None:
    """Import what a command works with, so that nothing has to be imported while a signal may interrupt it."""
    if not {"-h", "--help", "--version"}.intersection(argv):
        import_module(f"dci_downloader.cli.{_MODULES.get(argv[0] if argv else '', 'mirroring')}")


def sync(argv: Sequence[str]) -> int:
    """Mirror topics: what the program does where no command is named."""
    command_line = parse_sync(argv)
    from dci_downloader.cli import mirroring

    return mirroring.run(command_line)


def topics(argv: Sequence[str]) -> int:
    """List topics."""
    arguments = parse(command_parsers.topics_parser(), argv)
    from dci_downloader.cli import listing

    def ask(server: Upstream, options: ListOptions, progress: Progress) -> CommandResult:
        return listing.topics(server, arguments.pattern, options, progress)

    return _list(arguments, ask)


def components(argv: Sequence[str]) -> int:
    """List the components of a topic."""
    arguments = parse(command_parsers.components_parser(), argv)
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
    from dci_downloader.cli.upstreams import upstream_for

    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    options = ListOptions(arguments.sort, arguments.reverse, arguments.limit, width)
    progress = progress_for(sys.stderr)
    address = getattr(arguments, "from") or ""
    with upstream_for(address, arguments.dcirc, arguments.dci_cs_url, os.environ, progress) as server:
        result = ask(server, options, progress)
    return output.print_result(result, as_json=arguments.json)


def status(argv: Sequence[str]) -> int:
    """Show what a mirror holds."""
    arguments = parse(command_parsers.status_parser(), argv)
    from dci_downloader.cli import maintenance, output
    from dci_downloader.mirror.mirror import Mirror

    return output.print_result(maintenance.status(Mirror(arguments.destination)), as_json=arguments.json)


def verify(argv: Sequence[str]) -> int:
    """Hash everything again, and repair it if asked to."""
    arguments = parse(command_parsers.verify_parser(), argv)
    from dci_downloader.cli import maintenance, output
    from dci_downloader.cli.progress import progress_for
    from dci_downloader.cli.signals import Signals
    from dci_downloader.mirror.mirror import Mirror

    progress = progress_for(sys.stderr, quiet=arguments.quiet)
    repair = None
    if arguments.repair:
        from dci_downloader.cli.upstreams import upstream_for

        address = getattr(arguments, "from") or ""
        repair = partial(upstream_for, address, arguments.dcirc, None, os.environ, progress)
    peers = _peers(arguments.peers or (), arguments.settings or ())
    with Signals() as stop:
        mirror = Mirror(arguments.destination)
        result = maintenance.verify(mirror, progress, stop, repair, arguments.lock_timeout, peers)
    return output.print_result(result, as_json=arguments.json, quiet=arguments.quiet)


def _peers(peers: Sequence[str], settings: Sequence[str]) -> tuple[str, ...]:
    """The peers that the command line names, and those of the topics of settings files."""
    if not settings:
        return tuple(peers)
    from dci_downloader.settings.command_line import CommandLine
    from dci_downloader.settings.precedence import merge

    topics = merge(CommandLine(settings=tuple(settings)), os.environ).topics
    return tuple(dict.fromkeys([*peers, *(peer for topic in topics for peer in topic["peers"].value)]))


def rollback(argv: Sequence[str]) -> int:
    """Publish the version before again."""
    arguments = parse(command_parsers.rollback_parser(), argv)
    from dci_downloader.cli import maintenance, output
    from dci_downloader.cli.progress import progress_for
    from dci_downloader.mirror.mirror import Mirror

    progress = progress_for(sys.stderr)
    mirror = Mirror(arguments.destination)
    result = maintenance.rollback(mirror, arguments.topic, arguments.type, arguments.lock_timeout, progress)
    return output.print_result(result, as_json=arguments.json)


def prune(argv: Sequence[str]) -> int:
    """Remove old versions and garbage."""
    arguments = parse(command_parsers.prune_parser(), argv)
    from dci_downloader.cli import maintenance, output
    from dci_downloader.cli.progress import progress_for
    from dci_downloader.mirror.mirror import Mirror

    progress = progress_for(sys.stderr)
    result = maintenance.prune(Mirror(arguments.destination), arguments.keep, arguments.lock_timeout, progress)
    return output.print_result(result, as_json=arguments.json)


def settings(argv: Sequence[str]) -> int:
    """Check settings files."""
    arguments = parse(command_parsers.settings_parser(), argv)
    from dci_downloader.cli import checks, output

    return output.print_result(checks.check_settings(arguments.settings, os.environ))


def systemd_units(argv: Sequence[str]) -> int:
    """Print a service and a timer."""
    arguments = parse(command_parsers.systemd_units_parser(), argv)
    from dci_downloader.cli import output, systemd

    units = systemd.units(arguments.settings, arguments.dcirc)
    if arguments.unit:
        text = units[arguments.unit].rstrip("\n")
    else:
        text = "\n".join(f"# {systemd.FOLDER}/dci-downloader.{name}\n{unit}" for name, unit in units.items())
    return output.print_result(output.CommandResult(text.split("\n")))


def completion(argv: Sequence[str]) -> int:
    """Print a script that makes a shell complete the command line."""
    arguments = parse(command_parsers.completion_parser(), argv)
    from dci_downloader.cli import completion, output

    return output.print_result(output.CommandResult(completion.script(arguments.shell).split("\n")))


def demo(argv: Sequence[str]) -> int:
    """Mirror from a server inside this program."""
    arguments = parse(command_parsers.demo_parser(), argv)
    from dci_downloader.cli.output import print_line
    from dci_downloader.demo import walkthrough

    if arguments.serve:
        return walkthrough.serve(print_line)
    return walkthrough.run(arguments.destination, print_line)


COMMANDS: Mapping[str, Callable[[Sequence[str]], int]] = {
    "topics": topics,
    "components": components,
    "status": status,
    "verify": verify,
    "rollback": rollback,
    "prune": prune,
    "settings": settings,
    "systemd-units": systemd_units,
    "completion": completion,
    "demo": demo,
}
"""The commands by name; any other first argument is the topic of a sync."""

_MODULES = {
    "topics": "listing",
    "components": "listing",
    "status": "maintenance",
    "verify": "maintenance",
    "rollback": "maintenance",
    "prune": "maintenance",
    "settings": "checks",
    "systemd-units": "systemd",
    "completion": "completion",
    "demo": "mirroring",
}
"""The module that does the work of each command; of any other first argument it is the sync's."""
