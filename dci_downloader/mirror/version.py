"""The record of a version: what was published, from which component, by which selection; enough to verify offline.

    .versions/<type>/<folder>          the tree
    .versions/<type>/<folder>.json     this record

A tree without a record, or a record without a tree, is no version. Two versions are the same when component, selection
and wanted content are: their identity says so.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Optional

from dci_downloader.mirror.files import disk_errors, replace_atomically
from dci_downloader.models import Component, FileEntry, Manifest, SymlinkEntry

FORMAT = 1


@dataclass(frozen=True)
class Version:
    """A component as it stands in the mirror.

    Attributes:
        folder: the name of its tree; that of the component, with a suffix where another selection has that.
        identity: see :func:`identity`.
        topic: the topic's own name.
        selection: what was asked for, as a JSON value that only the caller understands.
        manifest: the files and links it holds, and the etag of the manifest they are from.
        published_at: when it was last made the newest, UTC.
        last_verified: when every byte of it was last found right, UTC.
        copies: paths that are copies of their object where no hard link was to be had.
    """

    folder: str
    identity: str
    component: Component
    topic: str
    selection: Any
    manifest: Manifest
    published_at: datetime
    last_verified: Optional[datetime] = None
    copies: frozenset[str] = frozenset()


def identity(component: Component, selection: Any, wanted: Manifest) -> str:
    """What makes a version the one it is: sha256 over component, selection, files and links, in hexadecimal."""
    lines = [component.id, json.dumps(selection, sort_keys=True)]  # paths hold no control characters
    lines += sorted([f"{path}\0{sha256}\0{size}" for path, sha256, size in wanted.files])
    lines += sorted([f"{path}\0{destination}" for path, destination in wanted.symlinks])
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def record_path(tree: Path) -> Path:
    """Where the record of a tree is."""
    return tree.with_name(tree.name + ".json")


def write_record(tree: Path, version: Version) -> None:
    """Put the record of a tree on disk, durably and at once. Safe to repeat."""
    manifest = version.manifest
    record = {
        "format": FORMAT,
        "identity": version.identity,
        "component": asdict(version.component),
        "topic": version.topic,
        "selection": version.selection,
        "published_at": version.published_at.isoformat(),
        "last_verified": version.last_verified and version.last_verified.isoformat(),
        "etag": manifest.etag,
        "files": manifest.files,
        "symlinks": manifest.symlinks,
        "copies": sorted(version.copies),
    }
    with disk_errors(record_path(tree)):
        replace_atomically(record_path(tree), json.dumps(record, default=datetime.isoformat).encode(), durable=True)


def read_record(tree: Path) -> Optional[Version]:
    """Read the record of a tree; None where there is none, or none that this version of the program understands."""
    try:
        record = json.loads(record_path(tree).read_bytes())
        if record["format"] != FORMAT:
            return None
        component = _component(record["component"])
        manifest = Manifest(
            component_type=component.type,
            files=tuple(map(FileEntry._make, record["files"])),
            symlinks=tuple(map(SymlinkEntry._make, record["symlinks"])),
            etag=record["etag"],
        )
        return Version(
            folder=tree.name,
            identity=record["identity"],
            component=component,
            topic=record["topic"],
            selection=record["selection"],
            manifest=manifest,
            published_at=datetime.fromisoformat(record["published_at"]),
            last_verified=_instant(record["last_verified"]),
            copies=frozenset(record["copies"]),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _component(fields: dict[str, Any]) -> Component:
    component = Component(**fields)
    return replace(
        component,
        tags=tuple(component.tags),
        created_at=_instant(fields["created_at"]),
        released_at=_instant(fields["released_at"]),
    )


def _instant(value: Optional[str]) -> Optional[datetime]:
    return None if value is None else datetime.fromisoformat(value)


def trees(versions: Path) -> Iterator[Path]:
    """Every tree below a topic's ``.versions/`` that may have a record."""
    for kind in real_folders(versions):
        yield from real_folders(kind)


def real_folders(parent: Path) -> list[Path]:
    """The folders in a folder, sorted, without hidden ones and links; none where the folder itself is a link."""
    if parent.is_symlink() or not parent.is_dir():
        return []
    found = (path for path in parent.iterdir() if not path.name.startswith("."))
    return sorted(path for path in found if path.is_dir() and not path.is_symlink())
