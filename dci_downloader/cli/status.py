"""What a mirror holds, as text that fits the terminal and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Optional

from dci_downloader import formatting
from dci_downloader.cli.output import CommandResult
from dci_downloader.errors import SettingsError
from dci_downloader.mirror.fetching import Fetching
from dci_downloader.mirror.mirror import Mirror
from dci_downloader.mirror.status import Status, StatusRow
from dci_downloader.mirror.status import status as read_status

_COLUMNS = ("TOPIC", "TYPE", "VERSION", "SIZE", "PUBLISHED", "VERIFIED", "FILES", "OLDER", "TAGS")
_FEWEST = 6
"""The columns that no table goes without; those after them are left out one by one on a terminal that is too narrow."""


def status(mirror: Mirror, *, width: Optional[int] = None, utc: bool = False) -> CommandResult:
    """Show what a mirror holds. Reads records only, and needs no network.

    Args:
        mirror: the mirror to show.
        width: columns of the terminal; None for none.
        utc: times as they are, not how long ago.

    Raises:
        NotFoundError: there is no mirror.
    """
    result, now = read_status(mirror), mirror.clock()
    rows = [_cells(row, now, utc) for row in result.rows]
    lines = [
        *_table(rows, width),
        *(line for each in result.fetching for line in formatting.wrapped(_fetching(each, now, utc), width)),
        *formatting.wrapped(_totals(result), width),
        *(
            line
            for row in result.rows
            for problem in row.problems
            for line in formatting.wrapped(f"{row.topic} {row.type} {problem}", width)
        ),
        *(line for each in result.unreadable for line in formatting.wrapped(each, width)),
    ]
    return CommandResult(lines, _document(mirror, result), SettingsError.exit_code if result.unreadable else 0)


def _table(rows: Sequence[Sequence[str]], width: Optional[int]) -> list[str]:
    """The rows as a table, with as many columns as fit; on a terminal too narrow for a table, a block for each row."""
    if not rows:
        return ["nothing is published yet"]
    for columns in range(len(_COLUMNS), _FEWEST - 1, -1):
        table = formatting.table([_COLUMNS[:columns], *(row[:columns] for row in rows)])
        if width is None or max(map(formatting.columns, table)) <= width:
            return table
    return [line for row in rows for line in _block(row, width or 0)]


def _block(row: Sequence[str], width: int) -> Iterator[str]:
    topic, component_type, version, size, published, verified = map(formatting.printable_line, row[:_FEWEST])
    state = verified if verified.startswith("DAMAGED") else f"verified {verified}"
    yield from formatting.wrapped(f"{topic} {component_type}", width)
    yield from formatting.wrapped(f"  {version}", width)
    yield from formatting.wrapped(f"  {size}, published {published}, {state}", width)


def _cells(row: StatusRow, now: datetime, utc: bool) -> tuple[str, ...]:
    return (
        row.topic,
        row.type,
        row.version or "(none)",
        formatting.size(row.size),
        _moment(row.published_at, now, utc) if row.published_at else "-",
        _verified(row, now, utc),
        f"{row.files:,}",
        ",".join(row.kept) or "-",
        ",".join(row.tags) or "-",
    )


def _moment(moment: datetime, now: datetime, utc: bool) -> str:
    return formatting.instant(moment) if utc else formatting.age(moment, now)


def _verified(row: StatusRow, now: datetime, utc: bool) -> str:
    """When the published version was last found right, or that it is not; and whether it is held."""
    held = ", held" if row.held else ""
    if row.damaged:
        return f"DAMAGED{held}"
    if row.published_at is None:
        return "unreadable" if row.version else "-"
    return (_moment(row.last_verified, now, utc) if row.last_verified else "on arrival") + held


def _fetching(each: Fetching, now: datetime, utc: bool) -> str:
    amount = f"{formatting.size(each.size_done)} of {formatting.size(each.size)}"
    files = f"{each.files_done:,} of {formatting.count(each.files, 'file')}"
    what = f"{each.topic} {each.type} {each.name}"
    if each.running:
        taken = formatting.duration((now - each.began_at).total_seconds())
        return f"{what}: being fetched for {taken}, {amount}, {files} are here"
    since = _moment(each.seen_at, now, utc)
    return f"{what}: not finished ({since}), {amount}, {files} are here; the next sync goes on there"


def _totals(result: Status) -> str:
    saved = f", of which hard links save {formatting.size(result.saved)}" if result.saved else ""
    parts = [f"{formatting.size(result.size)} in all versions{saved}"] if result.size else []
    if result.unfinished_bytes:
        unfinished = formatting.count(result.unfinished_files, "unfinished file")
        parts.append(f"{formatting.size(result.unfinished_bytes)} in {unfinished}")
    unknown = "how much is free the file system does not say"
    return "; ".join([*parts, unknown if result.free is None else f"{formatting.size(result.free)} free"])


def _document(mirror: Mirror, result: Status) -> dict[str, Any]:
    return {
        "mirror": str(mirror.root),
        "versions": [_row_document(row) for row in result.rows],
        "size": result.size,
        "saved": result.saved,
        "free": result.free,
        "fetching": [_fetching_document(each) for each in result.fetching],
        "unfinished_files": result.unfinished_files,
        "unfinished_bytes": result.unfinished_bytes,
        "unreadable": list(result.unreadable),
    }


def _row_document(row: StatusRow) -> dict[str, Any]:
    return {
        "topic": row.topic,
        "type": row.type,
        "version": row.version,
        "tags": list(row.tags),
        "files": row.files,
        "size": row.size,
        "published_at": row.published_at and row.published_at.isoformat(),
        "last_verified": row.last_verified and row.last_verified.isoformat(),
        "kept": list(row.kept),
        "damaged": row.damaged,
        "held": row.held,
        "held_since": row.held_since and row.held_since.isoformat(),
        "problems": list(row.problems),
    }


def _fetching_document(each: Fetching) -> dict[str, Any]:
    times = {"began_at": each.began_at.isoformat(), "seen_at": each.seen_at.isoformat()}
    return {**{name: getattr(each, name) for name in each.__dataclass_fields__}, **times}
