"""The values that options and settings take, and their bounds, alike on the command line and in settings files."""

from __future__ import annotations

import math
import re
from typing import Optional
from urllib.parse import urlsplit

_POWERS = {"k": 1, "m": 2, "g": 3}
_REGISTRY = re.compile(
    r"(?:[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::(\d{1,5}))?", re.ASCII | re.IGNORECASE
)


def at_least_one(text: str) -> int:
    """A whole number from 1.

    Raises:
        ValueError: it is something else; the message is for people, like those of all functions here.
    """
    return _whole(text, 1)


def not_negative(text: str) -> int:
    """A whole number from 0.

    Raises:
        ValueError: it is something else.
    """
    return _whole(text, 0)


def seconds(text: str, least: float = 0) -> float:
    """A length of time in seconds, not less than ``least``.

    Raises:
        ValueError: it is something else, or infinite.
    """
    number = _number(text)
    if number is None or number < least:
        raise ValueError(f"expected a number of seconds, at least {least:g}")
    return number


def patience(text: str) -> float:
    """Seconds without progress that are bearable: at least one.

    Raises:
        ValueError: it is something else.
    """
    return seconds(text, 1)


def rate(text: str) -> int:
    """Bytes per second, with the suffixes of curl's and wget's option of that name: powers of 1024.

    Raises:
        ValueError: it is something else, or less than one byte per second.
    """
    power = _POWERS.get(text[-1:].lower(), 0)
    number = _number(text[:-1] if power else text)
    if number is None or number * 1024**power < 1:
        raise ValueError("expected bytes per second, at least 1, like 500K, 50M or 1G")
    return int(number * 1024**power)


def peer(text: str) -> str:
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


def registry(text: str) -> str:
    """A container registry as tools for images name it: a host with its port, and nothing else.

    Raises:
        ValueError: it is something else, a URL or a login for example.
    """
    match = _REGISTRY.fullmatch(text)
    if match is None or not 0 < int(match[1] or 443) < 2**16:
        raise ValueError("expected HOST:PORT, like localhost:5000, without scheme and login")
    return text


def _whole(text: str, least: int) -> int:
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    if number < least:
        raise ValueError(f"expected a whole number, at least {least}")
    return number


def _number(text: str) -> Optional[float]:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
