"""Peers that are slow in every way: no run waits for them. What is slow here never ends, and nothing else drops it."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dci_downloader.options import Network
from dci_downloader.transfer.fetched import Fetched
from tests import interception
from tests.faults.conftest import Bench
from tests.faults.labs import BIG, SMALL, Intercept, Lab, Start, forge, from_store, put, wanted
from tests.faults.server import status
from tests.faults.sizes import SEGMENT

FOR_EVER = 1e6
MIXED = {**SMALL, **BIG}


@pytest.fixture(autouse=True)
def hurried(bench: Bench) -> None:
    """Sources compete soon, and a peer is dropped neither for its speed nor for its silence."""
    bench.tune(
        head_start=0.05, compare_seconds=0.05, straggler_window=0.05, straggler_seconds=0.01, slow_seconds=FOR_EVER
    )


@pytest.fixture
def over() -> Iterator[threading.Event]:
    """Set when what is slow may end."""
    event = threading.Event()
    yield event
    event.set()


def fetch(bench: Bench, contents: dict[str, bytes], *labs: Lab, **options: Any) -> Fetched:
    """Fetch these files, all of which arrive. Nobody else's patience ends a wait."""
    put(bench, contents)
    network = Network(connect_timeout=FOR_EVER, read_timeout=FOR_EVER)
    fetched = bench.fetch(peers=[lab.root for lab in labs], patience=FOR_EVER, network=network, **options)
    bench.assert_all_arrived(fetched)
    return fetched


def mute(over: threading.Event) -> Intercept:
    return lambda exchange: interception.hold(exchange, over) or True


def trickling(over: threading.Event) -> Intercept:
    """The head at once, and the first half of the body byte by byte; the rest never comes."""

    def trickle(exchange: Any) -> bool:
        content = exchange.server.objects[exchange.request.path.rpartition("/")[2]]
        begin, end = wanted(exchange) or (0, len(content))
        place = {"Content-Range": f"bytes {begin}-{end - 1}/*"} if wanted(exchange) else {}
        exchange.stream(206 if place else 200, end - begin, [], place)
        for byte in content[begin : (begin + end) // 2]:
            if over.wait(0.02):
                break
            exchange.send(bytes([byte]))
        interception.hold(exchange, over)
        return True

    return trickle


def silent_after(number: int) -> Callable[[threading.Event], Intercept]:
    """So many answers are right and at once, then none."""

    def make(over: threading.Event) -> Intercept:
        asked = itertools.count()
        return lambda exchange: next(asked) >= number and (interception.hold(exchange, over) or True)

    return make


SLOW = {
    "mute": mute,
    "trickles": trickling,
    "silent after one answer": silent_after(1),
    "silent after ten answers": silent_after(10),
}


@pytest.mark.parametrize("connections", [1, 2, 8, 64])
@pytest.mark.parametrize("slow", SLOW.values(), ids=SLOW)
def test_no_run_waits_for_a_slow_peer(
    bench: Bench,
    start: Start,
    over: threading.Event,
    slow: Callable[[threading.Event], Intercept],
    connections: int,
):
    fetch(bench, MIXED, start(MIXED, slow(over)), connections=connections)


@pytest.mark.parametrize("contents", [SMALL, BIG], ids=["small", "big"])
@pytest.mark.parametrize("slow", SLOW.values(), ids=SLOW)
def test_no_run_waits_for_the_slow_one_of_two_peers(
    bench: Bench,
    start: Start,
    over: threading.Event,
    slow: Callable[[threading.Event], Intercept],
    contents: dict[str, bytes],
):
    bench.control.default = status(503)  # what the slow one was asked for comes from the other
    fetched = fetch(bench, contents, start(contents, slow(over)), start(contents))
    assert fetched.received[-1].files == 0


def test_a_peer_that_answered_nothing_is_reported(bench: Bench, start: Start, over: threading.Event):
    lab = start(SMALL, mute(over))
    assert fetch(bench, SMALL, lab).notes == (f"peer {lab.root} is not asked any more: it does not answer",)


def test_one_segment_that_a_peer_holds_back_is_fetched_from_the_object_store(
    bench: Bench,
    start: Start,
    over: threading.Event,
):
    def all_but_one(exchange: Any) -> bool:
        begin, _ = wanted(exchange) or (0, 0)
        return begin == SEGMENT and (interception.hold(exchange, over) or True)

    fetched = fetch(bench, BIG, start(BIG, all_but_one))
    assert (SEGMENT, 2 * SEGMENT) in bench.store.ranges("big")
    assert fetched.notes == ()


def test_what_a_peer_brought_of_a_segment_is_not_fetched_again(bench: Bench, start: Start, over: threading.Event):
    def half_of_one(exchange: Any) -> bool:
        begin, end = wanted(exchange) or (0, 0)
        if begin != SEGMENT:
            return False
        exchange.stream(
            206, end - begin, [BIG["big"][begin : begin + 1000]], {"Content-Range": f"bytes {begin}-{end - 1}/*"}
        )
        interception.hold(exchange, over)
        return True

    fetched = fetch(bench, BIG, start(BIG, half_of_one))
    assert (SEGMENT + 1000, 2 * SEGMENT) in bench.store.ranges("big")
    assert fetched.bytes == len(BIG["big"])


def test_a_peer_with_few_of_the_files_holds_up_nothing(bench: Bench, start: Start):
    few = {path: SMALL[path] for path in ("small3", "small7")}
    fetch(bench, SMALL, start(few))
    assert from_store(bench) >= set(SMALL) - set(few)


def test_an_object_store_that_says_nothing_holds_up_nothing_that_peers_have(
    bench: Bench,
    start: Start,
    over: threading.Event,
):
    """It is asked beside the peer, for that is slow until it was."""
    contents = {f"{number}.rpm": os.urandom(1000) for number in range(200)}
    asked = threading.Event()

    def behave(exchange: Any) -> None:
        asked.set()
        over.wait(50)
        exchange.cut()

    bench.control.default = behave
    lab = start(contents, lambda exchange: asked.wait(20) and False)
    fetched = fetch(bench, contents, lab)
    assert asked.is_set()
    assert fetched.received[0].files == len(contents)
    over.set()


def test_a_peer_that_lies_beside_one_that_is_silent_spoils_nothing(
    bench: Bench,
    start: Start,
    over: threading.Event,
):
    contents = {f"big{number}": os.urandom(3 * SEGMENT) for number in range(4)}
    fetch(bench, contents, start(contents, forge), start(contents, silent_after(6)(over)), start(contents))


@pytest.mark.parametrize("refusal", [401, 404, 503])
def test_what_the_object_store_refuses_while_it_competes_is_fetched_from_the_peer(
    bench: Bench,
    start: Start,
    refusal: int,
):
    """The peer answers once the control server has refused something, so that competition begins."""
    refused = threading.Event()

    def refuse(exchange: Any) -> None:
        refused.set()
        status(refusal)(exchange)

    bench.tune(most_access_errors=2)
    bench.control.default = refuse
    lab = start(MIXED, lambda exchange: refused.wait(20) and False)
    fetched = fetch(bench, MIXED, lab)
    assert refused.is_set()
    assert fetched.received[0].files == len(MIXED)


def test_a_limit_of_the_rate_does_not_make_a_run_wait_for_a_slow_peer(
    bench: Bench,
    start: Start,
    over: threading.Event,
):
    fetch(bench, SMALL, start(SMALL, mute(over)), limit_rate=1_000_000)
