"""Whom a command asks: the control server, or the mirror that ``--from`` or ``DCI_FROM`` names in its place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Optional

from dci_downloader import environment
from dci_downloader.control.upstream import Upstream
from dci_downloader.hooks import Progress
from dci_downloader.options import Network
from dci_downloader.settings.precedence import environment_upstream


def upstream_for(
    address: str,
    dcirc: Optional[str],
    url: Optional[str],
    environ: Mapping[str, str],
    progress: Progress,
) -> Upstream:
    """Whom a command asks that reads no settings files. No credentials are read where that is a mirror.

    Args:
        address: of ``--from``; empty for that of the environment, if it names one.
        dcirc: path of the file with credentials; None for those of the environment.
        url: of the control server; None for that of file or environment.
        environ: as ``os.environ``.
        progress: gets notes.

    Raises:
        SettingsError: the mirror, or a file, cannot be used.
        AccessError: there are no credentials.
    """
    if mirror := environment_upstream(environ, address):
        return open_mirror(mirror, environment.network(environ))
    from dci_downloader.control.client import ControlServer

    environ = environment.with_options(environ, dcirc, url)
    for note in environment.dcirc_notes(dcirc):
        progress.message(f"note: {note}")
    return ControlServer.from_env(environ)


def open_mirror(address: str, network: Network, patience: float = 30.0) -> Upstream:
    """The mirror at an address.

    Args:
        address: its URL or folder.
        network: proxies, certificates, timeouts.
        patience: seconds that a file may take without success.
    """
    from dci_downloader.upstream.mirror import UpstreamMirror  # most runs ask the control server

    return UpstreamMirror(address, network=network, patience=patience)
