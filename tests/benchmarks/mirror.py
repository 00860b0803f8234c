"""What a mirror costs once the bytes are there: ``python -m tests.benchmarks.mirror [CASE...]``.

| case | what is measured | to reach |
| --- | --- | --- |
| noop | a whole run with nothing new, 50,000 files published, against the embedded servers | < 1 s, < 150 MB |
| restore | the same after somebody deleted, replaced and truncated a file of the published tree | nothing fetched |
| first | a first run that fetches 50,000 files of 2 KB from the embedded servers: peak memory | < 150 MB |
| publish | a run whose 50,000 contents are there already: tree, record, link | |
| verify | ``dci-downloader verify``, whole process, for packages, images, tiny files | <= 1.15 x sha256sum |
| adopt | a dry look and a run over a plain folder of 5,000 packages, against sha256sum of the same | |

Verify runs beside ``find -print0 | xargs -0 -P(cores) -n 256 sha256sum`` over the same objects, in turns, in one run;
what is compared are medians. The page cache is warm for both. The case that counts is that of the packages: it is what
mirrors hold. ``openssl dgst`` runs too, for coreutils' own code is slower than the processor: it shows what sha256sum
is where it was built with libcrypto. Tiny files show what the program itself costs: start, record, look at the tree.
 Everything goes to a folder that ``--dir`` names, on
whose file system the figures depend, and is removed.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from dci_downloader.demo.catalog import Catalog
from dci_downloader.demo.site import DemoSite
from dci_downloader.mirror.mirror import Mirror
from dci_downloader.models import FileEntry

TOPIC = "RHEL-9.2"
PROGRAM = [
    sys.executable,
    "-c",
    # getrusage would count what this process held at the time of the fork
    "import sys; from dci_downloader.cli.main import main; code = main(); print(open('/proc/self/status').read());"
    " sys.exit(code)",
]
ROOT = Path(__file__).parents[2]


class Run(NamedTuple):
    """What a process took: seconds, CPU seconds, peak memory in megabytes; and what it printed."""

    seconds: float
    cpu: float
    memory: float
    output: str


def measure(command: list[str], environ: dict[str, str] | None = None, expected: int = 0) -> Run:
    with tempfile.TemporaryFile("w+") as output:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        began = time.perf_counter()
        code = subprocess.call(
            command, stdout=output, stderr=subprocess.STDOUT, env={**os.environ, **(environ or {})}, cwd=ROOT
        )
        seconds = time.perf_counter() - began
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        output.seek(0)
        said = output.read()
    assert code == expected, said
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    _, _, peak = said.rpartition("VmHWM:")
    return Run(seconds, cpu, int(peak.split()[0]) * 1024 / 1e6 if peak else 0, said)


def contents(number: int, size: Callable[[random.Random], int], seed: int = 1) -> Iterator[tuple[str, bytes]]:
    """Files that look like those of a compose: path and content, each content its own."""
    chance = random.Random(seed)
    noise = chance.randbytes(1 << 20)
    for index in range(number):
        variant = ("BaseOS", "AppStream", "CRB", "HighAvailability")[index % 4]
        name = f"{chance.choice('abcdefghijklmnopqrstuvwxyz')}{index:05d}-library-devel"
        path = f"{variant}/x86_64/os/Packages/{name[0]}/{name}-1.{index % 7}.0-{index % 30}.el9.x86_64.rpm"
        length = size(chance)
        yield path, index.to_bytes(8, "big") + (noise * (length // len(noise) + 1))[:length]


def packages(chance: random.Random) -> int:
    """Bytes of a package: most are small, a few are large; 280 kB in the mean, as in RHEL."""
    return min(int(chance.lognormvariate(10.8, 1.9)), 60_000_000)


KINDS: dict[str, tuple[int, Callable[[random.Random], int]]] = {
    "5,000 packages": (5_000, packages),
    "4 files of 400 MB": (4, lambda chance: 400_000_000),
    "50,000 files of 2 kB": (50_000, lambda chance: 2_000),
}


PEERS = ("sha256sum", "openssl dgst -sha256 -r")
"""Coreutils hash with code of their own in Debian and with libcrypto, which knows the processor, in RHEL."""


class Lab:
    """The embedded servers, a folder, and the program in it."""

    def __init__(self, folder: Path, site: DemoSite) -> None:
        self.folder = folder
        self.site = site
        self.dest = folder / "dci"

    def build(self, files: dict[str, bytes]) -> None:
        catalog = self.site.catalog
        topic = next(iter(catalog.topics.values()), None) or catalog.add_topic(TOPIC)
        catalog.add_component(topic, name=f"RHEL-9.2.0-{len(catalog.components)}", files=files)

    def fill(self, files: dict[str, bytes]) -> None:
        """Put contents into the store, as a transfer would."""
        mirror = Mirror(self.dest)
        mirror.prepare()
        for entry, content in zip(entries(files), files.values()):
            mirror.store.add(entry, [content])
        mirror.store.flush()

    def sync(self) -> Run:
        return measure([*PROGRAM, TOPIC, str(self.dest), "--all", "--quiet"], self.site.environment())


def entries(files: dict[str, bytes]) -> Iterator[FileEntry]:
    from hashlib import sha256

    return (FileEntry(path, sha256(content).hexdigest(), len(content)) for path, content in files.items())


@contextmanager
def lab(parent: str) -> Iterator[Lab]:
    folder = Path(tempfile.mkdtemp(prefix="mirror-benchmark-", dir=parent))
    try:
        with DemoSite(Catalog()) as site:
            yield Lab(folder, site)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def say(case: str, what: str, figure: str, wanted: str = "") -> None:
    print(f"| {case} | {what} | {figure} | {wanted} |", flush=True)


def median(runs: list[Run]) -> Run:
    return sorted(runs)[len(runs) // 2]


def steady(parent: str, rounds: int) -> None:
    """noop, restore and publish."""
    with lab(parent) as here:
        files = dict(contents(50_000, lambda chance: 2_000))
        here.build(files)
        here.fill(files)
        published = here.sync()
        say("publish", "50,000 files, whole run", f"{published.seconds:.2f} s, {published.memory:.0f} MB")
        runs = [here.sync() for _ in range(rounds)]
        took = median(runs)
        best = min(run.seconds for run in runs)
        say(
            "noop",
            f"50,000 files, median of {rounds}",
            f"{took.seconds:.2f} s (best {best:.2f}), CPU {took.cpu:.2f} s, {took.memory:.0f} MB",
            "1 s, 150 MB",
        )
        damage(here, list(files))
        here.site.store.forget()
        restored = here.sync()
        asked = [request.path for request in here.site.store.requests if request.path.endswith(".rpm")]
        whole = all((here.dest / TOPIC / "compose" / path).read_bytes() == content for path, content in files.items())
        assert whole, "not restored"
        say("restore", "3 files damaged by hand", f"{restored.seconds:.2f} s, {len(asked)} fetched", "0 fetched")


def damage(here: Lab, paths: list[str]) -> None:
    """Delete one file, replace another, and truncate a third's name by a shorter file."""
    root = here.dest / TOPIC / "compose"
    for number, path in enumerate(paths[:3]):
        (root / path).unlink()
        if number:
            (root / path).write_bytes(b"x" * (2_008 if number == 1 else 10))


def first(parent: str, rounds: int) -> None:
    with lab(parent) as here:
        here.build(dict(contents(50_000, lambda chance: 2_000)))
        run = here.sync()
        say("first", "50,000 files of 2 kB fetched", f"{run.memory:.0f} MB ({run.seconds:.0f} s)", "150 MB")


def others(program: str, folder: Path, number: int) -> list[str]:
    """A command that hashes so many files in as many processes as there are cores."""
    cores = os.cpu_count() or 1
    each = max(1, min(256, number // cores))
    return ["sh", "-c", f"find '{folder}' -type f -print0 | xargs -0 -P{cores} -n {each} {program} >/dev/null"]


def verify(parent: str, rounds: int) -> None:
    for kind, (number, size) in KINDS.items():
        with lab(parent) as here:
            files = dict(contents(number, size))
            amount = sum(map(len, files.values()))
            here.build(files)
            here.fill(files)
            del files
            here.sync()
            commands = {name: others(name, here.dest / ".dci-downloader/objects", number) for name in PEERS}
            commands["ours"] = [*PROGRAM, "verify", str(here.dest), "--quiet"]
            runs = {name: [] for name in commands}
            for _ in range(rounds):
                for name, command in commands.items():
                    runs[name].append(measure(command))
            took = {name: median(each) for name, each in runs.items()}
            told = ", ".join(f"{took['ours'].seconds / took[name].seconds:.2f} x {name}" for name in PEERS)
            seconds = ", ".join(f"{name} {run.seconds:.2f} s (CPU {run.cpu:.2f})" for name, run in took.items())
            figures = f"{told}: {seconds}, {took['ours'].memory:.0f} MB"
            say("verify", f"{kind}, {amount / 1e6:,.0f} MB", figures, "1.15 x sha256sum")


def adopt(parent: str, rounds: int) -> None:
    with lab(parent) as here:
        files = dict(contents(*KINDS["5,000 packages"]))
        here.build(files)
        plain = here.dest / TOPIC / "compose"
        for path, content in files.items():
            (plain / path).parent.mkdir(parents=True, exist_ok=True)
            (plain / path).write_bytes(content)
        theirs = median([measure(others("sha256sum", plain, len(files))) for _ in range(rounds)])
        run = here.sync()
        asked = [request.path for request in here.site.store.requests if request.path.endswith(".rpm")]
        told = f"{run.seconds / theirs.seconds:.2f} x ({run.seconds:.2f} s against {theirs.seconds:.2f} s)"
        say("adopt", "5,000 packages, whole run, flushed", f"{told}, {len(asked)} fetched", "0 fetched")


CASES = {"noop": steady, "first": first, "verify": verify, "adopt": adopt}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.mirror", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"{', '.join(CASES)} (default: all)")
    parser.add_argument("--dir", default=tempfile.gettempdir(), help="where to work")
    parser.add_argument("--rounds", type=int, default=7, help="how often each is measured")
    arguments = parser.parse_args()
    unknown = set(arguments.cases) - CASES.keys()
    if unknown:
        parser.error(f"no such case: {', '.join(unknown)}")
    print("| case | of what | measured | to reach |\n| --- | --- | --- | --- |")
    for case in arguments.cases or CASES:
        CASES[case](arguments.dir, arguments.rounds)


if __name__ == "__main__":
    main()
