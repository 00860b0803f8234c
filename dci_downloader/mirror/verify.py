"""Verify: hash everything that is published again, offline, and say what is not as its manifest wants it; and repair.

Each object is hashed once, however many versions hold it. Repair never writes into a file: a damaged object is
unlinked, its content fetched again under the same name, and the trees that need it are built anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Optional

from dci_downloader.errors import CancelledError, DiskFullError, LockedError, SettingsError
from dci_downloader.hooks import NeverStop, NullProgress, Progress, Stop
from dci_downloader.mirror import tree
from dci_downloader.mirror.hashing import hashing
from dci_downloader.mirror.mirror import Mirror
from dci_downloader.mirror.topic import TopicMirror
from dci_downloader.mirror.tree import Damage
from dci_downloader.mirror.version import Version
from dci_downloader.models import FileEntry

FetchEntries = Callable[[Version, Sequence[FileEntry]], None]


@dataclass(frozen=True)
class Checked:
    """What was found out about one published version.

    Attributes:
        damages: what is wrong; nothing when every byte is right.
        objects: the digests whose object is damaged or missing.
        obstacle: why a version that is whole could not be recorded as verified; empty for those that were.
    """

    topic: TopicMirror = field(repr=False)
    version: Version = field(repr=False)
    damages: tuple[Damage, ...]
    objects: frozenset[str] = frozenset()
    obstacle: str = ""


def verify(
    mirror: Mirror,
    *,
    workers: int = 0,
    timeout: Optional[float] = None,
    progress: Progress = NullProgress(),  # noqa: B008  has no state
    stop: Stop = NeverStop(),  # noqa: B008  has no state
) -> tuple[Checked, ...]:
    """Hash the objects of every published version, and compare the trees with their manifests. Safe to repeat.

    Versions that are whole are recorded as verified; where this user may not write, they are not. No lock but the
    store's, shared, is held while hashing: topics can be synchronised meanwhile, and what is being synchronised at the
    end is not waited for, but not recorded.

    Args:
        mirror: which.
        workers: how many processes hash side by side; 0 for one on each core.
        timeout: seconds to wait for a run that prunes; None for ever, 0 not at all.
        progress: told about files and bytes, and whom it waits for.
        stop: asked after every few files.

    Raises:
        NotFoundError: there is no mirror.
        LockedError: the wait took longer than ``timeout``.
        CancelledError: stop was requested.
    """
    mirror.demand()
    lock = mirror.store.lock()
    with lock.holding(shared=True, timeout=timeout, waiting=progress.message):
        lock.sign()
        published = tuple(_published(mirror))
        sizes = {entry.sha256: entry.size for _, version in published for entry in version.manifest.files}
        with hashing(((mirror.store.object_path(sha256), size) for sha256, size in sizes.items()), workers) as hashes:
            looks = [_look(topic, version) for topic, version in published]
            found = _collect(hashes, sizes, progress, stop)
        checked = tuple(_judge(topic, version, found, look) for (topic, version), look in zip(published, looks))
    return tuple(one if one.damages else replace(one, obstacle=_record(one)) for one in checked)


def _record(one: Checked) -> str:
    """Record a version as verified, or say why not."""
    try:
        with one.topic.lock(0):
            if one.topic.published(one.version.component.type) != one.version:
                return "another one was published meanwhile"
            one.topic.verified(one.version)
    except (LockedError, DiskFullError, SettingsError) as error:
        return str(error)
    return ""


def _published(mirror: Mirror) -> Iterator[tuple[TopicMirror, Version]]:
    for topic in mirror.topics():
        for component_type in topic.types():
            version = topic.published(component_type)
            if version is not None:
                yield topic, version


def _look(topic: TopicMirror, version: Version) -> list[Damage]:
    """What is wrong with a tree as far as can be seen without reading content."""
    return [*topic.differences(version, modes=True), *tree.extras(topic.tree(version), version.manifest)]


def _collect(
    hashes: Iterator[tuple[str, str]], sizes: Mapping[str, int], progress: Progress, stop: Stop
) -> dict[str, str]:
    """The digest of each object, by the digest it should have; empty where it cannot be read."""
    found = {}
    progress.begin("verify", len(sizes), sum(sizes.values()))
    try:
        for path, digest in hashes:
            if stop.requested():
                raise CancelledError("interrupted")
            sha256 = path[-64:]
            found[sha256] = digest
            progress.advance(1, sizes[sha256])
    finally:
        progress.end()
    return found


def _judge(topic: TopicMirror, version: Version, found: Mapping[str, str], look: Sequence[Damage]) -> Checked:
    wrong = frozenset(entry.sha256 for entry in version.manifest.files if found[entry.sha256] != entry.sha256)
    damages = [
        Damage(entry.path, f"sha256 {entry.sha256}", _words(found[entry.sha256]))
        for entry in version.manifest.files
        if entry.sha256 in wrong
    ]
    seen = {damage.path for damage in damages}
    damages += [damage for damage in look if damage.path not in seen]
    damages += _copies(topic.tree(version), version, {damage.path for damage in damages})
    return Checked(topic, version, tuple(sorted(damages)), wrong)


def _copies(place: Path, version: Version, seen: set[str]) -> Iterator[Damage]:
    """Hash what is not the object itself but a copy of it."""
    copies = version.copies - seen
    expected = {f"{place}/{entry.path}": entry for entry in version.manifest.files if entry.path in copies}
    with hashing((path, entry.size) for path, entry in expected.items()) as found:
        for path, digest in found:
            if digest != expected[path].sha256:
                yield Damage(expected[path].path, f"sha256 {expected[path].sha256}", _words(digest))


def _words(digest: str) -> str:
    return f"sha256 {digest}" if digest else "nothing that can be read"


def repair(
    mirror: Mirror,
    checked: Iterable[Checked],
    fetch: FetchEntries,
    *,
    timeout: Optional[float] = None,
    waiting: Callable[[str], None] = lambda _: None,
) -> None:
    """Make damaged versions whole: fetch only what is damaged, and build their trees anew. Safe to repeat.

    Until a tree is built anew, what is published stays as it is. Should a fetch fail, the next sync or repair goes on.

    Args:
        mirror: which.
        checked: what :func:`verify` found; whole versions are left alone.
        fetch: brings these entries of a version into the store, or raises; called under the topic's lock.
        timeout: seconds to wait for another run; None for ever, 0 not at all.
        waiting: told in words whom for, when there is a wait.

    Raises:
        LockedError: another run holds a topic for longer than ``timeout``.
        IntegrityError: ``fetch`` did not bring everything.
    """
    damaged = [one for one in checked if one.damages]
    for sha256 in {sha256 for one in damaged for sha256 in one.objects}:
        mirror.store.remove(sha256)
    for one in damaged:
        with one.topic.lock(timeout, waiting):
            damaged_paths = {damage.path for damage in one.damages}
            for entry in one.version.manifest.files:
                if entry.path in damaged_paths:
                    mirror.store.make_read_only(entry.sha256)
            missing = mirror.plan(one.version.component, one.version.manifest).missing
            if missing:
                fetch(one.version, missing)
            one.topic.rebuild(one.version)
