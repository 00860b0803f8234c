"""A sync: mirrors the topics that command line, environment and settings files name."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import closing, nullcontext, suppress
from typing import Optional

from dci_downloader import container_images
from dci_downloader.cli.output import complain, print_error_document
from dci_downloader.cli.run_output import RunOutput
from dci_downloader.cli.signals import Signals
from dci_downloader.cli.status_page import rewrite_page
from dci_downloader.cli.upstreams import open_mirror
from dci_downloader.control.client import ControlServer
from dci_downloader.control.upstream import Upstream
from dci_downloader.errors import (
    AccessError,
    CancelledError,
    DownloaderError,
    NotFoundError,
    TransferError,
    worst_exit_code,
)
from dci_downloader.hooks import Stop
from dci_downloader.mirror.history import record_run
from dci_downloader.mirror.kept import still_published
from dci_downloader.mirror.mirror import Mirror
from dci_downloader.models import Job
from dci_downloader.pre_run_step import JobStates
from dci_downloader.results import Report
from dci_downloader.settings.command_line import CommandLine
from dci_downloader.settings.precedence import JobRequest
from dci_downloader.settings.settings import Settings, load
from dci_downloader.topics import SyncRequest, sync_topics


def run(command_line: CommandLine) -> int:
    """Mirror every topic that is asked for, write the reports, and give the exit code.

    Raises:
        DownloaderError: nothing can be reported on, or the only topic failed as a whole.
    """
    with Signals() as stop, closing(RunOutput(command_line, sys.stderr)) as output:
        try:
            settings, reports = _mirror(command_line, output, stop)
        except DownloaderError as error:
            output.fail(error)
            if output.for_people:
                raise
            if command_line.json:
                print_error_document(error)
            return error.exit_code
        with stop.deferred():  # a report is written as a whole
            exit_code = output.finish(reports)
            # the report is written, and stays the only object there
            codes = (
                _attempt(lambda: output.write_metrics(reports), output),
                _attempt(lambda: _remember(settings, command_line.dry_run, output, reports), output),
            )
    return worst_exit_code((exit_code, *codes))


def _attempt(step: Callable[[], None], output: RunOutput) -> int:
    """Take a step after a run; report its error, and give its exit code, or 0."""
    try:
        step()
    except DownloaderError as error:
        output.fail(error)
        complain(error)
        return error.exit_code
    return 0


def _remember(settings: Settings, dry_run: bool, output: RunOutput, reports: Sequence[Report]) -> None:
    """Add the run to the history of the mirror, and write the status page that its settings, or those found, ask for.

    Raises:
        SettingsError: the page cannot be written.
        DiskFullError: no room for it.
    """
    if dry_run:
        return
    mirror = Mirror(settings.destination)
    record_run(mirror, reports, output.seconds)
    if settings.status_page is None:
        rewrite_page(mirror, output.progress)
    elif os.path.isdir(mirror.store.root):
        from dci_downloader.page.page import write_page

        write_page(mirror, settings.status_page)


def _mirror(command_line: CommandLine, output: RunOutput, stop: Stop) -> tuple[Settings, list[Report]]:
    """Mirror the topics; gives the settings that count, and a report on each topic."""
    settings = load(command_line, os.environ)
    if settings.status_page:
        from dci_downloader.page.page import require_place  # most runs write none

        require_place(Mirror(settings.destination), settings.status_page)
    _note(settings, output)
    for topic in settings.topics:
        if topic.options.registry:
            container_images.require_skopeo(topic.options.registry)
    try:
        with _server(settings) as server, output.calls():
            states: Optional[JobStates] = None
            if settings.job and isinstance(server, ControlServer):
                job = _job(server, settings.job)
                settings = settings.for_job(job)
                _note(settings, output)
                if command_line.set_state and settings.job_topics:
                    states = JobStates(server, job, output.progress)
            with states or nullcontext():
                mirror = Mirror(settings.destination)
                reports = sync_topics(server, mirror, _requests(settings), progress=output.progress, stop=stop)
                if states:
                    states.conclude(reports[number] for number in settings.job_topics)
        if len(reports) == 1 and reports[0].failure is not None:
            raise reports[0].failure.error()
        _say_what_stays(settings, output, [report for report in reports if report.failure])
    except DownloaderError as error:
        if error.exit_code == CancelledError.exit_code:
            error.hint = error.hint or "run the same command again: it goes on from there"
        failed = [request.failure_report(error, output.seconds) for request in _requests(settings)]
        _say_what_stays(settings, output, failed)
        with suppress(DownloaderError):  # what ended the run matters more
            output.write_metrics(failed)
        with suppress(DownloaderError):
            _remember(settings, command_line.dry_run, output, failed)
        raise
    return settings, reports


def _say_what_stays(settings: Settings, output: RunOutput, failed: Sequence[Report]) -> None:
    """Say what is still published of topics that failed as a whole by an outage or an interruption."""
    codes = (TransferError.exit_code, CancelledError.exit_code)
    topics = [report.topic for report in failed if report.exit_code in codes]
    for line in still_published(Mirror(settings.destination), topics):
        output.progress.message(line)


def _job(server: ControlServer, request: JobRequest) -> Job:
    try:
        return server.job(request.id)
    except (AccessError, NotFoundError) as error:
        if request.implied:
            error.hint = f"DCI_JOB_ID names it: unset that for the newest builds, or set it right; {error.hint}"
        raise


def _note(settings: Settings, output: RunOutput) -> None:
    for note in settings.notes:
        output.progress.message(f"note: {note}")
    for detail in settings.details:
        output.progress.detail(detail)


def _server(settings: Settings) -> Upstream:
    if settings.credentials is None:
        return open_mirror(settings.upstream, settings.network, settings.patience)
    return ControlServer(
        settings.credentials,
        network=settings.network,
        patience=settings.patience,
        api_version=settings.api_version,
    )


def _requests(settings: Settings) -> list[SyncRequest]:
    return [SyncRequest(topic.topic, topic.selection, topic.options) for topic in settings.topics]
