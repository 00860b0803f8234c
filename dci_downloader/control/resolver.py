"""What the user means: topic name or pattern → topic; filters, an id or a job → components.

The rules:

* A pattern ends in ``*`` and means every active topic whose name begins so; the newest-created one is taken.
* Without filters each type of the topic gives its newest-created active component; the topic may call a type optional.
* A job gives exactly the components that it was created with.
* Tags are ANDed, also those of several filters for one type.
* A private component is taken only by its exact name or its id (the job scheduler never picks one either).
* Two components that would be published under one folder are a mistake of the settings, found before anything is
  fetched.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from typing import Optional, Union

from dci_downloader.content.manifest import check_name
from dci_downloader.content.patterns import matches
from dci_downloader.control.client import ControlServer
from dci_downloader.errors import NotFoundError, SettingsError
from dci_downloader.hooks import NullProgress, Progress
from dci_downloader.models import Component, Job, Topic, folder_name
from dci_downloader.options import Filter

_LONG_AGO = datetime.min.replace(tzinfo=timezone.utc)
_NOT_LISTED = "topics that this remoteci has no access to are not listed"


def parse_filter(text: str) -> Filter:
    """Read a filter from the command line: ``type``, ``type:tag`` or ``type:name=NAME``; a tag may hold colons.

    Raises:
        SettingsError: it is none of these.
    """
    kind, colon, tag = text.partition(":")
    named, equals, name = tag.partition("=")
    by_name = named == "name" and bool(equals)
    if not kind.strip() or (colon and not tag.strip()) or (by_name and not name.strip()):
        raise SettingsError(
            f"filter {text!r} cannot be used", hint="a filter is TYPE, TYPE:TAG or TYPE:name=NAME, e.g. compose:nightly"
        )
    if by_name:
        return Filter(kind, name=name)
    return Filter(kind, tags=(tag,) if tag else ())


def resolve_topic(server: ControlServer, pattern: str, progress: Progress) -> Topic:
    """Find the active topic that a name or a trailing-``*`` pattern means.

    Args:
        server: where to look.
        pattern: a name, its exact case preferred, or a pattern.
        progress: told which topic a pattern came to mean.

    Raises:
        NotFoundError: there is none, or it is not active.
        ManifestError: the topic's name cannot be that of a folder.
    """
    fitting = topics_that_fit(server, pattern)
    topic = max(fitting, key=age)
    if pattern.endswith("*"):
        progress.message(f"{pattern} means {topic.name}, the newest of {len(fitting)} that fit")
    check_name(folder_name(topic.name), "topic")
    return topic


def topics_that_fit(server: ControlServer, pattern: str) -> list[Topic]:
    """The active topics that a name or pattern fits, at least one.

    Raises:
        NotFoundError: there is none, or it is not active.
    """
    if pattern.endswith("*"):
        begin = pattern[:-1].lower()
        # The server takes "*" for "contains", which finds these and more.
        fitting = [topic for topic in server.topics(pattern if begin else "") if topic.name.lower().startswith(begin)]
    else:
        fitting = [topic for topic in [_named_topic(server, pattern)] if topic is not None]
    if not fitting:
        raise _unknown_topic(server, pattern)
    return fitting


def age(one: Union[Topic, Component]) -> tuple[datetime, str]:
    """By what topics and components are ordered: when they were created, then their name."""
    return one.created_at or _LONG_AGO, one.name


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
        component_id: the one wanted, in place of all that; may be private, or no longer active.
        progress: told what was chosen, in detail.

    Raises:
        NotFoundError: a type that is needed has no component that fits.
        SettingsError: the filters contradict each other, the id is of another topic, or two would share a folder.
        ManifestError: a name cannot be that of a folder.
    """
    if component_id is not None:
        chosen = [_by_id(server, topic, component_id)]
    elif filters:
        chosen = [_by_filter(server, topic, wanted) for wanted in merged(filters)]
    else:
        chosen = _one_of_each(server, topic, progress)
    for component in chosen:
        progress.detail(f"{topic.name}: {component.type} {component.name} (id {component.id})")
    return in_own_folders(chosen)


def resolve_job(job: Job, pattern: str = "") -> tuple[Topic, tuple[Component, ...]]:
    """Topic and components of a job: those it was created with, however old they are by now.

    Args:
        job: which.
        pattern: what the topic is expected to be; empty for any.

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
    return job.topic, in_own_folders(job.components)


def in_own_folders(components: Iterable[Component]) -> tuple[Component, ...]:
    """The components, after making sure that each has a folder of its own.

    Raises:
        SettingsError: two of them would be published under one folder.
        ManifestError: a name cannot be that of a folder.
    """
    folders: dict[str, Component] = {}
    for component in components:
        check_name(component.name, "component")
        folder = check_name(folder_name(component.type), "component type")
        other = folders.setdefault(folder, component)
        if other is not component:
            raise SettingsError(
                f"{other.name} and {component.name} would both be published as {folder}",
                hint="mirror them into two folders, in two runs with --component-id",
            )
    return tuple(folders.values())


def _named_topic(server: ControlServer, name: str, active: bool = True) -> Optional[Topic]:
    fitting = [topic for topic in server.topics(name, active=active) if topic.name.lower() == name.lower()]
    return next((topic for topic in fitting if topic.name == name), fitting[0] if fitting else None)


def _unknown_topic(server: ControlServer, pattern: str) -> NotFoundError:
    if not pattern.endswith("*"):
        inactive = _named_topic(server, pattern, active=False)
        if inactive is not None:
            return NotFoundError(f"topic {inactive.name} is no longer active", hint="choose a newer one")
    names = {topic.name.lower(): topic.name for topic in server.topics()}
    close = [names[name] for name in difflib.get_close_matches(pattern.rstrip("*").lower(), names, n=5)]
    hint = f"did you mean {', '.join(close)}?" if close else "see `dci-downloader topics`;"
    hint += f" {_NOT_LISTED}"
    if "*" in pattern[:-1]:
        hint += "; a * may only stand at the end"
    what = "no active topic fits" if pattern.endswith("*") else "there is no topic"
    return NotFoundError(f"{what} {pattern}", hint=hint)


def _by_id(server: ControlServer, topic: Topic, component_id: str) -> Component:
    component = server.component(component_id)
    if component.topic_id != topic.id:
        raise SettingsError(
            f"component {component.name} (id {component_id}) does not belong to topic {topic.name}",
            hint="leave the topic out: it follows from the component",
        )
    return component


def merged(filters: Sequence[Filter]) -> list[Filter]:
    """One filter for each type: what several ask for, together.

    Raises:
        SettingsError: two ask for different names.
    """
    together: dict[str, Filter] = {}
    for wanted in filters:
        before = together.get(wanted.type, wanted)
        if before.name and wanted.name and before.name != wanted.name:
            raise SettingsError(
                f"two filters want different components of type {wanted.type}: {before.name} and {wanted.name}",
                hint="mirror them into two folders, in two runs",
            )
        tags = tuple(dict.fromkeys((*before.tags, *wanted.tags)))
        together[wanted.type] = Filter(wanted.type, tags, before.name or wanted.name)
    return list(together.values())


def _by_filter(server: ControlServer, topic: Topic, wanted: Filter) -> Component:
    for component in server.components(topic.id, type=wanted.type, tags=wanted.tags, name=wanted.name):
        if wanted.name or component.team_id is None:
            return component
    tagged = f" tagged {', '.join(wanted.tags)}" if wanted.tags else ""
    named = f" named {wanted.name}" if wanted.name else ""
    newest = _newest(server, topic, wanted.type)
    if newest is None:
        there_is = f"{topic.name} has the types {', '.join(topic.component_types) or '(none)'}"
    else:
        there_is = f"the newest is {newest.name}, tagged {', '.join(newest.tags) or '(nothing)'}"
    raise NotFoundError(
        f"topic {topic.name} has no active component of type {wanted.type}{named}{tagged}", hint=there_is
    )


def _one_of_each(server: ControlServer, topic: Topic, progress: Progress) -> list[Component]:
    found = {kind: _newest(server, topic, kind) for kind in topic.component_types}
    lacking = [kind for kind, component in found.items() if component is None and kind not in topic.optional_types]
    chosen = [component for component in found.values() if component is not None]
    if lacking or not chosen:
        there_is = ", ".join(f"{component.type} {component.name}" for component in chosen)
        what = f"component of type {', '.join(lacking)}" if lacking else "component"
        raise NotFoundError(
            f"topic {topic.name} has no active {what}",
            hint=f"there is {there_is}; choose with --filter" if chosen else "there is nothing to mirror in it yet",
        )
    for kind in sorted(found.keys() - {component.type for component in chosen}):
        progress.detail(f"{topic.name}: no component of the optional type {kind}")
    return chosen


def _newest(server: ControlServer, topic: Topic, kind: str) -> Optional[Component]:
    """The newest component of a type that is not private."""
    return next((found for found in server.components(topic.id, type=kind) if found.team_id is None), None)
