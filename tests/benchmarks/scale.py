"""What a run costs in a mirror of many topics: ``python -m tests.benchmarks scale``.

The mirror is built directly (see :mod:`tests.benchmarks.large_mirror`), and the program runs against the embedded
servers. The cost of a run should follow from its own topic: so runs in a mirror of many topics are compared, in turn,
with runs in one of a single topic.
``SCALE=0.1`` in the environment makes everything a tenth as large, for a first look.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from dci_downloader.demo.site import DemoSite
from tests.benchmarks import programs
from tests.benchmarks.large_mirror import LargeMirror, Shape
from tests.benchmarks.measure import Program, Usage, median, run_command
from tests.benchmarks.place import Place, Row
from tests.benchmarks.programs import OURS

TOPICS = (5, 20)
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
    """Up to twenty topics with three versions each, run in turn with a mirror of one topic."""
    with _runs(place, "one") as one, _runs(place, "many") as many:
        one.mirror.grow(1)
        case = f"1 topic of {2 * one.mirror.shape.files:,} files"
        place.told(f"  {case}: built")
        one.sync(0)  # heads and lists that this release keeps beside records are made once
        yield Row(case, "no-op of one topic", one.seconds([one.sync(0)[1] for _ in range(place.runs)]), "s")
        yield Row(case, "update of one topic", one.seconds([one.update(0) for _ in range(place.runs)]), "s", 2.5)
        yield from _commands(case, one, place.runs)
        for topics in TOPICS:
            many.mirror.grow(topics)
            case = f"{topics} topics of {2 * many.mirror.shape.files:,} files"
            place.told(f"  {case}: built")
            many.sync(0)
            yield from _compared(case, many, one, place.runs)
            yield from _of_all(case, many, one, place.runs)
            yield from _beside(case, many)
            yield from _commands(case, many, place.runs)
        with ThreadPoolExecutor(topics) as together:
            usages = [usage for _, usage in together.map(many.sync, range(topics))]
        yield Row(case, "one no-op of each topic at once", max(usage.wall for usage in usages), "s")
        yield Row(case, "one no-op of each topic at once, memory", sum(one.peak for one in usages) / 1e6, "MB", 1200)


@contextmanager
def _runs(place: Place, name: str) -> Iterator[Runs]:
    """A mirror without topics, and its servers; gone afterwards."""
    folder = place.memory / name
    mirror = LargeMirror(folder / "dci", Shape(files=int(15_000 * _SCALE), changed=int(750 * _SCALE)))
    try:
        with DemoSite(mirror.catalog) as site:
            yield Runs(mirror, site, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _compared(case: str, many: Runs, one: Runs, number: int) -> Iterator[Row]:
    """What a run of one topic takes beside others, and how many times what it takes without them."""
    for figure, run, limit in (
        ("no-op of one topic", lambda runs: runs.sync(0)[1], 1.2),
        ("update of one topic", lambda runs: runs.update(0), 1.3),
    ):
        pairs = [(run(many), run(one)) for _ in range(number)]
        yield Row(case, figure, many.seconds([beside for beside, _ in pairs]), "s")
        times = statistics.median(beside.wall / alone.wall for beside, alone in pairs)
        yield Row(case, f"{figure}, of that with one topic", times, "×", limit)


def _of_all(case: str, many: Runs, one: Runs, number: int) -> Iterator[Row]:
    """What a no-op of all topics takes, and how many times what that of one topic does."""
    many.sync_all()
    turns = [(many.sync_all(), one.sync(0)[1], one.run("--version")[1]) for _ in range(number)]
    yield Row(case, "no-op of all topics", many.seconds([of_all for of_all, _, _ in turns]), "s")
    times = statistics.median((of_all.wall - start.wall) / (alone.wall - start.wall) for of_all, alone, start in turns)
    topics = len(many.mirror.topics)
    yield Row(case, "no-op of all, of one topic's alone less start-up", times, "×", 1.1 * topics)


def _commands(case: str, runs: Runs, number: int) -> Iterator[Row]:
    """What looks at the whole mirror."""
    yield Row(case, "status", runs.seconds([runs.command("status") for _ in range(number)]), "s", 1.0)
    yield Row(case, "prune, nothing to do", _prune(runs, number), "s", 5.0)
    no_op = runs.sync(0)[1]
    runs.mirror.leave_unflushed(1500)
    recovery = runs.sync(0)[1].wall - no_op.wall
    yield Row(case, "recovery after another boot, more than a no-op", recovery, "s", 5.0)
    verified = runs.command("verify")
    yield Row(case, "verify", verified.wall, "s")
    yield Row(case, "verify, memory", verified.peak / 1e6, "MB", 150)


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
