"""Repair: fetch again what verification found damaged, and nothing else; records that were lost are made anew."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Optional

from dci_downloader.control.upstream import Upstream
from dci_downloader.errors import NotFoundError, TransferError
from dci_downloader.hooks import NeverStop, NullProgress, Progress, Stop
from dci_downloader.mirror.mirror import Mirror
from dci_downloader.mirror.restore import rebuild_damaged
from dci_downloader.mirror.verify import VersionCheck
from dci_downloader.models import Component, Plan
from dci_downloader.options import TransferOptions
from dci_downloader.transfer.missing import MissingFiles
from dci_downloader.transfer.reconstruct import reconstruct
from dci_downloader.transfer.sources import PeerPool


def repair(
    server: Upstream,
    mirror: Mirror,
    checks: Iterable[VersionCheck],
    *,
    timeout: Optional[float] = None,
    transfer: TransferOptions = TransferOptions(),  # noqa: B008  frozen
    progress: Progress = NullProgress(),  # noqa: B008  has no state
    stop: Stop = NeverStop(),  # noqa: B008  has no state
) -> tuple[str, ...]:
    """Make damaged versions right again. Safe to repeat; to know that all is right, verify once more.

    A published tree stays as it is until the new one replaces it. After a failure the next repair, or the next sync,
    goes on.

    Args:
        server: where the files are fetched from.
        mirror: the mirror to repair.
        checks: the result of ``verify``; versions without damage are left alone.
        timeout: seconds to wait for another run; None waits for ever, 0 not at all.
        transfer: how files are fetched, and from which peers first.
        progress: gets files and bytes, and a message before a wait.
        stop: asked several times a second.

    Returns:
        Which versions are left damaged, and why, a line each.

    Raises:
        TransferError: something damaged could not be fetched.
        LockedError: another run holds a topic for longer than ``timeout``.
        DiskFullError: there is no room.
        CancelledError: ``stop`` was requested.
    """
    missing = MissingFiles(server, mirror.store, transfer, PeerPool(transfer.peers), stop)

    def fetch_missing(component: Component, plan: Plan) -> None:
        fetched = missing.fetch(component, plan, progress)
        if fetched.failures:
            first = fetched.failures[0]
            raise TransferError(f"{first.path}: {first.reason}", hint="run the same again; what came stays")

    checks = tuple(checks)
    if any(check.damages for check in checks):
        mirror.open()
    left = rebuild_damaged(mirror, checks, fetch_missing, timeout=timeout, waiting=progress.message)
    for check in checks:
        if check.record_lost and check.version == mirror.topic(check.topic).published_folder(check.type):
            try:
                reconstruct(server, mirror, check, fetch_missing, timeout=timeout, waiting=progress.message)
            except NotFoundError as error:
                left += (f"{error} ({error.hint})",)
    return left
