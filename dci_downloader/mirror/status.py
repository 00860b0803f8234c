"""Status: what a mirror holds, read from its records alone."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Optional

from dci_downloader.errors import SettingsError
from dci_downloader.mirror.digest_list import each_digest, read_digest_list
from dci_downloader.mirror.disk_errors import disk_errors
from dci_downloader.mirror.fetching import Fetching, fetchings, unfinished
from dci_downloader.mirror.files import free_bytes
from dci_downloader.mirror.head import Head
from dci_downloader.mirror.hold import held_since, is_held
from dci_downloader.mirror.link_savings import LinkSavings
from dci_downloader.mirror.mirror import Mirror
from dci_downloader.mirror.published_link import link_damage
from dci_downloader.mirror.record import RecordState, Unreadable
from dci_downloader.mirror.topic import TopicMirror, is_marked
from dci_downloader.short_repr import short_repr

_ADVICE = "the next sync, or verify --repair, puts it right"
_ADVICE_ON_REPAIR = "verify --repair puts it right"
_ADVICE_ON_HELD = "it is held, so no sync puts it right: dci-downloader rollback or release"
_TO = "a link to "
_ADVICE_ON_LOST = "the next build, verify --repair or prune removes it"


@dataclass(frozen=True)
class StatusRow:
    """One type of a topic in a mirror.

    Attributes:
        topic: the topic's own name.
        version: the folder of the published version; empty when none is published.
        files: how many files it holds, with ``size`` bytes.
        published_at: when it was last published.
        last_verified: when every byte of it was last found right; None if only on arrival: everything is hashed then.
        kept: the folders of the other versions, the last published first.
        damaged: whether the published version is known to be damaged, or its record is.
        held: whether it stays at this version until it is released.
        held_since: UTC; None where it is not held, or nothing tells.
        problems: what is known to be wrong with a version, and what to do, a line each.
    """

    topic: str
    type: str
    version: str
    tags: tuple[str, ...] = ()
    files: int = 0
    size: int = 0
    published_at: Optional[datetime] = None
    last_verified: Optional[datetime] = None
    kept: tuple[str, ...] = ()
    damaged: bool = False
    held: bool = False
    held_since: Optional[datetime] = None
    problems: tuple[str, ...] = ()

    __repr__ = short_repr


@dataclass(frozen=True)
class Status:
    """What a mirror holds.

    Attributes:
        rows: one for each type of each topic.
        size: bytes of all versions, each file of each counted.
        saved: how many of these bytes hard links save.
        free: bytes that may still be written to the file system; None where that does not say it.
        fetching: what is being fetched, or what an interrupted run left.
        unfinished_files: how many files the next sync goes on with, ``unfinished_bytes`` of which are here.
        unreadable: topics and types that nothing can be told of, why, and what to do, a line each.
    """

    rows: tuple[StatusRow, ...] = field(repr=False)
    size: int
    saved: int
    free: Optional[int] = 0
    fetching: tuple[Fetching, ...] = ()
    unfinished_files: int = 0
    unfinished_bytes: int = 0
    unreadable: tuple[str, ...] = ()


def status(mirror: Mirror) -> Status:
    """What is here. Reads heads, and records where they lack; needs no network and has no side effect.

    Args:
        mirror: the mirror to show.

    Raises:
        NotFoundError: there is no mirror.
    """
    mirror.require()
    marked = mirror.store.damage.read()
    rows = []
    links = LinkSavings()
    topics, closed = mirror.readable_topics()
    unreadable = [f"{error}: {error.hint}" for _, error in closed]
    for topic in topics:
        for component_type in topic.types():
            try:
                row, heads = _row(topic, component_type, marked)
            except SettingsError as error:
                unreadable.append(f"{error}: {error.hint}")
                continue
            rows += [row] if row else []
            for head in heads:
                links.add(topic, head)
    with disk_errors(mirror.root):
        free = free_bytes(mirror.store.root)
    now = fetchings(mirror.store.root, mirror.clock())
    partials = unfinished(mirror.store)
    return Status(tuple(rows), links.size, links.saved, free, now, *partials, tuple(unreadable))


def _is_marked(topic: TopicMirror, version: Head, marks: frozenset[str]) -> bool:
    """Whether a version, or one of its contents, is known to be damaged."""
    digests = None
    with suppress(OSError):
        digests = read_digest_list(topic.tree(version))
    if digests is None:
        return is_marked(topic.load(version), marks)
    return version.identity in marks or not set(map(bytes.fromhex, marks)).isdisjoint(each_digest(digests))


def _problem_of_record(record: Unreadable, published: str) -> str:
    """What is wrong with a record that cannot be read, a line for people; ``published`` is what agents read."""
    is_lost = record.state is RecordState.DAMAGED and record.folder != published
    return f"{record.folder}: its record {record.reason}: {_ADVICE_ON_LOST if is_lost else record.hint}"


def _problem_of_link(found: str, folder: str, *, held: bool) -> str:
    """What is wrong with the published link of a type, which leads to ``folder``, a line for people."""
    advice = _ADVICE_ON_REPAIR if held else _ADVICE
    if folder and found == "nothing":
        return f"{folder}: it is gone, though it is published: {_ADVICE_ON_HELD if held else _ADVICE}"
    if found.startswith(_TO):
        return f"its link leads to {found[len(_TO) :]}, which is none of its versions: {advice}"
    return f"in the place of its link is {found}: {advice}"


def _row(
    topic: TopicMirror, component_type: str, marked: frozenset[str]
) -> tuple[Optional[StatusRow], tuple[Head, ...]]:
    """The row of one type, and the versions it tells of; no row where there is nothing of this type."""
    versions, unreadable = topic.read_heads(component_type)
    folder = topic.published_folder(component_type)
    published = next((version for version in versions if version.folder == folder), None)
    damaged = {record.folder for record in unreadable if record.state is RecordState.DAMAGED}
    held = is_held(topic, component_type)
    problems = [_problem_of_record(record, folder) for record in unreadable]
    if damage := link_damage(topic, component_type):
        damaged.add(folder)
        problems.append(_problem_of_link(damage.found, folder, held=held))
    for version in versions:
        if marked and _is_marked(topic, version, marked):
            advice = _ADVICE if version.folder == folder and not held else _ADVICE_ON_REPAIR
            problems.append(f"{version.folder}: known to be damaged: {advice}")
            damaged.add(version.folder)
    if not versions and not problems:
        return None, ()
    row = StatusRow(
        topic=topic.name_of(versions[0]) if versions else topic.name,
        type=versions[0].component.type if versions else component_type,
        version=folder,
        kept=tuple(version.folder for version in versions if version.folder != folder),
        problems=tuple(problems),
        damaged=folder in damaged,
        held=held,
        held_since=held_since(topic, component_type),
    )
    if published is None:
        return row, versions
    return replace(
        row,
        tags=published.component.tags,
        files=published.files,
        size=published.size,
        published_at=published.published_at,
        last_verified=published.last_verified,
    ), versions
