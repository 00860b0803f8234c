"""The store: every content once, verified, read-only, named by its sha256.

    objects/ab/ab34…     verified content
    partial/             content on its way (see :mod:`dci_downloader.mirror.partial`)
    unflushed/           one marker for each run that has written objects since it last flushed
    lock                 held shared by syncs, alone by prune and recovery

An object enters by rename after its bytes hashed to its name, and never changes again: whoever needs another content
under that name renames another file over it. Objects are flushed together, not one by one: until then a marker that
holds the boot id says that a power cut would make them doubtful, and :meth:`Store.recover` hashes the doubtful ones.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import stat
import threading
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from dci_downloader.content import ranges
from dci_downloader.errors import DigestMismatchError, IntegrityError, SettingsError
from dci_downloader.mirror.files import (
    boot_id,
    check_folder,
    disk_errors,
    flush_file_system,
    make_folder,
    remove_file,
    replace_atomically,
    write_all,
)
from dci_downloader.mirror.hashing import hashing
from dci_downloader.mirror.locks import FileLock
from dci_downloader.mirror.partial import Partial, recorded
from dci_downloader.models import FileEntry

_PER_FILE = 4096  # the last block of a file is not full, and folders and inodes take room too


class Removed(NamedTuple):
    """What was, or would be, removed.

    Attributes:
        versions: the names of their folders.
        files: how many files of which nothing is left.
        size: bytes that this frees.
    """

    versions: tuple[str, ...] = ()
    files: int = 0
    size: int = 0


class _Folders(dict[str, dict[str, int]]):
    """The inodes of objects by digest, by the folder they are in, each of which is read when it is first asked for."""

    def __init__(self, objects: str) -> None:
        super().__init__()
        self._objects = objects

    def __missing__(self, prefix: str) -> dict[str, int]:
        self[prefix] = {}
        with suppress(OSError), os.scandir(f"{self._objects}/{prefix}") as found:
            self[prefix] = {item.name: item.inode() for item in found}
        return self[prefix]


class Store:
    """The objects of one mirror.

    Safe to use from several threads, and beside other processes that hold :meth:`lock` shared.

    Args:
        root: ``DEST/.dci-downloader``.
        boot: what identifies this boot of the machine; asked from the kernel when empty.
        marker: that of another process of the same run, which flushes what is written here; see :meth:`marked`.
    """

    def __init__(self, root: Path, *, boot: str = "", marker: str = "") -> None:
        self.root = root
        self.objects = root / "objects"
        self.partials = root / "partial"
        self.markers = root / "unflushed"
        self._boot = boot or boot_id()
        self._objects = str(self.objects)
        self._token = secrets.token_hex(6)
        self._count = 0
        self._marker = marker
        self._folders: set[str] = set()
        self._guard = threading.Lock()

    def prepare(self) -> None:
        """Make the folders. Safe to repeat.

        Raises:
            SettingsError: something else is in the way, or the place cannot be written to.
        """
        self.check()
        with disk_errors(self.root.parent):
            os.makedirs(self.root.parent, exist_ok=True)
        for folder in (self.root, self.objects, self.partials, self.markers):
            make_folder(folder)

    def check(self) -> None:
        """Raise what :meth:`prepare`, and writing after it, would raise. No side effect."""
        check_folder(self.root.parent, links=True)
        for folder in (self.root, self.objects, self.partials, self.markers):
            check_folder(folder)

    def lock(self) -> FileLock:
        """The store's lock, for one holder: each call gives another to hold."""
        return FileLock(self.root / "lock")

    def path(self, sha256: str) -> Path:
        """Where the object of that digest is, or would be."""
        return Path(self.object_path(sha256))

    def object_path(self, sha256: str) -> str:
        """The same as a string, for those who ask fifty thousand times."""
        return f"{self._objects}/{sha256[:2]}/{sha256}"

    def holds(self, entry: FileEntry) -> bool:
        """Whether the entry's content is here: by one stat(2), for what is under its name was verified."""
        try:
            found = os.lstat(self.object_path(entry.sha256))
        except OSError:
            return False
        return stat.S_ISREG(found.st_mode) and found.st_size == entry.size

    def object_matcher(self) -> Callable[[str, os.stat_result], bool]:
        """A question whether a file is the object of a digest, as of now: by reading folders, not file by file."""
        folders = _Folders(self._objects)

        def is_object(sha256: str, found: os.stat_result) -> bool:
            if folders[sha256[:2]].get(sha256) == found.st_ino:
                return True
            try:  # where file systems lie over each other, folders may number inodes otherwise than stat(2)
                return os.path.samestat(os.lstat(self.object_path(sha256)), found)
            except OSError:
                return False

        return is_object

    def add(self, entry: FileEntry, chunks: Sequence[bytes]) -> None:
        """Take in a content that is in memory. Content that is there already is a success; nothing is left on failure.

        Raises:
            DigestMismatchError: the bytes are another content.
            IntegrityError: they are the content, but the manifest gives it another size.
            DiskFullError: no room.
        """
        content = b"".join(chunks)  # copying is cheaper than asking for the interpreter lock after each chunk
        actual = hashlib.sha256(content).hexdigest()
        if actual != entry.sha256:
            raise DigestMismatchError(entry.path, expected=entry.sha256, actual=actual)
        if (size := len(content)) != entry.size:
            raise IntegrityError(
                f"{entry.path}: has {size} bytes, its manifest says {entry.size}",
                hint="the manifest is wrong: report it",
            )
        if self.holds(entry):
            return
        temporary = self.temporary()
        with disk_errors(self.partials):
            try:
                fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444)
                try:
                    write_all(fd, content)
                    os.fchmod(fd, 0o444)
                finally:
                    os.close(fd)
                self.commit(temporary, entry.sha256)
            except BaseException:
                remove_file(temporary)
                raise

    def temporary(self) -> str:
        """A path of its own on the store's file system, for content that is then given to :meth:`commit`."""
        with self._guard:
            self._count += 1
            return f"{self.partials}/{self._token}-{self._count}.tmp"

    def commit(self, path: str, sha256: str) -> None:
        """Rename a verified, read-only file to its object. What was under that name before is replaced, not changed."""
        folder = f"{self._objects}/{sha256[:2]}"
        with self._guard:
            if folder not in self._folders:
                make_folder(Path(folder))
                self._folders.add(folder)
            self._mark()
            os.rename(path, f"{folder}/{sha256}")

    def marked(self) -> str:
        """The path of the marker that holds until the next flush here, for a process that writes on behalf of this."""
        with self._guard:
            self._mark()
            return self._marker

    def _mark(self) -> None:
        if not self._marker:
            marker = self.markers / secrets.token_hex(8)
            replace_atomically(marker, self._boot.encode(), durable=True)
            self._marker = str(marker)

    def remove(self, sha256: str) -> None:
        """Take an object out of the store; trees that hold a link to it keep their content. Safe to repeat."""
        with disk_errors(self.path(sha256)):
            remove_file(self.path(sha256))

    def make_read_only(self, sha256: str) -> None:
        """Make an object read-only and readable for all again, where it is one. Safe to repeat."""
        path = self.object_path(sha256)
        with disk_errors(path), suppress(FileNotFoundError):
            if stat.S_ISREG(os.lstat(path).st_mode):
                os.chmod(path, 0o444)

    def partial_names(self) -> frozenset[str]:
        """The digests of what is on its way, among other names; for those who have many to look for."""
        return frozenset(path.name for path in _listed(self.partials))

    def partial_bytes(self, entry: FileEntry) -> int:
        """Bytes of the entry that an earlier run left and that can be used. No side effect."""
        return ranges.total(recorded(self.partials / entry.sha256, entry.size, self._boot)[0])

    def open_partial(self, entry: FileEntry) -> Partial:
        """Go on with what an earlier run left of an entry, or start it.

        Raises:
            LockedError: another run is writing it. From time to time ask :meth:`holds`, then this again.
            DiskFullError: no room for the whole file; nothing is left behind.
        """
        return Partial(
            self.partials / entry.sha256, entry, self._boot, lambda path, done: self.commit(str(path), done.sha256)
        )

    def room_needed(self, entries: Sequence[FileEntry]) -> int:
        """Bytes of disk that fetching these entries takes, less what partials of them occupy already."""
        needed = len(entries) * _PER_FILE
        begun = self.partial_names()
        for entry in entries:
            occupied = (self.partials / entry.sha256).lstat().st_blocks * 512 if entry.sha256 in begun else 0
            needed += max(entry.size - occupied, 0)
        return needed

    def flush(self) -> None:
        """Put every object on disk. What is written meanwhile waits for the next flush."""
        with self._guard:
            marker, self._marker = self._marker, ""
        with disk_errors(self.root):
            flush_file_system(self.root)
            if marker:
                remove_file(marker)

    def needs_recovery(self) -> bool:
        """Whether the machine stopped before some run had flushed what it wrote: time for :meth:`recover`."""
        with disk_errors(self.markers):
            for marker in _listed(self.markers):
                with suppress(FileNotFoundError):  # another run has flushed just now
                    if not self._boot or marker.read_bytes() != self._boot.encode():
                        return True
        return False

    def recover(self, named: Container[str], workers: int = 0) -> int:
        """Hash again every object that no version names, for it may never have reached the disk; remove those at fault.

        Everything in a version was flushed before it was recorded. Links say nothing: what was taken over from a
        folder has one there too. To be called under the exclusive lock.

        Args:
            named: the digests that versions name.
            workers: how many processes hash side by side; 0 for one on each core.

        Returns:
            How many objects were removed.
        """
        removed = 0
        with disk_errors(self.root):
            loose = [(str(path), found.st_size) for path, found in self.iter_objects() if path.name not in named]
            with hashing(loose, workers) as found:
                for path, digest in found:
                    if digest != path[-64:]:
                        removed += remove_file(path)
            flush_file_system(self.root)
            for marker in _listed(self.markers):
                remove_file(marker)
        return removed

    def collect_garbage(self, named: Container[str]) -> Removed:
        """Remove the objects that no tree links to and no version names. To be called under the exclusive lock.

        Where trees are copies, links say nothing, and where a tree was damaged they say too little: so both are asked.

        Args:
            named: the digests that versions name.
        """
        files = size = 0
        for path, found in self.iter_objects():
            if found.st_nlink == 1 and path.name not in named:
                files, size = files + 1, size + found.st_size
                self.remove(path.name)
        return Removed(files=files, size=size)

    def iter_objects(self) -> Iterator[tuple[Path, os.stat_result]]:
        """Every regular file in ``objects/`` with its status."""
        for folder in _listed(self.objects):
            if folder.is_symlink() or not folder.is_dir():
                raise SettingsError(f"{folder} is not a folder of objects", hint="move it aside")
            with os.scandir(folder) as found:
                for item in found:
                    with suppress(FileNotFoundError):
                        if item.is_file(follow_symlinks=False):
                            yield Path(item.path), item.stat(follow_symlinks=False)


def _listed(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []
