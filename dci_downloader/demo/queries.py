"""Lists as the control server gives them: ``where``, ``sort``, pages.

The rules, observed of a real server:

* ``where`` is ``key:value`` pairs joined by commas, quoted as in CSV; a value may hold colons. All must hold.
* Strings are compared without regard to case; one trailing ``*`` means *contains*. ``tags`` are exact, no wildcard.
* ``query`` is an expression, see :mod:`dci_downloader.demo.expressions`; beside a ``where`` it is not looked at.
* ``created_after`` and ``updated_after`` are points in time; any other value is ignored.
* 20 to a page, never more than 200; ``limit`` and ``offset`` come together or not at all.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timezone
from typing import Any

from dci_downloader.demo.expressions import ApiError as ApiError
from dci_downloader.demo.expressions import parse

_PAGE = 20
_LARGEST_PAGE = 200
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,6}", re.ASCII)
_ARGUMENTS = frozenset({"where", "query", "sort", "limit", "offset", "created_after", "updated_after"})
_COMMON = ("id", "name", "state", "etag", "created_at", "updated_at")
_COMPONENT_KEYS = ("released_at", "display_name", "canonical_project_name", "version", "uid", "type", "tags", "url")
_JOB_KEYS = ("status", "comment", "configuration", "tags", "remoteci_id", "product_id", "pipeline_id", "duration")
_KEYS = {
    "products": {*_COMMON, "label", "description"},
    "topics": {*_COMMON, "product_id", "next_topic_id", "export_control"},
    "components": {*_COMMON, *_COMPONENT_KEYS, "topic_id", "team_id"},
    "jobs": {*_COMMON, *_JOB_KEYS, "topic_id", "team_id", "previous_job_id"},
    "files": {*_COMMON, "mime", "size", "job_id", "team_id"},
}


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
    fits = parse(query["query"], _KEYS[name]) if "query" in query and not conditions else None
    matching = [
        document
        for document in documents
        if all(_matches(document, *one) for one in conditions)
        and (fits is None or fits(document))
        and all(_after(document, column, query) for column in ("created_at", "updated_at"))
    ]
    for column in reversed(query.get("sort", sort).split(",")):
        field = column.lstrip("-")
        if field not in _KEYS[name]:
            raise ApiError(400, f"Invalid sort key: {field}")
        matching.sort(key=lambda document: str(document[field]), reverse=column.startswith("-"))
    start, end = _page(query)
    return {"_meta": {"count": len(matching)}, name: matching[start:end]}


def _conditions(where: str, keys: set[str]) -> list[tuple[str, str]]:
    try:
        pairs = next(csv.reader([where]), [])
    except csv.Error:
        raise ApiError(400, "Invalid where") from None
    conditions = []
    for pair in pairs:
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


def _after(document: Mapping[str, Any], column: str, query: Mapping[str, str]) -> bool:
    begin = query.get(column.replace("_at", "_after"), "")
    if begin.isdecimal():
        with suppress(ValueError, OverflowError, OSError):  # no year has more than four digits
            begin = datetime.fromtimestamp(int(begin) / 1000, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")
    return not _MOMENT.fullmatch(begin) or str(document[column]) >= begin


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
