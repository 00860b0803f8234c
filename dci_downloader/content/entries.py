"""The entries of a version as a mirror records them, checked as untrusted input, by the rules of manifests.

:mod:`~dci_downloader.content.manifest` states the rules; here whole paths stand in place of folder and name. A record
is read at each sync, so its entries are checked together where possible: 50,000 take 50 ms, one after the other 130 ms.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from dci_downloader.content.manifest import MAX_SIZE
from dci_downloader.content.names import MAX_DEPTH, MAX_NAME, MAX_PATH, EntryError, check_segment
from dci_downloader.content.symlinks import check_destination
from dci_downloader.models import FileEntry, SymlinkEntry

_HEXADECIMAL = b"0123456789abcdef"
_PLAIN = bytes(range(0x20, 0x7F)) + b"\n"
_NO_NAMES = ("\n\n", "/\n", "\n.\n", "/.\n", "\n..\n", "/..\n")
"""How a line ends, with the end of the one before it where it is as short, whose last step is no name."""


def read_entries(files: object, symlinks: object) -> tuple[tuple[FileEntry, ...], tuple[SymlinkEntry, ...]]:
    """Check files and symlinks as lists of their fields, and make them entries, in their order.

    The lists are emptied: fifty thousand of them need not be there twice.

    Raises:
        EntryError: one breaks a rule.
    """
    paths, digests, sizes = _columns(files, 3)
    links, destinations = _columns(symlinks, 2)
    if set(map(type, sizes)) - {int} or min(sizes, default=0) < 0 or max(sizes, default=0) > MAX_SIZE:
        raise EntryError("a size is not a number of bytes")
    _require_text([*digests, *destinations])
    if set(map(len, digests)) - {64} or "".join(digests).encode(errors="replace").translate(None, _HEXADECIMAL):
        raise EntryError("a sha256 is not 64 hexadecimal digits")
    known = dict(zip(digests, sizes))
    if list(map(known.__getitem__, digests)) != list(sizes):
        raise EntryError("one sha256 has two sizes")
    _check_paths([*paths, *links])
    for link, destination in zip(links, destinations):
        check_destination(link, destination)
    entries = tuple(map(partial(tuple.__new__, FileEntry), zip(paths, digests, sizes)))  # three times as fast as _make
    return entries, tuple(map(SymlinkEntry, links, destinations))


def _columns(rows: object, width: int) -> Sequence[tuple[Any, ...]]:
    """The rows of a table by column; the first is text."""
    if not isinstance(rows, list) or set(map(type, rows)) - {list} or set(map(len, rows)) - {width}:
        raise EntryError(f"its entries are not lists of {width}")
    columns = tuple(zip(*rows)) if rows else ((),) * width
    rows.clear()
    return columns


def _require_text(values: Iterable[object]) -> None:
    if set(map(type, values)) - {str}:
        raise EntryError("something is not text")


def _check_paths(paths: Sequence[str]) -> None:
    """Raise EntryError unless each path is one that a mirror may hold, listed once, and none is above another."""
    _require_text(paths)
    if len(set(paths)) != len(paths):
        raise EntryError("a path is listed twice")
    lines = "\n".join(("", *paths, ""))
    if "\n/" in lines:
        raise EntryError("a path is absolute")
    longest = max(map(len, paths), default=0)
    if longest > MAX_NAME or not _are_plain(lines, len(paths)):
        for path in paths:
            check_segment(path.rpartition("/")[2])
    del lines
    above = _folders({path.rpartition("/")[0] for path in paths})
    if not above.isdisjoint(paths):
        raise EntryError("a file or symlink lies above another")
    # a character is at most four bytes
    if longest > MAX_PATH // 4 and any(len(path.encode()) > MAX_PATH for path in paths):
        raise EntryError(f"a path is longer than {MAX_PATH} bytes")


def _are_plain(lines: str, number: int) -> bool:
    """Whether the last steps of paths need no closer look: names of printable ASCII, as nearly all are.

    Args:
        lines: the paths, with a line end before the first and after each.
        number: of the paths.
    """
    if lines.count("\n") != number + 1 or not lines.isascii() or lines.encode().translate(None, _PLAIN):
        return False
    return not any(ending in lines for ending in _NO_NAMES)


def _folders(folders: Iterable[str]) -> set[str]:
    """These folders and all above them, checked; an empty one is the root, which is no path."""
    above: set[str] = set()
    for folder in folders:
        if not folder:
            continue
        segments = folder.split("/")
        if len(segments) > MAX_DEPTH:
            raise EntryError(f"a path is more than {MAX_DEPTH} folders deep")
        for segment in segments:
            check_segment(segment)
        while folder and folder not in above:
            above.add(folder)
            folder = folder.rpartition("/")[0]
    return above
