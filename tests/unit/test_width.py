import pytest

from dci_downloader.transfer.width import Width


def answers(width, seconds, rounds=1, wanted=True):
    for _ in range(rounds):
        for _ in range(width.limit):
            width.note(seconds, wanted)
    return width.limit


def test_it_starts_small_and_never_above_the_most():
    assert Width(4, 64).limit == 4
    assert Width(16, 3).limit == 3


def test_it_doubles_round_by_round_while_answers_stay_quick():
    width = Width(4, 64)
    assert [answers(width, 0.04) for _ in range(6)] == [8, 16, 32, 64, 64, 64]


def test_it_stays_while_no_more_are_wanted():
    width = Width(4, 64)
    assert answers(width, 0.04, rounds=10, wanted=False) == 4


def test_it_shrinks_by_a_quarter_when_answers_wait_in_a_queue_and_then_grows_by_quarters():
    width = Width(4, 64)
    answers(width, 0.01, rounds=3)
    assert width.limit == 32
    assert answers(width, 0.1) == 24
    while answers(width, 0.01) <= 24:
        pass
    assert width.limit == 30


def test_it_keeps_its_width_where_answers_are_neither_quick_nor_slow():
    width = Width(8, 64)
    answers(width, 0.010, wanted=False)
    assert answers(width, 0.018, rounds=5) == 8


@pytest.mark.parametrize(("most", "least"), [(64, 2), (1, 1)])
def test_it_never_shrinks_to_nothing(most, least):
    width = Width(most, most)
    answers(width, 0.001)
    for power in range(30):
        answers(width, 0.01 * 2.0**power)
    assert width.limit == least


def test_one_lucky_answer_is_forgotten_in_time():
    width = Width(4, 64)
    answers(width, 0.001, wanted=False)
    answers(width, 0.01, rounds=20)
    assert width.limit == 2
    answers(width, 0.01, rounds=300)
    assert width.limit == 64


@pytest.mark.parametrize(
    ("servers", "round_trip", "low", "high"),
    [(4, 0.0, 3, 20), (4, 0.04, 10, 64), (16, 0.08, 48, 64)],
    ids=["nearby", "far away", "far away and strong"],
)
def test_it_finds_what_a_server_can_take(servers, round_trip, low, high):
    width = Width(4, 64)
    for _ in range(200):
        queue = max(0.0, width.limit - servers * (1 + round_trip / 0.009)) * 0.009 / servers
        answers(width, round_trip + 0.009 + queue)
    assert low <= width.limit <= high
