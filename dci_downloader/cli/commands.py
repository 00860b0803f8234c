"""What each command does: its words parsed, the work done by the module of its group, the result printed.

A command imports what it needs after its words are parsed, so that ``--help`` and ``--version`` wait for nothing.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from dci_downloader.cli import command_parsers
from dci_downloader.cli.arguments import parse, parse_sync
from dci_downloader.errors import DownloaderError

if TYPE_CHECKING:
    from dci_downloader.cli.listing import ListOptions
    from dci_downloader.cli.output import CommandResult
    from dci_downloader.control.client import ControlServer
    from dci_downloader.hooks import Progress


def sync(words: Sequence[str]) -> int:
    """Mirror topics: what the program does where no command is named."""
    command_line = parse_sync(words)
    from dci_downloader.cli import mirroring

    return mirroring.run(command_line)


def topics(words: Sequence[str]) -> int:
    """List topics."""
    arguments = parse(command_parsers.topics_parser(), words)
    from dci_downloader.cli import listing

    return _list(arguments, lambda server, options, shown: listing.topics(server, arguments.pattern, options, shown))


def components(words: Sequence[str]) -> int:
    """List the components of a topic."""
    arguments = parse(command_parsers.components_parser(), words)
    from dci_downloader.cli import listing

    def ask(server: ControlServer, options: ListOptions, shown: Progress) -> CommandResult:
        filters = arguments.filters or ()
        return listing.components(server, arguments.topic, filters, options, shown, sizes=arguments.sizes)

    return _list(arguments, ask)


def _list(arguments: argparse.Namespace, ask: Callable[[ControlServer, ListOptions, Progress], CommandResult]) -> int:
    """Print what the control server offers, as a table for a terminal, as plain lines for a pipe."""
    from dci_downloader import environment
    from dci_downloader.cli import output, progress
    from dci_downloader.cli.listing import ListOptions
    from dci_downloader.control.client import ControlServer

    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    options = ListOptions(arguments.sort, arguments.reverse, arguments.limit, width)
    shown = progress.choose(sys.stderr, quiet=False, verbose=False)
    try:
        environ = environment.with_options(os.environ, arguments.dcirc, arguments.dci_cs_url)
        with ControlServer.from_env(environ) as server:
            result = ask(server, options, shown)
    except DownloaderError as error:
        if arguments.json:
            output.print_error_document(error)
        raise
    return output.print_result(result, as_json=arguments.json)


def status(words: Sequence[str]) -> int:
    """Show what a mirror holds."""
    arguments = parse(command_parsers.status_parser(), words)
    from dci_downloader.cli import maintenance, output
    from dci_downloader.mirror.mirror import Mirror

    return output.print_result(maintenance.status(Mirror(arguments.destination)), as_json=arguments.json)


def verify(words: Sequence[str]) -> int:
    """Hash everything again, and repair it if asked to."""
    arguments = parse(command_parsers.verify_parser(), words)
    from dci_downloader import environment
    from dci_downloader.cli import maintenance, output, progress
    from dci_downloader.cli.signals import Signals
    from dci_downloader.mirror.mirror import Mirror

    shown = progress.choose(sys.stderr, quiet=arguments.quiet, verbose=False)
    repair = None
    if arguments.repair:
        from dci_downloader.control.client import ControlServer

        repair = partial(ControlServer.from_env, environment.with_options(os.environ, arguments.dcirc, None))
    with Signals() as stop:
        result = maintenance.verify(Mirror(arguments.destination), shown, stop, repair, arguments.lock_timeout)
    return output.print_result(result, as_json=arguments.json, quiet=arguments.quiet)


def rollback(words: Sequence[str]) -> int:
    """Publish the version before again."""
    arguments = parse(command_parsers.rollback_parser(), words)
    from dci_downloader.cli import maintenance, output, progress
    from dci_downloader.mirror.mirror import Mirror

    shown = progress.choose(sys.stderr, quiet=False, verbose=False)
    mirror = Mirror(arguments.destination)
    result = maintenance.rollback(mirror, arguments.topic, arguments.type, arguments.lock_timeout, shown)
    return output.print_result(result, as_json=arguments.json)


def prune(words: Sequence[str]) -> int:
    """Remove old versions and garbage."""
    arguments = parse(command_parsers.prune_parser(), words)
    from dci_downloader.cli import maintenance, output, progress
    from dci_downloader.mirror.mirror import Mirror

    shown = progress.choose(sys.stderr, quiet=False, verbose=False)
    result = maintenance.prune(Mirror(arguments.destination), arguments.keep, arguments.lock_timeout, shown)
    return output.print_result(result, as_json=arguments.json)


def settings(words: Sequence[str]) -> int:
    """Check settings files."""
    arguments = parse(command_parsers.settings_parser(), words)
    from dci_downloader.cli import checks, output

    return output.print_result(checks.check_settings(arguments.settings, os.environ))


def systemd_units(words: Sequence[str]) -> int:
    """Print a service and a timer."""
    arguments = parse(command_parsers.systemd_units_parser(), words)
    from dci_downloader.cli import output, systemd

    units = systemd.units(arguments.settings, arguments.dcirc)
    if arguments.unit:
        lines = [units[arguments.unit].rstrip("\n")]
    else:
        lines = [f"# {systemd.FOLDER}/dci-downloader.{name}\n{text}" for name, text in units.items()]
    return output.print_result(output.CommandResult(lines))


def completion(words: Sequence[str]) -> int:
    """Print what teaches a shell to complete the command line."""
    arguments = parse(command_parsers.completion_parser(), words)
    from dci_downloader.cli import completion, output

    return output.print_result(output.CommandResult([completion.script(arguments.shell)]))


def demo(words: Sequence[str]) -> int:
    """Mirror from a server inside this program."""
    arguments = parse(command_parsers.demo_parser(), words)
    from dci_downloader.cli.output import print_line
    from dci_downloader.demo import walkthrough

    if arguments.serve:
        return walkthrough.serve(print_line)
    return walkthrough.tell(arguments.destination, print_line)


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
"""What may stand where otherwise a topic stands."""
