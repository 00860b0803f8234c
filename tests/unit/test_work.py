import threading

import pytest

from dci_downloader.cli.work import Ticker, Work


def test_the_rate_is_that_of_the_last_seconds():
    work = Work("x", 10, 10_000, 0.0)
    for second in range(1, 101):
        work.advance(0, 10 if second <= 50 else 100, float(second))
    assert work.rate(100.0) == 100
    assert work.seconds_left(100.0) == pytest.approx(45)


def test_of_what_did_not_begin_nobody_knows_the_end():
    work = Work("x", 10, 10_000, 5.0)
    assert (work.rate(5.0), work.seconds_left(5.0), work.share) == (0, None, 0)


@pytest.mark.parametrize(("size", "done", "share"), [(0, 0, 0.5), (10, 20, 1.0), (10, -5, 0.0), (10, 5, 0.5)])
def test_a_share_is_between_nothing_and_all(size, done, share):
    work = Work("x", 2, size, 0.0)
    work.advance(1, done, 0.0)
    assert work.share == share
    assert Work("nothing", 0, 0, 0.0).share == 1


def test_a_ticker_ticks_until_it_is_stopped():
    ticked, before = threading.Event(), set(threading.enumerate())
    ticker = Ticker(0.001, ticked.set)
    ticker.start()
    ticker.start()
    assert ticked.wait(30)
    (thread,) = [new for new in set(threading.enumerate()) - before if new.name == "ticker"]
    ticker.stop()
    ticker.stop()
    thread.join(30)
    assert not thread.is_alive()


def test_without_a_thread_nothing_ticks_and_nothing_fails(monkeypatch):
    def no_thread(_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", no_thread)
    ticker = Ticker(0.001, lambda: None)
    ticker.start()
    ticker.stop()
