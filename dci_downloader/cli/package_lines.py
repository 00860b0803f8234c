"""Which packages differ between two builds, as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dci_downloader import formatting
from dci_downloader.changes import PackageChange, PackageChangeKind

_NAMES_SHOWN = 3
"""How many packages of each kind a summary names."""


def summary(packages: Sequence[PackageChange], names_shown: int = _NAMES_SHOWN) -> str:
    """One line: ``3 upgraded (bash, curl, kernel); 1 added (zlib)``; empty where no package differs.

    Args:
        packages: that differ.
        names_shown: how many of each kind are named; 0 for the numbers alone.
    """
    parts = []
    for kind in PackageChangeKind:
        names = list(dict.fromkeys(change.name for change in packages if change.kind is kind))
        if names:
            shown = ", ".join(names[:names_shown])
            more = f" and {len(names) - names_shown:,} more" if len(names) > names_shown else ""
            parts.append(f"{len(names):,} {kind.value}" + (f" ({shown}{more})" if names_shown else ""))
    return ("; " if names_shown else ", ").join(parts)


def package_lines(packages: Sequence[PackageChange]) -> Iterator[str]:
    """A line for each package, aligned, those of a kind together."""
    for kind in PackageChangeKind:
        rows = [(f"  {change.label}", change.transition) for change in packages if change.kind is kind]
        if rows:
            yield f"{kind.value}:"
            yield from formatting.table(rows)


def lines_by_tree(packages: Sequence[PackageChange]) -> Iterator[str]:
    """The same for each variant and architecture on its own."""
    for tree in sorted({tree for change in packages for tree in change.trees}):
        yield f"{tree}:"
        here = [change._replace(trees=(), everywhere=True) for change in packages if tree in change.trees]
        yield from (f"  {line}" for line in package_lines(here))
