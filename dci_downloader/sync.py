"""One topic, from settings to report. The function to read first.

    topic and components ─► wanted files ─► what is missing ─► transfer ─► version tree ─► publish ─► report

Nothing is written before everything that can be wrong with the request is known to be right; nothing is removed before
the new version is published; what one component lacks does not stop the others.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Optional

from dci_downloader import container_images, formatting
from dci_downloader.content.plan import changes
from dci_downloader.content.selection import RULES, Selection
from dci_downloader.control.client import ControlServer
from dci_downloader.control.resolver import resolve_components, resolve_job, resolve_topic
from dci_downloader.errors import (
    AccessError,
    CancelledError,
    DiskFullError,
    DownloaderError,
    IntegrityError,
    NotFoundError,
    SettingsError,
    TransferError,
)
from dci_downloader.hooks import NeverStop, NullProgress, Progress, Stop
from dci_downloader.mirror.adopt import adopt, adoptable, unlisted_files
from dci_downloader.mirror.files import disk_errors
from dci_downloader.mirror.mirror import Mirror
from dci_downloader.mirror.topic import TopicMirror
from dci_downloader.mirror.version import Version, identity
from dci_downloader.models import Component, FileEntry, Manifest, Plan, Topic, folder_name
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
)
from dci_downloader.transfer.engine import fetch
from dci_downloader.transfer.sources import PeerPool

IMAGE_LIST = "images_list.yaml"
"""What a component offers beside its manifest, and where it is saved: at the root, as the previous downloader does."""


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
    or a request to stop, the version that was published before is still published and what came stays for the next run.

    Args:
        server: whom to ask.
        mirror: where the topic goes.
        topic: name, or pattern with a trailing ``*``; may be empty where ``options`` name a component or a job.
        selection: which files of each component.
        options: which components, how many older versions stay, how files are fetched.
        progress: told what happens.
        stop: asked whether to end early.

    Returns:
        What happened to each component. One that could not be brought is a value in it, not an exception.

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
        container_images.require(options.registry)
    found, components = _resolve(server, topic, options, progress)
    peers = PeerPool(options.transfer.peers)
    sync = _Sync(server, mirror, mirror.topic(found.name), found, selection, options, peers, progress, stop)
    if options.dry_run:
        sync.folder.check()
        reports = tuple(sync.attempt(sync.preview, component) for component in components)
    else:
        with sync.folder.lock(options.lock_timeout, progress.message):
            reports = tuple(sync.attempt(sync.bring, component) for component in components)
    return Report(found.name, found.id, reports, time.monotonic() - began, dropped_peers=peers.dropped)


def _resolve(
    server: ControlServer, topic: str, options: SyncOptions, progress: Progress
) -> tuple[Topic, tuple[Component, ...]]:
    if options.job is not None:
        return resolve_job(options.job, topic)
    if topic:
        found = resolve_topic(server, topic, progress)
    elif options.component_id:
        found = server.topic(server.component(options.component_id).topic_id)
    else:
        raise SettingsError("neither a topic, nor a component, nor a job says what to mirror")
    return found, resolve_components(server, found, options.filters, options.component_id or None, progress)


@dataclass(frozen=True)
class _Sync:
    """The steps that each component takes.

    Attributes:
        planned: what a dry run has planned so far and found room for.
    """

    server: ControlServer
    mirror: Mirror
    folder: TopicMirror
    topic: Topic
    selection: Selection
    options: SyncOptions
    peers: PeerPool
    progress: Progress
    stop: Stop
    planned: list[Plan] = field(default_factory=list)

    def attempt(self, step: Callable[[Component], ComponentReport], component: Component) -> ComponentReport:
        """Take a step; what goes wrong with this component alone becomes its report."""
        began = time.monotonic()
        try:
            report = step(component)
        except (AccessError, DiskFullError, IntegrityError, NotFoundError, SettingsError, TransferError) as error:
            report = self._failed(component, error)
        return replace(report, seconds=time.monotonic() - began)

    def bring(self, component: Component) -> ComponentReport:
        """Fetch what is missing of a component and publish it."""
        published = self.folder.published(component.type)
        wanted, image_list = self._wanted(component, published)
        if published is not None and self._is(published, component, wanted) and self.folder.intact(published):
            report = replace(self._report(component, Outcome.UNCHANGED, wanted), changes=Changes(published.folder))
            return self._with_images(report, wanted)
        if image_list is not None:
            self.mirror.store.add(_image_list_entry(image_list), [image_list])
        adopt(self.folder.link(component.type), wanted, self.mirror.store, progress=self.progress, stop=self.stop)
        plan = self.mirror.plan(component, wanted)
        self.mirror.check_space([plan])
        received, notes, failures = self._fetch(component, plan)
        report = self._with_plan(self._report(component, Outcome.FAILED, wanted), plan)
        report = replace(
            report,
            files_downloaded=sum(each.files for each in received),
            bytes_downloaded=sum(each.bytes for each in received),
            received=received,
            notes=(*report.notes, *notes),
        )
        if failures:
            return replace(report, failures=failures)
        report = self._with_images(report, wanted)
        if report.failures:
            return report
        notes = (*report.notes, *self._strangers(component, wanted))
        done = self.folder.publish(component, self._recorded(component), wanted)
        removed = self.folder.retire(component.type, self.options.keep)
        return replace(
            report,
            outcome=Outcome.PUBLISHED,
            changes=_changes(published, wanted),
            versions_removed=removed.versions,
            bytes_removed=removed.size,
            notes=(*notes, *done.notes),
        )

    def preview(self, component: Component) -> ComponentReport:
        """What :meth:`bring` would do, or fail at for want of room. Writes nothing."""
        published = self.folder.published(component.type)
        wanted, _ = self._wanted(component, published)
        plan = self.mirror.plan(component, wanted)
        found = adoptable(self.folder.link(component.type), wanted, self.mirror.store)
        at_hand = {entry.sha256 for entry in found}
        needed = replace(plan, missing=tuple(e for e in plan.missing if e.sha256 not in at_hand))
        self.mirror.check_space([*self.planned, needed])
        self.planned.append(needed)
        surplus: tuple[Version, ...] = ()
        if published is None or not self._is(published, component, wanted):
            coming = identity(component, self._recorded(component), wanted)
            surplus = self.folder.expired(component.type, self.options.keep, coming)
        removed = self.folder.reclaimable(surplus)
        report = self._with_plan(self._report(component, Outcome.PLANNED, wanted), plan)
        report = replace(report, images=self._planned_images(component, wanted))
        return replace(
            report,
            changes=_changes(published, wanted),
            versions_removed=removed.versions,
            bytes_removed=removed.size,
            notes=(*report.notes, *self._adoption(component, wanted, found)),
        )

    def _adoption(self, component: Component, wanted: Manifest, found: Sequence[FileEntry]) -> tuple[str, ...]:
        """What a plain folder of the previous downloader would save, by size alone."""
        notes = self._strangers(component, wanted)
        if found:
            what = f"{formatting.count(len(found), 'file')}, {formatting.size(sum(entry.size for entry in found))}"
            notes = (f"of these, up to {what} may be taken over from the folder that is there, once checked", *notes)
        return notes

    def _strangers(self, component: Component, wanted: Manifest) -> tuple[str, ...]:
        """What else stands in such a folder and goes with it."""
        place = self.folder.link(component.type)
        found = unlisted_files(place, wanted)
        if not found.files:
            return ()
        what = f"{formatting.count(found.files, 'file')}, {formatting.size(found.size)}"
        return (f"{what} in the folder {place} are no part of this build: the run after its publication removes them",)

    def _recorded(self, component: Component) -> Any:
        """The selection as versions of a component record it, with the edition of the rules that read it."""
        return {"rules": RULES, **self.selection.effective(component.type).to_json()}

    def _is(self, version: Version, component: Component, wanted: Manifest) -> bool:
        return version.identity == identity(component, self._recorded(component), wanted)

    def _wanted(self, component: Component, published: Optional[Version]) -> tuple[Manifest, Optional[bytes]]:
        """The files to have, and the image list if it is one of them without being in the manifest.

        A manifest that is known is only asked whether it changed.
        """
        image_list = self._image_list(component)
        if published is not None and (published.component.id, published.selection) == (
            component.id,
            self._recorded(component),
        ):
            recorded = [entry for entry in published.manifest.files if entry.path == IMAGE_LIST]
            same = recorded == ([] if image_list is None else [_image_list_entry(image_list)])
            if same and self.server.manifest(component, etag=published.manifest.etag) is None:
                return published.manifest, image_list
        manifest = self.server.manifest(component)
        if image_list is not None and not _holds(manifest, IMAGE_LIST):
            wanted = self.selection.apply(replace(manifest, files=(*manifest.files, _image_list_entry(image_list))))
            return wanted, image_list if _holds(wanted, IMAGE_LIST) else None
        return self.selection.apply(manifest), None

    def _image_list(self, component: Component) -> Optional[bytes]:
        image_list = self.server.image_list(component)
        if image_list is not None and image_list.lstrip().startswith(b"<"):
            raise TransferError(f"{IMAGE_LIST} of {component.name} is a web page", hint="does a proxy stand between?")
        return image_list

    def _fetch(
        self, component: Component, plan: Plan
    ) -> tuple[tuple[SourceTotals, ...], tuple[str, ...], tuple[Failure, ...]]:
        """Bring what is missing: what came from where, notes about peers, and what could not be had."""
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
        if self.stop.requested():  # since fetch asked for the last time
            raise CancelledError("interrupted")
        return fetched.received, fetched.notes, fetched.failures

    def _with_images(self, report: ComponentReport, wanted: Manifest) -> ComponentReport:
        """Mirror the container images, where they are asked for and the component names some, and report on them."""
        listed = [entry for entry in wanted.files if entry.path == IMAGE_LIST] if self.options.registry else []
        if not listed:
            return report
        path = self.mirror.store.path(listed[0].sha256)
        with disk_errors(path):
            document = path.read_bytes()
        registry, login, network = self.options.registry, self.topic.registry, self.server.network
        done = container_images.mirror(document, registry, login, network, self.progress, self.stop)
        outcome = Outcome.FAILED if done.failures else report.outcome
        return replace(report, outcome=outcome, images=done.images, failures=(*report.failures, *done.failures))

    def _planned_images(self, component: Component, wanted: Manifest) -> tuple[ContainerImage, ...]:
        document = self._image_list(component) if self.options.registry and _holds(wanted, IMAGE_LIST) else None
        planned = container_images.parse(document) if document is not None else ()
        return tuple(
            ContainerImage(each.text, f"{self.options.registry}/{each.name}", ContainerImageOutcome.PLANNED)
            for each in planned
        )

    def _report(self, component: Component, outcome: Outcome, wanted: Manifest) -> ComponentReport:
        return ComponentReport(
            id=component.id,
            name=component.name,
            type=component.type,
            version=component.version,
            tags=component.tags,
            path=str(self.folder.link(component.type)),
            outcome=outcome,
            files=len(wanted.files),
            size=wanted.size,
            files_reused=len(wanted.files),
            bytes_reused=wanted.size,
            notes=wanted.warnings,
        )

    def _with_plan(self, report: ComponentReport, plan: Plan) -> ComponentReport:
        missing = sum(entry.size for entry in plan.missing)
        return replace(
            report,
            files_downloaded=plan.missing_files,
            bytes_downloaded=plan.missing_bytes,
            files_reused=len(plan.wanted.files) - plan.missing_files,
            bytes_reused=plan.wanted.size - missing,
        )

    def _failed(self, component: Component, error: DownloaderError) -> ComponentReport:
        return ComponentReport(
            id=component.id,
            name=component.name,
            type=component.type,
            version=component.version,
            tags=component.tags,
            path=str(self.folder.path / folder_name(component.type)),
            outcome=Outcome.FAILED,
            failures=(Failure("", str(error), error.exit_code, error.hint),),
        )


def _changes(published: Optional[Version], wanted: Manifest) -> Changes:
    if published is None:
        return Changes(added=len(wanted.files))
    return changes(published.folder, published.manifest, wanted)


def _holds(manifest: Manifest, path: str) -> bool:
    """Whether something of that name is in the manifest: a file, a link, or a folder."""
    names = [*(entry.path for entry in manifest.files), *(link.path for link in manifest.symlinks)]
    return any(name == path or name.startswith(f"{path}/") for name in names)


def _image_list_entry(image_list: bytes) -> FileEntry:
    return FileEntry(IMAGE_LIST, hashlib.sha256(image_list).hexdigest(), len(image_list))
