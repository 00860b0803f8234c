"""Symlinks of a component: which may stand in a mirror, and where they lead. Rules without I/O.

* A symlink is relative and stays inside the component. ``..`` may only come first in it, because after a name that is
  itself a symlink it leads elsewhere than it reads (the rule of rsync's ``--safe-links`` since 3.4.0). It doesn't point
  at itself.
* Symlinks are followed as Linux does (path_resolution(7)): through each other, at most 40 in a row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Optional

from dci_downloader.content.names import MAX_DEPTH, MAX_PATH, EntryError, check_segment, quoted
from dci_downloader.models import FileEntry, SymlinkEntry

MAX_LINKS = 40  # the next gives ELOOP


def live_symlinks(files: Iterable[FileEntry], symlinks: Iterable[SymlinkEntry]) -> tuple[SymlinkEntry, ...]:
    """The symlinks that lead, maybe through each other, to one of the files or to a folder above one."""
    symlinks = tuple(symlinks)
    if not symlinks:
        return ()
    existing = {entry.path for entry in files}
    for path in tuple(existing):
        while path and (path := path.rpartition("/")[0]) not in existing:
            existing.add(path)
    links = {link.path: link.destination for link in symlinks}
    return tuple(link for link in symlinks if _resolve(link, links) in existing)


def check_destination(path: str, destination: object) -> str:
    """Return the destination if a symlink at ``path`` may hold it; raise EntryError if not."""
    if not isinstance(destination, str) or not destination:
        raise EntryError("it has no destination")
    if destination.startswith("/"):
        raise EntryError(f"it points at the absolute path {quoted(destination)}")
    segments = destination.split("/")
    names = [segment for segment in segments if segment not in ("", ".", "..")]
    for name in names:
        check_segment(name)
    if len(destination.encode()) > MAX_PATH or len(segments) > MAX_DEPTH:
        raise EntryError("its destination is too long")
    steps = [segment for segment in segments if segment not in ("", ".")]
    up = steps.count("..")
    if ".." in steps[up:]:
        raise EntryError(f"it points at {quoted(destination)}, where '..' comes after a name")
    folders = path.split("/")[:-1]
    if up > len(folders):
        raise EntryError(f"it points outside the component, at {quoted(destination)}")
    if folders[: len(folders) - up] + names == path.split("/"):
        raise EntryError("it points at itself")
    return destination


def _resolve(link: SymlinkEntry, links: Mapping[str, str]) -> Optional[str]:
    """The path that a symlink leads to, or None where it goes in circles."""
    at = link.path.split("/")[:-1]
    ahead = link.destination.split("/")[::-1]  # reversed: the next step is popped from the end
    followed = 1
    while ahead:
        segment = ahead.pop()
        if segment == "..":
            del at[-1:]  # a slice, because at the root there is nothing to delete
        elif segment not in ("", "."):
            at.append(segment)
            destination = links.get("/".join(at))
            if destination is not None:
                followed += 1
                if followed > MAX_LINKS:
                    return None
                at.pop()  # the destination is relative to the folder of the link
                ahead.extend(destination.split("/")[::-1])
    return "/".join(at)
