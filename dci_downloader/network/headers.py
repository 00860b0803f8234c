"""Headers of a response, each read by one parser: rules without I/O.

A header is foreign text, and what Python takes for a number is not what HTTP does: ``"²".isdigit()`` is true,
``int("1_000")`` and ``int("٣")`` succeed, and ``int`` of 5,000 digits raises. The rules, from RFC 9110:

* A number is one to nineteen ASCII digits (more than 2⁶³ bytes no file has); anything else counts as not sent.
* ``Content-Length`` (8.6) is a number of bytes. A list of equal numbers, which a recipient may accept, is not read.
* ``Content-Range`` (14.4) of a 206 response is ``bytes first-last/size``, both ends counted, the size maybe ``*``.
* ``Retry-After`` (10.2.3) is a number of seconds or a date.
* A date (5.6.7) is read in any form that an e-mail may have, within 100 characters; without a zone it means UTC.
* A status (15) is three digits.

No parser raises, whatever the text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import NamedTuple, Optional

_NUMBER = r"([0-9]{1,19})"
_PLAIN_NUMBER = re.compile(rf"[ \t]*{_NUMBER}[ \t]*")
_CONTENT_RANGE = re.compile(rf"\s*bytes {_NUMBER}-{_NUMBER}/(?:{_NUMBER}|\*)\s*", re.IGNORECASE | re.ASCII)
_LONGEST_DATE = 100
_STATUS_LINE = re.compile(rb"HTTP/[0-9.]+ +([0-9]{3})(?!\S)")
_JUDGED = re.compile(
    rb"^(location|retry-after|content-(?:length|range|encoding|type))[ \t]*:[ \t]*([^\r\n]*)",
    re.IGNORECASE | re.MULTILINE,
)
"""The headers that a transfer is judged by; no other is read, because a sync has tens of thousands of responses."""


class Head(NamedTuple):
    """Status and headers of a response.

    Attributes:
        status: 0 where there is none, or none that can be read.
        headers: names in lower case.
    """

    status: int
    headers: Mapping[str, str]


class ContentRange(NamedTuple):
    """The bytes ``[start, end)`` that a 206 response holds.

    Attributes:
        size: bytes of the whole file; None where the server does not say.
    """

    start: int
    end: int
    size: Optional[int]


def read_head(lines: Sequence[bytes]) -> Head:
    """Read the raw lines of a head; where a proxy or an interim response sent one before, the last head counts."""
    raw = b"".join(lines)
    # Where there is none but the first, rfind gives -1, and the slice begins at 0.
    raw = raw[max(raw.rfind(b"\nHTTP/") + 1, 0) :]
    status = _STATUS_LINE.match(raw)
    headers: dict[str, str] = {}
    for raw_name, raw_value in _JUDGED.findall(raw):
        name, value = raw_name.decode("ascii").lower(), raw_value.decode("latin-1").rstrip()
        if name == "content-encoding" and name in headers:  # a list, which may come in several lines
            value = f"{headers[name]}, {value}"
        headers[name] = value
    return Head(int(status[1]) if status else 0, headers)


def content_length(value: str) -> Optional[int]:
    """Bytes of the body by ``Content-Length``; None where the value says nothing."""
    match = _PLAIN_NUMBER.fullmatch(value)
    return int(match[1]) if match else None


def parse_content_range(value: str) -> Optional[ContentRange]:
    """The range by ``Content-Range`` of a 206 response; None for anything malformed."""
    match = _CONTENT_RANGE.fullmatch(value)
    if match is None:
        return None
    first, last, size = (None if digits is None else int(digits) for digits in match.groups())
    if first is None or last is None or last < first or (size is not None and last >= size):
        return None
    return ContentRange(first, last + 1, size)


def retry_after(value: str, now: datetime) -> float:
    """Seconds to wait by ``Retry-After``; 0 for a date in the past and for anything malformed."""
    match = _PLAIN_NUMBER.fullmatch(value)
    if match:
        return float(match[1])
    moment = http_date(value)
    return 0.0 if moment is None else max(0.0, (moment - now).total_seconds())


def http_date(value: str) -> Optional[datetime]:
    """The moment, in UTC, by ``Date`` and its like; None for anything malformed."""
    try:
        moment = parsedate_to_datetime(value) if len(value) <= _LONGEST_DATE else None
        if moment is None or moment.tzinfo is None:
            return moment and moment.replace(tzinfo=timezone.utc)
        return moment.astimezone(timezone.utc)  # here, for a zone may lead out of the years that there are
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
