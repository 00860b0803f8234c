from hypothesis import given
from hypothesis import strategies as st

from dci_downloader.transfer.limits import RateLimit


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def test_without_a_rate_there_is_no_waiting():
    throttle = RateLimit(None, Clock())
    throttle.spend(10**12)
    assert throttle.seconds() == 0.0


def test_what_was_spent_is_waited_for():
    clock = Clock()
    throttle = RateLimit(1000, clock)
    assert throttle.seconds() == 0.0
    throttle.spend(2000)
    assert throttle.seconds() == 2.0
    clock.now += 1.5
    assert throttle.seconds() == 0.5
    clock.now += 0.5
    assert throttle.seconds() == 0.0


def test_a_quarter_of_a_second_is_saved_up_and_no_more():
    clock = Clock()
    throttle = RateLimit(1000, clock)
    clock.now += 3600
    assert throttle.seconds() == 0.0
    throttle.spend(250)
    assert throttle.seconds() == 0.0
    throttle.spend(100)
    assert throttle.seconds() == 0.1


@given(st.lists(st.tuples(st.integers(0, 100_000), st.floats(0, 2)), min_size=1, max_size=50), st.integers(1, 10**6))
def test_over_any_run_the_rate_is_kept(turns, rate):
    clock = Clock()
    throttle = RateLimit(rate, clock)
    spent = last = 0
    for size, idle in turns:
        clock.now += idle
        clock.now += throttle.seconds()
        throttle.spend(size)
        spent, last = spent + size, size
    allowed = (clock.now - 100.0 + RateLimit.SAVED_SECONDS) * rate + last
    assert spent <= allowed * 1.001 + 1
