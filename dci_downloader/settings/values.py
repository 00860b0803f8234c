"""Text to value: what options, variables and settings files may hold, with its bounds. Rules without I/O.

Every function here raises ValueError for a text that it does not take; the message says what is expected, for people.
"""

from __future__ import annotations

import math
import os
from typing import Any, NamedTuple, Optional

from dci_downloader.network.addresses import mirror_url

_POWERS = {"k": 1, "m": 2, "g": 3, "t": 4}
_BOOLEANS = {"yes": True, "true": True, "on": True, "no": False, "false": False, "off": False}


class SettingValue(NamedTuple):
    """A value with its origin: ``settings.yml:3:1``, ``command line``, ``DCI_LOCAL_REPO`` or ``default``."""

    value: Any
    origin: str


def filled(text: str) -> str:
    """A text that is not empty: the empty text of an unset variable must not come to mean everything."""
    if not text.strip():
        raise ValueError("expected a value")
    return text


def mirror(text: str) -> str:
    """The address of another mirror: its URL, or its folder on this machine."""
    return mirror_url(text) if "://" in text else path(text)


def path(text: str) -> str:
    """A path; a ``~`` or ``~user`` at its beginning is the home folder, as in a shell."""
    expanded = os.path.expanduser(text)
    if text.startswith("~") and expanded == text:
        raise ValueError(f"expected a path; nothing is known of the home folder {text.partition('/')[0]}")
    return expanded


def output(text: str) -> str:
    """The path of a file to write."""
    return path(filled(text))


def boolean(text: str) -> bool:
    """True or false, as YAML 1.1 writes them: yes, on, no, off too."""
    try:
        return _BOOLEANS[text.lower()]
    except KeyError:
        raise ValueError("expected true or false") from None


def at_least_one(text: str) -> int:
    """A whole number from 1."""
    return _whole(text, 1)


def not_negative(text: str) -> int:
    """A whole number from 0."""
    return _whole(text, 0)


def seconds(text: str, least: float = 0) -> float:
    """A finite number of seconds, not less than ``least``."""
    number = _number(text)
    if number is None or number < least:
        raise ValueError(f"expected a number of seconds, at least {least:g}")
    return number


def patience(text: str) -> float:
    """Seconds without progress: at least one."""
    return seconds(text, 1)


def size(text: str) -> int:
    """Bytes, with the same suffixes; none is 0."""
    power = _POWERS.get(text[-1:].lower(), 0)
    number = _number(text[:-1] if power else text)
    if number is None or number < 0:
        raise ValueError("expected bytes, like 500M, 20G or 1T")
    return int(number * 1024**power)


def rate(text: str) -> int:
    """Bytes per second, with the suffixes of curl's and wget's option of that name: powers of 1024."""
    power = _POWERS.get(text[-1:].lower(), 0)
    number = _number(text[:-1] if power else text)
    if number is None or number * 1024**power < 1:
        raise ValueError("expected bytes per second, at least 1, like 500K, 50M or 1G")
    return int(number * 1024**power)


def _whole(text: str, least: int) -> int:
    try:
        # int() takes digits of any script, and of thousands of them it takes long (the square of that), or none
        number = int(text) if text.isascii() and len(text) < 20 else least - 1
    except ValueError:
        number = least - 1
    if number < least:
        raise ValueError(f"expected a whole number, at least {least}")
    return number


def _number(text: str) -> Optional[float]:
    try:
        number = float(text) if text.isascii() else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) else None
