"""Lists as the control server gives them: ``where``, ``sort``, pages.

The rules, observed of a real server:

* ``where`` is ``key:value`` pairs joined by commas, quoted as in CSV; a value may hold colons. All must hold.
* Strings are compared without regard to case; one trailing ``*`` means *contains*. ``tags`` are exact, no wildcard.
* 20 to a page, never more than 200; ``limit`` and ``offset`` come together or not at all.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from typing import Any

_PAGE = 20
_LARGEST_PAGE = 200
_ARGUMENTS = frozenset({"where", "sort", "limit", "offset"})
_COMMON = ("id", "name", "state", "etag", "created_at", "updated_at")
_KEYS = {
    "topics": {*_COMMON, "product_id", "next_topic_id", "export_control"},
    "components": {*_COMMON, "released_at", "display_name", "version", "type", "tags", "topic_id", "team_id", "url"},
}


class ApiError(Exception):
    """An error that the API answers with, as JSON."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status

    def document(self) -> dict[str, Any]:
        """The body of the response."""
        return {"message": str(self), "status_code": self.status, "payload": {}}


def list_page(name: str, documents: Sequence[dict[str, Any]], query: Mapping[str, str], sort: str) -> dict[str, Any]:
    """One page of a list, with the count of all that match.

    Args:
        name: of the list in the response, ``topics`` or ``components``.
        documents: all there are.
        query: of the request.
        sort: the order where the request asks for none.

    Raises:
        ApiError: 400, for a query that the server would not understand.
    """
    unknown = sorted(set(query) - _ARGUMENTS)
    if unknown:
        raise ApiError(400, f"Invalid argument {unknown[0]}")
    conditions = _conditions(query.get("where", ""), _KEYS[name])
    matching = [document for document in documents if all(_matches(document, *one) for one in conditions)]
    for column in reversed(query.get("sort", sort).split(",")):
        field = column.lstrip("-")
        if field not in _KEYS[name]:
            raise ApiError(400, f"Invalid sort key: {field}")
        matching.sort(key=lambda document: str(document[field]), reverse=column.startswith("-"))
    start, end = _page(query)
    return {"_meta": {"count": len(matching)}, name: matching[start:end]}


def _conditions(where: str, keys: set[str]) -> list[tuple[str, str]]:
    conditions = []
    for pair in next(csv.reader([where]), []):
        field, colon, value = pair.partition(":")
        if not colon or field not in keys:
            raise ApiError(400, f"Invalid where key: {field}")
        conditions.append((field, value))
    return conditions


def _matches(document: Mapping[str, Any], field: str, value: str) -> bool:
    if field == "tags":
        return value in document["tags"]
    actual, wanted = str(document[field]).lower(), value.lower()
    return wanted[:-1] in actual if wanted.endswith("*") else actual == wanted


def _page(query: Mapping[str, str]) -> tuple[int, int]:
    if ("limit" in query) != ("offset" in query):
        raise ApiError(400, "limit and offset go together")
    try:
        limit, offset = int(query.get("limit", _PAGE)), int(query.get("offset", 0))
    except ValueError:
        raise ApiError(400, "limit and offset are numbers") from None
    if limit < 1 or offset < 0:
        raise ApiError(400, "limit and offset are not negative")
    return offset, offset + min(limit, _LARGEST_PAGE)
