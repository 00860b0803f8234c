import pytest

from dci_downloader.models import FileEntry
from dci_downloader.transfer.queue import BLOCKED_SECONDS, TransferQueue
from dci_downloader.transfer.transfers import IN_MEMORY, Segment, Transfer

BIG = IN_MEMORY + 1


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


class Files:
    """Opens files, two pieces for a big one, and remembers in which order."""

    def __init__(self):
        self.opened = []
        self.blocked = set()
        self.complete = set()

    def __call__(self, entry):
        self.opened.append(entry.path)
        if entry.path in self.blocked:
            return None
        if entry.path in self.complete:
            return []
        transfer = Transfer(entry)
        middle = entry.size // 2
        cuts = [(0, middle), (middle, entry.size)] if entry.size > IN_MEMORY else [(0, entry.size)]
        return [Segment(transfer, *cut) for cut in cuts]


@pytest.fixture
def files():
    return Files()


@pytest.fixture
def clock():
    return Clock()


def entries(**sizes):
    return [FileEntry(path, path * 64, size) for path, size in sizes.items()]


def drain(queue, big_may_go=True):
    names = []
    while (segment := queue.next(big_may_go)) is not None:
        names.append(segment.transfer.entry.path)
    return names


def test_the_biggest_go_first(files, clock):
    queue = TransferQueue(entries(a=1, b=BIG, c=3, d=BIG + 1, e=2), files, clock)
    assert drain(queue) == ["d", "d", "b", "b", "c", "e", "a"]
    assert files.opened == ["d", "b", "c", "e", "a"]
    assert queue.unopened == []


def test_segments_wait_for_their_share_as_long_as_there_are_small_files(files, clock):
    queue = TransferQueue(entries(a=1, b=BIG, c=3), files, clock)
    assert drain(queue, big_may_go=False) == ["c", "a", "b", "b"]


def test_files_are_opened_only_when_their_turn_comes(files, clock):
    queue = TransferQueue(entries(a=1, b=BIG, c=BIG + 1), files, clock)
    assert queue.next(True).transfer.entry.path == "c"
    assert files.opened == ["c"]
    assert [entry.path for entry in queue.unopened] == ["b", "a"]


def test_complete_files_are_passed_over(files, clock):
    files.complete = {"a", "b", "d"}
    queue = TransferQueue(entries(a=5, b=BIG, c=3, d=BIG + 1), files, clock)
    assert drain(queue) == ["c"]


def test_a_piece_put_back_comes_when_it_is_due_and_before_all_others(files, clock):
    queue = TransferQueue(entries(a=2, b=1), files, clock)
    first = queue.next(True)
    queue.later(first, 5.0)
    assert queue.wait_seconds(60) == 5.0
    assert queue.wait_seconds(1) == 1
    clock.now += 5.0
    assert queue.wait_seconds(60) == 0.0
    assert queue.next(True) is first
    assert drain(queue) == ["b"]
    assert queue.wait_seconds(60) == 60


def test_pieces_put_back_come_in_the_order_they_are_due(files, clock):
    queue = TransferQueue(entries(a=2, b=1), files, clock)
    one, two = queue.next(True), queue.next(True)
    queue.later(one, 2.0)
    queue.later(two, 1.0)
    assert queue.next(True) is None
    clock.now += 3
    assert [queue.next(True), queue.next(True)] == [two, one]


def test_pieces_of_a_file_that_is_over_are_dropped_wherever_they_wait(files, clock):
    queue = TransferQueue(entries(a=BIG), files, clock)
    segment = queue.next(True)
    queue.later(segment, 0.0)
    segment.transfer.over = True
    assert queue.next(True) is None


def test_a_file_that_another_run_fetches_is_looked_at_again(files, clock):
    files.blocked = {"a"}
    queue = TransferQueue(entries(a=BIG, b=1), files, clock)
    assert drain(queue) == ["b"]
    assert queue.blocked
    assert [entry.path for entry in queue.unopened] == ["a"]
    assert queue.wait_seconds(60) == BLOCKED_SECONDS
    clock.now += BLOCKED_SECONDS
    assert queue.next(True) is None
    assert queue.wait_seconds(60) == BLOCKED_SECONDS
    files.blocked = set()
    clock.now += BLOCKED_SECONDS
    assert drain(queue) == ["a", "a"]
    assert not queue.blocked
    assert files.opened == ["a", "b", "a", "a"]


@pytest.mark.parametrize("size", [1, BIG])
def test_a_file_to_begin_anew_goes_in_front(files, clock, size):
    queue = TransferQueue(entries(a=size, b=BIG + 1), files, clock)
    queue.again(FileEntry("x", "x" * 64, size))
    assert drain(queue)[0] == "x"


def test_every_second_file_whose_turn_has_not_come_can_be_given_away_and_taken_back(files, clock):
    queue = TransferQueue(entries(a=1, b=BIG, c=3, d=BIG + 1, e=2), files, clock)
    given = queue.halve()
    assert [entry.path for entry in given] == ["b", "e"]
    assert [entry.path for entry in queue.unopened] == ["d", "c", "a"]
    queue.add(given)
    assert [entry.path for entry in queue.unopened] == ["d", "b", "c", "a", "e"]
