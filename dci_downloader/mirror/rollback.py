"""Rollback: publish the version before the present one again, without network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from dci_downloader.errors import IntegrityError, NotFoundError
from dci_downloader.hooks import NullProgress, Progress
from dci_downloader.mirror.damage import judge
from dci_downloader.mirror.digests import BELOW
from dci_downloader.mirror.disk_errors import disk_errors
from dci_downloader.mirror.hashing import hashing
from dci_downloader.mirror.hold import is_held, put_hold
from dci_downloader.mirror.lookup import find_types
from dci_downloader.mirror.mirror import Mirror
from dci_downloader.mirror.native import native
from dci_downloader.mirror.publish import rebuild, swap_link
from dci_downloader.mirror.record import Unreadable
from dci_downloader.mirror.topic import TopicMirror
from dci_downloader.mirror.version import Version

_NEXT_SYNC = "the next sync publishes the newest again, unless component_id in the settings names another"
_HELD = "it is held: it stays until dci-downloader release"


@dataclass(frozen=True)
class Rollback:
    """A version that was published again.

    Attributes:
        topic: the topic's own name.
        version: the folder of the version.
        path: the published link.
        notes: one line each, for people.
    """

    topic: str
    type: str
    version: str
    path: str
    notes: tuple[str, ...] = ()


def rollback(
    mirror: Mirror,
    topic_name: str,
    component_type: str = "",
    *,
    hold: bool = False,
    timeout: Optional[float] = None,
    progress: Progress = NullProgress(),  # noqa: B008  has no state
) -> tuple[Rollback, ...]:
    """Publish the version before the present one again. To repeat it goes back one more version.

    Settings and server decide what is published: the next sync publishes the newest again, unless the settings name a
    component. Content is hashed first, because nobody may have looked at it since it was published.

    Args:
        mirror: the mirror that has the topic.
        topic_name: the topic.
        component_type: one type of it; empty for all that have an older version.
        hold: have it stay, whatever is newer, until it is released.
        timeout: seconds to wait for another run; None waits for ever, 0 not at all.
        progress: gets a message before a wait.

    Returns:
        One result for each type.

    Raises:
        NotFoundError: there is no mirror, or nothing older.
        IntegrityError: the older version is damaged; it is not published.
        LockedError: another run holds the topic for longer than ``timeout``.
    """
    topic, types = find_types(mirror, topic_name, component_type)
    with topic.lock(timeout, progress.message):
        if not component_type:
            types = tuple(filter(topic.older_versions, types))
        if not types:
            raise _nothing_older(topic_name)
        return tuple(roll_back(topic, each, hold=hold) for each in types)


def roll_back(topic: TopicMirror, component_type: str, *, hold: bool = False) -> Rollback:
    """Do so for one type. To be called under the topic's lock.

    Raises:
        NotFoundError: there is nothing older.
        IntegrityError: the older version is damaged; nothing is changed.
    """
    older = topic.older_versions(component_type)
    if not older:
        raise _nothing_older(f"{topic.name}/{component_type}")
    version = topic.load(older[0])
    if isinstance(version, Unreadable):
        raise IntegrityError(
            f"{topic.name}/{component_type}: {version.folder}: its record {version.reason}",
            hint=f"mirror it again: --component-id {older[0].component.id}",
        )
    store = topic.store
    known = store.damage.read().intersection(entry.sha256 for entry in version.manifest.files)
    judge(store.damage, {sha256: store.object_path(sha256) for sha256 in known})
    # rebuilt before it is hashed: what the tree lost may be in the store
    notes: tuple[str, ...] = ()
    if not topic.intact(version):
        version, notes = rebuild(topic, version)
    _check_content(topic, version)
    with disk_errors(topic.path):
        notes += swap_link(topic, version)
    if hold:
        put_hold(topic, component_type)
    notes += (_HELD if is_held(topic, component_type) else _NEXT_SYNC,)
    return Rollback(topic.name, version.component.type, version.folder, str(topic.link(component_type)), notes)


def _nothing_older(what: str) -> NotFoundError:
    return NotFoundError(
        f"{what}: there is no version older than what is published", hint="keep more of them: --keep N"
    )


def _check_content(topic: TopicMirror, version: Version) -> None:
    """Hash a version's files.

    Raises:
        IntegrityError: one has another content, which is remembered.
    """
    root, store = topic.tree(version), topic.store
    entries = {
        # links share their bytes with the object; copies have their own
        f"{root}{BELOW}{native(entry.path)}" if entry.path in version.copies else store.object_path(entry.sha256): entry
        for entry in version.manifest.files
    }
    with hashing((path, entry.size) for path, entry in entries.items()) as hashes:
        for path, digest in hashes:
            entry = entries[path]
            if digest != entry.sha256:
                store.damage.add([version.identity if entry.path in version.copies else entry.sha256])
                raise IntegrityError(
                    f"{topic.name}/{version.component.type}: {version.folder} is damaged: {entry.path} should have "
                    f"sha256 {entry.sha256}, has {digest or 'nothing that can be read'}",
                    hint=f"mirror it again: --component-id {version.component.id}",
                )
