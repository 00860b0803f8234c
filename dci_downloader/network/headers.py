"""Headers of a response, each read by one parser: rules without I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import NamedTuple, Optional


class Head(NamedTuple):
    """Status and headers of an answer, the names in lower case."""

    status: int
    headers: Mapping[str, str]


_THAT_COUNT = re.compile(
    rb"^(location|retry-after|content-(?:length|range|encoding|type))[ \t]*:[ \t]*([^\r\n]*)",
    re.IGNORECASE | re.MULTILINE,
)
"""The headers that are judged; the rest is not even read, for there are tens of thousands of answers."""


def read_head(lines: Sequence[bytes]) -> Head:
    """Read the raw lines of an answer's head. Those of a proxy and of interim answers come first, and do not count."""
    raw = b"".join(lines)
    raw = raw[max(raw.rfind(b"\nHTTP/") + 1, 0) :]
    code = raw[:20].split(None, 2)[1:2]
    headers = {
        name.decode("ascii").lower(): value.decode("latin-1").rstrip() for name, value in _THAT_COUNT.findall(raw)
    }
    return Head(int(code[0]) if code and code[0].isdigit() else 0, headers)


def retry_after(value: str, now: datetime) -> float:
    """Seconds that a ``Retry-After`` header asks for (RFC 9110, 10.2.3): a number or a date; 0 for anything else."""
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        moment = parsedate_to_datetime(value)
    except (TypeError, ValueError, IndexError):
        return 0.0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return max(0.0, (moment - now).total_seconds())


_CONTENT_RANGE = re.compile(r"bytes (\d{1,19})-(\d{1,19})/(\d{1,19}|\*)\s*", re.ASCII | re.IGNORECASE)


class ContentRange(NamedTuple):
    """The bytes ``[start, end)`` that a 206 response holds.

    Attributes:
        size: bytes of the whole file; None where the server does not say.
    """

    start: int
    end: int
    size: Optional[int]


def parse_content_range(value: str) -> Optional[ContentRange]:
    """Read ``Content-Range`` of a 206 response (RFC 9110, 14.4); None for anything malformed."""
    match = _CONTENT_RANGE.fullmatch(value.strip())
    if match is None:
        return None
    first, last = int(match[1]), int(match[2])
    size = None if match[3] == "*" else int(match[3])
    if last < first or (size is not None and last >= size):
        return None
    return ContentRange(first, last + 1, size)
