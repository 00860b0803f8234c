"""The report on a topic as a JSON value: what ``--json`` prints, a log holds, and a command after publication gets."""

from __future__ import annotations

from typing import Any

from dci_downloader.changes import Changes, PackageChange
from dci_downloader.results import ComponentReport, Failure, Report


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


def changes_document(changes: Changes) -> dict[str, Any]:
    """What differs, as a JSON object."""
    return {**changes._asdict(), "packages": [_package_document(change) for change in changes.packages]}


def _package_document(change: PackageChange) -> dict[str, Any]:
    return {
        "name": change.name,
        "kind": change.kind.value,
        "from": list(change.before),
        "to": list(change.after),
        "trees": list(change.trees),
        "everywhere": change.everywhere,
        "source": change.source,
    }
