"""Requests that come to an end: signed, redirected by hand, tried again while it helps and does no harm.

Two clients. One asks the control server; the other asks wherever a redirect leads, and knows no credentials. Once a
redirect has left the control server nothing is signed any more, even if it leads back.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from urllib.parse import urlencode, urljoin

from dci_downloader.control.decoding import Response
from dci_downloader.control.errors_from_response import error_from_response
from dci_downloader.control.failures import RequestFailedError, RequestFailure
from dci_downloader.control.http_client import ApiRequest, HttpClient, Timeouts
from dci_downloader.control.signing import Signer
from dci_downloader.errors import TransferError
from dci_downloader.network import retries
from dci_downloader.network.headers import retry_after
from dci_downloader.network.retries import MAX_REDIRECTS, MAX_WRONG_RESPONSES, REDIRECTS, TRANSIENT
from dci_downloader.network.urls import Origin, normalize_url, origin, redact_url
from dci_downloader.options import Network

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Clock:
    """Time and chance, so that tests need neither.

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
    """A server gives no answer. What one call waited out in vain, the next does not wait for again.

    Attributes:
        began: when the first try in vain did.
        ended: when the last did.
        given_up: a call gave up on it.
    """

    began: float
    ended: float
    given_up: bool = False


class Session:
    """The way to one control server and the object store behind it. For one thread at a time.

    Args:
        patience: seconds that a call may go without success before it is given up.
    """

    def __init__(self, signer: Signer, network: Network, patience: float, clock: Clock) -> None:
        self.signer = signer
        self.clock = clock
        self._patience = patience
        self._network = network
        self._asked = signer.origin
        self._outages: dict[Origin, _Outage] = {}
        self._client = HttpClient(network)
        self._stranger = HttpClient(network)

    def close(self) -> None:
        """Close idle connections. Safe to repeat."""
        self._client.close()
        self._stranger.close()

    def get(self, path: str, query: Mapping[str, str], *, limit: int, etag: str = "", leave: bool = False) -> Response:
        """Ask the control server, again and again until it answers or patience is over.

        Args:
            path: below the server's address, quoted.
            query: no value may be empty: the server refuses the signature then.
            limit: most bytes an answer may hold.
            etag: sent as If-None-Match to where a redirect leads, not to the control server.
            leave: whether a redirect may lead away from the control server, as for files.

        Raises:
            TransferError: no answer, or none that can be used.
        """
        url = self.signer.base + path + (f"?{urlencode(query)}" if query else "")
        return self._repeat(lambda attempt: self._follow(url, limit, etag, leave, attempt))

    def delete(self, path: str, headers: Mapping[str, str], *, limit: int) -> Response:
        """Have the control server delete something, again and again until it answers or patience is over.

        A repetition may find it gone already: the answer to the try before was lost.

        Args:
            path: below the server's address, quoted.
            headers: beside those that every request carries.
            limit: most bytes an answer may hold.

        Raises:
            TransferError: no answer, or none that can be used.
        """
        return self._repeat(lambda _: self._change("DELETE", path, headers, b"", limit))

    def post(self, path: str, body: bytes, *, limit: int) -> Response:
        """Send the control server a JSON document, once: to repeat it could do what it asks for twice.

        Args:
            path: below the server's address, quoted.
            body: the document.
            limit: most bytes an answer may hold.

        Raises:
            TransferError: no answer, or none that can be used.
        """
        try:
            return self._change("POST", path, {"Content-Type": "application/json"}, body, limit)
        except RequestFailedError as broken:
            error = broken.cause.error
            error.hint = f"this is not tried again by itself, for it may have been done; {error.hint}"
            raise error from None

    def _change(self, method: str, path: str, headers: Mapping[str, str], body: bytes, limit: int) -> Response:
        """One try of a request that changes something; a redirect is not followed."""
        url = self.signer.base + path
        answer = self._send(ApiRequest(method, url, {**headers, **self.signer.headers(url, method, body)}, body), limit)
        self._demand_final(answer, 1)
        if answer.status in REDIRECTS:
            raise TransferError(
                f"{answer.call}: redirected, which such a request is not",
                hint="set DCI_CS_URL to the server's own address",
            )
        return answer

    def _repeat(self, attempt_once: Callable[[int], Response]) -> Response:
        attempt = 0
        while True:
            attempt += 1
            began = self.clock.monotonic()
            try:
                return attempt_once(attempt)
            except RequestFailedError as error:
                said = error.cause.error
                pause = retries.back_off(attempt, error.asked, self._patience, self.clock.chance())
                outage = self._outage(began)
                late = outage.given_up or outage.ended + pause - outage.began >= self._patience
                if late or not error.cause.passing:
                    outage.given_up = True
                    raise said from None
            _log.debug("%s; trying again in %.1f s", said, pause)
            self.clock.sleep(pause)

    def _follow(self, url: str, limit: int, etag: str, leave: bool, attempt: int) -> Response:
        """One try: follow redirects to an answer that is none."""
        signed = True
        for _ in range(MAX_REDIRECTS):
            signed = signed and origin(url) == self.signer.origin
            answer = self._ask(url, signed, limit, etag)
            self._demand_final(answer, attempt)
            if answer.status not in REDIRECTS:
                return answer
            url = self._target(url, answer, leave)
        raise TransferError(
            f"GET {redact_url(url)}: redirected more than {MAX_REDIRECTS} times",
            hint="is DCI_CS_URL right? Is a proxy confused?",
        )

    def _demand_final(self, answer: Response, attempt: int) -> None:
        """Raise BrokenError for an answer that says to ask again later, or with a new URL."""
        expired = answer.status == 403 and not answer.signed and attempt < MAX_WRONG_RESPONSES
        if answer.status in TRANSIENT or expired:
            asked = retry_after(answer.headers.get("retry-after", ""), self._now())
            error = error_from_response(answer, self.clock.wall())
            assert isinstance(error, TransferError)
            raise RequestFailedError(RequestFailure(error), asked)
        self._outages.pop(self._asked, None)

    def _target(self, url: str, answer: Response, leave: bool) -> str:
        """Where a redirect leads; refused where it may not."""
        location = answer.headers.get("location", "")
        try:
            target = normalize_url(urljoin(url, location))
            foreign = origin(target) != self.signer.origin
        except ValueError:
            location = ""
        if not location:
            raise TransferError(
                f"{answer.call}: redirected to nowhere, or to something that is neither http nor https",
                hint="nothing was fetched from there; is DCI_CS_URL right? Does a proxy answer in its place?",
            )
        if foreign and not leave:
            raise TransferError(
                f"{answer.call}: redirected to {redact_url(target)}, which is not the control server",
                hint="if that is its address now, set DCI_CS_URL to it; if it is a login page, a proxy stands between",
            )
        return target

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self.clock.wall(), timezone.utc)

    def _outage(self, began: float) -> _Outage:
        """The outage that a try in vain is part of; after a long time without any try it is another."""
        now = self.clock.monotonic()
        outage = self._outages.get(self._asked)
        if outage is None or began - outage.ended > self._patience:
            outage = self._outages[self._asked] = _Outage(began, now)
        outage.ended = now
        return outage

    def _timeouts(self, now: float) -> Timeouts:
        """A stall leaves time for a second try; a server that was found dead is only looked at."""
        outage = self._outages.get(self._asked)
        looking = outage is not None and outage.given_up and now - outage.ended <= self._patience
        longest = max(self._patience / (10 if looking else 2), 1.0)
        return Timeouts(min(self._network.connect_timeout, longest), min(self._network.read_timeout, longest))

    def _ask(self, url: str, signed: bool, limit: int, etag: str) -> Response:
        if signed:
            return self._send(ApiRequest("GET", url, self.signer.headers(url)), limit)
        return self._send(ApiRequest("GET", url, {"If-None-Match": etag} if etag else {}), limit, signed=False)

    def _send(self, call: ApiRequest, limit: int, *, signed: bool = True) -> Response:
        start = self.clock.monotonic()
        self._asked = origin(call.url)
        answer = (self._client if signed else self._stranger).send(call, limit, self._timeouts(start))
        _log.debug("%s: %d, %.0f ms", answer.call, answer.status, (self.clock.monotonic() - start) * 1000)
        return replace(answer, signed=signed)
