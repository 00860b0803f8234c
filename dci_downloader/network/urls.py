"""URLs: where they lead, how they are sent, and what of them may be shown."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlsplit

import requests

DEFAULT_PORTS = {"http": 80, "https": 443}


class Origin(NamedTuple):
    """Where requests to a URL go to; two URLs of one origin are one server."""

    scheme: str
    host: str
    port: int


def origin(url: str) -> Origin:
    """The origin of a URL of http or https.

    Raises:
        ValueError: the URL has another scheme, no host, or a port that is none.
    """
    parts = urlsplit(url)
    scheme = parts.scheme.lower()
    if scheme not in DEFAULT_PORTS:
        raise ValueError(f"scheme {scheme[:20]!r} where http or https is due")
    if not parts.hostname:
        raise ValueError("no host")
    return Origin(scheme, parts.hostname, parts.port or DEFAULT_PORTS[scheme])


def normalize_url(url: str) -> str:
    """The URL as it is sent: international host names encoded, odd characters quoted.

    Raises:
        ValueError: it is no URL of http or https.
    """
    origin(url)
    return requests.Request("GET", url).prepare().url or ""


def redact_url(url: str) -> str:
    """The URL without its query, fragment and credentials: what may be shown."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
