"""libcurl easy handles, set up once for a stage of the pipeline and used again and again."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import pycurl

from dci_downloader import __version__
from dci_downloader.models import TransferOptions
from dci_downloader.network import ca_bundle, proxy_for

USER_AGENT = f"dci-downloader/{__version__}"
RECEIVE_BUFFER = 64 * 1024


class HandlePool:
    """Handles that connect as API calls do: the same proxies, certificates and time-outs.

    Args:
        options: connections, patience and network of the run.
        http_version: one of libcurl's ``CURL_HTTP_VERSION_…``.
    """

    def __init__(self, options: TransferOptions, http_version: int) -> None:
        self._options = options
        self._http_version = http_version
        self._ca_bundle = ca_bundle(options.network)
        self._proxies: dict[tuple[str, ...], str] = {}
        self._free: list[Any] = []

    def take(self, url: str, headers: Sequence[str], write: Callable[..., Any], head: Callable[..., Any]) -> Any:
        """A handle that will ask for ``url``, giving chunks of the body to ``write`` and headers to ``head``."""
        handle = self._free.pop() if self._free else self._make()
        handle.setopt(pycurl.URL, url)
        handle.setopt(pycurl.PROXY, self._proxy(url))
        if headers:
            handle.setopt(pycurl.HTTPHEADER, headers)
        else:  # an empty list would leave those of the request before
            handle.unsetopt(pycurl.HTTPHEADER)
        handle.setopt(pycurl.WRITEFUNCTION, write)
        handle.setopt(pycurl.HEADERFUNCTION, head)
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
        network = self._options.network
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
        handle.setopt(pycurl.LOW_SPEED_LIMIT, 1)
        handle.setopt(pycurl.LOW_SPEED_TIME, max(1, int(min(network.read_timeout, patience / 3))))
        handle.setopt(pycurl.CAPATH if os.path.isdir(self._ca_bundle) else pycurl.CAINFO, self._ca_bundle)
        return handle

    def _proxy(self, url: str) -> str:
        """The proxy, chosen as for API calls; an empty string keeps libcurl from reading the environment itself."""
        place = tuple(url.split("/", 3)[:3])
        if place not in self._proxies:
            self._proxies[place] = proxy_for(url, self._options.network)
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
