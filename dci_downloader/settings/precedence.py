"""Command line over environment over settings files, later files over earlier: what holds, and who says so.

The rules:

* What stands on the top level of a file holds for every topic that does not say otherwise.
* The topics are those of the last file that names any. A TOPIC on the command line comes before them, as in the
  previous downloader; if it is one of them, it is that one.
* ``--component-id`` asks for that component alone: for TOPIC, else for the only topic of the files, whose name then
  follows from the component.
* ``--job-id`` asks for what that job was created with: only TOPIC, or else one of the topics of the files, may say how.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Optional

from dci_downloader.content.filters import parse_filter
from dci_downloader.content.patterns import matches
from dci_downloader.content.selection import Selection, Variant
from dci_downloader.errors import SettingsError
from dci_downloader.models import folder_name
from dci_downloader.network.addresses import registry_address
from dci_downloader.options import SyncOptions, TransferOptions
from dci_downloader.settings import yaml_file
from dci_downloader.settings.yaml_file import SettingsFile, SettingValue, Values

_TRANSFER, _SELECTION = TransferOptions(), Selection()
DEFAULTS: Values = {
    name: SettingValue(value, "default")
    for name, value in {
        "filters": (),
        "component_id": "",
        "archs": _SELECTION.archs,
        "variants": (),
        "with_debug": False,
        "with_source": False,
        "with_iso": False,
        "download_everything": False,
        "package_filters": (),
        "include": (),
        "exclude": (),
        "keep": SyncOptions().keep,
        "connections": _TRANSFER.connections,
        "limit_rate": _TRANSFER.limit_rate,
        "patience": _TRANSFER.patience,
        "peers": (),
        "registry": "",
    }.items()
}
"""Every setting of a topic, with the value it has where nobody says otherwise."""

_VARIABLES: Mapping[str, tuple[str, Callable[[str], str]]] = {
    "local_repo": ("DCI_LOCAL_REPO", str),
    "registry": ("DCI_REGISTRY", registry_address),
}


@dataclass(frozen=True)
class Effective:
    """What holds.

    Attributes:
        destination: the root of the mirror; None where nobody names it.
        topics: for each topic its ``topic``, empty where the component id says it, and all of ``DEFAULTS``.
        notes: what is without effect, a line each.
    """

    destination: Optional[SettingValue]
    topics: tuple[Values, ...]
    notes: tuple[str, ...]


def merge(arguments: argparse.Namespace, environ: Mapping[str, str], files: Sequence[str]) -> Effective:
    """Read the files and lay command line, environment and files over each other.

    Args:
        arguments: as :func:`dci_downloader.cli.arguments.sync_parser` parses them.
        environ: as ``os.environ``.
        files: paths of settings files, later over earlier.

    Raises:
        SettingsError: a file or the command line cannot be used, or two topics would be published in one folder.
    """
    read = _read(files)
    if arguments.component_id and arguments.job_id:
        raise SettingsError("--component-id and --job-id each say which components: choose one")
    topic, destination = _places(arguments.places, arguments.component_id or arguments.job_id)
    said = _command_line(arguments)
    variables = _variables(environ)
    top = {key: found for layer in (*(file.values for file in read), variables) for key, found in layer.items()}
    named = next((file.topics for file in reversed(read) if file.topics is not None), None)
    if named is None and ("component_id" in top or arguments.job_id):
        named = ({},)
    everywhere = {**DEFAULTS, **{key: found for key, found in top.items() if key in DEFAULTS}}
    topics = tuple(
        {"topic": SettingValue("", "component_id"), **everywhere, **own, **said}
        for own in _chosen(topic, named or (), arguments)
    )
    _each_in_its_own_folder(topics)
    if not destination and arguments.local_repo:
        destination = SettingValue(arguments.local_repo, "--local-repo")
    notes = [note for file in read for note in file.notes]
    if arguments.job_id and arguments.filters:
        notes.append("filters (command line) are not used, because the job names its components")
    for values in topics:
        component_id, filters = values["component_id"], values["filters"]
        if component_id.value and filters.value:
            because = f"because component_id ({component_id.origin}) names the component"
            notes.append(f"filters ({filters.origin}) are not used, {because}")
    return Effective(destination or top.get("local_repo"), topics, tuple(dict.fromkeys(notes)))


def _variables(environ: Mapping[str, str]) -> dict[str, SettingValue]:
    """What the environment says; an empty variable says nothing."""
    try:
        return {
            name: SettingValue(convert(environ[at]), at)
            for name, (at, convert) in _VARIABLES.items()
            if environ.get(at)
        }
    except ValueError as error:
        raise SettingsError(f"DCI_REGISTRY: {error}") from None


def _read(paths: Iterable[str]) -> list[SettingsFile]:
    files = [yaml_file.read(path) for path in paths]
    problems = [problem for file in files for problem in file.problems]
    if problems:
        several = f"{len(problems)} problems in the settings\n  " if len(problems) > 1 else ""
        raise SettingsError(
            several + "\n  ".join(problems), hint="`dci-downloader settings --help` names every setting"
        )
    return files


def _places(places: Sequence[str], wanted_id: Optional[str]) -> tuple[str, Optional[SettingValue]]:
    """TOPIC and DEST, either of which may be missing. With the id of a component or a job a single one is DEST."""
    if len(places) > 2 or not all(places):
        raise SettingsError(
            "TOPIC and DEST are one name each, and not empty", hint="for example: dci-downloader RHEL-9.2 /srv/dci"
        )
    if wanted_id and len(places) == 1:
        return "", SettingValue(places[0], "DEST")
    return places[0] if places else "", SettingValue(places[1], "DEST") if len(places) == 2 else None


def _command_line(arguments: argparse.Namespace) -> dict[str, SettingValue]:
    """What the options say; argparse keeps them under the names of the settings, None where they are not given."""
    said = {name: value for name, value in vars(arguments).items() if name in DEFAULTS and value is not None}
    texts: dict[str, Callable[[str], object]] = {"filters": parse_filter, "variants": Variant}
    return {
        name: SettingValue(
            tuple(map(texts.get(name, str), value)) if isinstance(value, list) else value, "command line"
        )
        for name, value in said.items()
    }


def _chosen(topic: str, named: Sequence[Values], arguments: argparse.Namespace) -> Iterator[Values]:
    """The topics to mirror, each with what it says of itself."""
    wanted = {"topic": SettingValue(topic, "TOPIC")}
    same = next(
        (own for own in named if topic and own.get("topic", SettingValue("", "")).value.lower() == topic.lower()), {}
    )
    if arguments.job_id and topic:
        own = same or next((own for own in named if "topic" in own and matches(own["topic"].value, topic)), {})
        yield {**own, **wanted}
        return
    if arguments.component_id:
        if not topic and len(named) > 1:
            raise SettingsError(
                "--component-id asks for one component, but the settings name several topics", hint="name its TOPIC too"
            )
        own = same if topic else next(iter(named), {})
        yield {**{key: found for key, found in own.items() if key != "topic"}, **(wanted if topic else {})}
        return
    if topic and not same:
        yield wanted
    yield from named


def _each_in_its_own_folder(topics: Sequence[Values]) -> None:
    """Make sure that no two topics are published in one folder, as far as settings tell.

    Raises:
        SettingsError: two are.
    """
    for number, one in enumerate(topics):
        for other in topics[:number]:
            shared = _shared(other, one)
            if shared:
                raise SettingsError(
                    f"{_told(other)} and {_told(one)} would both be published as {shared}",
                    hint="make one topic of them, with the archs, variants and tags of both, or give each its own run",
                )


def _shared(one: Values, other: Values) -> str:
    """What two topics would both publish; empty where settings don't tell, as with a component of unknown type."""
    ids = [values["component_id"].value for values in (one, other)]
    if all(ids):
        return f"component {ids[0]}" if ids[0] == ids[1] else ""
    folder, another = (folder_name(values["topic"].value) for values in (one, other))
    if folder.lower() != another.lower():
        return ""
    # without filters every type of the topic is published, with an id one that only the server knows
    types = [
        {each.type for each in values["filters"].value} for values in (one, other) if not values["component_id"].value
    ]
    if not all(types):
        return folder
    both = set.intersection(*types) if len(types) == 2 else set()
    return f"{folder}/{folder_name(min(both))}" if both else ""


def _told(values: Values) -> str:
    name, origin = values["topic"]
    return f"{name or 'the topic of component ' + values['component_id'].value} ({origin})"
