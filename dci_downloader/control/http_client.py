"""One request and its complete answer, bounded in size and in time.

Socket timeouts restart with every byte that comes, and name resolution knows none: only somebody beside can tell that
an answer takes too long. So the answer is received in a thread of its own, a daemon, and left there if it never ends.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future, wait
from http.client import HTTPException
from http.cookiejar import DefaultCookiePolicy
from typing import NamedTuple, Optional
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import HTTPError

from dci_downloader import __version__
from dci_downloader.control.decoding import Response
from dci_downloader.control.failures import RequestFailedError, Target, broken, stalled
from dci_downloader.errors import TransferError
from dci_downloader.network.headers import content_length
from dci_downloader.network.proxies import ca_bundle, proxy_for
from dci_downloader.network.urls import redact_url
from dci_downloader.options import Network

_CHUNK = 8192
_SLOWEST = 1000
"""Bytes per second below which an answer counts as stalled."""


class ApiRequest(NamedTuple):
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


class _Session(requests.Session):
    """A session that takes nothing from the environment, keeps no cookies and follows no redirect by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.trust_env = False
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self.headers.update({"User-Agent": f"dci-downloader/{__version__}", "Accept-Encoding": "identity"})

    def get_redirect_target(self, resp: requests.Response) -> Optional[str]:
        """None: requests would read the whole body of a redirect, whatever its size."""
        return None


class _ReceiveState:
    """What the thread that receives and the one that waits tell each other."""

    def __init__(self, timeouts: Timeouts) -> None:
        self.timeouts = timeouts
        self.received = 0
        self.abandoned = False


class Timeouts(NamedTuple):
    """Seconds to connect, and seconds without a byte."""

    connect: float
    read: float


class HttpClient:
    """Keeps connections open between requests. For one thread at a time."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._verify = ca_bundle(network)
        self._session = _Session()

    def close(self) -> None:
        """Close idle connections. Safe to repeat."""
        self._session.close()

    def send(self, call: ApiRequest, limit: int, timeouts: Timeouts) -> Response:
        """Send one request and wait for all of its answer.

        Args:
            call: what to send.
            limit: most bytes the answer may hold.
            timeouts: both together are the longest that less than a trickle is waited for.

        Raises:
            BrokenError: no complete answer came.
            TransferError: the answer is too large.
        """
        proxy = proxy_for(call.url, self._network)
        target = Target(str(call), urlsplit(call.url).netloc, redact_url(proxy) if proxy else "")
        request = self._session.prepare_request(
            requests.Request(call.method, call.url, headers=dict(call.headers), data=call.body)
        )
        meter, future = _ReceiveState(timeouts), Future[Response]()
        session = self._session

        def receive() -> None:
            try:
                future.set_result(self._receive(session, request, proxy, limit, meter))
            except BaseException as error:
                future.set_exception(error)

        threading.Thread(target=receive, name="control-server", daemon=True).start()
        self._wait(future, meter, target)
        try:
            return future.result()
        except (OSError, HTTPError, HTTPException, UnicodeError) as error:
            raise RequestFailedError(broken(error, target)) from None

    def _wait(self, future: Future[Response], meter: _ReceiveState, target: Target) -> None:
        """Wait as long as bytes come, and not too slowly."""
        start, before, window = time.monotonic(), 0, sum(meter.timeouts)
        while not wait([future], timeout=window).done:
            if meter.received - before < window * _SLOWEST:
                meter.abandoned = True
                self._session = _Session()  # the old one belongs to the abandoned thread
                raise RequestFailedError(stalled(target, time.monotonic() - start))
            before = meter.received

    def _receive(
        self, session: requests.Session, request: requests.PreparedRequest, proxy: str, limit: int, meter: _ReceiveState
    ) -> Response:
        call = f"{request.method} {redact_url(request.url or '')}"
        proxies = {urlsplit(request.url or "").scheme: proxy} if proxy else {}
        with session.send(
            request, stream=True, timeout=meter.timeouts, verify=self._verify, proxies=proxies, allow_redirects=False
        ) as response:
            chunks = []
            for chunk in response.iter_content(_CHUNK):
                chunks.append(chunk)
                meter.received += len(chunk)
                if meter.received > limit:
                    raise TransferError(
                        f"{call}: the answer is larger than {limit // 2**20} MiB", hint="is DCI_CS_URL right?"
                    )
                if meter.abandoned:
                    break
            headers = {name.lower(): value for name, value in response.headers.items()}
            expected = content_length(headers.get("content-length", ""))
            if "content-encoding" not in headers and expected not in (None, meter.received):
                raise requests.ConnectionError  # urllib3 1.26 takes a cut body for a complete one
            return Response(call, response.status_code, headers, b"".join(chunks))
