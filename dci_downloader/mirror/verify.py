"""Verify: hash every published file again, offline, and compare the trees with their manifests.

Each object is hashed once, however many versions link to it. What is wrong is remembered until it is mended (see
:mod:`~dci_downloader.mirror.damage`); :mod:`~dci_downloader.mirror.restore` mends it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Optional

from dci_downloader.errors import DiskFullError, DownloaderError, IntegrityError, LockedError, SettingsError
from dci_downloader.hooks import NeverStop, NullProgress, Progress, Stop
from dci_downloader.mirror.comparison import FORBIDDEN, Damage, TreeState
from dci_downloader.mirror.content_check import ContentCheck, Hashed, damaged_objects, tree_state
from dci_downloader.mirror.damage import judge
from dci_downloader.mirror.hashing import Hasher
from dci_downloader.mirror.head import Head, write_head
from dci_downloader.mirror.locks import BRIEF
from dci_downloader.mirror.mirror import Mirror
from dci_downloader.mirror.published_link import link_damage
from dci_downloader.mirror.record import Unreadable, load_head
from dci_downloader.mirror.topic import TopicMirror
from dci_downloader.mirror.version import Version
from dci_downloader.short_repr import short_repr

_Known = tuple[TopicMirror, Head, bool]
"""A version, and whether it is published."""
_NOT_LOOKED_AT = TreeState((), (), ())


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
        respelled: how many symbolic links lead where they should by another spelling, which the next sync mends, too.
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
    respelled: int = 0
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
        mirror: the mirror to verify.
        workers: how many processes hash side by side; 0 for one on each core.
        timeout: seconds to wait for a run that prunes; None waits for ever, 0 not at all.
        progress: gets files and bytes, and a message before a wait.
        stop: asked after every few files.

    Returns:
        One result for each published version, for each older one that is known to be damaged and still is, and for
        each whose record cannot be read or whose tree is gone. One with an empty ``version`` is about a published
        link that leads to something else, or in whose place something else stands, or about a topic or type that
        cannot be looked into.

    Raises:
        NotFoundError: there is no mirror.
        LockedError: the wait took longer than ``timeout``.
        CancelledError: ``stop`` was requested.
    """
    mirror.require()
    lock = mirror.store.lock()
    with lock.holding(shared=True, timeout=timeout, waiting=progress.message, patience=BRIEF):
        lock.sign()  # names this run to those who wait for it
        marked = mirror.store.damage.read()
        lost, heads = _look(mirror)
        published = [head for _, head, is_published in heads if is_published]
        progress.begin("hashing", sum(head.files for head in published), sum(head.size for head in published))
        try:
            with Hasher(workers) as hasher:
                contents = ContentCheck(hasher, marked, progress, stop)
                checks = list(_checks(contents, marked, heads))
        finally:
            progress.end()
    with suppress(SettingsError):  # where this user may only read, marks stay
        mirror.store.damage.remove(contents.mended)
    results = [_recorded(*known, check) for known, check in checks]
    return tuple(sorted((*lost, *results), key=lambda check: (check.topic, check.type)))


def _look(mirror: Mirror) -> tuple[list[VersionCheck], list[_Known]]:
    """The results for what cannot be verified, and the versions that can, without their files."""
    topics, closed = mirror.readable_topics()
    lost, heads = [_closed_check(name, "", error) for name, error in closed], []
    for topic in topics:
        for component_type in topic.types():
            try:
                checks, known = _look_at_type(topic, component_type)
            except SettingsError as error:
                checks, known = [_closed_check(topic.name, component_type, error)], []
            lost += checks
            heads += known
    return lost, heads


def _look_at_type(topic: TopicMirror, component_type: str) -> tuple[list[VersionCheck], list[_Known]]:
    folder = topic.published_folder(component_type)
    versions, unreadable = topic.read_heads(component_type)
    name = topic.name_of(versions[0]) if versions else topic.name
    checks = [_unreadable_check(name, component_type, record) for record in unreadable]
    if damage := link_damage(topic, component_type):
        code = IntegrityError.exit_code
        checks.append(VersionCheck(name, component_type, folder, 0, 0, (damage,), exit_code=code))
    return checks, [(topic, head, head.folder == folder) for head in versions]


def _closed_check(topic: str, component_type: str, error: DownloaderError) -> VersionCheck:
    """The result for a topic or type that cannot be looked into."""
    damage = Damage("", "a folder that this user may read", f"{error}: {error.hint}")
    return VersionCheck(topic, component_type, "", 0, 0, (damage,), exit_code=SettingsError.exit_code)


def _checks(
    contents: ContentCheck, marked: frozenset[str], heads: Iterable[_Known]
) -> Iterator[tuple[_Known, VersionCheck]]:
    """The result for each published version, and for those older ones that have marked contents or no record."""
    waiting: deque[tuple[_Known, Version, Hashed]] = deque()
    for known in heads:
        topic, head, is_published = known
        version = topic.load(head)
        if isinstance(version, Unreadable):
            yield (topic, head, False), _unreadable_check(topic.name_of(head), head.component.type, version)
            continue
        entries = version.manifest.files
        if not is_published:
            entries = tuple(entry for entry in entries if entry.sha256 in marked) if marked else ()
        if entries or is_published:
            waiting.append((known, version, contents.start(topic, entries)))
        if len(waiting) > 1:
            yield from _finished(contents, *waiting.popleft())
    for each in waiting:
        yield from _finished(contents, *each)


def _finished(
    contents: ContentCheck, known: _Known, version: Version, hashed: Hashed
) -> Iterator[tuple[_Known, VersionCheck]]:
    """The result for a version whose objects are being hashed; none for an older one that has been mended."""
    topic, _, is_published = known
    state = tree_state(topic, version) if is_published else _NOT_LOOKED_AT  # while objects are hashed
    damages = contents.damages(hashed)
    if is_published or damages:
        own = version.copies.union(state.unlinked) if is_published else frozenset()
        yield known, _check(contents, topic, version, damages, state, own)


def _unreadable_check(topic: str, component_type: str, record: Unreadable) -> VersionCheck:
    damage = Damage("", "a record", f"that it {record.reason}")
    return VersionCheck(
        topic, component_type, record.folder, 0, 0, (damage,), exit_code=record.exit_code, record_lost=True
    )


def _check(
    contents: ContentCheck,
    topic: TopicMirror,
    version: Version,
    damages: list[Damage],
    state: TreeState,
    own: frozenset[str],
) -> VersionCheck:
    """Put together what is wrong with a version; each path is named once, with its content first.

    ``own`` are the paths of files whose bytes are not those of their objects.
    """
    wrong_objects = damaged_objects(damages)
    paths = {damage.path for damage in damages}
    damages += [damage for damage in state.damages if damage.path not in paths]
    damages += contents.damaged_copies(topic, version, own - {damage.path for damage in damages})
    return VersionCheck(
        topic=topic.name_of(version),
        type=version.component.type,
        version=version.folder,
        files=len(version.manifest.files),
        size=version.manifest.size,
        damages=tuple(sorted(damages)),
        damaged_objects=wrong_objects,
        unlinked=len(state.unlinked),
        modes=len(state.modes),
        respelled=len(state.respelled),
        exit_code=_exit_code(damages),
    )


def _exit_code(damages: Iterable[Damage]) -> int:
    codes = [SettingsError if damage.found == FORBIDDEN else IntegrityError for damage in damages]
    return max((code.exit_code for code in codes), default=0)


def _recorded(topic: TopicMirror, version: Head, is_published: bool, check: VersionCheck) -> VersionCheck:
    """Record a version as verified, or remember its damage; gives the result, with what stood in the way of that."""
    store = topic.store
    if not is_published:
        return check
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


def _record_as_verified(topic: TopicMirror, version: Head) -> str:
    """Write the time into the head. Returns why that was not done, else an empty string."""
    with topic.lock(0):  # without waiting: a sync may take hours
        head = load_head(topic.tree(version))
        is_published = topic.published_folder(version.component.type) == version.folder
        if isinstance(head, Unreadable) or not is_published or _publication(head) != _publication(version):
            return "another one was published meanwhile"
        write_head(topic.tree(version), replace(head, last_verified=topic.clock()))
    return ""


def _publication(version: Head) -> tuple[str, int, datetime]:
    """The fields of a version that publishing it again changes."""
    return version.identity, version.number, version.published_at
