import pytest

from dci_downloader.hooks import NullProgress
from dci_downloader.transfer.meter import Meter


class CommandResult(NullProgress):
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
def told():
    return CommandResult()


@pytest.fixture
def now():
    return Now()


@pytest.fixture
def meter(told, now):
    return Meter(told, now)


def test_bytes_are_told_as_they_come_and_once(meter, told):
    assert meter.look(30) == 30
    assert meter.look(70) == 40
    meter.came(100)  # the request has ended
    assert meter.look(0) == 30
    assert told.steps == [30, 40, 30]
    assert meter.look(0) == 0
    assert told.steps == [30, 40, 30]


def test_bytes_that_came_in_vain_are_received_but_taken_back(meter, told):
    meter.look(70)
    meter.wasted(90)
    assert meter.look(0) == 20
    assert meter.received == 90
    assert sum(told.steps) == 0


def test_bytes_of_a_file_that_begins_anew_are_taken_back(meter, told):
    meter.came(50)
    meter.look(0)
    meter.lost(50)
    meter.look(0)
    assert told.steps == [50, -50]
    assert meter.received == 50


def test_files_are_told_at_once(meter, told):
    meter.file()
    assert told.files == 1


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
