"""The server that a command asks: the control server, or the mirror that is named in its place."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial

from dci_downloader import environment
from dci_downloader.control.upstream import Upstream
from dci_downloader.hooks import Progress
from dci_downloader.options import Network
from dci_downloader.settings import discovery
from dci_downloader.settings.command_line import CommandLine
from dci_downloader.settings.precedence import merge


def connector(address: str, dcirc: str, url: str, progress: Progress) -> Callable[[], Upstream]:
    """Make the function that connects a command without settings files. For a mirror, no credentials are read.

    Args:
        address: of ``--from``; empty for that of the environment, or of settings that are found.
        dcirc: path of the file with credentials; empty for those of the environment, or those found.
        url: of the control server; empty for that of file or environment.
        progress: gets notes.

    Raises:
        SettingsError: an address or a file cannot be used.
    """
    variables = {name: value for name, value in os.environ.items() if name == "DCI_FROM"}
    found = () if address or variables.get("DCI_FROM") else discovery.find(os.environ).settings
    upstream = merge(CommandLine(upstream=address), variables, found).upstream
    if upstream:
        return partial(open_mirror, upstream.value, environment.network(os.environ))
    from dci_downloader.control.client import ControlServer

    named = discovery.with_credentials(os.environ, dcirc, url)
    for note in named.notes:
        progress.message(f"note: {note}")
    for detail in named.details:
        progress.detail(detail)
    return lambda: ControlServer(named.credentials(), network=environment.network(named.environ))


def open_mirror(address: str, network: Network, patience: float = 30.0) -> Upstream:
    """The mirror at an address.

    Args:
        address: its URL or folder.
        network: proxies, certificates, timeouts.
        patience: seconds that a file may take without success.
    """
    from dci_downloader.upstream.mirror import UpstreamMirror  # most runs ask the control server

    return UpstreamMirror(address, network=network, patience=patience)
