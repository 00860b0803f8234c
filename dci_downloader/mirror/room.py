"""Room: unpublished versions give way to a new build where the disk is too small for both.

The oldest go first, whatever topic they are of; the published ones never. Where all of them together would not free
enough, none is removed: the run fails either way, and they are kept for a rollback. A topic that another run is working
on keeps its versions. To be called without a topic's lock, for it takes that of each topic whose versions it removes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NamedTuple, Optional

from dci_downloader.errors import LockedError, SettingsError
from dci_downloader.mirror.head import Head
from dci_downloader.mirror.mirror import Mirror
from dci_downloader.mirror.published_link import version_meant
from dci_downloader.mirror.retention import reclaimable, remove
from dci_downloader.mirror.topic import TopicMirror
from dci_downloader.results import Removal


class _Unpublished(NamedTuple):
    """A version that may go."""

    topic: TopicMirror
    head: Head


def removable(mirror: Mirror, shortage: int) -> Removal:
    """What :func:`make_room` would remove. No side effect.

    Args:
        mirror: the mirror that needs room.
        shortage: bytes that are missing.

    Returns:
        The versions, and what that frees; nothing where it would not be enough.
    """
    return _estimate(_chosen(mirror, shortage))


def make_room(
    mirror: Mirror, shortage: int, waiting: Callable[[str], None], timeout: Optional[float] = None
) -> Removal:
    """Remove unpublished versions, the oldest first, until so much is free. Safe to repeat, and to be killed.

    While another run is working, what they held could not leave the store: those that run already are waited for.

    Args:
        mirror: the mirror that needs room.
        shortage: bytes that are missing.
        waiting: called with a line for people before a wait, and about each topic that another run keeps.
        timeout: seconds to wait for other runs; None waits for ever, 0 not at all.

    Returns:
        The versions that were removed, and what that was expected to free.

    Raises:
        SettingsError: a folder cannot be read or written.
        DiskFullError: not even a removal has room.
        LockedError: another run is working for longer than ``timeout``; nothing was removed.
    """
    removed = []
    chosen = _chosen(mirror, shortage)
    if chosen:
        with mirror.store.lock().holding(timeout=timeout, waiting=waiting):
            pass
    for topic, head in chosen:
        try:
            with topic.lock(0):
                if head != version_meant(topic, head.component.type):  # a rollback may have come in between
                    estimate = reclaimable(topic, [head])
                    remove(topic, head)
                    removed.append(estimate)
        except LockedError as error:  # noqa: PERF203  once for each version
            waiting(f"{topic.path.name}: {head.folder} stays, for {error.holder} is working there")
    versions = tuple(name for each in removed for name in each.versions)
    return Removal(versions, sum(each.files for each in removed), sum(each.size for each in removed))


def _chosen(mirror: Mirror, shortage: int) -> list[_Unpublished]:
    """The oldest unpublished versions that free enough together; none where all of them would not."""
    chosen: list[_Unpublished] = []
    for candidate in sorted(_unpublished(mirror), key=lambda each: (each.head.published_at, each.head.number)):
        chosen.append(candidate)
        if _estimate(chosen).size >= shortage:
            return chosen
    return []


def _unpublished(mirror: Mirror) -> list[_Unpublished]:
    found = []
    for topic in mirror.topics():
        with suppress(SettingsError):  # a topic that cannot be read keeps what it has
            for component_type in topic.types():
                heads, meant = topic.heads(component_type), version_meant(topic, component_type)
                if topic.published_folder(component_type):  # else they may be all that is left
                    found += [_Unpublished(topic, head) for head in heads if head != meant]
    return found


def _estimate(chosen: Sequence[_Unpublished]) -> Removal:
    """What removing these versions frees."""
    by_topic: dict[str, list[_Unpublished]] = {}
    for each in chosen:
        by_topic.setdefault(str(each.topic.path), []).append(each)
    removals = [reclaimable(group[0].topic, [each.head for each in group]) for group in by_topic.values()]
    versions = tuple(name for each in removals for name in each.versions)
    return Removal(versions, sum(each.files for each in removals), sum(each.size for each in removals))
