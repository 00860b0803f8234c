"""A mirror as large as that of a site with twenty topics, made without a transfer: objects, trees and records directly.

Each topic has components of two types. Each build of a component differs from the one before it in a part of its files,
so builds share most objects. Contents are a few bytes long: what is measured is the number of files.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

from dci_downloader.content.manifest import MANIFEST_NAME
from dci_downloader.content.selection import RULES, Selection
from dci_downloader.demo.catalog import Catalog, manifest_document
from dci_downloader.demo.catalog_items import CatalogComponent, CatalogTopic
from dci_downloader.demo.payloads import Blob
from dci_downloader.mirror.files import utc_now
from dci_downloader.mirror.mirror import Mirror
from dci_downloader.mirror.record import write_record
from dci_downloader.mirror.version import Version, identity
from dci_downloader.models import Component, FileEntry, Manifest

TYPES = ("compose", "compose-noinstall")


class Shape(NamedTuple):
    """How large a mirror is.

    Attributes:
        versions: of each type.
        files: of each version.
        changed: files of each version that the one before it does not have.
    """

    versions: int = 3
    files: int = 15_000
    changed: int = 750


class LargeMirror:
    """A mirror and the catalog that it was made of.

    Args:
        root: of the mirror.
        shape: of each of its topics.
    """

    def __init__(self, root: Path, shape: Shape) -> None:
        self.root = root
        self.shape = shape
        self.catalog = Catalog()
        self.topics: list[CatalogTopic] = []
        self._builds: dict[str, int] = {}
        self._mirror = Mirror(root)
        self._mirror.prepare()
        self._now = utc_now() - timedelta(days=1)

    def grow(self, topics: int) -> None:
        """Add topics until there are so many, each with all of its versions."""
        while len(self.topics) < topics:
            topic = self.catalog.add_topic(f"RHEL-9.{len(self.topics)}", component_types=list(TYPES))
            self.topics.append(topic)
            self._builds[topic.name] = 0
            for _ in range(self.shape.versions):
                self.offer(topic)
                for component_type in TYPES:
                    self._publish(topic, component_type)
        self._mirror.store.flush()

    def offer(self, topic: CatalogTopic) -> None:
        """Have the catalog offer one more build of a topic; what is new in it can be fetched."""
        build = self._builds[topic.name]
        self._builds[topic.name] += 1
        for component_type in TYPES:
            component = self.catalog.add_component(topic, name=f"{topic.name}.0-{build}", type=component_type)
            payloads = {path: Blob(content) for path, content in self._files(topic.name, component_type, build)}
            self.catalog.put(component, MANIFEST_NAME, manifest_document(payloads, {}))
            if build >= self.shape.versions:
                for number in self._changed(build):
                    self.catalog.objects[f"{component.id}/{_path(number)}"] = payloads[_path(number)]

    def _newest(self, topic: CatalogTopic, component_type: str) -> CatalogComponent:
        own = (one for one in self.catalog.components.values() if (one.topic, one.type) == (topic, component_type))
        return max(own, key=lambda component: component.created_at)

    def _changed(self, build: int) -> range:
        """The files that are new in a build; after the last of them it is the turn of the first again."""
        turn = build % (self.shape.files // self.shape.changed)
        return range(turn * self.shape.changed, (turn + 1) * self.shape.changed)

    def _files(self, topic: str, component_type: str, build: int) -> Iterator[tuple[str, bytes]]:
        """Path and content of each file of a build."""
        turns = self.shape.files // self.shape.changed
        for number in range(self.shape.files):
            changed_in = build - (build - number // self.shape.changed) % turns
            yield _path(number), f"{topic}/{component_type}/{number}/{max(changed_in, 0)}".encode()

    def _publish(self, topic: CatalogTopic, component_type: str) -> None:
        """Put the newest build into the mirror."""
        offered, build = self._newest(topic, component_type), self._builds[topic.name] - 1
        component = Component(offered.id, offered.name, component_type, topic.id)
        folder = self.root / topic.name / ".versions" / component_type
        tree = folder / offered.name
        entries = sorted(self._link(tree, topic.name, component_type, build))  # as manifests are
        etag = self.catalog.objects[f"{offered.id}/{MANIFEST_NAME}"].sha256[:32]
        wanted = Manifest(component_type, tuple(entries), etag=f'"{etag}"')
        selection = {"rules": RULES, **Selection(all=True).effective(component_type).to_json()}
        version = Version(
            folder=offered.name,
            identity=identity(component, selection, wanted),
            component=component,
            topic=topic.name,
            selection=selection,
            manifest=wanted,
            published_at=self._now + timedelta(minutes=build),
            number=build + 1,
        )
        write_record(tree, version)
        link = self.root / topic.name / component_type
        link.unlink(missing_ok=True)
        link.symlink_to(f".versions/{component_type}/{offered.name}")

    def _link(self, tree: Path, topic: str, component_type: str, build: int) -> Iterator[FileEntry]:
        """Make the tree of a build, and objects where they are missing; gives its entries."""
        objects = f"{self.root}/.dci-downloader/objects"
        for name in {os.path.dirname(_path(number)) for number in range(self.shape.files)}:
            (tree / name).mkdir(parents=True, exist_ok=True)
        for path, content in self._files(topic, component_type, build):
            sha256 = hashlib.sha256(content).hexdigest()
            target = f"{objects}/{sha256[:2]}/{sha256}"
            try:
                os.link(target, f"{tree}/{path}")
            except FileNotFoundError:
                os.makedirs(os.path.dirname(target), exist_ok=True)
                with open(target, "xb", opener=lambda name, flags: os.open(name, flags, 0o444)) as out:
                    out.write(content)
                os.link(target, f"{tree}/{path}")
            yield FileEntry(path, sha256, len(content))

    def leave_unflushed(self, number: int) -> None:
        """Leave what a power cut would: objects that no version names, and a marker of another boot."""
        for each in range(number):
            content = b"unflushed %d" % each
            sha256 = hashlib.sha256(content).hexdigest()
            folder = self.root / ".dci-downloader" / "objects" / sha256[:2]
            folder.mkdir(exist_ok=True)
            (folder / sha256).write_bytes(content)
        (self.root / ".dci-downloader" / "unflushed" / f"{number:016x}").write_text("another boot")


def _path(number: int) -> str:
    variant = ("BaseOS", "AppStream", "CRB", "HighAvailability")[number % 4]
    letter = "abcdefghijklmnopqrstuvwxyz"[number % 26]
    return f"{variant}/x86_64/os/Packages/{letter}/{letter}{number:05d}-library-devel-1.0-1.el9.x86_64.rpm"
