"""Restore what verification found damaged: from the store, from the tree, and only then from elsewhere.

Nothing is removed and no file is written into: a damaged object is replaced by another file, and the trees that need it
are built anew, each in one step. What verification found is judged again under the topic's lock, for a sync or another
repair may have been faster.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Optional

from dci_downloader.errors import IntegrityError, NotFoundError, TransferError
from dci_downloader.mirror.comparison import extras
from dci_downloader.mirror.damage import judge
from dci_downloader.mirror.digests import digests, open_folder
from dci_downloader.mirror.files import remove_file
from dci_downloader.mirror.mirror import Mirror
from dci_downloader.mirror.native import native
from dci_downloader.mirror.publish import rebuild
from dci_downloader.mirror.record import read_record
from dci_downloader.mirror.retention import remove_unreadable
from dci_downloader.mirror.topic import TopicMirror
from dci_downloader.mirror.verify import VersionCheck
from dci_downloader.mirror.version import Version
from dci_downloader.models import Component, Plan

FetchMissing = Callable[[Component, Plan], None]
"""Brings what a plan misses of a component into the store, or raises."""


def rebuild_damaged(
    mirror: Mirror,
    checks: Iterable[VersionCheck],
    fetch: FetchMissing,
    *,
    timeout: Optional[float] = None,
    waiting: Callable[[str], None] = lambda _: None,
) -> tuple[str, ...]:
    """Fetch what is damaged and nothing else, and build the damaged trees anew. Safe to repeat.

    A published tree stays as it is until the new one replaces it. After a failure the next repair, or the next sync,
    goes on. Older versions that had the same damage are restored too, where what they need can be had.

    Args:
        mirror: the mirror to repair.
        checks: the result of :func:`~dci_downloader.mirror.verify.verify`; versions without damage are left alone.
        fetch: brings what a plan misses of a component into the store, or raises; called under the topic's lock.
        timeout: seconds to wait for another run; None waits for ever, 0 not at all.
        waiting: called once for each wait, with a line for people that names the holder.

    Returns:
        Which older versions are left damaged, and why, a line each.

    Raises:
        LockedError: another run holds a topic for longer than ``timeout``.
        IntegrityError: ``fetch`` did not bring everything.
    """
    damaged = [check for check in checks if check.damages]
    for check in damaged:
        topic = mirror.topic(check.topic)
        tree = topic.versions_folder(check.type) / native(check.version)
        lone_record = read_record(tree)  # before the lock removes records without a tree
        with topic.lock(timeout, waiting):
            if lone_record and topic.published_folder(check.type) == check.version and not os.path.lexists(tree):
                _rebuild(mirror, topic, lone_record, fetch)
            remove_unreadable(topic, check.type)
            for version in topic.versions(check.type):
                # it may have been removed since it was checked, or mended
                if version.folder == check.version and _is_damaged(topic, version, check):
                    _rebuild(mirror, topic, version, fetch)
    objects = frozenset(sha256 for check in damaged for sha256 in check.damaged_objects)
    notes: list[str] = []
    for topic in mirror.topics() if objects else ():
        with topic.lock(timeout, waiting):
            notes += _rebuild_older(mirror, topic, objects, fetch)
    return tuple(notes)


def _is_damaged(topic: TopicMirror, version: Version, check: VersionCheck) -> bool:
    """Whether there is still something to put right; which objects are wrong now is marked."""
    store = topic.store
    judge(store.damage, {sha256: store.object_path(sha256) for sha256 in check.damaged_objects})
    state = topic.inspect(version)
    # an object that another topic's repair has replaced is right, and the tree holds the damaged one
    if topic.known_damage(version) or {damage.path for damage in check.damages} & {*version.copies, *state.unlinked}:
        return True
    return bool(state.damages or tuple(extras(topic.tree(version), version.manifest)))


def _rebuild(mirror: Mirror, topic: TopicMirror, version: Version, fetch: FetchMissing) -> None:
    _take_from_tree(topic, version)
    plan = mirror.plan(version.component, version.manifest)
    if plan.missing:
        fetch(version.component, plan)
    rebuild(topic, version)


def _take_from_tree(topic: TopicMirror, version: Version) -> None:
    """Link what only the store has lost from the tree, where the tree still has the right content."""
    root = os.fsencode(topic.tree(version))
    for entry in version.manifest.files:
        if topic.store.holds(entry):
            continue
        temporary = topic.store.temporary()
        above, _, name = entry.path.encode().rpartition(b"/")
        with suppress(OSError):  # then it is fetched
            folder = open_folder(root, above)
            try:
                os.link(name, temporary, src_dir_fd=folder, follow_symlinks=False)
            finally:
                os.close(folder)
        # the link is hashed, not the name in the tree, which may mean another file by now
        if digests([temporary]) == [entry.sha256]:
            topic.store.commit(temporary, entry.sha256)
            topic.store.make_read_only(entry.sha256)
        remove_file(temporary)


def _rebuild_older(mirror: Mirror, topic: TopicMirror, objects: frozenset[str], fetch: FetchMissing) -> Iterator[str]:
    """Restore the other versions of a topic that have one of these contents; gives which could not be."""
    for component_type in topic.types():
        published = topic.published_folder(component_type)
        for version in topic.versions(component_type):
            shares = not objects.isdisjoint(entry.sha256 for entry in version.manifest.files)
            if version.folder == published or not shares or topic.intact(version):
                continue
            try:
                _rebuild(mirror, topic, version, fetch)
            except (IntegrityError, NotFoundError, TransferError) as error:
                yield f"{topic.name} {component_type}: the older version {version.folder} is left damaged: {error}"
