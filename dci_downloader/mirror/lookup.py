"""What a name on the command line means in a mirror: one of its topics, and types of it. Case does not matter."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from dci_downloader.errors import ManifestError, NotFoundError
from dci_downloader.mirror.mirror import Mirror
from dci_downloader.mirror.native import text_of
from dci_downloader.mirror.topic import TopicMirror
from dci_downloader.models import folder_name


def find_types(mirror: Mirror, topic_name: str, component_type: str = "") -> tuple[TopicMirror, tuple[str, ...]]:
    """A topic and its type of that name, or all its types where the name is empty. No side effect.

    Raises:
        NotFoundError: there is no mirror, or nothing of such a topic or type; the hint names what is like it.
    """
    topic = _find_topic(mirror, topic_name)
    types = topic.types()
    if not component_type:
        return topic, types
    found = _match(component_type, types)
    if found:
        return topic, (found,)
    text = f"{topic.name}: nothing of type {component_type} is in {topic.root}"
    raise NotFoundError(text, hint=_hint(component_type, types))


def _find_topic(mirror: Mirror, name: str) -> TopicMirror:
    """The topic of that name, of which the mirror has something."""
    mirror.require()
    try:
        topic = mirror.topic(name)
        if topic.types():
            return topic
    except ManifestError:  # no folder can have this name
        pass
    topics = {text_of(topic.path.name): topic for topic in mirror.topics()}
    found = _match(name, list(topics))
    if found:
        return topics[found]
    raise NotFoundError(f"{name}: nothing of this topic is in {mirror.root}", hint=_hint(name, list(topics)))


def _match(name: str, known: Sequence[str]) -> str:
    """The one that is meant: of exactly this name, else the only one of it in another case; empty for none."""
    folder = folder_name(name)
    if folder in known:
        return folder
    same = [each for each in known if each.lower() == folder.lower()]
    return same[0] if len(same) == 1 else ""


def _hint(name: str, known: Sequence[str]) -> str:
    lower = {each.lower(): each for each in known}
    close = [lower[each] for each in difflib.get_close_matches(folder_name(name).lower(), lower, n=3)]
    if close:
        return f"did you mean {' or '.join(close)}?"
    return f"here are {', '.join(known)}" if known else "nothing is mirrored there yet"
