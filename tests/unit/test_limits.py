import pytest

from dci_downloader.transfer.limits import AdaptiveLimit


def answers(limit, seconds, rounds=1, wanted=True):
    """As many answers as one review takes, again and again; gives the limit that comes of it."""
    for _ in range(rounds):
        for _ in range(max(limit.value // 4, AdaptiveLimit.LEAST_RESPONSES)):
            limit.note(seconds, wanted)
    return limit.value


def test_it_starts_small_and_never_above_the_most():
    assert AdaptiveLimit(4, 64).value == 4
    assert AdaptiveLimit(16, 3).value == 3


def test_it_doubles_round_by_round_while_answers_stay_quick():
    limit = AdaptiveLimit(4, 64)
    assert [answers(limit, 0.04) for _ in range(6)] == [8, 16, 32, 64, 64, 64]


def test_it_stays_while_no_more_are_wanted():
    limit = AdaptiveLimit(4, 64)
    assert answers(limit, 0.04, rounds=10, wanted=False) == 4


def test_it_shrinks_by_a_quarter_when_answers_wait_in_a_queue_and_then_grows_by_quarters():
    limit = AdaptiveLimit(4, 64)
    assert answers(limit, 0.01, rounds=3) == 32
    assert answers(limit, 0.1) == 24
    assert [answers(limit, 0.01) for _ in range(3)] == [30, 37, 46]


def test_it_stays_where_answers_are_neither_quick_nor_slow():
    limit = AdaptiveLimit(8, 64)
    answers(limit, 0.010, wanted=False)
    assert answers(limit, 0.018, rounds=5) == 8


@pytest.mark.parametrize(("most", "least"), [(64, 2), (1, 1)])
def test_it_never_shrinks_to_nothing(most, least):
    limit = AdaptiveLimit(most, most)
    answers(limit, 0.01)
    assert answers(limit, 0.05, rounds=30) == least


def test_what_the_program_itself_adds_does_not_count():
    limit = AdaptiveLimit(4, 64)
    answers(limit, 0.0001, wanted=False)
    assert answers(limit, 0.012, rounds=5) == 64


def test_the_best_is_measured_anew_at_half_the_limit_every_ten_seconds():
    limit = AdaptiveLimit(4, 64)
    answers(limit, 0.02, wanted=False)  # one lucky time
    assert answers(limit, 0.05, rounds=20) == 2
    while limit.value == 2:
        answers(limit, 0.05)
    assert answers(limit, 0.05, rounds=100) > 30


@pytest.mark.parametrize(
    ("servers", "round_trip", "low", "high"),
    [(2.2, 0.0, 2, 10), (4, 0.0, 3, 16), (2.2, 0.04, 9, 32), (16, 0.08, 32, 64)],
    ids=["nearby", "nearby and strong", "far away", "far away and strong"],
)
def test_it_finds_what_a_server_can_take_and_never_crowds_it(servers, round_trip, low, high):
    limit = AdaptiveLimit(4, 64)
    for number in range(2000):
        queue = max(0.0, limit.value - servers * (1 + round_trip / 0.009)) * 0.009 / servers
        answers(limit, round_trip + 0.009 + queue)
        assert limit.value <= high
        assert number < 20 or limit.value >= low


def test_half_of_it_can_be_left_to_another_process():
    limit = AdaptiveLimit(9, 64)
    assert limit.halve() == (4, 32)
    assert (limit.value, limit.most) == (5, 32)


def test_nobody_is_left_without_a_request():
    limit = AdaptiveLimit(1, 1)
    assert limit.halve() == (1, 1)
    assert (limit.value, limit.most) == (1, 1)
