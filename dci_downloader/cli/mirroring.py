"""The sync itself: what command line, environment and settings files ask for, topic by topic."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Collection, Sequence
from contextlib import closing, suppress
from dataclasses import replace

from dci_downloader import container_images, sync
from dci_downloader.cli.run_output import RunOutput
from dci_downloader.cli.signals import Signals
from dci_downloader.control.client import ControlServer
from dci_downloader.errors import CancelledError, DiskFullError, DownloaderError, worst_exit_code
from dci_downloader.hooks import Progress, Stop
from dci_downloader.mirror.mirror import Mirror
from dci_downloader.options import SyncOptions
from dci_downloader.results import Failure, Report
from dci_downloader.settings.command_line import CommandLine
from dci_downloader.settings.settings import Settings, TopicSettings, load


def run(command_line: CommandLine) -> int:
    """Mirror every topic that is asked for, write the reports, and give the exit code.

    Raises:
        DownloaderError: nothing can be reported on, or the only topic failed as a whole.
    """
    with closing(RunOutput(command_line, sys.stderr)) as output:
        try:
            reports = _mirror(command_line, output)
        except DownloaderError as error:
            output.fail(error)
            if output.for_people:
                raise
            return error.exit_code
        exit_code = output.finish(reports)
        output.write_metrics(reports)
    return exit_code


def _mirror(command_line: CommandLine, output: RunOutput) -> list[Report]:
    """Mirror the topics; gives a report on each."""
    settings = load(command_line, os.environ)
    for note in settings.notes:
        output.progress.message(f"note: {note}")
    for topic in settings.topics:
        if topic.options.registry:
            container_images.require_skopeo(topic.options.registry)
    try:
        with _server(settings) as server, output.calls():
            if settings.job_id:
                settings = settings.for_job(server.job(settings.job_id))
            with Signals() as stop:
                mirror = Mirror(settings.destination)
                reports = _sync_topics(server, mirror, settings.topics, progress=output.progress, stop=stop)
        if len(reports) == 1 and reports[0].failure is not None:
            raise _error_of(reports[0].failure)
    except DownloaderError as error:
        with suppress(DownloaderError):  # what ended the run matters more
            output.write_metrics([_failed(topic, error, output.seconds) for topic in settings.topics])
        raise
    return reports


def _server(settings: Settings) -> ControlServer:
    return ControlServer(
        settings.credentials,
        network=settings.network,
        patience=settings.patience,
        api_version=settings.api_version,
    )


def _error_of(failure: Failure) -> DownloaderError:
    """The error that a failure stands for."""
    error = DownloaderError(failure.reason, hint=failure.hint)
    error.exit_code = failure.exit_code
    return error


def _sync_topics(
    server: ControlServer, mirror: Mirror, requests: Sequence[TopicSettings], *, progress: Progress, stop: Stop
) -> list[Report]:
    """Mirror one topic after the other; one that fails does not stop the others, unless nothing could follow it."""
    reports: list[Report] = []
    dropped_peers: set[str] = set()
    for request in requests:
        began = time.monotonic()
        options = _without_peers(request.options, dropped_peers)
        try:
            report = sync.sync_topic(
                server, mirror, request.topic, request.selection, options=options, progress=progress, stop=stop
            )
        except DownloaderError as error:
            report = _failed(request, error, time.monotonic() - began)
        reports.append(report)
        dropped_peers.update(report.dropped_peers)
        if {failure.exit_code for failure in report.failures} & {DiskFullError.exit_code, CancelledError.exit_code}:
            break
    not_tried = DownloaderError("not tried: the run ended before its turn")
    not_tried.exit_code = worst_exit_code(report.exit_code for report in reports)
    return [*reports, *(_failed(request, not_tried, 0.0) for request in requests[len(reports) :])]


def _without_peers(options: SyncOptions, dropped: Collection[str]) -> SyncOptions:
    peers = tuple(url for url in options.transfer.peers if url not in dropped)
    return replace(options, transfer=replace(options.transfer, peers=peers))


def _failed(request: TopicSettings, error: DownloaderError, seconds: float) -> Report:
    """The report on a topic that failed as a whole."""
    failure = Failure("", str(error), error.exit_code, error.hint)
    return Report(request.topic or f"component {request.options.component_id}", "", (), seconds, failure)
