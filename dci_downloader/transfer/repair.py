"""Repair: fetch again what verification found damaged, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Optional

from dci_downloader.control.client import ControlServer
from dci_downloader.errors import TransferError
from dci_downloader.hooks import NeverStop, NullProgress, Progress, Stop
from dci_downloader.mirror.mirror import Mirror
from dci_downloader.mirror.verify import VersionCheck, rebuild_damaged
from dci_downloader.models import Component, Plan
from dci_downloader.options import TransferOptions
from dci_downloader.transfer.engine import fetch


def repair(
    server: ControlServer,
    mirror: Mirror,
    checks: Iterable[VersionCheck],
    *,
    timeout: Optional[float] = None,
    progress: Progress = NullProgress(),  # noqa: B008  has no state
    stop: Stop = NeverStop(),  # noqa: B008  has no state
) -> None:
    """Make damaged versions right again. Safe to repeat; to know that all is right, verify once more.

    A published tree stays as it is until the new one replaces it. After a failure the next repair, or the next sync,
    goes on.

    Args:
        server: where the files are fetched from.
        mirror: which.
        checks: the result of ``verify``; versions without damage are left alone.
        timeout: seconds to wait for another run; None waits for ever, 0 not at all.
        progress: gets files and bytes, and a message before a wait.
        stop: asked several times a second.

    Raises:
        TransferError: something damaged could not be fetched.
        LockedError: another run holds a topic for longer than ``timeout``.
        DiskFullError: there is no room.
        CancelledError: ``stop`` was requested.
    """

    def fetch_missing(component: Component, plan: Plan) -> None:
        progress.begin(component.name, plan.missing_files, plan.missing_bytes)
        try:
            with stop.deferred():
                source, options = server.files(component), TransferOptions(network=server.network)
                fetched = fetch(plan.missing, source, mirror.store, options, progress, stop, build=plan.wanted.files)
        finally:
            progress.end()
        if fetched.failures:
            first = fetched.failures[0]
            raise TransferError(f"{first.path}: {first.reason}", hint="run the same again; what came stays")

    rebuild_damaged(mirror, checks, fetch_missing, timeout=timeout, waiting=progress.message)
