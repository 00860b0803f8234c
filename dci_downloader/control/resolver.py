"""From what the user asks for to what is mirrored: name or pattern → topic; filters, an id or a job → components.

The rules, observed of the job scheduler of a DCI control server where they are not ours:

* A pattern ends in ``*`` and means every active topic whose name begins so; the newest-created one is taken. (Ours.)
* Without filters each type of the topic gives its newest-created active component; the topic may call a type optional.
* A job gives exactly the components that it was created with.
* Tags are ANDed, also those of several filters for one type.
* A private component is taken only by its exact name or its id; the scheduler never picks one.
* Two components that would be published under one folder are a mistake of the settings, and an error before anything
  is fetched. (Ours.)
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from typing import Optional, Union

from dci_downloader.content.filters import merge_filters
from dci_downloader.content.names import check_name
from dci_downloader.content.patterns import matches
from dci_downloader.control.client import ControlServer
from dci_downloader.errors import NotFoundError, SettingsError
from dci_downloader.hooks import NullProgress, Progress
from dci_downloader.models import Component, Job, Topic, folder_name
from dci_downloader.options import Filter

_LONG_AGO = datetime.min.replace(tzinfo=timezone.utc)  # what has no date is older than what has one
_NOT_LISTED = "topics that this remoteci has no access to are not listed"


def resolve_topic(server: ControlServer, pattern: str, progress: Progress) -> Topic:
    """Find the active topic that a name or a trailing-``*`` pattern means.

    Args:
        server: where to look.
        pattern: a name, its exact case preferred, or a pattern.
        progress: gets a message that says which topic a pattern means.

    Raises:
        NotFoundError: there is none, or it is not active.
        ManifestError: the topic's name cannot be that of a folder.
    """
    topics = matching_topics(server, pattern)
    topic = max(topics, key=creation_order)
    if pattern.endswith("*"):
        progress.message(f"{pattern} means {topic.name}, the newest of {len(topics)} that fit")
    check_name(folder_name(topic.name), "topic")
    return topic


def matching_topics(server: ControlServer, pattern: str) -> list[Topic]:
    """The active topics that a name or pattern means, at least one.

    Raises:
        NotFoundError: there is none, or it is not active.
    """
    if pattern.endswith("*"):
        # The server takes "*" for "contains", which gives these topics and more.
        topics = [one for one in server.topics(pattern if pattern != "*" else "") if matches(pattern, one.name)]
    else:
        topics = [one for one in [_named_topic(server, pattern)] if one is not None]
    if not topics:
        raise _unknown_topic_error(server, pattern)
    return topics


def creation_order(subject: Union[Topic, Component]) -> tuple[datetime, str]:
    """The key by which topics and components are sorted: when they were created, then their name."""
    return subject.created_at or _LONG_AGO, subject.name


def resolve_components(
    server: ControlServer,
    topic: Topic,
    filters: Sequence[Filter] = (),
    component_id: Optional[str] = None,
    progress: Progress = NullProgress(),  # noqa: B008  # has no state
) -> tuple[Component, ...]:
    """Choose the components to mirror.

    Args:
        server: where to look.
        topic: which they belong to.
        filters: what is wanted in place of one of each type.
        component_id: the one that is wanted instead; may be private, or no longer active.
        progress: gets a detail about each component that is chosen.

    Raises:
        NotFoundError: a type that is not optional has no such component.
        SettingsError: the filters contradict each other, the id is of another topic, or two would share a folder.
        ManifestError: a name cannot be that of a folder.
    """
    if component_id is not None:
        chosen = [_by_id(server, topic, component_id)]
    elif filters:
        chosen = [_by_filter(server, topic, wanted) for wanted in merge_filters(filters)]
    else:
        chosen = _one_of_each(server, topic, progress)
    for component in chosen:
        progress.detail(f"{topic.name}: {component.type} {component.name} (id {component.id})")
    return require_distinct_folders(chosen)


def resolve_job(job: Job, pattern: str = "") -> tuple[Topic, tuple[Component, ...]]:
    """Topic and components of a job: those it was created with, however old they are by now.

    Args:
        job: as it was read.
        pattern: name or pattern that the topic has to match; empty for any.

    Raises:
        NotFoundError: the job has no components.
        SettingsError: the job is of another topic, or two components would share a folder.
        ManifestError: a name cannot be that of a folder.
    """
    if pattern and not matches(pattern, job.topic.name):
        raise SettingsError(
            f"job {job.id} is of topic {job.topic.name}, not of {pattern}",
            hint="leave the topic out: it follows from the job",
        )
    if not job.components:
        raise NotFoundError(f"job {job.id} has no components", hint="was it created without any, or is it an old one?")
    check_name(folder_name(job.topic.name), "topic")
    return job.topic, require_distinct_folders(job.components)


def require_distinct_folders(components: Iterable[Component]) -> tuple[Component, ...]:
    """The components as they are, once each is known to have a folder of its own.

    Raises:
        SettingsError: two of them would be published under one folder.
        ManifestError: a name cannot be that of a folder.
    """
    folders: dict[str, Component] = {}
    for component in components:
        check_name(component.name, "component")
        folder = check_name(folder_name(component.type), "component type")
        first = folders.setdefault(folder, component)
        if first is not component:
            raise SettingsError(
                f"{first.name} and {component.name} would both be published as {folder}",
                hint="mirror them into two folders, in two runs with --component-id",
            )
    return tuple(folders.values())


def _named_topic(server: ControlServer, name: str, active: bool = True) -> Optional[Topic]:
    """The topic of that name, in its exact case if there is one, else in any."""
    topics = [topic for topic in server.topics(name, active=active) if topic.name.lower() == name.lower()]
    return next((topic for topic in topics if topic.name == name), topics[0] if topics else None)


def _unknown_topic_error(server: ControlServer, pattern: str) -> NotFoundError:
    if not pattern.endswith("*"):
        inactive = _named_topic(server, pattern, active=False)
        if inactive is not None:
            return NotFoundError(f"topic {inactive.name} is no longer active", hint="choose a newer one")
    names = {topic.name.lower(): topic.name for topic in server.topics()}  # reads every page, but only before an error
    close = [names[name] for name in difflib.get_close_matches(pattern.rstrip("*").lower(), names, n=5)]
    hint = f"did you mean {', '.join(close)}?" if close else "see `dci-downloader topics`;"
    hint += f" {_NOT_LISTED}"
    if "*" in pattern[:-1]:
        hint += "; a * may only stand at the end"
    fault = "no active topic fits" if pattern.endswith("*") else "there is no topic"
    return NotFoundError(f"{fault} {pattern}", hint=hint)


def _by_id(server: ControlServer, topic: Topic, component_id: str) -> Component:
    component = server.component(component_id)
    if component.topic_id != topic.id:
        raise SettingsError(
            f"component {component.name} (id {component_id}) does not belong to topic {topic.name}",
            hint="leave the topic out: it follows from the component",
        )
    return component


def _by_filter(server: ControlServer, topic: Topic, wanted: Filter) -> Component:
    for component in server.components(topic, type=wanted.type, tags=wanted.tags, name=wanted.name):
        if wanted.name or component.team_id is None:
            return component
    tagged = f" tagged {', '.join(wanted.tags)}" if wanted.tags else ""
    named = f" named {wanted.name}" if wanted.name else ""
    newest = _newest(server, topic, wanted.type)
    if newest is None:
        hint = f"{topic.name} has the types {', '.join(topic.component_types) or '(none)'}"
    else:
        hint = f"the newest is {newest.name}, tagged {', '.join(newest.tags) or '(nothing)'}"
    raise NotFoundError(f"topic {topic.name} has no active component of type {wanted.type}{named}{tagged}", hint=hint)


def _one_of_each(server: ControlServer, topic: Topic, progress: Progress) -> list[Component]:
    """The newest component of each type of a topic."""
    newest = {type_: _newest(server, topic, type_) for type_ in topic.component_types}
    absent = [type_ for type_, component in newest.items() if component is None]
    required = [type_ for type_ in absent if type_ not in topic.optional_types]
    chosen = [component for component in newest.values() if component is not None]
    if required or not chosen:
        names = ", ".join(f"{component.type} {component.name}" for component in chosen)
        of_type = f" of type {', '.join(required)}" if required else ""
        raise NotFoundError(
            f"topic {topic.name} has no active component{of_type}",
            hint=f"there is {names}; choose with --filter" if chosen else "there is nothing to mirror in it yet",
        )
    for type_ in sorted(absent):
        progress.detail(f"{topic.name}: no component of the optional type {type_}")
    return chosen


def _newest(server: ControlServer, topic: Topic, type_: str) -> Optional[Component]:
    """The newest component of a type that is not private."""
    return next((one for one in server.components(topic, type=type_) if one.team_id is None), None)
