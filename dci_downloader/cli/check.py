"""``check``: whether a run would work. Each thing that it needs is probed; each fault says what to do about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Optional

from dci_downloader import environment
from dci_downloader.check import disk, network, schedule, server
from dci_downloader.check.findings import Finding, Grade, Probe, failure, findings_of, good, warning
from dci_downloader.cli.output import CommandResult
from dci_downloader.cli.upstreams import open_mirror
from dci_downloader.control.client import ControlServer
from dci_downloader.control.upstream import Upstream
from dci_downloader.errors import DownloaderError, SettingsError, worst_exit_code
from dci_downloader.mirror.mirror import Mirror
from dci_downloader.models import Plan
from dci_downloader.options import AnyCredentials, Network, RemoteciCredentials
from dci_downloader.results import Report
from dci_downloader.settings.command_line import CommandLine
from dci_downloader.settings.destination import no_destination
from dci_downloader.settings.discovery import Variables
from dci_downloader.settings.precedence import MergedSettings
from dci_downloader.settings.settings import TopicSettings, check_commands, merge_found, topic_settings

SECONDS, PATIENCE = 60.0, 10.0
"""How long one probe may take, and how long it waits for a server."""

_MARKS = {Grade.GOOD: "✓", Grade.WARNING: "!", Grade.FAILURE: "✗"}


def check(command_line: CommandLine, environ: Mapping[str, str], *, seconds: float = SECONDS) -> CommandResult:
    """Look at everything that a run needs. Changes nothing in the mirror.

    Args:
        command_line: TOPIC, DEST and settings files, as of a sync.
        environ: as ``os.environ``; a job that it names is left out.
        seconds: that one probe may take.
    """
    environ = {name: value for name, value in environ.items() if name != "DCI_JOB_ID"}
    findings = list(_Check(command_line, environ, seconds).run())
    code = worst_exit_code(finding.exit_code for finding in findings)
    lines = [line for finding in findings for line in _lines(finding)]
    bad = sum(finding.grade is Grade.FAILURE for finding in findings)
    lines.append("a run would fail: see the lines above" if bad else "a run would work")
    document = {"checks": [_document(finding) for finding in findings], "exit_code": code}
    return CommandResult(lines, document, code)


def _lines(finding: Finding) -> Iterator[str]:
    yield f"{_MARKS[finding.grade]} {finding.subject}: {finding.text}"
    if finding.hint:
        yield f"  hint: {finding.hint}"


def _document(finding: Finding) -> dict[str, Any]:
    return {**vars(finding), "grade": finding.grade.value}


def _first_answer(control: Upstream) -> Iterator[Finding]:
    return server.identity(control) if isinstance(control, ControlServer) else server.listing(control)


def _which_count(variables: Variables, credentials: AnyCredentials) -> str:
    """Which of the credentials that are set a run takes, for there may be several kinds."""
    kind, *others = environment.complete_kinds(variables.environ)
    feeder = isinstance(credentials, RemoteciCredentials) and credentials.client_id.startswith("feeder/")
    passed_over = f"; passed over: {', '.join(others)}" if others else ""
    return f"{'feeder' if feeder else kind} counts, the first kind that is complete{passed_over}"


class _Check:
    """One check; later probes use what earlier ones have learned.

    Attributes:
        planned: the plans of the topics so far, which need room together.
        reports: of their dry runs.
    """

    def __init__(self, command_line: CommandLine, environ: Mapping[str, str], seconds: float) -> None:
        self.command_line = command_line
        self.environ = environ
        self.seconds = seconds
        self.planned: list[Plan] = []
        self.reports: list[Report] = []

    def run(self) -> Iterator[Finding]:
        """Look at everything, in the order in which a run needs it."""
        try:
            merged, variables = merge_found(self.command_line, self.environ)
            check_commands(merged.topics)
            topics = [topic_settings(values, self.command_line) for values in merged.topics]
        except SettingsError as error:
            yield failure("settings", error)  # nothing else is known then
            return
        yield from self._settings(variables, merged)
        mirror = None if merged.destination is None else Mirror(Path(merged.destination.value))
        yield from self._servers(variables, merged, topics, mirror)
        if mirror is None:
            yield failure("destination", no_destination(variables.found))
        else:
            reserve = max((topic.options.reserve for topic in topics), default=0)
            yield from self._probe("destination", lambda: disk.file_system(mirror))
            yield from self._probe("room", lambda: disk.room(mirror, self.planned, reserve))
            if merged.status_page is not None:
                yield from self._probe("status_page", partial(disk.page, mirror, Path(merged.status_page.value)))
        yield from self._machine(topics, environment.network(variables.environ))

    def _probe(self, subject: str, probe: Probe) -> list[Finding]:
        return findings_of(subject, probe, self.seconds)

    def _settings(self, variables: Variables, merged: MergedSettings) -> Iterator[Finding]:
        """Which settings files count, and which settings are without effect."""
        for line in (*merged.details, *variables.details):
            what, _, place = line.partition(": ")
            yield good("settings", line) if place and what.endswith("found") else warning("settings", line)
        for note in (*merged.notes, *variables.notes):
            yield warning("settings", note)
        if merged.destination is not None:
            yield good("destination", f"{merged.destination.value} ({merged.destination.origin})")
        if not merged.topics:
            error = SettingsError("none is named", hint="name TOPIC, or list topics in the settings")
            yield failure("topics", error)

    def _servers(
        self,
        variables: Variables,
        merged: MergedSettings,
        topics: Sequence[TopicSettings],
        mirror: Optional[Mirror],
    ) -> Iterator[Finding]:
        """Credentials and topics, the object store, peers; or the mirror that takes their place."""
        own = environment.network(variables.environ)
        subject = "mirror" if merged.upstream else "credentials"
        try:
            credentials = None if merged.upstream else variables.credentials()
            url = credentials.url if credentials else merged.upstream.value if merged.upstream else ""
            if "://" in url:
                yield from self._probe("network", lambda: network.route(url, own))
            control: Upstream = (
                ControlServer(credentials, network=own, patience=PATIENCE)
                if credentials
                else open_mirror(url, own, PATIENCE)
            )
        except DownloaderError as error:
            yield failure(subject, error)
            return
        if credentials:
            yield good(subject, _which_count(variables, credentials))
        with control:
            found = self._probe(subject, partial(_first_answer, control))
            yield from found
            if any(finding.grade is Grade.FAILURE for finding in found) or mirror is None:
                return  # every other probe would fail in the same way
            for topic in topics:
                yield from self._topic(control, mirror, topic)
            if self.reports:
                options = replace(topics[0].options.transfer, patience=PATIENCE)
                yield from self._probe("object store", lambda: server.object_store(control, self.reports, options))
                yield from self._peers(control, topics, own)

    def _topic(self, control: Upstream, mirror: Mirror, topic: TopicSettings) -> Iterator[Finding]:
        name = topic.topic or f"component {topic.options.component_id}"
        probe = server.TopicProbe(control, mirror, self.planned)
        yield from self._probe(name, lambda: probe.look(topic.topic, topic.selection, topic.options))
        self.reports += [probe.report] if probe.report is not None else []

    def _peers(self, control: Upstream, topics: Sequence[TopicSettings], own: Network) -> Iterator[Finding]:
        urls = dict.fromkeys(url for topic in topics for url in topic.options.transfer.peers)
        chosen = server.smallest_file(control, self.reports) if urls else None
        if chosen is not None:
            for url in urls:
                yield from self._probe(f"peer {url}", partial(network.peer, url, chosen[1], own))

    def _machine(self, topics: Sequence[TopicSettings], own: Network) -> Iterator[Finding]:
        """Programs, registries, and what starts a run."""
        wanted = {(topic.options.on_published, topic.options.registry) for topic in topics}
        for command, registry in sorted(wanted):
            yield from self._probe("programs", partial(schedule.programs, command, registry, self.environ))
            if registry:
                yield from self._probe("registry", partial(network.registry, registry, own))
        yield from self._probe("schedule", schedule.schedule)
