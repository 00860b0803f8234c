"""The parser of each command, by its name; :mod:`dci_downloader.cli.commands` has the commands themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dci_downloader.cli import listing_parsers, mirror_parsers, setup_parsers
from dci_downloader.cli.arguments import Parser

PARSERS: Mapping[str, Callable[[], Parser]] = {
    "topics": listing_parsers.topics_parser,
    "components": listing_parsers.components_parser,
    "status": mirror_parsers.status_parser,
    "changes": mirror_parsers.changes_parser,
    "verify": mirror_parsers.verify_parser,
    "rollback": mirror_parsers.rollback_parser,
    "hold": mirror_parsers.hold_parser,
    "release": mirror_parsers.release_parser,
    "remove": mirror_parsers.remove_parser,
    "prune": mirror_parsers.prune_parser,
    "check": setup_parsers.check_parser,
    "settings": setup_parsers.settings_parser,
    "systemd-units": setup_parsers.systemd_units_parser,
    "completion": setup_parsers.completion_parser,
    "demo": setup_parsers.demo_parser,
    "help": setup_parsers.help_parser,
}
"""In the order of ``--help``."""
