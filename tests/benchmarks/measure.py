"""Runs programs as whole processes, in turn, and compares what they took."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple


class Usage(NamedTuple):
    """What one run took.

    Attributes:
        wall: seconds.
        cpu: seconds of user and system time, of the process and its children.
        peak: the most memory that one process held, bytes; of a program that is weighed, all its processes together.
    """

    wall: float
    cpu: float
    peak: int


@dataclass(frozen=True)
class Program:
    """Something that fetches the files of a case.

    Attributes:
        command: what is run; ``{dest}`` stands for an empty folder.
        environ: what is in its environment beside PATH and HOME.
        flushes: whether the destination's file system is flushed (sync -f) within the time that is measured.
        prepare: called with the new folder before each run.
        weighed: whether what its processes hold together is looked at 50 times a second, which takes some time itself.
    """

    name: str
    command: Sequence[str]
    environ: Mapping[str, str] = field(default_factory=dict)
    flushes: bool = False
    weighed: bool = False
    prepare: Callable[[Path], None] = lambda _: None

    def run(self, dest: Path) -> Usage:
        """Run it into a new folder.

        Raises:
            RuntimeError: it failed; the end of what it said is in the message.
        """
        shutil.rmtree(dest, ignore_errors=True)
        dest.mkdir(parents=True)
        self.prepare(dest)
        command = [part.replace("{dest}", str(dest)) for part in self.command]
        own = {"PATH": os.environ["PATH"], "HOME": str(dest.parent), "LC_ALL": "C.UTF-8", **self.environ}
        said = dest.parent / "said"
        flushed = str(dest) if self.flushes else ""
        status, usage = run_command(command, own, said, flushed=flushed, weighed=self.weighed)
        if status:
            end = said.read_text(errors="replace")[-2000:]
            raise RuntimeError(f"{self.name} left with {status}:\n{end}")
        return usage


def run_command(
    command: Sequence[str], environ: Mapping[str, str], said: Path, *, flushed: str = "", weighed: bool = False
) -> tuple[int, Usage]:
    """Run a command; gives its exit code, negative for a signal, and what it took.

    Args:
        command: the program and its arguments.
        environ: its whole environment.
        said: a file for what it prints.
        flushed: a path whose file system is flushed within the time that is measured; empty for none.
        weighed: see :class:`Program`.
    """
    runner = [sys.executable, "-I", "-S", "-c", _RUNNER, flushed, "weighed" * weighed, *command]
    with said.open("wb") as output:
        done = subprocess.run(
            runner, env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=output, check=True
        )
    status, *usage = json.loads(done.stdout)
    return os.waitstatus_to_exitcode(status), Usage(*usage)


_RUNNER = """
import json, os, sys, time
flushed, weighed, *command = sys.argv[1:]
together = 0
def held(pid):
    with open(f"/proc/{pid}/smaps_rollup") as rollup:
        own = next(int(line.split()[1]) for line in rollup if line.startswith("Pss:"))
    with open(f"/proc/{pid}/task/{pid}/children") as children:
        return own + sum(map(held, children.read().split()))
began = time.monotonic()
pid = os.posix_spawnp(command[0], command, os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, 2, 1)])
while weighed and os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
    try:
        together = max(together, held(pid))
    except (OSError, StopIteration):
        pass  # one of them ended just now
    time.sleep(0.02)
_, status, used = os.wait4(pid, 0)
if flushed:
    os.waitpid(os.posix_spawnp("sync", ["sync", "-f", flushed], os.environ), 0)
wall = time.monotonic() - began
print(json.dumps([status, wall, used.ru_utime + used.ru_stime, (together or used.ru_maxrss) * 1024]))
"""
"""Runs a command from a small process: what the kernel calls the peak of a process counts what its parent held.

Memory that processes share counts once (Pss in proc(5))."""


def alternate(
    programs: Sequence[Program], runs: int, dest: Path, check: Callable[[Program, Path], None]
) -> dict[str, list[Usage]]:
    """Run the programs in turn, A B A B, so that a machine that slows down slows down all of them.

    Args:
        programs: which.
        runs: how often each; one run more of each goes before and is not counted.
        dest: a folder that is made anew for each run.
        check: sees that a run brought what it should.
    """
    used: dict[str, list[Usage]] = {program.name: [] for program in programs}
    for run in range(runs + 1):
        for program in programs:
            usage = program.run(dest)
            check(program, dest)
            if run:
                used[program.name].append(usage)
    shutil.rmtree(dest, ignore_errors=True)
    return used


def median(usages: Sequence[Usage], figure: str) -> float:
    """The median of one figure of :class:`Usage`."""
    return statistics.median(getattr(usage, figure) for usage in usages)


def ratio(ours: Sequence[Usage], theirs: Sequence[Usage], figure: str = "wall") -> float:
    """The median of the ratios of runs that stood side by side."""
    return statistics.median(getattr(a, figure) / getattr(b, figure) for a, b in zip(ours, theirs))
