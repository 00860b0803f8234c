"""One topic of a mirror: its versions, and the link to the one that is published.

    <topic>/.lock                       held alone by the sync of this topic
    <topic>/<type>                      -> .versions/<type>/<folder>, swapped by one rename
    <topic>/.versions/<type>/<folder>   a tree, with its record beside it (see :mod:`dci_downloader.mirror.version`)
    <topic>/.versions/<type>/.new-…     a tree being built, .old-… one that is no more: of no meaning to anyone else

The order of a publication: tree, flush, record, name, link. Whatever dies in between leaves the published link as it
was; a version is what has both its name and its record.
"""

from __future__ import annotations

import os
import re
import secrets
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple, Optional

from dci_downloader.content.names import check_name
from dci_downloader.errors import IntegrityError, LockedError, NotFoundError, SettingsError
from dci_downloader.mirror import tree
from dci_downloader.mirror.files import check_folder, disk_errors, flush_folder, make_folder, remove_file
from dci_downloader.mirror.hashing import hashing
from dci_downloader.mirror.locks import FileLock
from dci_downloader.mirror.store import Removed, Store
from dci_downloader.mirror.tree import Damage
from dci_downloader.mirror.version import Version, identity, read_record, real_folders, record_path, trees, write_record
from dci_downloader.models import Component, Manifest, folder_name

_TEMPORARY = re.compile(r"\.(new|old)-[0-9a-f]{8}", re.ASCII)
"""The names that are made here, and no others: what an admin put aside as ``.old-backup`` is not ours to remove."""


class Published(NamedTuple):
    """What a publication did.

    Attributes:
        path: where agents read it: the link.
        version: what it points at now.
        notes: one line each, for people.
    """

    path: Path
    version: Version
    notes: tuple[str, ...] = ()


class TopicMirror:
    """The versions of one topic. Reading has no side effect; what writes is to be called under :meth:`lock`.

    Made by :meth:`dci_downloader.mirror.mirror.Mirror.topic`.

    Args:
        root: the mirror.
        name: the topic's own name.
        store: the mirror's.
        clock: now, in UTC.

    Raises:
        ManifestError: the name cannot be that of a folder.
    """

    def __init__(self, root: Path, name: str, store: Store, clock: Callable[[], datetime]) -> None:
        self.name = name
        self.root = root
        self.path = root / check_name(folder_name(name), "topic")
        self._store = store
        self._clock = clock
        self._retired = False

    @contextmanager
    def lock(
        self, timeout: Optional[float] = None, waiting: Callable[[str], None] = lambda _: None
    ) -> Iterator[TopicMirror]:
        """Be the only one to change this topic, beside syncs of other topics, for a block.

        Makes the folders. After a power cut, what may never have reached the disk is hashed first; at the end, content
        that removed versions leave behind is removed unless another sync is running: then the next prune does it.

        Args:
            timeout: seconds to wait for another holder; None for ever, 0 not at all.
            waiting: told in words whom for, when there is a wait.

        Raises:
            LockedError: another run holds it for longer than ``timeout``.
            SettingsError: the mirror cannot be written to, or something else is in its place.
        """
        self._store.prepare()
        if self._store.needs_recovery():
            with self._store.lock().holding(timeout=timeout, waiting=waiting):
                remove_temporaries(self.root)
                self._store.recover(referenced_digests(self.root))
        store_lock = self._store.lock()
        with store_lock.holding(shared=True, timeout=timeout, waiting=waiting):
            make_folder(self.path)
            with FileLock(self.path / ".lock").holding(timeout=timeout, waiting=waiting):
                store_lock.sign()
                remove_topic_temporaries(self.path)
                yield self
        if self._retired:
            with suppress(LockedError), self._store.lock().holding(timeout=0):
                self._store.collect_garbage(referenced_digests(self.root))
                self._retired = False

    def check(self) -> None:
        """Raise what taking the lock would raise because of the place. No side effect.

        Raises:
            SettingsError: the mirror cannot be written to, or something else is in its place.
        """
        self._store.check()
        check_folder(self.path)

    def types(self) -> tuple[str, ...]:
        """The component types that there are versions of, as their folders are named."""
        return tuple(folder.name for folder in real_folders(self.path / ".versions"))

    def link(self, component_type: str) -> Path:
        """Where agents read the published version of a type."""
        return self.path / _kind(component_type)

    def tree(self, version: Version) -> Path:
        """The folder of a version."""
        return self._folder(version.component.type) / version.folder

    def _folder(self, component_type: str) -> Path:
        folder = self.path / ".versions" / _kind(component_type)
        for path in (self.path, folder.parent, folder):
            if path.is_symlink():
                raise SettingsError(f"{path} is a symbolic link", hint="a folder belongs there: move it aside")
        return folder

    def versions(self, component_type: str) -> tuple[Version, ...]:
        """The versions of a type, the last published first.

        Raises:
            SettingsError: the topic, or a folder of its versions, is a link that leads elsewhere.
        """
        found = [read_record(path) for path in real_folders(self._folder(component_type))]
        kind = _kind(component_type)
        whole = [version for version in found if version is not None and _kind(version.component.type) == kind]
        return tuple(sorted(whole, key=lambda version: (version.published_at, version.folder), reverse=True))

    def published(self, component_type: str) -> Optional[Version]:
        """The version that agents read; None where nothing is published, or a plain folder is in the link's place."""
        folder = self.published_folder(component_type)
        if not folder or not (self._folder(component_type) / folder).is_dir():
            return None
        return read_record(self._folder(component_type) / folder)

    def published_folder(self, component_type: str) -> str:
        """The name of the tree that the link points at; empty where there is no such link."""
        try:
            parent, _, folder = os.readlink(self.link(component_type)).rpartition("/")
        except OSError:
            return ""
        return folder if parent == f".versions/{_kind(component_type)}" else ""

    def intact(self, version: Version) -> bool:
        """Whether a version's tree is as it was built, by stat(2) alone: no content is read."""
        return next(self.differences(version), None) is None

    def differences(self, version: Version, *, modes: bool = False) -> Iterator[Damage]:
        """What a look by stat(2) finds wrong with a version's tree.

        Args:
            version: which.
            modes: also tell files that not everybody may read, or that others than their owner may write.
        """
        is_object = self._store.object_matcher()
        return tree.differences(self.tree(version), version.manifest, is_object, version.copies, modes)

    def find(self, component: Component, selection: Any, wanted: Manifest) -> Optional[Version]:
        """The intact version of exactly this content, when there is one: publishing it needs no transfer."""
        found = self._same(component.type, identity(component, selection, wanted))
        return found if found is not None and self.intact(found) else None

    def _same(self, component_type: str, wished: str) -> Optional[Version]:
        return next((version for version in self.versions(component_type) if version.identity == wished), None)

    def publish(self, component: Component, selection: Any, wanted: Manifest) -> Published:
        """Make a component, whose objects are all in the store, what agents read. Safe to repeat.

        The version of the same content is used again, rebuilt where it was damaged. Until the last step, one rename,
        what was published before stays; a plain folder in the link's place, or a damaged tree, is out of the way after
        that step and removed by the next run, so that nobody loses what he is reading.

        Args:
            component: what is published.
            selection: what was asked for, as a JSON value.
            wanted: files and links of the version.

        Raises:
            IntegrityError: an object is missing, or a path cannot be made.
            DiskFullError: no room.
            SettingsError: something else is in the way.
        """
        notes: tuple[str, ...] = ()
        folder = self._folder(component.type)
        with disk_errors(folder):
            for path in (self.path, folder.parent, folder):
                make_folder(path)
            wished = identity(component, selection, wanted)
            same = self._same(component.type, wished)
            version = Version(
                folder=same.folder if same else _free_name(folder, component, wished),
                identity=wished,
                component=component,
                topic=self.name,
                selection=selection,
                manifest=wanted,
                published_at=self._clock(),
                last_verified=same.last_verified if same else None,
                copies=same.copies if same else frozenset(),
            )
            if same and self.intact(same):
                write_record(self.tree(version), version)
            else:
                version, notes = self._build(version)
            self._swap_link(version)
        return Published(self.link(component.type), version, notes)

    def rebuild(self, version: Version) -> tuple[Version, tuple[str, ...]]:
        """Build the tree of a version anew from the store, in one step for its readers. Safe to repeat.

        Returns:
            The version as it is now, and notes for people.

        Raises:
            IntegrityError: an object is missing.
            DiskFullError: no room.
        """
        with disk_errors(self.tree(version)):
            return self._build(version)

    def _build(self, version: Version) -> tuple[Version, tuple[str, ...]]:
        """Build a version's tree, flush, and give it record and name. A damaged one of that name is replaced."""
        place = self.tree(version)
        new = place.with_name(f".new-{secrets.token_hex(4)}")
        try:
            built = tree.build(new, version.manifest, self._store.object_path)
            version = replace(version, copies=built.copies)
            self._store.flush()
            write_record(place, version)
            _replace(new, place)
            flush_folder(place.parent)
        finally:
            tree.remove_tree(new)
        if not built.copies:
            return version, ()
        note = (
            f"{len(built.copies)} files are copies of their objects, for hard links are not to be had ({built.reason})"
        )
        return version, (note,)

    def _swap_link(self, version: Version) -> None:
        """Swap the link: the one step that makes a version the published one."""
        link = self.link(version.component.type)
        target = f".versions/{_kind(version.component.type)}/{version.folder}"
        if link.is_symlink() and os.readlink(link) == target:
            return
        if not link.is_symlink() and link.is_file():
            raise SettingsError(
                f"{link} is a file", hint="the link to the published version belongs there: move it aside"
            )
        new = self.path / f".new-{secrets.token_hex(4)}"
        os.symlink(target, new)
        try:
            _replace(new, link)
            flush_folder(self.path)
        finally:
            tree.remove_tree(new)

    def rollback(self, component_type: str) -> Published:
        """Publish the version that was published before the present one, without network.

        What is published follows from the settings and the server: the next sync publishes the newest again, unless
        the settings name a component.

        Its content is hashed first: nobody may have looked at it since it was published.

        Raises:
            NotFoundError: there is nothing older.
            IntegrityError: its content is not what it was, and nothing is changed.
        """
        older = self._older(component_type)
        if not older:
            raise NotFoundError(
                f"{self.name}/{component_type}: there is no version older than what is published",
                hint="keep more of them: --keep N",
            )
        version = older[0]
        version, notes = (version, ()) if self.intact(version) else self.rebuild(version)
        self._demand_right(version)
        with disk_errors(self.path):
            self._swap_link(version)
        note = "the next sync publishes the newest again, unless component_id in the settings names another"
        return Published(self.link(component_type), version, (*notes, note))

    def _demand_right(self, version: Version) -> None:
        """Hash a version's content.

        Raises:
            IntegrityError: it is another.
        """
        root = self.tree(version)
        places = {
            f"{root}/{entry.path}" if entry.path in version.copies else self._store.object_path(entry.sha256): entry
            for entry in version.manifest.files
        }
        with hashing((path, entry.size) for path, entry in places.items()) as found:
            for path, digest in found:
                entry = places[path]
                if digest != entry.sha256:
                    raise IntegrityError(
                        f"{self.name}/{version.component.type}: {version.folder} is damaged: {entry.path} should have "
                        f"sha256 {entry.sha256}, has {digest or 'nothing that can be read'}",
                        hint=f"mirror it again: --component-id {version.component.id}",
                    )

    def has_older(self, component_type: str) -> bool:
        """Whether there is something to roll back to."""
        return bool(self._older(component_type))

    def _older(self, component_type: str) -> tuple[Version, ...]:
        """The versions published before the present one, the last first; none where nothing is published."""
        versions = self.versions(component_type)
        folders = [version.folder for version in versions]
        published = self.published_folder(component_type)
        return versions[folders.index(published) + 1 :] if published in folders else ()

    def expired(self, component_type: str, keep: int, coming: str = "") -> tuple[Version, ...]:
        """The versions that :meth:`retire` would remove. No side effect.

        Args:
            component_type: of which type.
            keep: how many older versions stay.
            coming: the identity of a version that is to be published first; empty for what is published now.
        """
        published = self.published_folder(component_type)
        others = [
            version
            for version in self.versions(component_type)
            if (version.identity != coming if coming else version.folder != published)
        ]
        return tuple(others[max(keep, 0) :])

    def reclaimable(self, versions: tuple[Version, ...]) -> Removed:
        """What removing these versions frees: the files and bytes that nothing else in the mirror holds."""
        linked: Counter[tuple[int, int, int]] = Counter()
        files = size = 0
        for version in versions:
            for entry in version.manifest.files:
                with suppress(OSError):
                    found = os.lstat(self.tree(version) / entry.path)
                    if entry.path in version.copies:
                        files, size = files + 1, size + found.st_size
                    else:
                        linked[found.st_ino, found.st_nlink, found.st_size] += 1
        alone = [found_size for (_, links, found_size), count in linked.items() if links <= count + 1]
        return Removed(tuple(version.folder for version in versions), files + len(alone), size + sum(alone))

    def retire(self, component_type: str, keep: int) -> Removed:
        """Remove the versions beyond ``keep`` older ones, never the published one. Safe to repeat.

        Their content leaves the store when the lock is given back.

        Returns:
            What that frees.
        """
        versions = self.expired(component_type, keep)
        removed = self.reclaimable(versions)
        for version in versions:
            self.remove(version)
        return removed

    def remove(self, version: Version) -> None:
        """Remove a version that is not the published one.

        Raises:
            IntegrityError: it is the published one.
        """
        place = self.tree(version)
        if version.folder == self.published_folder(version.component.type):
            raise IntegrityError(f"{place} is published", hint="publish another version first")
        old = place.with_name(f".old-{secrets.token_hex(4)}")
        self._retired = True
        with disk_errors(place):
            os.rename(place, old)
            remove_file(record_path(place))
            tree.remove_tree(old)

    def verified(self, version: Version) -> None:
        """Record that every byte of a version was found right just now."""
        write_record(self.tree(version), replace(version, last_verified=self._clock()))


def _kind(component_type: str) -> str:
    """The name of the folder of a component type.

    Raises:
        ManifestError: it cannot be that of a folder.
    """
    return check_name(folder_name(component_type), "component type")


def _replace(new: Path, place: Path) -> None:
    """Give something its final name. A folder that had it stays for those who are reading in it, until the next run."""
    if tree.put_in_place(new, place):
        os.rename(new, new.with_name(f".old-{secrets.token_hex(4)}"))


def _free_name(folder: Path, component: Component, wished: str) -> str:
    name = check_name(component.name, "component")
    for candidate in (name, f"{name}+{wished[:8]}"):
        if not (os.path.lexists(folder / candidate) or os.path.lexists(record_path(folder / candidate))):
            return candidate
    raise SettingsError(f"{folder / candidate} is no version of this program", hint="move it aside")


def remove_topic_temporaries(path: Path) -> None:
    """Remove what a killed run was building or removing in a topic, and records without a tree."""
    with disk_errors(path):
        for folder in (path, *real_folders(path / ".versions")):
            for found in folder.iterdir():
                if _TEMPORARY.fullmatch(found.name):
                    tree.remove_tree(found)
        for folder in real_folders(path / ".versions"):
            for record in folder.glob("*.json"):
                if not os.path.lexists(record.with_suffix("")) and read_record(record.with_suffix("")):
                    remove_file(record)


def remove_temporaries(root: Path) -> None:
    """Do so in every topic of a mirror. To be called under the store's exclusive lock."""
    for path in real_folders(root):
        if (path / ".versions").is_dir():
            remove_topic_temporaries(path)


def referenced_digests(root: Path) -> frozenset[str]:
    """The digests that any version of a mirror names."""
    versions = (read_record(path) for topic in real_folders(root) for path in trees(topic / ".versions"))
    return frozenset(entry.sha256 for version in versions if version is not None for entry in version.manifest.files)
