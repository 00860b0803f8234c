"""A disk that fills up while the program writes to it."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.faults.program import Program
from tests.faults.server import Exchange, serve
from tests.faults.sizes import SEGMENT
from tests.faults.test_interruptions import FullDisk


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MB of its own, where the program's mirror will be."""
    folder = tmp_path / "dci"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", folder], capture_output=True).returncode:
        pytest.skip("may not mount a file system here")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


SIZES = [{f"{number}.rpm": 20_000 for number in range(40)}, {"a.iso": 9 * SEGMENT, "b.iso": 8 * SEGMENT + 1}]


def two_builds(program: Program, sizes: dict[str, int]) -> int:
    program.build({"old": b"old"})
    assert program.run().code == 0
    program.build({path: program.content(size) for path, size in sizes.items()})
    return sum(sizes.values())


@pytest.mark.parametrize("sizes", SIZES, ids=["small", "segmented"])
def test_a_disk_that_fills_up_ends_the_run_and_what_came_is_kept(
    program: Program, monkeypatch: pytest.MonkeyPatch, sizes: dict[str, int]
):
    total = two_builds(program, sizes)
    with monkeypatch.context() as patched:
        FullDisk(patched, total // 2, errno.ENOSPC)
        done = program.run()
    assert_full(program, done.code, done.words)
    again = program.run()
    assert (again.code, again.component["bytes_downloaded"] < total) == (0, True)
    program.assert_new_is_visible()


@pytest.mark.parametrize("sizes", SIZES, ids=["small", "segmented"])
def test_a_disk_that_somebody_else_fills_ends_the_run(small_disk: Path, program: Program, sizes: dict[str, int]):
    total = two_builds(program, sizes)
    filler = small_disk / "filler"
    victim = program.for_file(list(sizes)[len(sizes) // 2])[0]

    def fill_up(exchange: Exchange) -> None:
        with filler.open("ab", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(4096))
        serve(exchange)

    program.control.scripts[victim] = iter([fill_up])
    done = program.run("--connections", "2")
    assert_full(program, done.code, done.words)
    assert not any(name.endswith(".tmp") for name in program.partials())
    os.unlink(filler)
    again = program.run()
    assert again.code == 0
    assert again.component["bytes_downloaded"] <= total
    program.assert_new_is_visible()


def assert_full(program: Program, code: int, words: str) -> None:
    assert code == 6
    assert "hint: " in words
    assert "No space left on device" in words or "room" in words
    program.assert_old_is_visible()
