import pytest

from dci_downloader.models import FileEntry
from dci_downloader.transfer.choice import SourceChoice
from dci_downloader.transfer.sources import Peer
from dci_downloader.transfer.transfers import Segment, Transfer

SIZE = 100


class Desk:
    def __init__(self, *names, **free):
        self.peers = [Peer(name) for name in names]
        self.choice = SourceChoice(self.peers)
        self.room(**free)

    def room(self, **free):
        """How much room there is: 1 where nothing else is said."""
        self.choice.free = {None: free.get("store", 1), **{peer: free.get(peer.url, 1) for peer in self.peers}}

    def segment(self, path="f", start=0, **more):
        transfer = Transfer(FileEntry(path, path * 64, SIZE))
        self.choice.begin(transfer)
        return Segment(transfer, start, SIZE, **more)

    def of(self, segment, *, anywhere=False):
        """The name of who is asked; empty for nobody."""
        found = self.choice.of(segment, anywhere=anywhere)
        return "" if not found else "store" if found[0] is None else found[0].url


def test_the_object_store_is_asked_where_there_are_no_peers():
    desk = Desk()
    assert desk.of(desk.segment()) == "store"
    desk.room(store=0)
    assert (desk.of(desk.segment()), desk.choice.may_begin()) == ("", False)


def test_a_file_waits_for_the_peer_it_is_asked_of():
    desk = Desk("a", "b")
    segment = desk.segment()
    desk.room(a=0)
    assert desk.of(segment) == ""
    assert desk.of(segment, anywhere=True) == "b"


def test_the_object_store_waits_until_it_competes():
    desk = Desk("a")
    segment = desk.segment()
    desk.room(a=0)
    assert (desk.of(segment, anywhere=True), desk.choice.may_begin(), desk.choice.several) == ("", False, False)
    desk.choice.competing = True
    assert (desk.of(segment, anywhere=True), desk.choice.may_begin(), desk.choice.several) == ("store", True, True)


def test_while_it_competes_files_that_begin_without_room_at_a_peer_are_its_own():
    desk = Desk("a", a=0)
    desk.choice.competing = True
    segment = desk.segment()
    desk.room()
    assert desk.of(segment) == "store"


def test_where_it_failed_the_peers_are_asked_and_it_after_them():
    desk = Desk("a", a=0)
    desk.choice.competing = True
    segment = desk.segment()
    segment.transfer.store_failed = True
    assert desk.of(segment) == ""
    desk.room()
    assert desk.of(segment) == "a"
    segment.transfer.peers.clear()
    assert desk.of(segment) == "store"


def test_a_segment_that_was_moved_is_asked_of_whom_it_was_moved_to():
    desk = Desk("a", "b")
    a, b = desk.peers
    segment = desk.segment(left=frozenset({a}), moved_to=(b,), moves=1)
    assert desk.of(segment) == "b"
    b.dropped = "slow"
    assert desk.of(segment) == "store"
    desk.room(store=0)
    assert desk.of(segment) == "a"  # nobody else is left


def test_a_segment_that_was_moved_to_the_object_store_is_asked_of_it_though_it_does_not_compete():
    desk = Desk("a")
    segment = desk.segment(left=frozenset(desk.peers), moved_to=(None,), moves=1)
    assert desk.of(segment) == "store"


def test_when_the_run_ends_for_the_object_stores_sake_only_peers_are_asked():
    desk = Desk("a", a=0)
    desk.choice.competing = True
    segment, lacking = desk.segment(), desk.segment()
    lacking.transfer.peers.clear()
    desk.choice.peers_only = True
    desk.room(store=0)
    assert (desk.of(segment), desk.choice.vanishes(segment)) == ("a", False)
    assert desk.choice.vanishes(lacking)


@pytest.mark.parametrize(("start", "expected"), [(0, "a"), (10, "store")])
def test_the_rest_of_a_file_is_not_asked_of_a_peer_without_ranges(start, expected):
    desk = Desk("a")
    segment = desk.segment(start=start)
    desk.choice.without_ranges(segment.transfer, desk.peers[0])
    assert desk.of(segment) == expected


def test_a_file_that_several_peers_gave_wrong_is_asked_of_one():
    desk = Desk("a", "b")
    segment = desk.segment()
    assert desk.choice.unshare(segment.transfer.entry)
    assert not desk.choice.unshare(segment.transfer.entry)
    desk.room(a=0)
    assert desk.of(segment, anywhere=True) == ""
    desk.peers[0].dropped = "slow"
    assert desk.of(segment, anywhere=True) == "b"
