"""One topic, from settings to report: :func:`sync_topic` is the function to read first.

    topic and components ─► wanted files ─► what is missing ─► transfer ─► version tree ─► publish ─► report

Nothing is written before the whole request is known to be valid; nothing is removed before the new version is
published; a component that fails does not stop the others.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Optional

from dci_downloader import container_images
from dci_downloader.content.selection import RULES, Selection
from dci_downloader.control.client import ControlServer
from dci_downloader.control.offer import IMAGE_LIST, Offer, lists, resolve_offer, resolve_request
from dci_downloader.errors import (
    AccessError,
    CancelledError,
    DiskFullError,
    IntegrityError,
    NotFoundError,
    SettingsError,
    TransferError,
)
from dci_downloader.hooks import NeverStop, NullProgress, Progress, Stop
from dci_downloader.mirror.adopt import adopt, adoptable, adoptable_note, unlisted_note
from dci_downloader.mirror.mend import mend
from dci_downloader.mirror.mirror import Mirror
from dci_downloader.mirror.publish import publish
from dci_downloader.mirror.removal import left_note
from dci_downloader.mirror.retention import expired, reclaimable, retire
from dci_downloader.mirror.topic import TopicMirror
from dci_downloader.mirror.version import Version, changes_since, identity
from dci_downloader.models import Component, Manifest, Plan, Topic
from dci_downloader.options import SyncOptions
from dci_downloader.results import (
    Changes,
    ComponentReport,
    ContainerImage,
    ContainerImageOutcome,
    Failure,
    Outcome,
    Report,
    SourceTotals,
    SyncSteps,
)
from dci_downloader.skopeo import topic_login
from dci_downloader.transfer.engine import fetch
from dci_downloader.transfer.sources import PeerPool


def sync_topic(
    server: ControlServer,
    mirror: Mirror,
    topic: str = "",
    selection: Selection = Selection(),  # noqa: B008  frozen
    *,
    options: SyncOptions = SyncOptions(),  # noqa: B008  frozen
    progress: Progress = NullProgress(),  # noqa: B008  has no state
    stop: Stop = NeverStop(),  # noqa: B008  has no state
) -> Report:
    """Bring the newest build of a topic into a mirror and publish it.

    Safe to repeat: what is there is not fetched again, and where nothing is new nothing is written. After a failure,
    or a request to stop, the version published before is still published, and what was received stays for the next run.

    Args:
        server: whom to ask.
        mirror: where the topic goes.
        topic: name, or pattern with a trailing ``*``; may be empty where ``options`` name a component or a job.
        selection: which files of each component.
        options: which components, how many older versions stay, how files are fetched.
        progress: gets files, bytes and messages.
        stop: asked whether to end early.

    Returns:
        What happened to each component. One that fails is a value in it, not an exception.

    Raises:
        AccessError: the credentials are refused.
        NotFoundError: there is no such topic or component.
        TransferError: the control server cannot be reached.
        SettingsError: the request contradicts itself, or the mirror cannot be written to.
        DiskFullError: there is no room.
        LockedError: another run holds the topic for longer than ``options.lock_timeout``.
        CancelledError: ``stop`` was requested.
    """
    began = time.monotonic()
    if options.registry:
        container_images.require_skopeo(options.registry)
    if options.transfer.network is None:  # what the server was told counts for the files it tells the way to
        options = replace(options, transfer=replace(options.transfer, network=server.network))
    resolved, components = resolve_request(server, topic, options, progress)
    peers = PeerPool(options.transfer.peers)
    sync = _Sync(server, mirror, mirror.topic(resolved.name), resolved, selection, options, peers, progress, stop)
    if options.dry_run:
        sync.topic_mirror.check()
        reports = tuple(sync.report(component, sync.preview) for component in components)
    else:
        with sync.topic_mirror.lock(options.lock_timeout, progress.message):
            reports = tuple(sync.report(component, sync.bring) for component in components)
    return Report(resolved.name, resolved.id, reports, time.monotonic() - began, dropped_peers=peers.dropped)


@dataclass(frozen=True)
class _Sync:
    """The steps that each component takes.

    Attributes:
        planned: the plans that a dry run has found room for so far.
    """

    server: ControlServer
    mirror: Mirror
    topic_mirror: TopicMirror
    topic: Topic
    selection: Selection
    options: SyncOptions
    peers: PeerPool
    progress: Progress
    stop: Stop
    planned: list[Plan] = field(default_factory=list)

    def report(self, component: Component, steps: Callable[[Component], SyncSteps]) -> ComponentReport:
        """Take the steps of a component; an error that concerns it alone becomes its report."""
        began = time.monotonic()
        try:
            taken = steps(component)
        except (AccessError, DiskFullError, IntegrityError, NotFoundError, SettingsError, TransferError) as error:
            taken = SyncSteps(Outcome.FAILED, failures=(Failure.of(error),))
        taken = taken._replace(notes=(*taken.notes, *left_note(self.topic_mirror.left)))
        self.topic_mirror.left.clear()  # each thing is told once
        return taken.report(component, str(self.topic_mirror.link(component.type)), time.monotonic() - began)

    def bring(self, component: Component) -> SyncSteps:
        """Fetch what is missing of a component and publish it."""
        published = self.topic_mirror.published(component.type)
        offer, wanted = self._wanted(component, published)
        unchanged = published is not None and published.identity == identity(
            component, self._recorded(component), wanted
        )
        mended = mend(self.topic_mirror, published) if published is not None and unchanged else None
        if published is not None and mended is not None:
            images, failures = self._mirror_images(wanted)
            same = Changes(published.folder)
            return SyncSteps(Outcome.UNCHANGED, wanted, None, (), images, failures, same, notes=mended)
        for entry, content in offer.contents.items():
            if entry in wanted.files:
                self.mirror.store.add(entry, [content])
        link = self.topic_mirror.link(component.type)
        adopt(link, wanted, self.mirror.store, progress=self.progress, stop=self.stop)
        plan = self.mirror.plan(component, wanted)
        self.mirror.check_space([plan])
        received, notes, failures = self._fetch(component, plan)
        if failures:
            return SyncSteps(Outcome.FAILED, wanted, plan, received, failures=failures, notes=notes)
        images, failures = self._mirror_images(wanted)
        if failures:
            return SyncSteps(Outcome.FAILED, wanted, plan, received, images, failures, notes=notes)
        notes += unlisted_note(link, wanted)  # before the folder is replaced by a link
        publication = publish(self.topic_mirror, component, self._recorded(component), wanted)
        removal = retire(self.topic_mirror, component.type, self.options.keep)
        notes += publication.notes
        changes = changes_since(published, wanted)
        return SyncSteps(Outcome.PUBLISHED, wanted, plan, received, images, (), changes, removal, notes)

    def preview(self, component: Component) -> SyncSteps:
        """Say what :meth:`bring` would do, or that there is no room for it. Writes nothing."""
        published = self.topic_mirror.published(component.type)
        offer, wanted = self._wanted(component, published)
        plan = self.mirror.plan(component, wanted)
        folder = self.topic_mirror.link(component.type)
        candidates = adoptable(folder, wanted, self.mirror.store)
        at_hand = {entry.sha256 for entry in candidates}
        to_fetch = replace(plan, missing=tuple(entry for entry in plan.missing if entry.sha256 not in at_hand))
        self.mirror.check_space([*self.planned, to_fetch])
        self.planned.append(to_fetch)  # the next component needs room beside this one
        new = identity(component, self._recorded(component), wanted)
        unchanged = published is not None and published.identity == new
        old = () if unchanged else expired(self.topic_mirror, component.type, self.options.keep, new)
        return SyncSteps(
            Outcome.PLANNED,
            wanted,
            plan,
            images=self._planned_images(offer, wanted),
            changes=changes_since(published, wanted),
            removal=reclaimable(self.topic_mirror, old),
            notes=(*adoptable_note(candidates), *unlisted_note(folder, wanted)),
        )

    def _wanted(self, component: Component, published: Optional[Version]) -> tuple[Offer, Manifest]:
        """What the server offers, and the part of it that is selected; an unchanged manifest is not asked for again."""
        known = None
        if published and (published.component.id, published.selection) == (component.id, self._recorded(component)):
            known = published.manifest  # the same selection would choose the same files of it
        offer = resolve_offer(self.server, component, known)
        if offer.manifest is None:
            assert known is not None
            return offer, known
        return offer, self.selection.apply(offer.manifest)

    def _recorded(self, component: Component) -> Any:
        """The selection as versions of a component record it, with the edition of the rules that read it."""
        return {"rules": RULES, **self.selection.effective(component.type).to_json()}

    def _fetch(
        self, component: Component, plan: Plan
    ) -> tuple[tuple[SourceTotals, ...], tuple[str, ...], tuple[Failure, ...]]:
        """Fetch what is missing; gives what was received by source, notes about peers, and what failed."""
        if not plan.missing:
            return (), (), ()
        self.progress.begin(component.name, plan.missing_files, plan.missing_bytes)
        try:
            with self.stop.deferred():
                source, store = self.server.files(component), self.mirror.store
                transfer = self.options.transfer
                fetched = fetch(plan.missing, source, store, transfer, self.progress, self.stop, self.peers)
        finally:
            self.progress.end()
        if self.stop.requested():  # it may have come after fetch asked for the last time
            raise CancelledError("interrupted")
        return fetched.received, fetched.notes, fetched.failures

    def _mirror_images(self, wanted: Manifest) -> tuple[tuple[ContainerImage, ...], tuple[Failure, ...]]:
        """Mirror the container images, where that is asked for and the component has a list of them."""
        entry = next((entry for entry in wanted.files if entry.path == IMAGE_LIST), None)
        if entry is None or not self.options.registry:
            return (), ()
        document = self.mirror.store.read(entry.sha256)
        registry, network = self.options.registry, self.server.network
        login = topic_login(self.topic.registry, self.options.login_registries)
        mirrored = container_images.mirror(document, registry, login, network, self.progress, self.stop)
        return mirrored.images, mirrored.failures

    def _planned_images(self, offer: Offer, wanted: Manifest) -> tuple[ContainerImage, ...]:
        if not self.options.registry or not lists(wanted, IMAGE_LIST):
            return ()
        return tuple(
            ContainerImage(each.text, f"{self.options.registry}/{each.name}", ContainerImageOutcome.PLANNED)
            for content in offer.contents.values()
            for each in container_images.parse_image_list(content)
        )
