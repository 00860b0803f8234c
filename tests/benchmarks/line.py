"""The case of a line that is used to its limit."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from tests.benchmarks import programs
from tests.benchmarks.measure import Program, alternate
from tests.benchmarks.place import Place, Row
from tests.benchmarks.site import rpm_sizes

_RATE = 125e6  # bytes per second: 1 Gbit/s


def line(place: Place) -> Iterator[Row]:
    """Packages and an image across a line of 1 Gbit/s with a round trip of 5 ms, onto a disk."""
    case = "5,000 packages, 0.7 GB, and an image of 1 GB, 1 Gbit/s, 5 ms away, onto a disk"
    rates: list[float] = []
    ends: list[float] = []
    with place.site([*rpm_sizes(5000, 700_000_000), 1_000_000_000], round_trip=0.005, line_rate=_RATE) as (site, root):
        look = partial(_look, root / "store-line.json", rates, ends)
        alternate([programs.ours(site)], place.runs, place.disk / "dest", look)
    yield Row(case, "of the line's rate, first to last byte", 100 * statistics.median(rates[1:]), "%", 95, least=True)
    yield Row(case, "from the last byte to the published link", statistics.median(ends[1:]), "s", 1)


def _look(figures: Path, rates: list[float], ends: list[float], _program: Program, dest: Path) -> None:
    """Note how the line was used, and when the component was published after that."""
    size, first, last = json.loads(figures.read_text())
    figures.unlink()
    rates.append(size / (last - first) / _RATE)
    ends.append((dest / "RHEL-9.2" / "compose").lstat().st_mtime - last)
