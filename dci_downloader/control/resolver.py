"""From what the user asks for to what is mirrored: name or pattern → topic; filters, an id or a job → components.

The rules are those of the job scheduler of a DCI control server, as observed, but for those marked as ours:

* A pattern ends in ``*`` and means every active topic whose name begins so; the newest-created one is taken. (Ours.)
* Without filters each type of the topic gives its newest-created active component; the topic may call a type optional.
* A type without such a component does not keep the others from being mirrored. (Ours.)
* A job gives exactly the components that it was created with.
* Tags are ANDed, also those of several filters for one type.
* A private component is taken only by its exact name or its id; the scheduler never picks one.
* Two components that would be published in one folder are not mirrored; the others are. (Ours.)
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from functools import partial
from itertools import islice
from types import MappingProxyType
from typing import NamedTuple, Optional, Union

from dci_downloader.content.filters import merge_filters
from dci_downloader.content.names import check_name
from dci_downloader.content.patterns import matches
from dci_downloader.content.similarity import similar_name, similar_names
from dci_downloader.control.upstream import Upstream
from dci_downloader.errors import NotFoundError, SettingsError
from dci_downloader.hooks import NullProgress, Progress
from dci_downloader.models import Component, Job, Topic, folder_name
from dci_downloader.network.side_by_side import side_by_side
from dci_downloader.options import Filter

_LONG_AGO = datetime.min.replace(tzinfo=timezone.utc)  # what has no date is older than what has one
_RECENT = 20  # components searched for the name or tag that was probably meant: one page


def resolve_topic(server: Upstream, pattern: str, progress: Progress) -> Topic:
    """Find the active topic that a name or a trailing-``*`` pattern means.

    Args:
        server: the server to ask.
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


def matching_topics(server: Upstream, pattern: str) -> list[Topic]:
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


class ResolvedRequest(NamedTuple):
    """What a request for a topic, a component or a job means.

    Attributes:
        components: those to mirror, at least one.
        missing: by type, the error where the topic has no component of a wanted type.
    """

    topic: Topic
    components: tuple[Component, ...]
    missing: Mapping[str, NotFoundError] = MappingProxyType({})


def resolve_components(
    server: Upstream,
    topic: Topic,
    filters: Sequence[Filter] = (),
    progress: Progress = NullProgress(),  # noqa: B008  # has no state
) -> ResolvedRequest:
    """Choose the components of a topic to mirror.

    Args:
        server: the server to ask.
        topic: that they belong to.
        filters: the components that are wanted; none for the newest of each type.
        progress: gets a detail about each component that is chosen.

    Raises:
        NotFoundError: there is no component of any wanted type.
        SettingsError: the filters contradict each other.
    """
    wanted = merge_filters(filters) or [Filter(type_) for type_ in topic.component_types]
    optional = () if filters else topic.optional_types
    components, missing = [], {}
    for each, component in zip(wanted, side_by_side(partial(_by_filter, server, topic), wanted)):
        if component in components:  # a control server ignores the case of types
            continue
        if component is not None:
            components.append(component)
            progress.detail(f"{topic.name}: {component.type} {component.name} (id {component.id})")
        elif each.type in optional:
            progress.detail(f"{topic.name}: no component of the optional type {each.type}")
        else:
            missing[each.type] = missing_error(server, topic, each)
    if not components and filters:
        raise NotFoundError("; ".join(map(str, missing.values())), hint=next(iter(missing.values())).hint)
    if not components:
        hint = "there is nothing to mirror in it yet"
        raise NotFoundError(f"topic {topic.name} has no active component", hint=hint)
    return ResolvedRequest(topic, tuple(components), missing)


def resolve_component(server: Upstream, component_id: str, topic: Optional[Topic] = None) -> ResolvedRequest:
    """One component by its id; may be private, or no longer active.

    Args:
        server: the server to ask.
        component_id: its id.
        topic: that it has to belong to; None for any.

    Raises:
        NotFoundError: there is none.
        SettingsError: it is of another topic.
    """
    component = server.component(component_id)
    if topic is not None and component.topic_id != topic.id:
        raise SettingsError(
            f"component {component.name} (id {component_id}) does not belong to topic {topic.name}",
            hint="leave the topic out: it follows from the component",
        )
    return ResolvedRequest(topic or server.topic(component.topic_id), (component,))


def resolve_job(job: Job, pattern: str = "") -> ResolvedRequest:
    """Topic and components of a job: those it was created with, however old they are by now.

    Args:
        job: as it was read.
        pattern: name or pattern that the topic has to match; empty for any.

    Raises:
        NotFoundError: the job has no components.
        SettingsError: the job is of another topic.
        ManifestError: the topic's name cannot be that of a folder.
    """
    if pattern and not matches(pattern, job.topic.name):
        raise SettingsError(
            f"job {job.id} is of topic {job.topic.name}, not of {pattern}",
            hint="leave the topic out: it follows from the job",
        )
    if not job.components:
        raise NotFoundError(f"job {job.id} has no components", hint="was it created without any, or is it an old one?")
    check_name(folder_name(job.topic.name), "topic")
    return ResolvedRequest(job.topic, job.components)


def folder_conflicts(components: Iterable[Component]) -> dict[str, SettingsError]:
    """An error for each component that would be published in the folder of another, by its id."""
    by_folder: dict[str, list[Component]] = {}
    for component in components:
        by_folder.setdefault(folder_name(component.type), []).append(component)
    conflicts: dict[str, SettingsError] = {}
    for folder, sharing in by_folder.items():
        *names, last = (component.name for component in sharing)
        if names:
            text = (
                f"{', '.join(names)} and {last} would {'both' if len(names) == 1 else 'all'} be published as {folder}"
            )
            error = SettingsError(text, hint="mirror them into folders of their own, in runs with --component-id")
            conflicts.update((component.id, error) for component in sharing)
    return conflicts


def _named_topic(server: Upstream, name: str, active: bool = True) -> Optional[Topic]:
    """The topic of that name, in its exact case if there is one, else in any."""
    topics = [topic for topic in server.topics(name, active=active) if topic.name.lower() == name.lower()]
    return next((topic for topic in topics if topic.name == name), topics[0] if topics else None)


def _unknown_topic_error(server: Upstream, pattern: str) -> NotFoundError:
    if not pattern.endswith("*"):
        inactive = _named_topic(server, pattern, active=False)
        if inactive is not None:
            return NotFoundError(f"topic {inactive.name} is no longer active", hint="choose a newer one")
    names = {topic.name.lower(): topic.name for topic in server.topics()}  # reads every page, but only before an error
    close = [names[name] for name in difflib.get_close_matches(pattern.rstrip("*").lower(), names, n=5)]
    hint = f"did you mean {', '.join(close)}?" if close else "see `dci-downloader topics`;"
    hint += f" {server.unlisted}"
    if "*" in pattern[:-1]:
        hint = "a * may only stand at the end"
    fault = "no active topic fits" if pattern.endswith("*") else "there is no topic"
    return NotFoundError(f"{fault} {pattern}", hint=hint)


def _by_filter(server: Upstream, topic: Topic, wanted: Filter) -> Optional[Component]:
    components = server.components(topic, type=wanted.type, tags=wanted.tags, name=wanted.name)
    return next((component for component in components if wanted.name or component.team_id is None), None)


def missing_error(server: Upstream, topic: Topic, wanted: Filter) -> NotFoundError:
    """The error where a topic has no such component; the hint says what was probably meant, or what there is."""
    tagged = f" tagged {', '.join(wanted.tags)}" if wanted.tags else ""
    named = f" named {wanted.name}" if wanted.name else ""
    text = f"topic {topic.name} has no active component of type {wanted.type}{named}{tagged}"
    return NotFoundError(text, hint=_missing_hint(server, topic, wanted))


def _missing_hint(server: Upstream, topic: Topic, wanted: Filter) -> str:
    newest = _by_filter(server, topic, Filter(wanted.type)) if wanted.tags or wanted.name else None
    if newest is None:
        similar = similar_name(wanted.type, topic.component_types)
        if similar and similar != wanted.type.lower():
            return f"did you mean the type {similar}?"
        return f"{topic.name} has the types {', '.join(topic.component_types) or '(none)'}; choose with --filter"
    recent = list(islice(server.components(topic, type=wanted.type), _RECENT))
    if wanted.name:
        similar = similar_name(wanted.name, (component.name for component in recent))
        return f"did you mean {similar}?" if similar else f"the newest is {newest.name}"
    tags = {tag for component in recent for tag in component.tags}
    close = similar_names((tag for tag in wanted.tags if tag not in tags), tags)
    if close:
        return f"did you mean the tag {close}?"
    return f"the newest is {newest.name}, tagged {', '.join(newest.tags) or '(nothing)'}"
