import pytest

from dci_downloader.models import FileEntry
from dci_downloader.transfer.queue import TransferQueue
from dci_downloader.transfer.transfers import Segment, Transfer
from dci_downloader.transfer.tuning import Tuning

TUNING = Tuning(in_memory=1000, blocked_seconds=0.5)
BIG = TUNING.in_memory + 1


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


class Files:
    """Opens files, two segments for a big one, and remembers in which order."""

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
        cuts = [(0, middle), (middle, entry.size)] if entry.size > TUNING.in_memory else [(0, entry.size)]
        return [Segment(transfer, *cut) for cut in cuts]


@pytest.fixture
def files():
    return Files()


@pytest.fixture
def clock():
    return Clock()


def entries(**sizes):
    return [FileEntry(path, path * 64, size) for path, size in sizes.items()]


def queued(some, files, clock):
    queue = TransferQueue(files, TUNING, clock)
    queue.add(some)
    return queue


def next_of(queue, big_may_go=True, accepts=lambda _: True, may_open=True):
    return queue.next(accepts, may_open=may_open, big_may_go=big_may_go)


def drain(queue, big_may_go=True):
    names = []
    while (segment := next_of(queue, big_may_go)) is not None:
        names.append(segment.transfer.entry.path)
    return names


def test_the_biggest_go_first(files, clock):
    queue = queued(entries(a=1, b=BIG, c=3, d=BIG + 1, e=2), files, clock)
    assert drain(queue) == ["d", "d", "b", "b", "c", "e", "a"]
    assert files.opened == ["d", "b", "c", "e", "a"]
    assert queue.unopened == []


def test_segments_wait_for_their_share_as_long_as_there_are_small_files(files, clock):
    queue = queued(entries(a=1, b=BIG, c=3), files, clock)
    assert drain(queue, big_may_go=False) == ["c", "a", "b", "b"]


def test_files_are_opened_only_when_their_turn_comes(files, clock):
    queue = queued(entries(a=1, b=BIG, c=BIG + 1), files, clock)
    assert next_of(queue).transfer.entry.path == "c"
    assert files.opened == ["c"]
    assert [entry.path for entry in queue.unopened] == ["b", "a"]


def test_complete_files_are_passed_over(files, clock):
    files.complete = {"a", "b", "d"}
    queue = queued(entries(a=5, b=BIG, c=3, d=BIG + 1), files, clock)
    assert drain(queue) == ["c"]


def test_a_segment_put_back_comes_when_it_is_due_and_before_all_others(files, clock):
    queue = queued(entries(a=2, b=1), files, clock)
    first = next_of(queue)
    queue.later(first, 5.0)
    assert queue.wait_seconds(60) == 5.0
    assert queue.wait_seconds(1) == 1
    clock.now += 5.0
    assert queue.wait_seconds(60) == 0.0
    assert next_of(queue) is first
    assert drain(queue) == ["b"]
    assert queue.wait_seconds(60) == 60


def test_segments_put_back_come_in_the_order_they_are_due(files, clock):
    queue = queued(entries(a=2, b=1), files, clock)
    one, two = next_of(queue), next_of(queue)
    queue.later(one, 2.0)
    queue.later(two, 1.0)
    assert next_of(queue) is None
    clock.now += 3
    assert [next_of(queue), next_of(queue)] == [two, one]


def test_segments_of_a_file_that_is_over_are_dropped_wherever_they_wait(files, clock):
    queue = queued(entries(a=BIG), files, clock)
    segment = next_of(queue)
    queue.later(segment, 0.0)
    segment.transfer.over = True
    assert next_of(queue) is None


def test_a_file_that_another_run_fetches_is_looked_at_again(files, clock):
    files.blocked = {"a"}
    queue = queued(entries(a=BIG, b=1), files, clock)
    assert drain(queue) == ["b"]
    assert queue.blocked
    assert [entry.path for entry in queue.unopened] == ["a"]
    assert queue.wait_seconds(60) == TUNING.blocked_seconds
    clock.now += TUNING.blocked_seconds
    assert next_of(queue) is None
    assert queue.wait_seconds(60) == TUNING.blocked_seconds
    files.blocked = set()
    clock.now += TUNING.blocked_seconds
    assert drain(queue) == ["a", "a"]
    assert not queue.blocked
    assert files.opened == ["a", "b", "a", "a"]


@pytest.mark.parametrize("size", [1, BIG])
def test_a_file_to_begin_anew_goes_in_front(files, clock, size):
    queue = queued(entries(a=size, b=BIG + 1), files, clock)
    queue.again(FileEntry("x", "x" * 64, size))
    assert drain(queue)[0] == "x"


def test_every_second_file_whose_turn_has_not_come_can_be_given_away_and_taken_back(files, clock):
    queue = queued(entries(a=1, b=BIG, c=3, d=BIG + 1, e=2), files, clock)
    given = queue.halve(20)
    assert [entry.path for entry in given] == ["b", "e"]
    assert [entry.path for entry in queue.unopened] == ["d", "c", "a"]
    queue.add(given)
    assert [entry.path for entry in queue.unopened] == ["d", "b", "c", "a", "e"]


def test_no_more_is_given_away_than_is_asked_for_and_the_order_stays(files, clock):
    queue = queued(entries(a=9, b=8, c=7, d=6, e=5, f=4, g=BIG + 2, h=BIG + 1), files, clock)
    assert [entry.path for entry in queue.halve(2)] == ["h", "b", "d"]
    assert [entry.path for entry in queue.unopened] == ["g", "a", "c", "e", "f"]


def test_a_segment_that_is_not_accepted_keeps_its_turn_and_holds_up_no_other(files, clock):
    queue = queued(entries(a=BIG + 2, b=BIG + 1), files, clock)
    refused = {"a"}

    def accepts(segment):
        return segment.transfer.entry.path not in refused

    assert [next_of(queue, accepts=accepts).transfer.entry.path for _ in range(2)] == ["b", "b"]
    assert next_of(queue, accepts=accepts) is None
    refused.clear()
    assert [next_of(queue, accepts=accepts).start for _ in range(2)] == [0, (BIG + 2) // 2]


def test_a_segment_that_is_due_but_not_accepted_comes_before_others_later(files, clock):
    queue = queued(entries(a=2, b=1), files, clock)
    first = next_of(queue)
    queue.later(first, 0.0)
    assert next_of(queue, accepts=lambda segment: segment is not first).transfer.entry.path == "b"
    assert next_of(queue) is first


@pytest.mark.parametrize("size", [1, BIG])
def test_no_file_is_opened_while_many_segments_wait(files, clock, size):
    some = [FileEntry(str(number), f"{number:064}", size) for number in range(TUNING.most_waiting + 1)]
    queue = queued(some, files, clock)
    waiting = [next_of(queue) for _ in range(TUNING.most_waiting)]
    for segment in waiting:
        queue.later(segment, 0.0)
    opened = len(files.opened)
    assert next_of(queue, accepts=lambda segment: segment not in waiting) is None
    assert len(files.opened) == opened
    assert next_of(queue) is waiting[0]
    assert next_of(queue, accepts=lambda segment: segment not in waiting) is not None


@pytest.mark.parametrize("size", [1, BIG])
def test_no_file_is_opened_where_there_is_no_room_for_it(files, clock, size):
    queue = queued(entries(a=size), files, clock)
    assert next_of(queue, may_open=False) is None
    assert files.opened == []
