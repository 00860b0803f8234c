"""URLs: their origins, their form when they are sent, and the part of them that may be shown.

* Two URLs are of one server if scheme, host and port are equal (the origin of RFC 6454, 4); a port that is not named is
  80 or 443. Host and scheme are compared in lower case (RFC 3986, 6.2.2.1).
* Only ``http`` and ``https`` are asked for: a redirect must not make the program read ``file:///etc/shadow``.
* Query, fragment and user information are never shown: a presigned URL carries its signature in the query, and a
  proxy's URL may hold a password.
"""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlsplit

DEFAULT_PORTS = {"http": 80, "https": 443}


class Origin(NamedTuple):
    """The server that a URL leads to."""

    scheme: str
    host: str
    port: int


def origin(url: str) -> Origin:
    """The origin of a URL.

    Raises:
        ValueError: the URL has another scheme than http or https, no host, or an impossible port.
    """
    parts = urlsplit(url)
    scheme = parts.scheme.lower()
    if scheme not in DEFAULT_PORTS:
        raise ValueError(f"scheme {scheme[:20]!r} where http or https is due")
    if not parts.hostname or "" in parts.hostname.rstrip(".").split("."):  # not every release of urllib3 refuses that
        raise ValueError("no host")
    if parts.port == 0:
        raise ValueError("port 0")
    return Origin(scheme, parts.hostname, parts.port or DEFAULT_PORTS[scheme])


def normalize_url(url: str) -> str:
    """The URL as it is sent: international host names encoded (RFC 5891), odd characters quoted.

    Raises:
        ValueError: it is no URL of http or https.
    """
    from requests import Request  # takes 60 ms, for which neither --version nor a check of settings is to wait

    origin(url)
    return Request("GET", url).prepare().url or ""


def redact_url(url: str) -> str:
    """The URL without query, fragment and user information: what may be shown and logged."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "(not a URL)"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
