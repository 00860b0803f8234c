"""The control server's address, what authorizes requests to it, and signatures that it accepts (DCI2-HMAC-SHA256).

The rules, from dciauth and observed of a control server:

* The signature covers method, path, query, body and the ``host`` header. ``host`` is signed and sent without the
  scheme's default port, because proxies in between drop it.
* The server unquotes the path twice. So does what is signed here; it differs from the path that is sent only where a
  name holds a literal percent-escape (a file called ``a%41.txt``).
* A signature is valid for 15 minutes: every request, and every retry, is signed afresh.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple, Optional
from urllib.parse import quote, unquote, urlsplit

from dciauth.signature import BaseHmacSignature, HmacAuthBase, HmacSignature

from dci_downloader.errors import AccessError, SettingsError
from dci_downloader.network.urls import DEFAULT_PORTS, normalize_url, origin
from dci_downloader.options import RemoteciCredentials

_SERVICE = {
    "service_name": "api",
    "service_key": "dci2_request",
    "region_name": "BHS3",
    "algorithm": "DCI2-HMAC-SHA256",
}


@lru_cache(maxsize=8)
def _derive_key(key: bytes, message: str) -> bytes:
    return BaseHmacSignature._sign(None, key, message)  # type: ignore[no-any-return]


class _Signature(HmacSignature):  # type: ignore[misc]
    """A signature whose key is derived from the secret once a day: the derivation takes as long as all the rest.

    Where a newer dciauth derives it in another method, this one is not called, and signing only takes longer.
    """

    def _sign(self, key: bytes, message: str) -> bytes:
        return _derive_key(key, message)


class Token(NamedTuple):
    """A bearer token: it gives access to whoever has it, until it ends. Moments are seconds since the epoch.

    Attributes:
        text: the secret.
        renew_at: when to ask for the next one.
        ends: when the server stops to accept it; infinite where that is not known.
    """

    text: str
    renew_at: float
    ends: float

    def __repr__(self) -> str:
        """Without the secret."""
        return f"Token(renew_at={self.renew_at}, ends={self.ends})"


class _UnsignedRequest:
    """The attributes of a request that ``HmacAuthBase`` reads."""

    __slots__ = ("body", "headers", "method", "url")

    def __init__(self, url: str, method: str, body: bytes) -> None:
        self.method = method
        self.url = url
        self.body = body
        self.headers: dict[str, str] = {}


class Authorization(ABC):
    """What makes one control server accept requests: a signature, a password or a token. For any thread.

    Attributes:
        base: the server's address, without a trailing slash or default port.
        origin: that of the server; authorized requests may go to no other.
    """

    def __init__(self, url: str) -> None:
        self.base = base_url(url)
        self.origin = origin(self.base)

    @abstractmethod
    def headers(self, url: str, method: str = "GET", body: bytes = b"") -> dict[str, str]:
        """The headers that make a request valid for some minutes. The caller makes sure of its origin."""

    @abstractmethod
    def headers_for_path(self, path: str) -> dict[str, str]:
        """The same for a GET request without a query, by the path to sign, and faster: a sync has 50,000 of them."""

    def renew(self, headers: Mapping[str, str]) -> bool:
        """Whether there are new headers to send in place of these, which were refused."""
        return False

    def awaits_token(self, now: float) -> bool:
        """Whether another process is about to renew the token; ``now`` is in seconds since the epoch."""
        return False

    @property
    def token(self) -> Optional[Token]:
        """The token that requests carry now; None where they carry none."""
        return None

    def take(self, token: Token) -> None:
        """Use a token that another process obtained, where requests carry one."""
        raise TypeError("these requests carry no token")


class Signer(Authorization):
    """Signs requests to one control server, each signature valid for 15 minutes."""

    def __init__(self, credentials: RemoteciCredentials) -> None:
        _check_credentials(credentials)
        super().__init__(credentials.url)
        self._netloc = urlsplit(self.base).netloc
        client_id = _client_id(credentials)
        self._auth = HmacAuthBase(client_id, credentials.api_secret, _SERVICE["service_name"], _SERVICE["region_name"])
        self._keys = {"access_key": client_id, "secret_key": credentials.api_secret}

    def headers(self, url: str, method: str = "GET", body: bytes = b"") -> dict[str, str]:
        """A signature of the whole request."""
        parts = urlsplit(url)
        request = _UnsignedRequest(
            f"{parts.scheme}://{self._netloc}{_path_to_sign(parts.path)}?{parts.query}", method, body
        )
        self._auth(request)
        return request.headers

    def headers_for_path(self, path: str) -> dict[str, str]:
        """A signature by a key that is derived once a day."""
        request = {"method": "GET", "host": self._netloc, "path": path, "params": {}}
        return _Signature(_SERVICE).add_request(request).generate_headers(self._keys)  # type: ignore[no-any-return]


class SignedRequest(NamedTuple):
    """A request that the control server accepts for a few minutes; the headers hold signature, password or token."""

    url: str
    headers: Mapping[str, str]


class ComponentFiles:
    """The files of one component; a source for :class:`dci_downloader.transfer.engine.Engine`.

    Args:
        authorization: for the control server.
        path: of the component's files, below the server's address, quoted.

    Attributes:
        authorization: for the control server.
    """

    def __init__(self, authorization: Authorization, path: str) -> None:
        self.authorization = authorization
        self._folder_url = f"{authorization.base}{path}/"
        self._folder_to_sign = _path_to_sign(urlsplit(self._folder_url).path)
        self._other_servers: set[str] = set()

    def request(self, path: str) -> SignedRequest:
        """Authorize, afresh at each call, the request that is answered with a redirect to the file."""
        quoted = quote(path)
        to_sign = quote(unquote(path)) if "%" in path else quoted  # sent quoted once, so one of two unquotings is left
        return SignedRequest(
            self._folder_url + quoted, self.authorization.headers_for_path(self._folder_to_sign + to_sign)
        )

    def follow(self, url: str) -> Optional[SignedRequest]:
        """Authorize a redirect that stays on the control server; None for one that leads elsewhere."""
        server = "/".join(url.split("/", 3)[:3])  # parsed once: a component's files are all in one object store
        if server in self._other_servers:
            return None
        try:
            url = normalize_url(url)
        except ValueError:
            return None
        if origin(url) == self.authorization.origin:
            return SignedRequest(url, self.authorization.headers(url))
        self._other_servers.add(server)
        return None


def _path_to_sign(path: str) -> str:
    """A quoted path as the server sees it when it checks the signature."""
    return quote(unquote(unquote(path)))


def _client_id(credentials: RemoteciCredentials) -> str:
    """The identity that signs, ``<type>/<id>``. An id alone is that of a remoteci, as in dciclient."""
    given = credentials.client_id
    return given if "/" in given else f"remoteci/{given}"


def _check_credentials(credentials: RemoteciCredentials) -> None:
    """Raise AccessError for credentials that no ``dcirc.sh`` holds."""
    if not re.fullmatch(r"[!-~]+/[!-~]+", _client_id(credentials)):
        raise AccessError(
            "DCI_CLIENT_ID is not of the form remoteci/<id>", hint="source the dcirc.sh of your remoteci again"
        )
    if not re.fullmatch(r"[!-~]+", credentials.api_secret):
        raise AccessError(
            "DCI_API_SECRET is empty, or holds a blank or a control character",
            hint="source the dcirc.sh of your remoteci again; a file saved with Windows line ends does this, too",
        )


def base_url(url: str) -> str:
    """The address of the control server in the form that is signed and sent."""
    hint = "DCI_CS_URL is of the form https://api.distributed-ci.io"
    url = url.strip()
    if not url.isprintable():
        raise SettingsError("the address of the control server holds a control character", hint=hint)
    try:
        parts = urlsplit(normalize_url(url))
    except ValueError:  # its text is not passed on: it may quote a password
        raise SettingsError("the address of the control server is no http or https URL", hint=hint) from None
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise SettingsError("the address of the control server holds a user, a query or a fragment", hint=hint)
    scheme, _, port = origin(parts.geturl())
    # The spelling counts: the signature covers the Host header, letter by letter.
    netloc = parts.netloc.lower()
    if port == DEFAULT_PORTS[scheme]:
        netloc = re.sub(r":\d*$", "", netloc)
    return f"{scheme}://{netloc}{parts.path.rstrip('/')}"
