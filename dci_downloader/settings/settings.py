"""Command line, environment and settings files together: one immutable value with everything that a run is to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dci_downloader import environment
from dci_downloader.content.patterns import matches
from dci_downloader.content.selection import Selection
from dci_downloader.errors import SettingsError
from dci_downloader.models import Job
from dci_downloader.options import AnyCredentials, Network, SyncOptions, TransferOptions
from dci_downloader.settings.command_line import CommandLine
from dci_downloader.settings.precedence import merge
from dci_downloader.settings.table import TOPIC_SETTINGS
from dci_downloader.settings.types import Values

_API_VERSIONS = {"": "v1", "rhdl": "v2"}


@dataclass(frozen=True)
class TopicSettings:
    """What to mirror of one topic, and how.

    Attributes:
        topic: name or pattern; empty where the component id says it.
    """

    topic: str
    selection: Selection
    options: SyncOptions


@dataclass(frozen=True)
class Settings:
    """Everything that one run is to do.

    Attributes:
        destination: the root of the mirror.
        topics: at least one, in the order in which they are mirrored.
        api_version: of the control server, for files.
        job_id: of the job whose components are mirrored; empty for those that the topics name.
        notes: what of the settings is without effect, a line each.
    """

    credentials: AnyCredentials
    network: Network
    destination: Path
    topics: tuple[TopicSettings, ...]
    api_version: str = "v1"
    job_id: str = ""
    notes: tuple[str, ...] = ()

    @property
    def patience(self) -> float:
        """Seconds without progress after which the control server is given up: the most that a topic allows."""
        return max(topic.options.transfer.patience for topic in self.topics)

    def for_job(self, job: Job) -> Settings:
        """The settings for a job: those of the topic that has the job's name, or else a pattern of it.

        Raises:
            SettingsError: none of the topics is the job's.
        """
        matching = [topic for topic in self.topics if not topic.topic or matches(topic.topic, job.topic.name)]
        if not matching:
            raise SettingsError(
                f"job {job.id} is of topic {job.topic.name}, not of {', '.join(topic.topic for topic in self.topics)}",
                hint="leave TOPIC out, for it follows from the job; of settings files, one topic must fit",
            )
        chosen = min(matching, key=lambda topic: (not topic.topic, topic.topic.endswith("*")))
        return replace(self, topics=(replace(chosen, options=replace(chosen.options, job=job)),))


def load(command_line: CommandLine, environ: Mapping[str, str]) -> Settings:
    """Put command line, environment and settings files together. Reads the files that the command line names.

    Args:
        command_line: the options of a sync.
        environ: as ``os.environ``.

    Raises:
        SettingsError: a file or the command line cannot be used, or topic or destination are missing.
        AccessError: there are no credentials.
    """
    environ = environment.with_options(environ, command_line.dcirc, command_line.dci_cs_url)
    merged = merge(command_line, environ)
    if not merged.topics:
        raise SettingsError(
            "there is no topic to mirror: TOPIC and DEST are needed, or settings that name them",
            hint="for example: dci-downloader RHEL-9.2 /srv/dci",
        )
    if merged.destination is None:
        raise SettingsError(
            "there is no destination", hint="name DEST, or set local_repo in a settings file or DCI_LOCAL_REPO"
        )
    if command_line.set_state and not (command_line.job_id and not command_line.dry_run):
        raise SettingsError(
            "--set-state is about the job of --job-id, and is not for --dry-run",
            hint="name the job, or leave --set-state out",
        )
    return Settings(
        credentials=environment.credentials(environ),
        network=environment.network(environ),
        destination=Path(merged.destination.value),
        topics=tuple(_topic(values, command_line) for values in merged.topics),
        api_version=_API_VERSIONS[command_line.tech_preview],
        job_id=command_line.job_id,
        notes=(*environment.dcirc_notes(command_line.dcirc), *merged.notes),
    )


def _topic(values: Values, command_line: CommandLine) -> TopicSettings:
    transfer = TransferOptions(**_attributes(TransferOptions, values))
    options = SyncOptions(
        **_attributes(SyncOptions, values),
        lock_timeout=command_line.lock_timeout,
        dry_run=command_line.dry_run,
        transfer=transfer,
    )
    return TopicSettings(values["topic"].value, Selection(**_attributes(Selection, values)), options)


def _attributes(options: type, values: Values) -> dict[str, Any]:
    """The attributes of a class of options that the table of settings fills."""
    return {
        setting.fills[1]: values[setting.name].value
        for setting in TOPIC_SETTINGS
        if setting.fills and setting.fills[0] is options
    }
