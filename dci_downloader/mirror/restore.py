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

from dci_downloader.errors import IntegrityError, NotFoundError, SettingsError, TransferError
from dci_downloader.formatting import count
from dci_downloader.mirror.adopt import unlisted_files
from dci_downloader.mirror.comparison import extras
from dci_downloader.mirror.damage import judge
from dci_downloader.mirror.digests import digests, open_folder
from dci_downloader.mirror.files import remove_file
from dci_downloader.mirror.hold import is_held
from dci_downloader.mirror.mirror import Mirror
from dci_downloader.mirror.native import native
from dci_downloader.mirror.publish import rebuild, swap_link
from dci_downloader.mirror.published_link import link_damage, version_meant
from dci_downloader.mirror.record import read_record
from dci_downloader.mirror.retention import remove_unreadable
from dci_downloader.mirror.topic import TopicMirror
from dci_downloader.mirror.verify import VersionCheck
from dci_downloader.mirror.version import Version, record_path
from dci_downloader.models import Component, Plan

_CLOSED = SettingsError.exit_code
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
        Which links and older versions are left damaged, and why, a line each.

    Raises:
        LockedError: another run holds a topic for longer than ``timeout``.
        IntegrityError: ``fetch`` did not bring everything.
    """
    damaged = [check for check in checks if check.damages and (check.version or check.exit_code != _CLOSED)]
    notes: list[str] = []
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
            notes += _restore_link(mirror, topic, check.type, fetch)
    objects = frozenset(sha256 for check in damaged for sha256 in check.damaged_objects)
    for topic in mirror.readable_topics()[0] if objects else ():
        with topic.lock(timeout, waiting):
            notes += _rebuild_older(mirror, topic, objects, fetch)
    return tuple(notes)


def restore_links(
    mirror: Mirror, *, timeout: Optional[float] = None, waiting: Callable[[str], None] = lambda _: None
) -> tuple[str, ...]:
    """Have published links lead to their versions again, where all that these hold is here. Safe to repeat.

    Args:
        mirror: the mirror to repair.
        timeout: seconds to wait for another run; None waits for ever, 0 not at all.
        waiting: called once for each wait, with a line for people that names the holder.

    Returns:
        Which were put right, a line each.

    Raises:
        LockedError: another run holds a topic for longer than ``timeout``.
    """
    lines = []
    for topic in mirror.readable_topics()[0]:
        for each in topic.types():
            with suppress(SettingsError):  # verification says so, too
                if _is_link_to_restore(topic, each):
                    with topic.lock(timeout, waiting):
                        tuple(_restore_link(mirror, topic, each, None))
                    if not link_damage(topic, each):
                        lines.append(f"{topic.name} {each}: its link leads to {topic.published_folder(each)} again")
    return tuple(lines)


def _is_link_to_restore(topic: TopicMirror, component_type: str) -> bool:
    """Whether the link of a type is damaged, and no record without its tree: that would be removed under the lock."""
    if not link_damage(topic, component_type):
        return False
    tree = topic.versions_folder(component_type) / native(topic.published_folder(component_type))
    return not os.path.lexists(record_path(tree))


def _restore_link(
    mirror: Mirror, topic: TopicMirror, component_type: str, fetch: Optional[FetchMissing]
) -> Iterator[str]:
    """Have a published link lead to the version that it should; gives why that was not done. Without damage no-op."""
    head = version_meant(topic, component_type) if link_damage(topic, component_type) else None
    version = topic.load(head) if head else None
    if not isinstance(version, Version):
        return  # nothing is wrong, or a sync has to publish a version
    link, gone = topic.link(component_type), topic.published_folder(component_type)
    if gone and is_held(topic, component_type):
        yield f"{gone}, which is held, is gone: dci-downloader rollback or release"
        return
    if unlisted := unlisted_files(link, version.manifest).files:
        files = count(unlisted, "file")
        yield f"{link} is a folder with {files} that are no part of {version.folder}: move it aside, or run the sync"
        return
    if not topic.intact(version):
        if fetch is None:
            return
        _rebuild(mirror, topic, version, fetch)
    try:
        swap_link(topic, version)
    except SettingsError as error:
        yield f"{error}: {error.hint}"


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
        with suppress(OSError):  # it is fetched then
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
