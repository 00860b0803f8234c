"""Trees and links under a temporary name, and their removal after a run that was killed.

    <topic>/.new-…                       a link being made
    <topic>/.old-…                       a plain folder that a published link replaced
    <topic>/.versions/<type>/.new-…      a tree being built
    <topic>/.versions/<type>/.old-…      a tree that was replaced or removed
    <topic>/.versions/<type>/.….json.…   a record being written
    <topic>/.versions/<type>/..….digests.…   a digest list being written
    <topic>/.versions/<type>/..….head.…  a head being written

The next run of the topic removes them.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path

from dci_downloader.mirror.digest_list import SUFFIX as DIGESTS
from dci_downloader.mirror.digest_list import is_digest_list
from dci_downloader.mirror.disk_errors import disk_errors
from dci_downloader.mirror.folders import real_folders
from dci_downloader.mirror.head import SUFFIX as HEAD
from dci_downloader.mirror.head import is_head
from dci_downloader.mirror.record import is_remainder
from dci_downloader.mirror.removal import remove_tree
from dci_downloader.mirror.version import record_path

_TEMPORARY = re.compile(
    r"\.((new|old)-[0-9a-f]{8}(-aside)?|.+\.json\.[0-9a-f]{8}|\..+\.(head|digests)\.[0-9a-f]{8})", re.ASCII | re.DOTALL
)
"""Exactly the names made here: what an admin has set aside as ``.old-backup`` is not removed."""


def new_path(folder: Path) -> Path:
    """A path in a folder for something that is not complete yet."""
    return folder / f".new-{secrets.token_hex(4)}"


def old_path(folder: Path) -> Path:
    """A path in a folder for something that is to be removed."""
    return folder / f".old-{secrets.token_hex(4)}"


def topic_temporaries(path: Path) -> Iterator[Path]:
    """A topic's temporaries, and what stands beside trees without one; of no use only under the topic's lock.

    Args:
        path: the folder of the topic.

    Raises:
        SettingsError: a folder cannot be read.
    """
    with disk_errors(path):
        types = real_folders(path / ".versions")
        for folder in (path, *types):
            yield from (item for item in sorted(folder.iterdir()) if _TEMPORARY.fullmatch(item.name))
        for folder in types:
            for record in folder.glob("*.json"):
                tree = record.with_suffix("")
                if not os.path.lexists(tree) and is_remainder(tree):  # other people's JSON files are left alone
                    yield record
            yield from filter(_is_left_alone, sorted(folder.glob(".*")))


def remove_topic_temporaries(path: Path) -> tuple[str, ...]:
    """Remove them. To be called under the topic's lock. Safe to repeat.

    Returns:
        What could not be removed, one line for people each.

    Raises:
        SettingsError: a folder cannot be read.
    """
    left: list[str] = []
    for temporary in topic_temporaries(path):
        left += remove_tree(temporary)
    return tuple(left)


def _is_left_alone(path: Path) -> bool:
    """Whether a file is the head or digest list of a version that is gone."""
    tree = path.with_name(path.stem[1:] or path.name)
    if os.path.lexists(tree) or os.path.lexists(record_path(tree)):
        return False
    return (path.suffix == HEAD and is_head(path)) or (path.suffix == DIGESTS and is_digest_list(path))
