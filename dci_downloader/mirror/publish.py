"""Publication: build the tree of a version, and swap the link that agents read.

The order is: tree, flush, record, name, link. A run that dies in between leaves the published link as it was, and no
version whose content is not on disk; a version is what has both its name and its record. To be called under the
topic's lock.
"""

from __future__ import annotations

import os
from collections.abc import Container, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, Optional

from dci_downloader.content.names import version_folder
from dci_downloader.errors import IntegrityError, SettingsError
from dci_downloader.hooks import NullProgress, Progress
from dci_downloader.mirror import tree
from dci_downloader.mirror.carried import NOTE, carried_path, carry, has_links, is_carried
from dci_downloader.mirror.digest_list import each_digest, remembered_digests
from dci_downloader.mirror.disk_errors import disk_errors
from dci_downloader.mirror.files import flush_folder, make_folder, make_symlink, remove_file
from dci_downloader.mirror.folders import make_own_folder
from dci_downloader.mirror.head import Head
from dci_downloader.mirror.index import note_index
from dci_downloader.mirror.native import native
from dci_downloader.mirror.record import RecordState, Unreadable, write_record
from dci_downloader.mirror.record_fields import MAX_NUMBER
from dci_downloader.mirror.removal import move_aside, remove_tree
from dci_downloader.mirror.temporaries import new_path, old_path
from dci_downloader.mirror.topic import TopicMirror
from dci_downloader.mirror.version import Version, identity, record_path, type_folder
from dci_downloader.models import Component, Manifest

UNKNOWN_SELECTION = {"unknown": True}
"""The selection of a version whose record was lost and made anew. It counts as the same version as any of its component
that has the same files, whatever was selected."""


class Publication(NamedTuple):
    """What a publication did.

    Attributes:
        path: the published link.
        version: what it points at.
        notes: one line each, for people.
    """

    path: Path
    version: Version
    notes: tuple[str, ...] = ()


def publish(
    topic: TopicMirror,
    component: Component,
    selection: Any,
    wanted: Manifest,
    progress: Progress = NullProgress(),  # noqa: B008  has no state
) -> Publication:
    """Publish a component whose objects are all in the store. Safe to repeat.

    A version of the same identity is used again, and rebuilt where it was damaged. Until the last step, one rename,
    the version published before stays. A plain folder in the link's place, or a damaged tree, is moved aside in that
    step and removed by the next run, so that nobody who reads there loses it.

    Args:
        topic: of the component.
        component: what is published.
        selection: what was asked for, as a JSON value.
        wanted: files and links of the version.
        progress: gets the phases.

    Raises:
        IntegrityError: an object is missing, or a path cannot be made.
        DiskFullError: no room.
        SettingsError: something else is in the way, another type's folder for example that the file system takes for
            this one.
    """
    notes: tuple[str, ...] = ()
    folder = topic.versions_folder(component.type)
    with disk_errors(folder):
        for path in (topic.path, folder.parent, folder):
            make_own_folder(path)
        _check_link(topic.link(component.type))
        wanted_identity = identity(component, selection, wanted)
        heads, unreadable = topic.read_heads(component.type)
        topic.refresh_heads(component.type)
        existing, damaged = _existing(topic, heads, component, wanted_identity, wanted)
        replaceable = [each.folder for each in (*damaged, *unreadable) if each.state is not RecordState.NEWER]
        version = Version(
            folder=existing.folder if existing else _free_name(folder, component, wanted_identity, replaceable),
            identity=wanted_identity,
            component=component,
            topic=topic.name,
            selection=selection,
            manifest=wanted,
            published_at=topic.clock(),
            last_verified=existing.last_verified if existing else None,
            copies=existing.copies if existing else frozenset(),
            number=min(max((head.number for head in heads), default=0) + 1, MAX_NUMBER),
        )
        link = topic.link(component.type)
        if existing and topic.intact(existing) and is_carried(link) == _carries(topic, existing):
            write_record(topic.tree(version), version)  # tags and the time of publication may be new
        else:
            version, notes = _build(topic, version, progress)
        notes += swap_link(topic, version)
    return Publication(topic.link(component.type), version, notes)


def _existing(
    topic: TopicMirror, heads: Iterable[Head], component: Component, wanted_identity: str, wanted: Manifest
) -> tuple[Optional[Version], list[Unreadable]]:
    """The version that is what is to be published, if there is one; and those with unreadable records."""
    damaged = []
    for head in heads:
        if _may_be_same(head, wanted_identity, component):
            version = topic.load(head)
            if isinstance(version, Unreadable):
                damaged.append(version)
            elif _is_same(version, wanted_identity, wanted):
                return version, damaged
    return None, damaged


def _may_be_same(head: Head, wanted_identity: str, component: Component) -> bool:
    """Whether a version is what is to be published, as far as can be told without its files."""
    is_unknown = head.selection == UNKNOWN_SELECTION and head.component.id == component.id
    return is_unknown or head.identity == wanted_identity


def _is_same(version: Version, wanted_identity: str, wanted: Manifest) -> bool:
    """Whether a version that may be what is to be published is that."""
    if version.selection == UNKNOWN_SELECTION:
        held = version.manifest
        return (sorted(held.files), sorted(held.symlinks)) == (sorted(wanted.files), sorted(wanted.symlinks))
    return version.identity == wanted_identity


def _free_name(folder: Path, component: Component, wanted_identity: str, replaceable: Container[str]) -> str:
    """A name for a new tree: one that nothing has, or that of a version whose record cannot be read."""
    name = version_folder(component.name)
    for candidate in (name, f"{name}+{wanted_identity[:8]}"):
        if candidate in replaceable:
            return candidate
        tree_path = folder / native(candidate)
        if not (os.path.lexists(tree_path) or os.path.lexists(record_path(tree_path))):
            return candidate
    raise SettingsError(f"{tree_path} is no version of this program", hint="move it aside")


def rebuild(topic: TopicMirror, version: Version) -> tuple[Version, tuple[str, ...]]:
    """Build the tree of a version anew from the store, in one step for its readers. Safe to repeat.

    Returns:
        The version as it is now, and notes for people.

    Raises:
        IntegrityError: an object is missing.
        DiskFullError: no room.
    """
    with disk_errors(topic.tree(version)):
        version, notes = _build(topic, version, NullProgress())
    return version, (*notes, *note_index(topic, version.component.type))


def _build(topic: TopicMirror, version: Version, progress: Progress) -> tuple[Version, tuple[str, ...]]:
    """Build a version's tree, flush, and give it record and name. A damaged tree of that name is replaced."""
    path = topic.tree(version)
    marks = topic.store.damage.read()
    for entry in version.manifest.files if marks else ():
        if entry.sha256 in marks:
            raise IntegrityError(f"{entry.path}: its content in the store is damaged", hint="run again: it is fetched")
    new, carries = new_path(path.parent), _carries(topic, version)
    progress.phase(f"{version.component.name}: building the tree")
    try:
        built = _carried(topic, version, new) if carries else _tree(topic, version, new)
        version = replace(version, copies=built.copies)
        progress.phase(f"{version.component.name}: flushing to disk")
        topic.store.flush()
        topic.store.candidates.add(_lost(path, version))
        _clear(record_path(path))
        write_record(path, version)  # only after the flush: whatever a record names is trusted after a power cut
        _replace(new, path)
        topic.store.damage.remove([version.identity])
        flush_folder(path.parent)
    finally:
        progress.phase("")
        remove_tree(new)  # after a success it has been moved away
    if not built.copies:
        return version, (NOTE,) if carries else ()
    note = f"{len(built.copies)} files are copies of their objects, for hard links are not to be had ({built.reason})"
    return version, (note,)


def _lost(tree_path: Path, version: Version) -> set[bytes]:
    """The digests of a version in the way, whose record cannot be read, that the new version does not hold."""
    lost = set(each_digest(remembered_digests(tree_path)))
    if lost:  # rare: nothing stands in the way of most versions
        lost.difference_update(bytes.fromhex(entry.sha256) for entry in version.manifest.files)
    return lost


def _carries(topic: TopicMirror, version: Version) -> bool:
    """Whether a version can only be carried, for its file system has no symbolic links."""
    return not topic.link(version.component.type).is_symlink() and not has_links(topic.path, new_path(topic.path))


def _tree(topic: TopicMirror, version: Version, new: Path) -> tree.BuildResult:
    return tree.build(new, version.manifest, topic.store.object_path)


def _carried(topic: TopicMirror, version: Version, new: Path) -> tree.BuildResult:
    """The empty tree of a carried version."""
    for entry in version.manifest.files:
        if not topic.store.holds(entry):
            raise IntegrityError(f"{entry.path}: its content is not in the store", hint="run again")
    make_folder(new)
    return tree.BuildResult(frozenset(), "")


def _clear(path: Path) -> None:
    """Move aside a folder that is in the record's place: no file could replace it."""
    if path.is_dir() and not path.is_symlink():
        os.rename(path, old_path(path.parent))


def _check_link(link: Path) -> None:
    if not link.is_symlink() and link.is_file():  # a folder is one of the previous downloader, a file is not
        raise SettingsError(f"{link} is a file", hint="the link to the published version belongs there: move it aside")


def swap_link(topic: TopicMirror, version: Version) -> tuple[str, ...]:
    """Make a version the published one, by renaming a new link over the present one; the index follows.

    Returns:
        What went wrong once it was published, for people.

    Raises:
        SettingsError: a file is in the link's place.
    """
    link = topic.link(version.component.type)
    target = f".versions/{type_folder(version.component.type)}/{native(version.folder)}"
    if link.is_symlink() and os.readlink(link) == target:
        return note_index(topic, version.component.type)
    _check_link(link)
    if _carries(topic, version):
        with disk_errors(link):
            carry(link, version.folder)
        return note_index(topic, version.component.type)
    new = new_path(topic.path)
    make_symlink(target, new)
    try:
        with disk_errors(link):
            displaced = tree.put_in_place(new, link)
    except BaseException:
        remove_tree(new)
        raise
    try:  # it is published now, whatever becomes of the rest
        if displaced:
            move_aside(new, old_path(new.parent))
        if os.path.lexists(carried_path(link)):  # this mirror was copied from a stick
            remove_file(carried_path(link))
        flush_folder(topic.path)  # before retention removes the version that the old link on disk points at
    except OSError as error:
        return (f"{link} is published, but then: {error.strerror}",)
    return note_index(topic, version.component.type)


def _replace(new: Path, path: Path) -> None:
    """Give a tree or link its final name. A folder of that name is moved aside for its readers, until the next run."""
    with disk_errors(path):
        if tree.put_in_place(new, path):
            move_aside(new, old_path(new.parent))
