"""The program as a process that is killed, or asked to end, at any moment."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from dci_downloader.content import ranges
from dci_downloader.mirror.store import Store
from dci_downloader.models import FileEntry
from tests.faults.program import TOPIC, Program
from tests.faults.server import Exchange, serve
from tests.faults.sizes import SEGMENT

ROOT = Path(__file__).parents[2]
CONNECTIONS = 3
RUNNING: list[subprocess.Popen[str]] = []

SMALL_SCALE = """
import sys
from dci_downloader.cli.main import main
from dci_downloader.transfer import engine, sink
from tests.faults.sizes import SMALL_SCALE
engine.Engine.__init__.__kwdefaults__["tuning"] = SMALL_SCALE
"""
NORMALLY = SMALL_SCALE + "sys.exit(main(sys.argv[1:]))"
TWICE = (
    SMALL_SCALE
    + """
from dci_downloader.cli import signals
signals._SAME_MOMENT = 60.0  # however busy the machine is
sys.exit(main(sys.argv[1:]))
"""
)
STUCK = (
    SMALL_SCALE
    + """
import threading
from dci_downloader.cli import signals
signals._SAME_MOMENT = 0.0
def save_for_ever(self, *_, **__):
    print("saving", file=sys.stderr, flush=True)
    while True:  # Python hears a signal only between two steps
        threading.Event().wait(0.05)
sink.Sink.close = save_for_ever
sys.exit(main(sys.argv[1:]))
"""
)


@pytest.fixture
def mixed(program: Program) -> Iterator[Program]:
    """A version is published; the newer one holds files of some segments and many small ones. The line is slow."""
    program.build({"old": b"old"})
    assert program.run().code == 0
    big = {f"{number}.iso": program.content((6 + number) * SEGMENT - 999) for number in range(3)}
    small = {f"{number}.rpm": program.content(500 + number * 400) for number in range(60)}
    program.build({**big, **small})
    program.store.pause = 0.004
    yield program
    program.store.pause = 0.0
    program.store.flowing.set()


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """A test that fails leaves no process."""
    RUNNING.clear()
    yield
    for process in RUNNING:
        if process.poll() is None:
            process.kill()
            process.communicate()


def started(program: Program, script: str = NORMALLY) -> subprocess.Popen[str]:
    options = ["--all", "--connections", CONNECTIONS, "--verbose", "--patience", 20]
    command = [sys.executable, "-c", script, TOPIC, program.root, *options]
    environ = {**os.environ, **program.environment()}
    RUNNING.append(subprocess.Popen(list(map(str, command)), cwd=ROOT, env=environ, stderr=subprocess.PIPE, text=True))
    return RUNNING[-1]


def hold_after(program: Program, number: int) -> None:
    """Have the object store send nothing more once so many files or segments of the newest build were asked for."""

    def serve_until_then(exchange: Exchange) -> None:
        if len(program.asked_for(program.new)) >= number:
            program.store.flowing.clear()
        serve(exchange)

    program.store.flowing.set()
    program.store.default = serve_until_then


def wait_for_requests(program: Program, process: subprocess.Popen[str], number: int) -> None:
    """Until so many files or segments were asked for."""
    while len(program.asked_for(program.new)) < number:
        assert process.poll() is None, process.stderr and process.stderr.read()
        program.store.closing.wait(0.002)


def kept(program: Program, suffix: str = "") -> int:
    """Bytes of the newest build, or of some of its files, that another run would not ask for."""
    store = Store(program.root / ".dci-downloader")
    entries = [
        FileEntry(path, sha256(body).hexdigest(), len(body))
        for path, body in program.new.items()
        if path.endswith(suffix)
    ]
    return sum(entry.size if store.holds(entry) else store.partial_bytes(entry) for entry in entries)


def asked(program: Program, since: int) -> int:
    """Bytes of the newest build that were asked for, each counted once."""
    total = 0
    for path, content in program.new.items():
        requests = [one for one in program.asked_for({path: content}) if one in program.store.log[since:]]
        total += ranges.total(ranges.union(one.range or (0, len(content)) for one in requests))
    return total


def assert_the_rest_comes(program: Program) -> None:
    """The next run asks for what is missing, and for nothing else."""
    program.store.default = serve
    program.store.flowing.set()
    before, had = len(program.store.log), kept(program)
    process = started(program)
    _, words = process.communicate(timeout=60)
    assert process.returncode == 0, words
    program.assert_no_secret(words)
    assert asked(program, before) == sum(map(len, program.new.values())) - had
    program.assert_new_is_visible(killed=True)


@pytest.mark.parametrize(
    "seed", [1, 2, pytest.param(3, marks=pytest.mark.slow), pytest.param(4, marks=pytest.mark.slow)]
)
def test_after_kill_9_at_most_one_segment_per_connection_is_asked_for_again(mixed: Program, seed: int):
    chances = random.Random(seed)
    for _ in range(3):
        before, had = len(mixed.store.log), kept(mixed)
        number = len(mixed.asked_for(mixed.new)) + chances.randrange(3, 25)
        hold_after(mixed, number)  # no line is so fast that what was received just now could not be recorded
        process = started(mixed)
        wait_for_requests(mixed, process, number)
        mixed.store.closing.wait(0.1)
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        assert kept(mixed) >= had + asked(mixed, before) - CONNECTIONS * SEGMENT
        mixed.assert_old_is_visible()
    assert 0 < kept(mixed) < sum(map(len, mixed.new.values()))
    assert_the_rest_comes(mixed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_kill_9_at_any_moment_hurts_nothing(mixed: Program, seed: int):
    """Here also between the arrival of a segment and its being noted, which counts as under way until then."""
    chances = random.Random(seed)
    for _ in range(6):
        before, had = len(mixed.store.log), kept(mixed)
        process = started(mixed)
        try:
            process.communicate(timeout=0.4 + chances.random() / 2)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
        assert kept(mixed) >= had + asked(mixed, before) - CONNECTIONS * SEGMENT
        if process.returncode == -signal.SIGKILL:
            assert mixed.seen == []
            assert mixed.visible() in (mixed.old, mixed.new)
    assert_the_rest_comes(mixed)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_at_any_moment_loses_nothing_of_segments(mixed: Program, number: signal.Signals):
    chances = random.Random(number)
    for _ in range(2):
        before, had = len(mixed.store.log), kept(mixed)
        requests = len(mixed.asked_for(mixed.new)) + chances.randrange(3, 25)
        hold_after(mixed, requests)
        process = started(mixed)
        wait_for_requests(mixed, process, requests)
        mixed.store.closing.wait(chances.random() / 50)
        process.send_signal(number)
        _, words = process.communicate(timeout=10)
        assert process.returncode == 130, words
        mixed.assert_no_secret(words)
        mixed.assert_old_is_visible()
        assert kept(mixed) >= had + asked(mixed, before) - CONNECTIONS * SEGMENT
    assert_the_rest_comes(mixed)


def test_what_came_of_a_segment_is_kept_when_a_signal_comes_in_its_middle(mixed: Program):
    """Nothing is on its way but the first segments, of which a half has come."""

    def half(exchange: Exchange) -> None:
        answer = exchange.answer()
        exchange.send(answer.head() + answer.body[: SEGMENT // 2])
        exchange.wait_for_the_end()

    mixed.store.pause = 0.0
    for path in mixed.new:
        mixed.store.scripts[mixed.for_file(path)[1]] = iter([half] * 9)
    process = started(mixed)
    wait_for_requests(mixed, process, CONNECTIONS)
    mixed.store.closing.wait(0.2)
    process.terminate()
    _, words = process.communicate(timeout=10)
    assert process.returncode == 130, words
    segments = sum(one.range is not None for one in mixed.asked_for(mixed.new))
    assert segments > 0
    assert kept(mixed, ".iso") == segments * SEGMENT // 2
    mixed.heal()
    assert_the_rest_comes(mixed)


def wait_until_heard(process: subprocess.Popen[str], number: signal.Signals) -> None:
    """Until a signal is not pending any more (proc(5)): the same one would else be lost."""
    while process.poll() is None:
        status = Path(f"/proc/{process.pid}/status").read_text()
        pending = [int(line.split()[1], 16) for line in status.splitlines() if line.startswith(("SigPnd", "ShdPnd"))]
        if not any(mask >> (number - 1) & 1 for mask in pending):
            return


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_comes_twice_in_the_same_moment_is_one(mixed: Program, number: signal.Signals):
    """As timeout(1) sends it, in a cron line, say: the run ends with its report."""
    process = started(mixed, TWICE)
    wait_for_requests(mixed, process, 5)
    process.send_signal(number)
    wait_until_heard(process, number)
    process.send_signal(number)
    _, words = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "run the same command again" in words


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_ends_it_at_once(mixed: Program, number: signal.Signals):
    process = started(mixed, STUCK)
    wait_for_requests(mixed, process, 5)
    process.send_signal(number)
    assert process.stderr is not None
    while "saving" not in process.stderr.readline():
        assert process.poll() is None
    assert process.poll() is None
    process.send_signal(number)
    assert process.wait(timeout=5) == 130
    assert "Traceback" not in process.stderr.read()
    process.stderr.close()
    mixed.assert_old_is_visible()
    assert_the_rest_comes(mixed)
