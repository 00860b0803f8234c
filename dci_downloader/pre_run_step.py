"""The pre-run step of an agent: a job's states, its mirror, and its ``.composeinfo``.

A job is in state ``pre-run`` while its components are mirrored, and while whatever else belongs to the step is done;
then it is ``running``, or in ``error`` with the reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Optional, Union

from dci_downloader.content.selection import Selection
from dci_downloader.control.client import ControlServer
from dci_downloader.errors import AccessError, DownloaderError, NotFoundError
from dci_downloader.formatting import printable
from dci_downloader.hooks import NeverStop, NullProgress, Progress, Stop
from dci_downloader.mirror.mirror import Mirror
from dci_downloader.models import Job
from dci_downloader.options import SyncOptions
from dci_downloader.results import Outcome, Report
from dci_downloader.short_repr import short_repr
from dci_downloader.sync import sync_topic

COMPOSEINFO = ".composeinfo"
_LONGEST_REASON = 4000  # characters; some errors quote a whole log
_LARGEST_COMPOSEINFO = 16 * 2**20  # bytes; that of a RHEL compose has 30 kB


@dataclass(frozen=True)
class PreRunStep:
    """What the step has done when the body of ``with pre_run(…)`` begins.

    Attributes:
        job: as it was when its state was set.
        report: of the mirrored components.
    """

    job: Job
    report: Report

    __repr__ = short_repr

    @property
    def paths(self) -> Mapping[str, str]:
        """Where to read each component that has files, by its type."""
        return {component.type: component.path for component in self.report.components if component.path}


@contextmanager
def pre_run(
    server: ControlServer,
    mirror: Mirror,
    job: Union[Job, str],
    selection: Selection = Selection(),  # noqa: B008  frozen
    *,
    options: SyncOptions = SyncOptions(),  # noqa: B008  frozen
    progress: Optional[Progress] = None,
    stop: Optional[Stop] = None,
) -> Iterator[PreRunStep]:
    """Mirror what a job was created with, as its pre-run step; for use with ``with``.

        with pre_run(server, mirror, job) as step:
            configure_installer(step.paths["compose"])

    The job is in state ``pre-run`` until the body ends, then ``running``. Where a component cannot be mirrored, or the
    body raises, or a state cannot be set, it is in ``error`` with the reason, and the error is raised. The
    ``.composeinfo`` of each component that has one is attached to the job.

    Args:
        server: the control server.
        mirror: where the components go.
        job: one given by its id is read first.
        selection: which of their files are wanted.
        options: how they are mirrored; a job in them is ignored.
        progress: gets messages and what is received.
        stop: asked several times a second.

    Raises:
        DownloaderError: something cannot be mirrored: the first failure; or a state cannot be set.
    """
    job = server.job(job) if isinstance(job, str) else job
    progress = progress or NullProgress()
    with JobStates(server, job, progress) as states:
        report = sync_topic(
            server,
            mirror,
            "",
            selection,
            options=replace(options, job=job),
            progress=progress,
            stop=stop or NeverStop(),
        )
        if report.failures:
            raise report.failures[0].error()
        states.attach_composeinfo([report])
        yield PreRunStep(states.job, report)


class JobStates:
    """The states of a job around its pre-run step: ``pre-run``, then ``running``, or ``error`` with the reason.

    Args:
        server: the control server.
        job: whose states are set.
        progress: gets a message where a failure leaves the job in a state that could not be changed.

    Attributes:
        job: as it was when its state was set last.
    """

    def __init__(self, server: ControlServer, job: Job, progress: Progress) -> None:
        self.job = job
        self._server = server
        self._progress = progress
        self._reason = ""

    def __enter__(self) -> JobStates:
        names = ", ".join(component.name for component in self.job.components)
        self._set("pre-run", f"mirroring {names}" if names else "")
        return self

    def conclude(self, reports: Iterable[Report]) -> None:
        """Attach the ``.composeinfo`` files; where something failed, set the state ``error`` at the end instead."""
        reports = list(reports)
        failures = [failure for report in reports for failure in report.failures]
        if failures:
            self._reason = str(failures[0])
        else:
            self.attach_composeinfo(reports)

    def attach_composeinfo(self, reports: Iterable[Report]) -> None:
        """Attach the ``.composeinfo`` of each component that was mirrored and has one, or say why that is not done."""
        for component in (component for report in reports for component in report.components):
            path = Path(component.path, COMPOSEINFO)
            if component.outcome in (Outcome.PUBLISHED, Outcome.UNCHANGED) and path.is_file():
                try:
                    content = path.read_bytes() if path.stat().st_size <= _LARGEST_COMPOSEINFO else b""
                    self._server.upload_file(self.job, COMPOSEINFO, content, mime="application/json")
                except (DownloaderError, OSError) as error:
                    self._progress.message(f"job {self.job.id}: {COMPOSEINFO} is not attached: {error}")

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], traceback: Optional[TracebackType]
    ) -> None:
        reason = self._reason if error is None else _reason(error)
        if reason:
            self._give_up(reason)
        else:
            self._set("running")

    def _set(self, status: str, comment: str = "") -> None:
        """Set a state that the step needs; without it the job ends here."""
        try:
            self.job = self._server.set_job_state(self.job, status, comment)
        except BaseException as error:
            if not isinstance(error, (AccessError, NotFoundError)):  # else it may have been set, and nobody goes on
                self._give_up(_reason(error))
            raise

    def _give_up(self, reason: str) -> None:
        try:
            self.job = self._server.set_job_state(self.job, "error", reason)
        except DownloaderError as failure:  # what failed first is what matters
            self._progress.message(f"job {self.job.id} could not be set to error: {failure}")


def _reason(error: BaseException) -> str:
    """What an error says, in a form that the control server can keep: databases refuse NUL and halves of characters."""
    text = ""
    with suppress(Exception):  # the agent's own class may fail at that
        text = printable(str(error)).strip()
    return text[:_LONGEST_REASON] or type(error).__name__
