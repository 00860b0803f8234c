"""What a sync did with one component, step by step, and the report that is made of it."""

from __future__ import annotations

from typing import NamedTuple, Optional

from dci_downloader.changes import Changes
from dci_downloader.models import Component, Manifest, Plan
from dci_downloader.results import (
    Assembled,
    ComponentReport,
    ContainerImage,
    Failure,
    Outcome,
    Removal,
    SourceTotals,
)


class SyncSteps(NamedTuple):
    """What the steps of a sync did with one component; its report is made of that, at the end.

    Attributes:
        wanted: the manifest after selection.
        plan: what was missing of it; None where the run failed before, or found everything published.
        received: what was downloaded, by source.
        assembled: the images put together; with ``PLANNED``, what is expected of that.
        kept: where the component failed, bytes of it that are in the mirror.
        published: the name of the component that agents read now.
        removal: the older versions that were removed; with ``PLANNED``, that would be.
        notes: one line each, beside the warnings of the manifest.
    """

    outcome: Outcome
    wanted: Manifest = Manifest("", ())
    plan: Optional[Plan] = None
    received: tuple[SourceTotals, ...] = ()
    images: tuple[ContainerImage, ...] = ()
    failures: tuple[Failure, ...] = ()
    changes: Changes = Changes()
    removal: Removal = Removal()
    notes: tuple[str, ...] = ()
    assembled: Assembled = Assembled()
    kept: int = 0
    published: str = ""

    def report(self, component: Component, path: str, seconds: float) -> ComponentReport:
        """The report on the component, which agents read under ``path``."""
        missing = self.plan.missing if self.plan else ()
        files, size = sum(source.files for source in self.received), sum(source.bytes for source in self.received)
        if self.plan and self.outcome in (Outcome.PLANNED, Outcome.HELD):
            files = self.plan.missing_files - self.assembled.files
            size = max(0, self.plan.missing_bytes - self.assembled.bytes)
        return ComponentReport(
            id=component.id,
            name=component.name,
            type=component.type,
            tags=component.tags,
            path=path,
            outcome=Outcome.FAILED if self.failures else self.outcome,
            files=len(self.wanted.files),
            size=self.wanted.size,
            files_downloaded=files,
            bytes_downloaded=size,
            files_assembled=self.assembled.files,
            bytes_assembled=self.assembled.bytes,
            files_reused=len(self.wanted.files) - len(missing),
            bytes_reused=self.wanted.size - sum(entry.size for entry in missing),
            versions_removed=self.removal.versions,
            bytes_removed=self.removal.size,
            failures=self.failures,
            notes=(*self.wanted.warnings, *self.notes),
            seconds=seconds,
            received=self.received,
            images=self.images,
            version=component.version,
            changes=self.changes,
            bytes_resumed=self.plan.partial_bytes if self.plan else 0,
            bytes_kept=self.kept,
            published=self.published,
        )
