"""Probes of the network: proxies and certificates, peers, the registry."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPSHandler, ProxyHandler, build_opener

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
        request = HttpRequest("GET", Peer(url.rstrip("/")).object_url(entry.sha256), {"Range": "bytes=0-0"})
        response = client.send(request, _LARGEST, Timeouts(_SECONDS, _SECONDS))
    except (RequestFailedError, TransferError) as error:
        reason = error.error if isinstance(error, RequestFailedError) else error
        yield warning(name, str(reason), "the object store is asked in its place; is the mirror there served?")
        return
    finally:
        client.close()
    if response.status in (200, 206):
        yield good(name, "answers, and has files of the newest build")
    elif response.status == 404:
        yield good(name, "answers, and does not have the newest build yet")
    else:
        hint = "the object store is asked in its place; does its web server give out .dci-downloader/objects?"
        yield warning(name, f"answers with {response.status}", hint)


def registry(address: str, network: Network) -> Iterator[Finding]:
    """Whether a registry for container images, ``HOST[:PORT]``, is one, and takes images without a login.

    It is asked as skopeo asks it: by https without verifying it, else by http.
    """
    name, status, reasons = f"registry {address}", 0, []
    for scheme in ("https", "http"):
        try:
            status = _status(f"{scheme}://{address}/v2/", network)
            break
        except (OSError, HTTPException) as error:  # what urllib raises is an OSError around the reason
            reason = getattr(error, "reason", error)
            reasons.append(str(getattr(reason, "strerror", None) or reason))
    if not status:
        hint = "start the registry, or set registry to another one"
        yield failure(name, TransferError(f"cannot be reached: {reasons[-1]}", hint=hint))
    elif status == 200:
        yield good(name, "answers as a registry")
    elif status in (401, 403):
        yield warning(name, "wants a login, and images are copied to it without one", "let it be written to without")
    else:
        hint = "is it a container registry? Set registry to HOST:PORT of one"
        yield failure(name, TransferError(f"answers /v2/ with {status}, as no registry does", hint=hint))


def _status(url: str, network: Network) -> int:
    """The status of an answer, whatever it is."""
    tls = ssl.create_default_context()
    tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    proxy = proxy_for(url, network)
    proxies = ProxyHandler({urlsplit(url).scheme: proxy} if proxy else {})
    try:
        with build_opener(proxies, HTTPSHandler(context=tls)).open(url, timeout=_SECONDS) as answer:
            return int(answer.status)
    except HTTPError as error:
        with error:
            return error.code
