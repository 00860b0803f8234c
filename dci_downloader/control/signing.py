"""The control server's address, and signatures that it accepts (DCI2-HMAC-SHA256).

The rules, from dciauth and from what a control server was seen to do:

* The signature covers method, path, query, body and the ``host`` header. ``host`` is signed and sent without the
  scheme's default port, because proxies in between drop it.
* The server unquotes the path twice. So does what is signed here; it differs from the path that is sent only where a
  name holds a literal percent-escape (a file called ``a%41.txt``).
* A signature is valid for 15 minutes: every request, and every retry, is signed afresh.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple, Optional
from urllib.parse import quote, unquote, urlsplit

from dciauth.signature import BaseHmacSignature, HmacAuthBase, HmacSignature

from dci_downloader.errors import AccessError, SettingsError
from dci_downloader.network.urls import DEFAULT_PORTS, normalize_url, origin
from dci_downloader.options import Credentials

_SERVICE = {
    "service_name": "api",
    "service_key": "dci2_request",
    "region_name": "BHS3",
    "algorithm": "DCI2-HMAC-SHA256",
}


@lru_cache(maxsize=8)
def _derived(key: bytes, message: str) -> bytes:
    return BaseHmacSignature._sign(None, key, message)  # type: ignore[no-any-return]


class _Signature(HmacSignature):  # type: ignore[misc]
    """One whose key is derived from the secret once a day, not each time: that takes as long as all the rest.

    Should dciauth come to derive it elsewhere, this is not called, and signatures are as good but take longer.
    """

    def _sign(self, key: bytes, message: str) -> bytes:
        return _derived(key, message)


class _Unsigned:
    """As much of a request as ``HmacAuthBase`` looks at."""

    __slots__ = ("body", "headers", "method", "url")

    def __init__(self, url: str, method: str, body: bytes) -> None:
        self.method = method
        self.url = url
        self.body = body
        self.headers: dict[str, str] = {}


class Signer:
    """Signs requests to one control server.

    Attributes:
        base: its address, without a trailing slash or default port.
        origin: where signed requests may go, and nowhere else.
    """

    def __init__(self, credentials: Credentials) -> None:
        _check(credentials)
        self.base = _base(credentials.url)
        self.origin = origin(self.base)
        self._netloc = urlsplit(self.base).netloc
        self._auth = HmacAuthBase(
            credentials.client_id, credentials.api_secret, _SERVICE["service_name"], _SERVICE["region_name"]
        )
        self._keys = {"access_key": credentials.client_id, "secret_key": credentials.api_secret}

    def headers(self, url: str, method: str = "GET", body: bytes = b"") -> dict[str, str]:
        """The headers that make a request valid for 15 minutes; the caller has made sure of its origin."""
        parts = urlsplit(url)
        signed = f"{parts.scheme}://{self._netloc}{_twice_unquoted(parts.path)}?{parts.query}"
        unsigned = _Unsigned(signed, method, body)
        self._auth(unsigned)
        return unsigned.headers

    def headers_for(self, path: str) -> dict[str, str]:
        """The same for a GET without a query, by the path to sign: for those who ask fifty thousand times."""
        request = {"method": "GET", "host": self._netloc, "path": path, "params": {}}
        return _Signature(_SERVICE).add_request(request).generate_headers(self._keys)  # type: ignore[no-any-return]


class SignedRequest(NamedTuple):
    """A request to the control server that is valid for a few minutes; the headers hold a signature."""

    url: str
    headers: Mapping[str, str]


class ComponentFiles:
    """The files of one component; a source for :func:`dci_downloader.transfer.engine.fetch`."""

    def __init__(self, signer: Signer, path: str) -> None:
        self._signer = signer
        self._sent = f"{signer.base}{path}/"
        self._signed = _twice_unquoted(urlsplit(self._sent).path)
        self._elsewhere: set[str] = set()

    def request(self, path: str) -> SignedRequest:
        """Sign, afresh at each call, the request that is answered with a redirect to the file."""
        quoted = quote(path)
        signed = quote(unquote(path)) if "%" in path else quoted
        return SignedRequest(self._sent + quoted, self._signer.headers_for(self._signed + signed))

    def follow(self, url: str) -> Optional[SignedRequest]:
        """Sign a redirect that stays on the control server; None for one that leads elsewhere."""
        place = "/".join(url.split("/", 3)[:3])  # judged once: a component's files are all in one object store
        if place in self._elsewhere:
            return None
        try:
            url = normalize_url(url)
        except ValueError:
            return None
        if origin(url) == self._signer.origin:
            return SignedRequest(url, self._signer.headers(url))
        self._elsewhere.add(place)
        return None


def _twice_unquoted(path: str) -> str:
    return quote(unquote(unquote(path)))


def _check(credentials: Credentials) -> None:
    if not re.fullmatch(r"[!-~]+/[!-~]+", credentials.client_id):
        raise AccessError(
            "DCI_CLIENT_ID is not of the form remoteci/<id>", hint="source the dcirc.sh of your remoteci again"
        )
    if not re.fullmatch(r"[!-~]+", credentials.api_secret):
        raise AccessError(
            "DCI_API_SECRET is empty, or holds a blank or a control character",
            hint="source the dcirc.sh of your remoteci again; a file saved with Windows line ends does this, too",
        )


def _base(url: str) -> str:
    """The address of the control server in the form that is signed and sent."""
    hint = "DCI_CS_URL is of the form https://api.distributed-ci.io"
    try:
        parts = urlsplit(normalize_url(url.strip()))
    except ValueError:  # its text may quote a password
        raise SettingsError("the address of the control server is no http or https URL", hint=hint) from None
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise SettingsError("the address of the control server holds a user, a query or a fragment", hint=hint)
    scheme, _, port = origin(parts.geturl())
    netloc = parts.netloc.lower()
    if port == DEFAULT_PORTS[scheme]:
        netloc = re.sub(r":\d*$", "", netloc)
    return f"{scheme}://{netloc}{parts.path.rstrip('/')}"
