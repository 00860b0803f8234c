"""Reads a manifest, which may be hostile, into a safe :class:`~dci_downloader.models.Manifest`, or refuses all of it.

The document, ``dci_files_list.json``, is an object with ``files`` (``path``, ``name``, ``sha256``, ``size``) and
``symlinks`` (``path``, ``name``, ``destination``); other keys are ignored. The rules and where they come from, beside
those of :mod:`~dci_downloader.content.names` and :mod:`~dci_downloader.content.symlinks`:

* ``path`` is the folder, relative, ``""`` for the root. One slash at its end is dropped, as ``os.path.join`` does for
  whoever writes manifests. Every other spelling (``.``, ``./a``, ``a//b``, ``/a``, ``a/../b``) is refused rather than
  tidied up: the same text is the address at which the server finds the file.
* ``sha256`` is 64 hexadecimal digits, of any case; ``size`` an integer from 0 to 2⁶³ − 1 (``off_t``). One digest has
  one size.
* A path is a file, a folder or a symlink, never two of them, so nothing lies below a file or a symlink. A path given
  twice alike counts once, with a warning; given twice with different content it is refused.
* How many entries a manifest may have, and how many values of any kind, is bounded; unknown keys count, too.
* Symlinks that lead to nothing listed, or in circles, are left out with a warning: they would be broken in the mirror.
* ``dci_files_list.json`` itself, if listed, is left out with a warning: a list cannot hold its own digest.
* Paths equal but for case or Unicode form are different files on Linux: they stay, with a warning for those who copy
  them elsewhere.
"""

from __future__ import annotations

import json
import re
import reprlib
import unicodedata
from collections.abc import Callable, Mapping
from typing import Union

from dci_downloader.content.names import HINT, MAX_DEPTH, MAX_PATH, PLAIN_NAME, EntryError, check_segment, quoted
from dci_downloader.content.symlinks import check_destination, live_symlinks
from dci_downloader.errors import ManifestError
from dci_downloader.models import FileEntry, Manifest, SymlinkEntry
from dci_downloader.network.bounded_json import read_json

MANIFEST_NAME = "dci_files_list.json"
IMAGE_LIST_NAME = "images_list.yaml"
"""The other file that describes a component, which the manifest need not list."""
MAX_SIZE = 2**63 - 1
MOST_ENTRIES = 500_000
"""Files and symlinks of a component: ten times the largest compose. One takes about a kilobyte while it is read."""

_MOST_VALUES = 16 * MOST_ENTRIES  # an entry has nine, and may have keys that are not used

_FILE = dict.fromkeys(("path", "name", "sha256", "size"))
"""The keys of a file, in the order of the tuple that stands for it while a manifest is read."""
_DIGEST = re.compile(r"[0-9a-f]{64}")


def parse_manifest(document: Union[bytes, str], component_type: str, *, etag: str = "") -> Manifest:
    """Read and check a manifest.

    Args:
        document: ``dci_files_list.json``, as bytes or as their text.
        component_type: goes into the manifest: the selection has rules for some types.
        etag: goes into the manifest: the object store's, for the next conditional request.

    Raises:
        ManifestError: the document is not a manifest, or an entry breaks a rule; the first such entry is named.
    """
    files, symlinks = _load(document)
    reading = _Reading()
    reading.add_each(files, reading.add_file)
    reading.add_each(symlinks, reading.add_symlink)
    reading.check_folders()
    reading.refuse_faults()
    links = tuple(SymlinkEntry(*pair) for pair in sorted(reading.symlinks.items()))
    entries = tuple(sorted(reading.files.values()))
    reading.sizes.clear()
    live = live_symlinks(entries, links)
    broken = sorted(reading.symlinks.keys() - {link.path for link in live})
    warnings = (
        *_warning(reading.repeated, "listed more than once"),
        *_warning(broken, "symlinks that lead to nothing in this component, left out"),
        *_warning(reading.own, "the list lists itself, left out"),
        *_warning(_alike(reading), "equal to another but for case or Unicode form"),
    )
    return Manifest(component_type, entries, live, warnings, etag)


class _Reading:
    """The entries of a manifest that have been read so far.

    Attributes:
        files: by path.
        symlinks: destination by path.
        folders: the checked form of every ``path``, by how it was written: thousands of entries share one.
        tree: every folder that is needed, those above included.
        sizes: by digest.
        faults: bad entries, as (entry, reason).
        repeated: paths that are listed more than once.
        own: the manifest's own path, once for each time it is listed.
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

    def add_each(self, entries: list[object], add: Callable[[Mapping[str, object]], None]) -> None:
        """Empty the list entry by entry, in its order, so that the JSON is freed as the manifest grows."""
        entries.reverse()  # pop() from the end takes constant time
        while entries:
            entry = entries.pop()
            if isinstance(entry, tuple):  # no JSON value is one: see _load
                entry = dict(zip(_FILE, entry))
            try:
                if not isinstance(entry, dict):
                    raise EntryError("it is not an object")
                add(entry)
            except EntryError as fault:
                self.faults.append((_quoted_entry(entry), str(fault)))

    def add_file(self, entry: Mapping[str, object]) -> None:
        path = self._path(entry)
        sha256, size = entry.get("sha256"), entry.get("size")
        if not isinstance(sha256, str) or not _DIGEST.fullmatch(sha256):
            sha256 = _lowered_digest(sha256)
        # isinstance would take true for 1.
        if type(size) is not int or not 0 <= size <= MAX_SIZE:
            raise EntryError(f"size is {reprlib.repr(size)}, not a number of bytes")
        if self.sizes.setdefault(sha256, size) != size:
            raise EntryError(f"size is {size}, but another entry says {self.sizes[sha256]} for the same sha256")
        if path == MANIFEST_NAME:
            self.own.append(path)
            return
        new = FileEntry(path, sha256, size)
        first = self.files.setdefault(path, new)
        if first is not new:
            if first != new:
                raise EntryError("listed twice, with different content")
            self.repeated.append(path)

    def add_symlink(self, entry: Mapping[str, object]) -> None:
        path = self._path(entry)
        destination = check_destination(path, entry.get("destination"))
        if path in self.files:
            raise EntryError("it is both a file and a symlink")
        if path in self.symlinks:
            if self.symlinks[path] != destination:
                raise EntryError("listed twice, with different destinations")
            self.repeated.append(path)
        self.symlinks[path] = destination

    def check_folders(self) -> None:
        """Add a fault for each file or symlink that other entries lie below."""
        for noun, paths in (("file", self.files), ("symlink", self.symlinks)):
            for path in sorted(self.tree & paths.keys()):
                self.faults.append((quoted(path), f"it is a {noun}, but other entries lie below it"))

    def refuse_faults(self) -> None:
        """Raise ManifestError if anything is wrong."""
        if self.faults:
            entry, reason = self.faults[0]
            more = f" (and {len(self.faults) - 1} more bad entries)" if len(self.faults) > 1 else ""
            raise ManifestError(f"{MANIFEST_NAME}: entry {entry}: {reason}{more}", entry=entry, hint=HINT)

    def _path(self, entry: Mapping[str, object]) -> str:
        """The checked path of an entry; its folder is checked only when it is first seen."""
        written, name = entry.get("path"), entry.get("name")
        if not isinstance(written, str) or not isinstance(name, str):
            raise EntryError("path and name must be text")
        folder = self.folders.get(written)
        if folder is None:
            folder = self.folders[written] = self._folder(written)
        if not PLAIN_NAME.fullmatch(name):
            check_segment(name)
        path = f"{folder}/{name}" if folder else name
        # A character is at most four bytes, so most paths need not be encoded to be measured.
        if len(path) > MAX_PATH // 4 and len(path.encode()) > MAX_PATH:
            raise EntryError(f"its path is longer than {MAX_PATH} bytes")
        return path

    def _folder(self, written: str) -> str:
        if written.startswith("/"):
            raise EntryError("its path is absolute")
        folder = written[:-1] if written.endswith("/") else written
        segments = folder.split("/")
        if len(segments) > MAX_DEPTH:
            raise EntryError(f"its path is more than {MAX_DEPTH} folders deep")
        for segment in segments:
            check_segment(segment)
        # Ends at the first folder that is known, so each is walked once however many lie below it.
        above = folder
        while above not in self.tree:
            self.tree.add(above)
            above = above.rpartition("/")[0]
        return folder


def _load(document: Union[bytes, str]) -> tuple[list[object], list[object]]:
    """The raw entries of ``files`` and ``symlinks``."""
    folders: dict[str, str] = {}

    def compact(fields: dict[str, object]) -> object:
        """A file as a tuple, half as large, whose folder is there once, not once for each file in it."""
        folder = fields.get("path")
        if isinstance(folder, str) and fields.keys() == _FILE.keys():
            return folders.setdefault(folder, folder), fields["name"], fields["sha256"], fields["size"]
        return fields

    try:
        listing = read_json(document, _MOST_VALUES, compact)
    except UnicodeDecodeError as error:
        raise _document_error(f"it is not UTF-8 text (byte {error.start})") from None
    except json.JSONDecodeError as error:
        raise _document_error(_describe(document, error)) from None
    except ValueError as error:
        raise _document_error(f"it is beyond all reason: {error}") from None
    if isinstance(listing, tuple):  # a single file
        listing = {}
    if not isinstance(listing, dict):
        raise _document_error("it is not a JSON object")
    files, symlinks = listing.get("files"), listing.get("symlinks") or []
    if not isinstance(files, list) or not isinstance(symlinks, list):
        raise _document_error(
            "it has no list of files" if not isinstance(files, list) else "its symlinks are not a list"
        )
    if len(files) + len(symlinks) > MOST_ENTRIES:
        raise _document_error(f"it lists {len(files) + len(symlinks):,} entries, and at most {MOST_ENTRIES:,} are read")
    return files, symlinks


def _document_error(reason: str) -> ManifestError:
    hint = (
        "run again; if it stays so, see what answers at this address (a proxy, a login page?) and report the component"
    )
    return ManifestError(f"{MANIFEST_NAME} cannot be read: {reason}", hint=hint)


def _describe(document: Union[bytes, str], error: json.JSONDecodeError) -> str:
    """What a document that is not JSON looks like."""
    document = document.encode() if isinstance(document, str) else document
    text = document.strip()
    if not text:
        return "it is empty"
    if text.startswith(b"<"):
        return "it is an HTML page" if b"<html" in text[:1024].lower() else "it is XML"
    if text.startswith(b"{") and (not text.endswith(b"}") or error.pos >= len(error.doc.rstrip())):
        return f"it is truncated after {len(document)} bytes"
    return f"it is not JSON ({error.msg}, line {error.lineno}, column {error.colno})"


def _lowered_digest(sha256: object) -> str:
    """An upper-case digest in lower case."""
    if sha256 is None:
        raise EntryError("it has no sha256")
    if not isinstance(sha256, str) or not _DIGEST.fullmatch(sha256.lower()):
        raise EntryError(f"sha256 is {reprlib.repr(sha256)}, not 64 hexadecimal digits")
    return sha256.lower()


def _quoted_entry(entry: object) -> str:
    if isinstance(entry, dict) and isinstance(entry.get("path"), str) and isinstance(entry.get("name"), str):
        return quoted(f"{entry['path']}/{entry['name']}" if entry["path"] else entry["name"])
    return quoted(reprlib.repr(entry))


def _alike(reading: _Reading) -> list[str]:
    """The paths, of folders too, that differ from an earlier one by case or Unicode form only."""
    paths = (*sorted(reading.tree), *reading.files, *reading.symlinks)
    if len(set(map(hash, map(_folded, paths)))) == len(paths):  # nearly always; numbers take less memory than texts
        return []
    seen: dict[str, str] = {}
    return [path for path in paths if seen.setdefault(_folded(path), path) != path]


def _folded(path: str) -> str:
    """The path without case and Unicode form (caseless matching, Unicode 3.13, D145)."""
    return (
        path.lower() if path.isascii() else unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())
    )


def _warning(paths: list[str], remark: str) -> tuple[str, ...]:
    """One line for any number of paths, or none."""
    if not paths:
        return ()
    more = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
    return (f"{MANIFEST_NAME}: {remark}: {', '.join(map(quoted, paths[:3]))}{more}",)
