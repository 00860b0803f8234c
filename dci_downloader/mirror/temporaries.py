"""Trees and links under a temporary name, and their removal after a run that was killed.

    <topic>/.new-…                       a link being made
    <topic>/.old-…                       a plain folder that a published link replaced
    <topic>/.versions/<type>/.new-…      a tree being built
    <topic>/.versions/<type>/.old-…      a tree that was replaced or removed

The next run of the topic removes them.
"""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path

from dci_downloader.mirror.disk_errors import disk_errors
from dci_downloader.mirror.files import remove_file
from dci_downloader.mirror.record import read_record
from dci_downloader.mirror.tree import remove_tree
from dci_downloader.mirror.version import real_folders

_TEMPORARY = re.compile(r"\.(new|old)-[0-9a-f]{8}(-aside)?", re.ASCII)
"""Exactly the names made here: what an admin has set aside as ``.old-backup`` is not removed."""


def new_path(folder: Path) -> Path:
    """A path in a folder for something that is not complete yet."""
    return folder / f".new-{secrets.token_hex(4)}"


def old_path(folder: Path) -> Path:
    """A path in a folder for something that is to be removed."""
    return folder / f".old-{secrets.token_hex(4)}"


def remove_topic_temporaries(path: Path) -> None:
    """Remove a topic's temporaries, and records without a tree. To be called under the topic's lock.

    Args:
        path: the folder of the topic.
    """
    with disk_errors(path):
        types = real_folders(path / ".versions")
        for folder in (path, *types):
            for item in folder.iterdir():
                if _TEMPORARY.fullmatch(item.name):
                    remove_tree(item)
        for folder in types:
            for record in folder.glob("*.json"):
                tree = record.with_suffix("")
                if not os.path.lexists(tree) and read_record(tree):  # other people's JSON files are left alone
                    remove_file(record)


def remove_temporaries(root: Path) -> None:
    """Do the same in every topic of a mirror. To be called under the store's exclusive lock."""
    for path in real_folders(root):
        if (path / ".versions").is_dir():
            remove_topic_temporaries(path)
