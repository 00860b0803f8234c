"""The documents of a mirror that say what it holds, read and checked: list of topics, indexes, records.

The index names the versions; a record is proved by its digest there, and checked as a manifest is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Optional, Protocol, TypeVar

from dci_downloader.errors import IntegrityError, ManifestError, NotFoundError, TransferError
from dci_downloader.mirror.index import MAX_INDEX, Index, IndexedVersion, index_name, parse_index
from dci_downloader.mirror.record import parse_record
from dci_downloader.mirror.record_fields import MAX_SIZE
from dci_downloader.mirror.topic_list import MAX_LIST, TOPICS_NAME, ListedTopic, parse_topics
from dci_downloader.mirror.version import Version
from dci_downloader.models import folder_name

_TOPICS = f".dci-downloader/{TOPICS_NAME}"
_HINT = "nothing was changed here; tell whoever looks after that mirror"

_Parsed = TypeVar("_Parsed")


class Reader(Protocol):
    """Reads files of a mirror, given by paths relative to its root.

    Attributes:
        address: of the mirror, for people.
    """

    address: str

    def read(self, path: str, limit: int) -> Optional[bytes]:
        """The content of a file of at most so many bytes; None where there is none."""

    def close(self) -> None:
        """Release what it holds."""


class Documents:
    """The documents of one mirror. Every method reads anew, and raises what the reader raises.

    Args:
        reader: reads them.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def topics(self) -> tuple[ListedTopic, ...]:
        """The list of topics.

        Raises:
            NotFoundError: there is none.
            ManifestError: it cannot be trusted.
        """
        content = self._reader.read(_TOPICS, MAX_LIST)
        if content is None:
            raise NotFoundError(
                f"{self._reader.address}: there is no mirror here, or one that does not say yet what it holds",
                hint="name the folder that was mirrored into (DEST); a mirror of an older release says it after a run",
            )
        return self._parsed(content, _TOPICS, parse_topics)

    def index(self, topic: str, component_type: str) -> Optional[Index]:
        """The index of a type of a topic; None where there is none.

        Args:
            topic: the folder of the topic.
            component_type: the folder of the type.

        Raises:
            IntegrityError: it cannot be trusted.
        """
        path = f"{topic}/{index_name(component_type)}"
        content = self._reader.read(path, MAX_INDEX)
        if content is None:
            return None
        index = self._parsed(content, path, parse_index)
        if (folder_name(index.topic), folder_name(index.type)) != (topic, component_type):
            raise IntegrityError(f"{self._reader.address}/{path}: it is the index of something else", hint=_HINT)
        return index

    def version(self, topic: str, indexed: IndexedVersion) -> Version:
        """A version, by its record.

        Args:
            topic: the folder of the topic.
            indexed: as the index has it.

        Raises:
            TransferError: it is gone.
            IntegrityError: it is not what the index says, or cannot be trusted.
        """
        component_type = folder_name(indexed.component.type)
        path = f"{topic}/.versions/{component_type}/{indexed.folder}.json"
        place = f"{self._reader.address}/{path}"
        content = self._reader.read(path, MAX_SIZE)
        if content is None:
            raise TransferError(f"{place} is gone", hint="that mirror has changed meanwhile: run again")
        if hashlib.sha256(content).hexdigest() != indexed.record:
            _require_no_page(content, place)
            raise IntegrityError(
                f"{place}: it is not the record that the index names",
                hint="is that mirror being copied just now? Else run a sync there, or verify --repair",
            )
        version = parse_record(content, indexed.folder)
        if not isinstance(version, Version):
            raise ManifestError(f"{place}: it {version.reason}", hint=_HINT)
        component = version.component
        about = (component.id, folder_name(component.type), folder_name(version.topic))
        if about != (indexed.component.id, component_type, topic):
            raise IntegrityError(f"{place}: it is about another component", hint=_HINT)
        return version

    def _parsed(self, content: bytes, path: str, parse: Callable[[bytes], _Parsed]) -> _Parsed:
        """What a document says.

        Raises:
            TransferError: a web page came in its place.
            ManifestError: it cannot be trusted.
        """
        place = f"{self._reader.address}/{path}"
        _require_no_page(content, place)
        try:
            return parse(content)
        except ManifestError as error:
            raise ManifestError(f"{place}: {error}", entry=error.entry, hint=_HINT) from None


def _require_no_page(content: bytes, place: str) -> None:
    """Make sure that no web page came in the place of a document."""
    if content.lstrip()[:1] == b"<":
        raise TransferError(
            f"{place}: a web page came in its place",
            hint="does a proxy or a login page answer? Is that the address of a mirror's root (DEST)?",
        )
