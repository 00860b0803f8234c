"""What the control server offers: topics, and the components of one; as tables, as lines for pipes, and as JSON."""

from __future__ import annotations

import heapq
import itertools
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple, Optional, TypeVar

from dci_downloader import formatting
from dci_downloader.cli.output import CommandResult
from dci_downloader.cli.subject_documents import subject_document
from dci_downloader.content.filters import merge_filters
from dci_downloader.control.conditions import moment
from dci_downloader.control.resolver import creation_order, matching_topics, missing_error, resolve_topic
from dci_downloader.control.upstream import Upstream
from dci_downloader.errors import ManifestError, NotFoundError
from dci_downloader.hooks import Progress
from dci_downloader.models import Component, Topic
from dci_downloader.options import Filter

_LEAST_WIDTH = 12
"""Characters that even a narrow terminal gets of the column that can be cut."""


@dataclass(frozen=True)
class ListOptions:
    """The order, length and form of a list.

    Attributes:
        sort: ``created`` and ``size`` put the newest and the largest first, ``name`` and ``type`` go by the alphabet.
        reverse: in the opposite order.
        limit: at most so many; 0 for all.
        width: columns of the terminal; None for lines that programs read.
        since: of components: a date or a time, created then or later; None for all.
        query: of components: an expression in the control server's language that must hold; empty for none.
    """

    sort: str = "created"
    reverse: bool = False
    limit: int = 0
    width: Optional[int] = None
    since: Optional[str] = None
    query: str = ""


class _Row(NamedTuple):
    """A component, with the number of files and the bytes of its manifest where that was read."""

    component: Component
    files: Optional[int] = None
    size: Optional[int] = None


_Item = TypeVar("_Item")


def topics(server: Upstream, pattern: str, options: ListOptions, progress: Progress) -> CommandResult:
    """The active topics that a pattern matches.

    Args:
        server: the control server.
        pattern: as for mirroring one: a name, or the beginning of one with ``*`` after it.
        options: of the list.
        progress: gets a message if there are more than the limit.

    Raises:
        NotFoundError: there is none.
    """
    newest_first = sorted(matching_topics(server, pattern), key=creation_order, reverse=True)
    keys: dict[str, Callable[[Topic], Any]] = {"name": lambda topic: _natural(topic.name)}
    chosen, more = _limited(_ordered(newest_first, keys.get(options.sort), options.reverse), options.limit, progress)
    rows = [_topic_cells(topic, options.width is None) for topic in chosen]
    lines = _lines([("TOPIC", "CREATED", "TYPES", "ID"), *rows], options.width)
    return CommandResult(lines, {"topics": [subject_document(topic) for topic in chosen], "more": more})


def components(
    server: Upstream,
    pattern: str,
    filters: Sequence[Filter],
    options: ListOptions,
    progress: Progress,
    *,
    sizes: bool = False,
) -> CommandResult:
    """The active components of a topic, private ones of one's own team included.

    Args:
        server: the control server.
        pattern: of the topic; the newest topic that it matches is taken.
        filters: only components that match one of them; none for all.
        options: of the list.
        progress: gets a message on which topic a pattern means, and if there are more than the limit.
        sizes: read the manifest of each listed component; one request each.

    Raises:
        NotFoundError: there is no such topic, or no such component.
        SettingsError: date or query cannot be asked for.
    """
    if options.since is not None:
        moment(options.since)
    topic = resolve_topic(server, pattern, progress)
    rows = _rows(server, topic, filters, options)
    if options.sort == "size":
        rows = (_with_size(server, row) for row in rows)
    keys: dict[str, Callable[[_Row], Any]] = {
        "name": lambda row: _natural(row.component.name),
        "type": lambda row: row.component.type,
        "size": lambda row: -(row.size or 0),
    }
    chosen, more = _limited(_ordered(rows, keys.get(options.sort), options.reverse), options.limit, progress)
    if not chosen:
        wanted = merge_filters(filters)
        if len(wanted) == 1 and not (options.since or options.query):
            raise missing_error(server, topic, wanted[0])
        hint = f"it has the types {', '.join(topic.component_types) or '(none)'}"
        fits = " that fits" if filters or options.since or options.query else ""
        raise NotFoundError(f"topic {topic.name} has no active component{fits}", hint=hint)
    if sizes and options.sort != "size":
        chosen = [_with_size(server, row) for row in chosen]
    documents = [_component_document(row) for row in chosen]
    document = {"topic": topic.name, "topic_id": topic.id, "components": documents, "more": more}
    return CommandResult(_component_lines(chosen, options.width), document)


def _component_lines(rows: Sequence[_Row], width: Optional[int]) -> list[str]:
    """The table of components; on a terminal, without the column of sizes where no size is known."""
    piped = width is None
    table = [("TYPE", "NAME", "CREATED", "SIZE", "TAGS", "ID"), *(_component_cells(row, piped) for row in rows)]
    if not piped and all(row.size is None for row in rows):
        table = [(*cells[:3], *cells[4:]) for cells in table]
    return _lines(table, width)


def _rows(server: Upstream, topic: Topic, filters: Sequence[Filter], options: ListOptions) -> Iterator[_Row]:
    """The components that match a filter, the newest first."""
    narrowed = partial(server.components, topic.id, created_after=options.since, query=options.query)
    lists = (
        narrowed(type=each.type, tags=each.tags, name=each.name) for each in merge_filters(filters) or [Filter("")]
    )
    return (_Row(component) for component in heapq.merge(*lists, key=creation_order, reverse=True))


def _with_size(server: Upstream, row: _Row) -> _Row:
    """The row with the size that its manifest says, where there is one that can be read."""
    try:
        manifest = server.manifest(row.component)
    except (NotFoundError, ManifestError):
        return row
    return row._replace(files=len(manifest.files), size=manifest.size)


def _ordered(newest_first: Iterable[_Item], key: Optional[Callable[[_Item], Any]], reverse: bool) -> Iterator[_Item]:
    """The items in order; newest first needs no sorting, and reads no further than the caller does."""
    if key is None and not reverse:
        return iter(newest_first)
    ordered = sorted(newest_first, key=key) if key else list(newest_first)
    return reversed(ordered) if reverse else iter(ordered)


def _limited(items: Iterator[_Item], limit: int, progress: Progress) -> tuple[list[_Item], bool]:
    """The first ``limit`` items, and whether there are more."""
    # one more than the limit, to know whether there are more; islice takes no number past sys.maxsize
    chosen = list(itertools.islice(items, min(limit, sys.maxsize - 1) + 1 if limit else None))
    if limit and len(chosen) > limit:
        progress.message(f"these are the first {limit}; --limit 0 shows all")
        return chosen[:limit], True
    return chosen, False


def _topic_cells(topic: Topic, piped: bool) -> tuple[str, ...]:
    return topic.name, _moment(topic.created_at, piped), ",".join(topic.component_types), topic.id


def _component_cells(row: _Row, piped: bool) -> tuple[str, ...]:
    component = row.component
    moment, size = _moment(component.created_at, piped), _size(row.size, piped)
    tags = ",".join((*(["(private)"] if component.team_id else []), *component.tags))
    return component.type, component.name, moment, size, tags, component.id


def _lines(rows: Sequence[Sequence[str]], width: Optional[int]) -> list[str]:
    """A table that fits a terminal: without ids if need be, then with less of the column before them, else blocks.

    For pipes it is each row but the header, tab-separated.
    """
    table = [[formatting.printable(cell).replace("\n", " ").replace("\t", "\\t") for cell in row] for row in rows]
    if width is None:
        return ["\t".join(row) for row in table[1:]]
    widths = [max(map(formatting.columns, column)) for column in zip(*table)]
    room = width - sum(widths[:-2]) - 2 * (len(widths) - 2)
    if room < _LEAST_WIDTH:
        names = table[0].index("CREATED")
        return [line for row in table[1:] for line in _block(row, names, width)]
    if room < widths[-2] + 2 + widths[-1]:
        table = [[*row[:-2], _cut(row[-2], room)] for row in table]
    return formatting.table(table)


def _block(row: Sequence[str], names: int, width: int) -> Iterator[str]:
    """A row as lines below each other; its first cells, so many of them, name it."""
    yield from formatting.wrapped(" ".join(row[:names]), width)
    for text in ("  ".join(filter(None, row[names:-1])), row[-1]):
        yield from formatting.wrapped(f"  {text}", width)


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else f"{text[: room - 1]}…"


def _natural(name: str) -> list[Any]:
    """A key by which RHEL-9.10 comes after RHEL-9.9."""
    parts = re.split(r"([0-9]+)", name)  # text and digits in turn
    # digits sort by how many there are first: int() refuses thousands of them, or takes long (the square of that)
    return [
        (len(part.lstrip("0")), part.lstrip("0")) if number % 2 else part.lower() for number, part in enumerate(parts)
    ]


def _moment(moment: Optional[datetime], piped: bool) -> str:
    if moment is None:
        return "" if piped else "-"
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}" if piped else f"{moment:%Y-%m-%d %H:%M}Z"


def _size(size: Optional[int], piped: bool) -> str:
    if size is None:
        return "" if piped else "-"
    return str(size) if piped else formatting.size(size)


def _component_document(row: _Row) -> dict[str, Any]:
    component = row.component
    more = {"private": component.team_id is not None, "files": row.files, "size": row.size}
    return {**subject_document(component), **more}
