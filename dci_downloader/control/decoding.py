"""What the control server answers, read with suspicion: JSON → Topic, Component, Job.

Every key that is used is checked for presence and type; what is not used is not looked at. An error names the call and
the key, never a value: the answer about a job holds the remoteci's secret.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Optional

from dci_downloader.errors import TransferError
from dci_downloader.models import Component, Job, Topic

_INSTANT = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.(\d+))?\s*(?:Z|([+-])(\d\d):?(\d\d))?", re.ASCII | re.IGNORECASE
)


@dataclass(frozen=True)
class Response:
    """A complete answer to one call.

    Attributes:
        call: method and URL without query, for messages.
        headers: names in lower case.
        signed: the control server answered, not a place that it redirected to.
    """

    call: str
    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    signed: bool = True


class Fields:
    """One JSON object of an answer; every method raises TransferError where the key is missing or of another type."""

    def __init__(self, value: object, call: str, what: str = "") -> None:
        if not isinstance(value, dict):
            raise _unusable(call, what or "the document")
        self._value = value
        self._call = call

    def text(self, key: str) -> str:
        """A non-empty string."""
        value = self._value.get(key)
        if not isinstance(value, str) or not value or not _encodable(value):
            raise _unusable(self._call, key)
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
            raise _unusable(self._call, key)
        return tuple(value)

    def instant(self, key: str) -> Optional[datetime]:
        """A point in time, aware; the server sends ISO 8601 without a zone and means UTC."""
        text = self.optional_text(key)
        if text is None:
            return None
        match = _INSTANT.fullmatch(text.strip())
        if match is None:
            raise _unusable(self._call, key)
        day, clock, fraction, sign, hours, minutes = match.groups()
        try:
            moment = datetime.fromisoformat(f"{day}T{clock}.{(fraction or '').ljust(6, '0')[:6]}")
            ahead = timedelta(hours=int(hours), minutes=int(minutes)) if sign else timedelta()
            return (moment + ahead if sign == "-" else moment - ahead).replace(tzinfo=timezone.utc)
        except (ValueError, OverflowError):
            raise _unusable(self._call, key) from None

    def object(self, key: str) -> Fields:
        """An object."""
        return Fields(self._value.get(key), self._call, key)

    def objects(self, key: str) -> list[Fields]:
        """A list of objects."""
        value = self._value.get(key)
        if not isinstance(value, list):
            raise _unusable(self._call, key)
        return [Fields(item, self._call, key) for item in value]

    def number(self, key: str) -> int:
        """An integer."""
        value = self._value.get(key)
        if type(value) is not int:
            raise _unusable(self._call, key)
        return value

    def strings(self, *keys: str) -> dict[str, str]:
        """The strings of the object that the keys lead to, one inside the other; empty where there is none."""
        value: object = self._value
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        if not isinstance(value, dict):
            return {}
        return {name: item for name, item in value.items() if isinstance(item, str)}


def read(answer: Response) -> Fields:
    """The JSON object that a good answer holds.

    Raises:
        TransferError: it holds something else.
    """
    try:
        value = json.loads(answer.body)
    except (ValueError, RecursionError):
        page = answer.headers.get("content-type", "").lower().startswith("text/html")
        raise TransferError(
            f"{answer.call}: {'a web page' if page else 'something that is not JSON'} came in place of an answer",
            hint="a proxy or a login page may answer for the control server; is DCI_CS_URL right?",
        ) from None
    return Fields(value, answer.call)


def topic(fields: Fields) -> Topic:
    """Read a topic."""
    return Topic(
        id=fields.text("id"),
        name=fields.text("name"),
        component_types=fields.texts("component_types"),
        optional_types=fields.texts("component_types_optional"),
        created_at=fields.instant("created_at"),
        registry=fields.strings("data", "registry"),
    )


def component(fields: Fields) -> Component:
    """Read a component."""
    return Component(
        id=fields.text("id"),
        name=fields.text("name"),
        type=fields.text("type"),
        topic_id=fields.text("topic_id"),
        tags=fields.texts("tags"),
        created_at=fields.instant("created_at"),
        released_at=fields.instant("released_at"),
        team_id=fields.optional_text("team_id"),
        state=fields.optional_text("state") or "active",
        version=fields.optional_text("version") or "",
    )


def job(fields: Fields) -> Job:
    """Read a job, and leave the remoteci's secret where it is."""
    return Job(
        id=fields.text("id"),
        status=fields.text("status"),
        topic=topic(fields.object("topic")),
        components=tuple(component(item) for item in fields.objects("components")),
        etag=fields.optional_text("etag") or "",
    )


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # JSON may hold half of a surrogate pair
        return False
    return True


def _unusable(call: str, key: str) -> TransferError:
    return TransferError(
        f"{call}: the answer lacks a usable {key!r}",
        hint="is DCI_CS_URL a DCI control server? If it is, report this: its answers may have changed",
    )
