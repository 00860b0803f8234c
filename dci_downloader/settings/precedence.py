"""Precedence: command line over environment over settings files, later files over earlier.

The rules:

* The top level of a file holds for every topic that does not say otherwise.
* The topics are those of the last file that names any. A TOPIC on the command line comes before them, as in the
  previous downloader; if a file lists it, it has the settings of that entry.
* ``--component-id`` asks for that component alone: in TOPIC, or else in the only topic of the files, whose name then
  follows from the component.
* ``--job-id`` asks for the components of that job, with the settings of TOPIC, or else of the job's topic in the files.
* ``DCI_JOB_ID`` asks for the same, but leaves the other topics of the files as they are. It is ignored where something
  else names a component. With it, a single argument is DEST where nothing else names that.
* ``from`` names another mirror in place of the control server. ``DCI_JOB_ID``, and all settings of the control server,
  are ignored then: a mirror knows no jobs.
* Files that are found (see :mod:`~dci_downloader.settings.discovery`) count like those of ``--settings`` where nothing
  says what to mirror. Where something does, they count only if nothing else names the destination: then they give it,
  and the settings of TOPIC.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Optional

from dci_downloader.content.patterns import matches
from dci_downloader.errors import SettingsError
from dci_downloader.models import folder_name
from dci_downloader.settings.command_line import CommandLine
from dci_downloader.settings.table import DEFAULTS, SETTINGS
from dci_downloader.settings.types import Level, Scalar, Values
from dci_downloader.settings.unused import unused_filters, unused_with_upstream
from dci_downloader.settings.values import SettingValue, path

if TYPE_CHECKING:
    from dci_downloader.settings.yaml_file import SettingsFile


class JobRequest(NamedTuple):
    """A job whose components are wanted.

    Attributes:
        id: of the job.
        topic: TOPIC of the command line, which has to be the job's; empty where there is none.
        implied: whether only the environment names it.
    """

    id: str
    topic: str = ""
    implied: bool = False


@dataclass(frozen=True)
class MergedSettings:
    """The values that take precedence.

    Attributes:
        destination: the root of the mirror; None where it is not named.
        topics: for each topic its ``topic``, empty where the component id says it, and all of ``DEFAULTS``.
        job: the job whose components are wanted; None where none is named.
        notes: the settings that are without effect, a line each.
        upstream: the address of the mirror that takes the control server's place; None where there is none.
        details: which of the files that are found count, a line each.
        status_page: path of the page of HTML about the mirror; None for none.
    """

    destination: Optional[SettingValue]
    topics: tuple[Values, ...]
    notes: tuple[str, ...]
    job: Optional[JobRequest] = None
    details: tuple[str, ...] = ()
    upstream: Optional[SettingValue] = None
    status_page: Optional[SettingValue] = None


def merge(command_line: CommandLine, environ: Mapping[str, str], found: Sequence[str] = ()) -> MergedSettings:
    """Merge command line, environment and settings files. Reads the files.

    Args:
        command_line: the options of a sync.
        environ: as ``os.environ``.
        found: paths of the settings files that are found where the command line names none.

    Raises:
        SettingsError: a file or the command line cannot be used, or two topics would be published in one folder.
    """
    files = _read(command_line.settings)
    if command_line.topic_settings.get("component_id") and command_line.job_id:
        raise SettingsError("--component-id and --job-id each say which components: choose one")
    variables = _environment(environ)
    job_id = command_line.job_id or environ.get(SETTINGS["job_id"].variable, "").strip()
    has_root = any("local_repo" in values for values in (*(file.values for file in files), variables))
    topic, destination = _positional(command_line, alone_is_topic=has_root or not job_id)
    if command_line.says_what or job_id:
        found = () if command_line.settings or destination or has_root else found
        files += [_narrowed(file, topic) for file in _read(found)]
    else:
        files = _read(found)
    top_level: dict[str, SettingValue] = {}
    for values in (*(file.values for file in files), variables):
        top_level.update(values)
    upstream = SettingValue(command_line.upstream, "--from") if command_line.upstream else top_level.get("from")
    job_id = "" if upstream and upstream.value else job_id
    topics = _topics(files, top_level, topic, job_id, command_line)
    notes = [*(note for file in files for note in file.notes), *unused_filters(topics, command_line)]
    job = JobRequest(job_id, topic, implied=not command_line.job_id) if job_id and topics else None
    if job is not None and job.implied and all(values["component_id"].value for values in topics):
        notes.append(f"DCI_JOB_ID is not used, because component_id ({topics[0]['component_id'].origin}) is set")
        job = None
    if upstream and upstream.value:
        notes += unused_with_upstream(upstream, topics, command_line, environ)
    details = tuple(f"settings found: {path}" for path in found)
    destination = destination or top_level.get("local_repo")
    upstream = upstream if upstream and upstream.value else None
    notes = [*dict.fromkeys(notes)]
    status_page = top_level.get("status_page")
    return MergedSettings(destination, topics, tuple(notes), job, details, upstream, status_page)


def _narrowed(file: SettingsFile, topic: str) -> SettingsFile:
    """A settings file with no other topics than this one; with none where the name is empty."""
    topics = tuple(own for own in file.topics or () if topic and _name(own).lower() == topic.lower())
    return file._replace(topics=topics or None)


def _topics(
    files: Sequence[SettingsFile],
    top_level: Values,
    topic: str,
    job_id: str,
    command_line: CommandLine,
) -> tuple[Values, ...]:
    """The settings of each topic to mirror.

    Raises:
        SettingsError: two would be published in one folder, or the command line cannot be used.
    """
    listed = next((file.topics for file in reversed(files) if file.topics is not None), None)
    if listed is None:
        names_topic = "component_id" in top_level or command_line.job_id or (job_id and not topic)
        listed = ({},) if names_topic else ()  # one topic, whose name follows from the component or the job
    everywhere = {**DEFAULTS, **{name: value for name, value in top_level.items() if name in DEFAULTS}}
    options = {name: SettingValue(value, "command line") for name, value in command_line.topic_settings.items()}
    source = "component_id" if "component_id" in {**top_level, **options} or not job_id else "the job"
    unnamed = {"topic": SettingValue("", source)}
    topics = tuple({**unnamed, **everywhere, **own, **options} for own in _chosen(topic, listed, command_line))
    _check_folders(topics)
    return topics


def _read(paths: Iterable[str]) -> list[SettingsFile]:
    paths = tuple(paths)
    if not paths:
        return []
    from dci_downloader.settings import yaml_file  # only here: YAML takes longer to import than a file to read

    files = [yaml_file.read(name) for name in paths]
    problems = [problem for file in files for problem in file.problems]
    if problems:
        heading = f"{len(problems)} problems in the settings\n  " if len(problems) > 1 else ""
        absent = next((name for name in paths if not os.path.exists(name)), None)
        hint = "`dci-downloader settings --help` names every setting"
        raise SettingsError(
            heading + "\n  ".join(problems), hint=hint if absent is None else "name a file that is there"
        )
    return files


def _environment(environ: Mapping[str, str]) -> Values:
    """The settings that variables give; an empty variable gives none."""
    values = {}
    for setting in SETTINGS.values():
        text = environ.get(setting.variable, "")
        if text and Level.FILE in setting.levels and isinstance(setting.value_type, Scalar):
            try:
                values[setting.name] = SettingValue(setting.value_type.parse(text), setting.variable)
            except ValueError as error:
                raise SettingsError(f"{setting.variable}: {error}") from None
    return values


def _positional(command_line: CommandLine, *, alone_is_topic: bool) -> tuple[str, Optional[SettingValue]]:
    """TOPIC, empty where it is missing, and the destination, if the command line names one.

    Beside the option for a component or a job a single argument is DEST.

    Args:
        command_line: the options of a sync.
        alone_is_topic: whether a single argument is TOPIC where there is no such option, and none for the destination.
    """
    given = command_line.positional
    if len(given) > 2 or not all(given):
        raise SettingsError(
            "TOPIC and DEST are one name each, and not empty", hint="for example: dci-downloader RHEL-9.2 /srv/dci"
        )
    destination = SettingValue(command_line.local_repo, "--local-repo") if command_line.local_repo else None
    by_option = bool(command_line.topic_settings.get("component_id") or command_line.job_id)
    if len(given) == 1 and (by_option or not (alone_is_topic or destination)):
        return "", _destination(given[0])
    return given[0] if given else "", _destination(given[1]) if len(given) == 2 else destination


def _destination(text: str) -> SettingValue:
    """The destination that DEST names; a ``~`` is replaced here where no shell did so, as in a unit of systemd."""
    try:
        return SettingValue(path(text), "DEST")
    except ValueError as error:
        raise SettingsError(f"DEST: {error}") from None


def _chosen(topic: str, listed: Sequence[Values], command_line: CommandLine) -> Iterator[Values]:
    """The topics to mirror, each with its own settings.

    Args:
        topic: of the command line; empty for none.
        listed: the topics of the settings files.
        command_line: the options of a sync.
    """
    named = {"topic": SettingValue(topic, "TOPIC")}
    same = next((own for own in listed if topic and _name(own).lower() == topic.lower()), {})
    if command_line.job_id and topic:
        own = same or next((own for own in listed if _name(own) and matches(_name(own), topic)), {})
        yield {**own, **named}
    elif command_line.topic_settings.get("component_id"):
        if not topic and len(listed) > 1:
            raise SettingsError(
                "--component-id asks for one component, but the settings name several topics", hint="name its TOPIC too"
            )
        own = same if topic else next(iter(listed), {})
        yield {**{name: value for name, value in own.items() if name != "topic"}, **(named if topic else {})}
    else:
        if topic and not same:
            yield named
        yield from listed


def _name(topic: Values) -> str:
    return topic["topic"].value if "topic" in topic else ""


def _check_folders(topics: Sequence[Values]) -> None:
    """Make sure that no two topics are published in one folder, as far as settings tell.

    Raises:
        SettingsError: two are.
    """
    for number, second in enumerate(topics):
        for first in topics[:number]:
            shared = _shared_folder(first, second)
            if shared:
                raise SettingsError(
                    f"{_described(first)} and {_described(second)} would both be published as {shared}",
                    hint="make one topic of them, with the archs, variants and tags of both, or give each its own run",
                )


def _shared_folder(first: Values, second: Values) -> str:
    """The folder that two topics would share; empty where settings cannot tell, as with a component of unknown type."""
    ids = [values["component_id"].value for values in (first, second)]
    if all(ids):
        return f"component {ids[0]}" if ids[0] == ids[1] else ""
    folder = folder_name(_name(first))
    if folder.lower() != folder_name(_name(second)).lower():
        return ""
    # without filters every type of the topic is published, with an id one that only the server knows
    types = [
        {each.type.lower() for each in values["filters"].value}
        for values in (first, second)
        if not values["component_id"].value
    ]
    if not all(types):
        return folder
    both = set.intersection(*types) if len(types) == 2 else set()
    return f"{folder}/{folder_name(min(both))}" if both else ""


def _described(topic: Values) -> str:
    name, origin = topic["topic"]
    return f"{name or 'the topic of component ' + topic['component_id'].value} ({origin})"
