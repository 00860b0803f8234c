"""A version and its record: which component, by which selection, with which files; enough to verify it offline.

    .versions/<type>/<folder>          the tree
    .versions/<type>/<folder>.json     the record

A tree without a record, or a record without a tree, is not a version. Two versions are the same when component,
selection and wanted files are: then they have the same identity.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Optional

from dci_downloader.content.names import check_name
from dci_downloader.content.plan import changes
from dci_downloader.mirror.disk_errors import disk_errors
from dci_downloader.mirror.files import replace_atomically
from dci_downloader.models import Component, FileEntry, Manifest, SymlinkEntry, folder_name
from dci_downloader.results import Changes

FORMAT = 1


@dataclass(frozen=True)
class Version:
    """A component, or the selected part of it, in the mirror.

    Attributes:
        folder: the name of its tree: the component's, with a suffix where a version of another selection has that.
        identity: see :func:`identity`.
        topic: the topic's own name.
        selection: what was asked for, as a JSON value that only the caller understands.
        manifest: the files and links it holds, and the etag of the manifest they were selected from.
        published_at: when it was last published by a sync, UTC.
        last_verified: when every byte of it was last found right, UTC; None if never.
        copies: paths of the files that are copies of their objects, because hard links were not possible.
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
    """The sha256, in hexadecimal, of component, selection, files and links."""
    lines = [component.id, json.dumps(selection, sort_keys=True)]  # NUL and line ends separate: no path holds them
    lines += sorted([f"{path}\0{sha256}\0{size}" for path, sha256, size in wanted.files])
    lines += sorted([f"{path}\0{destination}" for path, destination in wanted.symlinks])
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def changes_since(version: Optional[Version], wanted: Manifest) -> Changes:
    """How many of the wanted files differ from a version; all of them are added where there is none."""
    if version is None:
        return Changes(added=len(wanted.files))
    return changes(version.folder, version.manifest, wanted)


def record_path(tree: Path) -> Path:
    """The path of a tree's record."""
    return tree.with_name(tree.name + ".json")


def write_record(tree: Path, version: Version) -> None:
    """Write the record of a tree atomically; it is on disk when this returns. Safe to repeat."""
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
        content = json.dumps(record, default=datetime.isoformat).encode()
        replace_atomically(record_path(tree), content, durable=True, mode=0o644)


def read_record(tree: Path) -> Optional[Version]:
    """Read the record of a tree; None where there is none, or none that this program understands."""
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
            last_verified=_time(record["last_verified"]),
            copies=frozenset(record["copies"]),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):  # whatever a file may hold
        return None


def _component(fields: dict[str, Any]) -> Component:
    component = Component(**fields)
    return replace(
        component,
        tags=tuple(component.tags),
        created_at=_time(fields["created_at"]),
        released_at=_time(fields["released_at"]),
    )


def _time(value: Optional[str]) -> Optional[datetime]:
    return None if value is None else datetime.fromisoformat(value)


def type_folder(component_type: str) -> str:
    """The name of the folder of a component type.

    Raises:
        ManifestError: it cannot be a folder.
    """
    return check_name(folder_name(component_type), "component type")


def referenced_digests(root: Path) -> frozenset[str]:
    """The digests that any version of a mirror names."""
    versions = (read_record(path) for topic in real_folders(root) for path in _trees(topic / ".versions"))
    return frozenset(entry.sha256 for version in versions if version is not None for entry in version.manifest.files)


def _trees(versions: Path) -> Iterator[Path]:
    """Every folder below a topic's ``.versions/`` that may be the tree of a version."""
    for folder in real_folders(versions):
        yield from real_folders(folder)


def real_folders(parent: Path) -> list[Path]:
    """The folders in a folder, sorted, without hidden ones and links; none where the parent itself is a link."""
    if parent.is_symlink() or not parent.is_dir():
        return []
    visible = (path for path in parent.iterdir() if not path.name.startswith("."))
    return sorted(path for path in visible if path.is_dir() and not path.is_symlink())
