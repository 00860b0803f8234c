"""What a changed selection removes from what is published, though the newest build still has it: rules without I/O.

* An architecture, a variant, or a kind of tree (debug, ISO images, sources) that is published and offered, and of which
  nothing is wanted, is named as a whole.
* Other files that are published and offered under the same path, and not wanted, are counted.

Files that the newest build no longer has are not counted: the selection does not remove them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dci_downloader import formatting
from dci_downloader.content.selection import Tree, trees_of
from dci_downloader.models import FileEntry, Manifest

_KINDS = {"os": "the installable trees", "debug": "debug packages", "iso": "ISO images", "src": "source packages"}


def deselected(published: Manifest, offered: Manifest, wanted: Manifest) -> tuple[str, ...]:
    """What the publication of a selection removes, a line for people each.

    Args:
        published: what agents read now.
        offered: the newest build, before selection.
        wanted: the part of it that is selected.
    """
    left = _leaving(published, offered, wanted)
    lines = []
    for column, names in _whole_columns(published, offered, wanted):
        trees = trees_of(left)
        for name in names:
            gone = [entry for entry in left if _value(trees, entry, column) == name]
            if gone:
                lines.append(_line(_KINDS.get(name, name) if column == "content" else name, gone))
                left = [entry for entry in left if _value(trees, entry, column) != name]
    offered_paths = {entry.path for entry in offered.files}
    rest = [entry for entry in left if entry.path in offered_paths]
    if rest:
        files = formatting.count(len(rest), "file" if not lines else "more file")
        lines.append(f"{files} published before {'is' if len(rest) == 1 else 'are'} not in this selection")
    return tuple(lines)


def _leaving(published: Manifest, offered: Manifest, wanted: Manifest) -> list[FileEntry]:
    """The published files that are not wanted any more; none where everything that is offered is wanted."""
    paths = {entry.path for entry in wanted.files}
    left = [entry for entry in published.files if entry.path not in paths]
    if not left or {entry.path for entry in offered.files} <= paths:
        return []
    return left


def _whole_columns(published: Manifest, offered: Manifest, wanted: Manifest) -> Iterator[tuple[str, list[str]]]:
    """For each column of a tree, the values that are published and offered, but not wanted."""
    before, there, after = (set(trees_of(manifest.files).values()) for manifest in (published, offered, wanted))
    for column in ("arch", "variant", "content"):
        gone = (_values(before, column) & _values(there, column)) - _values(after, column)
        yield column, sorted(gone - {""})


def _values(trees: Iterable[Tree], column: str) -> set[str]:
    return {getattr(tree, column) for tree in trees}


def _value(trees: dict[str, Tree], entry: FileEntry, column: str) -> str:
    tree = trees.get(entry.path.rpartition("/")[0])
    return "" if tree is None else str(getattr(tree, column))


def _line(name: str, gone: list[FileEntry]) -> str:
    was, is_ = ("were", "are") if name.endswith("s") and name in _KINDS.values() else ("was", "is")
    files = formatting.count(len(gone), "file")
    return f"{name} {was} published and {is_} not in this selection: {files} {'leaves' if len(gone) == 1 else 'leave'}"
