"""Whom a run tells what: a person at standard error, a log, a metrics file.

The rules:

* ``--quiet``: nothing but failures. ``--verbose``: details too.
* With settings files and no terminal, as in cron and timers, nothing is said unless something changed or failed.
* A log gets everything, whatever standard error gets: the file of ``--log-file``, or with ``--log-format json`` alone,
  standard error in place of words.
* Metrics are written last, once, also when the run fails; not for a dry run, which changes nothing.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Optional, TextIO

from dci_downloader.cli import metrics, report
from dci_downloader.cli.progress import DeferredProgress, LogProgress, MultiProgress, calls_as_details, choose
from dci_downloader.errors import DownloaderError, SettingsError
from dci_downloader.hooks import Progress
from dci_downloader.results import ContainerImageOutcome, Outcome, Report


class RunOutput:
    """Everybody who is told of one run.

    Args:
        arguments: as :func:`dci_downloader.cli.arguments.sync_parser` parses them.
        stream: standard error; None where it is closed.
        say: writes a line for people to it.

    Attributes:
        progress: told what happens while it does.
        in_words: whether standard error is for people.

    Raises:
        SettingsError: the log cannot be written, or what metrics need is not installed.
    """

    def __init__(self, arguments: argparse.Namespace, stream: Optional[TextIO], say: Callable[[str], None]) -> None:
        self._arguments = arguments
        self._say = say
        self._began = time.monotonic()
        if arguments.metrics_file:
            metrics.require(Path(arguments.metrics_file))
        as_json = arguments.log_format == "json"
        self._file = _opened(arguments.log_file) if arguments.log_file else None
        self.in_words = not (as_json and self._file is None)
        log_stream = self._file if self.in_words else stream
        verbose = self.in_words or arguments.verbose
        self._log = LogProgress(log_stream, as_json=as_json, verbose=verbose) if log_stream is not None else None
        unwanted = arguments.quiet or not self.in_words
        shown = choose(stream, quiet=unwanted, verbose=arguments.verbose)
        unattended = stream is None or not stream.isatty()
        self._sparing = bool(arguments.settings) and unattended and not arguments.verbose
        self._held = DeferredProgress(shown) if self._sparing else None
        self.progress: Progress = MultiProgress(self._held or shown, *([self._log] if self._log else []))

    def close(self) -> None:
        """Let go of the log. Safe to repeat."""
        if self._file is not None:
            with suppress(OSError):  # a full disk: what could not be written is lost, and no reason to fail
                self._file.close()

    @contextmanager
    def hearing_calls(self) -> Iterator[None]:
        """Tell every call to the control server to those who want details, for a block."""
        wanted = self._arguments.verbose or self._log is not None
        with calls_as_details(self.progress) if wanted else nullcontext():
            yield

    @property
    def seconds(self) -> float:
        """How long the run has taken so far."""
        return time.monotonic() - self._began

    def failed(self, error: DownloaderError) -> None:
        """The run ends by an error."""
        self._release()
        if self._log:
            self._log.tell("error", f"error: {error}", hint=error.hint, exit_code=error.exit_code)

    def finished(self, reports: Sequence[Report], exit_code: int) -> None:
        """The run ends with a report on each topic."""
        if any(_matters(each) for each in reports):
            self._release()
        for each in reports:
            lines = list(report.in_words(each))
            if each.exit_code or not (self._arguments.quiet or (self._sparing and not _matters(each))):
                for line in lines if self.in_words else ():
                    self._say(line)
            if self._log:
                self._log.tell("topic", "\n".join(lines), **report.topic_document(each))
        if self._log:
            text = f"finished with exit code {exit_code}"
            self._log.tell("finished", text, exit_code=exit_code, seconds=round(self.seconds, 3))

    def measured(self, reports: Sequence[Report]) -> None:
        """Write the metrics.

        Raises:
            SettingsError: the file cannot be written.
            DiskFullError: no room.
        """
        if self._arguments.metrics_file and not self._arguments.dry_run:
            metrics.write(Path(self._arguments.metrics_file), reports, time.time())

    def _release(self) -> None:
        if self._held is not None:
            self._held.release()


def _matters(each: Report) -> bool:
    """Whether something changed, would change, or failed."""
    images = (image for component in each.components for image in component.images)
    return (
        each.exit_code != 0
        or any(component.outcome is not Outcome.UNCHANGED for component in each.components)
        or any(image.outcome is not ContainerImageOutcome.PRESENT for image in images)
    )


def _opened(path: str) -> TextIO:
    try:
        return open(path, "a", encoding="utf-8", errors="backslashreplace")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SettingsError(f"{path}: {reason}", hint="--log-file needs a file that can be written") from None
