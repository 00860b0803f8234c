"""Command line, environment and settings files become one immutable value that says what to do."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dci_downloader import environment
from dci_downloader.cli.arguments import parse, sync_parser
from dci_downloader.content.patterns import matches
from dci_downloader.content.selection import Selection, Variant
from dci_downloader.errors import SettingsError
from dci_downloader.models import Job
from dci_downloader.options import Credentials, Filter, Network, SyncOptions, TransferOptions
from dci_downloader.settings.precedence import DEFAULTS, Effective, merge
from dci_downloader.settings.yaml_file import Values

_API_VERSIONS = {None: "v1", "rhdl": "v2"}
_MASK = "********"


@dataclass(frozen=True)
class TopicSettings:
    """What one topic is to become.

    Attributes:
        topic: name or pattern; empty where the component id says it.
    """

    topic: str
    selection: Selection
    options: SyncOptions


@dataclass(frozen=True)
class Settings:
    """What one run is to do.

    Attributes:
        destination: the root of the mirror.
        topics: at least one, in the order in which they are mirrored.
        api_version: of the control server, for files.
        job_id: of the job whose components are wanted; empty where the topics say which.
        notes: what of the settings is without effect, a line each.
    """

    credentials: Credentials
    network: Network
    destination: Path
    topics: tuple[TopicSettings, ...]
    api_version: str = "v1"
    job_id: str = ""
    notes: tuple[str, ...] = ()

    @property
    def patience(self) -> float:
        """Seconds to be patient with the control server: as long as the most patient topic."""
        return max(topic.options.transfer.patience for topic in self.topics)

    def for_job(self, job: Job) -> Settings:
        """What is to be done for a job: what the topic says whose name, or else whose pattern, is that of the job's.

        Raises:
            SettingsError: none of the topics is the job's.
        """
        fitting = [topic for topic in self.topics if not topic.topic or matches(topic.topic, job.topic.name)]
        if not fitting:
            raise SettingsError(
                f"job {job.id} is of topic {job.topic.name}, not of {', '.join(topic.topic for topic in self.topics)}",
                hint="leave TOPIC out, for it follows from the job; of settings files, one topic must fit",
            )
        chosen = min(fitting, key=lambda topic: (not topic.topic, topic.topic.endswith("*")))
        return replace(self, topics=(replace(chosen, options=replace(chosen.options, job=job)),))


def from_command_line(arguments: argparse.Namespace, environ: Mapping[str, str]) -> Settings:
    """Put together what the user said. Reads the files that the arguments name.

    Args:
        arguments: as :func:`dci_downloader.cli.arguments.sync_parser` parses them.
        environ: as ``os.environ``.

    Raises:
        SettingsError: a file or the command line cannot be used, or topic or destination are missing.
        AccessError: there are no credentials.
    """
    environ = environment.with_options(environ, arguments.dcirc, arguments.dci_cs_url)
    effective = merge(arguments, environ, arguments.settings or ())
    if not effective.topics:
        raise SettingsError(
            "there is no topic to mirror: TOPIC and DEST are needed, or settings that name them",
            hint="for example: dci-downloader RHEL-9.2 /srv/dci",
        )
    if effective.destination is None:
        raise SettingsError(
            "there is no destination", hint="name DEST, or set local_repo in a settings file or DCI_LOCAL_REPO"
        )
    return Settings(
        credentials=environment.credentials(environ),
        network=environment.network(environ),
        destination=Path(effective.destination.value),
        topics=tuple(_topic(values, arguments) for values in effective.topics),
        api_version=_API_VERSIONS[arguments.tech_preview],
        job_id=arguments.job_id or "",
        notes=effective.notes,
    )


def _topic(values: Values, arguments: argparse.Namespace) -> TopicSettings:
    value = {name: found.value for name, found in values.items()}
    selection = Selection(
        archs=value["archs"],
        variants=value["variants"],
        debug=value["with_debug"],
        src=value["with_source"],
        iso=value["with_iso"],
        all=value["download_everything"],
        packages=value["package_filters"],
        include=value["include"],
        exclude=value["exclude"],
    )
    options = SyncOptions(
        filters=value["filters"],
        component_id=value["component_id"],
        registry=value["registry"],
        keep=value["keep"],
        lock_timeout=arguments.lock_timeout,
        dry_run=arguments.dry_run,
        transfer=TransferOptions(value["connections"], value["limit_rate"], value["patience"], peers=value["peers"]),
    )
    return TopicSettings(value["topic"], selection, options)


def check(files: Sequence[str], environ: Mapping[str, str]) -> Iterator[str]:
    """What settings files and environment come to, in lines: each setting, its value, and who says so.

    No secret is among them. A topic, a destination or credentials that are missing are only told: the command line may
    add them.

    Args:
        files: paths of settings files, later over earlier.
        environ: as ``os.environ``.

    Raises:
        SettingsError: a file cannot be used, or two topics would be published in one folder.
    """
    effective = merge(parse(sync_parser(), []), environ, files)
    yield from effective.notes
    yield from _table([*_about_the_run(effective, environ)])
    for values in effective.topics:
        yield ""
        rows = [(name, _in_words(name, values[name].value), values[name].origin) for name in ("topic", *DEFAULTS)]
        yield from _table(rows)
    if not effective.topics:
        yield from ("", "no topic: TOPIC on the command line must name it")


def _about_the_run(effective: Effective, environ: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    found = effective.destination
    yield ("local_repo", found.value, found.origin) if found else ("local_repo", "-", "not set: DEST must name it")
    for name in environment.CREDENTIALS:
        value = environ.get(name, "")
        shown = _MASK if value and name == "DCI_API_SECRET" else _without_login(value)
        yield name, shown or "-", "environment" if value else "not set"


def _without_login(address: str) -> str:
    """An address without the user and password before its ``@``."""
    return re.sub(r"(^|//)[^/]*@", rf"\1{_MASK}@", address)


def _in_words(name: str, value: Any) -> str:
    if name == "registry":
        value = _without_login(value)
    if isinstance(value, tuple):
        return ", ".join(_item(item) for item in value) or "-"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:g}"
    return "-" if value in ("", None) else str(value)


def _item(item: Any) -> str:
    if isinstance(item, Filter):
        parts = [item.type, *item.tags, *([f"name={item.name}"] if item.name else [])]
        return ":".join(parts)
    if isinstance(item, Variant):
        wishes = {"with_debug": item.debug, "with_source": item.src, "with_iso": item.iso}
        said = [f"{name}: {'true' if wish else 'false'}" for name, wish in wishes.items() if wish is not None]
        return f"{item.name} ({', '.join(said)})" if said else item.name
    return str(item)


def _table(rows: Sequence[tuple[str, str, str]]) -> Iterator[str]:
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    for name, value, origin in rows:
        yield f"{name:{widths[0]}}  {value:{widths[1]}}  {origin}"
