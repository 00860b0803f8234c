"""What the status page shows of a component beside its row: repositories, and past builds with their changes."""

from __future__ import annotations

from collections.abc import Iterator

from dci_downloader.changes import Changes
from dci_downloader.content.plan import changes
from dci_downloader.errors import DownloaderError
from dci_downloader.mirror.history import Build, History
from dci_downloader.mirror.mirror import Mirror
from dci_downloader.mirror.native import native
from dci_downloader.mirror.repositories import repositories
from dci_downloader.mirror.status import StatusRow
from dci_downloader.mirror.version import Version
from dci_downloader.models import folder_name
from dci_downloader.page.repository_lines import Source, sources


def sources_of(mirror: Mirror, row: StatusRow) -> tuple[Source, ...]:
    """The repositories of what is published of a type."""
    if not row.version:
        return ()
    topic = mirror.topic(row.topic)
    try:
        tree = topic.versions_folder(row.type) / native(row.version)
    except DownloaderError:  # a link in the way, which the status tells
        return ()
    return sources(folder_name(row.topic), row.topic, folder_name(row.type), repositories(tree))


def past_builds(mirror: Mirror, row: StatusRow, history: History) -> tuple[Build, ...]:
    """The last builds of a type, each as it was published last, and the present one where no history has it."""
    builds = history.builds_of(row.topic, row.type)
    if row.published_at is not None and not any(build.version == row.version for build in builds):
        builds = (*_present(mirror, row), *builds)
    found: dict[str, Build] = {}
    for build in builds:  # another selection of one, or one that is published again after a rollback, is no other build
        found.setdefault(build.id or build.version, build)
    return tuple(found.values())


def _present(mirror: Mirror, row: StatusRow) -> Iterator[Build]:
    """The build that is published, by its record, and what differs in it from the version before."""
    topic = mirror.topic(row.topic)
    try:
        published, older = topic.published(row.type), topic.older_versions(row.type)
    except DownloaderError:
        return
    if published is None or row.published_at is None:
        return
    before = topic.load(older[0]) if older else None
    found = changes(before.folder, before.manifest, published.manifest) if isinstance(before, Version) else Changes()
    amounts, id = (row.files, row.size), published.component.id
    yield Build(row.topic, row.type, row.version, *amounts, row.published_at, found.since, found.packages, id=id)
