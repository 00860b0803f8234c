"""Verify: hash everything that is published again, offline, and say what is not as its manifest wants it; and repair.

Each object is hashed once, however many versions hold it. Repair never writes into a file: a damaged object is
unlinked, its content fetched again under the same name, and the trees that need it are built anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dci_downloader.errors import CancelledError, NotFoundError
from dci_downloader.mirror import tree
from dci_downloader.mirror.hashing import hashing
from dci_downloader.mirror.mirror import Mirror
from dci_downloader.mirror.topic import TopicMirror
from dci_downloader.mirror.tree import Damage
from dci_downloader.mirror.version import Version
from dci_downloader.models import FileEntry, Never, Progress, Silence, Stop

Fetch = Callable[[Version, Sequence[FileEntry]], None]


@dataclass(frozen=True)
class Checked:
    """What was found out about one published version.

    Attributes:
        damages: what is wrong; nothing when every byte is right.
        objects: the digests whose object is damaged or missing.
    """

    topic: TopicMirror = field(repr=False)
    version: Version = field(repr=False)
    damages: tuple[Damage, ...]
    objects: frozenset[str] = frozenset()


def verify(
    mirror: Mirror,
    *,
    workers: int = 0,
    progress: Progress = Silence(),  # noqa: B008  has no state
    stop: Stop = Never(),  # noqa: B008  has no state
) -> tuple[Checked, ...]:
    """Hash the objects of every published version, and compare the trees with their manifests. Safe to repeat.

    Versions that are whole are recorded as verified. No lock but the store's, shared, is held while hashing: topics
    can be synchronised meanwhile.

    Args:
        mirror: which.
        workers: how many processes hash side by side; 0 for one on each core.
        progress: told about files and bytes.
        stop: asked after every few files.

    Raises:
        NotFoundError: there is no mirror.
        CancelledError: stop was requested.
    """
    if not mirror.store.root.is_dir():
        raise NotFoundError(f"{mirror.root}: there is no mirror here", hint="name the folder that was synchronised")
    mirror.prepare()
    with mirror.store.lock().holding(shared=True):
        published = tuple(_published(mirror))
        sizes = {entry.sha256: entry.size for _, version in published for entry in version.manifest.files}
        with hashing(((mirror.store.object_path(sha256), size) for sha256, size in sizes.items()), workers) as hashes:
            looks = [_look(topic, version) for topic, version in published]
            found = _collect(hashes, sizes, progress, stop)
        checked = tuple(_judge(topic, version, found, look) for (topic, version), look in zip(published, looks))
    for one in checked:
        if not one.damages:
            with one.topic.lock():
                if one.topic.published(one.version.component.type) == one.version:
                    one.topic.verified(one.version)
    return checked


def _published(mirror: Mirror) -> Iterator[tuple[TopicMirror, Version]]:
    for topic in mirror.topics():
        for component_type in topic.types():
            version = topic.published(component_type)
            if version is not None:
                yield topic, version


def _look(topic: TopicMirror, version: Version) -> list[Damage]:
    """What is wrong with a tree as far as can be seen without reading content."""
    return [*topic.differences(version), *tree.extras(topic.tree(version), version.manifest)]


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


def repair(mirror: Mirror, checked: Iterable[Checked], fetch: Fetch) -> None:
    """Make damaged versions whole: fetch only what is damaged, and build their trees anew. Safe to repeat.

    Until a tree is built anew, what is published stays as it is. Should a fetch fail, the next sync or repair goes on.

    Args:
        mirror: which.
        checked: what :func:`verify` found; whole versions are left alone.
        fetch: brings these entries of a version into the store, or raises; called under the topic's lock.

    Raises:
        IntegrityError: ``fetch`` did not bring everything.
    """
    damaged = [one for one in checked if one.damages]
    for sha256 in {sha256 for one in damaged for sha256 in one.objects}:
        mirror.store.remove(sha256)
    for one in damaged:
        with one.topic.lock():
            missing = mirror.plan(one.version.component, one.version.manifest).missing
            if missing:
                fetch(one.version, missing)
            one.topic.rebuild(one.version)
