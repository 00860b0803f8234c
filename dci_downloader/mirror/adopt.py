"""Adopt: use the files of a plain folder that the previous downloader, or rsync, left in the published link's place.

Files with the right size and digest are linked into the store and need not be fetched. A file is linked, and made
read-only, only when it is the folder's own: one that is reached through a symbolic link, or has other names elsewhere,
is copied, so that nothing outside changes. The folder itself stays as it is until a publication replaces it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from dci_downloader import formatting
from dci_downloader.errors import CancelledError
from dci_downloader.hooks import NeverStop, NullProgress, Progress, Stop
from dci_downloader.mirror import tree
from dci_downloader.mirror.digests import digests
from dci_downloader.mirror.disk_errors import disk_errors
from dci_downloader.mirror.files import remove_file
from dci_downloader.mirror.hashing import hashing
from dci_downloader.mirror.store import Store
from dci_downloader.models import FileEntry, Manifest


class FileTotals(NamedTuple):
    """A number of files, and their bytes."""

    files: int
    size: int


def adoptable(folder: Path, wanted: Manifest, store: Store) -> tuple[FileEntry, ...]:
    """The entries whose content :func:`adopt` may find, by size alone, each content once. No side effect.

    Args:
        folder: in the published link's place (``TopicMirror.link``).
        wanted: the manifest after selection.
        store: the mirror's; what it holds already is left out.
    """
    return tuple(entry for _, entry in _candidates(folder, wanted, store))


def adoptable_note(entries: Sequence[FileEntry]) -> tuple[str, ...]:
    """For people, what :func:`adopt` may find; nothing where that is nothing."""
    if not entries:
        return ()
    amount = f"{formatting.count(len(entries), 'file')}, {formatting.size(sum(entry.size for entry in entries))}"
    return (f"of these, up to {amount} may be taken over from the folder that is there, once checked",)


def unlisted_note(folder: Path, wanted: Manifest) -> tuple[str, ...]:
    """For people, what a publication in a plain folder's place will lose; nothing where that is nothing."""
    unlisted = unlisted_files(folder, wanted)
    if not unlisted.files:
        return ()
    amount = f"{formatting.count(unlisted.files, 'file')}, {formatting.size(unlisted.size)}"
    return (f"{amount} in the folder {folder} are no part of this build: the run after its publication removes them",)


def unlisted_files(folder: Path, wanted: Manifest) -> FileTotals:
    """The files of a plain folder whose paths are not in the manifest: they are removed with the folder.

    Args:
        folder: in the published link's place; none where it is no plain folder.
        wanted: the manifest after selection.
    """
    if folder.is_symlink() or not folder.is_dir():
        return FileTotals(0, 0)
    listed = {entry.path for entry in wanted.files}
    sizes = []
    with disk_errors(folder):
        for parent, _, names in os.walk(folder):
            for name in names:
                path = Path(parent, name)
                if path.relative_to(folder).as_posix() not in listed:
                    sizes.append(path.lstat().st_size)
    return FileTotals(len(sizes), sum(sizes))


def adopt(
    folder: Path,
    wanted: Manifest,
    store: Store,
    *,
    workers: int = 0,
    progress: Progress = NullProgress(),  # noqa: B008  has no state
    stop: Stop = NeverStop(),  # noqa: B008  has no state
) -> FileTotals:
    """Bring the files of a plain folder that have the right content into the store. Safe to repeat.

    To be called under the topic's lock.

    Args:
        folder: in the published link's place; where it is no plain folder, nothing is done.
        wanted: the manifest after selection.
        store: the mirror's, prepared.
        workers: how many processes hash side by side; 0 for one on each core.
        progress: gets files and bytes.
        stop: asked after every few files.

    Returns:
        The contents that were adopted.

    Raises:
        CancelledError: ``stop`` was requested; what was adopted so far stays.
        DiskFullError: no room for a copy.
    """
    entries = dict(_candidates(folder, wanted, store))
    files = size = 0
    if entries:
        progress.begin("adopt", len(entries), sum(entry.size for entry in entries.values()))
        try:
            with hashing(((path, entry.size) for path, entry in entries.items()), workers) as hashes:
                for path, digest in hashes:
                    if stop.requested():
                        raise CancelledError("interrupted")
                    entry = entries[path]
                    if digest == entry.sha256 and _adopt_file(path, entry, folder, store):
                        files, size = files + 1, size + entry.size
                    progress.advance(1, entry.size)
        finally:
            progress.end()
    return FileTotals(files, size)


def _candidates(folder: Path, wanted: Manifest, store: Store) -> Iterator[tuple[str, FileEntry]]:
    """Files that may have a content that the store lacks: real paths and entries, each path and each content once."""
    if folder.is_symlink() or not folder.is_dir():
        return
    seen: set[str] = set()
    for entry in wanted.files:
        if entry.sha256 in seen or store.holds(entry):
            continue
        path = os.path.realpath(folder / entry.path)  # what a link leads to: hashing follows none
        try:
            status = os.lstat(path)
        except OSError:
            continue
        if stat.S_ISREG(status.st_mode) and status.st_size == entry.size and path not in seen:
            seen |= {entry.sha256, path}
            yield path, entry


def _adopt_file(path: str, entry: FileEntry, folder: Path, store: Store) -> bool:
    """Link or copy a file into the store; false where its content has changed since it was hashed."""
    # a file with another name elsewhere would become read-only under that, too
    own = path == os.path.join(os.path.realpath(folder), entry.path) and os.lstat(path).st_nlink == 1
    temporary = store.temporary()
    with disk_errors(path):
        try:
            if not (own and _link(path, temporary)):
                tree.copy_file(path, temporary)
                if digests([temporary]) != [entry.sha256]:  # written to between hashing and copying
                    return False
            store.commit(temporary, entry.sha256)
        finally:
            remove_file(temporary)
    return True


def _link(path: str, temporary: str) -> bool:
    """Link a file and make it read-only; false where the system does not permit it."""
    try:
        os.link(path, temporary, follow_symlinks=False)
        os.chmod(temporary, 0o444)
    except OSError:
        remove_file(temporary)
        return False
    return True
