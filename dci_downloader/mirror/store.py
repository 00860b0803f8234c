"""The store: every content once, verified, read-only, named by its sha256.

    objects/ab/ab34…     verified content
    partial/             files being fetched (see :mod:`dci_downloader.mirror.partial`)
    damaged/             what is known to be damaged (see :mod:`dci_downloader.mirror.damage`)
    unflushed/           markers of runs that have not flushed yet (see :mod:`dci_downloader.mirror.markers`)
    unsure/              objects to be hashed after a power cut (see :mod:`dci_downloader.mirror.recovery`)
    candidates/          what may be garbage (see :mod:`dci_downloader.mirror.candidates`)
    lock                 held shared by syncs; alone, and never for long, by what removes objects

An object enters by rename after its bytes hashed to its name, and never changes again: a damaged one is replaced by
renaming another file over it, so that trees that link to it keep what they have.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import stat
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from dci_downloader.content import ranges
from dci_downloader.content.plan import make_plan
from dci_downloader.errors import DigestMismatchError, IntegrityError
from dci_downloader.mirror.candidates import Candidates
from dci_downloader.mirror.damage import DamageMarks
from dci_downloader.mirror.digests import BELOW
from dci_downloader.mirror.disk_errors import disk_errors
from dci_downloader.mirror.files import (
    boot_id,
    flush_file_system,
    make_folder,
    remove_file,
    write_all,
)
from dci_downloader.mirror.filling import FilledPartial
from dci_downloader.mirror.locks import FileLock
from dci_downloader.mirror.markers import Markers
from dci_downloader.mirror.modes import make_read_only
from dci_downloader.mirror.object_names import checked_digest
from dci_downloader.mirror.partial import read_journal
from dci_downloader.mirror.permissions import set_mode
from dci_downloader.mirror.reading import read_file
from dci_downloader.mirror.store_folders import StoreFolders
from dci_downloader.models import FileEntry, Manifest, Plan

_MAX_READ = 256 << 20  # bytes
_PER_FILE = 4096  # the last block of a file is not full, and folders and inodes take room too


class Store(StoreFolders):
    """The objects of one mirror.

    Safe to use from several threads, and beside other processes that hold :meth:`lock` shared.

    Args:
        root: ``DEST/.dci-downloader``.
        boot: what identifies this boot of the machine; empty asks the kernel.
        marker: path of the marker of another process, which flushes what is written here; see :meth:`marker_path`.
    """

    def __init__(self, root: Path, *, boot: str = "", marker: str = "") -> None:
        super().__init__(root)
        self.damage = DamageMarks(self.damaged)
        self.candidates = Candidates(self.candidate_files)
        self._boot = boot or boot_id()
        self.markers = Markers(self.unflushed, self._boot, marker)
        self._objects = str(self.objects)
        self._token = secrets.token_hex(6)
        self._count = 0
        self._folders: set[str] = set()  # those known to exist: no mkdir for each object
        self._guard = threading.Lock()

    def lock(self) -> FileLock:
        """A lock on the store, not held yet; each call gives another, for one holder."""
        return FileLock(self.root / "lock")

    def path(self, sha256: str) -> Path:
        """Where the object of that digest is, or would be."""
        return Path(self.object_path(sha256))

    def object_path(self, sha256: str) -> str:
        """The same as a string, which is cheaper to make."""
        return f"{self._objects}/{checked_digest(sha256)[:2]}/{sha256}"

    def below_objects(self, sha256: str) -> str:
        """The same for hashing, which then enters no folder of the store through a symbolic link."""
        return f"{self._objects}{BELOW}{checked_digest(sha256)[:2]}/{sha256}"

    def partial_path(self, sha256: str) -> Path:
        """Where the partial of that digest is, or would be; its journal is beside it."""
        return self.partials / checked_digest(sha256)

    def read(self, sha256: str) -> bytes:
        """The content of an object, for those that fit into memory.

        Raises:
            IntegrityError: the file has another content now.
            SettingsError: it cannot be read.
        """
        with disk_errors(self.path(sha256)):
            content = read_file(self.path(sha256), _MAX_READ)
        if hashlib.sha256(content).hexdigest() != sha256:
            raise IntegrityError(f"{self.path(sha256)} is damaged", hint="dci-downloader verify DEST --repair")
        return content

    def holds(self, entry: FileEntry) -> bool:
        """Whether the entry's content is here, may be read, and is not known to be damaged.

        One stat(2) is enough: an object was verified before it got its name.
        """
        if entry.sha256 in self.damage:
            return False
        path = self.object_path(entry.sha256)
        try:
            status = os.lstat(path)
        except OSError:
            return False
        if not stat.S_ISREG(status.st_mode) or status.st_size != entry.size:
            return False
        # an object of this user gets its mode again; one of another user can neither be linked nor copied
        return bool(status.st_mode & 0o004) or status.st_uid == os.geteuid() or os.access(path, os.R_OK)

    def add(self, entry: FileEntry, chunks: Sequence[bytes]) -> None:
        """Write a content from memory to its object. Safe to repeat; leaves nothing behind on failure.

        Raises:
            DigestMismatchError: the bytes are another content.
            IntegrityError: the content is right, but the manifest states another size.
            DiskFullError: no room.
        """
        # joined first: hashing each chunk alone would give up and retake the interpreter lock each time
        content = b"".join(chunks)
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
                    set_mode(fd, 0o444)  # whatever the umask took away
                finally:
                    os.close(fd)
                self.commit(temporary, entry.sha256)
            except BaseException:
                remove_file(temporary)
                raise

    def temporary(self) -> str:
        """A new path on the store's file system, for a file that is then given to :meth:`commit`."""
        with self._guard:
            self._count += 1
            return f"{self.partials}/{self._token}-{self._count}.tmp"

    def commit(self, path: str, sha256: str) -> None:
        """Rename a verified, read-only file to its object. A file of that name is replaced, not written into."""
        folder = f"{self._objects}/{checked_digest(sha256)[:2]}"
        with self._guard:
            if folder not in self._folders:
                make_folder(Path(folder))
                self._folders.add(folder)
            self.markers.write()  # before the object: after a power cut a marker has to warn of it
            with disk_errors(f"{folder}/{sha256}"):
                os.rename(path, f"{folder}/{sha256}")
            if sha256 in self.damage:
                self.damage.remove([sha256])

    def marker_path(self) -> str:
        """The path of the marker that stands until the next flush here, for a process that writes on behalf of this."""
        with self._guard:
            return self.markers.write()

    def remove(self, sha256: str) -> None:
        """Take an object out of the store; trees that hold a link to it keep their content. Safe to repeat."""
        with disk_errors(self.path(sha256)):
            remove_file(self.path(sha256))

    def make_read_only(self, sha256: str) -> None:
        """Give an object, where there is one, its mode again: read-only, for all. Safe to repeat."""
        path = self.object_path(sha256)
        with disk_errors(path), suppress(FileNotFoundError):
            fd = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                make_read_only(fd, sha256)
            finally:
                os.close(fd)

    def partial_names(self) -> frozenset[str]:
        """The digests of all partials, and names of other files beside them: one look for many questions."""
        with disk_errors(self.partials), suppress(FileNotFoundError):
            return frozenset(os.listdir(self.partials))
        return frozenset()

    def partial_bytes(self, entry: FileEntry) -> int:
        """Bytes of the entry that an earlier run left and that can be used. No side effect."""
        return ranges.total(read_journal(self.partial_path(entry.sha256), entry.size, self._boot)[0])

    def plan(self, wanted: Manifest) -> Plan:
        """Which of the wanted files are missing here. No side effect."""
        partials = self.partial_names()
        self.damage.read()  # another run may have found some

        def partial_bytes(entry: FileEntry) -> int:
            return self.partial_bytes(entry) if entry.sha256 in partials else 0

        return make_plan(wanted, self.holds, partial_bytes)

    def open_partial(self, entry: FileEntry) -> FilledPartial:
        """Open what an earlier run left of an entry, or a new partial.

        Raises:
            LockedError: another run is writing it. From time to time ask :meth:`holds`, then this again.
            DiskFullError: no room for the whole file; nothing is left behind.
        """
        return FilledPartial(self.partial_path(entry.sha256), entry, self._boot, self.commit)

    def room_needed(self, entries: Sequence[FileEntry]) -> int:
        """Bytes of disk that fetching these entries takes, less what their partials occupy already."""
        needed = len(entries) * _PER_FILE
        partials = self.partial_names()
        for entry in entries:
            occupied = 0
            with suppress(OSError):  # another run may have finished it meanwhile
                if entry.sha256 in partials:
                    occupied = os.lstat(self.partial_path(entry.sha256)).st_blocks * 512
            needed += max(entry.size - occupied, 0)
        return needed

    def flush(self) -> None:
        """Put every object on disk. What another thread writes meanwhile waits for the next flush."""
        with self._guard:
            marker = self.markers.detach()  # objects written from here on need another
        with disk_errors(self.root):
            flush_file_system(self.root)
            if marker:
                remove_file(marker)

    def needs_recovery(self) -> bool:
        """Whether the machine stopped before some run had flushed: time for ``recovery.recover``."""
        return self.markers.from_other_boot() or bool(self.unsure_names())
