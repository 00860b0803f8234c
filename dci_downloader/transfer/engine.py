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


def fetch(
    entries: Sequence[FileEntry],
    source: Union[Origin, FolderObjects],
    store: Store,
    options: TransferOptions,
    progress: Progress,
    stop: Stop,
    peers: PeerPool = PeerPool(()),  # noqa: B008  nothing can happen to the peers of an empty pool
    build: Sequence[FileEntry] = (),
    *,
    tuning: Tuning = Tuning(),  # noqa: B008  frozen
) -> Fetched:
    """Bring files into the store.

    Safe to repeat: what is complete stays, and what is partly there is resumed. One file that cannot be had does not
    stop the others. Images come last: they may hold the other files, and are put together from them.

    Args:
        entries: the files, each content once.
        source: where they are asked for.
        store: where they go; prepared, and its lock held by the caller.
        options: connections, rate, patience, network.
        progress: gets files and bytes reported as they are received.
        stop: asked several times a second.
        peers: other mirrors, asked before the source, unless that is a folder; those of no use are remembered in it.
        build: the files that images among the entries may hold, whether they are entries or not.
        tuning: sizes, times and limits.

    Raises:
        CancelledError: ``stop`` was requested; partials are saved.
        DiskFullError: no room; partials are saved.
    """
    if isinstance(source, FolderObjects):
        return fetch_from_folder(entries, source, store, progress, stop)
    parts = Parts(build, store, tuning)
    images = parts.images(entries)
    others = [entry for entry in entries if entry not in images]
    pipeline = Pipeline(source, store, options, progress, peers.live, tuning)
    coprocess = Coprocess(pipeline, source, store, options, progress, tuning)
    with closing(pipeline), closing(coprocess):
        pipeline.take(others)
        coprocess.start(others)
        while pipeline.unfinished or coprocess.working:
            pipeline.step(stop)
            coprocess.turn()
        if pipeline.ended:
            pipeline.take(images)  # what ended the run is in their way, too
        fetched = merged(pipeline.result(), coprocess.fetched)
    if images and not pipeline.ended:
        pipeline = Pipeline(source, store, options, progress, peers.live, tuning)
        fetched = followed(fetched, _assemble(images, parts, pipeline, stop))
    return credited(fetched, source.url) if isinstance(source, MirrorObjects) else fetched


def _assemble(images: Sequence[FileEntry], parts: Parts, pipeline: Pipeline, stop: Stop) -> Fetched:
    """Bring images into the store. One process is enough: what is fetched of them is little, or one file is most."""
    with closing(pipeline):
        pipeline.schedule.parts = parts
        pipeline.take(images)
        while pipeline.unfinished:
            pipeline.step(stop)
        return pipeline.result()
