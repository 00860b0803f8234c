"""Prune: remove versions beyond those to keep, partials that nothing wants, and content that no version holds.

It holds the store's lock alone, so that no sync is under way: whatever is not linked then is not about to be.
What is published is never touched.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Optional

from dci_downloader.mirror.files import disk_errors, remove_file
from dci_downloader.mirror.mirror import Mirror
from dci_downloader.mirror.store import Removed
from dci_downloader.mirror.topic import referenced_digests, remove_temporaries

PARTIAL_AGE = 86_400.0


def prune(
    mirror: Mirror,
    keep: int = 1,
    *,
    timeout: Optional[float] = None,
    waiting: Callable[[str], None] = lambda _: None,
    now: Callable[[], float] = time.time,
) -> Removed:
    """Clean a mirror. Safe to repeat, and to be killed.

    Args:
        mirror: which.
        keep: how many versions stay of each type beside the published one.
        timeout: seconds to wait for running syncs to end; None for ever, 0 not at all.
        waiting: told in words whom for, when there is a wait.
        now: seconds since the epoch; partials untouched for a day are removed.

    Returns:
        The versions and objects that were removed; ``size`` counts objects and partials.

    Raises:
        NotFoundError: there is no mirror.
        LockedError: a sync runs for longer than ``timeout``.
    """
    mirror.demand()
    mirror.prepare()
    with mirror.store.lock().holding(timeout=timeout, waiting=waiting):
        remove_temporaries(mirror.root)
        versions: tuple[str, ...] = ()
        for topic in mirror.topics():
            for component_type in topic.types():
                versions += topic.retire(component_type, keep).versions
        collected = mirror.store.collect_garbage(referenced_digests(mirror.root))
        partials = _remove_partials(mirror.store.partials, now() - PARTIAL_AGE)
    return Removed(versions, collected.files, collected.size + partials)


def _remove_partials(folder: Path, before: float) -> int:
    """Remove the partials last written before then, and every temporary; a journal goes with its partial."""
    freed = 0
    with disk_errors(folder):
        for path in folder.iterdir():
            found = path.lstat()
            if path.suffix == ".tmp" or found.st_mtime < before:
                freed += found.st_blocks * 512
                remove_file(path)
    return freed
