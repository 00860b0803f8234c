"""What a mirror lacks of a component, and what differs between two versions: rules without I/O.

* Content that several paths want is fetched once, under the first of them.
* The biggest file comes first, so that none is left alone at the end of a run; files of one size go by path, so that
  the same mirror always gives the same plan.
"""

from __future__ import annotations

from collections.abc import Callable

from dci_downloader.changes import Changes
from dci_downloader.content.package_changes import package_changes
from dci_downloader.models import FileEntry, Manifest, Plan


def make_plan(wanted: Manifest, holds: Callable[[FileEntry], bool], partial_bytes: Callable[[FileEntry], int]) -> Plan:
    """What a mirror still lacks of a component.

    Args:
        wanted: the manifest after selection.
        holds: whether the mirror has the content of an entry; asked once for each content.
        partial_bytes: how many bytes of an entry earlier runs received; asked only for what is missing.
    """
    contents: dict[str, FileEntry] = {}  # by digest
    for entry in wanted.files:
        contents.setdefault(entry.sha256, entry)
    missing = sorted(
        (entry for entry in contents.values() if not holds(entry)), key=lambda entry: (-entry.size, entry.path)
    )
    left = sum(min(partial_bytes(entry), entry.size) for entry in missing)
    return Plan(wanted, tuple(missing), left)


def changes(since: str, before: Manifest, after: Manifest) -> Changes:
    """What differs between two versions: files by path and content, packages by name and version.

    Args:
        since: the name of the version before.
        before: what that version holds.
        after: what the version after it holds.
    """
    old, new = ({path: sha256 for path, sha256, _ in manifest.files} for manifest in (before, after))
    both = old.keys() & new.keys()
    changed = sum(old[path] != new[path] for path in both)
    packages = package_changes(before.files, after.files)
    return Changes(since, len(new) - len(both), changed, len(old) - len(both), packages)
