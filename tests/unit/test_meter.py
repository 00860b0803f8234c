import pytest

from dci_downloader.hooks import NullProgress
from dci_downloader.transfer.meter import Meter
from dci_downloader.transfer.sources import Peer


class Recorder(NullProgress):
    def __init__(self):
        self.files = 0
        self.steps = []

    def advance(self, files, size):
        self.files += files
        if size:
            self.steps.append(size)


class Now:
    def __init__(self):
        self.seconds = 100.0

    def __call__(self):
        return self.seconds


@pytest.fixture
def progress():
    return Recorder()


@pytest.fixture
def now():
    return Now()


@pytest.fixture
def meter(progress, now):
    return Meter(progress, now)


def test_bytes_are_reported_once_while_they_are_received(meter, progress):
    assert meter.look(30) == 30
    assert meter.look(70) == 40
    meter.count(100, None, kept=True)  # the request has ended
    assert meter.look(0) == 30
    assert progress.steps == [30, 40, 30]
    assert meter.look(0) == 0
    assert progress.steps == [30, 40, 30]


def test_bytes_that_are_not_kept_are_received_but_taken_back(meter, progress):
    meter.look(70)
    meter.count(90, None, kept=False)
    assert meter.look(0) == 20
    assert meter.received == {None: 90}
    assert sum(progress.steps) == 0


def test_bytes_of_a_file_that_begins_anew_are_taken_back(meter, progress):
    meter.count(50, None, kept=True)
    meter.look(0)
    meter.lost(50)
    meter.look(0)
    assert progress.steps == [50, -50]
    assert meter.received == {None: 50}


def test_files_are_reported_together_at_the_next_look(meter, progress):
    meter.file()
    meter.file()
    assert progress.files == 0
    meter.look(0)
    meter.look(0)
    assert progress.files == 2


def test_bytes_are_counted_for_who_gave_them(meter):
    peer = Peer("http://lab1")
    for size, giver in ((5, peer), (7, None), (11, peer)):
        meter.count(size, giver, kept=True)
    assert meter.received == {peer: 16, None: 7}


def test_what_moves_is_not_idle(meter, now):
    now.seconds += 7
    assert meter.idle_seconds() == 7
    meter.look(0)
    assert meter.idle_seconds() == 7
    meter.look(1)
    assert meter.idle_seconds() == 0
    now.seconds += 3
    meter.moved()
    assert meter.idle_seconds() == 0


def test_that_nothing_arrives_is_reported_with_the_seconds_at_which_that_ends_the_run(progress, now, meter):
    waits = []
    progress.waiting = lambda seconds, limit: waits.append((seconds, limit))
    now.seconds += 0.5
    meter.report_idle(30.0)
    now.seconds += 7.5
    meter.report_idle(30.0)
    meter.moved()
    meter.report_idle(30.0)
    assert waits == [(8.0, 30.0)]
