"""Brings files into the store: by one event loop, or by two in two processes where one processor is not enough."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

from dci_downloader.hooks import Progress, Stop
from dci_downloader.mirror.store import Store
from dci_downloader.models import FileEntry, Source
from dci_downloader.options import TransferOptions
from dci_downloader.transfer.coprocess import Coprocess
from dci_downloader.transfer.pipeline import Fetched, Pipeline


def fetch(
    entries: Sequence[FileEntry], source: Source, store: Store, options: TransferOptions, progress: Progress, stop: Stop
) -> Fetched:
    """Bring files into the store.

    Safe to repeat: what is complete stays, and what is partly there is resumed. One file that cannot be had does not
    stop the others.

    Args:
        entries: the files, each content once.
        source: where they are asked for.
        store: where they go; prepared, and its lock held by the caller.
        options: connections, rate, patience, network.
        progress: told of files and bytes as they come.
        stop: asked several times a second.

    Raises:
        CancelledError: ``stop`` was requested; partials are saved.
        DiskFullError: no room; partials are saved.
    """
    pipeline = Pipeline(entries, source, store, options, progress)
    partner = Coprocess(pipeline, source, store, options, progress)
    with closing(pipeline), closing(partner):
        partner.start(entries)
        while pipeline.unfinished or partner.working:
            pipeline.step(stop)
            partner.turn()
        return pipeline.result()
