"""Which packages differ between two builds: rules without I/O.

* A package is identified by its name; a source package is another package. In each tree (a variant and an architecture)
  it may have several versions, as modular packages do: those that both builds have are not listed.
* The architecture is the package's own: ``i686`` packages stand beside those of ``x86_64`` in one folder. Packages for
  any architecture count for the one in whose folder they lie.
* What happened in several trees alike is one change; one that is moved to another variant is removed and added.
* A source or debug package is left out where its package changes in just the same way.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cache
from typing import NamedTuple, Optional

from dci_downloader.changes import PackageChange, PackageChangeKind
from dci_downloader.content.packages import SOURCE_ARCHS, parse_package, version_order
from dci_downloader.content.selection import TREE
from dci_downloader.models import FileEntry

_DEBUG_ENDINGS = ("-debuginfo", "-debugsource")


class _Key(NamedTuple):
    """The identity of a package."""

    name: str
    source: bool


class _Transition(NamedTuple):
    """What happened to a package in one tree."""

    kind: PackageChangeKind
    before: tuple[str, ...]
    after: tuple[str, ...]


_Versions = dict[str, set[str]]
"""Digests by version."""
_Trees = dict[str, _Versions]


def package_changes(before: Collection[FileEntry], after: Collection[FileEntry]) -> tuple[PackageChange, ...]:
    """The packages that differ between two builds, sorted by name.

    Args:
        before: files of the older build.
        after: files of the newer one.
    """
    # most files are in both builds, and a package that has no other need not be looked at
    names = {_package_name(path) for path, _, _ in set(before).symmetric_difference(after)}
    if not names:
        return ()
    older, newer = (
        _packages(entry for entry in build if _package_name(entry[0]) in names) for build in (before, after)
    )
    changes = [
        change
        for key in sorted(older.keys() | newer.keys())
        if older.get(key) != newer.get(key)
        for change in _changes(key, older.get(key, {}), newer.get(key, {}))
    ]
    packages, sources = _by_name(changes, source=False), _by_name(changes, source=True)
    return tuple(change for change in changes if not _goes_without_saying(change, packages, sources))


def _package_name(path: str) -> str:
    return path.rpartition("/")[2].rsplit("-", 2)[0]


def in_trees(
    files: Iterable[FileEntry], variants: Collection[str] = (), archs: Collection[str] = ()
) -> tuple[FileEntry, ...]:
    """The files of some variants and architectures; none named: of all."""
    tree_of = cache(_tree_of)

    def fits(entry: FileEntry) -> bool:
        folder, _, name = entry.path.rpartition("/")
        package = parse_package(name)
        variant, _, arch = tree_of(folder, package.arch if package else "noarch").rpartition("/")
        return (not variants or variant in variants) and (not archs or arch in archs)

    return tuple(filter(fits, files))


def trees_of(files: Iterable[FileEntry]) -> frozenset[str]:
    """The trees that hold packages: ``BaseOS/x86_64``, or an architecture alone."""
    return frozenset(tree for trees in _packages(files).values() for tree in trees)


def _by_name(changes: Iterable[PackageChange], *, source: bool) -> dict[str, set[_Transition]]:
    transitions = defaultdict(set)
    for change in changes:
        if change.source is source:
            transitions[change.name].add(_Transition(change.kind, change.before, change.after))
    return transitions


def _packages(files: Iterable[FileEntry]) -> dict[_Key, _Trees]:
    """The packages among files: by name, by tree, by version."""
    packages: dict[_Key, _Trees] = defaultdict(lambda: defaultdict(lambda: defaultdict(set)))
    tree_of = cache(_tree_of)  # for a folder has thousands of files
    for path, sha256, _ in files:
        folder, _, name = path.rpartition("/")
        package = parse_package(name)
        if package is not None:
            key = _Key(package.name, package.arch in SOURCE_ARCHS)
            packages[key][tree_of(folder, package.arch)][package.version].add(sha256)
    return packages


def _tree_of(folder: str, package_arch: str) -> str:
    """The tree that a folder belongs to: ``BaseOS/x86_64``; an architecture alone outside of such folders."""
    match = TREE.match(folder)
    variant, source, arch, _ = match.groups() if match else ("", "", package_arch, "")
    if package_arch not in ("noarch", *SOURCE_ARCHS):
        arch = package_arch
    return "/".join(filter(None, (variant, source or arch)))


def _changes(key: _Key, older: _Trees, newer: _Trees) -> Iterator[PackageChange]:
    """The changes of one package: one for each transition, with the trees in which it happened."""
    holding = older.keys() | newer.keys()
    trees: dict[_Transition, list[str]] = defaultdict(list)
    for tree in sorted(holding):
        transition = _transition(older.get(tree, {}), newer.get(tree, {}))
        if transition is not None:
            trees[transition].append(tree)
    for transition, where in trees.items():
        yield PackageChange(key.name, *transition, tuple(where), len(where) == len(holding), key.source)


def _transition(older: _Versions, newer: _Versions) -> Optional[_Transition]:
    """What happened to a package in one tree; None where nothing did."""
    if older == newer:
        return None
    gone = tuple(sorted(older.keys() - newer.keys(), key=version_order))
    come = tuple(sorted(newer.keys() - older.keys(), key=version_order))
    if gone or come:
        return _Transition(_kind(older, newer, gone, come), gone, come)
    again = tuple(sorted((version for version in newer if newer[version] - older[version]), key=version_order))
    return _Transition(PackageChangeKind.REBUILT, again, again) if again else None


def _kind(
    older: Collection[str], newer: Collection[str], gone: tuple[str, ...], come: tuple[str, ...]
) -> PackageChangeKind:
    if not older:
        return PackageChangeKind.ADDED
    if not newer:
        return PackageChangeKind.REMOVED
    if len(gone) == len(come):
        pairs = [(version_order(one), version_order(other)) for one, other in zip(gone, come)]
        if all(one < other for one, other in pairs):
            return PackageChangeKind.UPGRADED
        if all(one > other for one, other in pairs):
            return PackageChangeKind.DOWNGRADED
    return PackageChangeKind.CHANGED


def _goes_without_saying(
    change: PackageChange, packages: Mapping[str, set[_Transition]], sources: Mapping[str, set[_Transition]]
) -> bool:
    """Whether a source or debug package changes in just the way that its package does."""
    transition = _Transition(change.kind, change.before, change.after)
    if change.source and transition in packages.get(change.name, ()):
        return True
    bases = [change.name[: -len(ending)] for ending in _DEBUG_ENDINGS if change.name.endswith(ending)]
    return any(transition in facts.get(base, ()) for base in bases for facts in (packages, sources))
