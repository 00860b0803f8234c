"""What is done with a mirror that is there: status, verify, repair, rollback, prune; in words and in JSON."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Optional

from dci_downloader import formatting
from dci_downloader.cli.output import CommandResult
from dci_downloader.errors import IntegrityError, NotFoundError, TransferError
from dci_downloader.hooks import Progress, Stop
from dci_downloader.mirror import prune as pruning
from dci_downloader.mirror import verify as verification
from dci_downloader.mirror.mirror import Mirror, StatusRow
from dci_downloader.mirror.verify import Checked
from dci_downloader.mirror.version import Version
from dci_downloader.models import FileEntry, folder_name
from dci_downloader.options import TransferOptions

if TYPE_CHECKING:
    from dci_downloader.control.client import ControlServer


def status(mirror: Mirror) -> CommandResult:
    """What is here. Reads records only, and needs no network.

    Raises:
        NotFoundError: there is no mirror.
    """
    mirror.demand()
    found = mirror.status()
    total = f"{formatting.size(found.size)} in all versions, of which hard links save {formatting.size(found.saved)}"
    header = ("TOPIC", "TYPE", "VERSION", "TAGS", "FILES", "SIZE", "PUBLISHED", "VERIFIED", "KEPT")
    document = {
        "mirror": str(mirror.root),
        "versions": [_row_document(row) for row in found.rows],
        "size": found.size,
        "saved": found.saved,
    }
    return CommandResult((*formatting.table([header, *map(_row, found.rows)]), total), document)


def verify(
    mirror: Mirror,
    progress: Progress,
    stop: Stop,
    repair: Optional[Callable[[], ControlServer]] = None,
    timeout: Optional[float] = None,
) -> CommandResult:
    """Hash everything that is published again; with a server, fetch what is damaged.

    Args:
        mirror: which.
        progress: told of files and bytes.
        stop: asked whether to end early.
        repair: makes the server to repair from, asked only if something is damaged; None only tells.
        timeout: seconds to wait for another run; None for ever.

    Raises:
        NotFoundError: there is no mirror.
        LockedError: another run is in the way for longer than ``timeout``.
        TransferError: what is damaged could not be fetched.
    """
    checked = verification.verify(mirror, timeout=timeout, progress=progress, stop=stop)
    damaged = [one for one in checked if one.damages]
    repaired = False
    if damaged and repair is not None:
        with repair() as server:
            fetcher = _fetcher(server, mirror, progress, stop)
            verification.repair(mirror, damaged, fetcher, timeout=timeout, waiting=progress.message)
        still = verification.verify(mirror, timeout=timeout, progress=progress, stop=stop)
        repaired = not any(one.damages for one in still)
    lines = [f"{_name(one)}: {_verdict(one)}" for one in checked]
    for one in damaged:
        place = one.topic.link(one.version.component.type)
        lines += [f"{place}/{path}: expected {expected}, found {found}" for path, expected, found in one.damages]
    if repaired:
        lines.append("repaired: everything is whole again")
    document = {"versions": [_checked_document(one) for one in checked], "repaired": repaired}
    return CommandResult(lines, document, IntegrityError.exit_code if damaged and not repaired else 0)


def rollback(
    mirror: Mirror, topic_name: str, component_type: str, timeout: Optional[float], progress: Progress
) -> CommandResult:
    """Publish the version before the present one again, without network.

    Args:
        mirror: which.
        topic_name: the topic.
        component_type: one type of it; empty for all that have something older.
        timeout: seconds to wait for another run; None for ever.
        progress: told whom it waits for.

    Raises:
        NotFoundError: there is nothing older.
        LockedError: another run holds the topic for longer than ``timeout``.
    """
    mirror.demand()
    topic = mirror.topic(topic_name)
    if not topic.types():
        raise NotFoundError(f"{topic_name}: nothing of this topic is here", hint="see dci-downloader status")
    if component_type and folder_name(component_type) not in topic.types():
        raise NotFoundError(f"{topic_name}: nothing of type {component_type} is here", hint="see dci-downloader status")
    lines = []
    documents = []
    with topic.lock(timeout, progress.message):
        types = (component_type,) if component_type else tuple(filter(topic.has_older, topic.types()))
        if not types:
            raise NotFoundError(
                f"{topic_name}: there is no version older than what is published", hint="keep more of them: --keep N"
            )
        for each in types:
            done = topic.rollback(each)
            lines += [f"{done.path} is {done.version.folder} again", *(f"  note: {note}" for note in done.notes)]
            documents.append({"path": str(done.path), "version": done.version.folder, "notes": list(done.notes)})
    return CommandResult(lines, {"rolled_back": documents})


def prune(mirror: Mirror, keep: int, timeout: Optional[float], progress: Progress) -> CommandResult:
    """Remove versions beyond ``keep`` older ones, and what nothing wants any more.

    Raises:
        NotFoundError: there is no mirror.
        LockedError: another run is working in it for longer than ``timeout``.
    """
    mirror.demand()
    removed = pruning.prune(mirror, keep, timeout=timeout, waiting=progress.message)
    names = ", ".join(removed.versions) or "no version"
    line = f"removed {names}; {formatting.count(removed.files, 'file')}, {formatting.size(removed.size)} freed"
    return CommandResult((line,), {"versions": list(removed.versions), "files": removed.files, "size": removed.size})


def _fetcher(
    server: ControlServer, mirror: Mirror, progress: Progress, stop: Stop
) -> Callable[[Version, Sequence[FileEntry]], None]:
    from dci_downloader.transfer.engine import fetch  # here, for only a repair has to wait for libcurl

    def bring(version: Version, entries: Sequence[FileEntry]) -> None:
        progress.begin(version.component.name, len(entries), sum(entry.size for entry in entries))
        try:
            with stop.deferred():
                source = server.files(version.component)
                done = fetch(entries, source, mirror.store, TransferOptions(network=server.network), progress, stop)
        finally:
            progress.end()
        if done.failures:
            first = done.failures[0]
            raise TransferError(f"{first.path}: {first.reason}", hint="run the same again; what came stays")

    return bring


def _name(one: Checked) -> str:
    return f"{one.version.topic} {one.version.component.type} {one.version.folder}"


def _verdict(one: Checked) -> str:
    if one.damages:
        return f"DAMAGED in {formatting.count(len(one.damages), 'place')}"
    note = f"; this is not recorded: {one.obstacle}" if one.obstacle else ""
    files = formatting.count(len(one.version.manifest.files), "file")
    return f"whole ({files}, {formatting.size(one.version.manifest.size)}){note}"


def _checked_document(one: Checked) -> dict[str, Any]:
    return {
        "topic": one.version.topic,
        "type": one.version.component.type,
        "version": one.version.folder,
        "files": len(one.version.manifest.files),
        "size": one.version.manifest.size,
        "recorded": not (one.damages or one.obstacle),
        "damages": [damage._asdict() for damage in one.damages],
    }


def _row(row: StatusRow) -> tuple[str, ...]:
    return (
        row.topic,
        row.type,
        row.version or "(none)",
        ",".join(row.tags) or "-",
        f"{row.files:,}",
        formatting.size(row.size),
        _moment(row.published_at),
        _moment(row.last_verified),
        ",".join(row.kept) or "-",
    )


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
    }


def _moment(moment: Optional[datetime]) -> str:
    return f"{moment:%Y-%m-%d %H:%M}Z" if moment else "never"
