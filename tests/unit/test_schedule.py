import pytest

from dci_downloader.content.ranges import Range
from dci_downloader.errors import LockedError
from dci_downloader.models import FileEntry
from dci_downloader.transfer.choice import SourceChoice
from dci_downloader.transfer.schedule import Schedule
from dci_downloader.transfer.sources import Peer
from dci_downloader.transfer.tuning import Tuning

TUNING = Tuning(in_memory=100, smallest_segment=100, biggest_segment=100)
ROOM = 8


class FakePartial:
    def __init__(self, *done):
        self.done = tuple(Range(*each) for each in done)


class Partials:
    """Stands for the store: by path a partial, None where the file is there, or an exception."""

    def __init__(self):
        self.by_path = {}
        self.opened = []

    def __call__(self, entry):
        self.opened.append(entry.path)
        found = self.by_path.get(entry.path, FakePartial())
        if isinstance(found, Exception):
            raise found
        return found


@pytest.fixture
def partials():
    return Partials()


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


class Desk:
    """A schedule with its surroundings."""

    def __init__(self, partials, *peers, tuning=TUNING):
        self.clock = Clock()
        self.peers = peers
        self.schedule = Schedule(SourceChoice(peers), partials, tuning, self.clock)

    def add(self, path="a", size=250):
        self.schedule.queue.add([FileEntry(path, path * 64, size)])

    def next(self, **free):
        room = {None: ROOM, **{peer: free.get(peer.url, ROOM) for peer in self.peers if not peer.dropped}}
        return self.schedule.next(room, big_may_go=True)

    def segments(self, **free):
        """All segments that are to be brought now."""
        return list(iter(lambda: self.next(**free), None))

    def open(self, path="a", size=250, **free):
        """The transfer of another file."""
        self.add(path, size)
        return self.segments(**free)[0].transfer


def bounds(segments):
    return [(segment.start, segment.end) for segment in segments]


@pytest.mark.parametrize("size", [0, 1, 100])
def test_a_file_that_is_held_in_memory_is_one_segment_without_a_partial(partials, size):
    desk = Desk(partials)
    desk.add(size=size)
    (segment,) = desk.segments()
    transfer = segment.transfer
    assert (segment.start, segment.end, segment.range) == (0, size, None)
    assert (transfer.partial, transfer.unfinished, transfer.in_one_piece) == (None, 1, True)
    assert desk.schedule.transfers == {transfer}
    assert partials.opened == []


@pytest.mark.parametrize(
    ("size", "done", "expected"),
    [
        (250, [], [(0, 100), (100, 200), (200, 250)]),
        (101, [], [(0, 100), (100, 101)]),
        (250, [(0, 100)], [(100, 200), (200, 250)]),
        (250, [(50, 120), (230, 250)], [(0, 50), (120, 200), (200, 230)]),
    ],
)
def test_a_big_file_is_cut_at_multiples_of_its_segment_size_less_what_is_there(partials, size, done, expected):
    partials.by_path["a"] = FakePartial(*done)
    desk = Desk(partials)
    desk.add(size=size)
    segments = desk.segments()
    assert bounds(segments) == expected
    transfer = segments[0].transfer
    assert (transfer.unfinished, transfer.in_one_piece, transfer.resumed) == (len(expected), False, bool(done))


def test_a_file_all_of_whose_bytes_are_there_is_only_to_be_finished(partials):
    partials.by_path["a"] = FakePartial((0, 250))
    desk = Desk(partials)
    desk.add()
    assert desk.next() is None
    assert set(desk.schedule.finishable) == desk.schedule.transfers
    assert len(desk.schedule.finishable) == 1


def test_all_gaps_that_an_earlier_run_left_of_a_small_file_are_asked_for(partials):
    partials.by_path["a"] = FakePartial((10, 20), (30, 40))
    desk = Desk(partials)
    desk.schedule.partials = frozenset({"a" * 64})
    desk.add(size=50)
    desk.add("b", size=1)
    assert sorted(bounds(desk.segments())) == [(0, 1), (0, 10), (20, 30), (40, 50)]


def test_a_file_of_one_segment_is_in_one_piece(partials):
    desk = Desk(partials, tuning=Tuning(in_memory=100))
    desk.add()
    (segment,) = desk.segments()
    assert (bounds([segment]), segment.transfer.in_one_piece) == ([(0, 250)], True)


def test_a_file_that_the_store_has_by_now_needs_nothing(partials):
    partials.by_path["a"] = None
    desk = Desk(partials)
    desk.add()
    assert desk.next() is None
    assert (desk.schedule.transfers, desk.schedule.finishable) == (set(), [])


def test_a_file_that_another_run_is_writing_has_the_same_peers_when_it_is_opened_again(partials):
    desk = Desk(partials, Peer("1"), Peer("2"))
    partials.by_path["a"] = LockedError("another run")
    desk.add()
    assert desk.next() is None
    partials.by_path.clear()
    desk.clock.now += TUNING.blocked_seconds
    assert desk.segments()[0].transfer.peers == list(desk.peers)
    assert desk.open("b").peers == [*desk.peers][::-1]


def test_which_peer_is_asked_first_rotates_from_file_to_file(partials):
    desk = Desk(partials, *map(Peer, "abc"))
    a, b, c = desk.peers
    assert [desk.open(str(each), 1).peers for each in range(4)] == [[a, b, c], [b, c, a], [c, a, b], [a, b, c]]


def test_peers_that_have_room_are_asked_before_the_others(partials):
    desk = Desk(partials, *map(Peer, "abc"))
    a, b, c = desk.peers
    assert [desk.open(str(each), 1, b=0).peers for each in range(2)] == [[a, c, b], [c, a, b]]


def test_no_file_is_begun_while_no_peer_has_room(partials):
    desk = Desk(partials, *map(Peer, "ab"))
    desk.add()
    assert desk.next(a=0, b=0) is None
    assert partials.opened == []


def test_peers_that_were_dropped_are_not_asked(partials):
    desk = Desk(partials, Peer("a"), Peer("b", dropped="slow"))
    a, _ = desk.peers
    assert [desk.open(str(each), 1).peers for each in range(2)] == [[a], [a]]
    a.dropped = "slow, too"
    assert [desk.open(str(each), 1).peers for each in range(2)] == [[], []]
    assert desk.schedule.choice.live_peers == []


def test_a_file_that_begins_anew_is_asked_only_of_the_peers_that_were_left(partials):
    desk = Desk(partials, *map(Peer, "abc"))
    transfer = desk.open()
    del transfer.peers[0]
    desk.schedule.again(transfer)
    transfer.over = True
    assert desk.schedule.transfers == set()
    assert desk.segments()[0].transfer.peers == list(desk.peers)[1:]


def test_a_source_without_ranges_is_asked_for_all_of_that_file(partials):
    desk = Desk(partials, Peer("a"))
    (peer,) = desk.peers
    transfer = desk.open()
    desk.schedule.choice.without_ranges(transfer, peer)
    assert desk.schedule.choice.is_rangeless(transfer.entry, peer)
    desk.schedule.again(transfer)
    transfer.over = True
    assert bounds(desk.segments()) == [(0, 250)]
    desk.add("b")
    assert bounds(desk.segments()) == [(0, 100), (100, 200), (200, 250)]


def test_a_segment_put_back_begins_with_no_redirect_followed(partials):
    desk = Desk(partials)
    desk.add(size=1)
    segment = desk.next()
    segment.hops = 4
    desk.schedule.later(segment, 2.0)
    assert desk.next() is None
    desk.clock.now += 2.0
    assert desk.next() is segment
    assert segment.hops == 0
