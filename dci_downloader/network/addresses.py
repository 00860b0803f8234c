"""Addresses that people write into settings: which ones can be used."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

_REGISTRY = re.compile(
    r"(?:[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::(\d{1,5}))?", re.ASCII | re.IGNORECASE
)


def registry_address(text: str) -> str:
    """A container registry as tools for images name it: a host with its port, and nothing else.

    Raises:
        ValueError: it is something else, a URL or a login for example.
    """
    match = _REGISTRY.fullmatch(text)
    if match is None or not 0 < int(match[1] or 443) < 2**16:
        raise ValueError("expected HOST:PORT, like localhost:5000, without scheme and login")
    return text


def mirror_url(text: str) -> str:
    """The URL of another mirror's root, without a slash at its end.

    Raises:
        ValueError: it is something else, or holds a login: peers get no credentials.
    """
    expected = "expected the URL of a mirror, like http://lab1.example.com/dci, without a login"
    try:
        parts = urlsplit(text)
        sound = parts.scheme in ("http", "https") and parts.hostname and (parts.port or 1)
    except ValueError:
        raise ValueError(expected) from None
    if (
        not sound
        or "@" in parts.netloc
        or parts.query
        or parts.fragment
        or not text.isascii()
        or not text.isprintable()
    ):
        raise ValueError(expected)
    return text.rstrip("/")
