"""Adopt: use the files of a plain folder that the previous downloader, or rsync, left in the published link's place.

Files with the right size and digest are linked into the store and need not be fetched. A file is linked, and made
read-only, only when it is this user's and the folder's own: one that is reached through a symbolic link, or has other
names elsewhere, is copied, so that nothing outside changes. So is all of a folder elsewhere that a link in that place
leads to, and what is another user's, who could change it later even when it is read-only: root may link any file. The
folder itself stays as it is until a publication replaces it, or the link to it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from dci_downloader import formatting
from dci_downloader.errors import CancelledError, IntegrityError
from dci_downloader.hooks import NeverStop, NullProgress, Progress, Stop
from dci_downloader.mirror.disk_errors import disk_errors
from dci_downloader.mirror.files import remove_file
from dci_downloader.mirror.hashing import hashing
from dci_downloader.mirror.modes import make_read_only
from dci_downloader.mirror.native import native, text_of
from dci_downloader.mirror.store import Store
from dci_downloader.mirror.tree import copy_file
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
    with disk_errors(folder):
        return tuple(candidate.entry for candidate in _candidates(folder, wanted, store))


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
    listed = {entry.path for entry in wanted.files}
    sizes: list[int] = []
    with disk_errors(folder):
        if folder.is_symlink() or not folder.is_dir():
            return FileTotals(0, 0)
        for parent, folders, names in os.walk(folder):
            folders[:] = [name for name in folders if not os.path.ismount(f"{parent}/{name}")]  # mounts stay
            for name in names:
                path = Path(parent, name)
                if text_of(path.relative_to(folder).as_posix()) not in listed:
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
        folder: in the published link's place, or what a link there leads to.
        wanted: the manifest after selection.
        store: the mirror's, prepared.
        workers: how many processes hash side by side; 0 for one on each core.
        progress: gets files and bytes.
        stop: asked several times a second.

    Returns:
        The contents that were adopted.

    Raises:
        CancelledError: ``stop`` was requested; what was adopted so far stays.
        DiskFullError: no room for a copy.
    """
    files = size = 0
    with disk_errors(folder):
        candidates = {candidate.path: candidate for candidate in _candidates(folder, wanted, store)}
        if not candidates:
            return FileTotals(0, 0)
        sizes = {path: candidate.entry.size for path, candidate in candidates.items()}
        progress.begin(f"taking over {folder.name}", len(sizes), sum(sizes.values()))
        try:
            with hashing(sizes.items(), workers, stop) as hashes:
                for path, digest in hashes:
                    if stop.requested():
                        raise CancelledError("interrupted")
                    if digest == candidates[path].entry.sha256 and take_file(candidates[path], store):
                        files, size = files + 1, size + sizes[path]
                    progress.advance(1, sizes[path])
        finally:
            progress.end()
    return FileTotals(files, size)


class Candidate(NamedTuple):
    """A file that may have a content that the store lacks.

    Attributes:
        path: its real path: hashing follows no link.
        status: as it was before it was hashed.
        own: whether it is the folder's own and this user's, and may become an object itself.
    """

    path: str
    entry: FileEntry
    status: os.stat_result
    own: bool


def _candidates(folder: Path, wanted: Manifest, store: Store) -> Iterator[Candidate]:
    """The files that may be adopted, each path and each content once."""
    linked = folder.is_symlink()
    if (linked and os.readlink(folder).startswith(".versions/")) or not folder.is_dir():
        return
    root = os.path.realpath(folder)
    seen: set[str] = set()
    for entry in wanted.files:
        if entry.sha256 in seen or store.holds(entry):
            continue
        inside = os.path.join(root, native(entry.path))
        path = os.path.realpath(inside)
        try:
            status = os.lstat(path)
        except OSError:
            continue
        if stat.S_ISREG(status.st_mode) and status.st_size == entry.size and path not in seen:
            seen |= {entry.sha256, path}
            # a file with another name elsewhere would become read-only under that, too
            alone = not linked and path == inside and status.st_nlink == 1
            yield Candidate(path, entry, status, own=alone and status.st_uid == os.geteuid())


def take_file(candidate: Candidate, store: Store) -> bool:
    """Link or copy a file into the store; false where its content has changed since it was hashed."""
    temporary, sha256 = store.temporary(), candidate.entry.sha256
    with disk_errors(candidate.path):
        try:
            linked = candidate.own and _link(candidate, temporary)
            if not linked and not copy_file(candidate.path, temporary, sha256):
                return False  # written to between hashing and copying
            store.commit(temporary, sha256)
        finally:
            remove_file(temporary)
    return True


def _link(candidate: Candidate, temporary: str) -> bool:
    """Link a file and make it read-only; false where the system does not permit it, or it is not what was hashed."""
    try:
        os.link(candidate.path, temporary, follow_symlinks=False)
        fd = os.open(temporary, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            if _same(os.fstat(fd), candidate.status) and make_read_only(fd, candidate.entry.sha256):
                return True
        finally:
            os.close(fd)
    except (OSError, IntegrityError):
        pass  # it is copied then
    remove_file(temporary)
    return False


def _same(one: os.stat_result, other: os.stat_result) -> bool:
    return os.path.samestat(one, other) and (one.st_size, one.st_mtime_ns) == (other.st_size, other.st_mtime_ns)
