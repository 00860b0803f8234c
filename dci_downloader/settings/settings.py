"""Command line, environment and settings files together: one immutable value with everything that a run is to do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from shlex import quote
from typing import Any, Optional

from dci_downloader import environment, user_files
from dci_downloader.content.patterns import matches
from dci_downloader.content.selection import Selection
from dci_downloader.errors import SettingsError
from dci_downloader.models import Job
from dci_downloader.options import AnyCredentials, Network, SyncOptions, TransferOptions
from dci_downloader.settings import discovery
from dci_downloader.settings.command_line import CommandLine
from dci_downloader.settings.destination import no_destination
from dci_downloader.settings.precedence import JobRequest, MergedSettings, merge
from dci_downloader.settings.table import SETTINGS, TOPIC_SETTINGS
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
        credentials: for the control server; None where another mirror takes its place.
        destination: the root of the mirror.
        topics: at least one, in the order in which they are mirrored.
        api_version: of the control server, for files.
        upstream: the address of the mirror that takes the control server's place; empty for none.
        job: the job whose components are mirrored; None for those that the topics name.
        notes: the settings that are without effect, a line each.
        details: which files were found, a line each.
        status_page: path of the page of HTML about the mirror; None for none.
    """

    credentials: Optional[AnyCredentials]
    network: Network
    destination: Path
    topics: tuple[TopicSettings, ...]
    api_version: str = "v1"
    job: Optional[JobRequest] = None
    notes: tuple[str, ...] = ()
    details: tuple[str, ...] = ()
    upstream: str = ""
    status_page: Optional[Path] = None

    @property
    def patience(self) -> float:
        """Seconds without progress after which the control server is given up: the most that a topic allows."""
        return max(topic.options.transfer.patience for topic in self.topics)

    @property
    def job_topics(self) -> list[int]:
        """The positions of the topics that get the components of a job."""
        return [number for number, topic in enumerate(self.topics) if topic.options.job is not None]

    def for_job(self, job: Job) -> Settings:
        """The settings for a job: those of the topic that has the job's name, or else a pattern of it.

        Where only the environment names the job the other topics stay, and notes say what the job is used for.

        Raises:
            SettingsError: none of the topics is the job's, although an option names it.
        """
        assert self.job is not None
        named, implied = self.job.topic.lower(), self.job.implied
        eligible = [
            topic
            for topic in self.topics
            if not implied or (named in ("", topic.topic.lower()) and not topic.options.component_id)
        ]
        matching = [topic for topic in eligible if not topic.topic or matches(topic.topic, job.topic.name)]
        if not matching:
            others = ", ".join(topic.topic for topic in eligible)
            text = f"job {job.id} is of topic {job.topic.name}, not of {others}"
            if implied:
                return replace(self, notes=(f"DCI_JOB_ID is not used: {text}",), details=())
            hint = "leave TOPIC out, for it follows from the job; of settings files, one topic must fit"
            raise SettingsError(text, hint=hint)
        chosen = min(matching, key=lambda topic: (not topic.topic, topic.topic.endswith("*")))
        with_job = replace(chosen, options=replace(chosen.options, job=job))
        if not implied:
            return replace(self, topics=(with_job,), notes=(), details=())
        name = chosen.topic.lower()  # another entry for it would publish other components in their place
        topics = tuple(
            with_job if topic is chosen else topic
            for topic in self.topics
            if topic is chosen or topic.topic.lower() != name or topic.options.component_id
        )
        beside = ", and no filters count for it" if chosen.options.filters else ""
        note = f"DCI_JOB_ID: of {job.topic.name} exactly the components of job {job.id} are mirrored{beside}"
        return replace(self, topics=topics, notes=(note,), details=())


def load(command_line: CommandLine, environ: Mapping[str, str]) -> Settings:
    """Put command line, environment and settings files together. Reads the files that the command line names.

    Args:
        command_line: the options of a sync.
        environ: as ``os.environ``.

    Raises:
        SettingsError: a file or the command line cannot be used, or topic or destination are missing.
        AccessError: there are no credentials.
    """
    merged, variables = merge_found(command_line, environ)
    found = variables.found
    if not merged.topics:
        raise SettingsError(
            "there is no topic to mirror: TOPIC and DEST are needed, or settings that name them",
            hint=found.explain("for example: dci-downloader RHEL-9.2 /srv/dci"),
        )
    if merged.destination is None:
        raise no_destination(found)
    if command_line.set_state and (merged.job is None or command_line.dry_run):
        raise SettingsError(
            "--set-state is about the job of --job-id or DCI_JOB_ID, and is not for --dry-run",
            hint="name the job, or leave --set-state out",
        )
    check_commands(merged.topics)
    topics = [topic_settings(values, command_line) for values in merged.topics]
    return Settings(
        credentials=None if merged.upstream else variables.credentials(),
        network=environment.network(variables.environ),
        destination=Path(merged.destination.value),
        topics=tuple(topic if not merged.upstream else _without_registry(topic) for topic in topics),
        api_version=_API_VERSIONS[command_line.tech_preview],
        job=merged.job,
        notes=(*variables.notes, *merged.notes),
        details=(*merged.details, *variables.details),
        upstream=merged.upstream.value if merged.upstream else "",
        status_page=Path(merged.status_page.value) if merged.status_page else None,
    )


def merge_found(command_line: CommandLine, environ: Mapping[str, str]) -> tuple[MergedSettings, discovery.Variables]:
    """Merge with the files that are found; credentials are looked for only where a control server is asked.

    Args:
        command_line: the options of a sync.
        environ: as ``os.environ``.

    Raises:
        SettingsError: a file or the command line cannot be used.
    """
    found = discovery.find(environ)
    merged = merge(command_line, environ, found.settings)
    if merged.upstream:
        return merged, discovery.Variables(environ, found)
    variables = discovery.with_credentials(environ, command_line.dcirc, command_line.dci_cs_url)
    if _settings_in(variables.environ) != _settings_in(environ):
        merged = merge(command_line, variables.environ, found.settings)
    return merged, variables


def _settings_in(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables that are settings; a file with credentials may set more of them."""
    variables = [setting.variable for setting in SETTINGS.values() if setting.variable]
    return {name: environ[name] for name in variables if name in environ}


def _without_registry(topic: TopicSettings) -> TopicSettings:
    """The same without container images, which would come from other servers than the mirror that is asked."""
    return replace(topic, options=replace(topic.options, registry=""))


def check_commands(topics: Iterable[Values]) -> None:
    """Make sure that no other user can choose the command that is run.

    Raises:
        SettingsError: a command cannot be used, or every user may change the file that names it.
    """
    for command, origin in (values["on_published"] for values in topics):
        path = origin.rsplit(":", 2)[0]
        if command and not command[0].strip():
            raise SettingsError(f"{origin}: on_published: expected a program first", hint="for example: [/bin/true]")
        if command and "change" in user_files.what_others_may(path):
            text = f"{origin}: on_published is not run: every user of this machine can change it"
            raise SettingsError(text, hint=f"chmod o-w {quote(path)}")


def topic_settings(values: Values, command_line: CommandLine) -> TopicSettings:
    """What to mirror of one topic, and how, from the values that count for it."""
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
