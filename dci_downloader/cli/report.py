"""Reports as JSON, for programs; as text they are in :mod:`~dci_downloader.cli.closing_lines`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from dci_downloader.cli.package_lines import changes_document
from dci_downloader.results import ComponentReport, Failure, Report


def to_json(reports: Sequence[Report], seconds: float, exit_code: int) -> str:
    """One JSON object for the whole run. Its keys are documented in ``docs/report.md``; new ones may join them.

    Args:
        reports: one for each topic.
        seconds: of the whole run.
        exit_code: what the program exits with.
    """
    components = [component for report in reports for component in report.components]
    document = {
        "topics": [topic_document(report) for report in reports],
        "files_downloaded": sum(component.files_downloaded for component in components),
        "bytes_downloaded": sum(component.bytes_downloaded for component in components),
        "bytes_resumed": sum(component.bytes_resumed for component in components),
        "files_assembled": sum(component.files_assembled for component in components),
        "bytes_assembled": sum(component.bytes_assembled for component in components),
        "files_reused": sum(component.files_reused for component in components),
        "bytes_reused": sum(component.bytes_reused for component in components),
        "failed": sum(len(report.failures) for report in reports),
        "seconds": round(seconds, 3),
        "exit_code": exit_code,
    }
    return json.dumps(document, indent=2, ensure_ascii=False)


def topic_document(report: Report) -> dict[str, Any]:
    """The part of the JSON object that describes one topic."""
    return {
        "topic": report.topic,
        "topic_id": report.topic_id,
        "seconds": round(report.seconds, 3),
        "components": [_component(component) for component in report.components],
        "dropped_peers": report.dropped_peers,
        "failure": None if report.failure is None else _failure(report.failure),
    }


def _component(component: ComponentReport) -> dict[str, Any]:
    fields = {name: getattr(component, name) for name in component.__dataclass_fields__}
    fields["outcome"] = component.outcome.value
    fields["changes"] = changes_document(component.changes)
    fields["seconds"] = round(component.seconds, 3)
    fields["received"] = [totals._asdict() for totals in component.received]
    fields["images"] = [{**image._asdict(), "outcome": image.outcome.value} for image in component.images]
    fields["failures"] = [_failure(failure) for failure in component.failures]
    return fields


def _failure(failure: Failure) -> dict[str, Any]:
    fields = {name: getattr(failure, name) for name in failure.__dataclass_fields__}
    return {name: value for name, value in fields.items() if value or name in ("path", "reason")}
