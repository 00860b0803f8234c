"""Two processes that share the files of a run, and what becomes of it when one of them ends."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from dci_downloader.control.signing import SignedRequest
from dci_downloader.errors import CancelledError, SettingsError
from dci_downloader.hooks import NeverStop
from dci_downloader.models import FileEntry
from dci_downloader.options import TransferOptions
from dci_downloader.transfer import coprocess, engine, pipeline
from dci_downloader.transfer.channel import Advance
from dci_downloader.transfer.tuning import Tuning
from tests.faults.conftest import Bench, StubSource, Tally
from tests.faults.server import status
from tests.faults.sizes import SEGMENT

ROOT = Path(__file__).parents[2]


class WatchedCoprocess(coprocess.Coprocess):
    """One that a test looks at when it has been assigned files, while the servers still hold everything back."""

    instances: list[WatchedCoprocess] = []  # noqa: RUF012  emptied for each test
    bench: Bench

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.instances.append(self)
        self.assigned: list[FileEntry] = []
        self.given: list[FileEntry] = []  # also what it was assigned later, when it was done with the first
        self.reported_before = Advance(0, 0)

    @property
    def reported(self) -> tuple[int, int]:
        """Files and bytes of all that it was given."""
        return self.reported_before.files + self._reported.files, self.reported_before.size + self._reported.size

    def _assign(self) -> None:
        reported = Advance(*self.reported)
        super()._assign()
        if self.working:
            self.given += self._assigned
            self.reported_before = reported

    def turn(self) -> None:
        super().turn()
        if self.working and not self.assigned:
            self.assigned = list(self._assigned)
            self.has_work()
            self.bench.control.flowing.set()

    def has_work(self) -> None:
        """Called once."""

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def send_signal(self, number: int) -> None:
        """Kill it, or freeze it, for which it is killed later: perhaps while it writes a journal."""
        self.bench.may_leave_temporaries = True
        os.kill(self.pid, number)


class SourceOfOneProcess(StubSource):
    """A source that remembers what it was asked for; a copy that is sent to another process does so there."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.asked: set[str] = set()

    def request(self, path: str) -> SignedRequest:
        self.asked.add(path)
        return super().request(path)


@pytest.fixture
def shared(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> type[WatchedCoprocess]:
    """Whatever there is to fetch is shared, as on a fast line. Nothing is sent before it is."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    monkeypatch.setattr(engine, "Coprocess", WatchedCoprocess)
    bench.tune(worth_starting=0.0, worth_giving=0.0, loaded=-1.0)
    WatchedCoprocess.instances.clear()
    WatchedCoprocess.bench = bench
    bench.control.flowing.clear()
    for number in range(100):
        bench.add(f"{number}.rpm", 500 + number * 200)
    for number in range(4):  # of which the first is opened here before there is a second process
        bench.add(f"{number}.iso", (6 - number) * SEGMENT + 7)
    return WatchedCoprocess


def ended(pid: int) -> bool:
    """Whether a process ends, at once or soon."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], 10)[0])
    finally:
        os.close(descriptor)


def test_both_bring_files_that_one_flush_puts_on_disk(shared: type[WatchedCoprocess], bench: Bench):
    bench.assert_all_arrived(bench.fetch())
    (one,) = shared.instances
    assert 40 < len(one.assigned) < 60
    assert ended(one.pid)
    assert len(os.listdir(bench.mirror.markers.folder)) == 1
    bench.mirror.flush()
    assert os.listdir(bench.mirror.markers.folder) == []


def test_the_second_process_brings_all_that_it_is_assigned_in_segments_of_the_same_size(
    shared: type[WatchedCoprocess], bench: Bench
):
    bench.source = SourceOfOneProcess(bench.control.url)
    bench.assert_all_arrived(bench.fetch())
    (one,) = shared.instances
    assigned = {entry.path for entry in one.given}
    assert {path for path in assigned if path.endswith(".iso")} == {"2.iso"}
    assert not assigned & bench.source.asked
    assert assigned | bench.source.asked == set(bench.entries)
    assert one.reported == (len(one.given), sum(entry.size for entry in one.given))
    bounds = [*range(0, 4 * SEGMENT + 1, SEGMENT), 4 * SEGMENT + 7]
    assert sorted(bench.store.ranges("2.iso")) == list(zip(bounds, bounds[1:]))


def test_the_second_process_goes_on_with_what_an_earlier_run_left(shared: type[WatchedCoprocess], bench: Bench):
    bench.source = SourceOfOneProcess(bench.control.url)
    partial = bench.mirror.open_partial(bench.entries["2.iso"])
    partial.write(SEGMENT, bench.contents["2.iso"][SEGMENT : 4 * SEGMENT])
    partial.close()
    fetched = bench.fetch()
    assert (fetched.failures, fetched.files) == ((), len(bench.entries))
    assert "2.iso" not in bench.source.asked
    assert sorted(bench.store.ranges("2.iso")) == [(0, SEGMENT), (4 * SEGMENT, 4 * SEGMENT + 7)]


def test_each_has_half_of_the_connections(
    shared: type[WatchedCoprocess], bench: Bench, monkeypatch: pytest.MonkeyPatch
):
    sent: list[Any] = []

    def noted(one: WatchedCoprocess) -> None:
        sent.append(one._pipeline.fetches.stage.limit.value)

    monkeypatch.setattr(shared, "has_work", noted)
    bench.assert_all_arrived(bench.fetch(connections=5))
    assert sent == [3]
    assert bench.store.connections <= 5 + 2


def test_what_a_killed_second_process_had_left_is_fetched_here(
    shared: type[WatchedCoprocess], bench: Bench, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(shared, "has_work", lambda one: one.send_signal(signal.SIGKILL))
    bench.assert_all_arrived(bench.fetch())


def test_a_second_process_killed_halfway_costs_nothing(
    shared: type[WatchedCoprocess], bench: Bench, monkeypatch: pytest.MonkeyPatch
):
    def kill(one: WatchedCoprocess) -> None:
        if one._reported.files and one.working:
            one.send_signal(signal.SIGKILL)
            bench.tally.advance(-one._reported.files, -one._reported.size)  # as if that had been on its way still
            one._reported = Advance(0, 0)

    turn = shared.turn
    monkeypatch.setattr(shared, "turn", lambda one: (turn(one), kill(one)))
    bench.store.pause = 0.02
    bench.assert_all_arrived(bench.fetch(connections=2))


def freeze(one: WatchedCoprocess) -> None:
    one.send_signal(signal.SIGSTOP)


@pytest.mark.slow
def test_what_a_frozen_second_process_had_left_is_fetched_here(
    shared: type[WatchedCoprocess], bench: Bench, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(shared, "has_work", freeze)
    bench.assert_all_arrived(bench.fetch(patience=3.0))
    assert ended(shared.instances[0].pid)


@pytest.mark.slow
def test_a_second_process_frozen_halfway_costs_no_more_than_the_patience(
    shared: type[WatchedCoprocess], bench: Bench, monkeypatch: pytest.MonkeyPatch
):
    """Also in the middle of a message, or with more to be sent to it than it takes."""
    turn = shared.turn

    def frozen(one: WatchedCoprocess) -> None:
        turn(one)
        if one._reported.files and one.working:
            freeze(one)

    monkeypatch.setattr(shared, "turn", frozen)
    bench.store.pause = 0.02
    fetched = bench.fetch(connections=2, patience=3.0)
    assert (fetched.failures, fetched.files) == ((), len(bench.entries))
    assert all(map(bench.arrived, bench.entries))
    assert ended(shared.instances[0].pid)


def test_a_second_process_frozen_before_it_is_ready_is_not_waited_for(
    shared: type[WatchedCoprocess], bench: Bench, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(coprocess, "_MAIN", "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)")
    bench.control.flowing.set()
    bench.assert_all_arrived(bench.fetch())
    assert ended(shared.instances[0].pid)


def test_a_request_to_stop_does_not_wait_for_a_frozen_second_process(
    shared: type[WatchedCoprocess], bench: Bench, monkeypatch: pytest.MonkeyPatch
):
    class Asked(NeverStop):
        def requested(self) -> bool:
            return any(one.assigned for one in shared.instances)

    bench.tune(saving_seconds=0.2)
    monkeypatch.setattr(shared, "has_work", freeze)
    with pytest.raises(CancelledError):
        bench.fetch(stop=Asked())
    assert ended(shared.instances[0].pid)


def test_what_a_killed_second_process_received_inside_segments_is_not_fetched_again(
    shared: type[WatchedCoprocess], bench: Bench, monkeypatch: pytest.MonkeyPatch
):
    turn = shared.turn

    def killed(one: WatchedCoprocess) -> None:
        turn(one)
        if one.working and bench.mirror.partial_bytes(bench.entries["2.iso"]) > SEGMENT // 4:
            one.send_signal(signal.SIGKILL)

    monkeypatch.setattr(shared, "turn", killed)
    bench.tune(record_seconds=0.02, write_chunks=16)
    bench.store.pause = 0.03
    fetched = bench.fetch(connections=4)
    assert fetched.failures == ()
    assert all(map(bench.arrived, bench.entries))
    assert any(wanted[0] % SEGMENT for wanted in bench.store.ranges("2.iso") if wanted)
    assert bench.partials() == []  # nor of small files, of which a part was recorded, too


def test_all_is_fetched_here_where_no_second_process_can_be_started(
    shared: type[WatchedCoprocess], bench: Bench, monkeypatch: pytest.MonkeyPatch
):
    def refused(*_: Any, **__: Any) -> None:
        raise BlockingIOError("too many processes")

    monkeypatch.setattr(subprocess, "Popen", refused)
    bench.control.flowing.set()
    bench.assert_all_arrived(bench.fetch())


def test_all_is_fetched_here_where_the_second_process_dies_before_it_is_ready(
    shared: type[WatchedCoprocess], bench: Bench, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(coprocess, "_MAIN", "raise SystemExit(3)")
    bench.control.flowing.set()
    bench.assert_all_arrived(bench.fetch())
    assert not shared.instances[0].assigned


def test_files_that_cannot_be_had_are_reported_once_whoever_asked_for_them(
    shared: type[WatchedCoprocess], bench: Bench
):
    gone = {f"{number}.rpm" for number in range(0, 60, 3)}
    for path in gone:
        bench.store.scripts[path] = iter([status(404)] * 5)
    fetched = bench.fetch()
    assert sorted(failure.path for failure in fetched.failures) == sorted(gone)
    assert fetched.files == len(bench.entries) - len(gone) == bench.tally.files
    assert all(bench.arrived(path) for path in bench.entries if path not in gone)


def test_what_is_in_the_way_of_the_second_process_ends_the_run(
    shared: type[WatchedCoprocess], bench: Bench, monkeypatch: pytest.MonkeyPatch
):
    def in_the_way(one: WatchedCoprocess) -> None:
        given = {entry.sha256[:2] for entry in one.assigned}
        ours = {entry.sha256[:2] for entry in bench.entries.values() if entry not in one.assigned}
        (bench.mirror.objects / min(given - ours)).write_text("not a folder")

    monkeypatch.setattr(shared, "has_work", in_the_way)
    with pytest.raises(SettingsError, match="not a folder"):
        bench.fetch()
    assert ended(shared.instances[0].pid)


def test_a_request_to_stop_ends_both_and_what_was_received_is_kept(shared: type[WatchedCoprocess], bench: Bench):
    class Asked(NeverStop):
        def requested(self) -> bool:
            return any(one._reported.files for one in shared.instances)

    bench.store.pause = 0.02
    with pytest.raises(CancelledError):
        bench.fetch(stop=Asked(), connections=2)
    (one,) = shared.instances
    assert ended(one.pid)
    assert any(bench.arrived(entry.path) for entry in one.assigned)
    bench.store.pause = 0.0
    bench.tune(worth_starting=1e9)
    bench.tally = Tally()
    bench.entries = {e.path: e for e in bench.entries.values() if not bench.mirror.holds(e)}
    assert bench.fetch().failures == ()


def test_the_second_process_ignores_a_signal_to_it_alone(
    shared: type[WatchedCoprocess], bench: Bench, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(shared, "has_work", lambda one: os.kill(one.pid, signal.SIGTERM))
    bench.assert_all_arrived(bench.fetch())
    assert shared.instances[0]._reported.files > 0


def test_a_control_server_that_denies_access_to_both_fails_each_file_once(shared: type[WatchedCoprocess], bench: Bench):
    bench.control.default = status(401)
    fetched = bench.fetch()
    assert {failure.path for failure in fetched.failures} == set(bench.entries)
    assert len(fetched.failures) == len(bench.entries)
    assert fetched.files == 0


def test_no_secret_is_on_the_command_line_of_the_second_process(
    shared: type[WatchedCoprocess], bench: Bench, monkeypatch: pytest.MonkeyPatch
):
    seen: list[bytes] = []
    monkeypatch.setattr(shared, "has_work", lambda one: seen.append(Path(f"/proc/{one.pid}/cmdline").read_bytes()))
    bench.assert_all_arrived(bench.fetch())
    assert b"dci_downloader.transfer.coprocess" in seen[0]
    assert b"topsecret" not in seen[0]


@pytest.mark.parametrize(
    "alone",
    [
        {"options": {"connections": 1}},
        {"options": {"limit_rate": 1 << 30}},
        {"options": {"connections": 104}},
        {"cores": {0}},
        {"worth": 1e9},
    ],
    ids=["one connection", "a rate limit", "few files", "one core", "little to do"],
)
def test_there_is_no_second_process_where_it_would_be_no_help(
    shared: type[WatchedCoprocess], bench: Bench, monkeypatch: pytest.MonkeyPatch, alone: dict[str, Any]
):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: alone.get("cores", {0, 1}))
    bench.tune(worth_starting=alone.get("worth", 0.0))
    bench.control.flowing.set()
    bench.assert_all_arrived(bench.fetch(**alone.get("options", {})))
    assert shared.instances[0]._process is None


def test_there_is_nothing_to_give_while_the_loop_finds_time_to_wait(
    shared: type[WatchedCoprocess], bench: Bench, monkeypatch: pytest.MonkeyPatch
):
    bench.tune(loaded=2.0)
    ready: list[bool] = []
    turn = shared.turn

    def turned(one: WatchedCoprocess) -> None:
        turn(one)
        if one._ready and not ready:
            ready.append(True)
            bench.control.flowing.set()

    monkeypatch.setattr(shared, "turn", turned)
    bench.assert_all_arrived(bench.fetch())
    assert ready
    assert not shared.instances[0].assigned
    assert ended(shared.instances[0].pid)


def test_files_given_after_a_long_rest_are_no_sign_of_a_dead_server(bench: Bench):
    """As where the line was slow for minutes: the second process had nothing to do, and its server nothing to send."""
    bench.add("a.rpm", 500)
    options = TransferOptions(patience=5.0)
    resting = pipeline.Pipeline(bench.source, bench.mirror, options, bench.tally, (), Tuning())
    with closing(resting):
        resting._meter._moved -= 1000.0
        resting.take(list(bench.entries.values()))
        while resting.unfinished:
            resting.step(NeverStop())
        bench.assert_all_arrived(resting.result())


KILLED = """
import os, sys
from pathlib import Path
from dci_downloader.mirror.store import Store
from dci_downloader.hooks import NeverStop, NullProgress
from dci_downloader.models import FileEntry
from dci_downloader.options import TransferOptions
from dci_downloader.transfer import coprocess, engine
from dci_downloader.transfer.tuning import Tuning
from tests.faults.conftest import StubSource
os.sched_getaffinity = lambda _: {0, 1}
class DeadlyCoprocess(coprocess.Coprocess):
    def turn(self):
        super().turn()
        if self.working:
            print(self._process.pid, flush=True)
            if frozen == "frozen":
                os.kill(self._process.pid, 19)
            os.kill(os.getpid(), 9)
engine.Coprocess = DeadlyCoprocess
url, root, frozen = sys.argv[1:]
entries = [FileEntry(f"{number}.rpm", f"{number:064x}", 999) for number in range(100)]
tuning = Tuning(worth_starting=0.0, worth_giving=0.0, loaded=-1.0)
store, options, stop = Store(Path(root)), TransferOptions(), NeverStop()
engine.Engine(store, options, NullProgress(), stop, tuning=tuning).fetch(entries, StubSource(url))
"""


@pytest.mark.parametrize("frozen", ["", "frozen"])
def test_the_second_process_of_a_run_that_is_killed_ends(bench: Bench, frozen: str):
    bench.control.flowing.clear()
    command = [sys.executable, "-c", KILLED, bench.control.url, str(bench.mirror.root), frozen]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=False)
    assert done.returncode == -signal.SIGKILL
    assert ended(int(done.stdout))
