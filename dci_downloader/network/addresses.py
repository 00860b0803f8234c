"""Addresses that people write into settings: which of them can be used. Rules without I/O.

* A container registry is ``HOST:PORT`` as skopeo, podman and docker take it after ``docker://``: a host name, an IPv4
  address or an IPv6 address in brackets (RFC 3986, 3.2.2), and a port from 1 to 65535.
* A mirror is an http or https URL without query, fragment and login: its files are appended to its path, and peers get
  no credentials. It is ASCII (a host name in its encoded form), so that messages and logs show what is asked for.

The message of an error says what is expected and never shows the address, which may hold a password.
"""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit

from dci_downloader.network.urls import origin

_REGISTRY = re.compile(
    r"(?:[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::(\d{1,5}))?", re.ASCII | re.IGNORECASE
)
_SENT_AS_THEY_ARE = "%/:[]@!$&'()*+,;=~"  # of what a URL may hold; RFC 3986, 2.2
_NETLOC = re.compile(r"[a-z0-9._~%:\[\]-]+", re.ASCII | re.IGNORECASE)  # neither a login nor spaces


def registry_address(text: str) -> str:
    """The address of a container registry, as it was written.

    Raises:
        ValueError: it is something else, a URL or a login for example.
    """
    match = _REGISTRY.fullmatch(text)
    if match is None or not 0 < int(match[1] or 443) < 2**16:
        raise ValueError("expected HOST:PORT, like localhost:5000, without scheme and login")
    return text


def mirror_url(text: str) -> str:
    """The URL of another mirror's root, without a slash at its end; spaces and the like are quoted.

    Raises:
        ValueError: it is something else, or holds a login.
    """
    try:
        origin(text)
        parts = urlsplit(text)
        # urlsplit drops line ends and tabs without a word, so the text itself is looked at.
        usable = bool(_NETLOC.fullmatch(parts.netloc)) and text.isascii() and text.isprintable()
    except ValueError:
        usable = False
    if not usable or parts.query or parts.fragment:
        raise ValueError("expected the URL of a mirror, like http://lab1.example.com/dci, without a login")
    return quote(text.rstrip("/"), safe=_SENT_AS_THEY_ARE)
