"""Probes of the network: proxies and certificates, peers, the registry."""

from __future__ import annotations

import socket
from collections.abc import Iterator

from dci_downloader.check.findings import Finding, failure, good, warning
from dci_downloader.control.failures import RequestFailedError
from dci_downloader.control.http_client import HttpClient, HttpRequest, Timeouts
from dci_downloader.errors import TransferError
from dci_downloader.models import FileEntry
from dci_downloader.network.proxies import ca_bundle, check_proxies, proxy_for
from dci_downloader.network.urls import redact_url
from dci_downloader.options import Network
from dci_downloader.transfer.sources import Peer

_SECONDS = 10.0
_LARGEST = 16 << 20  # bytes of an object that is asked of a peer


def route(url: str, network: Network) -> Iterator[Finding]:
    """Which way the control server is reached, and which certificates are trusted."""
    check_proxies(network)
    proxy = proxy_for(url, network)
    way = f"through the proxy {redact_url(proxy)}" if proxy else "directly"
    yield good("network", f"{redact_url(url)} is asked {way}")
    own = "of the environment" if network.ca_bundle else "of certifi"
    yield good("certificates", f"{ca_bundle(network)} ({own})")


def peer(url: str, entry: FileEntry, network: Network) -> Iterator[Finding]:
    """Whether a peer answers, and has a file of the newest build."""
    name = f"peer {redact_url(url)}"
    client = HttpClient(network)
    try:
        request = HttpRequest("GET", Peer(url.rstrip("/")).object_url(entry.sha256), {})
        response = client.send(request, _LARGEST, Timeouts(_SECONDS, _SECONDS))
    except RequestFailedError as refusal:
        yield warning(name, str(refusal.error), "the object store is asked in its place; is the mirror there served?")
        return
    finally:
        client.close()
    if response.status == 200:
        yield good(name, "answers, and has files of the newest build")
    elif response.status == 404:
        yield good(name, "answers, and does not have the newest build yet")
    else:
        hint = "the object store is asked in its place; does its web server give out .dci-downloader/objects?"
        yield warning(name, f"answers with {response.status}", hint)


def registry(address: str) -> Iterator[Finding]:
    """Whether the registry for container images, ``HOST:PORT``, can be reached."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_SECONDS).close()
        yield good(f"registry {address}", "can be reached")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        hint = "start the registry, or set registry to another one"
        yield failure(f"registry {address}", TransferError(f"cannot be reached: {reason}", hint=hint))
