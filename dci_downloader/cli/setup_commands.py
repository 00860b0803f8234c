"""The commands that help to set the program up, and explain it, such as ``check`` and ``help``.

A command imports what it needs after its arguments are parsed, so that ``--help`` does not wait for it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from dci_downloader.cli import setup_parsers
from dci_downloader.cli.arguments import parse
from dci_downloader.errors import SettingsError


def check(argv: Sequence[str]) -> int:
    """Say whether a run would work."""
    arguments = parse(setup_parsers.check_parser(), argv)
    from dci_downloader.cli import check, output
    from dci_downloader.cli.corrections import check_order
    from dci_downloader.settings.command_line import CommandLine

    names = arguments.names
    if len(names) > 2 or not all(names):
        raise SettingsError("expected TOPIC DEST, which may be left out")
    check_order(names, "check")
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
    result = check.check(command_line, os.environ)
    return output.print_result(result, as_json=arguments.json, width=output.table_width())


def settings(argv: Sequence[str]) -> int:
    """Check settings files."""
    arguments = parse(setup_parsers.settings_parser(), argv)
    from dci_downloader.cli import checks, output
    from dci_downloader.settings import discovery

    files = arguments.settings or discovery.find(os.environ).settings
    if not files:
        where = " and ".join(discovery.folders(os.environ))
        raise SettingsError(f"no settings are found in {where}", hint="name a file: settings check FILE")
    return output.print_result(checks.check_settings(files, os.environ))


def systemd_units(argv: Sequence[str]) -> int:
    """Print a service and a timer."""
    arguments = parse(setup_parsers.systemd_units_parser(), argv)
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
    arguments = parse(setup_parsers.completion_parser(), argv)
    from dci_downloader.cli import completion, output

    return output.print_result(output.CommandResult(completion.script(arguments.shell).split("\n")))


def show_help(argv: Sequence[str]) -> int:
    """Show a page, or the help of a command."""
    arguments = parse(setup_parsers.help_parser(), argv)
    from dci_downloader.cli import pages

    return pages.show(arguments.page, os.environ)


def demo(argv: Sequence[str]) -> int:
    """Mirror from a server inside this program."""
    arguments = parse(setup_parsers.demo_parser(), argv)
    from dci_downloader.cli.output import print_line
    from dci_downloader.demo import walkthrough

    if arguments.serve:
        return walkthrough.serve(print_line)
    return walkthrough.run(arguments.destination, print_line)
