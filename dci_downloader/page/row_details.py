"""What the status page shows of a component beside its row: repositories, and past builds with their changes."""

from __future__ import annotations

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
    """The last builds of a type; only the present one where it was published before there was a history."""
    builds = history.builds_of(row.topic, row.type)
    if row.published_at is None or any(build.version == row.version for build in builds):
        return builds
    found = _changes(mirror, row)
    since = found.since
    now = Build(row.topic, row.type, row.version, row.files, row.size, row.published_at, since, found.packages)
    return (now, *builds)


def _changes(mirror: Mirror, row: StatusRow) -> Changes:
    """What differs between a published version and the one before it, by their records."""
    topic = mirror.topic(row.topic)
    try:
        published, older = topic.published(row.type), topic.older_versions(row.type)
    except DownloaderError:
        return Changes()
    before = topic.load(older[0]) if older else None
    if published is None or not isinstance(before, Version):
        return Changes()
    return changes(before.folder, before.manifest, published.manifest)
