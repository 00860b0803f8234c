import pytest

from dci_downloader.models import FileEntry
from dci_downloader.transfer.backlog import BLOCKED_SECONDS, Backlog
from dci_downloader.transfer.work import IN_MEMORY, Piece, Transfer

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
        return [Piece(transfer, *cut) for cut in cuts]


@pytest.fixture
def files():
    return Files()


@pytest.fixture
def clock():
    return Clock()


def entries(**sizes):
    return [FileEntry(path, path * 64, size) for path, size in sizes.items()]


def drain(backlog, big_may_go=True):
    names = []
    while (piece := backlog.next(big_may_go)) is not None:
        names.append(piece.transfer.entry.path)
    return names


def test_the_biggest_go_first(files, clock):
    backlog = Backlog(entries(a=1, b=BIG, c=3, d=BIG + 1, e=2), files, clock)
    assert drain(backlog) == ["d", "d", "b", "b", "c", "e", "a"]
    assert files.opened == ["d", "b", "c", "e", "a"]
    assert backlog.unopened == []


def test_segments_wait_for_their_share_as_long_as_there_are_small_files(files, clock):
    backlog = Backlog(entries(a=1, b=BIG, c=3), files, clock)
    assert drain(backlog, big_may_go=False) == ["c", "a", "b", "b"]


def test_files_are_opened_only_when_their_turn_comes(files, clock):
    backlog = Backlog(entries(a=1, b=BIG, c=BIG + 1), files, clock)
    assert backlog.next(True).transfer.entry.path == "c"
    assert files.opened == ["c"]
    assert [entry.path for entry in backlog.unopened] == ["b", "a"]


def test_complete_files_are_passed_over(files, clock):
    files.complete = {"a", "b", "d"}
    backlog = Backlog(entries(a=5, b=BIG, c=3, d=BIG + 1), files, clock)
    assert drain(backlog) == ["c"]


def test_a_piece_put_back_comes_when_it_is_due_and_before_all_others(files, clock):
    backlog = Backlog(entries(a=2, b=1), files, clock)
    first = backlog.next(True)
    backlog.later(first, 5.0)
    assert backlog.wait_seconds(60) == 5.0
    assert backlog.wait_seconds(1) == 1
    clock.now += 5.0
    assert backlog.wait_seconds(60) == 0.0
    assert backlog.next(True) is first
    assert drain(backlog) == ["b"]
    assert backlog.wait_seconds(60) == 60


def test_pieces_put_back_come_in_the_order_they_are_due(files, clock):
    backlog = Backlog(entries(a=2, b=1), files, clock)
    one, two = backlog.next(True), backlog.next(True)
    backlog.later(one, 2.0)
    backlog.later(two, 1.0)
    assert backlog.next(True) is None
    clock.now += 3
    assert [backlog.next(True), backlog.next(True)] == [two, one]


def test_pieces_of_a_file_that_is_over_are_dropped_wherever_they_wait(files, clock):
    backlog = Backlog(entries(a=BIG), files, clock)
    piece = backlog.next(True)
    backlog.later(piece, 0.0)
    piece.transfer.over = True
    assert backlog.next(True) is None


def test_a_file_that_another_run_fetches_is_looked_at_again(files, clock):
    files.blocked = {"a"}
    backlog = Backlog(entries(a=BIG, b=1), files, clock)
    assert drain(backlog) == ["b"]
    assert backlog.blocked
    assert [entry.path for entry in backlog.unopened] == ["a"]
    assert backlog.wait_seconds(60) == BLOCKED_SECONDS
    clock.now += BLOCKED_SECONDS
    assert backlog.next(True) is None
    assert backlog.wait_seconds(60) == BLOCKED_SECONDS
    files.blocked = set()
    clock.now += BLOCKED_SECONDS
    assert drain(backlog) == ["a", "a"]
    assert not backlog.blocked
    assert files.opened == ["a", "b", "a", "a"]


@pytest.mark.parametrize("size", [1, BIG])
def test_a_file_to_begin_anew_goes_in_front(files, clock, size):
    backlog = Backlog(entries(a=size, b=BIG + 1), files, clock)
    backlog.again(FileEntry("x", "x" * 64, size))
    assert drain(backlog)[0] == "x"


def test_every_second_file_whose_turn_has_not_come_can_be_given_away_and_taken_back(files, clock):
    backlog = Backlog(entries(a=1, b=BIG, c=3, d=BIG + 1, e=2), files, clock)
    given = backlog.halve()
    assert [entry.path for entry in given] == ["b", "e"]
    assert [entry.path for entry in backlog.unopened] == ["d", "c", "a"]
    backlog.add(given)
    assert [entry.path for entry in backlog.unopened] == ["d", "b", "c", "a", "e"]
