"""What a sync would do with a component: for a dry run, and for a type that is held. Writes nothing."""

from __future__ import annotations

from dataclasses import dataclass

from dci_downloader.container_images import parse_image_list
from dci_downloader.content.manifest import IMAGE_LIST_NAME
from dci_downloader.control.offer import lists
from dci_downloader.control.upstream import Upstream
from dci_downloader.errors import SettingsError
from dci_downloader.formatting import size
from dci_downloader.hooks import Progress
from dci_downloader.mirror.adopt import adoptable_note, unlisted_note
from dci_downloader.mirror.files import check_folder
from dci_downloader.mirror.folders import require_own_name
from dci_downloader.mirror.hold import check_hold
from dci_downloader.mirror.mirror import Mirror
from dci_downloader.mirror.retention import expired, reclaimable
from dci_downloader.mirror.topic import TopicMirror
from dci_downloader.mirror.version import changes_since
from dci_downloader.options import SyncOptions
from dci_downloader.planning import ComponentPlan
from dci_downloader.results import Assembled, ContainerImage, ContainerImageOutcome, Outcome
from dci_downloader.sync_steps import SyncSteps


def destination_notes(topic_mirror: TopicMirror) -> tuple[str, ...]:
    """What a dry run has to say of its destination, a line each: that this user may read it, and not write to it.

    Raises:
        SettingsError: something else is in the place of the mirror, or this user may not read it.
    """
    topic_mirror.store.check(writing=False)
    check_folder(topic_mirror.path, writing=False)
    require_own_name(topic_mirror.path)
    try:
        topic_mirror.store.check()
        check_folder(topic_mirror.path)
    except SettingsError as error:
        return (f"the run itself would fail: {error}; {error.hint}",)
    return ()


@dataclass(frozen=True)
class Preview:
    """Previews the components of one topic."""

    server: Upstream
    mirror: Mirror
    topic_mirror: TopicMirror
    options: SyncOptions
    progress: Progress

    def steps(self, planned: ComponentPlan) -> SyncSteps:
        """The steps that a sync would take with a component; with one that is held, once it is released.

        Raises:
            SettingsError: the type is held, and a job asks for another version than is published.
            IntegrityError: the version that is held is gone, or the list of container images cannot be used.
        """
        component, wanted = planned.component, planned.wanted
        held_notes: tuple[str, ...] = ()
        if planned.held:
            held_notes = check_hold(self.topic_mirror, component.type, for_job=self.options.job is not None)
        for entry in planned.to_fetch.missing if planned.to_fetch else ():
            self.progress.detail(f"would fetch {entry.path} ({size(entry.size)})")
        new = planned.identity
        unchanged = planned.published is not None and planned.published.identity == new
        stays, keep = unchanged or planned.held, self.options.keep
        old = () if stays else expired(self.topic_mirror, component.type, keep, new, component.id)
        unlisted = unlisted_note(self.topic_mirror.link(component.type), wanted)
        went_back = planned.went_back(self.server, self.options)
        return SyncSteps(
            Outcome.HELD if planned.held else Outcome.PLANNED,
            wanted,
            planned.plan,
            images=self._images(planned),
            changes=changes_since(planned.published, wanted),
            removal=reclaimable(self.topic_mirror, old),
            notes=(*held_notes, *adoptable_note(planned.adoptable), *unlisted, *went_back),
            assembled=self._assembled(planned),
        )

    def _assembled(self, planned: ComponentPlan) -> Assembled:
        """What is expected of putting images together."""
        from dci_downloader.transfer.assembling import Parts  # a sync that previews nothing need not wait for that
        from dci_downloader.transfer.tuning import Tuning

        missing = planned.to_fetch.missing if planned.to_fetch else ()
        return Parts(planned.wanted.files, self.mirror.store, Tuning()).expected(missing)

    def _images(self, planned: ComponentPlan) -> tuple[ContainerImage, ...]:
        """The container images that would be mirrored, where that is asked for."""
        if not self.options.registry or not lists(planned.wanted, IMAGE_LIST_NAME):
            return ()
        return tuple(
            ContainerImage(each.text, f"{self.options.registry}/{each.name}", ContainerImageOutcome.PLANNED)
            for content in planned.contents.values()
            for each in parse_image_list(content)
        )
