"""The control server's address, what authorizes requests to it, and signatures that it accepts (DCI2-HMAC-SHA256).

The rules, from dciauth and observed of a control server:

* The signature covers method, path, query, body and the ``host`` header. ``host`` is signed and sent without the
  scheme's default port, because proxies in between drop it.
* The server unquotes the path twice. So does what is signed here; it differs from the path that is sent only where a
  name holds a literal percent-escape (a file called ``a%41.txt``).
* A signature is valid for 15 minutes: every request, and every retry, is signed afresh.
"""

from __future__ import annotations

import hmac
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from typing import NamedTuple, Optional
from urllib.parse import quote, unquote, urlsplit

from dci_downloader.errors import AccessError, SettingsError
from dci_downloader.network.urls import DEFAULT_PORTS, normalize_url, origin
from dci_downloader.options import RemoteciCredentials

_ALGORITHM, _REGION, _SERVICE, _REQUEST = "DCI2-HMAC-SHA256", "BHS3", "api", "dci2_request"
_SIGNED = "host;x-dci-date"
_NO_BODY = sha256().hexdigest()


@lru_cache(maxsize=8)
def _derive_key(secret: str, day: str) -> bytes:
    """The key of a day; to derive it takes as long as all the rest of a signature."""
    key = f"DCI2{secret}".encode()
    for part in (day, _REGION, _SERVICE, _REQUEST):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


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
        """The same for a GET request without a query, by the path as the server sees it: a sync has 50,000 of them."""

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
        self._client_id, self._secret = _client_id(credentials), credentials.api_secret

    def headers(self, url: str, method: str = "GET", body: bytes = b"") -> dict[str, str]:
        """A signature of the whole request."""
        from dciauth.signature import HmacAuthBase  # it imports requests, which takes longer than 10,000 signatures

        parts = urlsplit(url)
        path = quote(_path_seen(parts.path))
        request = _UnsignedRequest(f"{parts.scheme}://{self._netloc}{path}?{parts.query}", method, body)
        HmacAuthBase(self._client_id, self._secret, _SERVICE, _REGION)(request)
        return request.headers

    def headers_for_path(self, path: str) -> dict[str, str]:
        """The signature that dciauth makes of such a request, in half the time."""
        host, moment = self._netloc, time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        request = f"GET\n{path}\n\nhost:{host}\nx-dci-date:{moment}\n\n{_SIGNED}\n{_NO_BODY}"
        day = moment[:8]
        scope = f"{day}/{_REGION}/{_SERVICE}/{_REQUEST}"
        text = f"{_ALGORITHM}\n{moment}\n{scope}\n{sha256(request.encode()).hexdigest()}"
        signature = hmac.digest(_derive_key(self._secret, day), text.encode(), "sha256").hex()
        credential = f"Credential={self._client_id}/{scope}"
        authorization = f"{_ALGORITHM} {credential}, SignedHeaders={_SIGNED}, Signature={signature}"
        return {"host": host, "x-dci-date": moment, "authorization": authorization}


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
        self._folder_seen = _path_seen(urlsplit(self._folder_url).path)
        self._other_servers: set[str] = set()

    def request(self, path: str) -> SignedRequest:
        """Authorize, afresh at each call, the request that is answered with a redirect to the file."""
        seen = self._folder_seen + unquote(path)  # sent quoted once, so one of the server's two unquotings is left
        return SignedRequest(self._folder_url + quote(path), self.authorization.headers_for_path(seen))

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


def _path_seen(path: str) -> str:
    """A quoted path as the server sees it when it checks the signature."""
    return unquote(unquote(path))


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
