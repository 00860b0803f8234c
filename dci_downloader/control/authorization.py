"""How requests to the control server are authorized, by the kind of credentials.

A remoteci or feeder signs each request (:mod:`~dci_downloader.control.signing`), a login sends its password as HTTP
Basic authentication (RFC 7617), a user of the SSO a bearer token (RFC 6750). All of these go to the control server's
own origin, and to no other.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, Optional

from dci_downloader.control.session import Clock
from dci_downloader.control.signing import Authorization, Signer, Token
from dci_downloader.control.tokens import TokenSource
from dci_downloader.errors import AccessError
from dci_downloader.options import AnyCredentials, LoginCredentials, Network, SsoCredentials


def authorization_for(credentials: AnyCredentials, network: Network, patience: float, clock: Clock) -> Authorization:
    """The authorization of requests with these credentials.

    Args:
        credentials: of any kind.
        network: how an SSO is reached.
        patience: seconds that an SSO may go without an answer.
        clock: time and chance.

    Raises:
        SettingsError: an address cannot be used.
        AccessError: the credentials cannot be right.
    """
    if isinstance(credentials, LoginCredentials):
        return BasicAuthorization(credentials)
    if isinstance(credentials, SsoCredentials):
        return BearerAuthorization(credentials.url, TokenSource(credentials, network, patience, clock))
    return Signer(credentials)


class BasicAuthorization(Authorization):
    """Login and password with every request."""

    def __init__(self, credentials: LoginCredentials) -> None:
        login, password = credentials.login, credentials.password
        for name, value in (("DCI_LOGIN", login), ("DCI_PASSWORD", password)):
            if not value or not value.isprintable():
                raise AccessError(f"{name} is empty, or holds a control character", hint=f"set {name} anew")
        if ":" in login:
            raise AccessError("DCI_LOGIN holds a colon, which no login does", hint="set DCI_LOGIN anew")
        super().__init__(credentials.url)
        self._value = "Basic " + base64.b64encode(f"{login}:{password}".encode()).decode()

    def headers(self, url: str, method: str = "GET", body: bytes = b"") -> dict[str, str]:
        """The same for every request."""
        return self.headers_for_path(url)

    def headers_for_path(self, path: str) -> dict[str, str]:
        """The same for every path."""
        return {"authorization": self._value}


class BearerAuthorization(Authorization):
    """A token with every request.

    A copy in another process has neither user nor password: it uses the token that it was given last, see :meth:`take`.

    Args:
        url: of the control server.
        source: gives the tokens; None in another process.
    """

    def __init__(self, url: str, source: TokenSource) -> None:
        super().__init__(url)
        self._source: Optional[TokenSource] = source
        self._taken: Optional[Token] = None

    def __getstate__(self) -> dict[str, Any]:
        """What another process gets."""
        return {**vars(self), "_source": None, "_taken": self.token}

    @property
    def token(self) -> Token:
        """The token that requests carry now, renewed when its time has come."""
        if self._source is not None:
            return self._source.current()
        assert self._taken is not None
        return self._taken

    def take(self, token: Token) -> None:
        """Use a token that another process obtained."""
        self._taken = token

    def awaits_token(self, now: float) -> bool:
        """Whether another process is about to renew the token."""
        return self._taken is not None and now >= self._taken.renew_at

    def headers(self, url: str, method: str = "GET", body: bytes = b"") -> dict[str, str]:
        """The token, whatever the request."""
        return self.headers_for_path(url)

    def headers_for_path(self, path: str) -> dict[str, str]:
        """The token, whatever the path."""
        return {"authorization": f"Bearer {self.token.text}"}

    def renew(self, headers: Mapping[str, str]) -> bool:
        """Obtain another token, where user and password are known, and nobody has obtained one meanwhile."""
        return self._source is not None and self._source.replace(headers["authorization"].partition(" ")[2])
