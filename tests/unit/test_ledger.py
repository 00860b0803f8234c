"""What becomes of files, as tables: events one after the other, and the decision about each."""

from dataclasses import dataclass, field, replace

import pytest

from dci_downloader.content.ranges import Range
from dci_downloader.errors import DigestMismatchError, LockedError
from dci_downloader.models import FileEntry
from dci_downloader.transfer.choice import SourceChoice
from dci_downloader.transfer.ledger import Decision, Ledger, Step
from dci_downloader.transfer.schedule import Schedule
from dci_downloader.transfer.sources import Peer
from dci_downloader.transfer.tuning import Tuning
from dci_downloader.transfer.verdict import Action, Verdict

TUNING = Tuning(
    in_memory=100, smallest_segment=100, biggest_segment=100, most_access_errors=4, most_misses=3, most_faults=2
)
PATIENCE = 30.0
SMALL, BIG = 50, 250


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


class FakePartial:
    def __init__(self, *done):
        self.done = tuple(Range(*each) for each in done)


class Desk:
    """A ledger with its surroundings."""

    def __init__(self, *peers, sizes=None, tuning=TUNING):
        self.clock = Clock()
        self.peers = [Peer(name) for name in peers]
        self.partials = {}
        self.schedule = Schedule(SourceChoice(self.peers), self.open_partial, tuning, self.clock)
        self.ledger = Ledger(self.schedule, PATIENCE, tuning, self.clock, lambda: 0.999999)
        self.ledger.add([FileEntry(path, path * 64, size) for path, size in (sizes or {"a": SMALL}).items()])

    def open_partial(self, entry):
        found = self.partials.get(entry.path, FakePartial())
        if isinstance(found, Exception):
            raise found
        if found is None:
            self.ledger.present()
        return found

    def next(self, room=8):
        free = {None: room, **{peer: room for peer in self.peers if not peer.dropped}}
        return self.schedule.next(free, big_may_go=True, peers_only=self.ledger.ending.verdict is not None)

    def due_in(self):
        """Seconds until a segment that was put back is handed out."""
        return self.schedule.queue.wait_seconds(1e9)

    def mismatch(self, segment, giver=None):
        """All of a segment's file is received from somebody, and hashes to something else."""
        self.ledger.received(segment, segment.end, giver)
        error = DigestMismatchError(segment.transfer.entry.path, expected="e", actual="f")
        return self.ledger.mismatched(segment.transfer, error)


def verdict(action, reason="trouble", **more):
    return Verdict(Action[action], reason, **more)


def test_a_small_file_goes_on_where_an_earlier_run_left_it():
    desk = Desk()
    desk.partials["a"] = FakePartial((0, 20))
    desk.schedule.partials = frozenset({"a" * 64})
    segment = desk.next()
    assert segment.range == Range(20, SMALL)
    assert segment.transfer.resumed


# wrong responses, and encodings


def test_wrong_responses_count_by_segment():
    desk = Desk(sizes={"a": BIG})
    segments = [desk.next(), desk.next(), desk.next()]
    for segment in segments * 2:
        assert desk.ledger.failed(segment, verdict("REFUSE")).step is Step.NOTHING
    assert desk.ledger.failed(segments[0], verdict("REFUSE")).step is Step.GIVE_UP


def test_parts_said_to_be_encoded_that_do_not_hash_are_asked_for_in_one_piece_and_not_counted():
    desk = Desk(sizes={"a": BIG})
    segments = [desk.next(), desk.next(), desk.next()]
    segments[0].transfer.encoded = True
    decision = desk.mismatch(segments[0])
    assert "in one piece" in decision.detail
    (again,) = [desk.next()]
    assert again.range is None
    assert desk.next() is None
    assert not again.transfer.otherwise
    for _ in range(TUNING.most_mismatches):
        assert desk.mismatch(again).step is Step.NOTHING
        again = desk.next()
    assert desk.mismatch(again).step is Step.GIVE_UP


def test_a_whole_body_said_to_be_encoded_that_does_not_hash_is_read_the_other_way():
    desk = Desk()
    first = desk.next()
    first.transfer.encoded = True
    desk.mismatch(first)
    second = desk.next()
    assert second.transfer.otherwise
    second.transfer.encoded = True
    desk.mismatch(second)
    assert not desk.next().transfer.otherwise


# one response


@pytest.mark.parametrize(
    ("size", "given", "step", "seconds", "says"),
    [
        (SMALL, verdict("RETRY"), Step.NOTHING, 0.4, "a: trouble; trying again in 0.4 s"),
        (SMALL, verdict("RETRY", wait=7.0), Step.NOTHING, 7.0, "trying again in 7.0 s"),
        (SMALL, verdict("RETRY", wait=7000.0), Step.NOTHING, 15.0, "trying again in 15.0 s"),
        (SMALL, verdict("LOCATE"), Step.NOTHING, 0.4, "trying again in 0.4 s"),
        (SMALL, verdict("REFUSE"), Step.NOTHING, 0.4, "trying again in 0.4 s"),
        (SMALL, verdict("WHOLE"), Step.NOTHING, 0.4, "trying again in 0.4 s"),
        (BIG, verdict("REFUSE"), Step.NOTHING, 0.4, "a, bytes 0 to 100: trouble; trying again in 0.4 s"),
        (BIG, verdict("WHOLE"), Step.RESTART, None, "a: trouble; asking for it in one piece"),
        (SMALL, verdict("GIVE_UP"), Step.GIVE_UP, None, "a: trouble; given up"),
        (BIG, verdict("GIVE_UP"), Step.GIVE_UP, None, "a: trouble; given up"),
        (SMALL, verdict("ABORT"), Step.NOTHING, None, ""),
    ],
)
def test_what_follows_from_a_response(size, given, step, seconds, says):
    desk = Desk(sizes={"a": size})
    decision = desk.ledger.failed(desk.next(), given)
    assert decision.step is step
    assert decision.detail.endswith(says)
    assert desk.due_in() == pytest.approx(1e9 if seconds is None else seconds, abs=0.01)
    assert bool(desk.ledger.failures) is (step is Step.GIVE_UP)
    assert desk.ledger.ending.verdict == (given if given.action is Action.ABORT else None)


@pytest.mark.parametrize("action", ["GIVE_UP", "REFUSE"])
def test_a_final_response_is_progress_of_the_run_for_the_server_is_there(action):
    desk = Desk(sizes={"a": SMALL})
    for _ in range(3):
        segment = desk.next()
        decision = desk.ledger.failed(segment, verdict(action, exit_code=7, hint="do this"))
        desk.clock.now += 10
        if decision.step is Step.GIVE_UP:
            break
    assert decision.moved
    (failure,) = desk.ledger.failures
    assert (failure.path, failure.reason, failure.exit_code, failure.hint) == ("a", "trouble", 7, "do this")
    assert (desk.ledger.unfinished, desk.ledger.entries) == (0, 1)


# one response after the other


@dataclass
class Row:
    """Responses to the requests for one file.

    Attributes:
        events: a verdict; or a number of bytes that are received before the next verdict; or ``+ seconds`` that pass.
        ends: after how many verdicts the file is given up; None where it is not.
    """

    id: str
    events: list
    ends: int = None
    waits: list = field(default_factory=list)


@dataclass(frozen=True)
class Passes:
    seconds: float


RETRY, REFUSE, LOCATE = verdict("RETRY"), verdict("REFUSE"), verdict("LOCATE")
ROWS = [
    Row("back-off grows", [RETRY] * 6, waits=[0.4, 0.8, 1.6, 3.2, 6.4, 7.5]),
    Row("back-off begins anew after progress", [RETRY, RETRY, 10, RETRY], waits=[0.4, 0.8, 0.4]),
    Row("patience is over", [RETRY, Passes(29.0), RETRY, Passes(1.1), RETRY], ends=3),
    Row("progress renews patience", [RETRY, Passes(29.0), 10, RETRY, Passes(29.0), RETRY]),
    Row("the same bytes again are no progress", [10, RETRY, Passes(29.0), 10, RETRY, Passes(2.0), RETRY], ends=3),
    Row("three wrong responses", [REFUSE, LOCATE, REFUSE], ends=3),
    Row("wrong responses with progress between", [REFUSE, REFUSE, 10, REFUSE, 20, REFUSE, REFUSE]),
    Row("what passes with time is not wrong", [RETRY] * 5 + [REFUSE, RETRY, REFUSE, RETRY]),
    Row("Retry-After is kept", [replace(RETRY, wait=9.0), RETRY], waits=[9.0, 0.8]),
]


@pytest.mark.parametrize("row", ROWS, ids=[row.id for row in ROWS])
@pytest.mark.parametrize("size", [SMALL, BIG], ids=["small", "big"])
def test_how_long_a_file_is_tried(row, size):
    desk = Desk(sizes={"a": size})
    segment, waits, verdicts, began = desk.next(), [], 0, desk.clock.now
    for event in row.events:
        if isinstance(event, Passes):
            desk.clock.now = began = began + event.seconds
        elif isinstance(event, int):
            desk.ledger.received(segment, event, None)
        else:
            verdicts += 1
            desk.clock.now = began  # what the waits take is not counted here
            decision = desk.ledger.failed(segment, event)
            if decision.step is Step.GIVE_UP:
                break
            waits.append(desk.due_in())
            desk.clock.now += desk.due_in()
            assert desk.next() is segment
    assert (verdicts if segment.transfer.over else None) == row.ends
    assert waits[: len(row.waits)] == pytest.approx(row.waits, abs=0.01)


def test_patience_is_counted_from_the_first_request_not_from_the_start_of_the_run():
    desk = Desk()
    desk.clock.now += 1000
    assert desk.ledger.failed(desk.next(), RETRY).step is Step.NOTHING


def test_progress_of_another_segment_forgives_all_of_the_file():
    desk = Desk(sizes={"a": BIG})
    stuck, moving = desk.next(), desk.next()
    for position in (110, 150, 190):
        desk.clock.now += 20
        desk.ledger.received(moving, position, None)
        assert desk.ledger.failed(stuck, RETRY).step is Step.NOTHING
        assert desk.ledger.failed(stuck, REFUSE).step is Step.NOTHING
    desk.clock.now += 31
    assert desk.ledger.failed(stuck, RETRY).step is Step.GIVE_UP


def test_progress_of_another_file_forgives_nothing():
    desk = Desk(sizes={"a": SMALL, "b": SMALL - 1})
    stuck, moving = desk.next(), desk.next()
    desk.clock.now += 31
    desk.ledger.received(moving, 10, None)
    assert desk.ledger.failed(stuck, RETRY).step is Step.GIVE_UP


def test_redirects_are_followed_five_times_and_counted_anew_with_each_try():
    desk = Desk()
    segment = desk.next()
    assert [desk.ledger.located(segment) for _ in range(5)] == [None] * 5
    objection = desk.ledger.located(segment)
    assert (objection.action, objection.reason) == (Action.GIVE_UP, "redirected in a circle")
    desk.ledger.failed(segment, RETRY)
    assert desk.ledger.located(segment) is None


# ranges


def test_a_file_in_one_piece_begins_at_its_first_byte_with_each_try_and_says_what_that_loses():
    desk = Desk(sizes={"a": BIG})
    segment = desk.next()
    segment.transfer.kept = 70
    assert desk.ledger.failed(segment, verdict("WHOLE")) == Decision(
        Step.RESTART, "a: trouble; asking for it in one piece"
    )
    assert segment.transfer.over
    assert desk.next() is None  # until it is discarded
    assert desk.ledger.restart(segment.transfer) == 70
    whole = desk.next()
    assert (whole.start, whole.end, whole.range) == (0, BIG, None)
    whole.start, whole.transfer.kept = 120, 120  # written so far
    assert desk.ledger.failed(whole, RETRY).lost == 120
    assert (whole.start, whole.transfer.kept) == (0, 0)


# content


def test_content_that_does_not_hash_is_fetched_again_twice():
    desk = Desk(sizes={"a": SMALL})
    for _ in range(2):
        segment = desk.next()
        segment.transfer.kept = SMALL
        decision = desk.mismatch(segment)
        assert (decision.step, decision.lost) == (Step.NOTHING, SMALL)
        assert decision.detail.endswith("; fetching it again")
        assert segment.transfer.over
    assert desk.mismatch(desk.next()).step is Step.GIVE_UP
    (failure,) = desk.ledger.failures
    assert (failure.path, failure.exit_code, failure.expected, failure.actual) == ("a", 7, "e", "f")
    assert desk.ledger.unfinished == 0


def test_an_empty_file_with_another_digest_is_not_fetched_for_ever():
    desk = Desk(sizes={"a": 0})
    assert [desk.mismatch(desk.next()).step for _ in range(3)] == [Step.NOTHING, Step.NOTHING, Step.GIVE_UP]


def test_what_an_earlier_run_left_is_not_held_against_the_object_store():
    desk = Desk(sizes={"a": BIG}, tuning=replace(TUNING, most_mismatches=0))
    desk.partials["a"] = FakePartial((0, 100))
    assert desk.mismatch(desk.next()).step is Step.NOTHING
    desk.partials.clear()
    desk.clock.now += 1
    while desk.next() is not None:
        pass
    assert [transfer.resumed for transfer in desk.schedule.transfers] == [False]


# peers


def ask(desk, verdicts):
    """Have the sources of one file respond in turn; who was asked."""
    asked = []
    for given in verdicts:
        segment = desk.next()
        if segment is None:
            break
        source = segment.transfer.source
        asked.append(source.url if source else "store")
        if given is None:
            desk.ledger.received(segment, segment.end, source)
            desk.ledger.completed(segment.transfer)
        elif given == "mismatch":
            desk.mismatch(segment, source)
        elif source is None:
            desk.ledger.failed(segment, given)
            desk.clock.now += 1
        else:
            desk.ledger.peer_failed(segment, source, given)
    return asked


MISS, CUT, DEAD = verdict("MISS"), verdict("REFUSE", "its answers are cut"), verdict("DROP", "no connection")


@pytest.mark.parametrize(
    ("verdicts", "asked", "dropped"),
    [
        ([None], ["1"], []),
        ([MISS, None], ["1", "2"], []),
        ([MISS, MISS, None], ["1", "2", "store"], []),
        ([CUT, CUT, RETRY, None], ["1", "2", "store", "store"], []),
        ([DEAD, MISS, None], ["1", "2", "store"], ["1"]),
        (["mismatch", None], ["1", "2"], []),
        (["mismatch", MISS, None], ["1", "2", "store"], []),
        (["mismatch", "mismatch", "mismatch", None], ["1", "2", "store", "store"], []),
        ([verdict("WHOLE"), None], ["1", "2"], []),
    ],
)
def test_peers_are_asked_in_turn_and_then_the_object_store(verdicts, asked, dropped):
    desk = Desk("1", "2")
    assert ask(desk, verdicts) == asked
    assert [peer.url for peer in desk.peers if peer.dropped] == dropped
    assert (desk.ledger.unfinished, desk.ledger.failures) == (0, [])
    giver = asked[-1]
    assert {peer.url: number for peer, number in desk.ledger.completed_by.items()} == (
        {} if giver == "store" else {giver: 1}
    )


@pytest.mark.parametrize(
    ("verdicts", "reason"),
    [
        ([DEAD], "no connection"),
        ([CUT, CUT], "its answers are cut"),
        (["mismatch", "mismatch"], "what it gives is something else"),
        ([MISS] * 3, "it does not have 3 objects in a row"),
        ([MISS, MISS, None, MISS, MISS], ""),
        ([MISS, CUT, MISS], ""),
    ],
)
def test_what_a_peer_is_dropped_for_from_file_to_file(verdicts, reason):
    desk = Desk("1", sizes={str(number): SMALL for number in range(9)})
    (peer,) = desk.peers
    for given in verdicts:
        assert not peer.dropped
        segment = desk.next()
        while segment.transfer.source is None:  # missed before
            segment = desk.next()
        if given == "mismatch":
            decision = desk.mismatch(segment, peer)
        elif given is None:
            desk.ledger.received(segment, segment.end, peer)
            desk.ledger.completed(segment.transfer)
        else:
            decision = desk.ledger.peer_failed(segment, peer, given)
    assert peer.dropped == reason
    if reason:
        assert decision.dropped is peer
        assert decision.detail == f"peer 1 is not asked any more: {reason}"
        assert decision.moved
        assert desk.next().transfer.source is None


def test_the_segments_of_a_file_hold_one_response_against_a_peer():
    desk = Desk("1", sizes={"a": BIG}, tuning=replace(TUNING, most_misses=2))
    segments = [desk.next() for _ in range(3)]
    for segment in segments:
        assert desk.ledger.peer_failed(segment, desk.peers[0], MISS).dropped is None
    assert [desk.next().transfer.source for _ in range(3)] == [None] * 3


def test_a_peer_without_ranges_is_asked_for_the_file_in_one_piece():
    desk = Desk("1", sizes={"a": BIG})
    segment = desk.next()
    decision = desk.ledger.peer_failed(segment, desk.peers[0], verdict("WHOLE"))
    assert (decision.step, decision.moved, decision.dropped) == (Step.RESTART, True, None)
    assert decision.detail == "a: peer 1 does not serve ranges of it; asking for it in one piece"
    desk.ledger.restart(segment.transfer)
    whole = desk.next()
    assert (whole.range, whole.transfer.source) == (None, desk.peers[0])
    whole.start = 120
    desk.ledger.peer_failed(whole, desk.peers[0], CUT)
    assert (whole.start, desk.next().transfer.source) == (120, None)  # the object store may go on from there


def test_failures_of_peers_do_not_count_for_the_object_store():
    desk = Desk("1", "2")
    segment = desk.next()
    for peer in desk.peers:
        desk.clock.now += 20
        desk.ledger.peer_failed(segment, peer, CUT)
    desk.next()
    desk.clock.now += 20
    assert desk.ledger.failed(segment, RETRY).step is Step.NOTHING
    assert (segment.transfer.attempts, segment.transfer.wrong_responses[segment]) == (1, 0)


def test_segments_of_a_peer_that_is_dropped_are_asked_of_the_next_source():
    desk = Desk("1", "2", sizes={"a": BIG})
    first, second = desk.next(), desk.next()
    decision = desk.ledger.peer_failed(first, desk.peers[0], DEAD)
    assert decision.dropped is desk.peers[0]
    desk.ledger.withdrawn(second)
    assert [desk.next() for _ in range(3)][:2] == [first, second]
    assert second.transfer.source is desk.peers[1]


def test_content_of_several_peers_is_held_against_none_of_them_and_that_of_one_and_the_store_against_the_peer():
    desk = Desk("1", "2", sizes={"a": BIG}, tuning=replace(TUNING, most_faults=1, most_mismatches=0))
    first, second, third = (desk.next() for _ in range(3))
    desk.ledger.received(first, 100, desk.peers[0])
    desk.ledger.peer_failed(second, desk.peers[0], MISS)
    for segment in (second, third):
        desk.ledger.received(segment, segment.end, desk.peers[1])
    assert desk.mismatch(third, desk.peers[1]).dropped is None
    again = desk.next()
    assert again.transfer.source is desk.peers[1]
    desk.ledger.peer_failed(again, desk.peers[1], MISS)
    desk.ledger.received(again, again.end, desk.peers[1])
    assert not any(peer.dropped for peer in desk.peers)
    assert desk.mismatch(again, None).dropped is desk.peers[1]
    assert desk.next().transfer.source is None


def test_what_is_not_kept_of_a_file_in_memory_does_not_make_its_content_mixed():
    desk = Desk("1", tuning=replace(TUNING, most_mismatches=0))
    segment = desk.next()
    desk.ledger.received(segment, 10, desk.peers[0])
    desk.ledger.peer_failed(segment, desk.peers[0], CUT)
    assert desk.mismatch(desk.next()).step is Step.GIVE_UP


# the run


def test_access_that_is_denied_for_many_files_in_a_row_ends_the_run():
    desk = Desk(sizes={str(number): SMALL for number in range(9)})
    denied = verdict("GIVE_UP", "denied", exit_code=3, hint="ask")
    for _ in range(3):
        desk.ledger.failed(desk.next(), denied)
    desk.ledger.located(desk.next())
    for _ in range(3):
        assert desk.ledger.failed(desk.next(), denied).step is Step.GIVE_UP
        assert desk.ledger.ending.verdict is None
    desk.ledger.failed(desk.next(), denied)
    assert desk.ledger.ending.verdict is denied
    desk.ledger.fail_the_rest()
    assert len(desk.ledger.failures) == 9
    assert {(failure.reason, failure.exit_code, failure.hint) for failure in desk.ledger.failures} == {
        ("denied", 3, "ask")
    }


def test_the_number_is_twenty():
    assert Tuning().most_access_errors == 20


def test_an_abort_fails_every_file_that_is_not_complete():
    desk = Desk(sizes={"a": SMALL, "b": BIG, "c": BIG - 1, "d": SMALL - 1})
    desk.ledger.fail_the_rest()
    assert desk.ledger.failures == []
    segment = desk.next()
    while segment.transfer.entry.path != "a":
        segment = desk.next()
    desk.ledger.completed(segment.transfer)
    desk.ledger.failed(desk.next(), verdict("ABORT", "its certificate cannot be trusted"))
    desk.ledger.fail_the_rest()
    assert sorted(failure.path for failure in desk.ledger.failures) == ["b", "c", "d"]


def test_patience_that_is_over_is_explained_by_what_went_wrong_last():
    desk = Desk()
    desk.ledger.failed(desk.next(), verdict("RETRY", "store: no connection"))
    desk.ledger.ending.lose_patience(PATIENCE)
    assert desk.ledger.ending.verdict.reason == "nothing arrived for 30 s; last trouble: store: no connection"


def test_when_the_run_ends_early_what_peers_have_is_still_handed_out():
    desk = Desk("1", sizes={"a": SMALL, "b": SMALL - 1, "c": SMALL - 2})
    first = desk.next()
    desk.ledger.peer_failed(first, desk.peers[0], MISS)
    assert desk.next() is first
    desk.ledger.failed(first, verdict("ABORT", "untrusted"))
    second = desk.next()
    desk.ledger.peer_failed(second, desk.peers[0], MISS)
    third = desk.next()
    assert third.transfer.entry.path == "c"
    desk.ledger.completed(third.transfer)
    assert desk.next() is None
    desk.ledger.fail_the_rest()
    assert sorted(failure.path for failure in desk.ledger.failures) == ["a", "b"]


def test_half_of_what_waits_can_be_given_away_and_taken_back():
    desk = Desk(sizes={str(number): SMALL for number in range(9)})
    desk.next()
    given = desk.ledger.halve()
    assert (len(given), desk.ledger.entries, desk.ledger.unfinished) == (4, 5, 5)
    desk.ledger.add(given)
    assert (desk.ledger.entries, desk.ledger.unfinished) == (9, 9)


def test_at_most_so_many_are_given_away_at_once():
    desk = Desk(sizes={str(number): SMALL for number in range(9)}, tuning=replace(TUNING, most_given=2))
    assert [len(desk.ledger.halve()) for _ in range(2)] == [2, 2]
    assert (desk.ledger.entries, desk.ledger.unfinished) == (5, 5)


def test_a_file_that_another_run_brought_is_done_with():
    desk = Desk(sizes={"a": BIG})
    desk.partials["a"] = None
    assert desk.next() is None
    assert (desk.ledger.unfinished, desk.ledger.failures) == (0, [])


def test_a_file_that_another_run_is_fetching_is_looked_at_again():
    desk = Desk(sizes={"a": BIG})
    desk.partials["a"] = LockedError("another run")
    assert desk.next() is None
    assert desk.schedule.queue.blocked
    del desk.partials["a"]
    desk.clock.now += TUNING.blocked_seconds
    assert desk.next() is not None


def test_a_partial_that_is_complete_is_only_to_be_finished():
    desk = Desk(sizes={"a": BIG})
    desk.partials["a"] = FakePartial((0, BIG))
    assert desk.next() is None
    (transfer,) = desk.schedule.finishable
    desk.ledger.completed(transfer)
    assert desk.ledger.unfinished == 0


def test_peers_that_were_slow_are_asked_again_in_turn_after_some_tries_at_the_object_store():
    """Whoever was slow for a moment may be the only one that has the file."""
    desk = Desk("A", "B")
    peers, asked = [*desk.peers], []
    for _ in range(10):
        segment = desk.next()
        asked.append(segment.source and segment.source.url)
        if segment.source is None:
            assert desk.ledger.failed(segment, verdict("RETRY")).step is Step.NOTHING
        else:
            others = [peer for peer in peers if peer not in {*segment.left, segment.source}]
            desk.ledger.moved(segment, next(iter(others), None))
        desk.clock.now += desk.due_in()
    assert asked == ["A", "B", None, None, None, "B", "A", None, None, None]
