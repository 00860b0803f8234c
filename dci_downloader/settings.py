"""Command line and environment become one immutable value that says what to do."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dci_downloader import environment
from dci_downloader.content.selection import Selection, Variant
from dci_downloader.control.resolver import parse_filter
from dci_downloader.control.signing import Credentials
from dci_downloader.errors import SettingsError
from dci_downloader.models import Network, SyncOptions, TransferOptions


@dataclass(frozen=True)
class Settings:
    """What one run is to do.

    Attributes:
        topic: name or pattern; empty where the component id says it.
        destination: the root of the mirror.
    """

    credentials: Credentials
    network: Network
    topic: str
    destination: Path
    selection: Selection
    options: SyncOptions


def from_command_line(arguments: argparse.Namespace, environ: Mapping[str, str]) -> Settings:
    """Put together what the user said.

    Args:
        arguments: as :func:`dci_downloader.arguments.sync_parser` parses them.
        environ: as ``os.environ``.

    Raises:
        SettingsError: TOPIC or DEST is missing, or a filter is malformed.
        AccessError: there are no credentials.
    """
    topic, destination = _places(arguments.places, arguments.component_id)
    network = environment.network(environ)
    options = SyncOptions(
        filters=tuple(parse_filter(text) for text in arguments.filters or ()),
        component_id=arguments.component_id,
        keep=arguments.keep,
        lock_timeout=arguments.lock_timeout,
        dry_run=arguments.dry_run,
        transfer=TransferOptions(arguments.connections, arguments.limit_rate, arguments.patience, network),
    )
    credentials = environment.credentials(environ)
    return Settings(credentials, network, topic, Path(destination), _selection(arguments), options)


def _places(places: list[str], component_id: str) -> tuple[str, str]:
    if component_id and len(places) == 1:
        return "", places[0]
    if len(places) == 2 and all(places):
        return places[0], places[1]
    raise SettingsError(
        "DEST alone, or TOPIC and DEST, go with --component-id" if component_id else "TOPIC and DEST are needed",
        hint="for example: dci-downloader RHEL-9.2 /srv/dci",
    )


def _selection(arguments: argparse.Namespace) -> Selection:
    return Selection(
        archs=tuple(arguments.archs or ("x86_64",)),
        variants=tuple(Variant(name) for name in arguments.variants or ()),
        debug=arguments.debug,
        src=arguments.src,
        iso=arguments.iso,
        all=arguments.all,
        packages=tuple(arguments.packages or ()),
        include=tuple(arguments.include or ()),
        exclude=tuple(arguments.exclude or ()),
    )
