"""Mend what a copy, a restore or somebody's chmod changed of a version whose content is right: links and modes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Optional

from dci_downloader.errors import IntegrityError
from dci_downloader.formatting import count
from dci_downloader.mirror.carried import has_links, is_carried
from dci_downloader.mirror.comparison import TreeState
from dci_downloader.mirror.disk_errors import disk_errors
from dci_downloader.mirror.mirror import Mirror
from dci_downloader.mirror.modes import put_modes_right
from dci_downloader.mirror.publish import rebuild
from dci_downloader.mirror.temporaries import new_path
from dci_downloader.mirror.topic import TopicMirror
from dci_downloader.mirror.verify import VersionCheck
from dci_downloader.mirror.version import Version


def mend(topic: TopicMirror, version: Version) -> Optional[tuple[str, ...]]:
    """Put links and modes of a version right. Safe to repeat. To be called under the topic's lock.

    Where files are no links to their objects, or links are written otherwise, the tree is built anew, in one step for
    its readers.

    Returns:
        One line for people for each kind of thing that was mended; None where the version has to be
        published anew, because content, a folder or a link is missing or wrong.

    Raises:
        IntegrityError: an object is damaged.
        DiskFullError: no room for a new tree.
    """
    link = topic.link(version.component.type)
    if is_carried(link) and has_links(topic.path, new_path(topic.path)):  # copied from a stick with exFAT
        return None
    if topic.known_damage(version):
        return None
    places, damaged, state = _mend_modes(topic, version)
    if damaged:
        topic.store.damage.add(entry.sha256 for entry in version.manifest.files if entry.path in damaged)
        return None
    notes: tuple[str, ...] = (_modes_note(topic.root, places),) if places else ()
    if state.damages or ((state.unlinked or state.respelled) and not _has_all_objects(topic, version)):
        return None
    if state.unlinked:
        _, built = rebuild(topic, version)
        files = count(len(state.unlinked), "file")
        notes += (f"{files} of this copy of the mirror stood apart from the store: the tree was built anew", *built)
    elif state.respelled:
        _, built = rebuild(topic, version)
        notes += (f"{count(len(state.respelled), 'link')} written otherwise: the tree was built anew", *built)
    return notes


def _modes_note(root: Path, places: int) -> str:
    closed = os.stat(root).st_mode & 0o005 != 0o005  # the mode of the mirror itself is for its owner to choose
    rest = f"; {root} itself is closed to other users: chmod a+rx, if they are to read" if closed else ""
    return f"modes of files and folders were put right in {count(places, 'place')}{rest}"


def mend_checked(
    mirror: Mirror,
    checks: Iterable[VersionCheck],
    *,
    timeout: Optional[float] = None,
    waiting: Callable[[str], None] = lambda _: None,
) -> tuple[str, ...]:
    """Mend the versions whose content was found right, or could not be read, without network. Safe to repeat.

    Args:
        mirror: the mirror to mend.
        checks: the result of ``verify``.
        timeout: seconds to wait for another run; None waits for ever, 0 not at all.
        waiting: called once for each wait, with a line for people that names the holder.

    Returns:
        One line for people for each kind of thing that was mended.

    Raises:
        LockedError: another run holds a topic for longer than ``timeout``.
    """
    lines: list[str] = []
    for check in checks:
        if check.exit_code == IntegrityError.exit_code or not (check.unlinked or check.modes or check.respelled):
            continue
        topic = mirror.topic(check.topic)
        with topic.lock(timeout, waiting):
            version = topic.published(check.type)
            notes = mend(topic, version) if version is not None else None
        lines += [f"{check.topic} {check.type}: {note}" for note in notes or ()]
    return tuple(lines)


def _mend_modes(topic: TopicMirror, version: Version) -> tuple[int, frozenset[str], TreeState]:
    """Put modes right; in how many places, which files are damaged, and the state after that."""
    state, places = topic.inspect(version), 0
    with disk_errors(topic.tree(version)):
        while state.modes:  # what is in a folder that nobody could enter is seen only after that
            changed, damaged = put_modes_right(topic.tree(version), version.manifest, state.modes)
            places += changed
            if damaged or not changed:
                return places, damaged, state
            state = topic.inspect(version)
    return places, frozenset(), state


def _has_all_objects(topic: TopicMirror, version: Version) -> bool:
    return all(map(topic.store.holds, version.manifest.files))
