"""Where a benchmark works, and what comes out of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Optional

from tests.benchmarks import programs
from tests.benchmarks.measure import Program, Usage, alternate, median
from tests.benchmarks.programs import OURS
from tests.benchmarks.site import Site, serve

MEBIBYTE = 1 << 20


class Row(NamedTuple):
    """One figure of the table.

    Attributes:
        limit: what it is held against; None where it is only told.
        least: whether the limit is the least that is good, not the most.
    """

    case: str
    figure: str
    value: float
    unit: str
    limit: Optional[float] = None
    least: bool = False

    @property
    def met(self) -> bool:
        """Whether the figure is on the right side of its limit."""
        return self.limit is None or (self.value >= self.limit if self.least else self.value <= self.limit)


@dataclass(frozen=True)
class Place:
    """Where a benchmark works.

    Attributes:
        memory: a folder in memory, for what is served and mostly for what is fetched.
        disk: a folder on a real disk.
        previous: where the previous downloader is installed; None to leave it out.
        runs: how often each program is run.
        told: told the figures of each program as they come.
    """

    memory: Path
    disk: Path
    previous: Optional[Path]
    runs: int
    told: Callable[[str], None] = field(default=print)

    @contextmanager
    def site(self, sizes: list[int], **more: object) -> Iterator[tuple[Site, Path]]:
        """A site, and the folder that it is in; gone afterwards."""
        root = self.memory / "site"
        try:
            with serve(root, sizes, **more) as site:  # type: ignore[arg-type]
                yield site, root
        finally:
            shutil.rmtree(root, ignore_errors=True)

    def race(
        self,
        site: Site,
        contestants: list[Program],
        dest: Optional[Path] = None,
        runs: int = 0,
        look: Callable[[Program, Path], None] = lambda _program, _dest: None,
    ) -> dict[str, list[Usage]]:
        """Run programs in turn, see that each brought every byte, and tell what they took.

        Args:
            site: what they fetch.
            contestants: the programs.
            dest: a folder that is made anew for each run.
            runs: how often each.
            look: called after each run, with the program and the folder.
        """
        size = sum(file.size for file in site.files)

        def complete(program: Program, folder: Path) -> None:
            ours = program.name.startswith(OURS) and program.name != programs.PREVIOUS
            fetched = [path for path in folder.rglob("*.rpm") if ".versions" in path.parts or not ours]
            brought = sum(path.stat().st_size for path in fetched)
            if (len(fetched), brought) != (len(site.files), size):
                raise RuntimeError(f"{program.name} brought {len(fetched)} files, {brought} bytes")
            look(program, folder)

        used = alternate(contestants, runs or self.runs, dest or self.memory / "dest", complete)
        for name, usages in used.items():
            wall, cpu, peak = (median(usages, figure) for figure in ("wall", "cpu", "peak"))
            self.told(f"    {name:24} {wall:7.2f} s  {cpu:6.2f} s CPU  {peak / MEBIBYTE:5.0f} MiB")
        return used

    def with_previous(self, site: Site, contestants: list[Program]) -> list[Program]:
        """The programs, and the previous downloader where it is installed."""
        return [*contestants, programs.previous(site, self.previous)] if self.previous else contestants
