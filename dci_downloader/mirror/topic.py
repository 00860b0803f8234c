"""One topic of a mirror: its lock, and what its versions are.

    <topic>/.lock                       held alone by the sync of this topic
    <topic>/<type>                      -> .versions/<type>/<folder>, the published version
    <topic>/.versions/<type>/<folder>   a tree, with its record beside it (see :mod:`dci_downloader.mirror.version`)

Versions are only read here: publish, retention and rollback, which change them, build on this module.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Optional, TypeVar, Union

from dci_downloader.content.names import check_name
from dci_downloader.errors import DiskFullError, LockedError, SettingsError
from dci_downloader.mirror.carried import carried_folder, carried_state, is_carried
from dci_downloader.mirror.comparison import TreeState, inspect
from dci_downloader.mirror.disk_errors import disk_errors
from dci_downloader.mirror.files import LINK_HINT
from dci_downloader.mirror.folders import component_types, make_own_folder, mend_folders, trees_in
from dci_downloader.mirror.garbage import collect_garbage
from dci_downloader.mirror.head import Head
from dci_downloader.mirror.locks import BRIEF, FileLock
from dci_downloader.mirror.lost_trees import is_lost_tree
from dci_downloader.mirror.native import native, text_of
from dci_downloader.mirror.record import (
    Unreadable,
    load_head,
    load_record,
    read_record,
    refresh_head,
)
from dci_downloader.mirror.recovery import recover
from dci_downloader.mirror.store import Store
from dci_downloader.mirror.temporaries import remove_topic_temporaries
from dci_downloader.mirror.version import Version, type_folder
from dci_downloader.models import folder_name

_Record = TypeVar("_Record", Version, Head)


class TopicMirror:
    """The versions of one topic; made by :meth:`dci_downloader.mirror.mirror.Mirror.topic`.

    Reading has no side effect. What changes versions (:mod:`~dci_downloader.mirror.publish`,
    :mod:`~dci_downloader.mirror.retention`) is to be called under :meth:`lock`.

    Args:
        root: the mirror.
        name: the topic's own name.
        store: the mirror's.
        clock: now, in UTC.

    Attributes:
        path: the folder of the topic.
        leftovers: what could not be removed, one line for people each.
        created_at: when the topic was created on the control server, UTC; None where that is not known.

    Raises:
        ManifestError: the name cannot be a folder.
    """

    def __init__(self, root: Path, name: str, store: Store, clock: Callable[[], datetime]) -> None:
        self.name = name
        self.root = root
        self.path = root / native(check_name(folder_name(name), "topic"))
        self.store = store
        self.clock = clock
        self.leftovers: list[str] = []
        self.created_at: Optional[datetime] = None

    @contextmanager
    def lock(
        self, timeout: Optional[float] = None, waiting: Callable[[str], None] = lambda _: None
    ) -> Iterator[TopicMirror]:
        """Be the only one to change this topic, beside syncs of other topics, for a block.

        Makes the folders. After a power cut, objects that may never have reached the disk are hashed first. At the
        end, content that only removed versions had leaves the store, unless another sync is running: then the next
        run that is alone removes it.

        Args:
            timeout: seconds to wait for another holder; None waits for ever, 0 not at all.
            waiting: called once for each wait, with a line for people that names the holder.

        Raises:
            LockedError: another run holds it for longer than ``timeout``.
            SettingsError: the mirror cannot be written to, or something else is in its place, another topic even.
        """
        self.store.prepare()
        if self.store.needs_recovery():
            recover(self.store, self.root, timeout, waiting)
        with self.alone(timeout, waiting):
            yield self
        # only now: it takes the store's lock alone, and this run held it shared; where another topic's record cannot be
        # read, which may name any object, nothing is removed, and prune says so
        with suppress(LockedError, SettingsError, DiskFullError):
            collect_garbage(self.store, self.root)

    @contextmanager
    def alone(self, timeout: Optional[float], waiting: Callable[[str], None]) -> Iterator[None]:
        """The same without recovery and collection, for callers that trust no object and collect by themselves."""
        store_lock = self.store.lock()
        with store_lock.holding(shared=True, timeout=timeout, waiting=waiting, patience=BRIEF):
            make_own_folder(self.path)
            with FileLock(self.path / ".lock").holding(timeout=timeout, waiting=waiting):
                store_lock.sign()  # only now: while this run waits, messages have to name the other holder
                mend_folders(self.path)
                self.leftovers += remove_topic_temporaries(self.path)
                yield

    def name_of(self, version: Union[Version, Head]) -> str:
        """The topic's own name as a version has it, unless a record of another topic was put here."""
        return version.topic if folder_name(version.topic) == text_of(self.path.name) else self.name

    def types(self) -> tuple[str, ...]:
        """The component types that there are versions of, as their folders are named."""
        return component_types(self.path)

    def link(self, component_type: str) -> Path:
        """The published link of a type, through which agents read."""
        return self.path / type_folder(component_type)

    def tree(self, version: Union[Version, Head]) -> Path:
        """The folder of a version."""
        return self.versions_folder(version.component.type) / native(version.folder)

    def versions_folder(self, component_type: str) -> Path:
        """The folder that holds the versions of a type.

        Raises:
            SettingsError: it, or one above it, is a symbolic link, which could lead out of the mirror.
        """
        folder = self.path / ".versions" / type_folder(component_type)
        for path in (self.path, folder.parent, folder):
            with disk_errors(path):
                if path.is_symlink():
                    raise SettingsError(f"{path} is a symbolic link", hint=LINK_HINT)
        return folder

    def versions(self, component_type: str) -> tuple[Version, ...]:
        """The versions of a type, the last published first, with all their files: :meth:`heads` is much cheaper.

        Raises:
            SettingsError: the topic, or a folder of its versions, is a symbolic link.
        """
        loaded = map(self.load, self.heads(component_type))
        return tuple(version for version in loaded if isinstance(version, Version))

    def heads(self, component_type: str) -> tuple[Head, ...]:
        """The same without their files; raises what :meth:`versions` raises."""
        return self.read_heads(component_type)[0]

    def load(self, head: Head) -> Union[Version, Unreadable]:
        """A version with its files; why its record cannot be read, where only the head was right."""
        return _of_type(load_record(self.tree(head)), type_folder(head.component.type))

    def refresh_heads(self, component_type: str) -> None:
        """Write the heads that lack or are out of date, as in mirrors of older releases. Safe to repeat.

        To be called under :meth:`lock`.
        """
        for path in trees_in(self.versions_folder(component_type)):
            refresh_head(path)

    def read_heads(self, component_type: str) -> tuple[tuple[Head, ...], tuple[Unreadable, ...]]:
        """The versions of a type without their files, the last published first, and those with an unreadable record.

        Raises:
            SettingsError: the topic, or a folder of its versions, is a symbolic link.
        """
        versions: list[Head] = []
        unreadable = []
        for path in trees_in(self.versions_folder(component_type)):
            record = _of_type(load_head(path), type_folder(component_type))
            if isinstance(record, Head):
                versions.append(record)
            elif is_lost_tree(self.store, path, record, self.published_folder(component_type)):
                unreadable.append(record)
        versions.sort(key=lambda version: (version.number, version.published_at, version.folder), reverse=True)
        return tuple(versions), tuple(unreadable)

    def older_versions(self, component_type: str) -> tuple[Head, ...]:
        """The versions published before the present one, the last first; none where nothing is published.

        Where the record of the present one cannot be read, that is every version.
        """
        versions = self.heads(component_type)
        folders = [version.folder for version in versions]
        published = self.published_folder(component_type)
        if published in folders:
            return versions[folders.index(published) + 1 :]
        return versions if published else ()

    def published(self, component_type: str) -> Optional[Version]:
        """The version that agents read; None where nothing is published, or a plain folder is in the link's place."""
        folder = self.published_folder(component_type)
        if not folder:
            return None
        path = self.versions_folder(component_type) / native(folder)
        with disk_errors(path):
            return read_record(path) if path.is_dir() and not path.is_symlink() else None

    def published_folder(self, component_type: str) -> str:
        """The name of the tree that the published link points at; empty where there is no such link.

        On a file system without symbolic links, that of the version that is carried.
        """
        try:
            parent, _, folder = os.readlink(self.link(component_type)).rpartition("/")
        except OSError:
            return carried_folder(self.link(component_type))
        # a version's folder never begins with a dot; a link made by others may lead to ".."
        own = parent == f".versions/{type_folder(component_type)}" and not folder.startswith(".")
        return text_of(folder) if own else ""

    def intact(self, version: Version) -> bool:
        """Whether a version's tree is as it was built, by stat(2) alone, and not known to be damaged."""
        return not self.known_damage(version) and self.inspect(version).intact

    def known_damage(self, version: Version) -> bool:
        """Whether verification found damage in a version, or in an object of it, that was not mended since."""
        return is_marked(version, self.store.damage.read())

    def inspect(self, version: Version) -> TreeState:
        """How a version's tree differs from what was built, as far as stat(2) can tell."""
        if is_carried(self.link(version.component.type)):
            return carried_state(version.manifest, self.store.holds)
        return inspect(self.tree(version), version.manifest, str(self.store.objects), version.copies)


def _of_type(record: Union[_Record, Unreadable], name: str) -> Union[_Record, Unreadable]:
    """The same, unless it is about another type than that of its folder."""
    if isinstance(record, Unreadable) or type_folder(record.component.type) == name:
        return record
    return Unreadable(record.folder, f"is about another type, {record.component.type}")


def is_marked(version: Union[Version, Unreadable], marks: frozenset[str]) -> bool:
    """Whether a version or one of its contents is among those known to be damaged."""
    if not marks or isinstance(version, Unreadable):
        return False
    return version.identity in marks or any(entry.sha256 in marks for entry in version.manifest.files)
