import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest

from dci_downloader.cli import signals
from dci_downloader.cli.signals import Signals
from dci_downloader.errors import CancelledError


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_waiting_work(number):
    before = signal.signal(number, signal.SIG_DFL)  # whatever the tests were started under
    try:
        with Signals() as stop:
            assert not stop.requested()
            with pytest.raises(CancelledError):
                signal.raise_signal(number)
            assert stop.requested()
    finally:
        signal.signal(number, before)


def test_deferred_work_is_only_told():
    with Signals() as stop, stop.deferred():
        signal.raise_signal(signal.SIGTERM)
        assert stop.requested()


def test_the_handlers_of_before_are_back_afterwards():
    before = signal.getsignal(signal.SIGTERM)
    with Signals():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_second_signal_ends_the_process_at_once():
    program = (
        "import os, signal, sys\n"
        "from dci_downloader.cli import signals\n"
        "signals._SAME_MOMENT = 0.0\n"
        "with signals.Signals() as stop, stop.deferred():\n"
        "    signal.raise_signal(signal.SIGINT)\n"
        "    print('still here', flush=True)\n"
        "    signal.raise_signal(signal.SIGINT)\n"
        "    print('never here', flush=True)\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=os.getcwd())
    assert (ended.returncode, ended.stdout) == (130, "still here\n")


def test_a_second_signal_without_a_process_to_end(monkeypatch):
    codes, now = [], [100.0]
    monkeypatch.setattr(os, "_exit", codes.append)
    monkeypatch.setattr(signals, "time", SimpleNamespace(monotonic=lambda: now[0]))
    with Signals() as stop, stop.deferred():
        signal.raise_signal(signal.SIGINT)
        now[0] += 0.4
        signal.raise_signal(signal.SIGTERM)
        assert codes == [], "two in the same moment are one"
        now[0] += 0.2
        signal.raise_signal(signal.SIGINT)
    assert codes == [130]


def test_a_signal_that_was_ignored_before_stays_so():
    """As under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Signals() as stop:
            signal.raise_signal(signal.SIGHUP)
            assert not stop.requested()
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.fixture
def unhandled():
    """Whatever the tests were started under."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_work_inside_of_the_program_is_asked_to_end_by_what_the_program_heard(unhandled):
    with Signals() as program:
        with Signals() as work:
            assert work is program
        handler = signal.getsignal(signal.SIGTERM)
        assert handler.__self__ is program
        with program.deferred():
            signal.raise_signal(signal.SIGTERM)
        with pytest.raises(CancelledError), Signals():
            pass
        assert program.requested()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_what_came_while_it_was_deferred_is_raised_where_it_may_interrupt(unhandled):
    with Signals() as stop, stop.deferred():
        with stop.interruptible():
            pass
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(CancelledError), stop.interruptible():
            raise AssertionError("never here")
        with stop.deferred():  # as before, however deep
            stop.check()
        stop.check()


def test_a_signal_raises_inside_of_what_may_be_interrupted_and_not_after_it(unhandled):
    with Signals() as stop, stop.deferred():
        with pytest.raises(CancelledError), stop.interruptible():
            signal.raise_signal(signal.SIGHUP)
        stop.check()


def test_after_the_last_work_signals_change_nothing(unhandled):
    with Signals(last=True):
        pass
    signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
