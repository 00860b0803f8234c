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
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from dci_downloader.cli import command_parsers
from dci_downloader.cli.arguments import parse, parse_sync
from dci_downloader.cli.corrections import is_swapped
from dci_downloader.errors import SettingsError
from dci_downloader.settings.table import SETTINGS

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
    if is_swapped(command_line.positional):
        topic, destination = reversed(command_line.positional)
        hint = f"TOPIC comes before DEST: dci-downloader {topic} {destination}"
        raise SettingsError(f"{destination} is a folder, and no topic", hint=hint)
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
    from dci_downloader.cli.upstreams import connector
    from dci_downloader.hooks import phase

    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    options = ListOptions(arguments.sort, arguments.reverse, arguments.limit, width)
    progress = progress_for(sys.stderr)
    connect = connector(getattr(arguments, "from"), arguments.dcirc, arguments.dci_cs_url, progress)
    with connect() as server, phase(progress, "asking which there are"):
        result = ask(server, options, progress)
    return output.print_result(result, as_json=arguments.json)


def status(argv: Sequence[str]) -> int:
    """Show what a mirror holds."""
    arguments = parse(command_parsers.status_parser(), argv)
    from dci_downloader.cli import output, status
    from dci_downloader.mirror.mirror import Mirror
    from dci_downloader.settings.destination import destination

    mirror = Mirror(destination(arguments.destination, os.environ).path)
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    result = status.status(mirror, width=width, utc=arguments.utc)
    if arguments.html:
        from dci_downloader.page.page import write_page

        write_page(mirror, Path(arguments.html))
    return output.print_result(result, as_json=arguments.json)


def changes(argv: Sequence[str]) -> int:
    """Show which packages differ between two builds."""
    arguments = parse(command_parsers.changes_parser(), argv)
    from dci_downloader.cli import changes, output
    from dci_downloader.cli.progress import progress_for
    from dci_downloader.cli.upstreams import connector
    from dci_downloader.mirror.mirror import Mirror

    progress = progress_for(sys.stderr)
    narrowing = changes.Narrowing(tuple(arguments.variants or ()), tuple(arguments.archs or ()), arguments.by_tree)
    ids = changes.two_ids(arguments.names, arguments.component_id or (), arguments.job_id or ())
    if ids:
        compare = changes.of_jobs if arguments.job_id else changes.of_components
        with connector(getattr(arguments, "from"), arguments.dcirc, arguments.dci_cs_url, progress)() as server:
            result = compare(server, "".join(arguments.names), ids, narrowing, progress)
    else:
        root, topic, component_type = _place(arguments.names, progress)
        result = changes.of_mirror(Mirror(root), topic, component_type, narrowing)
    return output.print_result(result, as_json=arguments.json)


def verify(argv: Sequence[str]) -> int:
    """Hash everything again, and repair it if asked to."""
    arguments = parse(command_parsers.verify_parser(), argv)
    from dci_downloader.cli import maintenance, output
    from dci_downloader.cli.progress import progress_for
    from dci_downloader.cli.signals import Signals
    from dci_downloader.cli.upstreams import connector
    from dci_downloader.mirror.mirror import Mirror
    from dci_downloader.settings.destination import destination

    progress = progress_for(sys.stderr, quiet=arguments.quiet)
    address = getattr(arguments, "from")  # a word of Python
    repair = connector(address, arguments.dcirc, "", progress) if arguments.repair else None
    root = destination(arguments.destination, os.environ, arguments.settings or ())
    peers = _peers(arguments.peers or (), arguments.settings or root.files)
    with Signals() as stop:
        mirror = Mirror(root.path)
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
    root, topic, component_type = _place(arguments.names, progress)
    result = maintenance.rollback(
        Mirror(root), topic, component_type, arguments.lock_timeout, progress, hold=arguments.hold
    )
    return output.print_result(result, as_json=arguments.json)


def hold(argv: Sequence[str]) -> int:
    """Keep a topic at what is published of it."""
    return _change_topic(parse(command_parsers.hold_parser(), argv), "hold")


def release(argv: Sequence[str]) -> int:
    """Have a topic follow the newest build again."""
    return _change_topic(parse(command_parsers.release_parser(), argv), "release")


def remove(argv: Sequence[str]) -> int:
    """Forget a topic, or a type of it."""
    return _change_topic(parse(command_parsers.remove_parser(), argv), "remove")


def _change_topic(arguments: argparse.Namespace, command: str) -> int:
    """Do with a topic of a mirror what the function of that name in ``topic_changes`` does."""
    from dci_downloader.cli import output, topic_changes
    from dci_downloader.cli.progress import progress_for
    from dci_downloader.mirror.mirror import Mirror

    progress = progress_for(sys.stderr)
    root, topic, component_type = _place(arguments.names, progress)
    change = topic_changes.CHANGES[command]
    result = change(Mirror(root), topic, component_type, arguments.lock_timeout, progress)
    return output.print_result(result, as_json=arguments.json)


def _place(names: Sequence[str], progress: Progress) -> tuple[str, str, str]:
    """DEST, TOPIC and TYPE of a command for which the first and the last may be left out; TYPE is empty then.

    Raises:
        SettingsError: there are more names, or nothing names the mirror.
    """
    from dci_downloader.settings.destination import split_destination

    root, rest = split_destination(names, os.environ)
    if not 0 < len(rest) < 3 or not all(rest):
        raise SettingsError("expected DEST TOPIC TYPE, of which DEST and TYPE may be left out")
    if root.origin != "DEST":
        progress.message(f"DEST is {root.path} ({root.origin})")
    return root.path, rest[0], rest[1] if len(rest) > 1 else ""


def prune(argv: Sequence[str]) -> int:
    """Remove old versions and garbage."""
    arguments = parse(command_parsers.prune_parser(), argv)
    from dci_downloader.cli import maintenance, output
    from dci_downloader.cli.progress import progress_for
    from dci_downloader.mirror.mirror import Mirror
    from dci_downloader.settings.destination import destination

    progress = progress_for(sys.stderr)
    root = destination(arguments.destination, os.environ)
    if root.origin != "DEST":
        progress.message(f"DEST is {root.path} ({root.origin})")
    kept = SETTINGS["keep"].default if root.keep is None else root.keep
    keep = kept if arguments.keep is None else arguments.keep
    mirror = Mirror(root.path)
    if arguments.dry_run:
        return output.print_result(maintenance.prune_preview(mirror, keep), as_json=arguments.json)
    result = maintenance.prune(mirror, keep, arguments.lock_timeout, progress)
    return output.print_result(result, as_json=arguments.json)


def check(argv: Sequence[str]) -> int:
    """Say whether a run would work."""
    arguments = parse(command_parsers.check_parser(), argv)
    from dci_downloader.cli import check, output
    from dci_downloader.settings.command_line import CommandLine

    names = arguments.names
    if len(names) > 2 or not all(names):
        raise SettingsError("expected TOPIC DEST, which may be left out")
    root = names[-1] if len(names) == 2 or any("/" in name for name in names[-1:]) else ""
    alone = len(names) == 1 and bool(root)
    command_line = CommandLine(
        positional=() if alone else tuple(names),
        settings=tuple(arguments.settings or ()),
        local_repo=root if alone else "",
        dcirc=arguments.dcirc or "",
        dci_cs_url=arguments.dci_cs_url or "",
        upstream=getattr(arguments, "from") or "",
    )
    return output.print_result(check.check(command_line, os.environ), as_json=arguments.json)


def settings(argv: Sequence[str]) -> int:
    """Check settings files."""
    arguments = parse(command_parsers.settings_parser(), argv)
    from dci_downloader.cli import checks, output
    from dci_downloader.settings import discovery

    files = arguments.settings or discovery.find(os.environ).settings
    if not files:
        where = " and ".join(discovery.folders(os.environ))
        raise SettingsError(f"no settings are found in {where}", hint="name a file: settings check FILE")
    return output.print_result(checks.check_settings(files, os.environ))


def systemd_units(argv: Sequence[str]) -> int:
    """Print a service and a timer."""
    arguments = parse(command_parsers.systemd_units_parser(), argv)
    from dci_downloader.cli import output, systemd

    units = systemd.units(arguments.settings or (), arguments.dcirc, arguments.user)
    for note in units.notes:
        output.say(f"note: {note}")
    if arguments.unit:
        text = units.texts[arguments.unit].rstrip("\n")
    else:
        text = "\n".join(f"# {systemd.FOLDER}/dci-downloader.{name}\n{unit}" for name, unit in units.texts.items())
    return output.print_result(output.CommandResult(text.split("\n")))


def completion(argv: Sequence[str]) -> int:
    """Print a script that makes a shell complete the command line."""
    arguments = parse(command_parsers.completion_parser(), argv)
    from dci_downloader.cli import completion, output

    return output.print_result(output.CommandResult(completion.script(arguments.shell).split("\n")))


def show_help(argv: Sequence[str]) -> int:
    """Show a page, or the help of a command."""
    arguments = parse(command_parsers.help_parser(), argv)
    from dci_downloader.cli import pages

    return pages.show(arguments.page, os.environ)


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
    "changes": changes,
    "verify": verify,
    "rollback": rollback,
    "hold": hold,
    "release": release,
    "remove": remove,
    "prune": prune,
    "check": check,
    "settings": settings,
    "systemd-units": systemd_units,
    "completion": completion,
    "demo": demo,
    "help": show_help,
}
"""The commands by name; any other first argument is the topic of a sync."""

_MODULES = {
    "topics": "listing",
    "components": "listing",
    "status": "status",
    "changes": "changes",
    "verify": "maintenance",
    "rollback": "maintenance",
    "hold": "topic_changes",
    "release": "topic_changes",
    "remove": "topic_changes",
    "prune": "maintenance",
    "check": "check",
    "settings": "checks",
    "systemd-units": "systemd",
    "completion": "completion",
    "demo": "mirroring",
    "help": "pages",
}
"""The module that does the work of each command; of any other first argument it is the sync's."""
