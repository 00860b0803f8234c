"""What a sync is to do with each component of a topic, known before the first file is fetched.

The rules:

* A component without files is skipped; that is a failure only where no component has any. Its name and type are not
  checked: jobs hold git commits, container images and drivers.
* Components with files that would be published in one folder are not mirrored; the others are.
* What is published unchanged needs nothing. What a plain folder in the link's place holds need not be fetched.
* There has to be room for what all components miss together. One that does not fit beside those before it fails, and
  does not count for those after it.
* A type that is held stays at its published version: the report says what it would become, and nothing is fetched.
* An error that concerns one component alone is a value in its plan; the others go on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Optional

from dci_downloader.content.coverage import select
from dci_downloader.content.deselection import deselected
from dci_downloader.content.selection import RULES, Selection
from dci_downloader.control.offer import resolve_offer
from dci_downloader.control.resolver import folder_conflicts
from dci_downloader.control.upstream import Upstream, went_back
from dci_downloader.errors import (
    AccessError,
    DiskFullError,
    DownloaderError,
    IntegrityError,
    ManifestError,
    NoFilesError,
    NotFoundError,
    SettingsError,
    TransferError,
)
from dci_downloader.hooks import Progress, Stop, phase
from dci_downloader.mirror.adopt import adopt, adoptable
from dci_downloader.mirror.hold import is_held
from dci_downloader.mirror.mend import mend
from dci_downloader.mirror.mirror import Mirror
from dci_downloader.mirror.record import note_etag
from dci_downloader.mirror.topic import TopicMirror
from dci_downloader.mirror.version import Version, identity
from dci_downloader.models import Component, FileEntry, Manifest, Plan
from dci_downloader.network.side_by_side import side_by_side
from dci_downloader.options import SyncOptions
from dci_downloader.room import Room
from dci_downloader.transfer.linking import without_links

COMPONENT_ERRORS = (AccessError, DiskFullError, IntegrityError, NotFoundError, SettingsError, TransferError)
"""Errors that concern one component, and do not stop the others."""

_EMPTY = Manifest("", ())


@dataclass(frozen=True)
class ComponentPlan:
    """What is to be done with one component.

    Attributes:
        error: why it cannot be mirrored; None where it can, or has no files.
        selection: as its version is to record it.
        published: the version that agents read now.
        wanted: the selected part of what the server offers; empty for a component without files.
        contents: the content of files that came with the offer.
        plan: what the mirror lacks of it; None where it is published as it is, or cannot be mirrored.
        adoptable: in a dry run, the entries of it that a plain folder in the link's place may hold; a sync has adopted
            them by then.
        held: whether the type is held at another version, so that this one is only reported.
        notes: what the selection takes away from the published version, and what was mended in it, a line each.
        seconds: how long the planning took.
    """

    component: Component
    error: Optional[DownloaderError] = None
    selection: Any = None
    published: Optional[Version] = None
    wanted: Manifest = _EMPTY
    contents: Mapping[FileEntry, bytes] = field(default_factory=dict, repr=False)
    plan: Optional[Plan] = None
    adoptable: tuple[FileEntry, ...] = ()
    held: bool = False
    notes: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def skipped(self) -> bool:
        """Whether it has no files, and no error."""
        return self.error is None and not self.wanted.files

    @property
    def identity(self) -> str:
        """The identity of the version that it is to become."""
        if self.published is not None and self.wanted is self.published.manifest:  # of the same component and selection
            return self.published.identity
        return identity(self.component, self.selection, self.wanted)

    @property
    def to_fetch(self) -> Optional[Plan]:
        """What has to be fetched, as far as can be known; None where there is no plan, or the type is held."""
        if self.held:
            return None
        if self.plan is None or not self.adoptable:
            return self.plan
        at_hand = {entry.sha256 for entry in self.adoptable}
        return replace(self.plan, missing=tuple(entry for entry in self.plan.missing if entry.sha256 not in at_hand))

    def went_back(self, server: Upstream, options: SyncOptions) -> tuple[str, ...]:
        """A note that the upstream mirror went back to an older build; none where the options name that build."""
        if self.published is None or options.component_id:
            return ()
        return went_back(server, self.published.component, self.component)


@dataclass(frozen=True)
class Planner:
    """Plans the components of one topic. Links and modes of what is published are mended, but not in a dry run.

    Attributes:
        room: the room for all plans together.
    """

    server: Upstream
    mirror: Mirror
    topic_mirror: TopicMirror
    selection: Selection
    dry_run: bool
    progress: Progress
    stop: Stop
    room: Room

    def plan(self, components: Sequence[Component]) -> list[ComponentPlan]:
        """Plan all components, in their order. Safe to repeat.

        Raises:
            CancelledError: ``stop`` was requested.
        """
        with phase(self.progress, f"{self.topic_mirror.name}: reading the file lists"):
            # one after the other, for a record takes many times its size in memory while it is read
            known = [self._attempt(self._with_published, ComponentPlan(component)) for component in components]
            plans = side_by_side(partial(self._attempt, self._with_offer), known)
        for plan in plans if not self.dry_run else ():  # there notes are part of the result
            for note in plan.notes:
                self.progress.message(f"! {plan.component.name}: {note}")
        if all(plan.skipped for plan in plans):
            return [replace(plan, error=NoFilesError(plan.component.name, plan.component.type)) for plan in plans]
        conflicts = folder_conflicts(plan.component for plan in plans if plan.wanted.files)
        plans = [replace(plan, error=plan.error or conflicts.get(plan.component.id)) for plan in plans]
        with phase(self.progress, f"{self.topic_mirror.name}: looking for what is here already"):
            plans = [self._attempt(self._with_plan, plan) for plan in plans]
        return self._with_room(plans)

    def needing_room(self, plan: ComponentPlan) -> Optional[Plan]:
        """The part of a plan that takes room: what is linked from a folder takes none."""
        if plan.to_fetch is None:
            return None
        return without_links(plan.to_fetch, self.server.files(plan.component), self.mirror.store)

    def _attempt(self, step: Callable[[ComponentPlan], ComponentPlan], plan: ComponentPlan) -> ComponentPlan:
        """The plan after one more step. An error of the component is kept in its plan, and ends its steps."""
        began = time.monotonic()
        try:
            plan = plan if plan.error else step(plan)
        except COMPONENT_ERRORS as error:
            plan = replace(plan, error=error)
        return replace(plan, seconds=plan.seconds + time.monotonic() - began)

    def _with_published(self, plan: ComponentPlan) -> ComponentPlan:
        """The plan with what is published now."""
        published = None
        with suppress(ManifestError):  # its type cannot be a folder, which matters only if it has files
            published = self.topic_mirror.published(plan.component.type)
        selection = {"rules": RULES, **self.selection.effective(plan.component.type).to_json()}
        return replace(plan, selection=selection, published=published)

    def _with_offer(self, plan: ComponentPlan) -> ComponentPlan:
        """The plan with what is selected of the server's offer; a manifest that is known is not asked for again."""
        component, published, known = plan.component, plan.published, None
        if published and (published.component.id, published.selection) == (component.id, plan.selection):
            known = published.manifest  # the same selection would choose the same files of it
        offer = resolve_offer(self.server, component, known)
        wanted = known or _EMPTY
        if offer.manifest is not None:
            wanted = select(self.selection, offer.manifest) if offer.manifest.files else _EMPTY
        notes: tuple[str, ...] = ()
        if published and offer.manifest is not None and published.selection != plan.selection:
            notes = deselected(published.manifest, offer.manifest, wanted)
        return replace(plan, wanted=wanted, contents=offer.contents, notes=notes)

    def _with_plan(self, plan: ComponentPlan) -> ComponentPlan:
        """The plan with the files that the mirror lacks, once it has adopted those that are at hand."""
        if plan.skipped:
            return plan
        component, wanted, store = plan.component, plan.wanted, self.mirror.store
        link, published = self.topic_mirror.link(component.type), plan.published
        is_published = published is not None and published.identity == plan.identity
        if not is_published and is_held(self.topic_mirror, component.type):
            return replace(plan, plan=self.mirror.plan(component, wanted), held=True)
        if self.dry_run:
            candidates = adoptable(link, wanted, store)
            return replace(plan, plan=self.mirror.plan(component, wanted), adoptable=candidates)
        if published is not None and is_published:
            mended = mend(self.topic_mirror, published)
            if mended is not None:
                self.topic_mirror.refresh_heads(component.type)
                note_etag(self.topic_mirror.tree(published), wanted.etag)
                return replace(plan, notes=(*plan.notes, *mended))
        for entry, content in plan.contents.items():
            if entry in wanted.files:
                store.add(entry, [content])
        adopt(link, wanted, store, progress=self.progress, stop=self.stop)
        return replace(plan, plan=self.mirror.plan(component, wanted))

    def _with_room(self, plans: Sequence[ComponentPlan]) -> list[ComponentPlan]:
        """The plans, with an error in each for which there is no room beside those before it."""

        def check(plan: ComponentPlan) -> ComponentPlan:
            needing = self.needing_room(plan)
            if needing is not None:
                self.room.add(needing)
            return plan

        return [self._attempt(check, plan) for plan in plans]
