"""A mirror: one store, and the topics whose versions are made of it.

DEST/.dci-downloader/    the store (see :mod:`dci_downloader.mirror.store`)
DEST/<topic>/            versions and published links (see :mod:`dci_downloader.mirror.topic`)
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, Union

from dci_downloader.errors import DiskFullError, DownloaderError, ManifestError, NotFoundError, SettingsError
from dci_downloader.mirror.disk_errors import disk_error, disk_errors
from dci_downloader.mirror.files import LINK_HINT, free_bytes, utc_now
from dci_downloader.mirror.folders import is_foreign, open_topics, real_folders
from dci_downloader.mirror.native import text_of
from dci_downloader.mirror.store import Store
from dci_downloader.mirror.topic import TopicMirror
from dci_downloader.mirror.topic_list import listed_topics
from dci_downloader.models import Component, Manifest, Plan

STORE = ".dci-downloader"


class UnreadableTopic(NamedTuple):
    """A topic that is there, but of which nothing can be told.

    Attributes:
        name: of its folder.
        error: why.
    """

    name: str
    error: DownloaderError


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
        self._require_store()
        self.store.check_links()

    def open(self) -> None:
        """Make sure that there is a mirror, and that this user gets into all of it that is his own. Safe to repeat.

        Folders of the store that lack, as in a copy that left empty ones out, are made.

        Raises:
            NotFoundError: there is none.
            SettingsError: a folder of its store is a link, or this user may not write there.
        """
        self._require_store()
        self.prepare()
        open_topics(self.root)

    def _require_store(self) -> None:
        with disk_errors(self.root):
            if not self.store.root.is_dir():
                raise NotFoundError(
                    f"{self.root}: there is no mirror here", hint="name the folder that was synchronised"
                )

    def topic(self, name: str) -> TopicMirror:
        """The part of the mirror that belongs to a topic, whether it exists or not.

        Raises:
            ManifestError: the name cannot be a folder.
        """
        return TopicMirror(self.root, name, self.store, self.clock)

    def topics(self) -> tuple[TopicMirror, ...]:
        """The topics that there are versions of.

        Raises:
            SettingsError: a folder of this user cannot be read.
        """
        return tuple(topic for topic in self._folders() if topic.types())

    def readable_topics(self) -> tuple[tuple[TopicMirror, ...], tuple[UnreadableTopic, ...]]:
        """The topics that there are versions of, and those that nothing can be told of. No side effect.

        Raises:
            SettingsError: the mirror itself cannot be read.
        """
        topics, unreadable = [], [*self.linked_topics(), *self._foreign_topics()]
        for topic in self._folders():
            try:
                if topic.types():
                    topics.append(topic)
            except SettingsError as error:  # noqa: PERF203  once for each topic
                unreadable.append(UnreadableTopic(topic.name, error))
        return tuple(topics), tuple(unreadable)

    def linked_topics(self) -> tuple[UnreadableTopic, ...]:
        """The topics that are symbolic links out of the mirror: no command follows them.

        A link to a topic of another mirror is not one of these: it is for those who read there.
        """
        with disk_errors(self.root), os.scandir(self.root) as items:
            links = sorted(item.path for item in items if item.is_symlink())
        linked = []
        for link in links:
            target = os.path.realpath(link)
            if os.path.isdir(f"{target}/.versions") and not os.path.lexists(f"{os.path.dirname(target)}/{STORE}"):
                error = SettingsError(f"{link} is a symbolic link", hint=LINK_HINT)
                linked.append(UnreadableTopic(text_of(os.path.basename(link)), error))
        return tuple(linked)

    def _foreign_topics(self) -> Iterator[UnreadableTopic]:
        """The topics that other users have closed: other folders of theirs are passed by, but these are in the list."""
        for listed in listed_topics(self.store.root):
            topic = self.topic(listed.name)
            with suppress(FileNotFoundError), disk_errors(self.root):
                if is_foreign(topic.path):
                    error = OSError(errno.EACCES, os.strerror(errno.EACCES))
                    yield UnreadableTopic(topic.name, disk_error(error, topic.path))

    def _folders(self) -> Iterator[TopicMirror]:
        """The folders that may be topics."""
        for path in real_folders(self.root):
            with suppress(ManifestError):  # not a name of ours
                yield self.topic(text_of(path.name))

    def plan(self, component: Component, wanted: Manifest) -> Plan:
        """Which of a component's wanted files are missing here. No side effect.

        What another component brought is not missing: the store knows contents by their digests.
        """
        return self.store.plan(wanted)

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
