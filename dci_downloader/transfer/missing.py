"""Fetches what the plan of a component misses, for a sync and for a repair."""

from __future__ import annotations

from dataclasses import dataclass, replace

from dci_downloader.control.upstream import Upstream
from dci_downloader.errors import CancelledError
from dci_downloader.hooks import Progress, Stop
from dci_downloader.mirror.store import Store
from dci_downloader.models import Component, Plan
from dci_downloader.options import TransferOptions
from dci_downloader.transfer.engine import Engine
from dci_downloader.transfer.fetched import Fetched
from dci_downloader.transfer.sources import PeerPool


@dataclass(frozen=True)
class MissingFiles:
    """Brings what plans miss into a store.

    Attributes:
        server: the control server, or the mirror that is asked in its place.
        store: where they go; its lock is held by the caller.
        options: how they are fetched; without a network, proxies and certificates are those of the server.
        peers: other mirrors, asked before the server.
        stop: asked several times a second.
    """

    server: Upstream
    store: Store
    options: TransferOptions
    peers: PeerPool
    stop: Stop

    def fetch(self, component: Component, plan: Plan, progress: Progress) -> Fetched:
        """Fetch what a component misses. Safe to repeat.

        Raises:
            CancelledError: ``stop`` was requested; what was received is kept.
            DiskFullError: no room; likewise.
        """
        options = self.options if self.options.network else replace(self.options, network=self.server.network)
        engine = Engine(self.store, options, progress, self.stop, self.peers)
        progress.begin(component.name, plan.missing_files, plan.missing_bytes)
        try:
            with self.stop.deferred():
                fetched = engine.fetch(plan.missing, self.server.files(component), plan.wanted.files)
        finally:
            progress.end()
        if self.stop.requested():  # it may have come after fetch asked for the last time
            raise CancelledError("interrupted")
        return fetched
