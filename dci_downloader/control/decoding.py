"""Responses of the control server, checked as untrusted input: bytes → JSON → the fields of an object.

Every key that is used is checked for presence and type; nothing depends on other keys. An error names the request and
the key, never a value: the response about a job holds the remoteci's secret.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Optional

from dci_downloader.errors import TransferError
from dci_downloader.frozen_mapping import FrozenMapping
from dci_downloader.network.bounded_json import read_json

MOST_VALUES = 5_000_000
"""Values of an answer; those of a job with a hundred components are some thousands."""

_INSTANT = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.(\d+))?\s*(?:Z|([+-])(\d\d):?(\d\d))?", re.ASCII | re.IGNORECASE
)


@dataclass(frozen=True)
class Response:
    """A complete response to one request.

    Attributes:
        request: method and URL without query, for messages.
        headers: names in lower case.
        signed: whether the request carried a signature, password or token: the control server responds then, else a
            server that it redirected to.
        proxy_variable: the environment variable that names the proxy on the way, or would name one.
    """

    request: str
    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    signed: bool = True
    proxy_variable: str = "HTTPS_PROXY"

    @property
    def url(self) -> str:
        """What was asked for, without query."""
        return self.request.rpartition(" ")[2]


class Fields:
    """One JSON object of a response; every method raises TransferError if the key is missing or of another type.

    Args:
        value: the object.
        request: method and URL, for messages.
        key: under which the object stands; empty for the whole document.
    """

    def __init__(self, value: object, request: str, key: str = "") -> None:
        if not isinstance(value, dict):
            raise _unusable_error(request, key or "the document")
        self._value = value
        self._request = request

    def has(self, key: str) -> bool:
        """Whether something other than null stands under a key."""
        return self._value.get(key) is not None

    def text(self, key: str) -> str:
        """A non-empty string."""
        value = self._value.get(key)
        if not isinstance(value, str) or not value or not _encodable(value):
            raise _unusable_error(self._request, key)
        return value

    def optional_text(self, key: str) -> Optional[str]:
        """A string, or None where the key is missing, null or empty."""
        return self.text(key) if self._value.get(key) else None

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of strings; empty where the key is missing or null."""
        value = self._value.get(key)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(item, str) and _encodable(item) for item in value):
            raise _unusable_error(self._request, key)
        return tuple(value)

    def instant(self, key: str) -> Optional[datetime]:
        """A point in time, aware; the server sends ISO 8601 without a zone and means UTC."""
        text = self.optional_text(key)
        if text is None:
            return None
        match = _INSTANT.fullmatch(text.strip())
        if match is None:
            raise _unusable_error(self._request, key)
        day, clock, fraction, sign, hours, minutes = match.groups()
        # datetime.fromisoformat of Python 3.9 takes six digits, and no other number of them.
        microseconds = (fraction or "").ljust(6, "0")[:6]
        try:
            moment = datetime.fromisoformat(f"{day}T{clock}.{microseconds}")
            offset = timedelta(hours=int(hours), minutes=int(minutes)) if sign else timedelta()
            return (moment + offset if sign == "-" else moment - offset).replace(tzinfo=timezone.utc)
        except (ValueError, OverflowError):
            raise _unusable_error(self._request, key) from None

    def object(self, key: str) -> Fields:
        """An object."""
        return Fields(self._value.get(key), self._request, key)

    def objects(self, key: str) -> list[Fields]:
        """A list of objects."""
        value = self._value.get(key)
        if not isinstance(value, list):
            raise _unusable_error(self._request, key)
        return [Fields(item, self._request, key) for item in value]

    def number(self, key: str) -> int:
        """An integer."""
        value = self._value.get(key)
        if type(value) is not int:  # isinstance would take true for 1
            raise _unusable_error(self._request, key)
        return value

    def flag(self, key: str) -> bool:
        """True or false."""
        value = self._value.get(key)
        if not isinstance(value, bool):
            raise _unusable_error(self._request, key)
        return value

    def mapping(self, key: str) -> FrozenMapping:
        """An object as it is; empty where the key is missing or null."""
        if self._value.get(key) is None:
            return FrozenMapping()
        try:
            return FrozenMapping(self.object(key)._value)
        except ValueError:
            raise _unusable_error(self._request, key) from None

    def drop(self, key: str) -> None:
        """Remove a key."""
        self._value.pop(key, None)

    def rest(self, keys: Collection[str]) -> FrozenMapping:
        """What stands under other keys than these, as it is; without what is nested too deep."""
        rest = {}
        for key in (key for key in self._value if key not in keys):
            with suppress(ValueError):
                rest[key] = FrozenMapping({key: self._value[key]})[key]
        return FrozenMapping(rest)

    def strings(self, *keys: str) -> dict[str, str]:
        """The strings of the object at a path of keys, other values left out; empty where there is no such object."""
        value: object = self._value
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        if not isinstance(value, dict):
            return {}
        return {name: item for name, item in value.items() if isinstance(item, str)}


def fields(response: Response) -> Fields:
    """The JSON object that a response holds.

    Raises:
        TransferError: it holds something else.
    """
    try:
        value = read_json(response.body, MOST_VALUES)
    except ValueError:
        page = response.headers.get("content-type", "").lower().startswith("text/html")
        raise TransferError(
            f"{response.request}: {'a web page' if page else 'something that is not JSON'} came in place of an answer",
            hint="a proxy or a login page may answer for the control server; is DCI_CS_URL right?",
        ) from None
    return Fields(value, response.request)


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # JSON may hold half of a surrogate pair
        return False
    return True


def _unusable_error(request: str, key: str) -> TransferError:
    return TransferError(
        f"{request}: the answer lacks a usable {key!r}",
        hint="is DCI_CS_URL a DCI control server? If it is, report this: its answers may have changed",
    )
