"""Adopt: take over a plain folder that the previous downloader, or rsync, left where the published link belongs.

Files whose size and digest fit are linked into the store and need not be fetched. A file is linked, and made
read-only, only when it is the folder's own: what is reached through a symbolic link or has other names elsewhere is
copied, so that nothing outside changes. The folder itself stays as it is until a publication takes its place.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from dci_downloader.errors import CancelledError
from dci_downloader.hooks import NeverStop, NullProgress, Progress, Stop
from dci_downloader.mirror import tree
from dci_downloader.mirror.digests import digests
from dci_downloader.mirror.files import disk_errors, remove_file
from dci_downloader.mirror.hashing import hashing
from dci_downloader.mirror.store import Store
from dci_downloader.models import FileEntry, Manifest


class Adopted(NamedTuple):
    """What was taken over.

    Attributes:
        files: distinct contents, with ``size`` bytes.
    """

    files: int
    size: int


def adoptable(folder: Path, wanted: Manifest, store: Store) -> tuple[FileEntry, ...]:
    """What :func:`adopt` may take over, judged by size alone, each content once. No side effect.

    Args:
        folder: where the published link belongs (``TopicMirror.link``).
        wanted: what is wanted there.
        store: the mirror's; what it holds is not counted.
    """
    return tuple(entry for _, entry in _candidates(folder, wanted, store))


def unlisted_files(folder: Path, wanted: Manifest) -> Adopted:
    """What stands in a plain folder and is no part of what is wanted there, by path: it goes with the folder.

    Args:
        folder: where the published link belongs; when it is no plain folder, there is nothing.
        wanted: what is wanted there.
    """
    if folder.is_symlink() or not folder.is_dir():
        return Adopted(0, 0)
    known = {entry.path for entry in wanted.files}
    sizes = []
    with disk_errors(folder):
        for place, _, names in os.walk(folder):
            for name in names:
                path = Path(place, name)
                if path.relative_to(folder).as_posix() not in known:
                    sizes.append(path.lstat().st_size)
    return Adopted(len(sizes), sum(sizes))


def adopt(
    folder: Path,
    wanted: Manifest,
    store: Store,
    *,
    workers: int = 0,
    progress: Progress = NullProgress(),  # noqa: B008  has no state
    stop: Stop = NeverStop(),  # noqa: B008  has no state
) -> Adopted:
    """Bring what fits in a plain folder into the store. To be called under the topic's lock; safe to repeat.

    Args:
        folder: where the published link belongs; when it is no plain folder, nothing is done.
        wanted: what is wanted there.
        store: the mirror's, prepared.
        workers: how many processes hash side by side; 0 for one on each core.
        progress: told about files and bytes.
        stop: asked after every few files.

    Raises:
        CancelledError: stop was requested; what was adopted so far stays.
        DiskFullError: no room for a copy.
    """
    expected = dict(_candidates(folder, wanted, store))
    files = size = 0
    if expected:
        progress.begin("adopt", len(expected), sum(entry.size for entry in expected.values()))
        try:
            with hashing(((path, entry.size) for path, entry in expected.items()), workers) as found:
                for path, digest in found:
                    if stop.requested():
                        raise CancelledError("interrupted")
                    entry = expected[path]
                    if digest == entry.sha256 and _take(path, entry, folder, store):
                        files, size = files + 1, size + entry.size
                    progress.advance(1, entry.size)
        finally:
            progress.end()
    return Adopted(files, size)


def _candidates(folder: Path, wanted: Manifest, store: Store) -> Iterator[tuple[str, FileEntry]]:
    """Real paths that may hold a content that the store lacks, each content and each path once."""
    if folder.is_symlink() or not folder.is_dir():
        return
    seen: set[object] = set()
    for entry in wanted.files:
        if entry.sha256 in seen or store.holds(entry):
            continue
        path = os.path.realpath(folder / entry.path)
        try:
            found = os.lstat(path)
        except OSError:
            continue
        if stat.S_ISREG(found.st_mode) and found.st_size == entry.size and path not in seen:
            seen |= {entry.sha256, path}
            yield path, entry


def _take(path: str, entry: FileEntry, folder: Path, store: Store) -> bool:
    """Link or copy a file into the store; false where its content changed under our hands."""
    own = path == os.path.join(os.path.realpath(folder), entry.path) and os.lstat(path).st_nlink == 1
    temporary = store.temporary()
    with disk_errors(path):
        try:
            if not (own and _link(path, temporary)):
                tree.copy_file(path, temporary)
                if digests([temporary]) != [entry.sha256]:
                    return False
            store.commit(temporary, entry.sha256)
        finally:
            remove_file(temporary)
    return True


def _link(path: str, temporary: str) -> bool:
    """Link a file and make it read-only; false where the system does not let us."""
    try:
        os.link(path, temporary, follow_symlinks=False)
        os.chmod(temporary, 0o444)
    except OSError:
        remove_file(temporary)
        return False
    return True
