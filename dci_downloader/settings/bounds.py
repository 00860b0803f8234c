"""The values that options and settings take, and their bounds, alike on the command line and in settings files."""

from __future__ import annotations

import math
from typing import Optional

_POWERS = {"k": 1, "m": 2, "g": 3}


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
