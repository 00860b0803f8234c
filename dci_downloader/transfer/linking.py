"""Which objects of a mirror in a folder may become objects of this one as they are, by a hard link.

A linked file is one file in both mirrors, and who may write to it could change it after it was verified. So it is
linked only where nobody but this user could: the file is this user's own, and no one else has the right to write to it.
What is anybody else's is copied.
"""

from __future__ import annotations

import os
import re
import stat
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Optional

from dci_downloader.control.upstream import Files, FolderObjects
from dci_downloader.mirror.adopt import Candidate
from dci_downloader.mirror.digests import BELOW
from dci_downloader.mirror.store import Store
from dci_downloader.models import FileEntry, Plan

_MOUNT = re.compile(r"^mnt_id:\s*(\d+)", re.MULTILINE)


def objects_folder(root: Path) -> str:
    """Where the objects of a mirror are."""
    return os.fspath(root / ".dci-downloader" / "objects")


def candidate(objects: str, entry: FileEntry) -> Optional[Candidate]:
    """The object of an entry as it is now; None where there is none of the right size.

    Args:
        objects: the folder of the objects.
        entry: whose content.

    Raises:
        OSError: it cannot be looked at.
    """
    path = f"{objects}{BELOW}{entry.sha256[:2]}/{entry.sha256}"
    with suppress(FileNotFoundError, NotADirectoryError):
        status = os.lstat(path)
        if stat.S_ISREG(status.st_mode) and status.st_size == entry.size:
            return Candidate(path, entry, status, own=_is_safe(status))
    return None


def without_links(plan: Plan, files: Files, store: Store) -> Plan:
    """A plan without what will be linked, for that takes no room.

    Args:
        plan: what is missing.
        files: where it is.
        store: where it goes; need not be there yet.
    """
    if not isinstance(files, FolderObjects) or not plan.missing:
        return plan
    objects = objects_folder(files.root)
    if not _links_lead(objects, store):
        return plan
    return replace(plan, missing=tuple(entry for entry in plan.missing if not _is_linked(objects, entry)))


def _is_linked(objects: str, entry: FileEntry) -> bool:
    """Whether the object of an entry will be linked."""
    with suppress(OSError):
        found = candidate(objects, entry)
        return found is not None and found.own
    return False


def _is_safe(status: os.stat_result) -> bool:
    """Whether nobody else may write to a file; an access list shows in the rights of its group."""
    return status.st_uid == os.geteuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _links_lead(objects: str, store: Store) -> bool:
    """Whether files can be linked from a folder into the store: both are on one mount of one file system."""
    place = store.objects
    while not place.exists() and place != place.parent:
        place = place.parent
    try:
        return os.stat(objects).st_dev == os.stat(place).st_dev and _mount(objects) == _mount(os.fspath(place))
    except OSError:
        return False


def _mount(folder: str) -> str:
    """The number of the mount that a folder is on: two of one file system permit no links from one to the other."""
    fd = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        found = _MOUNT.search(Path(f"/proc/self/fdinfo/{fd}").read_text())
    finally:
        os.close(fd)
    return found[1] if found else ""
