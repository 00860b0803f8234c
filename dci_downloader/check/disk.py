"""Probes of the place of a mirror: may it be written to, what can its file system do, is there room.

What a file system can do is tried in a folder of its own, which is removed again: in the mirror, or, where there is
none yet, in the nearest folder above.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from dci_downloader import formatting
from dci_downloader.check.findings import Finding, failure, good, warning
from dci_downloader.errors import SettingsError
from dci_downloader.mirror.carried import ONLY_CARRIED
from dci_downloader.mirror.files import make_symlink
from dci_downloader.mirror.locks import flock
from dci_downloader.mirror.mirror import Mirror
from dci_downloader.mirror.removal import remove_tree
from dci_downloader.models import Plan
from dci_downloader.page.page import require_place

_SPARE = 0.1  # of the file system's size that is better left free
_INODES = 1.2  # for each file, its folders counted


def file_system(mirror: Mirror) -> Iterator[Finding]:
    """Whether the mirror can be written to, and its file system has hard links, links and locks."""
    mirror.store.check()
    place = _nearest(mirror.root)
    if not os.access(place, os.W_OK | os.X_OK):
        yield warning(str(mirror.root), "cannot be tried: this user may not write to the folder above it")
        return
    folder = Path(tempfile.mkdtemp(prefix=".dci-check-", dir=place))
    try:
        yield from _abilities(folder)
    finally:
        remove_tree(folder)
    owner = os.stat(place).st_uid
    if os.geteuid() == 0 != owner:
        hint = f"sudo -u '#{owner}' dci-downloader check"
        yield warning("user", f"{place} belongs to user {owner}; this check, as root, may do more than that one", hint)


def _nearest(path: Path) -> Path:
    path = Path(os.path.abspath(path))
    while not path.is_dir():
        path = path.parent
    return path


def _abilities(folder: Path) -> Iterator[Finding]:
    """What can be done in a folder of the file system."""
    file = folder / "file"
    file.write_bytes(b"check")
    try:
        make_symlink("file", folder / "symlink")
        yield _hard_links(file)
    except SettingsError:
        text = f"the file system of {folder.parent} has no symbolic links, so {ONLY_CARRIED}"
        yield warning("links", text, "where installers are to read from it choose another file system, xfs or ext4")
    with open(file, "rb") as opened:
        try:
            flock(opened.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield good("locks", f"the file system of {folder.parent} has them")
        except SettingsError as error:
            yield failure("locks", error)


def _hard_links(file: Path) -> Finding:
    place = file.parent.parent
    try:
        os.link(file, file.with_name("link"))
    except OSError as error:
        text = f"the file system of {place} has none ({error.strerror}): each version takes its room again"
        return warning("hard links", text, "choose another file system for the mirror, xfs or ext4")
    return good("hard links", f"the file system of {place} has them")


def page(mirror: Mirror, path: Path) -> Iterator[Finding]:
    """Whether the page about the mirror can be written."""
    require_place(mirror, path)
    yield good("status_page", str(path))


def room(mirror: Mirror, plans: Sequence[Plan], reserve: int) -> Iterator[Finding]:
    """How much room the plans leave; a plan without room is a failure of its topic, not of this probe."""
    status = os.statvfs(_nearest(mirror.root))
    free, total = status.f_bavail * status.f_frsize, status.f_blocks * status.f_frsize
    missing = {entry.sha256: entry.size for plan in plans for entry in plan.missing}
    needed = sum(missing.values())
    text = f"{formatting.size(free)} are free" if total else "how much is free the file system does not say"
    if plans:
        text = f"{formatting.size(needed)} are to be fetched, {text}"
    if status.f_files and status.f_favail < _INODES * len(missing):
        text = f"{status.f_favail:,} inodes are left for {len(missing):,} files"
        yield warning("inodes", text, "choose a file system with more of them, or remove files there")
    if total and free - needed < reserve + _SPARE * total:
        yield warning("room", f"{text}, of {formatting.size(total)}", "see dci-downloader prune; or set make_room")
    else:
        yield good("room", text)
