"""An image is put together: its folders are read, files of the store filled in, the rest fetched, the whole proved.

    folders ─► fills, while the gaps are fetched ─► sha256 ─► object
                                                       └► where it is wrong: damaged objects, else by sums in the image,
                                                          else all that was filled

It does all its work in steps of some milliseconds, for another thread than the event loop; what has to be fetched is an
ordinary range of an ordinary file. An image that cannot be read is fetched like any other file.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from typing import NamedTuple, Optional

from dci_downloader import formatting
from dci_downloader.content import ranges
from dci_downloader.content.assembly import Assembly, Fill, assemble, expected_bytes, is_image, is_part
from dci_downloader.content.iso9660 import Layout, read_layout
from dci_downloader.content.isomd5 import APPLICATION_USE, SumCheck, start_check
from dci_downloader.content.ranges import NOTHING, Range, Ranges
from dci_downloader.content.rock_ridge import ImageError
from dci_downloader.mirror.filling import FilledPartial, Piece
from dci_downloader.mirror.store import Store
from dci_downloader.models import FileEntry
from dci_downloader.results import Assembled
from dci_downloader.transfer.damaged_objects import DamagedObjects
from dci_downloader.transfer.tuning import Tuning


class AssemblyStep(NamedTuple):
    """The result of a step.

    Attributes:
        wanted: what has to be fetched.
        waits: whether nothing more can be done before all that was wanted so far is there.
        filled: bytes that were filled; negative for those that turned out to be wrong.
        detail: a line for those who want to know more; empty for none.
    """

    wanted: Ranges = NOTHING
    waits: bool = False
    filled: int = 0
    detail: str = ""


class Parts:
    """What images are put together from: the files of a build that the store has.

    Args:
        entries: the files of the build.
        store: where they are.
        tuning: which images are worth it, and how much is done in a step.
    """

    def __init__(self, entries: Sequence[FileEntry], store: Store, tuning: Tuning) -> None:
        self._entries, self._store, self._tuning = entries, store, tuning
        self._begun: set[str] = set()

    def images(self, entries: Sequence[FileEntry]) -> tuple[FileEntry, ...]:
        """Those of the files that are to be put together: images, where there is something that they may hold."""
        least = self._tuning.smallest_image
        images = tuple(entry for entry in entries if is_image(entry) and entry.size >= least)
        return images if images and any(map(is_part, self._entries)) else ()

    def expected(self, entries: Sequence[FileEntry]) -> Assembled:
        """What is expected of putting images together, at the most, as long as they are not looked into."""
        sizes = ((image.size, expected_bytes(image, self._entries)) for image in self.images(entries))
        worth = [expected for size, expected in sizes if expected >= size // self._tuning.least_share]
        return Assembled(len(worth), sum(worth))

    def begin(self, partial: FilledPartial) -> Optional[Assembling]:
        """Begin with an image; None where it is fetched as it is: that was tried before in this run, or is no use."""
        if partial.entry.sha256 in self._begun or not self._are_enough(partial.size):
            return None
        self._begun.add(partial.entry.sha256)
        return Assembling(partial, self, self._tuning.assembly_step)

    def _are_enough(self, size: int) -> bool:
        """Whether so much is here that an image of ``size`` bytes is worth looking into."""
        wanted = size // self._tuning.least_share
        for entry in filter(is_part, self._entries):
            if self._store.holds(entry):
                wanted -= entry.size
                if wanted <= 0:
                    return True
        return False

    def assemble(self, image: FileEntry, layout: Layout) -> Assembly:
        """How an image is put together."""
        return assemble(image, layout, self._entries, self._store.holds)

    def damaged_objects(self, fills: Sequence[Fill]) -> DamagedObjects:
        """The damaged ones among the objects that an image was filled from; they are still to be found."""
        return DamagedObjects(fills, self._store, self._tuning.assembly_step)

    def piece(self, fill: Fill, part: Range) -> Piece:
        """A part of a fill, as the partial takes it."""
        begin = part.start - fill.range.start
        size = max(0, min(part.size, fill.size - begin))
        return Piece(part, self._store.object_path(fill.entry.sha256), fill.entry.size, fill.offset + begin, size)


class Assembling:
    """The steps of one image; see :class:`Parts`.

    Attributes:
        step: the result of the last step; None once there is nothing more to do than to finish the file.
    """

    def __init__(self, partial: FilledPartial, parts: Parts, step_bytes: int) -> None:
        self.step: Optional[AssemblyStep] = AssemblyStep()
        self._partial, self._parts, self._step_bytes = partial, parts, step_bytes
        self._steps = self._assemble()

    @property
    def filled(self) -> int:
        """Bytes of the image that are filled in."""
        return ranges.total(self._partial.filled)

    def advance(self) -> None:
        """Take the next step.

        Raises:
            DiskFullError: no room.
        """
        self.step = next(self._steps, None)

    def _assemble(self) -> Iterator[AssemblyStep]:
        """All steps, in their order; the image is fetched as it is where its folders cannot be read."""
        path = self._partial.entry.path
        try:
            layout = yield from self._read_layout()
        except ImageError as error:
            yield AssemblyStep(self._missing(), waits=True, detail=f"{path}: fetched as it is, for it {error}")
            return
        assembly = self._parts.assemble(self._partial.entry, layout)
        del layout
        gaps = ranges.overlap(self._missing(), assembly.gaps)
        yield AssemblyStep(gaps, detail=f"{path}: {_summary(assembly, self._partial.size)}")
        yield from self._fill(assembly.fills)
        yield AssemblyStep(waits=True)
        yield from self._prove(assembly.fills)

    def _read_layout(self) -> Generator[AssemblyStep, None, Layout]:
        reading = read_layout(self._partial.size)
        try:
            wanted = next(reading)
            while True:
                yield AssemblyStep(ranges.overlap(self._missing(), [wanted]), waits=True)
                wanted = reading.send(self._partial.read(wanted))
        except StopIteration as end:
            layout: Layout = end.value
            return layout

    def _fill(self, fills: Sequence[Fill]) -> Iterator[AssemblyStep]:
        """Fill in what no run fetched before."""
        pieces: list[Piece] = []
        size = 0
        missing = self._missing()
        for fill in fills:
            parts = ranges.overlap(missing, [fill.range])
            pieces += (self._parts.piece(fill, part) for part in parts)
            size += ranges.total(parts)
            if size >= self._step_bytes:
                yield self._fill_pieces(pieces, size)
                pieces, size = [], 0
        yield self._fill_pieces(pieces, size)

    def _fill_pieces(self, pieces: Sequence[Piece], size: int) -> AssemblyStep:
        lost = self._partial.fill(pieces)
        return AssemblyStep(lost, filled=size - ranges.total(lost))

    def _prove(self, fills: Sequence[Fill]) -> Iterator[AssemblyStep]:
        """Fetch of what was filled as much as has to be, until the image hashes right or nothing filled is left."""
        yield from self._hash()
        if self._partial.matches():
            return
        damaged = self._parts.damaged_objects(fills)
        yield from (AssemblyStep() for _ in damaged.find())
        if damaged:
            yield self._fetch_instead(damaged.places, f"{formatting.count(len(damaged), 'object')} damaged")
            yield from self._hash()
        if not self._partial.matches():
            yield from self._mend()
            yield from self._hash()
        if not self._partial.matches():
            yield self._fetch_instead((Range(0, self._partial.size),))
            yield from self._hash()
        if self._partial.matches():
            yield from (AssemblyStep() for _ in damaged.mend(self._partial))

    def _hash(self) -> Iterator[AssemblyStep]:
        while self._partial.catch_up(self._step_bytes):
            yield AssemblyStep()

    def _mend(self) -> Iterator[AssemblyStep]:
        """Fetch what was filled where the sums in the image say that it is wrong."""
        check = start_check(self._partial.read(Range(0, APPLICATION_USE.end)), self._partial.size)
        while check is not None and not check.complete:
            wrong = self._check(check)
            if wrong is None:
                yield AssemblyStep()
                continue
            step = self._fetch_instead((wrong,))
            if not step.wanted:  # it is wrong as it was fetched
                return
            yield step

    def _check(self, check: SumCheck) -> Optional[Range]:
        """Go on with a check for the bytes of one step; where it is wrong, or None."""
        end = check.position + self._step_bytes
        while check.position < end and not check.complete:
            wrong = check.update(self._partial.read(Range(check.position, check.position + check.next_size())))
            if wrong is not None:
                return wrong
        return None

    def _fetch_instead(self, wrong: Ranges, reason: str = "what was put together is something else") -> AssemblyStep:
        """The step that has what was filled in some ranges fetched."""
        wanted = self._partial.forget(wrong)
        size = ranges.total(wanted)
        detail = f"{self._partial.entry.path}: {reason}; {formatting.size(size)} of it are fetched"
        return AssemblyStep(wanted, waits=True, filled=-size, detail=detail)

    def _missing(self) -> Ranges:
        return ranges.missing(self._partial.present, self._partial.size)


def _summary(assembly: Assembly, size: int) -> str:
    files = f"{assembly.filled_files:,} of {assembly.files:,} files"
    filled, whole = formatting.size(assembly.filled_bytes), formatting.size(size)
    return f"{files}, {filled.removesuffix(whole[whole.index(' ') :])} of {whole} are taken from the store"
