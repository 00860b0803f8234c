"""What a run that ends early leaves for the next one, and for those who read the mirror. Nothing here changes it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import suppress

from dci_downloader.content.patterns import matches
from dci_downloader.errors import DownloaderError
from dci_downloader.mirror.mirror import Mirror
from dci_downloader.mirror.native import text_of
from dci_downloader.mirror.topic import TopicMirror
from dci_downloader.models import Component, Manifest, folder_name


def kept_bytes(mirror: Mirror, component: Component, wanted: Manifest) -> int:
    """How many bytes of the wanted files are in the mirror now, partial files included; 0 where that is unknown."""
    with suppress(DownloaderError):
        return mirror.plan(component, wanted).here[1]
    return 0


def published_name(topic: TopicMirror, component_type: str) -> str:
    """The name of the component that agents read under this type; empty for none, and where that cannot be known."""
    with suppress(DownloaderError):
        published = topic.published(component_type)
        return published.component.name if published else ""
    return ""


def still_published(mirror: Mirror, patterns: Collection[str]) -> Iterator[str]:
    """What is still published of topics, a line for people for each topic.

    Args:
        mirror: the mirror to look at.
        patterns: names of topics, or patterns; empty ones mean none.
    """
    topics: tuple[TopicMirror, ...] = ()
    with suppress(DownloaderError, OSError):
        topics = mirror.topics()
    for topic in topics:
        folder = text_of(topic.path.name)
        if any(pattern and matches(folder_name(pattern), folder) for pattern in patterns):
            names = [f"{each} {topic.published_folder(each)}" for each in topic.types() if topic.published_folder(each)]
            if names:
                yield f"{topic.name}: still published: {', '.join(names)}"
