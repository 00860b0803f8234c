"""libcurl easy handles, set up once for a stage of the pipeline and used again and again."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Protocol

import pycurl

from dci_downloader import __version__
from dci_downloader.network.headers import Head, read_head
from dci_downloader.network.proxies import ca_bundle, proxy_for
from dci_downloader.options import Network, TransferOptions

USER_AGENT = f"dci-downloader/{__version__}"
RECEIVE_BUFFER = 64 * 1024

READS_EVERY_HEAD = not hasattr(pycurl, "RETRY_AFTER")
"""Whether this pycurl is too old to tell what libcurl keeps of a head: its lines are collected then, at some cost."""


class Receiver(Protocol):
    """What takes an answer in."""

    url: str
    headers: list[bytes]
    chunks: list[bytes]

    @property
    def reads_head(self) -> bool:
        """Whether raw lines of the head are wanted."""

    @property
    def largest(self) -> int:
        """Bytes of a body beyond which libcurl gives up; 0 for no limit."""


class HandlePool:
    """Handles that connect as API calls do: the same proxies, certificates and time-outs.

    Args:
        options: connections, patience and network of the run.
        http_version: one of libcurl's ``CURL_HTTP_VERSION_…``.
    """

    def __init__(self, options: TransferOptions, http_version: int) -> None:
        self._options = options
        self._http_version = http_version
        self._ca_bundle = ca_bundle(options.network or Network())
        self._proxies: dict[tuple[str, ...], str] = {}
        self._free: list[Any] = []

    def take(self, receiver: Receiver, headers: Sequence[str]) -> Any:
        """A handle that will ask for the receiver's URL, sending these headers, and fill its lists.

        They are filled by ``list.append`` itself: every call back into Python costs microseconds, and contends for the
        interpreter lock with the thread that writes.
        """
        handle = self._free.pop() if self._free else self._make()
        handle.setopt(pycurl.URL, receiver.url)
        handle.setopt(pycurl.PROXY, self._proxy(receiver.url))
        if headers:
            handle.setopt(pycurl.HTTPHEADER, headers)
        else:  # an empty list would leave those of the request before
            handle.unsetopt(pycurl.HTTPHEADER)
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

    def close(self) -> None:
        """Free the handles that were given back."""
        while self._free:
            self._free.pop().close()

    def _make(self) -> Any:
        patience = self._options.patience
        network = self._options.network or Network()
        handle = pycurl.Curl()
        handle.setopt(pycurl.HTTP_VERSION, self._http_version)
        handle.setopt(pycurl.NOSIGNAL, 1)
        handle.setopt(pycurl.FOLLOWLOCATION, 0)
        handle.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
        handle.setopt(pycurl.USERAGENT, USER_AGENT)
        handle.setopt(pycurl.BUFFERSIZE, _receive_buffer(self._options))
        handle.setopt(pycurl.TCP_NODELAY, 1)
        handle.setopt(pycurl.TCP_KEEPALIVE, 1)
        handle.setopt(pycurl.CONNECTTIMEOUT_MS, int(1000 * min(network.connect_timeout, patience / 2)))
        handle.setopt(pycurl.NOPROXY, "")  # else libcurl reads the environment, by rules of its own
        handle.setopt(pycurl.CAPATH if os.path.isdir(self._ca_bundle) else pycurl.CAINFO, self._ca_bundle)
        return handle

    def _proxy(self, url: str) -> str:
        """The proxy, chosen as for API calls; an empty string keeps libcurl from reading the environment itself."""
        place = tuple(url.split("/", 3)[:3])
        if place not in self._proxies:
            self._proxies[place] = proxy_for(url, self._options.network or Network())
        return self._proxies[place]


def connections(options: TransferOptions) -> int:
    """As many connections as were asked for, but under a rate limit no more than have something to do."""
    if options.limit_rate is None:
        return options.connections
    return max(1, min(options.connections, options.limit_rate // (256 * 1024)))


def _receive_buffer(options: TransferOptions) -> int:
    """Bytes received at once.

    Under a rate limit all connections together take no more than a tenth of a second's worth before they are counted;
    libcurl fills its buffer up to ten times before it returns.
    """
    if options.limit_rate is None:
        return RECEIVE_BUFFER
    return max(1024, min(RECEIVE_BUFFER, options.limit_rate // (100 * connections(options))))


def read_answer(handle: Any, lines: Sequence[bytes]) -> Head:
    """The head of the answer that a handle has, or is just receiving: from its raw lines, or what libcurl kept of it.

    Of what libcurl keeps, that is asked for which counts with such a status; it does not keep ``Content-Range`` and
    ``Content-Encoding``. The status is 0 when no head has come.
    """
    if lines or READS_EVERY_HEAD:
        return read_head(lines)
    status = handle.getinfo(pycurl.RESPONSE_CODE)
    if not status:
        return Head(0, {})
    headers: dict[str, str] = {}
    if 300 <= status < 400:
        if place := handle.getinfo_raw(pycurl.REDIRECT_URL):
            headers["location"] = place.decode("latin-1")
        return Head(status, headers)
    if kind := handle.getinfo_raw(pycurl.CONTENT_TYPE):
        headers["content-type"] = kind.decode("latin-1")
    if (length := handle.getinfo(pycurl.CONTENT_LENGTH_DOWNLOAD_T)) >= 0:
        headers["content-length"] = str(length)
    if status >= 400 and (wait := handle.getinfo(pycurl.RETRY_AFTER)) > 0:
        headers["retry-after"] = str(wait)
    return Head(status, headers)
