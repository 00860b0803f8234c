"""Brings files into the store: by one event loop, or by two in two processes where one processor is not enough."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import Union

from dci_downloader.control.upstream import FolderObjects, MirrorObjects
from dci_downloader.hooks import Progress, Stop
from dci_downloader.mirror.store import Store
from dci_downloader.models import FileEntry
from dci_downloader.options import TransferOptions
from dci_downloader.transfer.assembling import Parts
from dci_downloader.transfer.coprocess import Coprocess
from dci_downloader.transfer.fetched import Fetched, credited, followed, merged
from dci_downloader.transfer.folder_files import fetch_from_folder
from dci_downloader.transfer.pipeline import Pipeline
from dci_downloader.transfer.sources import Origin, PeerPool
from dci_downloader.transfer.tuning import Tuning


class Engine:
    """Brings files into one store.

    Args:
        store: where they go; prepared, and its lock held by the caller.
        options: connections, rate, patience, network.
        progress: gets files and bytes reported as they are received.
        stop: asked several times a second.
        peers: other mirrors, asked before the source, unless that is a folder; those of no use are remembered in it.
        tuning: sizes, times and limits.
    """

    def __init__(
        self,
        store: Store,
        options: TransferOptions,
        progress: Progress,
        stop: Stop,
        peers: PeerPool = PeerPool(()),  # noqa: B008  nothing can happen to the peers of an empty pool
        *,
        tuning: Tuning = Tuning(),  # noqa: B008  frozen
    ) -> None:
        self._store, self._options, self._tuning = store, options, tuning
        self._progress, self._stop, self._peers = progress, stop, peers

    def fetch(
        self, entries: Sequence[FileEntry], source: Union[Origin, FolderObjects], build: Sequence[FileEntry] = ()
    ) -> Fetched:
        """Bring files into the store.

        Safe to repeat: what is complete stays, and what is partly there is resumed. One file that cannot be had does
        not stop the others. Images come last: they may hold the other files, and are put together from them.

        Args:
            entries: the files, each content once.
            source: where they are asked for.
            build: the files that images among the entries may hold, whether they are entries or not.

        Raises:
            CancelledError: ``stop`` was requested; partials are saved.
            DiskFullError: no room; partials are saved.
        """
        if isinstance(source, FolderObjects):
            return fetch_from_folder(entries, source, self._store, self._progress, self._stop)
        parts = Parts(build, self._store, self._tuning)
        images = parts.images(entries)
        others = [entry for entry in entries if entry not in images]
        pipeline = self._pipeline(source)
        coprocess = Coprocess(pipeline, source, self._store, self._options, self._progress, self._tuning)
        with closing(pipeline), closing(coprocess):
            pipeline.take(others)
            coprocess.start(others)
            while pipeline.unfinished or coprocess.working:
                pipeline.step(self._stop)
                coprocess.turn()
            if pipeline.ended:
                pipeline.take(images)  # what ended the run is in their way, too
            fetched = merged(pipeline.result(), coprocess.fetched)
        if images and not pipeline.ended:
            fetched = followed(fetched, self._assemble(images, parts, source))
        return credited(fetched, source.url) if isinstance(source, MirrorObjects) else fetched

    def _assemble(self, images: Sequence[FileEntry], parts: Parts, source: Origin) -> Fetched:
        """Bring images into the store. One process is enough: little is fetched of them, or one file is most of it."""
        with closing(self._pipeline(source)) as pipeline:
            pipeline.schedule.parts = parts
            pipeline.take(images)
            while pipeline.unfinished:
                pipeline.step(self._stop)
            return pipeline.result()

    def _pipeline(self, source: Origin) -> Pipeline:
        return Pipeline(source, self._store, self._options, self._progress, self._peers.live, self._tuning)
