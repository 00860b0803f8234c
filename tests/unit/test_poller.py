import os

import pytest

from dci_downloader.transfer.poller import Poller
from dci_downloader.transfer.tuning import Tuning


class Clock:
    """A clock that goes on by ``step`` each time it is looked at."""

    def __init__(self):
        self.now = 0.0
        self.step = 0.0

    def __call__(self):
        self.now += self.step
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def poller(clock):
    poller = Poller(Tuning(load_seconds=1.0, loaded=0.8), clock)
    yield poller
    poller.close()


@pytest.fixture
def pipe():
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def test_a_byte_from_another_thread_ends_one_wait(poller):
    os.write(poller.wake, b"\0\0")
    poller.wait(60)
    assert not poller.poll()


def test_a_readable_descriptor_has_its_function_called_until_it_is_not_watched(poller, pipe):
    called = []
    poller.watch(pipe[0], lambda: called.append(1))
    assert not poller.poll()
    os.write(pipe[1], b"x")
    assert poller.poll()
    poller.wait(60)
    assert called == [1, 1]
    poller.unwatch(pipe[0])
    assert not poller.poll()
    assert called == [1, 1]


def test_a_descriptor_that_is_not_heeded_ends_no_wait(poller, pipe):
    poller.watch(pipe[0])
    os.write(pipe[1], b"x")
    assert poller.poll()
    poller.heed(pipe[0], False)
    assert not poller.poll()
    poller.heed(pipe[0], True)
    assert poller.poll()


@pytest.mark.parametrize(("waited", "loaded"), [(0.0, True), (0.1, True), (0.3, False), (1.0, False)])
def test_the_loop_is_loaded_while_it_finds_little_time_to_wait(poller, clock, waited, loaded):
    clock.step = waited
    poller.wait(0)
    clock.step = 0.0
    poller.measure(0.5)
    assert not poller.loaded
    poller.measure(1.0)
    assert poller.loaded is loaded


def test_the_load_is_measured_anew_each_time(poller, clock):
    poller.measure(1.0)
    assert poller.loaded
    clock.step = 0.9
    poller.wait(0)
    poller.measure(2.0)
    assert not poller.loaded
