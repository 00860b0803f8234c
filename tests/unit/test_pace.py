from types import SimpleNamespace

import pytest

from dci_downloader.transfer.limits import RateLimit
from dci_downloader.transfer.pace import Pace
from dci_downloader.transfer.tuning import Tuning


class Desk:
    """A pace with its surroundings, and a log of what it does to them."""

    def __init__(self, rate=None):
        self.now, self.log = 100.0, []
        self.sink = SimpleNamespace(unwritten=0)
        loop = SimpleNamespace(fileno=lambda: 7, wait_seconds=lambda most: most / 2)
        stage = SimpleNamespace(
            loop=loop, pause=lambda: self.log.append("pause"), resume=lambda: self.log.append("resume")
        )
        poller = SimpleNamespace(heed=lambda descriptor, heeded: self.log.append((descriptor, heeded)))
        limit = RateLimit(rate, lambda: self.now)
        self.pace = Pace(limit, self.sink, stage, poller, Tuning(most_unwritten=1000))


def test_reading_stops_while_the_disk_is_behind():
    desk = Desk()
    for unwritten, log in (
        (1000, []),
        (1001, [(7, False), "pause"]),
        (5000, []),
        (1000, [(7, True), "resume"]),
        (0, []),
    ):
        desk.sink.unwritten = unwritten
        desk.log.clear()
        desk.pace.update()
        assert desk.log == log
        assert desk.pace.reading is (unwritten <= 1000)


def test_reading_stops_while_the_rate_is_used_up():
    desk = Desk(rate=1000)
    desk.pace.update()
    assert (desk.pace.reading, desk.pace.wait_seconds(4.0)) == (True, 2.0)
    desk.pace.spend(3000)
    desk.pace.update()
    assert not desk.pace.reading
    assert desk.pace.wait_seconds(60.0) == pytest.approx(3.0)
    assert desk.pace.wait_seconds(1.0) == 1.0
    desk.now += 3.0
    desk.pace.update()
    assert desk.pace.reading


def test_while_only_the_disk_is_behind_the_wait_is_as_long_as_it_may_be():
    desk = Desk()
    desk.sink.unwritten = 2000
    desk.pace.update()
    assert desk.pace.wait_seconds(4.0) == 4.0
