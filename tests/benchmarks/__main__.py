"""Measures this program beside curl, aria2c, rclone and its predecessor: ``python -m tests.benchmarks``.

Everything is on this machine: nginx as control server and object store over TLS, a line with a delay, a control server
that is soon full. Programs run in turn, and what counts is the median of the ratios of runs side by side.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Optional

from tests.benchmarks.cases import CASES
from tests.benchmarks.place import Place, Row

PAGE = Path(__file__).parents[2] / "dci_downloader" / "docs" / "performance.md"
PREVIOUS = "dci-downloader==3.2.0.*"


def main() -> int:
    """Run the cases that were asked for, and print what came out."""
    arguments = _arguments()
    missing = [name for name in ("nginx", "openssl", "curl", "aria2c", "rclone") if shutil.which(name) is None]
    if missing:
        print(f"not installed here: {', '.join(missing)}", file=sys.stderr)
        return 2
    with _folder(arguments.memory) as memory, _folder(arguments.disk) as disk:
        previous = None if arguments.without_previous else _previous(memory / "previous")
        place = Place(memory, disk, previous, arguments.runs, lambda line: print(line, flush=True))
        rows: list[Row] = []
        for name in arguments.cases or CASES:
            print(f"{name}:", flush=True)
            for row in CASES[name](place):
                rows.append(row)
                print(f"  {row.figure}: {_value(row)}{_limit(row, ', to reach ')}", flush=True)
    table = list(_table(rows))
    print("\n" + "\n".join(table))
    if arguments.write:
        _write(table, arguments.runs)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__.partition("\n")[0])
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)} (default: all)")
    parser.add_argument("--runs", type=int, default=5, help="of each program, after one that is not counted")
    parser.add_argument("--memory", type=Path, default=Path("/dev/shm"), help="a folder in memory, with 4 GB to spare")
    parser.add_argument("--disk", type=Path, default=Path("/var/tmp"), help="a folder on a disk")
    parser.add_argument("--without-previous", action="store_true", help="leave dci-downloader 3.2.0 out")
    parser.add_argument("--write", action="store_true", help=f"write the table to {PAGE.name}")
    arguments = parser.parse_args()
    unknown = set(arguments.cases) - CASES.keys()
    if unknown:
        parser.error(f"no such case: {', '.join(sorted(unknown))}")
    return arguments


@contextmanager
def _folder(parent: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="benchmark-", dir=parent) as folder:
        yield Path(folder)


def _previous(folder: Path) -> Optional[Path]:
    """Install the previous downloader; None where the package index is out of reach."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    done = subprocess.run([folder / "bin" / "pip", "install", "--quiet", PREVIOUS], capture_output=True, check=False)
    if done.returncode:
        print(f"note: {PREVIOUS} cannot be installed, and is left out", file=sys.stderr)
        return None
    return folder


def _value(row: Row) -> str:
    return f"{row.value:.2f} {row.unit}" if row.unit in ("×", "s") else f"{row.value:.0f} {row.unit}".rstrip()


def _limit(row: Row, before: str = "") -> str:
    if row.limit is None:
        return ""
    return f"{before}{'at least' if row.least else 'at most'} {row.limit:g}{'' if row.met else ': missed'}"


def _table(rows: Sequence[Row]) -> Iterator[str]:
    yield "| case | figure | measured | to reach |"
    yield "| --- | --- | --- | --- |"
    for row in rows:
        yield f"| {row.case} | {row.figure} | {_value(row)} | {_limit(row) or '–'} |"


def _write(table: Sequence[str], runs: int) -> None:
    """Put the table between its marks in the page."""
    machine = f"Python {platform.python_version()}, {os.cpu_count()} cores, medians of {runs} runs"
    text = PAGE.read_text(encoding="utf-8")
    section = "\n".join(["<!-- benchmark -->", f"Measured with {machine}:", "", *table, "<!-- /benchmark -->"])
    text, found = re.subn(r"<!-- benchmark -->.*<!-- /benchmark -->", lambda _: section, text, flags=re.DOTALL)
    if not found:
        raise RuntimeError("the page has no place for the table")
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
