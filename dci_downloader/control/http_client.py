"""One request and its complete response, bounded in size and in time.

The body is read as it comes and decoded here: urllib3 decodes whatever the header says, with any number of encodings,
and its older versions without a bound.

Socket timeouts restart with every byte, and name resolution has none: only another thread can notice that a response
takes too long. So each response is received in a thread of its own, a daemon, and left there if it never ends.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future, wait
from dataclasses import replace
from http.client import HTTPException
from importlib.util import find_spec
from typing import NamedTuple
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import HTTPError

from dci_downloader.control.decoding import Response
from dci_downloader.control.failures import Route, failure_from_exception, stall_failure
from dci_downloader.control.requests_session import RequestsSession
from dci_downloader.errors import SettingsError, TransferError
from dci_downloader.network import encoding
from dci_downloader.network.headers import content_length
from dci_downloader.network.proxies import ca_bundle, check_proxies, proxy_for, proxy_variable
from dci_downloader.network.proxy_urls import SOCKS
from dci_downloader.network.urls import redact_url
from dci_downloader.options import Network

_CHUNK = 8192
_WITHOUT_BODY = {204, 304}  # Content-Length of a 304 is that of the body which is not sent (RFC 9110, 8.6)
_MIN_RATE = 1000
"""Bytes per second below which a response counts as stalled."""


class HttpRequest(NamedTuple):
    """A request that is ready to be sent.

    Attributes:
        url: in normal form.
        headers: beside those that every request carries.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes = b""

    def __str__(self) -> str:
        """Method and URL without query, for messages."""
        return f"{self.method} {redact_url(self.url)}"


class Timeouts(NamedTuple):
    """Seconds to connect, and seconds without a byte, in the order that requests takes them."""

    connect: float
    read: float


class HttpClient:
    """Sends requests, and keeps connections open between them. Safe to use from several threads."""

    def __init__(self, network: Network) -> None:
        check_proxies(network)
        self._network = network
        self._verify = ca_bundle(network)
        self._session = RequestsSession()

    def close(self) -> None:
        """Close idle connections. Safe to repeat."""
        self._session.close()

    def send(self, request: HttpRequest, limit: int, timeouts: Timeouts) -> Response:
        """Send one request and wait for its whole response.

        Args:
            request: what to send.
            limit: most bytes that the body may hold.
            timeouts: a response is also given up if in as many seconds as both together it brings too few bytes.

        Raises:
            RequestFailedError: no complete response came.
            TransferError: the body is too large, or cannot be decoded.
            SettingsError: the proxy speaks SOCKS, and this Python does not.
        """
        proxy = proxy_for(request.url, self._network)
        if proxy.startswith(SOCKS) and find_spec("socks") is None:
            raise SettingsError(
                "API calls go through a SOCKS proxy, for which the package PySocks is needed",
                hint="pip install PySocks, or set HTTP_PROXY and HTTPS_PROXY to an http proxy",
            )
        variable = proxy_variable(request.url, self._network)
        route = Route(str(request), urlsplit(request.url).netloc, redact_url(proxy) if proxy else "", variable)
        receiver = _Receiver(self._session, request, limit)
        future = Future[Response]()

        def receive() -> None:
            try:
                future.set_result(receiver.receive(proxy, self._verify, timeouts))
            except BaseException as error:  # raised anew in the thread that waits
                future.set_exception(error)

        threading.Thread(target=receive, name="control-server", daemon=True).start()
        self._wait(future, receiver, route, sum(timeouts))
        try:
            return replace(future.result(), proxy_variable=variable)
        except (OSError, HTTPError, HTTPException, ValueError) as error:  # ValueError: of ssl, of a name's encoding
            raise failure_from_exception(error, route) from None

    def _wait(self, future: Future[Response], receiver: _Receiver, route: Route, seconds: float) -> None:
        """Wait as long as each span of so many seconds brings enough bytes."""
        start, received = time.monotonic(), 0
        while not wait([future], timeout=seconds).done:
            if receiver.received - received < seconds * _MIN_RATE:
                receiver.abandoned = True
                self._session = RequestsSession()  # the old one belongs to the abandoned thread
                raise stall_failure(route, time.monotonic() - start)
            received = receiver.received


class _Receiver:
    """Receives one response.

    Attributes:
        received: bytes of the body so far.
        abandoned: whether nobody waits for the response any more.
    """

    def __init__(self, session: requests.Session, request: HttpRequest, limit: int) -> None:
        self._session = session
        self._request = request
        self._limit = limit
        self.received = 0
        self.abandoned = False

    def receive(self, proxy: str, verify: str, timeouts: Timeouts) -> Response:
        request = self._request
        prepared = self._session.prepare_request(
            requests.Request(request.method, request.url, headers=dict(request.headers), data=request.body)
        )
        proxies = {urlsplit(request.url).scheme: proxy} if proxy else {}
        with self._session.send(
            prepared, stream=True, timeout=timeouts, verify=verify, proxies=proxies, allow_redirects=False
        ) as response:
            body = self._body(response)
            headers = {name.lower(): value for name, value in response.headers.items()}
            expected = content_length(headers.get("content-length", ""))
            if response.status_code not in _WITHOUT_BODY and expected not in (None, self.received):
                raise requests.ConnectionError  # urllib3 1.26 takes a cut body for a complete one
            body = self._decoded(body, headers.get("content-encoding", ""))
            return Response(str(request), response.status_code, headers, body)

    def _body(self, response: requests.Response) -> bytes:
        chunks = []
        # read, not stream: http.client reads chunked bodies then, whose lines it bounds as urllib3 does not
        while not self.abandoned and (chunk := response.raw.read(_CHUNK, decode_content=False)):
            chunks.append(chunk)
            self.received += len(chunk)
            if self.received > self._limit:
                raise self._too_large()
        return b"".join(chunks)

    def _decoded(self, body: bytes, header: str) -> bytes:
        try:
            if (name := encoding.foreign_encoding(header)) and not _is_text(body):
                raise encoding.EncodingError(f"{name} was not asked for")
            return encoding.decode(body, header, self._limit)
        except encoding.EncodingError as error:
            if error.too_long:
                raise self._too_large() from None
            raise TransferError(
                f"{self._request}: the answer came as {header[:50]!r}, and cannot be decoded: {error}",
                hint="run again later; does a proxy change answers on their way?",
            ) from None

    def _too_large(self) -> TransferError:
        return TransferError(
            f"{self._request}: the answer is larger than {self._limit // 2**20} MiB", hint="is DCI_CS_URL right?"
        )


def _is_text(body: bytes) -> bool:
    """Whether a body is text as it is, as all that the control server says is."""
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True
