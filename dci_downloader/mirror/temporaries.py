"""Trees and links under a temporary name, and their removal after a run that was killed.

    <topic>/.new-…                       a link being made
    <topic>/.old-…                       a plain folder that a published link replaced
    <topic>/.versions/<type>/.new-…      a tree being built
    <topic>/.versions/<type>/.old-…      a tree that was replaced or removed
    <topic>/.versions/<type>/.….json.…   a record being written
    <topic>/.versions/<type>/..….head.…  a head being written

The next run of the topic removes them.
"""

from __future__ import annotations

import os
import re
import secrets
from contextlib import suppress
from pathlib import Path

from dci_downloader.errors import SettingsError
from dci_downloader.mirror.disk_errors import disk_errors
from dci_downloader.mirror.files import remove_file
from dci_downloader.mirror.folders import real_folders
from dci_downloader.mirror.head import SUFFIX, is_head
from dci_downloader.mirror.record import is_remainder
from dci_downloader.mirror.removal import remove_tree
from dci_downloader.mirror.version import record_path

_TEMPORARY = re.compile(
    r"\.((new|old)-[0-9a-f]{8}(-aside)?|.+\.json\.[0-9a-f]{8}|\..+\.head\.[0-9a-f]{8})", re.ASCII | re.DOTALL
)
"""Exactly the names made here: what an admin has set aside as ``.old-backup`` is not removed."""


def new_path(folder: Path) -> Path:
    """A path in a folder for something that is not complete yet."""
    return folder / f".new-{secrets.token_hex(4)}"


def old_path(folder: Path) -> Path:
    """A path in a folder for something that is to be removed."""
    return folder / f".old-{secrets.token_hex(4)}"


def remove_topic_temporaries(path: Path) -> tuple[str, ...]:
    """Remove a topic's temporaries, and records and heads without a tree. To be called under the topic's lock.

    Args:
        path: the folder of the topic.

    Returns:
        What could not be removed, one line for people each.

    Raises:
        SettingsError: a folder cannot be read.
    """
    left: list[str] = []
    with disk_errors(path):
        types = real_folders(path / ".versions")
        for folder in (path, *types):
            for item in sorted(folder.iterdir()):
                if _TEMPORARY.fullmatch(item.name):
                    left += remove_tree(item)
        for folder in types:
            for record in folder.glob("*.json"):
                tree = record.with_suffix("")
                if not os.path.lexists(tree) and is_remainder(tree):  # other people's JSON files are left alone
                    remove_file(record)
            for head in folder.glob(f".*{SUFFIX}"):
                tree = head.with_name(head.name[1 : -len(SUFFIX)])
                if not os.path.lexists(tree) and not os.path.lexists(record_path(tree)) and is_head(head):
                    remove_file(head)
    return tuple(left)


def remove_temporaries(root: Path) -> None:
    """Do the same in every topic of a mirror, where it can be done. To be called under the store's exclusive lock."""
    for path in real_folders(root):
        with suppress(SettingsError):  # a topic that cannot be read must not keep others from their work
            if real_folders(path / ".versions"):
                remove_topic_temporaries(path)
