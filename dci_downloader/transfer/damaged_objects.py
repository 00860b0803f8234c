"""Objects that turn out to be damaged once an image that was filled from them does not hash right.

The objects are hashed, so a damaged one costs its own bytes of the image, and no more. Once the image is right, so are
the bytes of the file in it: they become the object. Until then it is marked as damaged: nobody publishes it, and
another run fetches it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress

from dci_downloader.content import ranges
from dci_downloader.content.assembly import Fill, whole_files
from dci_downloader.content.ranges import Range, Ranges
from dci_downloader.errors import DigestMismatchError, LockedError
from dci_downloader.mirror.damage import judge
from dci_downloader.mirror.filling import FilledPartial, Piece
from dci_downloader.mirror.store import Store


class DamagedObjects:
    """The damaged ones of the objects that an image was filled from.

    Args:
        fills: of the image.
        store: where the objects are.
        step_bytes: that are hashed before anything else has its turn.
    """

    def __init__(self, fills: Sequence[Fill], store: Store, step_bytes: int) -> None:
        self._fills, self._store, self._step_bytes = fills, store, step_bytes
        self._digests: set[str] = set()

    def __len__(self) -> int:
        """How many were found."""
        return len(self._digests)

    @property
    def places(self) -> Ranges:
        """Where the image was filled from them."""
        return ranges.union(fill.range for fill in self._fills if fill.entry.sha256 in self._digests)

    def find(self) -> Iterator[None]:
        """Hash the objects, in steps, and mark the damaged ones.

        Raises:
            DiskFullError: there is no room for a mark.
        """
        waiting: dict[str, str] = {}
        size = 0
        for entry in {fill.entry.sha256: fill.entry for fill in self._fills}.values():
            if waiting and size + entry.size > self._step_bytes:  # more would start processes, in each step anew
                self._digests |= judge(self._store.damage, waiting)
                waiting, size = {}, 0
                yield
            waiting[entry.sha256] = self._store.object_path(entry.sha256)
            size += entry.size
        self._digests |= judge(self._store.damage, waiting)

    def mend(self, image: FilledPartial) -> Iterator[None]:
        """Write them anew from the image, which is right now, one in each step.

        One that the image has something else for, and one that another run is fetching, stays marked.

        Raises:
            DiskFullError: no room.
        """
        files = {file[0].entry.sha256: file for file in whole_files(self._fills)}
        for digest in self._digests & files.keys():
            with suppress(DigestMismatchError, LockedError):
                self._write(files[digest], image)
            yield

    def _write(self, file: Sequence[Fill], image: FilledPartial) -> None:
        target = self._store.open_partial(file[0].entry)
        try:
            spans = ((Range(fill.offset, fill.offset + fill.size), fill) for fill in file)
            source = str(image.path), image.size
            if not target.fill([Piece(span, *source, fill.range.start, fill.size) for span, fill in spans]):
                target.finish()
        finally:
            target.discard()
