"""Another mirror in the control server's place: topics, components and manifests are what it publishes and keeps.

    .dci-downloader/topics.json  ─►  <topic>/.<type>.json  ─►  .versions/<type>/<folder>.json  ─►  objects by digest
    which topics and types           which versions, and       which files; proved by the
                                     their records' digests    digest in the index

Whoever can write the index there decides what is mirrored here. All else is proved by digests, beginning with those in
the index, and checked as the manifest of a control server is. Of the components of a type the published one counts as
the newest, whatever the clocks say: an upstream that was rolled back is followed.

The list of topics and the indexes are read anew at each call for topics or components, so one object can serve many
syncs.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import NamedTuple, Optional, Union, overload

from dci_downloader.control.conditions import moment
from dci_downloader.control.session import Clock
from dci_downloader.control.upstream import Files, FolderObjects, MirrorObjects
from dci_downloader.errors import (
    DownloaderError,
    NotFoundError,
    SettingsError,
)
from dci_downloader.mirror.index import Index, IndexedVersion
from dci_downloader.mirror.topic_list import ListedTopic
from dci_downloader.models import Component, Manifest, Topic, folder_name
from dci_downloader.network.addresses import mirror_url
from dci_downloader.network.urls import normalize_url
from dci_downloader.options import Network
from dci_downloader.upstream.documents import Documents, Reader
from dci_downloader.upstream.folder import FolderReader
from dci_downloader.upstream.web import WebReader


class _Place(NamedTuple):
    """Where a component is: a version in the index of a topic, which is given by its folder."""

    topic: str
    version: IndexedVersion


class UpstreamMirror:
    """Another mirror, asked for what it holds, by any thread.

    Every call reads, is safe to repeat, and raises TransferError where the mirror cannot be read, AccessError where
    this machine may not read it, IntegrityError where what is read cannot be trusted.

    Args:
        address: URL of the mirror's root, http or https, or its folder on this machine.
        network: proxies, certificates, timeouts; of no meaning for a folder.
        patience: seconds that a file may take without success.
        clock: time and chance, for tests.

    Attributes:
        network: counts for the objects, too.
        mirror: the address.
        unlisted: why a topic may be missing, for people.

    Raises:
        SettingsError: the address is neither a URL of a mirror nor a folder.
    """

    def __init__(
        self,
        address: Union[str, Path],
        *,
        network: Network = Network(),  # noqa: B008  # frozen
        patience: float = 30.0,
        clock: Clock = Clock(),  # noqa: B008  # frozen
    ) -> None:
        self.network = network
        self._files: Files
        self._reader: Reader
        if isinstance(address, str) and "://" in address:
            try:
                self._files = MirrorObjects(mirror_url(address))
                normalize_url(self._files.url)
            except ValueError as error:
                raise SettingsError(f"the address of the mirror cannot be used: {error}") from None
            self._reader = WebReader(self._files.url, network, patience, clock)
        elif "\0" in str(address):
            raise SettingsError(
                "the folder of the mirror cannot be used: it holds NUL", hint="name the root of a mirror"
            )
        else:
            self._files = FolderObjects(Path(address))
            self._reader = FolderReader(self._files.root)
        self._documents = Documents(self._reader)
        self.mirror = self._reader.address
        self.unlisted = f"{self.mirror} lists only what was mirrored there"
        self._topics: tuple[ListedTopic, ...] = ()
        self._places: dict[str, _Place] = {}
        self._indexes: dict[tuple[str, str], Index] = {}

    def __enter__(self) -> UpstreamMirror:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close idle connections. Safe to repeat."""
        self._reader.close()

    def topics(self, name: str = "", *, active: bool = True) -> Iterator[Topic]:
        """All topics of the mirror, whatever the name."""
        self._topics = self._documents.topics()
        return map(_topic, self._topics)

    def topic(self, topic_id: str) -> Topic:
        """One topic.

        Raises:
            NotFoundError: there is none of that id.
        """
        for listed in self._topics or self._documents.topics():
            if listed.id == topic_id:
                return _topic(listed)
        raise NotFoundError(f"{self.mirror} has no topic with the id {topic_id}", hint=self.unlisted)

    def components(
        self,
        topic: Union[Topic, str, None] = None,
        *,
        type: str = "",
        tags: Sequence[str] = (),
        name: str = "",
        created_after: Union[date, str, None] = None,
        query: str = "",
    ) -> Iterator[Component]:
        """The components that the mirror publishes or keeps; of each type the published one first.

        Args:
            topic: the topic of the components; None for every topic.
            type: case is ignored; empty for any.
            tags: all of them are on the component.
            name: exact name, or empty for any.
            created_after: only what was created then or later.
            query: must be empty: only a control server understands it.

        Raises:
            SettingsError: there is a query.
        """
        if query:
            raise SettingsError("a query is for the control server, and --from asks none", hint="use --filter")
        begin = None if created_after is None else moment(created_after)
        topic_id = topic.id if isinstance(topic, Topic) else topic
        for listed in self._topics or self._documents.topics():
            if topic_id not in (None, listed.id) or (isinstance(topic, Topic) and topic.name != listed.name):
                continue
            for component in self._components(listed, type):
                fits = name in ("", component.name) and {*tags} <= {*component.tags}
                if fits and (begin is None or (component.created_at is not None and component.created_at >= begin)):
                    yield component

    def component(self, component_id: str) -> Component:
        """One component, published or kept.

        Raises:
            NotFoundError: there is none of that id.
        """
        self._topics = self._documents.topics()
        for listed in self._topics:
            for component in self._components(listed, ""):
                if component.id == component_id:
                    return component
        raise NotFoundError(
            f"{self.mirror} has no component with the id {component_id}",
            hint="`dci-downloader components TOPIC --from …` lists those that are published or kept there",
        )

    @overload
    def manifest(self, component: Component) -> Manifest: ...

    @overload
    def manifest(self, component: Component, *, etag: str) -> Optional[Manifest]: ...

    def manifest(self, component: Component, *, etag: str = "") -> Optional[Manifest]:
        """What the mirror holds of a component, which may be a part of it.

        Args:
            component: as :meth:`components` or :meth:`component` gave it.
            etag: of the manifest that is known already.

        Returns:
            The manifest, or None where ``etag`` is still that of the mirror's.

        Raises:
            NotFoundError: there is no such component.
            IntegrityError: its record does not fit the index, or cannot be trusted.
        """
        if component.id not in self._places:
            self.component(component.id)
        place = self._places[component.id]
        current = f"sha256:{place.version.record}"
        if etag == current:
            return None
        version = self._documents.version(*place)
        return replace(version.manifest, etag=current, selection=version.selection)

    def image_list(self, component: Component) -> Optional[bytes]:
        """None: in a mirror the list of images is a file of the component."""
        return None

    def files(self, component: Component) -> Files:
        """Where the mirror's objects are; may be used by any thread."""
        return self._files

    def is_at(self, root: Path) -> bool:
        """Whether this is the mirror in a folder itself."""
        try:
            return isinstance(self._files, FolderObjects) and os.path.samefile(self._files.root, root)
        except OSError:
            return False

    def outdated(self) -> bool:
        """Whether an index has changed since it was read; false where that cannot be known."""
        with suppress(DownloaderError):
            return any(self._documents.index(*folders) != index for folders, index in list(self._indexes.items()))
        return False

    def _components(self, listed: ListedTopic, type: str) -> Iterator[Component]:
        """The components of one type of a topic, its exact case preferred, or of all."""
        types = [type] if type in listed.types else [one for one in listed.types if type.lower() in ("", one.lower())]
        for component_type in types:
            folders = folder_name(listed.name), folder_name(component_type)
            index = self._documents.index(*folders)
            if index is None:  # it has just gone
                continue
            self._indexes[folders] = index
            found: dict[str, Component] = {}
            for version in index.versions:
                if version.component.id not in found:  # of several selections the published counts, or the newest
                    found[version.component.id] = _component(version.component, listed)
                    self._places[version.component.id] = _Place(folders[0], version)
            yield from found.values()


def _topic(listed: ListedTopic) -> Topic:
    return Topic(listed.id, listed.name, component_types=listed.types, created_at=listed.created_at)


def _component(component: Component, topic: ListedTopic) -> Component:
    """A component as the mirror offers it: whoever may read the mirror may have it, private or not."""
    return replace(component, topic_id=topic.id, team_id=None)
