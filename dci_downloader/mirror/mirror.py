"""A mirror: one store, and the topics whose versions are made of it.

DEST/.dci-downloader/    the store (see :mod:`dci_downloader.mirror.store`)
DEST/<topic>/            versions and published links (see :mod:`dci_downloader.mirror.topic`)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Union

from dci_downloader.content.plan import make_plan
from dci_downloader.errors import DiskFullError, ManifestError, NotFoundError
from dci_downloader.mirror.disk_errors import disk_errors
from dci_downloader.mirror.files import free_bytes, utc_now
from dci_downloader.mirror.folders import real_folders
from dci_downloader.mirror.native import text_of
from dci_downloader.mirror.store import Store
from dci_downloader.mirror.topic import TopicMirror
from dci_downloader.models import Component, FileEntry, Manifest, Plan

STORE = ".dci-downloader"


class Mirror:
    """A folder that holds published versions of components.

    Creating this object touches nothing; a folder that does not exist is an empty mirror.

    Args:
        root: the folder.
        clock: now, in UTC.
        boot: what identifies this boot of the machine; empty asks the kernel.
    """

    def __init__(self, root: Union[Path, str], *, clock: Callable[[], datetime] = utc_now, boot: str = "") -> None:
        self.root = Path(root)
        self.store = Store(self.root / STORE, boot=boot)
        self.clock = clock

    def __repr__(self) -> str:
        return f"Mirror({str(self.root)!r})"

    def prepare(self) -> None:
        """Make the mirror's folders. Safe to repeat.

        Raises:
            SettingsError: something else is in the way, or the place cannot be written to.
        """
        self.store.prepare()

    def require(self) -> None:
        """Make sure that there is a mirror. No side effect.

        Raises:
            NotFoundError: there is none.
            SettingsError: its path is longer than the system allows, or a folder of its store is a link.
        """
        with disk_errors(self.root):
            if not self.store.root.is_dir():
                raise NotFoundError(
                    f"{self.root}: there is no mirror here", hint="name the folder that was synchronised"
                )
        self.store.check_links()

    def topic(self, name: str) -> TopicMirror:
        """The part of the mirror that belongs to a topic, whether it exists or not.

        Raises:
            ManifestError: the name cannot be a folder.
        """
        return TopicMirror(self.root, name, self.store, self.clock)

    def topics(self) -> tuple[TopicMirror, ...]:
        """The topics that there are versions of."""
        with disk_errors(self.root):
            topics = []
            for path in real_folders(self.root):
                with suppress(ManifestError):  # not a name of ours
                    topics.append(self.topic(text_of(path.name)))
        return tuple(topic for topic in topics if topic.types())

    def plan(self, component: Component, wanted: Manifest) -> Plan:
        """Which of a component's wanted files are missing here. No side effect.

        What another component brought is not missing: the store knows contents by their digests.
        """
        store, partials = self.store, self.store.partial_names()
        store.damage.read()  # another run may have found some

        def partial_bytes(entry: FileEntry) -> int:
            return store.partial_bytes(entry) if entry.sha256 in partials else 0

        return make_plan(wanted, store.holds, partial_bytes)

    def check_space(self, plans: Sequence[Plan], reserve: int = 0) -> None:
        """Make sure that there is room for what plans miss, before the first byte is fetched.

        Args:
            plans: what is to be fetched.
            reserve: bytes that are to stay free; below 0 where so many will be freed before.

        Raises:
            DiskFullError: there is too little, as far as the file system says.
        """
        missing = {entry.sha256: entry for plan in plans for entry in plan.missing}  # a shared content is fetched once
        needed = self.store.room_needed(tuple(missing.values()))
        with disk_errors(self.root):
            free = free_bytes(self.store.partials)
        if needed and free is not None and needed + reserve > free:
            staying = f", and {reserve:,} are to stay free (reserve)" if reserve > 0 else ""
            raise DiskFullError(
                f"{self.root}: {needed:,} bytes are needed, {free:,} are free{staying}",
                needed=needed,
                free=max(0, free - reserve),
                hint="make room, select less, or let older versions go (--make-room, dci-downloader prune --keep 0)",
            )
