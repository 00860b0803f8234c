"""The page about a mirror that settings ask for: written anew after every command that changes what it says."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from dci_downloader.errors import DownloaderError, SettingsError
from dci_downloader.hooks import Progress
from dci_downloader.mirror.mirror import Mirror
from dci_downloader.settings.destination import mirror_settings


def rewrite_page(mirror: Mirror, progress: Progress, files: Sequence[str] = ()) -> None:
    """Write the page of a mirror anew, where settings ask for one. What keeps it from that is a note, and no error.

    Args:
        mirror: the mirror to show.
        progress: gets the note.
        files: paths of settings files that the command line names; without any, those that are found count.
    """
    if not os.path.isdir(mirror.store.root):
        return
    try:
        path = mirror_settings(mirror.root, os.environ, files).status_page
    except SettingsError as error:  # they may be those of another mirror
        progress.detail(f"settings that are found cannot be used: {error}")
        return
    if path is not None:
        from dci_downloader.page.page import write_page  # most mirrors have none

        try:
            write_page(mirror, path)
        except DownloaderError as error:
            progress.message(f"note: the status page is not written: {error}")


@contextmanager
def page_after(mirror: Mirror, progress: Progress, files: Sequence[str] = ()) -> Iterator[None]:
    """Have the page written anew after a block, however that ends: see :func:`rewrite_page`."""
    try:
        yield
    finally:
        rewrite_page(mirror, progress, files)
