"""libcurl easy handles, set up once for a stage of the pipeline and used for many requests."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Optional, Protocol
from urllib.parse import urlsplit

import pycurl

from dci_downloader.network.headers import Head, read_head
from dci_downloader.network.proxies import ca_bundle, check_proxies, proxy_for, proxy_variable
from dci_downloader.options import Network, TransferOptions
from dci_downloader.transfer.sources import Peer
from dci_downloader.transfer.tuning import Tuning
from dci_downloader.version_number import USER_AGENT

READS_EVERY_HEAD = not hasattr(pycurl, "RETRY_AFTER")
"""Whether this pycurl is too old to give access to what libcurl keeps of a head; its lines are collected then."""


_QUICK_EXIT = 322
"""CURLOPT_QUICK_EXIT, which no pycurl names: since libcurl 7.87, to abandon a request is not to wait for its lookup."""

_GNUTLS_FAULTS = {0x200: "it is not yet valid", 0x400: "it has expired"}
"""What libcurl with GnuTLS tells by the bits of its verification result alone (gnutls_certificate_status_t)."""


class Receiver(Protocol):
    """What a response is received into."""

    url: str
    peer: Optional[Peer]
    headers: list[bytes]
    chunks: list[bytes]

    @property
    def reads_head(self) -> bool:
        """Whether raw lines of the head are wanted."""

    @property
    def largest(self) -> int:
        """Bytes of a body beyond which libcurl gives up; 0 for no limit."""


class HandlePool:
    """Handles that connect as API calls do: the same proxies, certificates and timeouts.

    Args:
        options: connections, rate, patience and network of the run.
        http_version: one of libcurl's ``CURL_HTTP_VERSION_…``.
        tuning: buffers, and how long connecting to a peer may take.
    """

    def __init__(self, options: TransferOptions, http_version: int, tuning: Tuning) -> None:
        self._network = options.network or Network()
        check_proxies(self._network)
        self._http_version = http_version
        self._receive_buffer = _receive_buffer(options, tuning)
        self._connect_seconds = min(self._network.connect_timeout, options.patience / 2)
        self._peer_connect_seconds = min(self._connect_seconds, tuning.peer_connect_seconds)
        self._ca_bundle = ca_bundle(self._network)
        self._proxies: dict[tuple[str, ...], str] = {}
        self._free: list[Any] = []
        self._headers: dict[Any, Sequence[str]] = {}

    def take(self, receiver: Receiver, headers: Sequence[str]) -> Any:
        """A handle that will ask for the receiver's URL, sending these headers, and fill its lists.

        They are filled by ``list.append`` itself: a call back into a Python function costs microseconds, and contends
        for the interpreter lock with the thread that writes.
        """
        handle = self._free.pop() if self._free else self._make()
        handle.setopt(pycurl.URL, receiver.url.encode())  # pycurl takes five times as long to encode it
        handle.setopt(pycurl.PROXY, self._proxy(receiver.url))
        seconds = self._connect_seconds if receiver.peer is None else self._peer_connect_seconds
        handle.setopt(pycurl.CONNECTTIMEOUT_MS, int(1000 * seconds))
        self._set_headers(handle, headers)
        handle.setopt(pycurl.WRITEFUNCTION, receiver.chunks.append)
        if receiver.reads_head or READS_EVERY_HEAD:
            handle.setopt(pycurl.HEADERFUNCTION, receiver.headers.append)
        else:
            handle.unsetopt(pycurl.HEADERFUNCTION)
        handle.setopt(pycurl.MAXFILESIZE_LARGE, receiver.largest)
        return handle

    def give_back(self, handle: Any) -> None:
        """Keep a handle, whose request is over, for the next one."""
        self._free.append(handle)

    def _set_headers(self, handle: Any, headers: Sequence[str]) -> None:
        """Have these headers sent; those of a handle's request before are mostly the same."""
        if self._headers.get(handle, ()) == headers:
            return
        self._headers[handle] = headers
        if headers:
            handle.setopt(pycurl.HTTPHEADER, [header.encode() for header in headers])
        else:  # an empty list would leave those of the request before
            handle.unsetopt(pycurl.HTTPHEADER)

    def failure(self, handle: Any, url: str, code: int, message: str) -> tuple[int, str]:
        """The error code and text of a request that failed, the same from every version of libcurl and TLS library."""
        if code == pycurl.E_PEER_FAILED_VERIFICATION and "GnuTLS" in pycurl.version:
            result = handle.getinfo(pycurl.SSL_VERIFYRESULT)
            faults = [fault for bit, fault in _GNUTLS_FAULTS.items() if result & bit]
            return code, "; ".join([message, *faults])
        if code == pycurl.E_OPERATION_TIMEDOUT:
            proxy = self._proxy(url)
            if _waits_for_lookup(handle, proxy or url):
                code = pycurl.E_COULDNT_RESOLVE_PROXY if proxy else pycurl.E_COULDNT_RESOLVE_HOST
        return code, message

    def proxy_variable(self, url: str) -> str:
        """The environment variable that names the proxy for a URL, or would name one."""
        return proxy_variable(url, self._network)

    def close(self) -> None:
        """Free the handles that were given back."""
        self._headers.clear()
        while self._free:
            self._free.pop().close()

    def _make(self) -> Any:
        handle = pycurl.Curl()
        handle.setopt(pycurl.HTTP_VERSION, self._http_version)
        handle.setopt(pycurl.NOSIGNAL, 1)
        handle.setopt(pycurl.FOLLOWLOCATION, 0)
        handle.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
        handle.setopt(pycurl.USERAGENT, USER_AGENT)
        handle.setopt(pycurl.BUFFERSIZE, self._receive_buffer)
        handle.setopt(pycurl.TCP_NODELAY, 1)
        handle.setopt(pycurl.TCP_KEEPALIVE, 1)
        handle.setopt(pycurl.NOPROXY, "")  # else libcurl reads the environment, by rules of its own
        with suppress(pycurl.error, TypeError):  # libcurl, or what pycurl was built with, is older
            handle.setopt(_QUICK_EXIT, 1)
        # A proxy that is reached by https is verified as servers are; libcurl has options of its own for that. Where a
        # folder is set, the file that libcurl was built with is not: it need not be there.
        file, folder = (None, self._ca_bundle) if os.path.isdir(self._ca_bundle) else (self._ca_bundle, None)
        for option in ("CAINFO", "PROXY_CAINFO"):
            handle.setopt(getattr(pycurl, option), file)
        for option in ("CAPATH", "PROXY_CAPATH") if folder else ():
            handle.setopt(getattr(pycurl, option), folder)
        return handle

    def _proxy(self, url: str) -> str:
        """The proxy, chosen as for API calls; an empty string keeps libcurl from reading the environment itself."""
        server = tuple(url.split("/", 3)[:3])
        if server not in self._proxies:
            self._proxies[server] = proxy_for(url, self._network)
        return self._proxies[server]


def _waits_for_lookup(handle: Any, url: str) -> bool:
    """Whether a request has waited for nothing but the address of its server."""
    if handle.getinfo(pycurl.NAMELOOKUP_TIME) or handle.getinfo(pycurl.PRETRANSFER_TIME):
        return False  # the latter without the former where a connection is reused
    host = urlsplit(url).hostname or ""
    return ":" not in host and not host.replace(".", "").isdecimal()


def connections(options: TransferOptions) -> int:
    """As many connections as were asked for, but under a rate limit no more than have something to do."""
    if options.limit_rate is None:
        return options.connections
    return max(1, min(options.connections, options.limit_rate // (256 * 1024)))


def _receive_buffer(options: TransferOptions, tuning: Tuning) -> int:
    """Bytes received at once.

    Under a rate limit all connections together take no more than a tenth of a second's worth before they are counted;
    libcurl fills its buffer up to ten times before it returns.
    """
    if options.limit_rate is None:
        return tuning.receive_buffer
    return max(1024, min(tuning.receive_buffer, options.limit_rate // (100 * connections(options))))


def read_response(handle: Any, lines: Sequence[bytes]) -> Head:
    """The head of the response that a handle has, or is just receiving: from its raw lines, or what libcurl kept of it.

    Of what libcurl keeps, only the headers that matter with such a status are asked for; it does not keep
    ``Content-Range`` and ``Content-Encoding``. The status is 0 when there was no head, or none but interim ones.
    """
    if lines or READS_EVERY_HEAD:
        head = read_head(lines)
        return head if head.status >= 200 else Head(0, {})
    status = handle.getinfo(pycurl.RESPONSE_CODE)
    if status < 200:  # none, or an interim response after which nothing came
        return Head(0, {})
    headers: dict[str, str] = {}
    if 300 <= status < 400:
        if location := handle.getinfo_raw(pycurl.REDIRECT_URL):
            headers["location"] = location.decode("latin-1")
        return Head(status, headers)
    if content_type := handle.getinfo_raw(pycurl.CONTENT_TYPE):
        headers["content-type"] = content_type.decode("latin-1")
    if (length := handle.getinfo(pycurl.CONTENT_LENGTH_DOWNLOAD_T)) >= 0:
        headers["content-length"] = str(length)
    if status >= 400 and (wait := handle.getinfo(pycurl.RETRY_AFTER)) > 0:
        headers["retry-after"] = str(wait)
    return Head(status, headers)
