"""Addresses of proxies, as variables and callers give them: which of them can be used. Rules without I/O.

* A proxy is ``[SCHEME://][USER[:PASSWORD]@]HOST[:PORT]``; the scheme is http (also where there is none), https, or one
  of SOCKS. A path after it says nothing and is dropped, as curl does; but ``http//proxy`` and ``https:/proxy``, which
  would lead to a host of the scheme's name, are mistyped.
* The authority ends at the first ``/``, ``?`` or ``#`` (RFC 3986, 3.2): a password that holds one of them as it is
  makes something else of the address. An ``@`` after it gives that away.
* The message of an error never shows the address, which may hold a password.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

SOCKS = ("socks4", "socks4a", "socks5", "socks5h")
HINT = (
    "like http://proxy.example.com:3128; in a user or password write / as %2F, ? as %3F, # as %23, @ as %40, : as %3A"
)

_SCHEMES = ("http", "https", *SOCKS)
_HOST = re.compile(r"[a-z0-9](?:[a-z0-9._-]*[a-z0-9.])?", re.ASCII | re.IGNORECASE)


def proxy_url(address: str) -> str:
    """The URL of a proxy, with its scheme and without a path.

    Raises:
        ValueError: it cannot be one.
    """
    address = address.strip()
    if not (address.isascii() and address.isprintable()) or " " in address:
        raise ValueError("it holds a blank, a control character or one beyond ASCII")
    try:
        parts = urlsplit(address if "://" in address else f"http://{address}")
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError("its host or port cannot be read") from None
    if "@" in parts.path + parts.query + parts.fragment:
        raise ValueError("its user or password holds a character that has to be written in another way")
    if parts.scheme not in _SCHEMES:
        raise ValueError(f"its scheme is none of {', '.join(_SCHEMES)}")
    if host in _SCHEMES and parts.path.strip("/"):
        raise ValueError("its scheme has to be followed by ://")
    is_bracketed = parts.netloc.rpartition("@")[2].startswith("[")
    if port == 0 or not (_is_ipv6(host) if is_bracketed else _HOST.fullmatch(host)):
        raise ValueError("it has no host" if not host else "its host or port cannot be one")
    return f"{parts.scheme}://{parts.netloc}"


def _is_ipv6(host: str) -> bool:
    """Python before 3.11 takes anything in brackets for a host, so it is looked at here."""
    try:
        ipaddress.IPv6Address(host.partition("%")[0])
    except ValueError:
        return False
    return True
