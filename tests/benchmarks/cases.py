"""The cases: what is fetched, by which programs, and what the figures are held against."""

from __future__ import annotations

import json
import ssl
import statistics
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from tests.benchmarks import programs
from tests.benchmarks.images import images, nightly
from tests.benchmarks.line import line
from tests.benchmarks.measure import Program, alternate, median, ratio
from tests.benchmarks.mirrored import mirrored
from tests.benchmarks.peers import peer, slow_peer
from tests.benchmarks.place import Place, Row
from tests.benchmarks.programs import OURS, PREVIOUS
from tests.benchmarks.scale import nothing_new_far_away, one_component, scale
from tests.benchmarks.servers import TOGETHER
from tests.benchmarks.site import Site, rpm_sizes


def packages(place: Place) -> Iterator[Row]:
    """5,000 files with the sizes of packages, 1.4 GB, no latency."""
    case = "5,000 packages, 1.4 GB"
    with place.site(rpm_sizes(5000, 1_400_000_000)) as (site, root):
        ours, curl = programs.ours(site), programs.curl(site, root, 16)
        aria2c, rclone = programs.aria2c(site, root, "-j16"), programs.rclone(site, root, 16)
        by_hand = programs.by_hand(site, root, 16)
        used = place.race(site, place.with_previous(site, [ours, by_hand, curl, aria2c, rclone]))
    yield Row(case, f"time, {by_hand.name}", ratio(used[OURS], used[by_hand.name]), "×", 0.9)
    yield Row(case, f"time, {curl.name} (one hop, unchecked)", ratio(used[OURS], used[curl.name]), "×", 1.6)
    yield Row(case, f"time, {aria2c.name} (one hop)", ratio(used[OURS], used[aria2c.name]), "×", 0.65)
    yield Row(case, f"time, {rclone.name} (one hop, unchecked)", ratio(used[OURS], used[rclone.name]), "×")
    if PREVIOUS in used:
        yield Row(case, f"time, {PREVIOUS}", ratio(used[OURS], used[PREVIOUS]), "×")
    yield Row(case, f"CPU seconds per GB, {aria2c.name}", ratio(used[OURS], used[aria2c.name], "cpu"), "×", 0.85)


def far_away(place: Place) -> Iterator[Row]:
    """1,500 files across a line with a round trip of 40 ms."""
    case = "1,500 packages, 40 ms away"
    with place.site(rpm_sizes(1500, 420_000_000), round_trip=0.04) as (site, root):
        ours, curl = programs.ours(site), programs.curl(site, root, 64, redirected=True)
        used = place.race(site, place.with_previous(site, [ours, curl]))
    yield Row(case, f"time, {curl.name} (two hops)", ratio(used[OURS], used[curl.name]), "×", 1.2)
    if PREVIOUS in used:
        yield Row(case, f"time, {PREVIOUS}", ratio(used[OURS], used[PREVIOUS]), "×", 0.2)


def limited(place: Place) -> Iterator[Row]:
    """A control server that answers 110 redirects a second on a connection, and 240 together."""
    for where, round_trip, capacity, connections in (("nearby", 0.0, 0.87, 16), ("40 ms away", 0.04, 0.75, 32)):
        case = f"control server with {TOGETHER:.0f} redirects/s, {where}"
        with place.site([20_000] * 2000, round_trip=round_trip, limited=True) as (site, _):
            seen: list[dict[str, float]] = []

            def look(_program: Program, _dest: Path, site: Site = site, seen: list[dict[str, float]] = seen) -> None:
                seen.append(_figures(site))

            alternate([programs.ours(site)], place.runs, place.memory / "dest", look)
        rate = statistics.median((run["redirects"] - 1) / (run["last"] - run["first"]) for run in seen[1:])
        place.told(f"    {rate:.0f} redirects/s")
        yield Row(case, "of its capacity used", 100 * rate / TOGETHER, "%", 100 * capacity, least=True)
        yield Row(case, "connections", max(figures["connections"] for figures in seen), "", connections)


def _figures(site: Site) -> dict[str, float]:
    trust = ssl.create_default_context(cafile=str(site.authority))
    with urllib.request.urlopen(f"{site.control}/figures", context=trust) as answer:
        figures: dict[str, float] = json.load(answer)
    return figures


def tiny(place: Place) -> Iterator[Row]:
    """20,000 files of 2 KB."""
    with place.site([2048] * 20_000) as (site, root):
        ours, curl = programs.ours(site), programs.curl(site, root, 16, redirected=True)
        used = place.race(site, [ours, curl])
    yield Row("20,000 files of 2 KB", f"time, {curl.name} (two hops)", ratio(used[OURS], used[curl.name]), "×", 1.2)


def image(place: Place) -> Iterator[Row]:
    """One file of 800 MB, where each connection gets 25 MB/s."""
    with place.site([800_000_000], connection_rate="25m") as (site, root):
        ours, aria2c = programs.ours(site), programs.aria2c(site, root, "-x16", "-s16")
        used = place.race(site, [ours, aria2c])
    case = "800 MB file, 25 MB/s a connection"
    yield Row(case, f"time, {aria2c.name}", ratio(used[OURS], used[aria2c.name]), "×", 0.8)


def memory(place: Place) -> Iterator[Row]:
    """What is held in memory."""
    with place.site([2048] * 50_000) as (site, _):
        used = place.race(site, [replace(programs.ours(site), weighed=True)], runs=1)
    yield Row("peak memory", "50,000 files", median(used[OURS], "peak") / 1e6, "MB", 150)
    peaks = []
    for size in (8_000_000, 800_000_000):
        with place.site([size]) as (site, _):
            peaks.append(median(place.race(site, [replace(programs.ours(site), weighed=True)])[OURS], "peak") / 1e6)
    yield Row("peak memory", "800 MB file rather than 8 MB", peaks[1] - peaks[0], "MB more", 32)


def onto_disk(place: Place) -> Iterator[Row]:
    """Onto a real disk, flushed."""
    for case, sizes in (
        ("4,000 files of 2 KB onto a disk", [2048] * 4000),
        ("2,000 packages, 560 MB, onto a disk", rpm_sizes(2000, 560_000_000)),
    ):
        with place.site(sizes) as (site, root):
            ours, curl = programs.ours(site), programs.curl(site, root, 16, flushes=True)
            used = place.race(site, [ours, curl], place.disk / "dest")
        yield Row(case, f"time, {curl.name}", ratio(used[OURS], used[curl.name]), "×", 1.5)


_NEARBY = (packages, limited, tiny, image, images, nightly, peer, slow_peer, mirrored, memory, onto_disk)
_FAR_AWAY = (far_away, line, nothing_new_far_away)
_CASES = (*_NEARBY, *_FAR_AWAY, scale, one_component)
CASES: dict[str, Callable[[Place], Iterator[Row]]] = {case.__name__.replace("_", "-"): case for case in _CASES}
