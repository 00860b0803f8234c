"""Requests to a server: signed, redirected by rules of our own, and tried again where that is safe and may help.

* A redirect from https to http is refused: anybody on the way could change the answer, and the manifest, by which all
  content is proved, is such an answer.
* *Signed* means here: with what authorizes a request, be it a signature, a password or a token. A redirect is signed
  anew as long as it stays on the control server. Once it has left, nothing is signed any more, even if it leads back;
  the client that then asks knows no credentials.
* A request that only reads, or deletes, is tried again after a transient failure for as long as patience lasts. One
  that creates is sent once: its response may have got lost after it was done.
* Once a request has lost patience with a server, those that follow do not wait for it again: a run of many calls
  needs one patience to find a server dead, not one for each call.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from urllib.parse import urlencode, urljoin

from dci_downloader.control.decoding import Response
from dci_downloader.control.errors_from_response import error_from_response
from dci_downloader.control.failures import RequestFailedError
from dci_downloader.control.http_client import HttpClient, HttpRequest, Timeouts
from dci_downloader.control.signing import Authorization
from dci_downloader.errors import TransferError
from dci_downloader.network import retries
from dci_downloader.network.headers import retry_after
from dci_downloader.network.retries import MAX_REDIRECTS, MAX_WRONG_RESPONSES, REDIRECTS, TRANSIENT
from dci_downloader.network.urls import Origin, normalize_url, origin, redact_url
from dci_downloader.options import Network

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Clock:
    """Time and random numbers, which tests replace.

    Attributes:
        monotonic: seconds since any moment.
        wall: seconds since the epoch.
        sleep: waits that many seconds.
        chance: a number in [0, 1).
    """

    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    chance: Callable[[], float] = random.random


@dataclass
class _Outage:
    """A time during which a server gives no usable response. Moments are those of ``Clock.monotonic``.

    Attributes:
        begin: when the first failed try began.
        end: when the last failed try ended.
        given_up: whether a request lost patience during it.
    """

    begin: float
    end: float
    given_up: bool = False


class Session:
    """Asks one control server, and the object store that it redirects to. Safe to use from several threads.

    Args:
        authorization: for what goes to the control server.
        network: proxies, certificates, timeouts.
        patience: seconds that a request may go without success before it is given up.
        clock: time and chance.
    """

    def __init__(self, authorization: Authorization, network: Network, patience: float, clock: Clock) -> None:
        self.authorization = authorization
        self.clock = clock
        self._patience = patience
        self._network = network
        self._signed_client = HttpClient(network)
        self._unsigned_client = HttpClient(network)
        self._last = threading.local()
        self._outages: dict[Origin, _Outage] = {}

    def close(self) -> None:
        """Close idle connections. Safe to repeat."""
        self._signed_client.close()
        self._unsigned_client.close()

    def get(
        self, path: str, query: Mapping[str, str], *, limit: int, etag: str = "", other_servers: bool = False
    ) -> Response:
        """Read something, with tries until there is a response or patience is over.

        Args:
            path: below the server's address, quoted.
            query: no value may be empty: the server refuses the signature then.
            limit: most bytes that the body may hold.
            etag: sent as If-None-Match to the server that has the content: the one that a redirect leads to where
                ``other_servers`` is set, else the control server.
            other_servers: whether a redirect may lead away from the control server, as for files.

        Raises:
            TransferError: no response, or none that can be used.
        """
        url = self.authorization.base + path + (f"?{urlencode(query)}" if query else "")
        return self._repeat(lambda attempt: self._follow(url, limit, etag, other_servers, attempt))

    def change(self, method: str, path: str, body: bytes, *, headers: Mapping[str, str], limit: int) -> Response:
        """Send a request that changes something, once: a second try might do what it asks for twice.

        Args:
            method: ``POST``, ``PUT`` or ``DELETE``.
            path: below the server's address, quoted.
            body: of the request.
            headers: beside those that every request carries.
            limit: most bytes that the body of the response may hold.

        Raises:
            TransferError: no response, or none that can be used.
        """
        try:
            return self._change(HttpRequest(method, path, headers, body), limit)
        except RequestFailedError as failure:
            error = failure.error
            error.hint = f"this is not tried again by itself, for it may have been done; {error.hint}"
            raise error from None

    def repeat(self, method: str, path: str, body: bytes, *, headers: Mapping[str, str], limit: int) -> Response:
        """The same for a request that is safe to repeat: with tries until there is a response or patience is over.

        A second try may find done already what it asks for, because the response to the first got lost.
        """
        return self._repeat(lambda _: self._change(HttpRequest(method, path, headers, body), limit))

    def _repeat(self, attempt_once: Callable[[int], Response]) -> Response:
        """Try, until there is a response, the failure is final, or the server is out for longer than patience."""
        attempt = 0
        while True:
            attempt += 1
            begin = self.clock.monotonic()
            try:
                return attempt_once(attempt)
            except RequestFailedError as failure:
                error = failure.error
                pause = retries.back_off(attempt, failure.retry_after, self._patience, self.clock.chance())
                outage = self._extend_outage(begin)
                late = outage.given_up or outage.end + pause - outage.begin >= self._patience
                if late or not failure.transient:
                    outage.given_up = True
                    raise error from None  # the exceptions behind it may hold a presigned URL
            _log.debug("%s; trying again in %.1f s", error, pause)
            self.clock.sleep(pause)

    def _follow(self, url: str, limit: int, etag: str, other_servers: bool, attempt: int) -> Response:
        """One try of a GET request: follow redirects until a response is no redirect."""
        signed = True  # once false it stays so: a server elsewhere cannot have its own redirect signed
        renewed = False
        for _ in range(MAX_REDIRECTS):
            signed = signed and origin(url) == self.authorization.origin
            headers = self.authorization.headers(url) if signed else {}
            if etag and signed != other_servers:
                headers["If-None-Match"] = etag
            response = self._send(HttpRequest("GET", url, headers), limit, signed=signed)
            self._raise_if_transient(response, attempt)
            if response.status == 401 and signed and not renewed:
                renewed = self.authorization.renew(headers)
                if renewed:
                    continue
            if response.status not in REDIRECTS:
                return response
            url = self._redirect_target(url, response, other_servers)
        raise TransferError(
            f"GET {redact_url(url)}: redirected more than {MAX_REDIRECTS} times",
            hint="is DCI_CS_URL right? Is a proxy confused?",
        )

    def _change(self, relative: HttpRequest, limit: int) -> Response:
        """One try of a request that changes something, its URL a path; a redirect is not followed."""
        method, path, headers, body = relative
        url = self.authorization.base + path
        request = HttpRequest(method, url, {**headers, **self.authorization.headers(url, method, body)}, body)
        response = self._send(request, limit, signed=True)
        self._raise_if_transient(response, 1)
        if response.status in REDIRECTS:
            raise TransferError(
                f"{response.request}: redirected, which such a request is not",
                hint="set DCI_CS_URL to the server's own address",
            )
        return response

    def _send(self, request: HttpRequest, limit: int, *, signed: bool) -> Response:
        start = self.clock.monotonic()
        self._last.asked = origin(request.url)
        client = self._signed_client if signed else self._unsigned_client
        response = client.send(request, limit, self._timeouts(start))
        _log.debug("%s: %d, %.0f ms", request, response.status, (self.clock.monotonic() - start) * 1000)
        return replace(response, signed=signed)

    def _raise_if_transient(self, response: Response, attempt: int) -> None:
        """Raise RequestFailedError for a response that a later try, or a new presigned URL, may turn into a better."""
        # The object store says 403 of a presigned URL that has expired meanwhile: the next try gets a new one.
        expired = response.status == 403 and not response.signed and attempt < MAX_WRONG_RESPONSES
        if response.status in TRANSIENT or expired:
            now = self.clock.wall()
            seconds = retry_after(response.headers.get("retry-after", ""), datetime.fromtimestamp(now, timezone.utc))
            error = error_from_response(response, now)
            assert isinstance(error, TransferError)  # no status above is one about access
            raise RequestFailedError(error, retry_after=seconds)
        self._outages.pop(self._asked(), None)  # it answers: the outage is over

    def _redirect_target(self, url: str, response: Response, other_servers: bool) -> str:
        """The URL that a redirect names; an error where it must not be followed."""
        location = response.headers.get("location", "")
        try:
            target = normalize_url(urljoin(url, location))
            leaves = origin(target) != self.authorization.origin
        except ValueError:
            location = ""  # what is no URL counts as none
        if not location:
            raise TransferError(
                f"{response.request}: redirected to nowhere, or to something that is neither http nor https",
                hint="nothing was fetched from there; is DCI_CS_URL right? Does a proxy answer in its place?",
            )
        if origin(url).scheme == "https" != origin(target).scheme:
            raise TransferError(
                f"{response.request}: redirected to {redact_url(target)}, from https to http, which anybody on the way "
                "can change",
                hint="nothing was taken from there: that address has to be https; tell the owner of the server",
            )
        if leaves and not other_servers:
            raise TransferError(
                f"{response.request}: redirected to {redact_url(target)}, which is not the control server",
                hint="if that is its address now, set DCI_CS_URL to it; if it is a login page, a proxy stands between",
            )
        return target

    def _extend_outage(self, begin: float) -> _Outage:
        """The outage that a failed try belongs to; after a long time without any try a new one begins."""
        now = self.clock.monotonic()
        outage = self._outages.get(self._asked())
        if outage is None or begin - outage.end > self._patience:
            outage = self._outages[self._asked()] = _Outage(begin, now)
        outage.end = now
        return outage

    def _asked(self) -> Origin:
        """The server that the last try of this thread asked."""
        asked: Origin = getattr(self._last, "asked", self.authorization.origin)
        return asked

    def _timeouts(self, now: float) -> Timeouts:
        """Half of the patience leaves time for a second try; a server that was given up gets a tenth."""
        outage = self._outages.get(self._asked())
        given_up = outage is not None and outage.given_up and now - outage.end <= self._patience
        longest = max(self._patience / (10 if given_up else 2), 1.0)
        return Timeouts(min(self._network.connect_timeout, longest), min(self._network.read_timeout, longest))
