"""Whether versions hold what their records say, one after the other: each object is hashed once, however many share it.

While one version is compared with its manifest, the next one's objects are being hashed already. What a mirror of many
topics takes in memory are two versions at a time, and the digests of what was hashed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from dci_downloader.errors import CancelledError
from dci_downloader.hooks import Progress, Stop
from dci_downloader.mirror.comparison import FORBIDDEN, Damage, TreeState, extras
from dci_downloader.mirror.damage import forbidden
from dci_downloader.mirror.digests import BELOW
from dci_downloader.mirror.hashing import Hasher
from dci_downloader.mirror.native import native
from dci_downloader.mirror.topic import TopicMirror
from dci_downloader.mirror.version import Version
from dci_downloader.models import FileEntry


class Hashed(NamedTuple):
    """Files of a version whose objects are being hashed.

    Attributes:
        sizes: by digest, of those that were not asked for before.
        hashes: gives path and digest of each.
    """

    topic: TopicMirror
    entries: tuple[FileEntry, ...]
    sizes: dict[str, int]
    hashes: Iterator[tuple[str, str]]


class ContentCheck:
    """Hashes the contents of one version after another.

    Args:
        hasher: does the work.
        marked: digests that are known to be damaged.
        progress: gets files and bytes.
        stop: asked after every few files.

    Attributes:
        mended: those of the marked digests whose objects are right now.
    """

    def __init__(self, hasher: Hasher, marked: frozenset[str], progress: Progress, stop: Stop) -> None:
        self._hasher = hasher
        self._marked = marked
        self._progress = progress
        self._stop = stop
        self._asked: set[bytes] = set()  # by half of each digest, which tells them apart as well
        self._wrong: dict[str, str] = {}
        self.mended: set[str] = set()

    def start(self, topic: TopicMirror, entries: Iterable[FileEntry]) -> Hashed:
        """Start to hash the objects of these entries that were not hashed before."""
        entries, store = tuple(entries), topic.store
        sizes: dict[str, int] = {}
        for _, sha256, size in entries:
            digest = bytes.fromhex(sha256[:32])
            if digest in self._asked:
                self._progress.advance(1, size)
            else:
                self._asked.add(digest)
                sizes[sha256] = size
        return Hashed(
            topic, entries, sizes, self._hasher.hash((store.below_objects(sha256), sizes[sha256]) for sha256 in sizes)
        )

    def damages(self, hashed: Hashed) -> list[Damage]:
        """Wait until all is hashed; gives the files whose objects do not have the content that they should have.

        Raises:
            CancelledError: ``stop`` was requested.
        """
        for path, digest in hashed.hashes:
            if self._stop.requested():
                raise CancelledError("interrupted")
            sha256 = path[-64:]  # an object is named by the digest it should have
            if digest != sha256:
                self._wrong[sha256] = digest
            elif sha256 in self._marked:
                self.mended.add(sha256)
            self._progress.advance(1, hashed.sizes[sha256])
        wrong = [entry for entry in hashed.entries if entry.sha256 in self._wrong] if self._wrong else []
        path_of = hashed.topic.store.object_path
        return [_wrong_content(entry, self._wrong[entry.sha256], path_of(entry.sha256)) for entry in wrong]

    def damaged_copies(self, topic: TopicMirror, version: Version, paths: frozenset[str]) -> Iterator[Damage]:
        """Hash files of a tree that are copies of their objects; gives those with another content."""
        root = topic.tree(version)
        entries = {
            f"{root}{BELOW}{native(entry.path)}": entry for entry in version.manifest.files if entry.path in paths
        }
        for path, digest in self._hasher.hash((path, entry.size) for path, entry in entries.items()):
            if digest != entries[path].sha256:
                yield _wrong_content(entries[path], digest, path)


def tree_state(topic: TopicMirror, version: Version) -> TreeState:
    """How a tree differs from its manifest, as far as can be seen without reading content; extras are damages, too."""
    state = topic.inspect(version)
    return state._replace(damages=(*state.damages, *extras(topic.tree(version), version.manifest)))


def damaged_objects(damages: Iterable[Damage]) -> frozenset[str]:
    """The digests that these files should have, but for those that this user only may not read."""
    return frozenset(damage.expected[-64:] for damage in damages if damage.found != FORBIDDEN)


def _wrong_content(entry: FileEntry, digest: str, path: str) -> Damage:
    found = f"sha256 {digest}" if digest else "nothing that can be read"
    return Damage(entry.path, f"sha256 {entry.sha256}", FORBIDDEN if not digest and forbidden(path) else found)
