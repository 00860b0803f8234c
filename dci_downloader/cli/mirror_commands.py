"""The commands about a mirror: what it holds, whether that is sound, and what of it is published or removed.

A command imports what it needs after its arguments are parsed, so that ``--help`` does not wait for it.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dci_downloader.cli import mirror_parsers
from dci_downloader.cli.arguments import parse
from dci_downloader.errors import SettingsError

if TYPE_CHECKING:
    from dci_downloader.hooks import Progress
    from dci_downloader.settings.destination import Destination


def status(argv: Sequence[str]) -> int:
    """Show what a mirror holds."""
    arguments = parse(mirror_parsers.status_parser(), argv)
    from dci_downloader.cli import output, status
    from dci_downloader.cli.progress import progress_for
    from dci_downloader.mirror.mirror import Mirror
    from dci_downloader.settings.destination import destination

    if arguments.html == "-" and arguments.json:
        raise SettingsError("--json and --html - both print to standard output", hint="name a file: --html page.html")
    root = destination(arguments.destination, os.environ)
    _say_where(root, progress_for(sys.stderr))
    mirror = Mirror(root.path)
    if arguments.html == "-":
        from dci_downloader.page.page import page

        return output.print_page(page(mirror))
    result = status.status(mirror, width=output.table_width(), utc=arguments.utc)
    if arguments.html:
        from dci_downloader.page.page import write_page

        write_page(mirror, Path(arguments.html))
    return output.print_result(result, as_json=arguments.json)


def changes(argv: Sequence[str]) -> int:
    """Show which packages differ between two builds."""
    arguments = parse(mirror_parsers.changes_parser(), argv)
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
    return output.print_result(result, as_json=arguments.json, width=output.table_width())


def verify(argv: Sequence[str]) -> int:
    """Hash everything again, and repair it if asked to."""
    arguments = parse(mirror_parsers.verify_parser(), argv)
    from dci_downloader.cli import maintenance, output
    from dci_downloader.cli.progress import progress_for
    from dci_downloader.cli.signals import Signals
    from dci_downloader.cli.status_page import page_after
    from dci_downloader.cli.upstreams import connector
    from dci_downloader.mirror.mirror import Mirror
    from dci_downloader.settings.destination import destination

    progress = progress_for(sys.stderr, quiet=arguments.quiet)
    address = getattr(arguments, "from")  # a word of Python
    repair = connector(address, arguments.dcirc, "", progress) if arguments.repair else None
    root = destination(arguments.destination, os.environ, arguments.settings or ())
    _say_where(root, progress)
    peers = _peers(arguments.peers or (), arguments.settings or root.files)
    mirror = Mirror(root.path)
    with page_after(mirror, progress, arguments.settings or ()), Signals() as stop:
        result = maintenance.verify(mirror, progress, stop, repair, arguments.lock_timeout, peers)
    return output.print_result(result, as_json=arguments.json, width=output.table_width(), quiet=arguments.quiet)


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
    arguments = parse(mirror_parsers.rollback_parser(), argv)
    from dci_downloader.cli import maintenance, output
    from dci_downloader.cli.progress import progress_for
    from dci_downloader.cli.status_page import page_after
    from dci_downloader.mirror.mirror import Mirror

    progress = progress_for(sys.stderr)
    root, topic, component_type = _place(arguments.names, progress)
    mirror = Mirror(root)
    with page_after(mirror, progress):
        result = maintenance.rollback(
            mirror, topic, component_type, arguments.lock_timeout, progress, hold=arguments.hold
        )
    return output.print_result(result, as_json=arguments.json, width=output.table_width())


def hold(argv: Sequence[str]) -> int:
    """Keep a topic at what is published of it."""
    return _change_topic(parse(mirror_parsers.hold_parser(), argv), "hold")


def release(argv: Sequence[str]) -> int:
    """Have a topic follow the newest build again."""
    return _change_topic(parse(mirror_parsers.release_parser(), argv), "release")


def remove(argv: Sequence[str]) -> int:
    """Forget a topic, or a type of it."""
    return _change_topic(parse(mirror_parsers.remove_parser(), argv), "remove")


def _change_topic(arguments: argparse.Namespace, command: str) -> int:
    """Do with a topic of a mirror what the function of that name in ``topic_changes`` does."""
    from dci_downloader.cli import output, topic_changes
    from dci_downloader.cli.progress import progress_for
    from dci_downloader.cli.status_page import page_after
    from dci_downloader.mirror.mirror import Mirror

    progress = progress_for(sys.stderr)
    root, topic, component_type = _place(arguments.names, progress)
    change, mirror = topic_changes.CHANGES[command], Mirror(root)
    with page_after(mirror, progress):
        result = change(mirror, topic, component_type, arguments.lock_timeout, progress)
    return output.print_result(result, as_json=arguments.json, width=output.table_width())


def _place(names: Sequence[str], progress: Progress) -> tuple[str, str, str]:
    """DEST, TOPIC and TYPE of a command for which the first and the last may be left out; TYPE is empty then.

    Raises:
        SettingsError: there are more names, or nothing names the mirror.
    """
    from dci_downloader.settings.destination import split_destination

    root, rest = split_destination(names, os.environ)
    if not rest:
        raise SettingsError(
            "there is no TOPIC", hint="name it after DEST; a mirror's topics: dci-downloader status DEST"
        )
    if len(rest) > 2 or not all(rest):
        raise SettingsError("expected DEST TOPIC TYPE, of which DEST and TYPE may be left out")
    _say_where(root, progress)
    return root.path, rest[0], rest[1] if len(rest) > 1 else ""


def _say_where(root: Destination, progress: Progress) -> None:
    """Say which mirror it is, where the command line leaves that to environment or settings."""
    if root.origin != "DEST":
        progress.message(f"DEST is {root.path} ({root.origin})")


def prune(argv: Sequence[str]) -> int:
    """Remove old versions and garbage."""
    arguments = parse(mirror_parsers.prune_parser(), argv)
    from dci_downloader.cli import maintenance, output
    from dci_downloader.cli.progress import progress_for
    from dci_downloader.cli.status_page import page_after
    from dci_downloader.mirror.mirror import Mirror
    from dci_downloader.settings.destination import destination, mirror_settings

    progress = progress_for(sys.stderr)
    root = destination(arguments.destination, os.environ)
    _say_where(root, progress)
    mirror = Mirror(root.path)
    keep = mirror_settings(mirror.root, os.environ).keep if arguments.keep is None else arguments.keep
    if arguments.dry_run:
        return output.print_result(
            maintenance.prune_preview(mirror, keep), as_json=arguments.json, width=output.table_width()
        )
    with page_after(mirror, progress):
        result = maintenance.prune(mirror, keep, arguments.lock_timeout, progress)
    return output.print_result(result, as_json=arguments.json, width=output.table_width())
