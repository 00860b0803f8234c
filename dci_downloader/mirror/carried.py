"""Versions on a file system without symbolic links, exFAT or vfat: on a stick that carries them to other mirrors.

    <topic>/.<type>.carried              the folder of the version that counts as published, one line
    <topic>/.versions/<type>/<folder>    empty: its files are in the store alone

There is neither link nor tree for installers. Records, indexes and objects are all that another mirror needs of it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from dci_downloader.content.names import EntryError, check_segment
from dci_downloader.errors import SettingsError
from dci_downloader.mirror.comparison import Damage, TreeState
from dci_downloader.mirror.files import make_symlink, remove_file, replace_atomically
from dci_downloader.mirror.native import native, text_of
from dci_downloader.mirror.reading import read_file
from dci_downloader.models import FileEntry, Manifest

ONLY_CARRIED = "nothing is published here for installers: mirrors take it from here by --from"
"""For people, what a mirror without symbolic links is."""
NOTE = f"this file system has no symbolic links, so {ONLY_CARRIED}"
"""For people, about a version that is carried only."""

_LONGEST = 4096  # bytes


def carried_path(link: Path) -> Path:
    """The file that names the carried version, beside where the link would be; no type's own folder begins with a dot.

    Args:
        link: the published link of a type.
    """
    return link.with_name(f".{link.name}.carried")


def carried_folder(link: Path) -> str:
    """The folder of the carried version; empty where there is none."""
    try:
        folder = text_of(os.fsdecode(read_file(carried_path(link), _LONGEST))).rstrip("\n")
        check_segment(folder)
    except (OSError, EntryError):
        return ""
    return "" if folder.startswith(".") else folder


def is_carried(link: Path) -> bool:
    """Whether the versions of a type are carried only."""
    return not link.is_symlink() and bool(carried_folder(link))


def carried_state(manifest: Manifest, holds: Callable[[FileEntry], bool]) -> TreeState:
    """What of a carried version is missing: it has no tree that could differ.

    Args:
        manifest: of the version.
        holds: whether the store has the content of an entry.
    """
    lost = (entry for entry in manifest.files if not holds(entry))
    return TreeState(tuple(Damage(entry.path, f"sha256 {entry.sha256}", "nothing") for entry in lost), (), ())


def carry(link: Path, folder: str) -> None:
    """Make a version the carried one, by one rename.

    Raises:
        OSError: it cannot be written.
    """
    replace_atomically(carried_path(link), os.fsencode(native(folder)) + b"\n", durable=True, mode=0o644)


def has_links(folder: Path, probe: Path) -> bool:
    """Whether a file system has symbolic links: one is made, and removed.

    Args:
        folder: on it.
        probe: a path in it that is not used.
    """
    try:
        make_symlink(folder.name, probe)
    except SettingsError:
        return False
    remove_file(probe)
    return True
