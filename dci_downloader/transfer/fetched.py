"""The result of a fetch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from dci_downloader.results import OBJECT_STORE, Assembled, Failure, SourceTotals
from dci_downloader.transfer.ledger import Ledger
from dci_downloader.transfer.meter import Meter
from dci_downloader.transfer.sources import Peer


@dataclass(frozen=True)
class Fetched:
    """The outcome of the files that were to be fetched.

    Attributes:
        files: how many were fetched into the store.
        bytes: received over the network, including those discarded.
        failures: the files that are not in the store.
        received: how much each source gave: the peers that gave something, and the object store.
        notes: a line for each peer that was dropped.
        assembled: the images that are in the store, too, put together from what was there.
    """

    files: int = 0
    bytes: int = 0
    failures: tuple[Failure, ...] = ()
    received: tuple[SourceTotals, ...] = (SourceTotals(OBJECT_STORE, 0, 0),)
    notes: tuple[str, ...] = ()
    assembled: Assembled = field(default_factory=Assembled)


def result_of(ledger: Ledger, meter: Meter, peers: Sequence[Peer]) -> Fetched:
    """The result of a fetch by what was noted of it."""
    files, size = ledger.entries - len(ledger.failures) - ledger.assembled.files, sum(meter.received.values())
    from_peers = [SourceTotals(peer.url, ledger.completed_by[peer], meter.received[peer]) for peer in peers]
    notes = tuple(peer.note for peer in peers if peer.dropped)
    received = _received(files, size, from_peers)
    return Fetched(files, size, tuple(ledger.failures), received, notes, ledger.assembled)


def followed(one: Fetched, other: Fetched) -> Fetched:
    """The result of two fetches, one after the other: peers that the first dropped were not asked in the second."""
    return replace(merged(one, other), notes=one.notes + other.notes)


def merged(one: Fetched, other: Fetched) -> Fetched:
    """The result of two fetches of one run; their notes are about the same peers, and those of the first count."""
    totals: dict[str, SourceTotals] = {}
    for name, files, size in (*one.received[:-1], *other.received[:-1]):
        _, more_files, more = totals.get(name, SourceTotals(name, 0, 0))
        totals[name] = SourceTotals(name, files + more_files, size + more)
    files, size = one.files + other.files, one.bytes + other.bytes
    failures, received = one.failures + other.failures, _received(files, size, totals.values())
    return Fetched(files, size, failures, received, one.notes, one.assembled.plus(*other.assembled))


def credited(fetched: Fetched, name: str) -> Fetched:
    """The result with another name for the object store, which verdicts speak of: a mirror was asked in its place."""
    *peers, last = fetched.received
    failures = tuple(
        replace(failure, reason=failure.reason.replace(" the presigned URL", " it").replace("the object store", name))
        for failure in fetched.failures
    )
    return replace(fetched, failures=failures, received=(*peers, last._replace(name=name)))


def _received(files: int, size: int, from_peers: Iterable[SourceTotals]) -> tuple[SourceTotals, ...]:
    """How much each source gave: what peers did not give, the object store did."""
    peers = [each for each in from_peers if each.files or each.bytes]
    given = sum(each.files for each in peers), sum(each.bytes for each in peers)
    return (*peers, SourceTotals(OBJECT_STORE, files - given[0], size - given[1]))
