import os
import threading
from contextlib import suppress

import pytest

from dci_downloader.transfer.worker import Task, Worker

PATIENCE = 10
BATCH_BYTES = 1000


@pytest.fixture
def pipe():
    ends = os.pipe2(os.O_NONBLOCK)
    yield ends
    for end in ends:
        os.close(end)


@pytest.fixture
def worker(pipe):
    worker = Worker("test", pipe[1], BATCH_BYTES, PATIENCE)
    yield worker
    worker.close()


class Job:
    """A task whose end can be waited for, and a log of it."""

    def __init__(self, log, name, error=None):
        self.done = threading.Event()
        self._log, self._name, self._error = log, name, error

    def __call__(self):
        self._log.append((self._name, threading.current_thread().name))
        self.done.set()
        if self._error is not None:
            raise self._error

    def then(self, error):
        self._log.append((self._name, threading.current_thread().name, error))

    def task(self, size=0):
        return Task(self, (), size, self.then)


def test_tasks_are_done_in_the_thread_and_reported_in_that_of_the_caller(worker):
    log = []
    job = Job(log, "a")
    worker.submit(job.task(10))
    assert (worker.outstanding, worker.idle) == (10, False)
    worker.collect()
    assert log == []
    worker.close()
    assert log == [("a", "test")]
    assert not worker.idle
    worker.collect()
    assert log[1:] == [("a", "MainThread", None)]
    assert (worker.outstanding, worker.idle) == (0, True)


def test_nothing_is_handed_over_before_there_is_a_batch(worker):
    log = []
    small, last = Job(log, "small"), Job(log, "last")
    worker.submit(small.task(BATCH_BYTES - 1))
    assert worker._queue.empty()
    worker.submit(last.task(1))
    assert last.done.wait(PATIENCE)
    assert [entry[0] for entry in log] == ["small", "last"]


def test_a_flush_hands_over_what_there_is(worker):
    job = Job([], "a")
    worker.submit(job.task())
    worker.flush()
    worker.flush()
    assert job.done.wait(PATIENCE)


def test_an_error_is_reported_and_later_tasks_are_done_all_the_same(worker):
    log, error = [], OSError("full")
    bad, good = Job(log, "bad", error), Job(log, "good")
    worker.submit(bad.task())
    worker.submit(good.task())
    worker.close()
    worker.collect()
    assert log[2:] == [("bad", "MainThread", error), ("good", "MainThread", None)]


def test_arguments_are_passed_on(worker):
    called = []
    worker.submit(Task(called.append, ("x",), 0, lambda error: called.append(error)))
    worker.close()
    worker.collect()
    assert called == ["x", None]


def test_the_loop_is_woken_once_a_batch_is_done(worker, pipe):
    for number in range(3):
        worker.submit(Job([], number).task())
    worker.close()
    assert os.read(pipe[0], 100) == b"\0"


def test_a_full_pipe_does_no_harm(worker, pipe):
    with suppress(BlockingIOError):
        while os.write(pipe[1], bytes(65536)):
            pass
    job = Job([], "a")
    worker.submit(job.task())
    worker.close()
    worker.collect()
    assert job.done.is_set()
    assert worker.idle


def test_what_is_submitted_while_results_are_reported_is_not_lost(worker):
    log = []
    second = Job(log, "second")
    worker.submit(Task(lambda: None, (), 0, lambda error: worker.submit(second.task(5))))
    worker.flush()
    while not worker._results:
        assert worker._thread.is_alive()
    worker.collect()
    assert (worker.outstanding, worker.idle) == (5, False)
    worker.close()
    worker.collect()
    assert [entry[0] for entry in log] == ["second", "second"]


def test_draining_waits_for_what_was_submitted_and_leaves_it_to_be_collected(worker):
    log = []
    worker.submit(Job(log, "a").task(10))
    worker.drain()
    assert log == [("a", "test")]
    assert worker.outstanding == 10
    worker.collect()
    assert log[1:] == [("a", "MainThread", None)]
    assert worker.idle


def test_a_thread_that_a_disk_holds_is_not_waited_for_without_end(pipe):
    worker = Worker("test", pipe[1], BATCH_BYTES, 0.05)
    held, log = threading.Event(), []
    worker.submit(Task(lambda: held.wait(PATIENCE) and None, (), 0, log.append))
    worker.close()
    assert worker._thread.is_alive()
    held.set()
    worker._thread.join(PATIENCE)
    with pytest.raises(BlockingIOError):  # nor does it write to a descriptor that is no longer its own
        os.read(pipe[0], 1)
