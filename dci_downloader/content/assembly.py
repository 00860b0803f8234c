"""Which bytes of an image are those of files in the store, and which have to be fetched: rules without I/O.

pungi and lorax put the files of a build into its images as they are, at multiples of 2,048 bytes, the rest of a sector
zeros. Its digest proves an image: a file that is taken for another costs time, and never makes a wrong image.

* A file of an image is known by name and size, among the files of the same build: any ``.rpm``; metadata of a
  repository whose name holds its digest; and what has at least 4 MiB, but ``efiboot.img``, which has other bytes on a
  DVD. Other small files (``.treeinfo``, ``media.repo``) differ though they are called the same, too.
* Where several contents have that name and size, that of the variant counts: the variant that the image names, on the
  architecture of the image; then the image's own. Where that leaves several, none does.
* Of two files in one place the first counts.
* The rest are the gaps, in whole sectors. Less than 256 KiB between two gaps is fetched with them: a second request
  would take longer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, Optional

from dci_downloader.content import ranges
from dci_downloader.content.iso9660 import ImageFile, Layout
from dci_downloader.content.ranges import Range, Ranges
from dci_downloader.content.rock_ridge import SECTOR
from dci_downloader.models import FileEntry

_ALWAYS_BIG = 4 << 20  # bytes from which a file is known by its name and size, whatever it is
_LEAST_BETWEEN_GAPS = 256 << 10  # bytes; fewer are fetched with the gaps around them
_MOST_NAMESAKES = 64  # files of one name and size that are told apart; a build has some ten


class Fill(NamedTuple):
    """Bytes of an image that are bytes of a file.

    Attributes:
        range: of the image; behind the bytes of the file, it ends with zeros.
        entry: the file.
        offset: of the first of its bytes that belong here.
        size: how many of its bytes.
    """

    range: Range
    entry: FileEntry
    offset: int
    size: int


class Assembly(NamedTuple):
    """How an image is put together. Fills and gaps cover it, no byte twice.

    Attributes:
        fills: in the order of the image.
        gaps: what has to be fetched.
        files: how many files the image has.
    """

    fills: tuple[Fill, ...]
    gaps: Ranges
    files: int

    @property
    def filled_files(self) -> int:
        """How many files of the image are filled in."""
        return sum(fill.offset == 0 for fill in self.fills)

    @property
    def filled_bytes(self) -> int:
        """Bytes of the fills."""
        return sum(fill.range.size for fill in self.fills)


def is_image(entry: FileEntry) -> bool:
    """Whether a file is an image of ISO 9660, by its name."""
    return entry.path.endswith(".iso")


def is_part(entry: FileEntry) -> bool:
    """Whether a file is known by its name and size where it is in an image."""
    name = _name(entry)
    if is_image(entry) or name == "efiboot.img" or not entry.size:
        return False
    return name.endswith(".rpm") or entry.size >= _ALWAYS_BIG or name.startswith(entry.sha256)


def expected_bytes(image: FileEntry, entries: Iterable[FileEntry]) -> int:
    """An upper bound of the bytes of an image that its build has, as long as nothing of the image is known.

    An image for booting holds the big files of its own tree, any other what is installed on its architecture.
    """
    own = _tree(image)
    boots = "boot" in _name(image)
    parts = {
        entry.sha256: entry.size
        for entry in filter(is_part, entries)
        if "/debug/" not in entry.path
        and (_tree(entry) == own and not entry.path.endswith(".rpm") if boots else _tree(entry)[1] == own[1])
    }
    return min(image.size, sum(parts.values()))


def _name(entry: FileEntry) -> str:
    return entry.path.rpartition("/")[2]


def _tree(entry: FileEntry) -> tuple[str, str]:
    """Variant and architecture of a file of a build."""
    variant, _, rest = entry.path.partition("/")
    return variant, rest.partition("/")[0]


def _is_of(entry: FileEntry, variant: str, arch: str) -> bool:
    own = _tree(entry)
    return own[0] == variant and arch in ("", own[1])


def assemble(
    image: FileEntry, layout: Layout, entries: Iterable[FileEntry], holds: Callable[[FileEntry], bool]
) -> Assembly:
    """Find out how an image is put together.

    Args:
        image: its entry.
        layout: where its files are; anything may be in it.
        entries: the files of the build.
        holds: whether the content of an entry is here; asked only for what is in the image.
    """
    candidates: dict[tuple[str, int], list[FileEntry]] = {(file.name, file.size): [] for file in layout}
    for entry in filter(is_part, entries):
        namesakes = candidates.get((_name(entry), entry.size))
        if namesakes is not None and len(namesakes) <= _MOST_NAMESAKES:
            namesakes.append(entry)
    known = ((file, _choose(image, file, candidates[file.name, file.size])) for file in layout)
    held = (fill for file, entry in known if entry and holds(entry) for fill in _fills(image, file, entry))
    fills = list(_first_of_each_place(held))
    gaps = _joined(ranges.missing(ranges.union(fill.range for fill in fills), image.size))
    return Assembly(tuple(_outside(fills, gaps)), gaps, len(layout))


def whole_files(fills: Iterable[Fill]) -> Iterator[tuple[Fill, ...]]:
    """The fills of each file all of whose bytes are filled in, one extent right after the other."""
    file: list[Fill] = []
    for fill in fills:
        if not file or fill.entry is not file[-1].entry or fill.offset != file[-1].offset + file[-1].size:
            file = []
        file.append(fill)
        if file[0].offset == 0 and fill.offset + fill.size == fill.entry.size:
            yield tuple(file)


def _choose(image: FileEntry, file: ImageFile, entries: Sequence[FileEntry]) -> Optional[FileEntry]:
    """The entry whose content a file of an image is, among those of its name and size; None where that is open."""
    variant, arch = _tree(image)
    named = file.folder.split("/", 1)[0]
    if len(entries) > _MOST_NAMESAKES:
        return None
    trees = [(named, arch), (variant, arch), (named, ""), (variant, "")]
    while len({entry.sha256 for entry in entries}) > 1 and trees:
        variant, arch = trees.pop(0)
        if nearer := [entry for entry in entries if _is_of(entry, variant, arch)]:
            entries, trees = nearer, []
    return entries[0] if len({entry.sha256 for entry in entries}) == 1 else None


def _fills(image: FileEntry, file: ImageFile, entry: FileEntry) -> Iterator[Fill]:
    offset = 0
    for start, end in file.extents:
        full = min(-(-end // SECTOR) * SECTOR, image.size)  # an image may end within a sector
        yield Fill(Range(start, full), entry, offset, end - start)
        offset += end - start


def _first_of_each_place(fills: Iterable[Fill]) -> Iterator[Fill]:
    """The fills in their order, without those that overlap one before them."""
    position = 0
    for fill in sorted(fills, key=lambda fill: fill.range.start):
        if fill.range.start >= position:
            yield fill
            position = fill.range.end


def _joined(gaps: Ranges) -> Ranges:
    """The gaps, those with less than ``_LEAST_BETWEEN_GAPS`` between them as one."""
    merged: list[Range] = []
    for gap in gaps:
        if merged and gap.start - merged[-1].end < _LEAST_BETWEEN_GAPS:
            merged[-1] = Range(merged[-1].start, gap.end)
        else:
            merged.append(gap)
    return tuple(merged)


def _outside(fills: Iterable[Fill], gaps: Ranges) -> Iterator[Fill]:
    """The fills that are in none of the gaps; each of them is in one wholly, or not at all."""
    waiting = list(reversed(gaps))
    for fill in fills:
        while waiting and waiting[-1].end <= fill.range.start:
            waiting.pop()
        if not waiting or fill.range.end <= waiting[-1].start:
            yield fill
