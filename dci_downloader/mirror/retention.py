"""Retention: which older versions of a topic stay, and the removal of the others. To be called under its lock.

The published version is never removed. Versions of one build, which differ in what was selected of it, count as one:
they stay or go together, and those of the published build go only where nothing older is to stay. What removed versions
held is written down, and leaves the store when the lock is released, or with the next run that is alone.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from dci_downloader.errors import DiskFullError, IntegrityError, SettingsError
from dci_downloader.mirror.digest_list import each_digest, list_path, remembered_digests
from dci_downloader.mirror.disk_errors import disk_errors
from dci_downloader.mirror.files import remove_file
from dci_downloader.mirror.folders import trees_in
from dci_downloader.mirror.head import Head, head_path
from dci_downloader.mirror.index import write_index
from dci_downloader.mirror.native import native
from dci_downloader.mirror.published_link import version_meant
from dci_downloader.mirror.record import RecordState, Unreadable
from dci_downloader.mirror.references import named_by
from dci_downloader.mirror.removal import move_aside, remove_tree
from dci_downloader.mirror.temporaries import old_path
from dci_downloader.mirror.topic import TopicMirror
from dci_downloader.mirror.version import record_path
from dci_downloader.results import Removal


def expired(
    topic: TopicMirror, component_type: str, keep: int, next_identity: str = "", next_build: str = ""
) -> tuple[Head, ...]:
    """The versions that :func:`retire` would remove. No side effect.

    Where the published link is damaged, what it should lead to counts as published.

    Args:
        topic: the topic of the versions.
        component_type: their type.
        keep: how many older builds stay.
        next_identity: the identity of a version that is about to be published; empty for the one published now.
        next_build: the id of its component.
    """
    meant = None if next_identity else version_meant(topic, component_type)
    others, current = [], {next_build}
    for version in topic.heads(component_type):
        if version.identity == next_identity if next_identity else version == meant:
            current.add(version.component.id)
        else:
            others.append(version)
    if keep <= 0:
        return tuple(others)
    older = dict.fromkeys(version.component.id for version in others if version.component.id not in current)
    kept = {*current, *list(older)[:keep]}
    return tuple(version for version in others if version.component.id not in kept)


def reclaimable(topic: TopicMirror, versions: Sequence[Head]) -> Removal:
    """What removing these versions frees: the files and bytes that nothing else in the mirror holds."""
    links: Counter[str] = Counter()  # by digest
    sizes = []
    for version in map(topic.load, versions):
        if isinstance(version, Unreadable):
            continue
        tree = str(topic.tree(version))
        for entry in version.manifest.files:
            if entry.path not in version.copies:
                links[entry.sha256] += 1
                continue
            with suppress(OSError):  # a damaged tree lacks some: they free nothing
                sizes.append(os.lstat(f"{tree}/{native(entry.path)}").st_size)
    unshared = set(map(bytes.fromhex, links))
    for sibling in _siblings([topic.tree(head) for head in versions]):
        _subtract(sibling, unshared)
    for sha256 in (digest.hex() for digest in unshared):  # one by one: another topic may link to them
        with suppress(OSError):
            status = os.lstat(topic.store.object_path(sha256))
            # besides the links counted here there is one in the store; any other belongs to a version that stays
            if status.st_nlink <= links[sha256] + 1:
                sizes.append(status.st_size)
    return Removal(tuple(head.folder for head in versions), len(sizes), sum(sizes))


def _siblings(trees: Sequence[Path]) -> Iterator[Path]:
    """The other trees of the same types."""
    for folder in {tree.parent for tree in trees}:
        yield from (tree for tree in trees_in(folder) if tree not in trees)


def _subtract(tree: Path, digests: set[bytes]) -> None:
    """Take out of a set what a version names, as far as its record can be read."""
    with suppress(SettingsError):
        digests.difference_update(named_by(tree))


def retire(topic: TopicMirror, component_type: str, keep: int) -> Removal:
    """Remove the versions beyond those of ``keep`` older builds, and those whose record is damaged. Safe to repeat.

    Returns:
        What that frees.
    """
    versions = expired(topic, component_type, keep)
    removal = reclaimable(topic, versions)
    return removal._replace(versions=_remove_all(topic, component_type, versions))


def remove_expired(topic: TopicMirror, component_type: str, keep: int) -> tuple[str, ...]:
    """The same without a look at what that frees; gives the folders of what was removed."""
    return _remove_all(topic, component_type, expired(topic, component_type, keep))


def _remove_all(topic: TopicMirror, component_type: str, versions: Sequence[Head]) -> tuple[str, ...]:
    """Remove versions, and those whose record is damaged; gives their folders."""
    if versions:
        write_index(topic, component_type, without={version.folder for version in versions})
    removed = [version.folder for version in versions if _removed(topic, topic.tree(version))]
    topic.store.damage.remove(version.identity for version in versions)
    return (*removed, *remove_unreadable(topic, component_type))


def _removed(topic: TopicMirror, path: Path) -> bool:
    """Remove a tree; whether that could be done. What cannot be removed is noted in ``topic.leftovers``."""
    try:
        _remove_tree(topic, path)
    except (DiskFullError, SettingsError) as error:
        topic.leftovers.append(f"{error} ({error.hint})")
        return False
    return True


def remove_unreadable(topic: TopicMirror, component_type: str) -> tuple[str, ...]:
    """Remove the trees that :func:`unreadable` names. Safe to repeat.

    Returns:
        Their folders.
    """
    folder = topic.versions_folder(component_type)
    return tuple(name for name in unreadable(topic, component_type) if _removed(topic, folder / native(name)))


def unreadable(topic: TopicMirror, component_type: str) -> tuple[str, ...]:
    """The trees whose record is damaged, for nothing can be done with them; not the published one. No side effect.

    None while nothing whole is published beside them: they may be all that is left. One that may not be read, or is of
    a newer program, may be right, and stays.
    """
    published = topic.published_folder(component_type)
    damaged = [
        record.folder
        for record in topic.read_heads(component_type)[1]
        if record.state is RecordState.DAMAGED and record.folder != published
    ]
    if damaged and topic.published(component_type) is None:  # asked last, for it reads a whole record
        return ()
    return tuple(damaged)


def remove(topic: TopicMirror, version: Head) -> None:
    """Remove a version that is not the published one.

    Raises:
        IntegrityError: it is the published one.
    """
    path = topic.tree(version)
    if version.folder == topic.published_folder(version.component.type):
        raise IntegrityError(f"{path} is published", hint="publish another version first")
    write_index(topic, version.component.type, without={version.folder})
    _remove_tree(topic, path)
    topic.store.damage.remove([version.identity])


def discard(topic: TopicMirror, path: Path) -> bool:
    """Remove a version by the path of its tree, whether its record can be read or not; whether that could be done.

    What cannot be removed is noted in ``topic.leftovers``. The caller has seen to it that it is not published.
    """
    return _removed(topic, path)


def _remove_tree(topic: TopicMirror, path: Path) -> None:
    """Take a version's tree out of its name, then remove its record and its files."""
    old = old_path(path.parent)
    with disk_errors(path):
        topic.store.candidates.add(_held_alone(path))  # first, so that a run that is killed forgets none
        place = move_aside(path, old)  # then: a version is gone at once, however long its files take
        try:
            remove_file(record_path(path))
        except IsADirectoryError:
            topic.leftovers += remove_tree(record_path(path))
        remove_file(list_path(path))
        remove_file(head_path(path))
        topic.leftovers += remove_tree(place)


def _held_alone(tree: Path) -> set[bytes]:
    """What a version holds and no other of its type does; each of them names what it holds when it goes itself."""
    digests = set(each_digest(remembered_digests(tree)))
    with suppress(SettingsError):
        digests.update(named_by(tree))
    for sibling in _siblings([tree]):
        _subtract(sibling, digests)
    return digests
