"""Tokens of the single sign-on: obtained with user and password, and renewed ahead of their end.

* A token is renewed once nine tenths of its life are over, or half a minute before its end where that is later. Until
  then, and while it is renewed in a thread of its own, requests carry the present one. They wait only for the first
  token, and where one has ended because its renewal failed.
* There is one renewal at a time, whoever needs it; one that failed is not tried again for some seconds.
* The answer that brings a token says when it ends; a token that the user gives says so in its claim ``exp`` (RFC 7519).
"""

from __future__ import annotations

import base64
import binascii
import json
import logging
import math
import re
import threading
from typing import Optional
from urllib.parse import urlencode

from dci_downloader.control import decoding
from dci_downloader.control.decoding import Response
from dci_downloader.control.session import Clock, Session
from dci_downloader.control.signing import Authorization, Token
from dci_downloader.errors import AccessError, DownloaderError, SettingsError, StatusError, TransferError
from dci_downloader.network.urls import redact_url
from dci_downloader.options import Network, SsoCredentials

TOKEN_PATH = "/auth/realms/redhat-external/protocol/openid-connect/token"  # noqa: S105  of the SSO
_MAX_RESPONSE = 2**20  # bytes
_LONGEST_LIFE = 2**40  # seconds; a number with 400 digits is none that can be added to a time
_RETRY_SECONDS = 5.0
"""Seconds after a failed renewal before the next one, while the token there is still is valid."""
_TRUSTED_SECONDS = 60.0
"""Seconds for which a token that was obtained counts as good, whatever the control server says."""

_HINT = "check SSO_URL, SSO_USERNAME and SSO_PASSWORD, or get another SSO_TOKEN"
_log = logging.getLogger(__name__)


class TokenSource:
    """Gives a valid token to any thread.

    Args:
        credentials: a token, or user and password to obtain one with.
        network: proxies, certificates, timeouts.
        patience: seconds that the SSO may go without an answer.
        clock: time and chance.

    Raises:
        AccessError: there is neither a token, nor user and password to obtain one with.
        SettingsError: the address of the SSO cannot be used.
    """

    def __init__(self, credentials: SsoCredentials, network: Network, patience: float, clock: Clock) -> None:
        self._credentials = credentials
        self._clock = clock
        self._network, self._patience = network, patience
        self._renewing = threading.Lock()
        self._next_try = self._obtained_at = -math.inf
        self._current: Optional[Token] = None
        if credentials.token:
            self._current = given_token(credentials.token, clock.wall())
        self.renewable = bool(credentials.sso_url and credentials.username and credentials.password)
        self._sso = _Unauthorized(credentials.sso_url) if self.renewable else None
        if not self.renewable and self._current is None:
            raise AccessError("no credentials for the SSO: neither a token nor address, user and password", hint=_HINT)

    def current(self) -> Token:
        """A token that is valid.

        Raises:
            AccessError: it has ended, and no other is given.
            TransferError: the SSO cannot be asked.
        """
        token, now = self._current, self._clock.wall()
        if token is not None and now < token.renew_at:
            return token
        if token is not None and now < token.ends:
            self._renew_aside(token, now)
            return token
        with self._renewing:
            if self._current is token:  # else another thread has renewed it meanwhile
                self._current = self._obtain()
            assert self._current is not None
            return self._current

    def replace(self, refused: str) -> bool:
        """Whether there is another token than this one, which was refused; it is obtained if need be.

        A token that was obtained just now is not at fault: the server may say 401 of what a user may not see.
        """
        with self._renewing:
            if self._current is None or self._current.text != refused:
                return True
            if not self.renewable or self._clock.wall() < self._obtained_at + _TRUSTED_SECONDS:
                return False
            self._current = self._obtain()
            return True

    def _renew_aside(self, token: Token, now: float) -> None:
        """Renew in a thread of its own, unless that is being done or failed just now."""
        if not self.renewable or now < self._next_try or not self._renewing.acquire(blocking=False):
            return
        if self._current is not token:
            self._renewing.release()
            return
        self._next_try = now + _RETRY_SECONDS
        threading.Thread(target=self._renew, name="sso-token", daemon=True).start()

    def _renew(self) -> None:
        try:
            self._current = self._obtain()
        except DownloaderError as error:
            _log.debug("the token is not renewed yet: %s", error)
        finally:
            self._renewing.release()

    def _obtain(self) -> Token:
        """Ask the SSO for a token, with tries until there is an answer or patience is over."""
        if self._sso is None:
            text = "the SSO token has ended by this machine's clock, and there is no user and password for another"
            raise AccessError(text, hint=f"{_HINT}; is the clock right?")
        user, password = self._credentials.username, self._credentials.password
        form = {"client_id": "dci", "grant_type": "password", "username": user, "password": password}
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        session = Session(self._sso, self._network, self._patience, self._clock)
        begin = self._clock.wall()
        try:
            body = urlencode(form).encode()
            response = session.repeat("POST", TOKEN_PATH, body, headers=headers, limit=_MAX_RESPONSE)
        except StatusError as error:  # its text is about the control server
            place = redact_url(self._sso.base + TOKEN_PATH)
            raise TransferError(f"POST {place}: the SSO answered HTTP {error.status}", hint=error.hint) from None
        finally:
            session.close()
        token = _token_in(response, begin)
        self._obtained_at = self._clock.wall()
        _log.debug("a token was obtained from %s", redact_url(self._sso.base))
        return token


class _Unauthorized(Authorization):
    """For the SSO, which reads user and password in the body of the request, and nothing in its headers."""

    def __init__(self, url: str) -> None:
        try:
            super().__init__(url)
        except SettingsError:
            raise SettingsError(
                "the address of the SSO is no http or https URL, or holds a user or a query",
                hint="SSO_URL is of the form https://sso.redhat.com",
            ) from None

    def headers(self, url: str, method: str = "GET", body: bytes = b"") -> dict[str, str]:
        return {}

    def headers_for_path(self, path: str) -> dict[str, str]:
        return {}


def given_token(text: str, now: float) -> Token:
    """A token that the user gives; its end is read from it, without checking its signature.

    Args:
        text: the token.
        now: seconds since the epoch.

    Raises:
        AccessError: a header cannot carry it.
    """
    text = text.strip()
    if not re.fullmatch(r"[A-Za-z0-9._~+/=-]+", text):  # RFC 6750, 2.1
        raise AccessError("SSO_TOKEN is no bearer token: it holds blanks or other odd characters", hint=_HINT)
    return _token(text, now, _claimed_end(text))


def _token(text: str, begin: float, end: float) -> Token:
    life = end - begin
    return Token(text, end - min(life / 10, 30.0) if math.isfinite(end) else math.inf, end)


def _claimed_end(text: str) -> float:
    """When a token says that it ends, in seconds since the epoch; infinite where it does not say."""
    parts = text.split(".")
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        end = claims["exp"]
    except (IndexError, KeyError, TypeError, ValueError, binascii.Error, RecursionError):
        return math.inf
    return float(end) if type(end) in (int, float) and abs(end) < 2**53 else math.inf


def _token_in(response: Response, begin: float) -> Token:
    """The token that the SSO answers with. Nothing of the answer is quoted."""
    if response.status in (400, 401, 403):
        raise AccessError(f"{response.request}: the SSO does not accept user and password", hint=_HINT)
    if response.status != 200:
        text = f"{response.request}: the SSO answered HTTP {response.status} where a token was due"
        raise TransferError(text, hint="is SSO_URL right? Is the SSO in trouble? Then run again later")
    answer = decoding.fields(response)
    text = answer.text("access_token")
    # RFC 6749, 5.1: expires_in may be left out
    end = begin + min(answer.number("expires_in"), _LONGEST_LIFE) if answer.has("expires_in") else _claimed_end(text)
    if not re.fullmatch(r"[!-~]+", text) or end <= begin:
        raise TransferError(f"{response.request}: the SSO answered with a token that cannot be used")
    return _token(text, begin, end)
