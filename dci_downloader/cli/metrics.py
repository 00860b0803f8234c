"""Figures of a run for Prometheus, as a file that node_exporter's textfile collector reads.

The rules:

* Every figure has the labels ``topic`` and ``type``; the type of a topic that failed as a whole is empty.
* Figures are those of the last run; only the time of the last success outlives a run that fails. It is read from the
  file that is there, for the topics of this run: a topic that is no longer asked for is no longer reported.
* A run that finds nothing new is a success.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from dci_downloader import user_files
from dci_downloader.content.patterns import matches
from dci_downloader.errors import SettingsError
from dci_downloader.mirror.disk_errors import disk_errors
from dci_downloader.mirror.files import replace_atomically
from dci_downloader.results import ComponentReport, Outcome, Report

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

_LAST_SUCCESS = "last_success_timestamp_seconds"
_HINT = "name a file in the folder of node_exporter's textfile collector"
_LARGEST_FILE = 2**22  # bytes; a topic has some hundreds
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
            f"--metrics-file {path}: there is no folder for it that can be written to, or it is a folder itself",
            hint=_HINT,
        )
    _require_safe_place(path)


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
    from prometheus_client import generate_latest

    _require_safe_place(path)
    successes = _successes(path, reports)
    successes.update((series, now) for series, done in _by_series(reports) if not done.failures)
    registry = _registry(reports, successes, now)
    with disk_errors(path):
        replace_atomically(path, generate_latest(registry), mode=_MODE)


def _require_safe_place(path: Path) -> None:
    try:
        user_files.require_safe_place(str(path))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SettingsError(f"--metrics-file {path}: {reason}", hint=_HINT) from None


def _registry(reports: Sequence[Report], successes: Mapping[_Series, float], now: float) -> CollectorRegistry:
    """The figures of a run.

    Args:
        reports: one for each topic of the run.
        successes: when each series last ended without failure, in seconds since the epoch.
        now: seconds since the epoch.
    """
    from prometheus_client import CollectorRegistry, Gauge

    registry = CollectorRegistry()

    def gauge(name: str, text: str, *more: str) -> Gauge:
        return Gauge(f"dci_downloader_{name}", text, (*_Series._fields, *more), registry=registry)

    last_run = gauge("last_run_timestamp_seconds", "When the last run ended.")
    last_success = gauge(_LAST_SUCCESS, "When a run last ended without failure.")
    duration = gauge("last_run_duration_seconds", "How long the last run took.")
    files = gauge("last_run_files", "Files of the last run; what failed as a whole counts as one.", "result")
    size = gauge("last_run_bytes", "Bytes of the last run.", "result")
    for series, component in _by_series(reports):
        last_run.labels(*series).set(now)
        duration.labels(*series).set(component.seconds)
        files.labels(*series, "fetched").set(component.files_downloaded)
        files.labels(*series, "reused").set(component.files_reused)
        files.labels(*series, "failed").set(len(component.failures))
        size.labels(*series, "fetched").set(component.bytes_downloaded)
        size.labels(*series, "reused").set(component.bytes_reused)
    for series, moment in successes.items():
        last_success.labels(*series).set(moment)
    return registry


def _by_series(reports: Sequence[Report]) -> Iterator[tuple[_Series, ComponentReport]]:
    """The report of each component; a topic that failed as a whole counts as a component without a type."""
    for report in reports:
        for component in report.components:
            if component.outcome is not Outcome.SKIPPED:  # without files there is nothing to measure
                yield _Series(report.topic, component.type), component
        if report.failure is not None:
            failed = ComponentReport("", "", "", (), "", Outcome.FAILED, failures=(report.failure,))
            yield _Series(report.topic, ""), replace(failed, seconds=report.seconds)


def _successes(path: Path, reports: Sequence[Report]) -> dict[_Series, float]:
    """The last successes of the topics of this run, as the present file has them."""
    from prometheus_client.parser import text_string_to_metric_families

    successes = {}
    try:
        text = user_files.read(str(path), _LARGEST_FILE).decode("utf-8")
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name == f"dci_downloader_{_LAST_SUCCESS}":
                    successes[_Series(sample.labels["topic"], sample.labels["type"])] = sample.value
    except (SettingsError, ValueError, KeyError):  # what was read before a broken line counts
        pass
    return {
        series: moment
        for series, moment in successes.items()
        if any(matches(report.topic, series.topic) for report in reports)
    }
