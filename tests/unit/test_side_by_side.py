import threading

import pytest

from dci_downloader.network.side_by_side import side_by_side


def test_all_are_done_at_once_and_results_come_in_order():
    together = threading.Barrier(8)
    assert side_by_side(lambda item: (together.wait(60), item)[1], range(8)) == [*range(8)]


def test_more_than_eight_take_turns():
    assert side_by_side(lambda item: item * 2, range(100)) == [item * 2 for item in range(100)]


def test_a_single_one_is_done_by_the_caller_and_none_by_nobody():
    assert side_by_side(lambda _: threading.current_thread(), [1]) == [threading.current_thread()]
    assert side_by_side(lambda item: item, []) == []


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_the_first_error_in_order_is_raised_after_all_have_ended(error):
    ended = []

    def work(item):
        if item in (1, 2):
            raise error(item)
        ended.append(item)

    with pytest.raises(error) as raised:
        side_by_side(work, range(4))
    assert (raised.value.args, sorted(ended)) == ((1,), [0, 3])
