import pytest

from dci_downloader.content.ranges import Range
from dci_downloader.errors import LockedError
from dci_downloader.models import FileEntry
from dci_downloader.transfer.opening import Opener
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


def entry(path="a", size=250):
    return FileEntry(path, path * 64, size)


def free(*peers, room=ROOM):
    return {None: ROOM, **dict.fromkeys(peers, room)}


def segments(opened):
    return [(segment.start, segment.end) for segment in opened[1]]


@pytest.mark.parametrize("size", [0, 1, 100])
def test_a_file_that_is_held_in_memory_is_one_segment_without_a_partial(partials, size):
    transfer, found = Opener((), partials, TUNING).open(entry(size=size), free())
    assert [(each.start, each.end, each.range) for each in found] == [(0, size, None)]
    assert (transfer.partial, transfer.unfinished, transfer.in_one_piece) == (None, 1, True)
    assert partials.opened == []


@pytest.mark.parametrize(
    ("size", "done", "expected", "in_one_piece"),
    [
        (250, [], [(0, 100), (100, 200), (200, 250)], False),
        (101, [], [(0, 100), (100, 101)], False),
        (250, [(0, 100)], [(100, 200), (200, 250)], False),
        (250, [(50, 120), (230, 250)], [(0, 50), (120, 200), (200, 230)], False),
        (250, [(0, 250)], [], False),
    ],
)
def test_a_big_file_is_cut_at_multiples_of_its_segment_size_less_what_is_there(
    partials, size, done, expected, in_one_piece
):
    partials.by_path["a"] = FakePartial(*done)
    opened = Opener((), partials, TUNING).open(entry(size=size), free())
    assert segments(opened) == expected
    transfer = opened[0]
    assert (transfer.unfinished, transfer.in_one_piece, transfer.resumed) == (len(expected), in_one_piece, bool(done))


def test_a_file_of_one_segment_is_in_one_piece(partials):
    opened = Opener((), partials, Tuning(in_memory=100)).open(entry(), free())
    assert (segments(opened), opened[0].in_one_piece) == ([(0, 250)], True)


def test_a_file_that_the_store_has_by_now_needs_nothing(partials):
    partials.by_path["a"] = None
    assert Opener((), partials, TUNING).open(entry(), free()) is None


def test_a_file_that_another_run_is_writing_has_the_same_peers_when_it_is_opened_again(partials):
    one, two = Peer("http://1"), Peer("http://2")
    opener = Opener((one, two), partials, TUNING)
    partials.by_path["a"] = LockedError("another run")
    with pytest.raises(LockedError):
        opener.open(entry(), free(one, two))
    del partials.by_path["a"]
    assert opener.open(entry("a"), free(one, two))[0].peers == [one, two]
    assert opener.open(entry("a"), free(one, two))[0].peers == [two, one]


def first_peers(opener, number, room):
    return [opener.open(entry(str(each), 1), room)[0].peers for each in range(number)]


def test_which_peer_is_asked_first_rotates_from_file_to_file(partials):
    a, b, c = (Peer(name) for name in "abc")
    opener = Opener((a, b, c), partials, TUNING)
    assert first_peers(opener, 4, free(a, b, c)) == [[a, b, c], [b, c, a], [c, a, b], [a, b, c]]


def test_peers_that_have_room_are_asked_before_the_others(partials):
    a, b, c = (Peer(name) for name in "abc")
    opener = Opener((a, b, c), partials, TUNING)
    assert first_peers(opener, 2, {**free(a, b, c), b: 0}) == [[a, c, b], [c, a, b]]


def test_peers_that_were_dropped_are_not_asked(partials):
    a, b = Peer("a"), Peer("b", dropped="slow")
    opener = Opener((a, b), partials, TUNING)
    assert first_peers(opener, 2, free(a)) == [[a], [a]]
    a.dropped = "slow, too"
    assert first_peers(opener, 2, free()) == [[], []]
    assert opener.live_peers == []


def test_a_file_that_begins_anew_is_asked_only_of_the_peers_that_were_left(partials):
    a, b, c = (Peer(name) for name in "abc")
    opener = Opener((a, b, c), partials, TUNING)
    transfer, _ = opener.open(entry(), free(a, b, c))
    transfer.peers.remove(a)
    opener.remember(transfer)
    assert opener.open(entry(), free(a, b, c))[0].peers == [b, c]


def test_a_source_without_ranges_is_asked_for_all_of_that_file(partials):
    peer = Peer("a")
    opener = Opener((peer,), partials, TUNING)
    transfer, _ = opener.open(entry(), free(peer))
    opener.without_ranges(transfer, peer)
    assert opener.is_rangeless(transfer)
    assert segments(opener.open(entry(), free(peer))) == [(0, 250)]
    assert segments(opener.open(entry("b"), free(peer))) == [(0, 100), (100, 200), (200, 250)]
    peer.dropped = "slow"
    assert not opener.is_rangeless(transfer)
