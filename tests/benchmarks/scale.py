"""What a run costs in a mirror of many topics: ``python -m tests.benchmarks scale``.

The mirror is built directly (see :mod:`tests.benchmarks.large_mirror`), and the program runs against the embedded
servers. Each figure comes for one topic first, then for more: the cost of a run should follow from its own topic.
``SCALE=0.1`` in the environment makes everything a tenth as large, for a first look.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from dci_downloader.demo.site import DemoSite
from tests.benchmarks import programs
from tests.benchmarks.large_mirror import LargeMirror, Shape
from tests.benchmarks.measure import Program, Usage, median, run_command
from tests.benchmarks.place import Place, Row
from tests.benchmarks.programs import OURS

TOPICS = (1, 5, 20)
LOCKED = 75
BESIDE = 42
"""Runs of another topic beside an update."""

_SCALE = float(os.environ.get("SCALE", "1"))
_DOWNLOADER = str(Path(sys.executable).with_name("dci-downloader"))


@dataclass(frozen=True)
class Runs:
    """Runs the program on a large mirror."""

    mirror: LargeMirror
    site: DemoSite
    folder: Path

    def run(self, *arguments: str, expected: Sequence[int] = (0,)) -> tuple[int, Usage]:
        """Run it; gives its exit code and what it took."""
        said = self.folder / f"said-{os.urandom(4).hex()}"
        environ = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "LC_ALL": "C.UTF-8"}
        command = [_DOWNLOADER, *arguments]
        code, usage = run_command(command, {**environ, **self.site.environment()}, said)
        if code not in expected:
            raise RuntimeError(f"{' '.join(command)} left with {code}:\n{said.read_text(errors='replace')[-2000:]}")
        said.unlink()
        return code, usage

    def sync(self, topic: int, *options: str, expected: Sequence[int] = (0,)) -> tuple[int, Usage]:
        """Sync one topic."""
        name = self.mirror.topics[topic].name
        keep = str(self.mirror.shape.versions - 1)
        return self.run(name, str(self.mirror.root), "--all", "--quiet", "--keep", keep, *options, expected=expected)

    def sync_all(self) -> Usage:
        """Sync all topics in one run."""
        settings = self.folder / "settings.yml"
        topics = [{"topic": topic.name, "download_everything": True, "keep": 2} for topic in self.mirror.topics]
        settings.write_text(json.dumps({"local_repo": str(self.mirror.root), "topics": topics}))
        return self.run("--settings", str(settings))[1]

    def update(self, topic: int) -> Usage:
        """Sync one topic after a new build of it."""
        self.mirror.offer(self.mirror.topics[topic])
        return self.sync(topic)[1]

    def command(self, name: str, *options: str) -> Usage:
        """Run a command on the mirror."""
        return self.run(name, str(self.mirror.root), *options)[1]

    def seconds(self, usages: Sequence[Usage]) -> float:
        """The median of what runs took."""
        return statistics.median(usage.wall for usage in usages)


def scale(place: Place) -> Iterator[Row]:
    """Up to twenty topics with three versions each."""
    shape = Shape(files=int(15_000 * _SCALE), changed=int(750 * _SCALE))
    mirror = LargeMirror(place.memory / "scale" / "dci", shape)
    with DemoSite(mirror.catalog) as site:
        runs = Runs(mirror, site, place.memory / "scale")
        alone: dict[str, float] = {}
        for topics in TOPICS:
            mirror.grow(topics)
            case = (
                f"{topics} topics of {2 * shape.files:,} files"
                if topics > 1
                else f"1 topic of {2 * shape.files:,} files"
            )
            place.told(f"  {case}: built")
            yield from _rows(case, runs, place.runs, alone)


def _rows(case: str, runs: Runs, number: int, alone: dict[str, float]) -> Iterator[Row]:
    """The figures of one size; ``alone`` keeps those of a single topic, which the others are held against."""
    topics = len(runs.mirror.topics)
    runs.sync(0)  # heads and lists that this release keeps beside records are made once
    figures = {
        "no-op of one topic": runs.seconds([runs.sync(0)[1] for _ in range(number)]),
        "update of one topic": runs.seconds([runs.update(0) for _ in range(number)]),
    }
    limits = {"no-op of one topic": 1.2, "update of one topic": 1.3}
    for figure, seconds in figures.items():
        first = alone.setdefault(figure, seconds)
        yield Row(case, figure, seconds, "s", 2.5 if topics == 1 and figure.startswith("update") else None)
        if topics > 1:
            yield Row(case, f"{figure}, of that with one topic", seconds / first, "×", limits[figure])
    if topics > 1:
        runs.sync_all()
        seconds = runs.seconds([runs.sync_all() for _ in range(number)])
        start = runs.seconds([runs.run("--version")[1] for _ in range(3)])
        share = (seconds - start) / (alone["no-op of one topic"] - start)
        yield Row(case, "no-op of all topics", seconds, "s")
        yield Row(case, "no-op of all, of one topic's alone less start-up", share, "×", 1.1 * topics)
        yield from _beside(case, runs)
    yield Row(case, "status", runs.seconds([runs.command("status") for _ in range(number)]), "s", 1.0)
    yield Row(case, "prune, nothing to do", _prune(runs, number), "s", 5.0)
    runs.mirror.leave_unflushed(1500)
    recovery = runs.sync(0)[1].wall - figures["no-op of one topic"]
    yield Row(case, "recovery after another boot, more than a no-op", recovery, "s", 5.0)
    verified = runs.command("verify")
    yield Row(case, "verify", verified.wall, "s")
    yield Row(case, "verify, memory", verified.peak / 1e6, "MB", 150)
    if topics == max(TOPICS):
        with ThreadPoolExecutor(topics) as together:
            usages = [usage for _, usage in together.map(runs.sync, range(topics))]
        yield Row(case, "one no-op of each topic at once", max(usage.wall for usage in usages), "s")
        yield Row(case, "one no-op of each topic at once, memory", sum(one.peak for one in usages) / 1e6, "MB", 1200)


def _prune(runs: Runs, number: int) -> float:
    keep = ("--keep", str(runs.mirror.shape.versions - 1))
    runs.command("prune", *keep)
    return runs.seconds([runs.command("prune", *keep) for _ in range(number)])


def _beside(case: str, runs: Runs) -> Iterator[Row]:
    """No-ops of another topic that do not wait, while one topic is updated again and again."""
    left = locked = 0
    with ThreadPoolExecutor(1) as beside:
        while left < BESIDE:
            update = beside.submit(runs.update, 0)
            while left < BESIDE and not update.done():
                code, _ = runs.sync(1, "--lock-timeout", "0", expected=(0, LOCKED))
                left, locked = left + 1, locked + (code == LOCKED)
            update.result()
    yield Row(case, f"another topic's no-op beside updates, --lock-timeout 0: locked of {left}", locked, "", 0)


def one_component(place: Place) -> Iterator[Row]:
    """200,000 files in one component: a first run, and one with nothing new."""
    number = int(200_000 * _SCALE)
    case = f"{number:,} files in one component"
    with place.site([64] * number) as (site, _):
        ours = replace(programs.ours(site), weighed=True)
        dest = place.memory / "dest"
        first = place.race(site, [ours], runs=1)[OURS]
        yield Row(case, "first run", median(first, "wall"), "s")
        yield Row(case, "first run, memory", median(first, "peak") / 1e6, "MB", 200)
        ours.run(dest)
        again = _again(ours, dest)
        yield Row(case, "no-op", again.wall, "s")
        yield Row(case, "no-op, memory", again.peak / 1e6, "MB", 200)


def nothing_new_far_away(place: Place) -> Iterator[Row]:
    """A run with nothing new, 40 ms away: for how many round trips it waits, those of four handshakes included."""
    round_trip, seconds = 0.04, {}
    for delay in (0.0, round_trip):
        with place.site([2048] * 50, round_trip=delay) as (site, _):
            ours, dest = programs.ours(site), place.memory / "dest"
            ours.run(dest)
            seconds[delay] = statistics.median(_again(ours, dest).wall for _ in range(place.runs))
    trips = (seconds[round_trip] - seconds[0.0]) / round_trip
    yield Row("no-op, 40 ms away", "round trips, with those of handshakes", trips, "", 14)


def _again(program: Program, dest: Path) -> Usage:
    """What another run into the same folder takes."""
    command = [part.replace("{dest}", str(dest)) for part in program.command]
    code, usage = run_command(command, _environ(program), dest / "said", weighed=program.weighed)
    if code:
        raise RuntimeError((dest / "said").read_text(errors="replace"))
    return usage


def _environ(program: Program) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "LC_ALL": "C.UTF-8", **program.environ}
