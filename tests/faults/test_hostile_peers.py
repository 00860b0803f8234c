"""Whatever a peer does is the peer's fault: the run goes on without it, and every file arrives."""

from __future__ import annotations

import gzip
import itertools
import random
from collections.abc import Callable

import pytest

from tests.faults.conftest import Bench
from tests.faults.server import Behaviour, Exchange, FaultServer, Response
from tests.faults.sizes import BIG, SMALL


def raw(*parts: bytes) -> Behaviour:
    """Send this, and end the connection."""

    def behave(exchange: Exchange) -> None:
        exchange.send(b"".join(parts))
        exchange.cut()

    return behave


def head(status: bytes, *lines: bytes) -> Behaviour:
    return raw(b"HTTP/1.1 ", status, b"\r\n", *(line + b"\r\n" for line in lines), b"\r\n", b"x" * 5000)


def ok(*lines: bytes) -> Behaviour:
    return head(b"200 OK", *lines)


def part(value: bytes) -> Behaviour:
    return head(b"206 Partial Content", b"Content-Range: " + value)


def without_end(exchange: Exchange) -> None:
    """Interim responses for as long as anybody listens."""
    while not exchange.server.closing.is_set():
        exchange.send(b"HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n" * 1000)


def encoded(value: str, body: Callable[[int], bytes]) -> Behaviour:
    def behave(exchange: Exchange) -> None:
        exchange.send((answer := Response(200, (("Content-Encoding", value),), body(BIG))).head() + answer.body)

    return behave


def noise(seed: int) -> Behaviour:
    """Arbitrary bytes, some of them after what looks like the beginning of a head."""
    chances = random.Random(seed)
    begin = chances.choice([b"", b"HTTP/1.1 ", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 206 P\r\nContent-Range:"])
    return raw(begin, chances.randbytes(chances.randrange(2000)), b"\r\n\r\n", chances.randbytes(2000))


HOSTILE = {
    "no status": head(b"", b"A: b"),
    "status of many digits": head(b"9" * 5000 + b" OK"),
    "status that is no number": head("²00 OK".encode()),
    "status 000": head(b"000 OK"),
    "status 999": head(b"999 What"),
    "HTTP/9.9": raw(b"HTTP/9.9 200 OK\r\n\r\n"),
    "HTTP/0.9": raw(b"<html>"),
    "length of many digits": ok(b"Content-Length: " + b"9" * 5000),
    "length that is no number": ok("Content-Length: ²".encode()),
    "negative length": ok(b"Content-Length: -5"),
    "two lengths": ok(b"Content-Length: 5", b"Content-Length: 6"),
    "huge length": ok(b"Content-Length: 9223372036854775807"),
    "range of many digits": part(b"bytes 0-" + b"9" * 5000 + b"/" + b"9" * 5000),
    "range that is no range": part("bytes ²-³/⁴".encode()),
    "range backwards": part(b"bytes 9-1/0"),
    "range of nothing": part(b""),
    "date of an absurd zone": head(b"503 Busy", b"Retry-After: Mon, 01 Jan 0001 00:00:00 +9999"),
    "date of year 9999": head(b"503 Busy", b"Retry-After: Fri, 31 Dec 9999 23:59:59 -9999"),
    "wait of many digits": head(b"429 Slow", b"Retry-After: " + b"9" * 5000),
    "redirect to nowhere": head(b"302 Found", b"Location: "),
    "redirect to no URL": head(b"302 Found", b"Location: http://[::1"),
    "redirect to a file": head(b"302 Found", b"Location: file:///etc/passwd"),
    "redirect of odd bytes": head(b"302 Found", b"Location: http://" + bytes(range(128, 256))),
    "redirect to a port of many digits": head(b"302 Found", b"Location: http://a:" + b"9" * 5000 + b"/"),
    "header without end": raw(b"HTTP/1.1 200 OK\r\nA: " + b"b" * 1_000_000),
    "headers without end": raw(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 100_000),
    "header of odd bytes": ok(bytes(range(1, 10)) + b": " + bytes(range(128, 256))),
    "NUL in a header": ok(b"Content-Length: 5\0"),
    "interim responses without end": without_end,
    "chunk of many digits": raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"f" * 500 + b"\r\n"),
    "chunk that is no number": raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nxx\r\n0\r\n\r\n"),
    "unknown transfer coding": ok(b"Transfer-Encoding: br"),
    "said to be gzip": ok(b"Content-Encoding: gzip"),
    "many codings": ok(b"Content-Encoding: " + b"gzip, " * 1000),
    "a bomb": encoded("gzip", lambda _: gzip.compress(bytes(30_000_000))),
    "gzip of something else": encoded("gzip", lambda size: gzip.compress(bytes(size))),
    "upgrade": head(b"101 Switching Protocols", b"Upgrade: h2c", b"Connection: Upgrade"),
    **{f"noise {seed}": noise(seed) for seed in range(20)},
}


@pytest.mark.parametrize("behaviour", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_peer_costs_nothing_but_its_own_part(bench: Bench, behaviour: Behaviour):
    for number in range(3):
        bench.add(f"{number}.rpm", SMALL - number)
    bench.add("big.iso", BIG)
    peer = FaultServer(lambda asked: Response(404))
    peer.default = behaviour
    bench.tune(slow_seconds=0.5)
    try:
        bench.assert_all_arrived(bench.fetch(peers=[peer.url]))
        assert peer.log
    finally:
        peer.close()


def test_a_peer_that_does_something_else_each_time_costs_nothing_either(bench: Bench):
    for number in range(60):
        bench.add(f"{number}.rpm", SMALL - number)
    bench.add("big.iso", BIG)
    kinds = [one for name, one in HOSTILE.items() if name != "interim responses without end"]
    behaviours = itertools.cycle(kinds)
    peer = FaultServer(lambda asked: Response(404))
    peer.default = lambda exchange: next(behaviours)(exchange)
    bench.tune(slow_seconds=0.5, most_faults=1000)
    try:
        bench.assert_all_arrived(bench.fetch(peers=[peer.url]))
        assert len(peer.log) >= len(kinds), "it did all that it can do"
    finally:
        peer.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("side", "size"), [("store", SMALL), ("store", BIG), ("control", SMALL)], ids=["store", "store, big", "control"]
)
def test_a_hostile_server_costs_no_more_than_the_files(bench: Bench, side: str, size: int):
    """Nor does it end the run by an error that nobody expects."""
    for number in range(3):
        bench.add(f"{number}.rpm", SMALL - number)
    for number, (name, behaviour) in enumerate(HOSTILE.items()):
        bench.add(name, size + number)
        getattr(bench, side).scripts[name] = itertools.repeat(behaviour)
    fetched = bench.fetch(patience=4.0)
    assert {failure.path for failure in fetched.failures} <= HOSTILE.keys()
    assert {failure.exit_code for failure in fetched.failures} <= {3, 5, 7}
    assert all(bench.arrived(f"{number}.rpm") for number in range(3))
