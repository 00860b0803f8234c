"""Reads the files of a mirror behind a web server, an object store or a CDN: plain GET requests.

Nothing is sent that identifies who asks. No redirect is followed, so only the server that the user named is asked.
Transient failures are tried again for as long as patience lasts; a server that was given up gets one try for each
further file.
"""

from __future__ import annotations

import logging
from datetime import datetime, timezone
from typing import Optional
from urllib.parse import quote, urljoin

from dci_downloader.control.decoding import Response
from dci_downloader.control.failures import RequestFailedError
from dci_downloader.control.http_client import HttpClient, HttpRequest, Timeouts
from dci_downloader.control.session import Clock
from dci_downloader.errors import AccessError, DownloaderError, StatusError, TransferError
from dci_downloader.network import retries
from dci_downloader.network.headers import retry_after
from dci_downloader.network.urls import normalize_url, redact_url
from dci_downloader.options import Network

_log = logging.getLogger(__name__)

_ABSENT = {404, 410}
_FORBIDDEN = {401, 403, 407}


class WebReader:
    """The files of a mirror that tell what it holds, for any thread.

    Args:
        url: of the mirror's root, without a slash at the end.
        network: proxies, certificates, timeouts.
        patience: seconds that a file may take without success.
        clock: time and chance.

    Attributes:
        address: for people.
    """

    def __init__(self, url: str, network: Network, patience: float, clock: Clock) -> None:
        self.address = url
        self._client = HttpClient(network)
        self._patience, self._clock = patience, clock
        longest = max(patience / 2, 1.0)
        self._timeouts = Timeouts(min(network.connect_timeout, longest), min(network.read_timeout, longest))
        self._given_up = False

    def close(self) -> None:
        """Close idle connections. Safe to repeat."""
        self._client.close()

    def read(self, path: str, limit: int) -> Optional[bytes]:
        """The content of a file; None where the server says that there is none.

        Args:
            path: relative to the mirror, as text.
            limit: the most bytes to read.

        Raises:
            TransferError: no usable response came.
            AccessError: the server does not let this machine read it.
        """
        request = HttpRequest("GET", normalize_url(f"{self.address}/{quote(path)}"), {})
        try:
            response = self._response(request, limit)
            self._given_up = False
        except DownloaderError as error:  # its hints are those of API calls
            error.hint = error.hint.replace("DCI_CS_URL", "--from")
            raise
        if response.status in _ABSENT:
            return None
        if response.status != 200:
            raise _status_error(request, response)
        return response.body

    def _response(self, request: HttpRequest, limit: int) -> Response:
        """A response that is final, with tries until patience is over."""
        begin, attempt = self._clock.monotonic(), 0
        while True:
            attempt += 1
            try:
                return self._attempt(request, limit)
            except RequestFailedError as failure:
                pause = retries.back_off(attempt, failure.retry_after, self._patience, self._clock.chance())
                late = self._clock.monotonic() + pause - begin >= self._patience
                if late or self._given_up or not failure.transient:
                    self._given_up = True
                    raise failure.error from None
                _log.debug("%s; trying again in %.1f s", failure.error, pause)
            self._clock.sleep(pause)

    def _attempt(self, request: HttpRequest, limit: int) -> Response:
        start = self._clock.monotonic()
        response = self._client.send(request, limit, self._timeouts)
        _log.debug("%s: %d, %.0f ms", request, response.status, (self._clock.monotonic() - start) * 1000)
        if response.status in retries.TRANSIENT:
            now = datetime.fromtimestamp(self._clock.wall(), timezone.utc)
            seconds = retry_after(response.headers.get("retry-after", ""), now)
            error = StatusError(
                f"{request}: HTTP {response.status}",
                url=redact_url(request.url),
                status=response.status,
                hint="the web server of that mirror, or a proxy before it, is in trouble: run again later",
            )
            raise RequestFailedError(error, retry_after=seconds)
        return response


def _joined(url: str, location: str) -> str:
    """The absolute form of a redirect's address."""
    try:
        return urljoin(url, location)
    except ValueError:
        return location


def _status_error(request: HttpRequest, response: Response) -> DownloaderError:
    """The error of a response that holds no file."""
    status = response.status
    if status in _FORBIDDEN:
        hint = "its web server, or the policy of its bucket, has to let this machine read without credentials"
        return AccessError(f"{request}: HTTP {status}, it may not be read", hint=hint)
    if status in retries.REDIRECTS:
        location = response.headers.get("location", "")
        location = redact_url(_joined(request.url, location)) if location else "nowhere"
        return TransferError(
            f"{request}: redirected to {location}, and no other address is asked",
            hint="name that address by --from if it is the mirror's; a login page is a proxy in between",
        )
    return StatusError(
        f"{request}: HTTP {status}",
        url=redact_url(request.url),
        status=status,
        hint="is that the address of a mirror's root (DEST)?",
    )
