"""What happens to files, and what follows: the ledger decides, and here it is done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Optional

from dci_downloader.errors import DigestMismatchError
from dci_downloader.transfer.fetches import Fetches
from dci_downloader.transfer.ledger import Decision, Ledger, Step
from dci_downloader.transfer.locating import Locator
from dci_downloader.transfer.meter import Meter
from dci_downloader.transfer.schedule import Schedule
from dci_downloader.transfer.sink import Sink
from dci_downloader.transfer.sources import Peer
from dci_downloader.transfer.transfers import Giver, Segment, Transfer
from dci_downloader.transfer.verdict import Action, Verdict


class FileEvents:
    """Takes what happens to files to the ledger, and does what it decides.

    Args:
        schedule: takes segments back.
        ledger: decides.
        meter: counts bytes.
        requests: those under way.
        sink: has what was received.
        detail: gets lines for those who want to know more.
    """

    def __init__(
        self,
        schedule: Schedule,
        ledger: Ledger,
        meter: Meter,
        requests: tuple[Locator, Fetches],
        sink: Sink,
        detail: Callable[[str], None],
    ) -> None:
        self._schedule, self._ledger, self._meter, self._sink, self._detail = schedule, ledger, meter, sink, detail
        self._locator, self._fetches = requests

    def failed(self, segment: Segment, peer: Giver, verdict: Verdict) -> None:
        """A response did not bring what was asked for."""
        self._fetches.segments.discard(segment)
        if peer is not None:
            decision = self._ledger.peer_failed(segment, peer, verdict)
        else:
            if verdict.action is Action.RETRY:  # while other segments make progress, the file is not given up
                self._fetches.note_progress(segment.transfer)
            decision = self._ledger.failed(segment, verdict)
        self._carry_out(segment.transfer, decision)

    def stored(self, transfer: Transfer, error: Optional[Exception]) -> None:
        """A file is in the store, or its content is not what it should be.

        Raises:
            DownloaderError: what keeps it out of the store is not its content.
        """
        if error is None:
            self._ledger.completed(transfer)
            self._meter.file()
        elif isinstance(error, DigestMismatchError):
            self._fetches.suspicious = True
            self._carry_out(transfer, self._ledger.mismatched(transfer, error))
        else:
            raise error

    def stepped(self, transfer: Transfer) -> None:
        """A step of an image's assembly is done."""
        assert transfer.assembling is not None
        step = transfer.assembling.step
        if step is None:
            transfer.filled, transfer.assembling = transfer.assembling.filled, None
        else:
            if step.detail:
                self._detail(step.detail)
            self._meter.filled(step.filled)
            transfer.kept += step.filled
            self._schedule.more(transfer, step.wanted)
            transfer.waiting = step.waits and transfer.unfinished > 0
        if not transfer.waiting:
            self._sink.finish(transfer)

    def dropped(self, peer: Peer) -> None:
        """A peer is no longer asked: what it was asked for is fetched from other sources."""
        for segment in self._fetches.withdraw(lambda request: request.peer is peer):
            self._ledger.withdrawn(segment)

    def _carry_out(self, transfer: Transfer, decision: Decision) -> None:
        if decision.detail:
            self._detail(decision.detail)
        self._meter.lost(decision.lost)
        if decision.moved:
            self._meter.moved()
        if decision.step is not Step.NOTHING:
            self._locator.cancel(transfer)
            self._fetches.cancel(lambda request: request.segment.transfer is transfer)
        if decision.step is Step.RESTART:
            self._sink.discard(transfer, lambda discarded: self._meter.lost(self._ledger.restart(discarded)))
        elif decision.step is Step.GIVE_UP:
            self._sink.save(transfer)
        if decision.dropped is not None:
            self.dropped(decision.dropped)
