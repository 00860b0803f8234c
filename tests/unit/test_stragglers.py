import pytest

from dci_downloader.models import FileEntry
from dci_downloader.transfer.request import FetchRequest
from dci_downloader.transfer.sources import Peer
from dci_downloader.transfer.stragglers import Stragglers
from dci_downloader.transfer.transfers import Segment, Transfer
from dci_downloader.transfer.tuning import Tuning

TUNING = Tuning(straggler_window=0.2, straggler_seconds=0.1)
SIZE = 1_000_000
PEER, OTHER = Peer("http://lab1"), Peer("http://lab2")


class Known:
    """Speeds by source, work per second; None where one is not known."""

    def __init__(self):
        self.by_giver = {None: 1e6, PEER: 1e6, OTHER: 1e6}

    def seconds(self, giver, size):
        speed = self.by_giver.get(giver)
        return None if speed is None else size / speed if speed else float("inf")


class Watch:
    def __init__(self):
        self.speeds = Known()
        self.stragglers = Stragglers(self.speeds, TUNING)
        self.now = 100.0
        self.requests = []

    def ask(self, giver=PEER, peers=(PEER, OTHER), kept=True):
        transfer = Transfer(FileEntry("a", "a" * 64, SIZE), peers=list(peers), partial=object() if kept else None)
        self.requests.append(FetchRequest(Segment(transfer, 0, SIZE, source=giver), "url", giver))
        return self.requests[-1]

    def after(self, seconds, **brought):
        """Some looks later; every request brought so many bytes per second."""
        for _ in range(round(seconds / 0.05)):
            self.now += 0.05
            for request in self.requests:
                size = round(brought.get("each", 0) * 0.05)
                request.seen += size
                if size:
                    request.moved = self.now
            self.stragglers.look(self.requests, self.now)

    def found(self, given_up=None, **room):
        named = {None: room.get("store", 0), PEER: room.get("peer", 0), OTHER: room.get("other", 0)}
        return self.stragglers.find(named, given_up or {})


@pytest.fixture
def watch():
    return Watch()


def test_a_request_that_is_slow_is_asked_of_a_source_with_room(watch):
    slow = watch.ask()
    watch.after(0.5, each=50_000)
    assert watch.found(store=1) == {slow: None}
    assert watch.found(other=1) == {slow: OTHER}
    assert watch.found() == {}


def test_the_object_store_takes_what_it_failed_to_bring_only_where_no_peer_has_room(watch):
    slow = watch.ask()
    slow.segment.transfer.store_failed = True
    watch.speeds.by_giver[OTHER] = 5e5
    watch.after(0.5, each=50_000)
    assert watch.found(store=1, other=1) == {slow: OTHER}
    assert watch.found(store=1) == {slow: None}


def test_a_request_as_fast_as_elsewhere_is_left_alone(watch):
    watch.ask()
    watch.after(0.5, each=600_000)
    assert watch.found(store=8, other=8) == {}


def test_a_request_that_is_nearly_done_is_left_alone(watch):
    watch.ask().seen = SIZE - 10_000
    watch.after(0.3, each=30_000)
    assert watch.found(store=8) == {}


def test_a_request_is_not_judged_before_it_was_measured(watch):
    watch.ask()
    watch.after(0.15)
    assert watch.found(store=8) == {}
    watch.after(0.5)
    assert watch.found(store=8) == {}  # it is expected to stand still for as long as until now, and that is not long
    watch.after(2.0)
    assert len(watch.found(store=8)) == 1


def test_one_that_was_fast_and_stands_still_is_expected_to_go_on_as_before(watch):
    watch.ask()
    watch.after(0.5, each=1_000_000)
    watch.after(0.25)
    assert watch.found(store=8) == {}
    watch.after(2.0)
    assert len(watch.found(store=8)) == 1


def test_the_slowest_go_first_and_no_more_than_there_is_room_for(watch):
    fast, slow, slower = (watch.ask() for _ in range(3))
    watch.after(0.25, each=50_000)
    fast.seen += 100_000
    slower.seen -= 10_000
    watch.after(0.25, each=50_000)
    assert list(watch.found(store=1, other=1)) == [slower, slow]


def test_the_fastest_source_takes_it(watch):
    watch.speeds.by_giver = {None: 2e6, OTHER: 8e6}
    slow = watch.ask()
    watch.after(0.5, each=50_000)
    assert watch.found(store=1, other=1) == {slow: OTHER}


def test_a_source_that_never_brought_anything_takes_nothing(watch):
    watch.speeds.by_giver[OTHER] = 0.0
    watch.ask()
    watch.after(3.0)
    assert watch.found(other=8) == {}


def test_a_source_that_was_not_asked_yet_is_expected_to_take_a_quarter_of_a_second(watch):
    watch.speeds.by_giver.clear()
    request = watch.ask()
    request.seen = SIZE - 100_000
    watch.after(0.5, each=50_000)
    assert watch.found(store=1) == {request: None}  # it would take 1.5 s
    request.seen = SIZE - 25_000
    assert watch.found(store=1) == {}


def test_a_peer_that_may_not_have_the_file_is_not_asked(watch):
    watch.ask(peers=[PEER])
    watch.after(0.5, each=50_000)
    assert watch.found(other=8) == {}


def test_what_the_object_store_is_slow_with_is_asked_of_a_peer(watch):
    slow = watch.ask(None)
    watch.after(0.5, each=50_000)
    assert watch.found(peer=8)[slow] is PEER


def test_a_file_in_memory_would_have_to_be_fetched_as_a_whole(watch):
    watch.speeds.by_giver[None] = 250_000
    kept, lost = watch.ask(), watch.ask(kept=False)
    kept.seen = lost.seen = SIZE - 100_000
    watch.after(0.5, each=50_000)
    assert watch.found(store=8) == {kept: None}
    assert watch.requests == [kept, lost]


def test_each_move_makes_the_next_less_likely(watch):
    slow = watch.ask()
    watch.after(0.5, each=200_000)
    assert len(watch.found(store=1)) == 1  # 4.5 s rather than 0.9
    slow.segment.moves = 2
    assert len(watch.found(store=1)) == 0


def test_where_connections_lack_a_source_gives_up_those_beyond_its_share(watch):
    for _ in range(4):
        watch.ask()
    watch.after(0.5, each=50_000)
    assert len(watch.found(store=8, given_up={PEER: 3})) == 3
