"""Waits grow, are never longer than half of the patience, and never shorter than what a server asks for."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dci_downloader.network.retries import REDIRECTS, TRANSIENT, back_off


@pytest.mark.parametrize(
    ("attempt", "asked", "patience", "chance", "seconds"),
    [
        (1, 0, 30, 0.0, 0.2),
        (1, 0, 30, 1.0, 0.4),
        (2, 0, 30, 1.0, 0.8),
        (5, 0, 30, 1.0, 6.4),
        (10, 0, 30, 1.0, 7.5),
        (5000, 0, 3600, 1.0, 204.8),
        (1, 9, 30, 0.5, 9),
        (1, 9999, 30, 0.5, 15),
        (6, 0.1, 30, 0.0, 3.75),
    ],
)
def test_back_off_grows_within_bounds(attempt, asked, patience, chance, seconds):
    assert back_off(attempt, asked, patience, chance) == pytest.approx(seconds)


@settings(deadline=None)
@given(
    st.integers(1, 10**6),
    st.floats(0, 1e19),
    st.floats(0.1, 1e6),
    st.floats(0, 1, exclude_max=True),
)
def test_no_wait_takes_more_than_half_of_the_patience(attempt, asked, patience, chance):
    wait = back_off(attempt, asked, patience, chance)
    assert 0 < wait <= patience / 2
    assert wait >= min(asked, patience / 2)


def test_a_status_is_transient_or_a_redirect_or_neither():
    assert not TRANSIENT & REDIRECTS
    assert not {200, 206, 300, 304, 400, 401, 403, 404, 412, 416, 501} & (TRANSIENT | REDIRECTS)


def test_every_trouble_of_a_server_passes_but_what_it_does_not_implement():
    assert {500, 502, 503, 504, 507, 508, 509, 511, 520, 522, 525, 530, 598, 599, 408, 421, 425, 429} <= TRANSIENT
    assert not {501, 505, 499, 600} & TRANSIENT
