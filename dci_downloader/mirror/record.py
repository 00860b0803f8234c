"""Records on disk: how they are written, read and recognised.

Whoever may write to the mirror may write a record, and disks may damage it. So a record is checked like a manifest:
each field is checked, entries by the manifest's rules, and all of it against the identity. What fails is no record.
"""

from __future__ import annotations

import enum
import errno
import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple, Optional, Union

from dci_downloader.content.entries import read_entries
from dci_downloader.content.names import EntryError
from dci_downloader.errors import DiskFullError, IntegrityError, ManifestError, SettingsError
from dci_downloader.mirror.digest_list import write_digest_list
from dci_downloader.mirror.disk_errors import FORBIDDEN, disk_errors
from dci_downloader.mirror.files import replace_atomically
from dci_downloader.mirror.head import Head, head_of, read_current_head, read_head, with_head, write_head
from dci_downloader.mirror.native import text_of
from dci_downloader.mirror.reading import read_file
from dci_downloader.mirror.record_fields import (
    MAX_SIZE,
    component_fields,
    component_of,
    instant,
    text,
    texts,
    time,
    whole_number,
)
from dci_downloader.mirror.version import Version, identity, record_path
from dci_downloader.models import Manifest

FORMAT = 1
_VALUES = 2048  # entries of a list that are encoded at once
BEGINNING = b'{"format":'
"""How every record begins."""


class RecordState(enum.Enum):
    """Why a record cannot be read."""

    DAMAGED = "damaged"
    FORBIDDEN = "forbidden"
    NEWER = "newer"


class Unreadable(NamedTuple):
    """A tree whose record cannot be read.

    Attributes:
        folder: the name of the tree.
        reason: completes "its record …".
    """

    folder: str
    reason: str
    state: RecordState = RecordState.DAMAGED

    @property
    def exit_code(self) -> int:
        """That of the error that this is."""
        return IntegrityError.exit_code if self.state is RecordState.DAMAGED else SettingsError.exit_code

    @property
    def hint(self) -> str:
        """What the user can do."""
        return {
            RecordState.DAMAGED: "the next sync, or verify --repair, puts it right",
            RecordState.FORBIDDEN: "run as the user who owns it, or let this user read it",
            RecordState.NEWER: "use the version of this program that wrote it",
        }[self.state]


class _RecordError(Exception):
    """A document that is no record; the text completes "its record …"."""

    def __init__(self, reason: str, state: RecordState = RecordState.DAMAGED) -> None:
        super().__init__(reason)
        self.state = state


def write_record(tree: Path, version: Version) -> None:
    """Write record, head and digest list of a tree; the first two are on disk when this returns. Safe to repeat.

    A record of the same identity stays as it is, byte for byte: who knows its digest may have to read it yet. Then the
    head says what is newer.

    Raises:
        IntegrityError: the record would be too long to be read again.
        DiskFullError: no room.
    """
    recorded = _load_alone(tree)
    if isinstance(recorded, Version) and recorded.identity == version.identity:
        write_head(tree, _head_beside(recorded, version))
        return
    with disk_errors(record_path(tree)):
        replace_atomically(record_path(tree), _document(version), durable=True, mode=0o644)
    write_digest_list(tree, version.identity, version.manifest.files)
    write_head(tree, head_of(version))


def _document(version: Version) -> Iterator[bytes]:
    """The record of a version in parts: as a whole it would take as much memory as the list of files again, and more.

    Raises:
        IntegrityError: it is too long.
    """
    fields = {
        "format": FORMAT,
        "identity": version.identity,
        "component": component_fields(version.component),
        "topic": version.topic,
        "selection": version.selection,
        "number": version.number,
        "published_at": version.published_at,
        "etag": version.manifest.etag,
    }
    lists = {
        "files": version.manifest.files,
        "symlinks": version.manifest.symlinks,
        "copies": sorted(version.copies),
    }
    written = 0
    for text_part in chain([json.dumps(fields, default=instant)[:-1]], *map(_list, lists.items()), ["}"]):
        part = text_part.encode()
        written += len(part)
        if written > MAX_SIZE:
            raise IntegrityError(
                f"{version.folder}: it has more files than a mirror can record", hint="select less of it"
            )
        yield part


def _list(field: tuple[str, Sequence[object]]) -> Iterator[str]:
    """A list as a further field of a JSON object, in parts."""
    name, values = field
    yield f', "{name}": ['
    for begin in range(0, len(values), _VALUES):
        yield ", " * (begin > 0) + json.dumps(values[begin : begin + _VALUES])[1:-1]
    yield "]"


def refresh_head(tree: Path) -> None:
    """Write head and digest list of a tree anew where the head cannot stand for the record. Safe to repeat.

    To be called under the topic's lock. Nothing needs either: where they cannot be written, that is no error.
    """
    if read_current_head(tree) is None and isinstance(version := load_record(tree), Version):
        write_digest_list(tree, version.identity, version.manifest.files)
        with suppress(DiskFullError, SettingsError):
            write_record(tree, version)


def note_etag(tree: Path, etag: str) -> None:
    """Note in the head of a tree which manifest its files were selected from. Safe to repeat.

    To be called under the topic's lock. Where it cannot be written, the manifest is sent again, which is no error.
    """
    head = read_current_head(tree)
    if head is not None and head.etag != etag:
        with suppress(DiskFullError, SettingsError):
            write_head(tree, replace(head, etag=etag))


def load_head(tree: Path) -> Union[Head, Unreadable]:
    """What is known of a tree without its list of files. Reads the record only where the head cannot stand for it."""
    if head := read_current_head(tree):
        return head
    recorded = _load_alone(tree)
    if isinstance(recorded, Version):
        return _head_beside(recorded, with_head(recorded, read_head(tree)))
    return recorded


def _head_beside(recorded: Version, version: Version) -> Head:
    """The head of a version as it is now, beside the record as it was written."""
    return head_of(version, None if version.copies == recorded.copies else version.copies)


def load_record(tree: Path) -> Union[Version, Unreadable]:
    """Read the record of a tree, and what its head says is newer."""
    record = _load_alone(tree)
    return with_head(record, read_head(tree)) if isinstance(record, Version) else record


def _load_alone(tree: Path) -> Union[Version, Unreadable]:
    """Read the record of a tree as it was written."""
    folder = text_of(tree.name)
    try:
        return _decode(_load(read_file(record_path(tree), MAX_SIZE)), folder)
    except FileNotFoundError:
        return Unreadable(folder, "is missing")
    except _RecordError as error:
        return Unreadable(folder, str(error), error.state)
    except OSError as error:
        state = RecordState.FORBIDDEN if error.errno in FORBIDDEN else RecordState.DAMAGED
        return Unreadable(folder, f"cannot be read: {error.strerror}", state)


def parse_record(content: bytes, folder: str) -> Union[Version, Unreadable]:
    """Read a document as the record of a tree of that name."""
    try:
        return _decode(_load(content), folder)
    except _RecordError as error:
        return Unreadable(folder, str(error), error.state)


def read_record(tree: Path) -> Optional[Version]:
    """Read the record of a tree; None where there is none, or none that this program understands."""
    record = load_record(tree)
    return record if isinstance(record, Version) else None


def begins_like_a_record(tree: Path) -> bool:
    """Whether a tree has a record that this program began to write, whatever became of it."""
    try:
        return read_file(record_path(tree), MAX_SIZE).startswith(BEGINNING)
    except OSError as error:
        return error.errno == errno.EFBIG


def is_remainder(tree: Path) -> bool:
    """Whether the record beside a tree that is gone was written by this program, whole or in part."""
    record = load_record(tree)
    if isinstance(record, Version):
        return True
    with suppress(OSError):
        return record.state is RecordState.DAMAGED and read_file(record_path(tree), MAX_SIZE).startswith(BEGINNING)
    return False


def _decode(record: dict[str, Any], folder: str) -> Version:
    """Make a version of a record; of its bytes, which take as much memory again, nothing need be left by then.

    Raises:
        _RecordError: it is no record.
    """
    if record.get("format") != FORMAT:
        newer = type(record.get("format")) is int and record["format"] > FORMAT
        state = RecordState.NEWER if newer else RecordState.DAMAGED
        raise _RecordError("is of a format that this version of the program does not know", state)
    try:
        version = _version(record, folder)
        if version.identity != identity(version.component, version.selection, version.manifest):
            raise _RecordError("does not fit its own identity: something in it was changed")
    except EntryError as fault:
        raise _RecordError(f"holds what no mirror may hold: {fault}") from None
    except ManifestError as error:
        raise _RecordError(f"holds what no mirror may hold: {error}") from None
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        raise _RecordError("has fields that are missing or of another kind") from None
    return version


def _load(content: bytes) -> dict[str, Any]:
    if not content.strip(b"\0"):
        raise _RecordError("holds only zeros" if content else "is empty")
    if content.count(b",") + content.count(b"[") > 100_000 + len(content) // 8:
        raise _RecordError("is no list of files")  # it would take many times its size in memory
    try:
        record = json.loads(content.decode())
    except json.JSONDecodeError as error:
        cut = content.startswith(BEGINNING) and error.pos + 64 >= len(error.doc)
        raise _RecordError(f"is truncated after {len(content):,} bytes" if cut else "is not JSON") from None
    except (ValueError, RecursionError):
        raise _RecordError("is not JSON") from None
    if not isinstance(record, dict):
        raise _RecordError("is not a JSON object")
    return record


def _version(record: dict[str, Any], folder: str) -> Version:
    """Make a version of a record's fields; what is missing or of another type raises whatever it raises."""
    component = component_of(record["component"])
    files, symlinks = read_entries(record["files"], record["symlinks"])
    copies = frozenset(texts(record["copies"]))
    if copies and not copies <= {entry.path for entry in files}:
        raise EntryError("a copy is none of its files")
    last_verified = record.get("last_verified")  # in records of releases without heads
    return Version(
        folder=folder,
        identity=text(record["identity"]),
        component=component,
        topic=text(record["topic"]),
        selection=record["selection"],
        manifest=Manifest(component.type, files, symlinks, etag=text(record["etag"], empty=True)),
        published_at=time(record["published_at"]),
        last_verified=None if last_verified is None else time(last_verified),
        copies=copies,
        number=whole_number(record.get("number", 0)),
    )
