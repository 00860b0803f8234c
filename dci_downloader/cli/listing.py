"""What the control server offers: topics, and the components of one; in words, in lines for pipes, and in JSON."""

from __future__ import annotations

import heapq
import itertools
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, Optional, TypeVar

from dci_downloader import formatting
from dci_downloader.cli.report import CommandResult
from dci_downloader.content.filters import merge_filters
from dci_downloader.control.client import ControlServer
from dci_downloader.control.resolver import creation_order, matching_topics, resolve_topic
from dci_downloader.errors import ManifestError, NotFoundError
from dci_downloader.hooks import Progress
from dci_downloader.models import Component, Topic
from dci_downloader.options import Filter

_LEAST = 12
"""Characters that even a narrow terminal gets of the column that can be cut."""


@dataclass(frozen=True)
class Shape:
    """How a list is to look.

    Attributes:
        sort: ``created`` and ``size`` put the newest and the largest first, ``name`` and ``type`` go by the alphabet.
        reverse: the other way round.
        limit: at most so many; 0 for all.
        width: columns of the terminal; None for lines that programs read.
    """

    sort: str = "created"
    reverse: bool = False
    limit: int = 0
    width: Optional[int] = None


class _Listed(NamedTuple):
    """A component, with files and bytes where its manifest was asked and could tell."""

    component: Component
    files: Optional[int] = None
    size: Optional[int] = None


_Item = TypeVar("_Item")


def topics(server: ControlServer, pattern: str, shape: Shape, progress: Progress) -> CommandResult:
    """The active topics that a pattern fits.

    Args:
        server: whom to ask.
        pattern: as for mirroring one: a name, or how it begins and ``*``.
        shape: of the list.
        progress: told if there are more than the limit.

    Raises:
        NotFoundError: there is none.
    """
    newest_first = sorted(matching_topics(server, pattern), key=creation_order, reverse=True)
    keys: dict[str, Callable[[Topic], Any]] = {"name": lambda topic: _natural(topic.name)}
    chosen, more = _limited(_ordered(newest_first, keys.get(shape.sort), shape.reverse), shape.limit, progress)
    rows = [_topic_row(topic, shape.width is None) for topic in chosen]
    lines = _lines([("TOPIC", "CREATED", "TYPES", "ID"), *rows], shape.width)
    return CommandResult(lines, {"topics": [_topic_document(topic) for topic in chosen], "more": more})


def components(
    server: ControlServer,
    pattern: str,
    filters: Sequence[Filter],
    shape: Shape,
    progress: Progress,
    *,
    sizes: bool = False,
) -> CommandResult:
    """The active components of a topic; private ones of one's own team are among them.

    Args:
        server: whom to ask.
        pattern: of the topic; the newest that fits is taken.
        filters: only components that fit one of them; none for all.
        shape: of the list.
        progress: told which topic a pattern means, and if there are more than the limit.
        sizes: ask the manifest of each that is listed; one request each.

    Raises:
        NotFoundError: there is no such topic, or no such component.
    """
    topic = resolve_topic(server, pattern, progress)
    listed = _offered(server, topic, filters)
    if shape.sort == "size":
        listed = (_weighed(server, one) for one in listed)
    keys: dict[str, Callable[[_Listed], Any]] = {
        "name": lambda one: _natural(one.component.name),
        "type": lambda one: one.component.type,
        "size": lambda one: -(one.size or 0),
    }
    chosen, more = _limited(_ordered(listed, keys.get(shape.sort), shape.reverse), shape.limit, progress)
    if not chosen:
        what = "component that fits" if filters else "component"
        hint = f"it has the types {', '.join(topic.component_types) or '(none)'}"
        raise NotFoundError(f"topic {topic.name} has no active {what}", hint=hint)
    if sizes and shape.sort != "size":
        chosen = [_weighed(server, one) for one in chosen]
    piped = shape.width is None
    rows = [("TYPE", "NAME", "CREATED", "SIZE", "TAGS", "ID"), *(_component_row(one, piped) for one in chosen)]
    if not piped and all(one.size is None for one in chosen):
        rows = [(*row[:3], *row[4:]) for row in rows]
    documents = [_component_document(one) for one in chosen]
    document = {"topic": topic.name, "topic_id": topic.id, "components": documents, "more": more}
    return CommandResult(_lines(rows, shape.width), document)


def _offered(server: ControlServer, topic: Topic, filters: Sequence[Filter]) -> Iterator[_Listed]:
    """The components that fit, the newest first."""
    wanted = merge_filters(filters) or [Filter("")]
    found = (server.components(topic.id, type=each.type, tags=each.tags, name=each.name) for each in wanted)
    return (_Listed(component) for component in heapq.merge(*found, key=creation_order, reverse=True))


def _weighed(server: ControlServer, one: _Listed) -> _Listed:
    """With what its manifest says, where there is one that can be read."""
    try:
        manifest = server.manifest(one.component)
    except (NotFoundError, ManifestError):
        return one
    return one._replace(files=len(manifest.files), size=manifest.size)


def _ordered(newest_first: Iterable[_Item], key: Optional[Callable[[_Item], Any]], reverse: bool) -> Iterator[_Item]:
    """The items in another order; no more of them are asked for than are wanted where it is the order they come in."""
    if key is None and not reverse:
        return iter(newest_first)
    ordered = sorted(newest_first, key=key) if key else list(newest_first)
    return reversed(ordered) if reverse else iter(ordered)


def _limited(items: Iterator[_Item], limit: int, progress: Progress) -> tuple[list[_Item], bool]:
    """The first so many, and whether there are more."""
    chosen = list(itertools.islice(items, min(limit, sys.maxsize - 1) + 1 if limit else None))
    if limit and len(chosen) > limit:
        progress.message(f"these are the first {limit}; --limit 0 shows all")
        return chosen[:limit], True
    return chosen, False


def _topic_row(topic: Topic, piped: bool) -> tuple[str, ...]:
    return topic.name, _moment(topic.created_at, piped), ",".join(topic.component_types), topic.id


def _component_row(one: _Listed, piped: bool) -> tuple[str, ...]:
    component = one.component
    moment, size = _moment(component.created_at, piped), _size(one.size, piped)
    tags = ",".join((*(["(private)"] if component.team_id else []), *component.tags))
    return component.type, component.name, moment, size, tags, component.id


def _lines(rows: Sequence[Sequence[str]], width: Optional[int]) -> list[str]:
    """A table that fits a terminal: without ids if need be, then with less of the column before them.

    For pipes it is each row but the header, tab-separated.
    """
    table = [[formatting.printable(cell).replace("\n", " ") for cell in row] for row in rows]
    if width is None:
        return ["\t".join(row) for row in table[1:]]
    widths = [max(map(len, column)) for column in zip(*table)]
    room = width - sum(widths[:-2]) - 2 * (len(widths) - 2)
    if room < widths[-2] + 2 + widths[-1]:
        table = [[*row[:-2], _cut(row[-2], max(room, _LEAST))] for row in table]
    return formatting.table(table)


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else f"{text[: room - 1]}…"


def _natural(name: str) -> list[Any]:
    """A key by which RHEL-9.10 comes after RHEL-9.9."""
    return [part.zfill(20) if part.isdecimal() else part.lower() for part in re.split(r"(\d+)", name)]


def _moment(moment: Optional[datetime], piped: bool) -> str:
    if moment is None:
        return "" if piped else "-"
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}" if piped else f"{moment:%Y-%m-%d %H:%M}Z"


def _size(size: Optional[int], piped: bool) -> str:
    if size is None:
        return "" if piped else "-"
    return str(size) if piped else formatting.size(size)


def _topic_document(topic: Topic) -> dict[str, Any]:
    return {
        "id": topic.id,
        "name": topic.name,
        "component_types": list(topic.component_types),
        "optional_types": list(topic.optional_types),
        "created_at": topic.created_at and topic.created_at.isoformat(),
    }


def _component_document(one: _Listed) -> dict[str, Any]:
    component = one.component
    return {
        "id": component.id,
        "name": component.name,
        "type": component.type,
        "tags": list(component.tags),
        "created_at": component.created_at and component.created_at.isoformat(),
        "released_at": component.released_at and component.released_at.isoformat(),
        "private": component.team_id is not None,
        "files": one.files,
        "size": one.size,
    }
