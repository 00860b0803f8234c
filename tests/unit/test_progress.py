import errno
import io
import json
import logging
from datetime import datetime, timezone

import pytest

from dci_downloader.cli.bar import BarProgress
from dci_downloader.cli.progress import DeferredProgress, LineProgress, LogProgress, calls_as_details, progress_for
from dci_downloader.hooks import MultiProgress, NullProgress, Progress
from dci_downloader.mirror.fetching import _Recorder
from tests.unit.samples import plan_of


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture(autouse=True)
def able_terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    for name in ("NO_COLOR", "CLICOLOR_FORCE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("term", ["dumb", "", None])
def test_a_terminal_whose_cursor_stays_gets_lines(monkeypatch, term):
    monkeypatch.setenv("TERM", term) if term is not None else monkeypatch.delenv("TERM")
    assert isinstance(progress_for(Terminal()), LineProgress)


def test_a_terminal_gets_a_bar():
    assert isinstance(progress_for(Terminal(), quiet=False, verbose=False), BarProgress)


def test_a_pipe_gets_lines():
    assert isinstance(progress_for(io.StringIO(), quiet=False, verbose=False), LineProgress)


@pytest.mark.parametrize("stream", [Terminal(), io.StringIO()])
def test_quiet_gets_nothing(stream):
    progress = progress_for(stream, quiet=True, verbose=True)
    for call in (progress.message, progress.detail):
        call("hello")
    progress.begin("x", 1, 1)
    progress.advance(1, 1)
    progress.end()
    assert isinstance(progress, NullProgress)
    assert stream.getvalue() == ""


def test_lines_come_at_the_start_and_every_ten_seconds():
    clock, stream = Clock(), io.StringIO()
    lines = LineProgress(stream, clock=clock)
    lines.begin("RHEL-9.2.0-1", 1000, 100_000_000)
    for _ in range(25):
        clock.now += 1
        lines.advance(10, 1_000_000)
    lines.end()
    assert stream.getvalue().splitlines() == [
        "RHEL-9.2.0-1: 1,000 files, 100 MB",
        "RHEL-9.2.0-1: 100 of 1,000 files, 10.0 MB of 100 MB, 1.0 MB/s, 1 min 30 s left",
        "RHEL-9.2.0-1: 200 of 1,000 files, 20.0 MB of 100 MB, 1.0 MB/s, 1 min 20 s left",
    ]


def test_lines_come_while_nothing_arrives_and_say_when_that_ends():
    clock, stream = Clock(), io.StringIO()
    lines = LineProgress(stream, clock=clock, ticks=False)
    lines.begin("x", 2, 10)
    for second in range(1, 13):
        clock.now += 1
        lines.waiting(second, 30)
        lines.tick()
    lines.advance(0, 5)
    clock.now += 10
    lines.tick()
    assert stream.getvalue().splitlines()[1:] == [
        "x: 0 of 2 files, 0 bytes of 10 bytes, no data for 10 s (gives up at 30)",
        "x: 0 of 2 files, 5 bytes of 10 bytes, 0 bytes/s, 22 s left",
    ]


def test_a_phase_that_takes_long_is_a_line_and_any_is_a_detail():
    clock, stream = Clock(), io.StringIO()
    lines = LineProgress(stream, clock=clock, ticks=False)
    lines.phase("RHEL-9.2: flushing to disk")
    clock.now += 9
    lines.tick()
    assert stream.getvalue() == ""
    clock.now += 2
    lines.tick()
    lines.phase("")
    clock.now += 20
    lines.tick()
    assert stream.getvalue() == "RHEL-9.2: flushing to disk: 11 s\n"
    detailed = io.StringIO()
    LineProgress(detailed, verbose=True, ticks=False).phase("hashing")
    assert detailed.getvalue() == "hashing\n"


def test_phases_are_no_news():
    clock, stream = Clock(), io.StringIO()
    progress = DeferredProgress(LineProgress(stream, verbose=True, clock=clock, ticks=False))
    progress.phase("reading the file lists")
    assert stream.getvalue() == ""
    progress.release()
    progress.phase("building the tree")
    assert stream.getvalue() == "building the tree\n"


def test_a_line_without_progress_promises_no_end():
    clock, stream = Clock(), io.StringIO()
    lines = LineProgress(stream, clock=clock)
    lines.begin("x", 2, 10)
    clock.now += 10
    lines.advance(0, 0)
    assert stream.getvalue().splitlines()[-1] == "x: 0 of 2 files, 0 bytes of 10 bytes, 0 bytes/s"


@pytest.mark.parametrize("kind", [LineProgress, BarProgress])
@pytest.mark.parametrize(("verbose", "told"), [(False, ["loud"]), (True, ["loud", "soft"])])
def test_details_are_told_to_those_who_asked(kind, verbose, told):
    stream = io.StringIO()
    progress = kind(stream, verbose=verbose)
    progress.message("loud")
    progress.detail("soft")
    assert stream.getvalue().splitlines() == told


def test_without_standard_error_nothing_is_said():
    assert isinstance(progress_for(None, quiet=False, verbose=True), NullProgress)


def test_a_reader_that_went_away_does_not_end_the_work():
    class Gone(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    for progress in (LineProgress(Gone()), BarProgress(Gone())):
        progress.message("y")
        progress.begin("x", 1, 1)
        progress.advance(1, 1)
        progress.end()


def test_a_terminal_that_went_away_in_mid_work_does_not_end_it():
    """As when a session is closed, and SIGHUP ignored."""

    class Going(Terminal):
        gone = False

        def write(self, text):
            if self.gone:
                raise OSError(errno.EIO, "Input/output error")
            return super().write(text)

    stream = Going()
    bar = BarProgress(stream)
    bar.begin("x", 10, 10**9)
    stream.gone = True
    for _ in range(10):
        bar.advance(1, 10**8)
    bar.message("y")
    bar.end()


WALL = datetime(2026, 11, 25, 3, 4, 5, 678_000, tzinfo=timezone.utc)


def log(as_json, **options):
    clock, stream = Clock(), io.StringIO()
    return LogProgress(stream, as_json=as_json, wall=lambda: WALL, clock=clock, **options), clock, stream


def a_run(progress, clock):
    progress.message("RHEL-9.* means RHEL-9.2")
    progress.detail("chosen: é")
    progress.begin("RHEL-9.2.0-1", 2, 2000)
    progress.advance(1, 500)
    clock.now += 10
    progress.advance(0, 500)
    progress.end()


def test_a_log_in_text_has_the_time_before_each_line():
    progress, clock, stream = log(as_json=False)
    a_run(progress, clock)
    progress.emit("topic", "first\nsecond \x1b[31m")
    assert stream.getvalue().splitlines() == [
        "2026-11-25T03:04:05.678Z RHEL-9.* means RHEL-9.2",
        "2026-11-25T03:04:05.678Z chosen: é",
        "2026-11-25T03:04:05.678Z RHEL-9.2.0-1: 2 files, 2.0 kB",
        "2026-11-25T03:04:05.678Z RHEL-9.2.0-1: 1 of 2 files, 1.0 kB of 2.0 kB, 100 bytes/s, 10 s left",
        "2026-11-25T03:04:05.678Z first",
        "2026-11-25T03:04:05.678Z second \\x1b[31m",
    ]


def test_a_log_in_json_is_one_object_per_event():
    progress, clock, stream = log(as_json=True)
    a_run(progress, clock)
    events = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [event["event"] for event in events] == ["message", "detail", "transfer", "progress"]
    assert {event["time"] for event in events} == {"2026-11-25T03:04:05.678Z"}
    assert events[1]["text"] == "chosen: é"
    assert (events[2]["component"], events[2]["files"], events[2]["bytes"]) == ("RHEL-9.2.0-1", 2, 2000)
    assert (events[3]["files_done"], events[3]["bytes_done"]) == (1, 1000)


def test_a_log_leaves_details_out_where_they_are_not_wanted():
    progress, clock, stream = log(as_json=True, verbose=False)
    a_run(progress, clock)
    assert "chosen" not in stream.getvalue()


def test_a_log_that_cannot_be_written_ends_nothing():
    progress, clock, stream = log(as_json=True)
    stream.close()
    a_run(progress, clock)


def test_several_are_told_alike():
    (first, clock, one), (second, _, other) = log(as_json=False), log(as_json=False)
    a_run(MultiProgress(first, second), clock)
    assert one.getvalue().splitlines()[:3] == other.getvalue().splitlines()[:3]
    assert "chosen" in one.getvalue()


CALLS = {
    "message": ("m",),
    "detail": ("d",),
    "begin": ("label", 1, 2),
    "advance": (1, 2),
    "waiting": (8.0, 30.0),
    "end": (),
    "phase": ("hashing",),
}


class Calls:
    """Notes every call."""

    def __init__(self):
        self.seen = []

    def __getattr__(self, name):
        return lambda *arguments: self.seen.append((name, arguments))


def test_every_call_of_the_protocol_has_a_default_and_is_passed_on():
    assert set(CALLS) == {name for name in vars(Progress) if not name.startswith("_")}
    receiver = Calls()
    deferred = DeferredProgress(receiver)
    deferred.release()
    for progress in (
        MultiProgress(receiver),
        deferred,
        _Recorder(receiver, plan_of(1, 1), lambda *_: None),
        NullProgress(),
        LineProgress(io.StringIO(), ticks=False),
        BarProgress(io.StringIO(), ticks=False),
    ):
        for name, arguments in CALLS.items():
            getattr(progress, name)(*arguments)
    assert receiver.seen == 3 * list(CALLS.items())


def test_lines_are_held_back_until_something_is_fetched():
    clock, stream = Clock(), io.StringIO()
    progress = DeferredProgress(LineProgress(stream, clock=clock))
    progress.message("RHEL-9.* means RHEL-9.2")
    assert stream.getvalue() == ""
    progress.begin("RHEL-9.2.0-1", 1, 1)
    progress.message("now")
    assert stream.getvalue().splitlines() == ["RHEL-9.* means RHEL-9.2", "RHEL-9.2.0-1: 1 file, 1 byte", "now"]


def test_lines_that_are_held_back_are_released_once():
    stream = io.StringIO()
    progress = DeferredProgress(LineProgress(stream))
    progress.message("one")
    progress.release()
    progress.release()
    progress.message("two")
    assert stream.getvalue() == "one\ntwo\n"


@pytest.mark.parametrize("stream", [Terminal(), io.StringIO()])
def test_a_servers_words_do_not_drive_the_terminal(stream):
    progress = progress_for(stream, quiet=False, verbose=True)
    progress.begin("evil\x1b]0;title\x07", 1, 1)
    progress.detail("red \x1b[31m")
    progress.end()
    assert "\x07" not in stream.getvalue()
    assert "\x1b]" not in stream.getvalue()
    assert "\x1b[31m" not in stream.getvalue()
    assert "red \\x1b[31m" in stream.getvalue()


def test_calls_are_told_as_details_while_it_is_entered():
    stream, log = io.StringIO(), logging.getLogger("dci_downloader.control.session")
    with calls_as_details(LineProgress(stream, verbose=True)):
        log.debug("GET %s: %d", "http://h/x", 200)
    log.debug("nobody hears this")
    assert stream.getvalue() == "GET http://h/x: 200\n"
    assert not log.isEnabledFor(logging.DEBUG)
