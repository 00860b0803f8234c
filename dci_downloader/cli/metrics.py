"""Figures of a run for Prometheus, as a file that node_exporter's textfile collector reads.

The rules:

* Every figure has the labels ``topic`` and ``type``; the type of a topic that failed as a whole is empty.
* Figures are those of the last run; only the time of the last success outlives a run that fails. It is read from the
  file that is there, for the topics of this run: a topic that nobody asks for any more is not reported any more.
* A run that finds nothing new is a success.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from dci_downloader.content.patterns import matches
from dci_downloader.errors import SettingsError
from dci_downloader.mirror.files import disk_errors, replace_atomically
from dci_downloader.results import ComponentReport, Outcome, Report

_LAST_SUCCESS = "last_success_timestamp_seconds"
_MODE = 0o644  # node_exporter runs as another user


class _Series(NamedTuple):
    topic: str
    type: str


def require(path: Path) -> None:
    """Make sure that metrics can be written, before there are any.

    Raises:
        SettingsError: ``prometheus_client`` is not installed, or there is no folder for the file.
    """
    try:
        import prometheus_client  # noqa: F401
    except ImportError:
        raise SettingsError(
            "--metrics-file needs the package prometheus_client, which is not installed",
            hint="pip install 'dci-downloader[metrics]'",
        ) from None
    if path.is_dir() or not os.access(path.parent, os.W_OK | os.X_OK) or not path.parent.is_dir():
        raise SettingsError(
            f"--metrics-file {path}: there is no folder for it that can be written to, or a folder stands in its place",
            hint="name a file in the folder of node_exporter's textfile collector",
        )


def write(path: Path, reports: Sequence[Report], now: float) -> None:
    """Write the figures of a run, at once and readable by all. Safe to repeat.

    Args:
        path: the file, ``….prom`` for node_exporter; replaced.
        reports: one for each topic of the run.
        now: seconds since the epoch.

    Raises:
        SettingsError: the file cannot be written.
        DiskFullError: no room.
    """
    from prometheus_client import CollectorRegistry, Gauge, generate_latest

    registry = CollectorRegistry()

    def gauge(name: str, text: str, *more: str) -> Gauge:
        return Gauge(f"dci_downloader_{name}", text, (*_Series._fields, *more), registry=registry)

    last_run = gauge("last_run_timestamp_seconds", "When the last run ended.")
    last_success = gauge(_LAST_SUCCESS, "When a run last ended without failure.")
    duration = gauge("last_run_duration_seconds", "How long the last run took.")
    files = gauge("last_run_files", "Files of the last run; what failed as a whole counts as one.", "result")
    size = gauge("last_run_bytes", "Bytes of the last run.", "result")
    successes = _successes(path, reports)
    for series, done in _by_series(reports):
        last_run.labels(*series).set(now)
        duration.labels(*series).set(done.seconds)
        files.labels(*series, "fetched").set(done.files_downloaded)
        files.labels(*series, "reused").set(done.files_reused)
        files.labels(*series, "failed").set(len(done.failures))
        size.labels(*series, "fetched").set(done.bytes_downloaded)
        size.labels(*series, "reused").set(done.bytes_reused)
        if not done.failures:
            successes[series] = now
    for series, moment in successes.items():
        last_success.labels(*series).set(moment)
    with disk_errors(path):
        replace_atomically(path, generate_latest(registry), mode=_MODE)


def _by_series(reports: Sequence[Report]) -> Iterator[tuple[_Series, ComponentReport]]:
    for report in reports:
        for component in report.components:
            yield _Series(report.topic, component.type), component
        if report.failure is not None:
            failed = ComponentReport("", "", "", (), "", Outcome.FAILED, failures=(report.failure,))
            yield _Series(report.topic, ""), replace(failed, seconds=report.seconds)


def _successes(path: Path, reports: Sequence[Report]) -> dict[_Series, float]:
    """The last successes that the file tells of the topics of this run; none where there is no such file."""
    from prometheus_client.parser import text_string_to_metric_families

    found = {}
    try:
        for family in text_string_to_metric_families(path.read_text(encoding="utf-8")):
            for sample in family.samples:
                if sample.name == f"dci_downloader_{_LAST_SUCCESS}":
                    found[_Series(sample.labels["topic"], sample.labels["type"])] = sample.value
    except (OSError, ValueError, KeyError):  # of a file that is broken, the good part counts
        pass
    return {
        series: at for series, at in found.items() if any(matches(report.topic, series.topic) for report in reports)
    }
