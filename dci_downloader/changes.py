"""What differs between two builds: files, and packages by name and version; all immutable."""

from __future__ import annotations

import enum
from typing import NamedTuple


class PackageChangeKind(enum.Enum):
    """How a package differs from one build to the next.

    ``CHANGED`` is neither up nor down: one of several versions in the same tree was added or removed. ``REBUILT``
    has another content under the same version: it was signed or built again.
    """

    UPGRADED = "upgraded"
    DOWNGRADED = "downgraded"
    CHANGED = "changed"
    REBUILT = "rebuilt"
    ADDED = "added"
    REMOVED = "removed"


class PackageChange(NamedTuple):
    """A package that differs between two builds.

    Attributes:
        before: versions, each with its release, that only the older build has; of a rebuilt one, its version.
        after: those that only the newer build has; of a rebuilt one, its version.
        trees: those with this difference: ``BaseOS/x86_64``, or an architecture alone where files lie in no such
            folders.
        everywhere: whether all trees of either build that hold the package have this difference.
        source: whether it is a source package.
    """

    name: str
    kind: PackageChangeKind
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    trees: tuple[str, ...] = ()
    everywhere: bool = True
    source: bool = False

    @property
    def label(self) -> str:
        """The name for people, which tells a source package from others."""
        return f"{self.name} (source)" if self.source else self.name

    @property
    def transition(self) -> str:
        """What became of the versions, for people: ``5-1 → 5-2``, and where, unless it is so everywhere."""
        where = "" if self.everywhere else f"  ({', '.join(self.trees)})"
        before, after = ", ".join(self.before), ", ".join(self.after)
        if self.kind is PackageChangeKind.CHANGED and not (before and after):
            return (f"also {after}" if after else f"no longer {before}") + where
        if self.kind is PackageChangeKind.REBUILT:
            return f"{after}, with another content{where}"
        return " → ".join(filter(None, (before, after))) + where


class Changes(NamedTuple):
    """What differs between two builds.

    Attributes:
        since: the older build; empty where there is none, and then every file is added, and no package is listed.
        added: how many paths only the newer build has.
        changed: how many paths have another content.
        removed: how many paths only the older build has.
        packages: sorted by name.
    """

    since: str = ""
    added: int = 0
    changed: int = 0
    removed: int = 0
    packages: tuple[PackageChange, ...] = ()
