"""The head of a version: what changes after it was published, and the rest of its record without the list of files.

    .versions/<type>/.<folder>.head    beside the record <folder>.json

A record is written once, so that it can be trusted by its digest. What changes later is in the head: when the version
was last published and verified, its place among the other versions, and which of its files are copies. The head also
repeats a part of the record, so that a line of status need not read a list of thirty thousand files.

No head is ever needed: the record says everything. A head counts only for a version of its own identity, and in place
of the record only while size and time of the record are those that it was written for; a missing, damaged or foreign
one is ignored. It has two lines: a JSON object, and the sha256 of that line. No component's folder begins with a dot,
so the name of a head is free.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import stat
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Optional

from dci_downloader.errors import ManifestError
from dci_downloader.mirror.disk_errors import disk_errors
from dci_downloader.mirror.files import replace_atomically
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
from dci_downloader.mirror.version import Version, record_path, type_folder
from dci_downloader.models import Component

BEGINNING = b'{"head":'
"""How every head begins."""
SUFFIX = ".head"

_FORMAT = 1
_FAULTS = (ManifestError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError)


@dataclass(frozen=True)
class Head:
    """A version without its list of files; the attributes are those of :class:`~dci_downloader.mirror.version.Version`.

    Attributes:
        etag: of the manifest.
        files: how many files the version holds, with ``size`` bytes.
        has_copies: whether any of its files is a copy of its object.
        copies: None where they are those of the record.
    """

    folder: str
    identity: str
    component: Component
    topic: str
    selection: Any
    published_at: datetime
    last_verified: Optional[datetime]
    number: int
    etag: str
    files: int
    size: int
    has_copies: bool = False
    copies: Optional[frozenset[str]] = None


def head_path(tree: Path) -> Path:
    """The path of a tree's head."""
    return tree.with_name(f".{tree.name}{SUFFIX}")


def head_of(version: Version, copies: Optional[frozenset[str]] = None) -> Head:
    """The head that a version should have.

    Args:
        version: the version.
        copies: its copies, where its record names others.
    """
    return Head(
        version.folder,
        version.identity,
        version.component,
        version.topic,
        version.selection,
        version.published_at,
        version.last_verified,
        version.number,
        version.manifest.etag,
        len(version.manifest.files),
        version.manifest.size,
        bool(version.copies),
        copies,
    )


def with_head(version: Version, head: Optional[Head]) -> Version:
    """A version as its record has it, with what its head says is newer."""
    if head is None or head.identity != version.identity:
        return version
    if (head.component.id, head.component.type) != (version.component.id, version.component.type):
        return version
    copies = version.copies
    if head.copies is not None and head.copies <= {entry.path for entry in version.manifest.files}:
        copies = head.copies
    return replace(
        version,
        component=head.component,
        published_at=head.published_at,
        last_verified=head.last_verified,
        number=head.number,
        copies=copies,
        manifest=replace(version.manifest, etag=head.etag),
    )


def write_head(tree: Path, head: Head) -> None:
    """Write the head of a tree that has a record, atomically; it is on disk when this returns. Safe to repeat.

    Raises:
        DiskFullError: no room.
        SettingsError: this user may not write here.
    """
    with disk_errors(head_path(tree)):
        status = os.lstat(record_path(tree))
        fields = {
            "head": _FORMAT,
            "identity": head.identity,
            "record": [status.st_size, status.st_mtime_ns],
            "component": component_fields(head.component),
            "topic": head.topic,
            "selection": head.selection,
            "number": head.number,
            "published_at": head.published_at,
            "last_verified": head.last_verified,
            "etag": head.etag,
            "files": head.files,
            "size": head.size,
            "has_copies": head.has_copies,
            "copies": None if head.copies is None else sorted(head.copies),
        }
        line = json.dumps(fields, default=instant).encode()
        content = b"%s\n%s\n" % (line, hashlib.sha256(line).hexdigest().encode())
        path = head_path(tree)
        if path.is_dir() and not path.is_symlink():  # no file could replace it; the next run removes it
            os.rename(path, path.with_name(f".old-{secrets.token_hex(4)}"))
        replace_atomically(path, content, durable=True, mode=0o644)


def read_head(tree: Path) -> Optional[Head]:
    """Read the head of a tree; None where there is none, or none that this program understands.

    Whether it is about the record of this tree is for the caller to compare: see :func:`with_head`.
    """
    fields = _fields(tree)
    with suppress(*_FAULTS):
        return _head(fields, text_of(tree.name)) if fields else None
    return None


def read_current_head(tree: Path) -> Optional[Head]:
    """The same where the head can stand for the record, because that is unchanged since; else None."""
    fields = _fields(tree)
    with suppress(OSError, *_FAULTS):
        status = os.lstat(record_path(tree))
        if stat.S_ISREG(status.st_mode) and fields["record"] == [status.st_size, status.st_mtime_ns]:
            head = _head(fields, text_of(tree.name))
            is_here = type_folder(head.component.type) == tree.parent.name
            # a record that this user may not read is an error, not hidden by the head
            return head if is_here and os.access(record_path(tree), os.R_OK) else None
    return None


def is_head(path: Path) -> bool:
    """Whether a file begins like a head that this program wrote."""
    with suppress(OSError):
        return read_file(path, MAX_SIZE).startswith(BEGINNING)
    return False


def _fields(tree: Path) -> dict[str, Any]:
    """The fields of a head as it was written; none where it was changed since."""
    with suppress(OSError, ValueError, RecursionError):
        line, _, digest = read_file(head_path(tree), MAX_SIZE).partition(b"\n")
        parts = line.count(b",") + line.count(b"[")  # more of them would take many times the size in memory
        if hashlib.sha256(line).hexdigest().encode() == digest.strip() and parts <= 100_000 + len(line) // 8:
            fields = json.loads(line.decode())
            if isinstance(fields, dict) and fields.get("head") == _FORMAT:
                return fields
    return {}


def _head(fields: dict[str, Any], folder: str) -> Head:
    """Make a head of its fields; what is missing or of another type raises whatever it raises."""
    last_verified, copies, has_copies = fields["last_verified"], fields["copies"], fields["has_copies"]
    if not isinstance(has_copies, bool):
        raise ValueError("neither true nor false")
    return Head(
        folder=folder,
        identity=text(fields["identity"]),
        component=component_of(fields["component"]),
        topic=text(fields["topic"]),
        selection=fields["selection"],
        published_at=time(fields["published_at"]),
        last_verified=None if last_verified is None else time(last_verified),
        number=whole_number(fields["number"]),
        etag=text(fields["etag"], empty=True),
        files=whole_number(fields["files"]),
        size=whole_number(fields["size"], 2**90),  # of many files, each up to 2**63
        has_copies=has_copies,
        copies=None if copies is None else frozenset(texts(copies)),
    )
