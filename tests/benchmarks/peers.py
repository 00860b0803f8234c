"""The cases of peers: one as fast as the object store, and some that are of little use."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from tests.benchmarks import programs
from tests.benchmarks.measure import Program, ratio
from tests.benchmarks.place import Place, Row
from tests.benchmarks.programs import OURS
from tests.benchmarks.site import Site, rpm_sizes, silent_server

_WITH_PEER = f"{OURS} --peer"


def peer(place: Place) -> Iterator[Row]:
    """From a peer that has all, and is as fast as the object store."""
    case = "5,000 packages from a peer as fast as the object store"
    with place.site(_sizes()) as (site, _):
        shares: list[float] = []
        used = place.race(site, [programs.ours(site), _with_peer(site, site.peer)], look=partial(_note, shares))
    yield Row(case, f"time, {OURS} without it", ratio(used[_WITH_PEER], used[OURS]), "×", 0.9)
    yield Row(case, "of all bytes from it", 100 * statistics.median(shares), "%", 90, least=True)


def slow_peer(place: Place) -> Iterator[Row]:
    """With peers that are of little use."""
    for what, rate in (("with a peer of 0.8 MB/s", "100k"), ("with a peer that trickles", "1k")):
        with place.site(_sizes(), peer_rate=rate) as (site, _):
            yield _beside(place, site, site.peer, what)
    with place.site(_sizes()) as (site, _), silent_server() as url:
        yield _beside(place, site, url, "with a peer that never answers")


def _sizes() -> list[int]:
    return rpm_sizes(5000, 1_400_000_000)


def _beside(place: Place, site: Site, url: str, what: str) -> Row:
    used = place.race(site, [programs.ours(site), _with_peer(site, url)])
    return Row(f"5,000 packages {what}", f"time, {OURS} without it", ratio(used[_WITH_PEER], used[OURS]), "×", 1.1)


def _with_peer(site: Site, url: str) -> Program:
    return replace(programs.ours(site, "--peer", url, "--json", "--quiet"), name=_WITH_PEER)


def _note(shares: list[float], program: Program, dest: Path) -> None:
    """Note which part of the bytes the peer gave."""
    if program.name == _WITH_PEER:
        report = json.loads((dest.parent / "said").read_text())
        received = report["topics"][0]["components"][0]["received"]
        shares.append(1 - received[-1]["bytes"] / sum(each["bytes"] for each in received))
