"""The state of a component once a run is done with it: what is published, and what is kept for the next run."""

from __future__ import annotations

from dci_downloader.errors import NotFoundError
from dci_downloader.mirror.kept import kept_bytes, published_name
from dci_downloader.mirror.mirror import Mirror
from dci_downloader.mirror.topic import TopicMirror
from dci_downloader.planning import ComponentPlan
from dci_downloader.results import ComponentReport, Failure, Outcome
from dci_downloader.sync_steps import SyncSteps


def with_state(taken: SyncSteps, planned: ComponentPlan, mirror: Mirror, topic: TopicMirror) -> SyncSteps:
    """Add to the steps of a component what is published now and, where they failed, how many bytes are kept.

    The notes of its plan say what a publication does, so a component that failed gets none of them.
    """
    component = planned.component
    if taken.outcome is Outcome.FAILED:
        kept = kept_bytes(mirror, component, planned.wanted)
        return taken._replace(kept=kept, published=published_name(topic, component.type))
    before = planned.published.component.name if planned.published else ""
    is_there = taken.outcome in (Outcome.PUBLISHED, Outcome.UNCHANGED)
    published = component.name if is_there else before
    return taken._replace(published=published, notes=(*planned.notes, *taken.notes))


def missing_report(topic: TopicMirror, component_type: str, error: NotFoundError) -> ComponentReport:
    """The report on a type that the topic has no component of."""
    published, failures = published_name(topic, component_type), (Failure.of(error),)
    return ComponentReport("", "", component_type, (), "", Outcome.FAILED, failures=failures, published=published)
