"""Several topics, one after the other, each as :func:`~dci_downloader.sync.sync_topic` does it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from dci_downloader.content.selection import Selection
from dci_downloader.control.upstream import Upstream
from dci_downloader.errors import CancelledError, DiskFullError, DownloaderError, worst_exit_code
from dci_downloader.hooks import NeverStop, NullProgress, Progress, Stop
from dci_downloader.mirror.mirror import Mirror
from dci_downloader.models import Plan
from dci_downloader.options import SyncOptions
from dci_downloader.results import NOT_TRIED, Failure, Report
from dci_downloader.short_repr import short_repr
from dci_downloader.sync import sync_topic

_END_OF_RUN = {DiskFullError.exit_code, CancelledError.exit_code}


@dataclass(frozen=True)
class SyncRequest:
    """One of several topics to mirror; the attributes are the arguments of ``sync_topic``."""

    topic: str = ""
    selection: Selection = field(default_factory=Selection)
    options: SyncOptions = field(default_factory=SyncOptions)

    __repr__ = short_repr

    def failure_report(self, error: DownloaderError, seconds: float) -> Report:
        """The report on a topic that failed as a whole."""
        job, component_id = self.options.job, self.options.component_id
        name = self.topic or (job.topic.name if job else f"component {component_id}")
        return Report(name, "", (), seconds, Failure.of(error))


def sync_topics(
    server: Upstream,
    mirror: Mirror,
    requests: Sequence[SyncRequest],
    *,
    progress: Progress = NullProgress(),  # noqa: B008  has no state
    stop: Stop = NeverStop(),  # noqa: B008  has no state
) -> list[Report]:
    """Mirror several topics, one after the other. Safe to repeat.

    One that fails does not stop the others, unless the disk is full or the run is interrupted: then those after it are
    not tried. A peer that was dropped is not asked again.

    Args:
        server: the control server, or the mirror that is asked in its place.
        mirror: where the topics go.
        requests: the topics, in the order in which they are mirrored.
        progress: gets files, bytes and messages.
        stop: asked whether to end early.

    Returns:
        One report for each request, in order. One that failed as a whole says so in its ``failure``; nothing is raised.
    """
    reports: list[Report] = []
    dropped: set[str] = set()
    planned: list[Plan] = []
    for request in requests:
        began = time.monotonic()
        peers = tuple(url for url in request.options.transfer.peers if url.rstrip("/") not in dropped)
        options = replace(request.options, transfer=replace(request.options.transfer, peers=peers))
        try:
            report = sync_topic(
                server,
                mirror,
                request.topic,
                request.selection,
                options=options,
                progress=progress,
                stop=stop,
                planned=planned,
            )
        except CancelledError as error:
            report = error.report or request.failure_report(error, time.monotonic() - began)
        except DownloaderError as error:
            report = request.failure_report(error, time.monotonic() - began)
        reports.append(report)
        dropped.update(report.dropped_peers)
        if _END_OF_RUN & {failure.exit_code for failure in report.failures}:
            break
    not_tried = DownloaderError(NOT_TRIED)
    not_tried.exit_code = worst_exit_code(report.exit_code for report in reports)
    return [*reports, *(request.failure_report(not_tried, 0.0) for request in requests[len(reports) :])]
