"""How many bytes more a mirror would take without hard links: each content is there once, whatever files have it."""

from __future__ import annotations

import sys

from dci_downloader.mirror.digest_list import read_sizes
from dci_downloader.mirror.head import Head
from dci_downloader.mirror.record import Unreadable
from dci_downloader.mirror.topic import TopicMirror
from dci_downloader.mirror.version import Version


class LinkSavings:
    """Counts versions one after the other.

    Attributes:
        size: bytes of all of them, each file of each counted.
    """

    def __init__(self) -> None:
        self.size = 0
        self._copied = 0
        self._sizes: dict[int, int] = {}  # by the beginning of a digest: enough to count by, with two million of them

    @property
    def saved(self) -> int:
        """How many of these bytes links save."""
        return self.size - sum(self._sizes.values()) - self._copied

    def add(self, topic: TopicMirror, head: Head) -> None:
        """Count a version; by its record where it has copies, or no list of its digests."""
        sizes = None if head.has_copies else read_sizes(topic.tree(head), head.identity)
        if sizes is not None:
            self.size += head.size
            self._sizes.update(sizes)
        elif not isinstance(version := topic.load(head), Unreadable):
            self._add_version(version)

    def _add_version(self, version: Version) -> None:
        for path, sha256, size in version.manifest.files:
            self.size += size
            if path in version.copies:
                self._copied += size
            else:
                self._sizes[int.from_bytes(bytes.fromhex(sha256[:16]), sys.byteorder)] = size
