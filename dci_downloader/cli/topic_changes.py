"""The commands that change a topic of a mirror without a server: hold, release and remove; as text and as JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Optional

from dci_downloader import formatting
from dci_downloader.cli.output import CommandResult
from dci_downloader.hooks import Progress
from dci_downloader.mirror import hold as hold_module
from dci_downloader.mirror import remove as remove_module
from dci_downloader.mirror.hold import Hold
from dci_downloader.mirror.mirror import Mirror

Change = Callable[[Mirror, str, str, Optional[float], Progress], CommandResult]
"""Takes the mirror, TOPIC, TYPE (empty for all), the seconds to wait for another run, and who is told of a wait."""


def hold(
    mirror: Mirror, topic_name: str, component_type: str, timeout: Optional[float], progress: Progress
) -> CommandResult:
    """Keep what is published of a topic.

    Raises:
        NotFoundError: there is no such topic or type, or nothing of it is published.
        LockedError: another run holds the topic for longer than ``timeout``.
    """
    holds = hold_module.hold(mirror, topic_name, component_type, timeout=timeout, progress=progress)
    lines = [f"{each.topic} {each.type} stays at {each.version}" for each in holds]
    return CommandResult(lines, {"held": _documents(holds)})


def release(
    mirror: Mirror, topic_name: str, component_type: str, timeout: Optional[float], progress: Progress
) -> CommandResult:
    """Have a topic follow the newest build again.

    Raises:
        NotFoundError: there is no such topic or type.
        LockedError: another run holds the topic for longer than ``timeout``.
    """
    holds = hold_module.release(mirror, topic_name, component_type, timeout=timeout, progress=progress)
    lines = [f"{each.topic} {each.type} is not held any more: the next sync publishes the newest" for each in holds]
    return CommandResult(lines or ["nothing of it was held"], {"released": _documents(holds)})


def remove(
    mirror: Mirror, topic_name: str, component_type: str, timeout: Optional[float], progress: Progress
) -> CommandResult:
    """Forget a topic, or a type of it.

    Raises:
        NotFoundError: there is no such topic or type.
        SettingsError: it is held, or a folder cannot be read.
        LockedError: another run is working in the mirror for longer than ``timeout``.
    """
    removed = remove_module.remove(mirror, topic_name, component_type, timeout=timeout, progress=progress)
    removal = removed.removal
    versions = formatting.count(len(removal.versions), "version")
    freed = f"{versions}, {formatting.count(removal.files, 'file')}, {formatting.size(removal.size)} freed"
    lines = [f"removed {removed.topic} {', '.join(removed.types)}: {freed}", *(f"  note: {n}" for n in removed.notes)]
    document = {
        "topic": removed.topic,
        "types": list(removed.types),
        "versions": list(removal.versions),
        "files": removal.files,
        "size": removal.size,
        "notes": list(removed.notes),
    }
    return CommandResult(lines, document)


def _documents(holds: Sequence[Hold]) -> list[dict[str, str]]:
    return [each._asdict() for each in holds]


CHANGES: Mapping[str, Change] = {"hold": hold, "release": release, "remove": remove}
"""The changes, by their commands."""
