"""A small mirror to try things on."""

import errno
import hashlib
import os
from datetime import datetime, timedelta, timezone

from dci_downloader.mirror.mirror import Mirror
from dci_downloader.mirror.publish import publish
from dci_downloader.mirror.store import Store
from dci_downloader.models import Component, FileEntry, Manifest, Plan, SymlinkEntry


class Clock:
    """Now, an hour later at each question."""

    def __init__(self):
        self.now = datetime(2026, 11, 1, tzinfo=timezone.utc)

    def __call__(self):
        self.now += timedelta(hours=1)
        return self.now


def entry_of(path, content):
    return FileEntry(path, hashlib.sha256(content).hexdigest(), len(content))


def manifest_of(files, symlinks=(), etag='"e1"'):
    entries = tuple(entry_of(path, content) for path, content in files.items())
    return Manifest("compose", entries, tuple(SymlinkEntry(*link) for link in symlinks), etag=etag)


def component_of(name, **fields):
    fields = {"id": f"id-{name}", "type": "compose", "topic_id": "t1", "tags": ("nightly",), **fields}
    return Component(name=name, **fields)


def plan_of(files, size):
    """The plan of a component of so many files and bytes, none of which is here."""
    sizes = [size - files + 1, *[1] * (files - 1)]
    entries = tuple(FileEntry(f"f{number}", f"{number:064x}", size) for number, size in enumerate(sizes))
    return Plan(Manifest("compose", entries), entries)


CONTENT = bytes(range(256)) * 40
ENTRY = entry_of("Packages/a.rpm", CONTENT)


def open_store(folder, boot="boot-1"):
    """The store below a folder, as a new process sees it."""
    store = Store(folder / "mirror" / ".dci-downloader", boot=boot)
    store.prepare()
    return store


def names_in(folder):
    """What is in a folder of versions, but for their heads, which come and go with the records."""
    return sorted(name for name in os.listdir(folder) if not name.endswith((".head", ".digests")))


def leftovers(store):
    return sorted(os.listdir(store.partials))


FIRST = {".composeinfo": b"first", "BaseOS/x86_64/os/Packages/b/bash.rpm": b"bash" * 100, "same": b"bash" * 100}
SECOND = {**FIRST, ".composeinfo": b"second", "new": b"new"}
LINKS = [("BaseOS/latest", "x86_64")]


def refuse_links(monkeypatch):
    """Hard links are not possible."""

    def refuse(*_, **__):
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)


class Sample:
    """A mirror, one of its topics, and what is put there."""

    def __init__(self, root, **options):
        self.root = root
        self.mirror = Mirror(root, clock=Clock(), **options)
        self.store = self.mirror.store
        self.topic = self.mirror.topic("RHEL 9.2")
        self.link = root / "RHEL_9.2" / "compose"
        self.folder = root / "RHEL_9.2" / ".versions" / "compose"

    def fill(self, files):
        self.mirror.prepare()
        for path, content in files.items():
            self.store.add(entry_of(path, content), [content])

    def publish(self, name, files, selection=None, links=LINKS, **fields):
        with self.topic.lock():
            self.fill(files)
            return publish(self.topic, component_of(name, **fields), selection, manifest_of(files, links))

    def read(self, root=None):
        """What an agent finds: paths and content."""
        root = root or self.link
        return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}

    def objects(self):
        return set(self.store.object_names())
