"""A version and its record: which component, by which selection, with which files; enough to verify it offline.

    .versions/<type>/<folder>          the tree
    .versions/<type>/<folder>.json     the record

A tree without a record, or a record without a tree, is not a version; :mod:`~dci_downloader.mirror.record` reads and
writes records. Two versions are the same when component, selection and wanted files are: then they have the same
identity.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Optional

from dci_downloader.changes import Changes
from dci_downloader.content.names import check_name
from dci_downloader.content.plan import changes
from dci_downloader.mirror.native import native
from dci_downloader.models import Component, Manifest, folder_name
from dci_downloader.short_repr import short_repr

_LINES = 4096


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
        number: counts the publications of a type, so that no clock decides which version is older; 0 in records that
            were written before there were numbers.
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
    number: int = 0

    __repr__ = short_repr


def identity(component: Component, selection: Any, wanted: Manifest) -> str:
    """The sha256, in hexadecimal, of component, selection, files and links."""
    # NUL and line ends separate, for no path holds them; so entries and their lines have the same order
    digest = hashlib.sha256("\n".join([component.id, json.dumps(selection, sort_keys=True)]).encode())
    for line, entries in (("\n%s\0%s\0%d", wanted.files), ("\n%s\0%s", wanted.symlinks)):
        in_order = sorted(entries)
        for begin in range(0, len(in_order), _LINES):  # a part at a time, for all of them together take megabytes
            digest.update("".join(map(line.__mod__, in_order[begin : begin + _LINES])).encode())
    return digest.hexdigest()


def changes_since(version: Optional[Version], wanted: Manifest) -> Changes:
    """How many of the wanted files differ from a version; all of them are added where there is none."""
    if version is None:
        return Changes(added=len(wanted.files))
    return changes(version.folder, version.manifest, wanted)


def record_path(tree: Path) -> Path:
    """The path of a tree's record."""
    return tree.with_name(tree.name + ".json")


def type_folder(component_type: str) -> str:
    """The name of the folder of a component type.

    Raises:
        ManifestError: it cannot be a folder.
    """
    return native(check_name(folder_name(component_type), "component type"))
