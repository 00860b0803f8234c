"""A connection far slower than the others is found after some seconds; not when all are slow."""

import pytest

from dci_downloader.models import FileEntry
from dci_downloader.transfer.crawlers import Crawlers
from dci_downloader.transfer.request import FetchRequest
from dci_downloader.transfer.sources import Peer
from dci_downloader.transfer.transfers import Segment, Transfer

SIZE = 100_000_000


class Line:
    """Requests that bring so many bytes each second."""

    def __init__(self, *rates, peer=None, size=SIZE):
        self.crawlers = Crawlers(3.0)
        self.now = 0.0
        self.requests = [self.request(rate, peer, size) for rate in rates]
        self.found = []

    def request(self, rate, peer=None, size=SIZE):
        request = FetchRequest(Segment(Transfer(FileEntry("a", "a" * 64, size)), 0, size), "http://a", peer)
        request.brings = rate
        request.checked = (0, self.now)
        return request

    def pass_seconds(self, seconds):
        """Let time pass, and have what is found to crawl asked for anew, at the same rate."""
        for _ in range(round(seconds * 10)):
            self.now += 0.1
            for request in self.requests:
                request.seen += request.brings / 10
            for request in list(self.crawlers.find(self.requests, self.now)):
                self.found.append((round(self.now, 1), request.brings))
                self.crawlers.ended(request.seen, self.now - request.checked[1] or 3.0, self.now)
                request.seen, request.checked, request.rate = 0, (0, self.now), -1.0

    def end(self, *rates):
        """Requests end that brought so many bytes in a second."""
        for rate in rates:
            self.crawlers.ended(rate, 1.0, self.now)


@pytest.mark.parametrize("crawls", [0, 20, 99_000])
def test_a_connection_far_slower_than_the_others_is_found_after_some_seconds(crawls):
    line = Line(1_000_000, crawls, 1_100_000, 900_000)
    line.pass_seconds(2.9)
    assert line.found == []
    line.pass_seconds(0.2)
    assert [rate for _, rate in line.found] == [crawls]


@pytest.mark.parametrize("rates", [[20] * 8, [20, 30, 100, 190, 40], [1500], [0, 0, 0], [2000, 300, 900, 500]])
def test_where_all_are_slow_none_is_found(rates):
    line = Line(*rates)
    line.pass_seconds(60)
    assert line.found == []


def test_what_ended_meanwhile_counts_as_the_others():
    line = Line(20, 30, 25)
    line.pass_seconds(2)
    line.end(*[500_000] * 5)
    line.pass_seconds(1.1)
    assert len(line.found) == 3


def test_the_last_of_a_run_does_not_hold_it():
    line = Line(20)
    line.end(500_000, 400_000, 600_000)
    line.pass_seconds(3.1)
    line.pass_seconds(3.1)
    assert line.found == [(3.0, 20)]
    line.pass_seconds(3)
    assert len(line.found) == 2


def test_of_the_last_few_one_is_dropped_at_a_time():
    line = Line(20, 30, 25)
    line.end(500_000, 400_000, 600_000)
    line.pass_seconds(3.05)
    assert len(line.found) == 1


def test_when_all_have_become_slow_that_is_soon_what_is_usual():
    line = Line(*[20_000] * 8)
    line.end(*[5_000_000] * 4)
    line.pass_seconds(120)
    assert 1 <= len(line.found) <= 6
    assert line.found[-1][0] < 30


def test_a_segment_that_crawls_everywhere_is_asked_for_ever_less_often():
    line = Line(1_000_000, 20, 1_100_000, 900_000)
    line.pass_seconds(100)
    assert 3 <= len(line.found) <= 6


def test_what_will_be_done_soon_is_left_alone():
    line = Line(1_000_000, 2000, 1_000_000)
    line.requests[1].segment.end = 10_000
    line.pass_seconds(4)
    assert line.found == []


@pytest.mark.parametrize(("rate", "found"), [(20, 1), (900, 1), (1100, 0)])
def test_one_that_is_alone_is_tried_once_more_where_it_brings_next_to_nothing(rate, found):
    line = Line(rate)
    line.pass_seconds(60)
    assert len(line.found) == found


def test_peers_are_judged_by_rules_of_their_own():
    line = Line(20, peer=Peer("http://lab"))
    line.requests += [line.request(1_000_000), line.request(1_000_000)]
    line.pass_seconds(10)
    assert line.found == []
