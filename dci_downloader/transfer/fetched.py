"""The result of a fetch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dci_downloader.results import OBJECT_STORE, Failure, SourceTotals


@dataclass(frozen=True)
class Fetched:
    """What became of the files that were to be fetched.

    Attributes:
        files: how many are in the store now.
        bytes: received over the network, including those discarded.
        failures: the files that are not in the store.
        received: how much each source gave: the peers that gave something, and the object store.
        notes: a line for each peer that was dropped.
    """

    files: int = 0
    bytes: int = 0
    failures: tuple[Failure, ...] = ()
    received: tuple[SourceTotals, ...] = ()
    notes: tuple[str, ...] = ()


def fetched(
    files: int,
    size: int,
    failures: Iterable[Failure] = (),
    from_peers: Iterable[SourceTotals] = (),
    notes: Iterable[str] = (),
) -> Fetched:
    """The result of a fetch: what peers did not give, the object store did."""
    peers = tuple(each for each in from_peers if each.files or each.bytes)
    given = sum(each.files for each in peers), sum(each.bytes for each in peers)
    rest = SourceTotals(OBJECT_STORE, files - given[0], size - given[1])
    return Fetched(files, size, tuple(failures), (*peers, rest), tuple(notes))


def merged(one: Fetched, other: Fetched) -> Fetched:
    """The result of two fetches of one run; their notes are about the same peers, and those of the first count."""
    totals: dict[str, SourceTotals] = {}
    for each in (*one.received[:-1], *other.received[:-1]):
        so_far = totals.get(each.name, SourceTotals(each.name, 0, 0))
        totals[each.name] = SourceTotals(each.name, so_far.files + each.files, so_far.bytes + each.bytes)
    failures = (*one.failures, *other.failures)
    return fetched(one.files + other.files, one.bytes + other.bytes, failures, totals.values(), one.notes)
