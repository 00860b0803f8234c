"""What a run writes where: to standard output, to a person at standard error, to a log, to a file with figures.

The rules:

* Standard output gets the result: the report of ``--json``, else what a dry run would do.
* ``--quiet``: nothing but failures. ``--verbose``: details too.
* With settings files and no terminal, as in cron and timers, there are no lines for people unless something changed or
  failed: a cron job without news sends no mail.
* A log gets everything, whatever standard error gets: the file of ``--log-file``, or with ``--log-format json`` alone,
  standard error in place of lines for people.
* Metrics are written last, once, also when the run fails; not for a dry run, which changes nothing.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Optional, TextIO

from dci_downloader import user_files
from dci_downloader.cli import metrics, report
from dci_downloader.cli.closing_lines import closing_lines
from dci_downloader.cli.output import print_json, print_line, say
from dci_downloader.cli.progress import DeferredProgress, LogProgress, calls_as_details, progress_for
from dci_downloader.cli.style import width_of
from dci_downloader.errors import DownloaderError, worst_exit_code
from dci_downloader.hooks import MultiProgress, Progress
from dci_downloader.report_document import topic_document
from dci_downloader.results import ContainerImageOutcome, Outcome, Report
from dci_downloader.settings.command_line import CommandLine


class RunOutput:
    """The output of one sync.

    Args:
        command_line: which outputs are asked for.
        stream: standard error; None where it is closed.

    Attributes:
        progress: to be handed to the work.
        for_people: whether standard error gets lines for people.

    Raises:
        SettingsError: the log cannot be written, or what metrics need is not installed.
    """

    def __init__(self, command_line: CommandLine, stream: Optional[TextIO]) -> None:
        self._options, self._stream = command_line, stream
        self._began = time.monotonic()
        if command_line.metrics_file:
            metrics.require(Path(command_line.metrics_file))
        as_json = command_line.log_format == "json"
        self._file = (
            user_files.open_to_append(command_line.log_file, hint="--log-file needs a file that can be written")
            if command_line.log_file
            else None
        )
        self.for_people = not as_json or self._file is not None
        log_stream = self._file if self.for_people else stream
        verbose = self.for_people or command_line.verbose
        self._log = LogProgress(log_stream, as_json=as_json, verbose=verbose) if log_stream is not None else None
        visible = progress_for(stream, quiet=command_line.quiet or not self.for_people, verbose=command_line.verbose)
        unattended = stream is None or not stream.isatty()
        by_settings = bool(command_line.settings) or not command_line.says_what
        self._only_news = by_settings and unattended and not command_line.verbose
        self._deferred = DeferredProgress(visible) if self._only_news else None
        self.progress: Progress = MultiProgress(self._deferred or visible, *([self._log] if self._log else []))

    def close(self) -> None:
        """Close the log. Safe to repeat."""
        if self._file is not None:
            with suppress(OSError):  # a full disk: what could not be written is lost, and no reason to fail
                self._file.close()

    @contextmanager
    def calls(self) -> Iterator[None]:
        """Pass on every call to the control server as a detail, for a block."""
        has_reader = self._options.verbose or self._log is not None
        with calls_as_details(self.progress) if has_reader else nullcontext():
            yield

    @property
    def seconds(self) -> float:
        """How long the run has taken so far."""
        return time.monotonic() - self._began

    def fail(self, error: DownloaderError) -> None:
        """Write to the log that an error ended the run before there was anything to report."""
        self._release()
        if self._log:
            self._log.emit("error", f"error: {error}", hint=error.hint, exit_code=error.exit_code)

    def finish(self, reports: Sequence[Report]) -> int:
        """Write the report on each topic, and give the exit code of the run."""
        exit_code = worst_exit_code(each.exit_code for each in reports)
        if self._options.json:
            print_json(report.to_json(reports, self.seconds, exit_code))
        if any(map(has_news, reports)):
            self._release()
        if self.for_people:
            wanted = [each for each in reports if each.exit_code or not self._is_unwanted(each)]
            to_stdout = self._options.dry_run and not self._options.json
            width = width_of(sys.stdout if to_stdout else self._stream)
            several, verbose = len(reports) > 1, self._options.verbose
            for line in closing_lines(wanted, verbose=verbose, with_topic=several, width=width):
                print_line(line) if to_stdout else say(line)
        for each in reports if self._log else ():
            assert self._log is not None
            lines = closing_lines([each], verbose=True, with_topic=True)
            self._log.emit("topic", "\n".join(lines), **topic_document(each))
        if self._log:
            text = f"finished with exit code {exit_code}"
            self._log.emit("finished", text, exit_code=exit_code, seconds=round(self.seconds, 3))
        return exit_code

    def write_metrics(self, reports: Sequence[Report]) -> None:
        """Write the metrics, where they are asked for.

        Raises:
            SettingsError: the file cannot be written.
            DiskFullError: no room.
        """
        if self._options.metrics_file and not self._options.dry_run:
            metrics.write(Path(self._options.metrics_file), reports, time.time())

    def _is_unwanted(self, report: Report) -> bool:
        return self._options.quiet or (self._only_news and not has_news(report))

    def _release(self) -> None:
        if self._deferred is not None:
            self._deferred.release()


def has_news(report: Report) -> bool:
    """Whether something changed, would change, or failed; a container image that was copied is a change."""
    images = (image for component in report.components for image in component.images)
    return (
        report.exit_code != 0
        or any(component.outcome not in (Outcome.UNCHANGED, Outcome.SKIPPED) for component in report.components)
        or any(image.outcome is not ContainerImageOutcome.PRESENT for image in images)
    )
