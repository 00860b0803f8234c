"""Verify: hash every published file again, offline, and compare the trees with their manifests.

Each object is hashed once, however many versions link to it. What is wrong is remembered until it is mended (see
:mod:`~dci_downloader.mirror.damage`); :mod:`~dci_downloader.mirror.restore` mends it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Optional, Union

from dci_downloader.errors import CancelledError, DiskFullError, IntegrityError, LockedError, SettingsError
from dci_downloader.hooks import NeverStop, NullProgress, Progress, Stop
from dci_downloader.mirror.comparison import Damage, TreeState, extras
from dci_downloader.mirror.damage import forbidden, judge
from dci_downloader.mirror.digests import BELOW
from dci_downloader.mirror.hashing import hashing
from dci_downloader.mirror.head import Head, write_head
from dci_downloader.mirror.mirror import Mirror
from dci_downloader.mirror.native import native
from dci_downloader.mirror.record import Unreadable, load_head
from dci_downloader.mirror.topic import TopicMirror, wrong_target
from dci_downloader.mirror.version import Version
from dci_downloader.models import FileEntry
from dci_downloader.short_repr import short_repr

_FORBIDDEN = "a file that this user may not read"
_Published = tuple[TopicMirror, Version]
_Older = tuple[TopicMirror, Version, tuple[FileEntry, ...]]


@dataclass(frozen=True)
class VersionCheck:
    """The result of verifying one version.

    Attributes:
        topic: the topic's own name.
        version: the folder of the version.
        files: how many files it holds, with ``size`` bytes; 0 where its record cannot be read.
        damages: what is wrong; empty when every byte is right.
        damaged_objects: digests of the objects that are missing or hold another content.
        unlinked: how many files are not links to their objects, as in a copy of a mirror: no damage.
        modes: how many files and folders have modes that the next sync puts right: no damage either.
        record_lost: whether its record cannot be read, or is not there.
        obstacle: why the result could not be recorded; empty where it was.
        exit_code: 0 where nothing is wrong, 7 where something is, 2 where only this user may not read it.
    """

    topic: str
    type: str
    version: str
    files: int
    size: int
    damages: tuple[Damage, ...] = field(default=(), repr=False)
    damaged_objects: frozenset[str] = field(default=frozenset(), repr=False)
    obstacle: str = ""
    unlinked: int = 0
    modes: int = 0
    exit_code: int = 0
    record_lost: bool = False

    __repr__ = short_repr


def verify(
    mirror: Mirror,
    *,
    workers: int = 0,
    timeout: Optional[float] = None,
    progress: Progress = NullProgress(),  # noqa: B008  has no state
    stop: Stop = NeverStop(),  # noqa: B008  has no state
) -> tuple[VersionCheck, ...]:
    """Hash the objects of every published version, and compare its tree with its manifest. Safe to repeat.

    A version without damage is recorded as verified, unless this user may not write here, or its topic is being
    synchronised at the end; damage is remembered. Topics may be synchronised meanwhile: only the store's lock is held,
    shared.

    Args:
        mirror: which.
        workers: how many processes hash side by side; 0 for one on each core.
        timeout: seconds to wait for a run that prunes; None waits for ever, 0 not at all.
        progress: gets files and bytes, and a message before a wait.
        stop: asked after every few files.

    Returns:
        One result for each published version, for each older one that is known to be damaged and still is, and for
        each whose record cannot be read or whose tree is gone. One with an empty ``version`` is about a published
        link that leads to something else.

    Raises:
        NotFoundError: there is no mirror.
        LockedError: the wait took longer than ``timeout``.
        CancelledError: ``stop`` was requested.
    """
    mirror.require()
    lock = mirror.store.lock()
    with lock.holding(shared=True, timeout=timeout, waiting=progress.message):
        lock.sign()  # names this run to those who wait for it
        lost, published, older = _look(mirror)
        sizes = {entry.sha256: entry.size for _, version in published for entry in version.manifest.files}
        sizes.update((entry.sha256, entry.size) for _, _, entries in older for entry in entries)
        with hashing(((mirror.store.below_objects(sha256), size) for sha256, size in sizes.items()), workers) as hashes:
            states = [_tree_state(topic, version) for topic, version in published]  # while objects are hashed
            digests = _collect(hashes, sizes, progress, stop)
        checks = [_check(topic, version, digests, state) for (topic, version), state in zip(published, states)]
    with suppress(SettingsError):  # where this user may only read, marks stay
        mirror.store.damage.remove(sha256 for sha256, digest in digests.items() if digest == sha256)
    known = [check for each in older if (check := _check_older(*each, digests))]
    results = [_recorded(topic, version, check) for (topic, version), check in zip(published, checks)]
    return tuple(sorted((*lost, *results, *known), key=lambda check: (check.topic, check.type)))


def _look(mirror: Mirror) -> tuple[list[VersionCheck], list[_Published], list[_Older]]:
    """The results for what cannot be verified, the published versions, and older ones with marked contents."""
    lost, published, older = [], [], []
    marked = mirror.store.damage.read()
    for topic in mirror.topics():
        for component_type in topic.types():
            folder = topic.published_folder(component_type)
            heads, unreadable = topic.look(component_type)
            name = topic.name_of(heads[0]) if heads else topic.name
            loaded = [topic.load(head) for head in heads]
            unreadable += tuple(record for record in loaded if isinstance(record, Unreadable))
            lost += [_unreadable_check(name, component_type, record) for record in unreadable]
            if damage := _damaged_link(topic, component_type, bool(heads or unreadable)):
                code = IntegrityError.exit_code
                lost.append(VersionCheck(name, component_type, folder, 0, 0, (damage,), exit_code=code))
            for version in loaded:
                if isinstance(version, Unreadable):
                    continue
                entries = tuple(entry for entry in version.manifest.files if entry.sha256 in marked) if marked else ()
                if version.folder == folder:
                    published.append((topic, version))
                elif entries:
                    older.append((topic, version, entries))
    return lost, published, older


def _damaged_link(topic: TopicMirror, component_type: str, has_versions: bool) -> Optional[Damage]:
    """What is wrong with the link that agents read through; a link where there are no versions may be anybody's."""
    folder = topic.published_folder(component_type)
    if folder and not os.path.lexists(topic.versions_folder(component_type) / native(folder)):
        return Damage("", "the version that the link points at", "nothing")
    target = wrong_target(topic, component_type) if has_versions else ""
    return Damage("", "a link to one of its versions", f"a link to {target}") if target else None


def _unreadable_check(topic: str, component_type: str, record: Unreadable) -> VersionCheck:
    damage = Damage("", "a record", f"that it {record.reason}")
    return VersionCheck(
        topic, component_type, record.folder, 0, 0, (damage,), exit_code=record.exit_code, record_lost=True
    )


def _tree_state(topic: TopicMirror, version: Version) -> TreeState:
    """How a tree differs from its manifest, as far as can be seen without reading content; extras are damages, too."""
    state = topic.inspect(version)
    return state._replace(damages=(*state.damages, *extras(topic.tree(version), version.manifest)))


def _collect(
    hashes: Iterator[tuple[str, str]], sizes: Mapping[str, int], progress: Progress, stop: Stop
) -> dict[str, str]:
    """The actual digest of each object, by the digest it should have; empty where it cannot be read."""
    digests = {}
    progress.begin("verify", len(sizes), sum(sizes.values()))
    try:
        for path, digest in hashes:
            if stop.requested():
                raise CancelledError("interrupted")
            sha256 = path[-64:]  # an object is named by the digest it should have
            digests[sha256] = digest
            progress.advance(1, sizes[sha256])
    finally:
        progress.end()
    return digests


def _check(topic: TopicMirror, version: Version, digests: Mapping[str, str], state: TreeState) -> VersionCheck:
    """Put together what is wrong with a version; each path is named once, with its content first."""
    files = version.manifest.files
    damages = _damaged_contents(topic, files, digests)
    damaged_objects = _damaged_objects(damages)
    paths = {damage.path for damage in damages}
    damages += [damage for damage in state.damages if damage.path not in paths]
    own = version.copies.union(state.unlinked)  # files whose bytes are not those of their objects
    damages += _damaged_copies(topic, version, own - {damage.path for damage in damages})
    return VersionCheck(
        topic=topic.name_of(version),
        type=version.component.type,
        version=version.folder,
        files=len(files),
        size=version.manifest.size,
        damages=tuple(sorted(damages)),
        damaged_objects=damaged_objects,
        unlinked=len(state.unlinked),
        modes=len(state.modes),
        exit_code=_exit_code(damages),
    )


def _check_older(
    topic: TopicMirror, version: Version, entries: Iterable[FileEntry], digests: Mapping[str, str]
) -> Optional[VersionCheck]:
    """The same for those files of an older version that were marked; None where they are right by now."""
    damages = tuple(_damaged_contents(topic, entries, digests))
    if not damages:
        return None
    return VersionCheck(
        topic=topic.name_of(version),
        type=version.component.type,
        version=version.folder,
        files=len(version.manifest.files),
        size=version.manifest.size,
        damages=damages,
        damaged_objects=_damaged_objects(damages),
        exit_code=_exit_code(damages),
    )


def _damaged_contents(topic: TopicMirror, entries: Iterable[FileEntry], digests: Mapping[str, str]) -> list[Damage]:
    """The files whose objects do not have the content that they should have."""
    wrong = [entry for entry in entries if digests[entry.sha256] != entry.sha256]
    return [_wrong_content(entry, digests[entry.sha256], topic.store.object_path(entry.sha256)) for entry in wrong]


def _damaged_objects(damages: Iterable[Damage]) -> frozenset[str]:
    """The digests that these files should have, but for those that this user only may not read."""
    return frozenset(damage.expected[-64:] for damage in damages if damage.found != _FORBIDDEN)


def _exit_code(damages: Iterable[Damage]) -> int:
    codes = [SettingsError if damage.found == _FORBIDDEN else IntegrityError for damage in damages]
    return max((code.exit_code for code in codes), default=0)


def _damaged_copies(topic: TopicMirror, version: Version, paths: frozenset[str]) -> Iterator[Damage]:
    """Hash files of a tree that are copies of their objects."""
    root = topic.tree(version)
    entries = {f"{root}{BELOW}{native(entry.path)}": entry for entry in version.manifest.files if entry.path in paths}
    with hashing((path, entry.size) for path, entry in entries.items()) as hashes:
        for path, digest in hashes:
            if digest != entries[path].sha256:
                yield _wrong_content(entries[path], digest, path)


def _wrong_content(entry: FileEntry, digest: str, path: str) -> Damage:
    found = f"sha256 {digest}" if digest else "nothing that can be read"
    return Damage(entry.path, f"sha256 {entry.sha256}", _FORBIDDEN if not digest and forbidden(path) else found)


def _recorded(topic: TopicMirror, version: Version, check: VersionCheck) -> VersionCheck:
    """Record a version as verified, or remember its damage; gives the result, with what stood in the way of that."""
    store = topic.store
    try:
        if not check.damages:
            store.damage.remove([version.identity])
            return replace(check, obstacle=_record_as_verified(topic, version))
        judge(store.damage, {sha256: store.object_path(sha256) for sha256 in check.damaged_objects})
        if check.exit_code == IntegrityError.exit_code:
            store.damage.add([version.identity])
    except (LockedError, DiskFullError, SettingsError) as error:
        return replace(check, obstacle=str(error))
    return check


def _record_as_verified(topic: TopicMirror, version: Version) -> str:
    """Write the time into the head. Returns why that was not done, else an empty string."""
    with topic.lock(0):  # without waiting: a sync may take hours
        head = load_head(topic.tree(version))
        is_published = topic.published_folder(version.component.type) == version.folder
        if isinstance(head, Unreadable) or not is_published or _publication(head) != _publication(version):
            return "another one was published meanwhile"
        write_head(topic.tree(version), replace(head, last_verified=topic.clock()))
    return ""


def _publication(version: Union[Version, Head]) -> tuple[str, int, datetime]:
    """What another publication of a version changes."""
    return version.identity, version.number, version.published_at
