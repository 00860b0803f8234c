"""The fields of records, heads, indexes and histories, checked one by one: those of another kind raise ValueError."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any, TypeVar

from dci_downloader.content.names import EntryError, check_name
from dci_downloader.errors import ManifestError
from dci_downloader.models import Component, folder_name
from dci_downloader.network.bounded_json import read_json

MAX_NUMBER = 2**53 - 1
MAX_SIZE = 256 << 20
"""Bytes of a file of the mirror that is read whole: as of a manifest, of which a record is shorter; 50,000 files take
8 MB."""

FORMAT = 1
"""Of indexes and of the list of topics."""
_MOST_VALUES = 1_000_000
_MAX_TEXT = 1 << 16  # characters
_COMPONENT = ["id", "name", "type", "topic_id", "tags", "created_at", "released_at", "team_id", "state", "version"]
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?[+-]\d\d:\d\d", re.ASCII)


_Parsed = TypeVar("_Parsed")


def parse_document(document: bytes, name: str, parse: Callable[[Any], _Parsed]) -> _Parsed:
    """Read and check a document that says what a mirror holds: it may be another mirror's, so it is untrusted.

    Args:
        document: a JSON object with the fields of format 1.
        name: of the document, for messages.
        parse: makes the value of its fields; raises where one is missing or of another kind.

    Raises:
        ManifestError: it cannot be used.
    """
    try:
        fields = read_json(document, _MOST_VALUES)
        if fields["format"] != FORMAT:
            raise ValueError(f"it is of format {fields['format']!r:.20}, which this release does not know")
        return parse(fields)
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise ManifestError(f"{name} cannot be used: it is not JSON, or was cut") from None
    except (KeyError, TypeError, AttributeError, OverflowError):
        raise ManifestError(f"{name} cannot be used: a field is missing, or of another kind") from None
    except (ValueError, EntryError) as error:
        raise ManifestError(f"{name} cannot be used: {error}") from None


def component_fields(component: Component) -> dict[str, Any]:
    """What is recorded of a component; the inverse of :func:`component_of`."""
    return {name: getattr(component, name) for name in _COMPONENT}


def component_of(fields: dict[str, Any]) -> Component:
    """The component that was recorded.

    Raises:
        ManifestError: its type cannot be a folder.
    """
    created_at, released_at, team_id = fields.get("created_at"), fields.get("released_at"), fields.get("team_id")
    check_name(folder_name(text(fields["type"])), "component type")
    return Component(
        id=text(fields["id"]),
        name=text(fields["name"]),
        type=fields["type"],
        topic_id=text(fields["topic_id"], empty=True),
        tags=texts(fields.get("tags", [])),
        created_at=None if created_at is None else time(created_at),
        released_at=None if released_at is None else time(released_at),
        team_id=None if team_id is None else text(team_id, empty=True),
        state=text(fields.get("state", "active"), empty=True),
        version=text(fields.get("version", ""), empty=True),
    )


def text(value: Any, *, empty: bool = False) -> str:
    """A text that can be written again."""
    if not isinstance(value, str) or len(value) > _MAX_TEXT or not (value or empty):
        raise ValueError("no text")
    value.encode()  # UnicodeEncodeError, for half a surrogate pair, is a ValueError
    return value


def texts(values: Any) -> tuple[str, ...]:
    """A list of texts, none of them empty."""
    if not isinstance(values, list):
        raise ValueError("no list")
    return tuple(map(text, values))


def whole_number(value: Any, most: int = MAX_NUMBER) -> int:
    """A number from 0 to ``most``."""
    if type(value) is not int or not 0 <= value <= most:
        raise ValueError("no number")
    return value


def time(value: Any) -> datetime:
    """An instant with its zone, as UTC: naive ones cannot be compared with it."""
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        raise ValueError("no instant")
    return datetime.fromisoformat(value).astimezone(timezone.utc)


def instant(moment: datetime) -> str:
    """An instant as records have it: with its zone; the inverse of :func:`time`."""
    return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).isoformat()
