"""How connections are used: kept open, shared, limited, and through proxies."""

from __future__ import annotations

import gzip
import shutil
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from dci_downloader.options import Network
from dci_downloader.transfer import handles, request
from dci_downloader.transfer.sink import Sink
from dci_downloader.transfer.transfers import Segment
from tests.faults.certificates import make_authority, server_side
from tests.faults.conftest import Bench
from tests.faults.rows import encoded
from tests.faults.server import Asked, Behaviour, Exchange, FaultServer, Response, serve, status
from tests.faults.sizes import BIG, SEGMENT, SMALL


def forwarded(asked: Asked) -> Response:
    """What a proxy answers: what the server says that the request is for."""
    parts = urlsplit(asked.target)
    connection = HTTPConnection(parts.hostname or "", parts.port)
    headers = {name: value for name, value in asked.headers.items() if not name.startswith("proxy-")}
    connection.request("GET", asked.target.partition(parts.netloc)[2], headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    kept = tuple((name, value) for name, value in answer.getheaders() if name in ("Location", "Content-Range"))
    return Response(answer.status, kept, body)


@pytest.fixture
def proxy() -> Iterator[FaultServer]:
    server = FaultServer(forwarded)
    yield server
    server.close()


def test_api_and_store_go_through_the_proxy(bench: Bench, proxy: FaultServer):
    bench.add("small.rpm", SMALL)
    bench.add("big.iso", BIG)
    bench.assert_all_arrived(bench.fetch(network=Network(proxies={"http": proxy.url})))
    through = {urlsplit(asked.target).netloc for asked in proxy.log}
    assert through == {urlsplit(bench.control.url).netloc, urlsplit(bench.store.url).netloc}
    assert len(proxy.log) == len(bench.control.log) + len(bench.store.log)


@pytest.mark.skipif(not shutil.which("openssl"), reason="makes its certificates with openssl")
@pytest.mark.parametrize("trusted", [True, False])
def test_a_proxy_that_is_reached_by_https_must_be_trusted(bench: Bench, tmp_path: Path, trusted: bool):
    authority, other = make_authority(tmp_path, "authority"), make_authority(tmp_path, "other")
    proxy = FaultServer(forwarded, server_side(authority, "server"))
    bench.add("small.rpm", SMALL)
    bench.add("big.iso", BIG)
    bundle = str(authority if trusted else other)
    try:
        fetched = bench.fetch(network=Network(proxies={"http": proxy.url}, ca_bundle=bundle))
    finally:
        proxy.close()
    if trusted:
        bench.assert_all_arrived(fetched)
        assert len(proxy.log) == len(bench.control.log) + len(bench.store.log)
    else:
        assert {failure.exit_code for failure in fetched.failures} == {5}
        assert all("certificate cannot be trusted" in failure.reason for failure in fetched.failures)
        assert proxy.log == bench.control.log == []


@pytest.mark.parametrize("no_proxy", ["127.0.0.1", "127.0.0.0/8", "*", " other , 127.0.0.1 ", "[::1] 127.0.0.1"])
def test_hosts_of_no_proxy_are_reached_directly(bench: Bench, proxy: FaultServer, no_proxy: str):
    bench.add("small.rpm", SMALL)
    bench.assert_all_arrived(bench.fetch(network=Network(proxies={"all": proxy.url}, no_proxy=no_proxy)))
    assert proxy.log == []


def test_the_environment_is_not_read_by_libcurl_itself(
    bench: Bench, proxy: FaultServer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("http_proxy", proxy.url)
    monkeypatch.setenv("no_proxy", "")
    bench.add("small.rpm", SMALL)
    bench.assert_all_arrived(bench.fetch())
    assert proxy.log == []


def test_nor_is_what_the_environment_says_about_exceptions(
    bench: Bench, proxy: FaultServer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("NO_PROXY", "*")
    bench.add("small.rpm", SMALL)
    bench.assert_all_arrived(bench.fetch(network=Network(proxies={"http": proxy.url})))
    assert len(proxy.log) == 2


@pytest.mark.parametrize("connections", [1, 3, 16])
def test_connections_are_kept_open_and_no_more_than_allowed(bench: Bench, connections: int):
    for number in range(120):
        bench.add(f"{number}.rpm", 500 + number)
    bench.add("big.iso", BIG)
    bench.assert_all_arrived(bench.fetch(connections=connections))
    assert bench.store.connections <= connections
    assert bench.control.connections <= 64
    assert len(bench.control.log) == len(bench.store.log) > 120


def test_an_error_page_does_not_cost_the_connection(bench: Bench):
    for number in range(30):
        bench.add(f"{number}.rpm", 500 + number)
        bench.store.scripts[f"{number}.rpm"] = iter([status(503, body=bytes(9000))])
    bench.assert_all_arrived(bench.fetch(connections=1))
    assert bench.store.connections == 1


@pytest.mark.parametrize("sizes", [[SMALL] * 15, [BIG]], ids=["small", "big"])
def test_the_rate_is_limited_over_all_connections(bench: Bench, sizes: list[int]):
    for number, size in enumerate(sizes):
        bench.add(f"{number}", size)
    rate = 400_000
    began = time.monotonic()
    fetched = bench.fetch(limit_rate=rate)
    took = time.monotonic() - began
    bench.assert_all_arrived(fetched)
    burst = rate // 4 + 128 * 1024  # what may be saved up, and what one read brings before it is counted
    assert (sum(sizes) - burst) / rate <= took < sum(sizes) / rate + 1.0


def test_resting_for_the_rate_is_no_stall(bench: Bench):
    """The rest that a read earns may outlast the patience: it is the run that waits, not the server."""
    for number in range(4):
        bench.add(f"{number}", 30_000)
    bench.assert_all_arrived(bench.fetch(limit_rate=80_000, patience=0.3))


@pytest.mark.parametrize("reads_every_head", [False, True], ids=["as it is", "with an old pycurl"])
def test_a_rate_limit_does_not_mix_up_files_of_many_sizes(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, reads_every_head: bool
):
    """While reading rests, a request that has just begun shares its handle with the answer to the one before."""
    monkeypatch.setattr(handles, "READS_EVERY_HEAD", reads_every_head or handles.READS_EVERY_HEAD)
    for number in range(240):
        bench.add(f"{number}.rpm", 30_000 if number % 2 else 40 + number)
    fetched = bench.fetch(limit_rate=4_000_000, connections=16)
    bench.assert_all_arrived(fetched)
    assert len(bench.control.log) == len(bench.store.log) == 240  # nothing was asked for twice


def cut_after(size: int, *, reset: bool = False, framed: bool = True, ranges: bool = True) -> Behaviour:
    """Every connection ends after so many bytes."""

    def behave(exchange: Exchange) -> None:
        rest = {name: value for name, value in exchange.asked.headers.items() if ranges or name != "range"}
        answer = exchange.server.well(exchange.asked._replace(headers=rest))
        exchange.send(answer._replace(framed=framed).head() + answer.body[:size])
        if size < len(answer.body) or not framed:
            exchange.cut(reset=reset)

    return behave


@pytest.mark.parametrize(
    "how", [{}, {"reset": True}, {"framed": False}], ids=["cut", "reset", "cut, of unknown length"]
)
def test_small_files_arrive_though_every_connection_is_cut(bench: Bench, how: dict[str, bool]):
    for number in range(5):
        bench.add(f"{number}.rpm", SMALL - number)
    bench.store.default = cut_after(SMALL // 8 + 1, **how)
    bench.assert_all_arrived(bench.fetch())
    asked = [wanted[0] for wanted in bench.store.ranges("0.rpm") if wanted]
    assert asked == sorted(asked)
    assert len(bench.store.ranges("0.rpm")) in (8, 9)  # of unknown length, the first cut is not known for one


def test_small_files_arrive_from_a_server_without_ranges_that_cuts_some_connections(bench: Bench):
    bench.add("small.rpm", SMALL)
    cuts = [cut_after(size, ranges=False) for size in (5000, 9000, 100, SMALL - 1)]
    bench.store.scripts["small.rpm"] = iter(cuts)
    bench.store.default = cut_after(SMALL, ranges=False)
    bench.assert_all_arrived(bench.fetch())


def test_what_was_cut_of_a_small_file_outlives_the_run(bench: Bench):
    entry = bench.add("small.rpm", SMALL)
    bench.store.scripts["small.rpm"] = iter([cut_after(SMALL // 2)])
    bench.store.default = status(404)
    assert len(bench.fetch().failures) == 1
    assert bench.mirror.partial_bytes(entry) == SMALL // 2
    bench.store.default = serve
    fetched = bench.fetch()
    assert (fetched.failures, fetched.bytes) == ((), SMALL - SMALL // 2)
    assert bench.store.ranges("small.rpm")[-1] == (SMALL // 2, SMALL)
    assert bench.arrived("small.rpm")
    assert bench.partials() == []


def test_a_small_file_that_takes_long_is_recorded_while_it_comes(bench: Bench):
    """A kill would else cost all that came of as many small files as there are connections."""
    entries = [bench.add(f"{number}.rpm", SMALL - number) for number in range(3)]
    half = SMALL // 2
    recorded: list[int] = []

    def pausing(exchange: Exchange) -> None:
        answer = exchange.answer()
        exchange.send(answer.head() + answer.body[:half])
        for _ in range(500):
            if recorded or all(bench.mirror.partial_bytes(entry) == half for entry in entries):
                break
            bench.store.closing.wait(0.01)
        recorded.append(sum(map(bench.mirror.partial_bytes, entries)))
        exchange.send(answer.body[half:])

    bench.tune(record_seconds=0.05)
    bench.store.default = pausing
    bench.assert_all_arrived(bench.fetch())
    assert recorded[0] == 3 * half
    assert len(bench.store.log) == 3


def test_compressible_files_that_come_compressed_are_decoded_and_every_other_is_asked_for_once(bench: Bench):
    for number in range(20):
        bench.add_content(f"{number}.xml", b"<package>%d</package>" % number * 500)
    bench.add_content("big.xml", b"<package>none</package>" * 20_000)
    bench.store.default = encoded("gzip", gzip.compress)
    bench.assert_all_arrived(bench.fetch(connections=1))
    assert len(bench.control.log) <= len(bench.entries) + 2


@pytest.mark.parametrize("size", [SMALL, BIG], ids=["small", "big"])
@pytest.mark.parametrize("others", [400, 20, 0], ids=["in the midst", "at the end", "alone"])
def test_a_connection_that_crawls_does_not_hold_the_run(bench: Bench, size: int, others: int):
    """It brings twenty bytes a second, for ever, while the others are quick; or when nothing else is left to do."""
    bench.add("victim", size)
    for number in range(others):
        bench.add(f"{number}", SMALL - number)
    crawling: list[int] = []

    def store(exchange: Exchange) -> None:
        if exchange.asked.path == "victim" and not crawling:
            crawling.append(exchange.asked.connection)
        if exchange.asked.connection not in crawling:
            bench.store.closing.wait(0.02)
            serve(exchange)
            return
        answer = exchange.answer()
        exchange.send(answer.head() + answer.body[:100])
        for start in range(100, len(answer.body)):
            if bench.store.closing.wait(0.05):
                break
            exchange.send(answer.body[start : start + 1])

    bench.tune(crawl_seconds=0.3)
    bench.store.default = store
    began = time.monotonic()
    bench.assert_all_arrived(bench.fetch(connections=8))
    assert time.monotonic() - began < 60  # what crawls would take a quarter of an hour at the least
    assert len(bench.store.asked("victim")) == (2 if size == SMALL else -(-BIG // SEGMENT) + 1)
    assert bench.store.asked("victim")[-1].connection not in crawling


def test_where_every_connection_is_slow_none_is_dropped(bench: Bench):
    for number in range(6):
        bench.add(f"{number}", SMALL - number)

    def slowly(exchange: Exchange) -> None:
        answer = exchange.answer()
        exchange.send(answer.head())
        for start in range(0, len(answer.body), 1000):
            bench.store.closing.wait(0.05)
            exchange.send(answer.body[start : start + 1000])

    bench.tune(crawl_seconds=0.5)
    bench.store.default = slowly
    bench.assert_all_arrived(bench.fetch(connections=6))
    assert len(bench.store.log) == 6


@pytest.mark.parametrize("length", ["with its length", "chunked"])
def test_what_is_decoded_of_a_big_file_is_written_bit_by_bit(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, length: str
):
    """A few bytes can hold gigabytes: they never are in memory all at once."""
    monkeypatch.setattr(request, "MOST_DECODED", 1)
    written: list[int] = []
    write = Sink.write

    def noted(sink: Sink, segment: Segment, chunks: list[bytes]) -> None:
        written.append(sum(map(len, chunks)))
        write(sink, segment, chunks)

    monkeypatch.setattr(Sink, "write", noted)
    content = bytes(30_000_000)
    compressed = gzip.compress(content)  # once, not for each of hundreds of segments
    bench.add_content("zeros.img", content)
    bench.tune(write_chunks=16)
    bench.store.default = encoded("gzip", lambda _: compressed, in_chunks=length == "chunked")
    bench.assert_all_arrived(bench.fetch(connections=4))
    assert sum(written) == len(content)
    assert max(written) < 18_000_000  # what one chunk of 16 KiB holds
