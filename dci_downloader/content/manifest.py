"""Hostile JSON in, a safe :class:`~dci_downloader.models.Manifest` out; one bad entry and all of it is refused.

The document, ``dci_files_list.json``, is an object with ``files`` (``path``, ``name``, ``sha256``, ``size``) and
``symlinks`` (``path``, ``name``, ``destination``); other keys are ignored. The rules and where they come from:

* ``path`` is the folder, relative, ``""`` for the root. One slash at its end is dropped, as ``os.path.join`` does for
  whoever writes manifests. Every other spelling (``.``, ``./a``, ``a//b``, ``/a``, ``a/../b``) is refused rather than
  tidied up: the same text is the address at which the server finds the file.
* A name is at most 255 bytes of UTF-8 (``NAME_MAX`` of Linux), without ``/`` and control characters (``Cc`` of Unicode:
  they break lines and terminals), and not ``.`` or ``..``. A path is at most 3,072 bytes, which leaves a quarter of
  ``PATH_MAX`` to the mirror's own folders, and 64 folders deep: no small document may ask for millions of folders.
* ``sha256`` is 64 hexadecimal digits, of any case; ``size`` an integer from 0 to 2⁶³ − 1 (``off_t``). One digest has
  one size.
* A path is a file, a folder or a symlink, never two of them, so nothing lies below a file or a symlink. A path given
  twice alike is kept once, with a warning; given twice with different content it is refused.
* A symlink is relative and stays inside the component; ``..`` may only come first in it, because after a name that is
  itself a symlink it leads elsewhere than it reads (the rule of rsync's ``--safe-links`` since 3.4.0). It doesn't point
  at itself.
* Symlinks that lead to nothing listed, or in circles, are left out with a warning: they would be broken in the mirror.
* ``dci_files_list.json`` itself, if listed, is left out with a warning: a list cannot hold its own digest.
* Paths equal but for case or Unicode form are different files on Linux: kept, with a warning for those who copy them
  elsewhere.
"""

from __future__ import annotations

import json
import re
import reprlib
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from typing import Optional

from dci_downloader.errors import ManifestError
from dci_downloader.models import FileEntry, Manifest, SymlinkEntry

MANIFEST_NAME = "dci_files_list.json"
MAX_NAME = 255
MAX_PATH = 3072
MAX_DEPTH = 64
MAX_SIZE = 2**63 - 1
MAX_LINKS = 40  # symlinks followed one after the other before Linux says ELOOP (path_resolution(7))

_DIGEST = re.compile(r"[0-9a-f]{64}")
_PLAIN_NAME = re.compile(r"[ 0-~][ -.0-~]{0,254}")  # a cheap test that nearly every name passes: ASCII, no dot first
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_HINT = "nothing was changed in the mirror; report the component to whoever publishes it"


class _EntryError(Exception):
    """Why an entry is refused."""


def parse_manifest(document: bytes, component_type: str, *, etag: str = "") -> Manifest:
    """Read and check a manifest.

    Args:
        document: the bytes of ``dci_files_list.json``.
        component_type: kept for the selection, which has rules for some types.
        etag: the object store's, kept for the next conditional request.

    Raises:
        ManifestError: the document is not a manifest, or an entry breaks a rule; the first such entry is named.
    """
    files, symlinks = _load(document)
    reading = _Reading()
    reading.take_each(files, reading.take_file)
    reading.take_each(symlinks, reading.take_symlink)
    reading.check_folders()
    reading.refuse_faults()
    links = tuple(SymlinkEntry(*pair) for pair in sorted(reading.symlinks.items()))
    entries = tuple(sorted(reading.files.values()))
    kept = live_symlinks(entries, links)
    broken = sorted(reading.symlinks.keys() - {link.path for link in kept})
    warnings = (
        *_warning(reading.repeated, "listed more than once"),
        *_warning(broken, "symlinks that lead to nothing in this component, left out"),
        *_warning(reading.own, "the list lists itself, left out"),
        *_warning(_alike(reading), "equal to another but for case or Unicode form"),
    )
    return Manifest(component_type, entries, kept, warnings, etag)


def check_name(name: str, what: str) -> str:
    """Return ``name`` if it can be a folder of the mirror.

    Args:
        name: of a topic, component type or component, from the server.
        what: what it names, for the message.

    Raises:
        ManifestError: it is empty, over-long, holds ``/`` or control characters, or starts with a dot, as the
            mirror's own folders do.
    """
    try:
        _check_segment(name)
        if name.startswith("."):
            raise _EntryError("it starts with a dot")
    except _EntryError as fault:
        raise ManifestError(
            f"{what} {shown(name)} cannot be a folder: {fault}", entry=shown(name), hint=_HINT
        ) from None
    return name


def live_symlinks(files: Iterable[FileEntry], symlinks: Iterable[SymlinkEntry]) -> tuple[SymlinkEntry, ...]:
    """The symlinks that lead, maybe through each other, to one of the files or to a folder above one."""
    symlinks = tuple(symlinks)
    if not symlinks:
        return ()
    there = {entry.path for entry in files}
    for path in tuple(there):
        while path and (path := path.rpartition("/")[0]) not in there:
            there.add(path)
    links = {link.path: link.destination for link in symlinks}
    return tuple(link for link in symlinks if _sink(link, links) in there)


def shown(text: str) -> str:
    """Quote foreign text for a message: shortened, control characters and lone surrogates escaped."""
    return repr(text if len(text) <= 120 else f"{text[:80]}…{text[-39:]}")


def _sink(link: SymlinkEntry, links: Mapping[str, str]) -> Optional[str]:
    """The path that following a link ends at, or None where it goes in circles."""
    at = link.path.split("/")[:-1]
    ahead = link.destination.split("/")[::-1]
    followed = 1
    while ahead:
        segment = ahead.pop()
        if segment == "..":
            del at[-1:]
        elif segment not in ("", "."):
            at.append(segment)
            destination = links.get("/".join(at))
            if destination is not None:
                followed += 1
                if followed > MAX_LINKS:
                    return None
                at.pop()
                ahead.extend(destination.split("/")[::-1])
    return "/".join(at)


class _Reading:
    """What has been read of a manifest so far.

    Attributes:
        files: by path.
        symlinks: destination by path.
        folders: the checked form of every ``path`` seen, by how it was written.
        tree: every folder that is needed, those above included.
        faults: what is wrong, as (entry, reason).
    """

    def __init__(self) -> None:
        self.files: dict[str, FileEntry] = {}
        self.symlinks: dict[str, str] = {}
        self.folders: dict[str, str] = {"": ""}
        self.tree: set[str] = {""}
        self.sizes: dict[str, int] = {}
        self.faults: list[tuple[str, str]] = []
        self.repeated: list[str] = []
        self.own: list[str] = []

    def take_each(self, entries: list[object], take: Callable[[Mapping[str, object]], None]) -> None:
        """Empty the list entry by entry, in its order, so that the JSON is freed as the manifest grows."""
        entries.reverse()
        while entries:
            entry = entries.pop()
            try:
                if not isinstance(entry, dict):
                    raise _EntryError("it is not an object")
                take(entry)
            except _EntryError as fault:
                self.faults.append((_shown_entry(entry), str(fault)))

    def take_file(self, entry: Mapping[str, object]) -> None:
        path = self._path(entry)
        sha256, size = entry.get("sha256"), entry.get("size")
        if not isinstance(sha256, str) or not _DIGEST.fullmatch(sha256):
            sha256 = _lowered_digest(sha256)
        if type(size) is not int or not 0 <= size <= MAX_SIZE:
            raise _EntryError(f"size is {reprlib.repr(size)}, not a number of bytes")
        if self.sizes.setdefault(sha256, size) != size:
            raise _EntryError(f"size is {size}, but another entry says {self.sizes[sha256]} for the same sha256")
        if path == MANIFEST_NAME:
            self.own.append(path)
            return
        taken = FileEntry(path, sha256, size)
        known = self.files.setdefault(path, taken)
        if known is not taken:
            if known != taken:
                raise _EntryError("listed twice, with different content")
            self.repeated.append(path)

    def take_symlink(self, entry: Mapping[str, object]) -> None:
        path = self._path(entry)
        destination = _checked_destination(path, entry.get("destination"))
        if path in self.files:
            raise _EntryError("it is both a file and a symlink")
        if path in self.symlinks:
            if self.symlinks[path] != destination:
                raise _EntryError("listed twice, with different destinations")
            self.repeated.append(path)
        self.symlinks[path] = destination

    def check_folders(self) -> None:
        """Find the files and symlinks that other entries lie below."""
        for kind, paths in (("file", self.files), ("symlink", self.symlinks)):
            for path in sorted(self.tree & paths.keys()):
                self.faults.append((shown(path), f"it is a {kind}, but other entries lie below it"))

    def refuse_faults(self) -> None:
        """Raise ManifestError if anything is wrong."""
        if self.faults:
            entry, reason = self.faults[0]
            more = f" (and {len(self.faults) - 1} more bad entries)" if len(self.faults) > 1 else ""
            raise ManifestError(f"{MANIFEST_NAME}: entry {entry}: {reason}{more}", entry=entry, hint=_HINT)

    def _path(self, entry: Mapping[str, object]) -> str:
        """The checked path of an entry; its folder is checked only when it is first seen."""
        written, name = entry.get("path"), entry.get("name")
        if not isinstance(written, str) or not isinstance(name, str):
            raise _EntryError("path and name must be text")
        folder = self.folders.get(written)
        if folder is None:
            folder = self.folders[written] = self._folder(written)
        if not _PLAIN_NAME.fullmatch(name):
            _check_segment(name)
        path = f"{folder}/{name}" if folder else name
        if len(path) > MAX_PATH // 4 and len(path.encode()) > MAX_PATH:
            raise _EntryError(f"its path is longer than {MAX_PATH} bytes")
        return path

    def _folder(self, written: str) -> str:
        if written.startswith("/"):
            raise _EntryError("its path is absolute")
        folder = written[:-1] if written.endswith("/") else written
        segments = folder.split("/")
        if len(segments) > MAX_DEPTH:
            raise _EntryError(f"its path is more than {MAX_DEPTH} folders deep")
        for segment in segments:
            _check_segment(segment)
        above = folder
        while above not in self.tree:
            self.tree.add(above)
            above = above.rpartition("/")[0]
        return folder


def _load(document: bytes) -> tuple[list[object], list[object]]:
    """The raw entries of ``files`` and ``symlinks``."""
    try:
        listing = json.loads(document.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise _document_error(f"it is not UTF-8 text (byte {error.start})") from None
    except json.JSONDecodeError as error:
        raise _document_error(_what_it_looks_like(document, error)) from None
    except (ValueError, RecursionError):
        raise _document_error("it holds a number or a nesting beyond all reason") from None
    if not isinstance(listing, dict):
        raise _document_error("it is not a JSON object")
    files, symlinks = listing.get("files"), listing.get("symlinks") or []
    if not isinstance(files, list) or not isinstance(symlinks, list):
        raise _document_error(
            "it has no list of files" if not isinstance(files, list) else "its symlinks are not a list"
        )
    return files, symlinks


def _document_error(reason: str) -> ManifestError:
    hint = (
        "run again; if it stays so, see what answers at this address (a proxy, a login page?) and report the component"
    )
    return ManifestError(f"{MANIFEST_NAME} cannot be read: {reason}", hint=hint)


def _what_it_looks_like(document: bytes, error: json.JSONDecodeError) -> str:
    text = document.strip()
    if not text:
        return "it is empty"
    if text.startswith(b"<"):
        return "it is an HTML page" if b"<html" in text[:1024].lower() else "it is XML"
    if text.startswith(b"{") and (not text.endswith(b"}") or error.pos >= len(error.doc.rstrip())):
        return f"it is truncated after {len(document)} bytes"
    return f"it is not JSON ({error.msg}, line {error.lineno}, column {error.colno})"


def _check_segment(name: str) -> None:
    """Refuse what cannot be one step of a path."""
    if name in ("", ".", ".."):
        raise _EntryError(f"a step of its path is {name!r}" if name else "a step of its path is empty")
    if "/" in name:
        raise _EntryError("a name holds a slash")
    if _CONTROL.search(name):
        raise _EntryError("a name holds a control character")
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        raise _EntryError("a name is not valid Unicode") from None
    if size > MAX_NAME:
        raise _EntryError(f"a name is longer than {MAX_NAME} bytes")


def _lowered_digest(sha256: object) -> str:
    """An upper-case digest in lower case."""
    if sha256 is None:
        raise _EntryError("it has no sha256")
    if not isinstance(sha256, str) or not _DIGEST.fullmatch(sha256.lower()):
        raise _EntryError(f"sha256 is {reprlib.repr(sha256)}, not 64 hexadecimal digits")
    return sha256.lower()


def _checked_destination(path: str, destination: object) -> str:
    """What a symlink at ``path`` may hold."""
    if not isinstance(destination, str) or not destination:
        raise _EntryError("it has no destination")
    if destination.startswith("/"):
        raise _EntryError(f"it points at the absolute path {shown(destination)}")
    segments = destination.split("/")
    names = [segment for segment in segments if segment not in ("", ".", "..")]
    for name in names:
        _check_segment(name)
    if len(destination.encode()) > MAX_PATH or len(segments) > MAX_DEPTH:
        raise _EntryError("its destination is too long")
    steps = [segment for segment in segments if segment not in ("", ".")]
    up = steps.count("..")
    if ".." in steps[up:]:
        raise _EntryError(f"it points at {shown(destination)}, where '..' comes after a name")
    folders = path.split("/")[:-1]
    if up > len(folders):
        raise _EntryError(f"it points outside the component, at {shown(destination)}")
    if folders[: len(folders) - up] + names == path.split("/"):
        raise _EntryError("it points at itself")
    return destination


def _shown_entry(entry: object) -> str:
    if isinstance(entry, dict) and isinstance(entry.get("path"), str) and isinstance(entry.get("name"), str):
        return shown(f"{entry['path']}/{entry['name']}" if entry["path"] else entry["name"])
    return shown(reprlib.repr(entry))


def _alike(reading: _Reading) -> list[str]:
    """The paths, folders among them, whose folded form another one already has."""
    seen: dict[str, str] = {}
    paths = (*sorted(reading.tree), *reading.files, *reading.symlinks)
    return [path for path in paths if seen.setdefault(_folded(path), path) != path]


def _folded(path: str) -> str:
    return (
        path.lower() if path.isascii() else unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())
    )


def _warning(paths: list[str], what: str) -> tuple[str, ...]:
    """One line for any number of paths, or none."""
    if not paths:
        return ()
    more = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
    return (f"{MANIFEST_NAME}: {what}: {', '.join(map(shown, paths[:3]))}{more}",)
