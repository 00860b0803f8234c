"""Verify: hash every published file again, offline, and compare the trees with their manifests; and repair.

Each object is hashed once, however many versions link to it. Repair never writes into a file: a damaged object is
unlinked, its content fetched again under the same name, and the trees that need it are built anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Optional

from dci_downloader.errors import CancelledError, DiskFullError, LockedError, SettingsError
from dci_downloader.hooks import NeverStop, NullProgress, Progress, Stop
from dci_downloader.mirror.comparison import Damage, TreeState, extras
from dci_downloader.mirror.hashing import hashing
from dci_downloader.mirror.mirror import Mirror
from dci_downloader.mirror.native import native
from dci_downloader.mirror.publish import rebuild
from dci_downloader.mirror.record import write_record
from dci_downloader.mirror.topic import TopicMirror
from dci_downloader.mirror.version import Version
from dci_downloader.models import Component, FileEntry, Plan

FetchMissing = Callable[[Component, Plan], None]


@dataclass(frozen=True)
class VersionCheck:
    """The result of verifying one published version.

    Attributes:
        topic: the topic's own name.
        version: the folder of the version.
        files: how many files it holds, with ``size`` bytes.
        damages: what is wrong; empty when every byte is right.
        damaged_objects: digests of the objects that are missing or hold another content.
        unlinked: how many files are not links to their objects, as in a copy of a mirror: no damage.
        modes: how many files and folders have modes that the next sync puts right: no damage either.
        obstacle: why a version without damage could not be recorded as verified; empty where it was.
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
    synchronised at the end. Topics may be synchronised meanwhile: only the store's lock is held, shared.

    Args:
        mirror: which.
        workers: how many processes hash side by side; 0 for one on each core.
        timeout: seconds to wait for a run that prunes; None waits for ever, 0 not at all.
        progress: gets files and bytes, and a message before a wait.
        stop: asked after every few files.

    Returns:
        One result for each published version.

    Raises:
        NotFoundError: there is no mirror.
        LockedError: the wait took longer than ``timeout``.
        CancelledError: ``stop`` was requested.
    """
    mirror.require()
    lock = mirror.store.lock()
    with lock.holding(shared=True, timeout=timeout, waiting=progress.message):
        lock.sign()  # names this run to those who wait for it
        published = tuple(_published(mirror))
        sizes = {entry.sha256: entry.size for _, version in published for entry in version.manifest.files}
        with hashing(((mirror.store.object_path(sha256), size) for sha256, size in sizes.items()), workers) as hashes:
            states = [_tree_state(topic, version) for topic, version in published]  # while objects are hashed
            digests = _collect(hashes, sizes, progress, stop)
        checks = [_check(topic, version, digests, state) for (topic, version), state in zip(published, states)]
    return tuple(
        check if check.damages else replace(check, obstacle=_record(topic, version))
        for (topic, version), check in zip(published, checks)
    )


def _published(mirror: Mirror) -> Iterator[tuple[TopicMirror, Version]]:
    for topic in mirror.topics():
        for component_type in topic.types():
            version = topic.published(component_type)
            if version is not None:
                yield topic, version


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
    damaged_objects = frozenset(entry.sha256 for entry in files if digests[entry.sha256] != entry.sha256)
    damages = [_wrong_content(entry, digests[entry.sha256]) for entry in files if entry.sha256 in damaged_objects]
    paths = {damage.path for damage in damages}
    damages += [damage for damage in state.damages if damage.path not in paths]
    own = version.copies.union(state.unlinked)  # files whose bytes are not those of their objects
    damages += _damaged_copies(topic, version, own - {damage.path for damage in damages})
    return VersionCheck(
        topic=version.topic,
        type=version.component.type,
        version=version.folder,
        files=len(files),
        size=version.manifest.size,
        damages=tuple(sorted(damages)),
        damaged_objects=damaged_objects,
        unlinked=len(state.unlinked),
        modes=len(state.modes),
    )


def _damaged_copies(topic: TopicMirror, version: Version, paths: frozenset[str]) -> Iterator[Damage]:
    """Hash files of a tree that are copies of their objects."""
    root = topic.tree(version)
    entries = {f"{root}/{native(entry.path)}": entry for entry in version.manifest.files if entry.path in paths}
    with hashing((path, entry.size) for path, entry in entries.items()) as hashes:
        for path, digest in hashes:
            if digest != entries[path].sha256:
                yield _wrong_content(entries[path], digest)


def _wrong_content(entry: FileEntry, digest: str) -> Damage:
    return Damage(entry.path, f"sha256 {entry.sha256}", f"sha256 {digest}" if digest else "nothing that can be read")


def _record(topic: TopicMirror, version: Version) -> str:
    """Record a version as verified. Returns why it could not be recorded, else an empty string."""
    try:
        with topic.lock(0):  # without waiting: a sync may take hours
            if topic.published(version.component.type) != version:
                return "another one was published meanwhile"
            write_record(topic.tree(version), replace(version, last_verified=topic.clock()))
    except (LockedError, DiskFullError, SettingsError) as error:
        return str(error)
    return ""


def rebuild_damaged(
    mirror: Mirror,
    checks: Iterable[VersionCheck],
    fetch: FetchMissing,
    *,
    timeout: Optional[float] = None,
    waiting: Callable[[str], None] = lambda _: None,
) -> None:
    """Fetch what is damaged and nothing else, and build the damaged trees anew. Safe to repeat.

    A published tree stays as it is until the new one replaces it. After a failure the next repair, or the next sync,
    goes on.

    Args:
        mirror: which.
        checks: the result of :func:`verify`; versions without damage are left alone.
        fetch: brings what a plan misses of a component into the store, or raises; called under the topic's lock.
        timeout: seconds to wait for another run; None waits for ever, 0 not at all.
        waiting: called once for each wait, with a line for people that names the holder.

    Raises:
        LockedError: another run holds a topic for longer than ``timeout``.
        IntegrityError: ``fetch`` did not bring everything.
    """
    damaged = [check for check in checks if check.damages]
    for sha256 in {sha256 for check in damaged for sha256 in check.damaged_objects}:
        mirror.store.remove(sha256)  # unlinked, not emptied: the published tree keeps its file until it is rebuilt
    for check in damaged:
        topic = mirror.topic(check.topic)
        with topic.lock(timeout, waiting):
            for version in topic.versions(check.type):
                if version.folder == check.version:  # it may have been removed since it was checked
                    _rebuild(mirror, topic, version, {damage.path for damage in check.damages}, fetch)


def _rebuild(
    mirror: Mirror, topic: TopicMirror, version: Version, damaged_paths: set[str], fetch: FetchMissing
) -> None:
    for entry in version.manifest.files:
        if entry.path in damaged_paths:
            mirror.store.make_read_only(entry.sha256)
    plan = mirror.plan(version.component, version.manifest)
    if plan.missing:
        fetch(version.component, plan)
    rebuild(topic, version)
