import pytest

from dci_downloader.models import FileEntry
from dci_downloader.transfer.request import FetchRequest
from dci_downloader.transfer.sources import Peer
from dci_downloader.transfer.speeds import Speeds
from dci_downloader.transfer.transfers import Segment, Transfer
from dci_downloader.transfer.tuning import Tuning

REQUEST = Tuning().request_bytes
PEER = Peer("http://lab1")


def request(peer=None, seen=0):
    made = FetchRequest(Segment(Transfer(FileEntry("a", "a" * 64, 10_000_000)), 0, 10_000_000), "url", peer)
    made.seen = seen
    return made


@pytest.fixture
def speeds():
    return Speeds(Tuning(), 100.0)


def test_a_source_that_was_not_asked_has_no_speed(speeds):
    speeds.look([request(PEER)], 101.0)
    assert speeds.of_one_request(None) is None
    assert speeds.seconds(None, 1) is None


def test_the_speed_is_that_of_one_request(speeds):
    one, other = request(PEER), request(PEER)
    speeds.look([one, other], 101.0)
    one.seen, other.seen = 3_000_000, 1_000_000
    speeds.look([one, other], 102.0)
    # both seconds were spent by two requests; what was measured before counts half
    assert speeds.of_one_request(PEER) == pytest.approx(4_000_000 / 3)
    assert speeds.work([PEER, None]) == 4_000_000


def test_a_request_that_brought_all_counts_as_more_than_its_bytes(speeds):
    one = request(PEER, seen=500)
    speeds.look([one], 101.0)
    speeds.ended(PEER, 1000, whole=True)
    speeds.ended(None, 1000, whole=False)
    speeds.look([], 102.0)
    assert (speeds.work([PEER]), speeds.work([None])) == (1000 + REQUEST, 1000)


def test_a_source_that_stands_still_gets_slower(speeds):
    one = request(PEER)
    speeds.look([one], 101.0)
    one.seen = 1_000_000
    measured = []
    for now in range(102, 112):
        speeds.look([one], float(now))
        measured.append(speeds.of_one_request(PEER))
    assert measured == sorted(measured, reverse=True)
    assert measured[-1] < measured[0] / 100


def test_a_source_that_never_brought_anything_takes_for_ever(speeds):
    speeds.look([request(PEER)], 101.0)
    speeds.look([request(PEER)], 102.0)
    assert speeds.seconds(PEER, 1) == float("inf")


def test_the_time_of_a_request_counts_beside_its_bytes(speeds):
    one = request(PEER)
    speeds.look([one], 101.0)
    one.seen = REQUEST
    speeds.look([one], 102.0)
    assert speeds.seconds(PEER, 0) == pytest.approx(1.5)
    assert speeds.seconds(PEER, REQUEST) == pytest.approx(3.0)


def test_bytes_that_were_nothing_in_the_end_do_not_count_again(speeds):
    one = request(PEER, seen=1000)
    speeds.look([one], 101.0)
    speeds.ended(PEER, 0, whole=False)
    speeds.look([], 102.0)
    assert speeds.work([PEER]) == 0
