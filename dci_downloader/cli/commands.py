"""The commands by name, and the sync, which has none.

Each command parses its arguments, has another module do the work, and prints the result.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module

from dci_downloader.cli import listing_commands, mirror_commands, setup_commands
from dci_downloader.cli.arguments import parse_sync
from dci_downloader.cli.corrections import check_no_command, check_order


def prepare(argv: Sequence[str]) -> None:
    """Import what a command works with, so that nothing has to be imported while a signal may interrupt it."""
    if not {"-h", "--help", "--version"}.intersection(argv):
        import_module(f"dci_downloader.cli.{_MODULES.get(argv[0] if argv else '', 'mirroring')}")


def sync(argv: Sequence[str]) -> int:
    """Mirror topics: what the program does where no command is named."""
    command_line = parse_sync(argv)
    check_no_command(command_line.positional, COMMANDS)
    check_order(command_line.positional)
    from dci_downloader.cli import mirroring  # once the arguments are parsed: --help does not wait for it

    return mirroring.run(command_line)


COMMANDS: Mapping[str, Callable[[Sequence[str]], int]] = {
    "topics": listing_commands.topics,
    "components": listing_commands.components,
    "status": mirror_commands.status,
    "changes": mirror_commands.changes,
    "verify": mirror_commands.verify,
    "rollback": mirror_commands.rollback,
    "hold": mirror_commands.hold,
    "release": mirror_commands.release,
    "remove": mirror_commands.remove,
    "prune": mirror_commands.prune,
    "check": setup_commands.check,
    "settings": setup_commands.settings,
    "systemd-units": setup_commands.systemd_units,
    "completion": setup_commands.completion,
    "demo": setup_commands.demo,
    "help": setup_commands.show_help,
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
