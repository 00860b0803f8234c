"""One topic, from settings to report: :func:`sync_topic` is the function to read first.

    topic and components ─► wanted files ─► what is missing ─► transfer ─► version tree ─► publish ─► report

Nothing is written before the whole request is known to be valid; nothing is removed before the new version is
published; a component that fails does not stop the others.

What is missing is found out by :mod:`dci_downloader.planning`; :mod:`dci_downloader.preview` says what a sync would do.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Optional

from dci_downloader import container_images
from dci_downloader.changes import Changes
from dci_downloader.component_state import missing_report, with_state
from dci_downloader.content.manifest import IMAGE_LIST_NAME
from dci_downloader.content.selection import Selection
from dci_downloader.control.offer import resolve_request
from dci_downloader.control.upstream import Upstream
from dci_downloader.errors import CancelledError, DiskFullError, ManifestError, SettingsError
from dci_downloader.hooks import NeverStop, NullProgress, Progress, Stop, entering, phase
from dci_downloader.mirror.adopt import unlisted_note
from dci_downloader.mirror.carried import is_carried
from dci_downloader.mirror.fetching import forget_fetching, recorded_fetching
from dci_downloader.mirror.index import refresh_index
from dci_downloader.mirror.mirror import Mirror
from dci_downloader.mirror.notice import put_notice
from dci_downloader.mirror.publish import publish
from dci_downloader.mirror.removal import leftover_note
from dci_downloader.mirror.retention import retire
from dci_downloader.mirror.topic import TopicMirror
from dci_downloader.mirror.version import changes_since
from dci_downloader.models import Component, Manifest, Plan, Topic
from dci_downloader.options import SyncOptions
from dci_downloader.planning import COMPONENT_ERRORS, ComponentPlan, Planner
from dci_downloader.preview import Preview, destination_notes
from dci_downloader.published_command import run_for_published
from dci_downloader.results import NOT_TRIED, ComponentReport, ContainerImage, Failure, Outcome, Removal, Report
from dci_downloader.room import Room
from dci_downloader.skopeo import topic_login
from dci_downloader.sync_steps import SyncSteps
from dci_downloader.transfer.sources import PeerPool

if TYPE_CHECKING:
    from dci_downloader.transfer.fetched import Fetched


def sync_topic(
    server: Upstream,
    mirror: Mirror,
    topic: str = "",
    selection: Selection = Selection(),  # noqa: B008  frozen
    *,
    options: SyncOptions = SyncOptions(),  # noqa: B008  frozen
    progress: Progress = NullProgress(),  # noqa: B008  has no state
    stop: Stop = NeverStop(),  # noqa: B008  has no state
    planned: Optional[list[Plan]] = None,
) -> Report:
    """Bring the newest build of a topic into a mirror and publish it.

    Safe to repeat: what is there is not fetched again, and where nothing is new nothing is written. After a failure,
    or a request to stop, the version published before is still published, and what was received stays for the next run.

    Args:
        server: the control server, or the mirror that is asked in its place.
        mirror: where the topic goes.
        topic: name, or pattern with a trailing ``*``; may be empty where ``options`` name a component or a job.
        selection: which files of each component are wanted.
        options: which components, how many older builds stay, how files are fetched.
        progress: gets files, bytes and messages.
        stop: asked whether to end early.
        planned: in a dry run of several topics, the plans of those before, which need room too; its own join them.

    Returns:
        What happened to each component. One that fails is a value in it, not an exception.

    Raises:
        AccessError: the credentials are refused.
        NotFoundError: there is no such topic or component.
        TransferError: the control server cannot be reached.
        SettingsError: the request contradicts itself, or the mirror cannot be written to.
        DiskFullError: there is no room.
        LockedError: another run holds the topic for longer than ``options.lock_timeout``.
        CancelledError: ``stop`` was requested; its ``report`` says what was done by then.
    """
    began = time.monotonic()
    options = _checked(server, mirror, options)
    with phase(progress, f"{topic or 'the topic'}: asking which builds there are"):
        resolved, components, missing = resolve_request(server, topic, options, progress)
    topic_mirror, peers = mirror.topic(resolved.name), PeerPool(options.transfer.peers)
    topic_mirror.created_at = resolved.created_at  # for the list of topics that other mirrors read
    room = Room(mirror, options, planned if planned is not None and options.dry_run else [], progress)
    planner = Planner(server, mirror, topic_mirror, selection, options.dry_run, progress, stop, room)
    sync = _Sync(server, mirror, topic_mirror, resolved, options, peers, progress, stop)
    if options.dry_run:
        notes = destination_notes(topic_mirror)
        reports = [sync.report(plan, sync.preview) for plan in planner.plan(components)]
        reports[:1] = [replace(report, notes=(*report.notes, *notes)) for report in reports[:1]]
    else:
        reports = _fetch_and_publish(sync, planner, components)
        reports = _try_again(sync, planner, topic, reports)
    reports = room.with_note(reports)
    reports += [missing_report(topic_mirror, component_type, error) for component_type, error in missing.items()]
    report = Report(resolved.name, resolved.id, tuple(reports), time.monotonic() - began, dropped_peers=peers.dropped)
    if report.exit_code == CancelledError.exit_code:
        error = CancelledError("interrupted")
        error.report = report
        raise error
    if options.on_published:
        report = run_for_published(report, topic_mirror, options.on_published, progress, stop)
    return report


def _checked(server: Upstream, mirror: Mirror, options: SyncOptions) -> SyncOptions:
    """The options with the server's network, once it is clear that a sync with them is possible.

    Raises:
        SettingsError: the server is the mirror itself, or container images are asked for and cannot be mirrored.
    """
    if options.registry:
        container_images.require_skopeo(options.registry)
    if server.is_at(mirror.root):
        raise SettingsError(f"{server.mirror} is the mirror itself", hint="from and DEST are two mirrors")
    if options.transfer.network is None:  # the server's proxies and certificates count for files, too
        options = replace(options, transfer=replace(options.transfer, network=server.network))
    return options


def _fetch_and_publish(sync: _Sync, planner: Planner, components: Sequence[Component]) -> list[ComponentReport]:
    """Mirror the components under the topic's lock; where room is made for them, they are planned anew after that."""
    while True:
        lock = sync.topic_mirror.lock(sync.options.lock_timeout, sync.progress.message)
        with entering(sync.progress, f"{sync.topic.name}: preparing the mirror", lock):
            plans = planner.plan(components)
            shortage = planner.room.shortage([planner.needing_room(plan) for plan in plans])
            if not shortage:
                return list(sync.fetch_and_publish_all(plans))
        planner.room.make(shortage)  # once, and unlocked: it takes the locks of other topics, too


def _try_again(sync: _Sync, planner: Planner, topic: str, reports: Sequence[ComponentReport]) -> list[ComponentReport]:
    """The reports; where another mirror is asked and has changed meanwhile, components that failed are tried again."""
    failed = {report.type for report in reports if report.outcome is Outcome.FAILED}
    if not failed or sync.stop.requested() or not sync.server.outdated():
        return list(reports)
    sync.progress.message(f"{sync.server.mirror} has changed meanwhile: trying again with what it has now")
    now = resolve_request(sync.server, topic, sync.options, sync.progress).components
    again = [component for component in now if component.type in failed]
    others = [report for report in reports if report.type not in failed]
    return others + _fetch_and_publish(sync, planner, again)


@dataclass(frozen=True)
class _Sync:
    """The sync of one topic: the steps that each of its components takes once it is planned.

    Attributes:
        fetched_digests: of the contents that this run has fetched.
    """

    server: Upstream
    mirror: Mirror
    topic_mirror: TopicMirror
    topic: Topic
    options: SyncOptions
    peers: PeerPool
    progress: Progress
    stop: Stop
    fetched_digests: set[str] = field(default_factory=set)

    def fetch_and_publish_all(self, plans: Sequence[ComponentPlan]) -> Iterator[ComponentReport]:
        """Mirror the components in turn.

        Once one finds the disk full, others that need room fail untried; once the run is interrupted, all do.
        """
        is_full = is_over = False
        for planned in plans:
            if is_over:
                planned = replace(planned, error=CancelledError(NOT_TRIED))
            elif is_full and planned.plan is not None and planned.error is None:
                planned = replace(planned, error=DiskFullError(NOT_TRIED))
            report = self.report(planned, self.fetch_and_publish)
            yield report
            codes = {failure.exit_code for failure in report.failures}
            is_over = is_over or CancelledError.exit_code in codes
            is_full = is_full or (planned.error is None and DiskFullError.exit_code in codes)

    def report(self, planned: ComponentPlan, steps: Callable[[ComponentPlan], SyncSteps]) -> ComponentReport:
        """Take the steps of a component, and report; an error that concerns it alone is a failure in the report."""
        began, component = time.monotonic(), planned.component
        if planned.skipped:
            taken = SyncSteps(Outcome.SKIPPED, notes=("it has no files, so there is nothing to mirror",))
            return taken.report(component, "", planned.seconds)
        try:
            if planned.error is not None:
                raise planned.error
            taken = steps(planned)
        except (*COMPONENT_ERRORS, CancelledError) as error:
            wanted = planned.wanted if planned.plan else Manifest("", ())
            taken = SyncSteps(Outcome.FAILED, wanted, planned.plan, failures=(Failure.of(error),))
        taken = with_state(taken, planned, self.mirror, self.topic_mirror)
        taken = taken._replace(notes=(*taken.notes, *leftover_note(self.topic_mirror.leftovers)))
        self.topic_mirror.leftovers.clear()  # each is reported once
        path = ""
        with suppress(ManifestError):  # its type cannot be a folder, and that is its failure
            link = self.topic_mirror.link(component.type)
            path = "" if is_carried(link) else str(link)
        return taken.report(component, path, planned.seconds + time.monotonic() - began)

    def fetch_and_publish(self, planned: ComponentPlan) -> SyncSteps:
        """Fetch what is missing of a component and publish it."""
        if planned.held:
            return self.preview(planned)
        if planned.plan is None:
            return self._leave_published(planned)
        component, wanted, plan = planned.component, planned.wanted, planned.plan
        if not self.fetched_digests.isdisjoint(entry.sha256 for entry in plan.missing):
            plan = self.mirror.plan(component, wanted)  # a component before this one brought some of the content
        fetched = self._fetch(component, plan)
        received, assembled, notes = fetched.received, fetched.assembled, fetched.notes
        taken = SyncSteps(Outcome.FAILED, wanted, plan, received, assembled=assembled, notes=notes)
        if fetched.failures:
            return taken._replace(failures=fetched.failures)
        self.fetched_digests.update(entry.sha256 for entry in plan.missing)
        images, failures = self._mirror_images(wanted)
        taken = taken._replace(images=images, failures=failures)
        if failures:
            return taken
        unlisted = unlisted_note(self.topic_mirror.link(component.type), wanted)  # before a link replaces the folder
        if self.options.on_published:
            since = planned.published.folder if planned.published else ""
            put_notice(self.topic_mirror, component.type, planned.identity, since)
        publication = publish(self.topic_mirror, component, planned.selection, wanted, self.progress)
        forget_fetching(self.topic_mirror, component.type)
        removal, left_older = self._remove_older(component)
        went_back = planned.went_back(self.server, self.options)
        return taken._replace(
            outcome=Outcome.PUBLISHED,
            changes=changes_since(planned.published, wanted),
            removal=removal,
            notes=(*notes, *unlisted, *left_older, *publication.notes, *went_back),
        )

    def preview(self, planned: ComponentPlan) -> SyncSteps:
        """Say what :meth:`fetch_and_publish` would do."""
        return Preview(self.server, self.mirror, self.topic_mirror, self.options, self.progress).steps(planned)

    def _leave_published(self, planned: ComponentPlan) -> SyncSteps:
        """Leave a component as it is published; its index and container images are brought up to date."""
        assert planned.published is not None
        component_type, wanted = planned.component.type, planned.wanted
        forget_fetching(self.topic_mirror, component_type)  # an interrupted build is not shown any more
        notes = refresh_index(self.topic_mirror, component_type)
        images, failures = self._mirror_images(wanted)
        same = Changes(planned.published.folder)
        return SyncSteps(Outcome.UNCHANGED, wanted, None, (), images, failures, same, notes=notes)

    def _fetch(self, component: Component, plan: Plan) -> Fetched:
        """Fetch what is missing."""
        from dci_downloader.transfer.fetched import Fetched  # a run with nothing new need not wait for that
        from dci_downloader.transfer.missing import MissingFiles

        if not plan.missing:
            return Fetched(received=())
        with recorded_fetching(self.topic_mirror, component, plan, self.progress) as progress:
            missing = MissingFiles(self.server, self.mirror.store, self.options.transfer, self.peers, self.stop)
            return missing.fetch(component, plan, progress)

    def _remove_older(self, component: Component) -> tuple[Removal, tuple[str, ...]]:
        """Remove the versions that are not kept; where that fails, a note says so: what is published is published."""
        try:
            with phase(self.progress, f"{component.name}: removing older versions"):
                return retire(self.topic_mirror, component.type, self.options.keep), ()
        except COMPONENT_ERRORS as error:
            return Removal(), (f"older versions could not be removed: {error}",)

    def _mirror_images(self, wanted: Manifest) -> tuple[tuple[ContainerImage, ...], tuple[Failure, ...]]:
        """Mirror the container images, where that is asked for and the component has a list of them."""
        entry = next((entry for entry in wanted.files if entry.path == IMAGE_LIST_NAME), None)
        if entry is None or not self.options.registry:
            return (), ()
        document = self.mirror.store.read(entry.sha256)
        registry, network = self.options.registry, self.server.network
        login = topic_login(self.topic.registry, self.options.login_registries)
        mirrored = container_images.mirror(document, registry, login, network, self.progress, self.stop)
        return mirrored.images, mirrored.failures
