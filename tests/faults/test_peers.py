"""Peers, good, bad and gone; each a server on loopback that serves objects as any web server would."""

from __future__ import annotations

import itertools
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from dci_downloader.errors import CancelledError, DiskFullError
from dci_downloader.hooks import NeverStop
from dci_downloader.options import Network, TransferOptions
from dci_downloader.transfer import engine
from dci_downloader.transfer.fetched import Fetched
from dci_downloader.transfer.sources import PeerPool
from dci_downloader.transfer.tuning import Tuning
from tests import interception
from tests.faults.conftest import Bench
from tests.faults.labs import BIG, SMALL, Intercept, Lab, Start, forge, from_store, put, wanted
from tests.faults.server import Asked, FaultServer, Response, redirect, status
from tests.faults.sizes import SEGMENT
from tests.faults.test_coprocess import SourceOfOneProcess, WatchedCoprocess, ended
from tests.faults.test_lines import forwarded

EMPTY = {"empty": b""}


def fetch(bench: Bench, contents: dict[str, bytes], *labs: Lab, **options: Any) -> Fetched:
    """Fetch these files, all of which arrive."""
    put(bench, contents)
    fetched = bench.fetch(peers=[lab.root for lab in labs], **options)
    bench.assert_all_arrived(fetched)
    assert sum(each.bytes for each in fetched.received) == fetched.bytes
    assert sum(each.files for each in fetched.received) == fetched.files
    return fetched


def dead_url() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


@pytest.mark.parametrize(
    "contents", [SMALL, BIG, EMPTY, {**SMALL, **BIG, **EMPTY}], ids=["small", "big", "empty", "all"]
)
def test_what_a_peer_has_is_fetched_from_it(bench: Bench, start: Start, contents: dict[str, bytes]):
    lab = start(contents)
    fetched = fetch(bench, contents, lab)
    size = sum(map(len, contents.values()))
    assert fetched.notes == ()
    assert [tuple(each) for each in fetched.received] == [(lab.root, len(contents), size), ("object store", 0, 0)]
    assert (bench.control.log, bench.store.log) == ([], [])


def test_no_credentials_and_nothing_about_the_run_reach_a_peer(bench: Bench, start: Start):
    lab = start({**SMALL, **BIG})
    fetch(bench, {**SMALL, **BIG}, lab)
    for request in lab.requests:
        assert set(request.headers) <= {"host", "user-agent", "accept", "accept-encoding", "range"}
        assert request.query == ""


def test_what_no_peer_has_is_fetched_from_the_object_store(bench: Bench, start: Start):
    first, second = start({}), start({"small3": SMALL["small3"]})
    fetched = fetch(bench, SMALL, first, second)
    assert from_store(bench) == set(SMALL) - {"small3"}
    assert [(each.name, each.files) for each in fetched.received] == [(second.root, 1), ("object store", 19)]
    assert len(first.requests) >= len(SMALL) - 1


def test_several_peers_share_the_work(bench: Bench, start: Start):
    labs = [start(SMALL) for _ in range(3)]
    fetched = fetch(bench, SMALL, *labs)
    assert sorted(each.files for each in fetched.received) == [0, 6, 7, 7]


def test_all_segments_of_a_file_are_asked_of_one_peer(bench: Bench, start: Start):
    labs = [start(BIG) for _ in range(3)]
    fetch(bench, BIG, *labs)
    assert sorted(len(lab.requests) for lab in labs) == [0, 0, 5]


def test_without_peers_everything_is_fetched_from_the_object_store(bench: Bench):
    fetched = fetch(bench, SMALL)
    assert [tuple(each) for each in fetched.received] == [("object store", len(SMALL), fetched.bytes)]


def answering(*arguments: Any, **headers: str) -> Intercept:
    return lambda exchange: exchange.answer(*arguments, headers) or True


def cut(exchange: Any) -> bool:
    exchange.stream(200, 1000, [b"x" * 10])
    interception.cut(exchange)
    return True


def cut_in_the_middle(exchange: Any) -> bool:
    """Of a right answer, half is sent."""
    content = exchange.server.objects[exchange.request.path.rpartition("/")[2]]
    start, end = wanted(exchange) or (0, len(content))
    place = {"Content-Range": f"bytes {start}-{end - 1}/{len(content)}"} if wanted(exchange) else {}
    exchange.stream(206 if place else 200, end - start, [content[start : (start + end) // 2]], place)
    interception.cut(exchange)
    return True


def unannounced(exchange: Any) -> bool:
    exchange.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", b"y" * 5_000_000)
    exchange.open = False
    return True


LIES = {
    "another size": lambda exchange: exchange.answer(200, b"x" * 21) or True,
    "another content": forge,
    "an error": answering(500, b"oops"),
    "forbidden": answering(403, b"no"),
    "a redirect": answering(302, b"", Location="http://127.0.0.1:1/"),
    "a large error": answering(500, b"o" * 100_000),
    "compressed": lambda exchange: exchange.answer(200, b"x" * 21, {"Content-Encoding": "gzip"}) or True,
    "cut": cut,
    "cut in the middle": cut_in_the_middle,
    "endless": unannounced,
    "closed": lambda exchange: interception.cut(exchange) or True,
    "empty": answering(200, b""),
    "a part": lambda exchange: exchange.answer(206, b"x" * 21, {"Content-Range": "bytes 0-20/21"}) or True,
}


@pytest.mark.parametrize("contents", [SMALL, BIG], ids=["small", "big"])
@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_a_bad_peer_spoils_nothing_and_is_dropped_after_three_faults(
    bench: Bench, start: Start, contents: dict[str, bytes], lie: Intercept
):
    bad, good = start(contents, lie), start(contents)
    put(bench, contents)
    pool = PeerPool([bad.root, good.root])
    arguments: Any = bench.mirror, TransferOptions(), bench.tally, NeverStop(), pool
    fetched = engine.Engine(*arguments, tuning=bench.tuning).fetch(list(bench.entries.values()), bench.source)
    bench.assert_all_arrived(fetched)
    assert bench.store.log == []
    assert len(bad.requests) <= bench.tuning.peer_connections + 2 * bench.tuning.most_faults
    if contents is SMALL:
        (note,) = fetched.notes
        assert note.startswith(f"peer {bad.root} is not asked any more: ")
        assert pool.dropped == (bad.root,)
        put(bench, {"more": b"more"})
        more = bench.entries["more"]
        assert engine.Engine(*arguments, tuning=bench.tuning).fetch([more], bench.source).notes == ()
        assert not any(more.sha256 in request.path for request in bad.requests)


@pytest.mark.parametrize("contents", [SMALL, BIG], ids=["small", "big"])
def test_content_that_a_peer_forged_is_fetched_from_the_object_store(
    bench: Bench, start: Start, contents: dict[str, bytes]
):
    bench.tune(most_mismatches=0)
    fetched = fetch(bench, contents, start(contents, forge))
    assert (fetched.received[0].files, fetched.received[0].bytes > 0) == (0, True)
    assert from_store(bench) == set(contents)


@pytest.mark.parametrize("where", [dead_url(), "http://name.invalid/dci"], ids=["refused", "unknown"])
def test_a_peer_that_cannot_be_reached_is_dropped_at_once(bench: Bench, start: Start, where: str):
    put(bench, SMALL)
    fetched = bench.fetch(peers=[where, start(SMALL).root])
    bench.assert_all_arrived(fetched)
    assert (bench.store.log, len(fetched.notes)) == ([], 1)


def test_a_peer_that_takes_no_connection_is_dropped_sooner_than_a_server_would_be(bench: Bench, start: Start):
    bench.tune(peer_connect_seconds=0.2)
    with socket.socket() as busy, ExitStack() as clients:
        busy.bind(("127.0.0.1", 0))
        busy.listen(0)
        for _ in range(4):  # with the queue full, the kernel leaves whoever comes without an answer
            client = clients.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(busy.getsockname())
        put(bench, SMALL)
        began = time.monotonic()
        fetched = bench.fetch(peers=[f"http://127.0.0.1:{busy.getsockname()[1]}", start(SMALL).root])
    bench.assert_all_arrived(fetched)
    assert (len(fetched.notes), bench.store.log) == (1, [])
    assert time.monotonic() - began < 3


@pytest.mark.parametrize("contents", [SMALL, BIG], ids=["small", "big"])
def test_a_peer_that_says_nothing_is_dropped(bench: Bench, start: Start, contents: dict[str, bytes]):
    bench.tune(slow_seconds=0.3)
    never = threading.Event()
    mute = start(contents, lambda exchange: interception.hold(exchange, never) or True)
    began = time.monotonic()
    fetched = fetch(bench, contents, mute, start(contents))
    assert (fetched.notes, bench.store.log) == (
        (f"peer {mute.root} is not asked any more: it is slow, or does not answer",),
        [],
    )
    assert time.monotonic() - began < 3  # a stall is cut after a third of the patience, which is later


def test_a_peer_that_is_slow_on_one_connection_is_dropped(bench: Bench, start: Start):
    bench.tune(slow_seconds=0.3)
    over = threading.Event()

    def drop_by_drop(exchange: Any) -> bool:
        begin, end = wanted(exchange) or (0, 0)
        if begin != SEGMENT:
            return False
        place = {"Content-Range": f"bytes {begin}-{end - 1}/*"}
        exchange.stream(206, end - begin, [], place)
        for byte in BIG["big"][begin:end]:
            if over.wait(0.01):
                break
            exchange.send(bytes([byte]))
        exchange.open = False
        return True

    slow = start(BIG, drop_by_drop)
    fetched = fetch(bench, BIG, slow, start(BIG))
    over.set()
    assert fetched.notes == (f"peer {slow.root} is not asked any more: it is slow, or does not answer",)
    assert bench.store.log == []


@pytest.mark.parametrize("contents", [SMALL, BIG], ids=["small", "big"])
def test_requests_to_a_peer_that_is_dropped_are_ended(bench: Bench, start: Start, contents: dict[str, bytes]):
    never, asked = threading.Event(), itertools.count()
    bench.tune(most_faults=1)

    def fail_once(exchange: Any) -> bool:
        if next(asked) == 4:
            exchange.answer(500, b"oops")
        else:
            interception.hold(exchange, never)
        return True

    began = time.monotonic()
    fetched = fetch(bench, contents, start(contents, fail_once))
    assert len(fetched.notes) == 1
    assert from_store(bench) == set(contents)
    assert time.monotonic() - began < 3


def test_a_peer_without_a_hit_for_long_is_not_asked_for_the_rest(bench: Bench, start: Start):
    contents = {f"{number}": b"%d" % number for number in range(60)}
    bench.tune(most_misses=12)
    lab = start({})
    fetched = fetch(bench, contents, lab)
    assert 12 <= len(lab.requests) < 12 + bench.tuning.peer_connections
    assert fetched.notes == (f"peer {lab.root} is not asked any more: it does not have 12 objects in a row",)


def test_misses_that_are_not_in_a_row_do_not_count(bench: Bench, start: Start):
    bench.tune(most_misses=3)
    lab = start({path: content for number, (path, content) in enumerate(SMALL.items()) if number % 2})
    assert fetch(bench, SMALL, lab, connections=1).notes == ()


def test_a_big_file_that_a_peer_lacks_is_one_miss(bench: Bench, start: Start):
    bench.tune(most_misses=2)
    assert fetch(bench, BIG, start({})).notes == ()


def test_misses_keep_the_connection(bench: Bench, start: Start):
    sockets = set()

    def note(exchange: Any) -> bool:
        sockets.add(exchange.connection.fileno())
        return False

    fetch(bench, SMALL, start({}, note), connections=1)
    assert len(sockets) == 1


def test_a_big_file_goes_on_where_another_peer_left_it(bench: Bench, start: Start):
    (content,) = BIG.values()
    bad, good = start(BIG, cut_in_the_middle), start(BIG)
    fetched = fetch(bench, BIG, bad, good)
    assert bench.store.log == []
    assert [(each.name, each.files) for each in fetched.received[:2]] == [(bad.root, 0), (good.root, 1)]
    assert fetched.bytes == len(content)
    assert "bytes=0-" not in " ".join(good.ranges())


def test_the_object_store_goes_on_where_a_peer_left_a_big_file(bench: Bench, start: Start):
    (content,) = BIG.values()
    fetched = fetch(bench, BIG, start(BIG, cut_in_the_middle))
    peer, store = fetched.received
    assert (peer.files, store.files, peer.bytes + store.bytes) == (0, 1, len(content))
    assert min(peer.bytes, store.bytes) > 0


def test_the_gaps_that_an_earlier_run_left_are_asked_for(bench: Bench, start: Start):
    put(bench, BIG)
    (entry,), (content,) = bench.entries.values(), BIG.values()
    partial = bench.mirror.open_partial(entry)
    for begin in (1000, 2 * SEGMENT):
        partial.write(begin, content[begin : begin + 2000])
    partial.close()
    lab = start(BIG)
    fetched = bench.fetch(peers=[lab.root])
    assert (fetched.failures, bench.arrived("big"), bench.store.log) == ((), True, [])
    assert fetched.received[0].bytes == len(content) - 4000
    assert {"bytes=0-999", f"bytes=3000-{SEGMENT - 1}", f"bytes={2 * SEGMENT + 2000}-{3 * SEGMENT - 1}"} < set(
        lab.ranges()
    )


def test_a_file_that_another_run_is_writing_is_left_to_it(bench: Bench, start: Start):
    put(bench, BIG)
    bench.tune(blocked_seconds=0.01)
    partial, lab = bench.mirror.open_partial(bench.entries["big"]), start(BIG)

    class MeanwhileTheOther(NeverStop):
        asked = 0

        def requested(self) -> bool:
            self.asked += 1
            if self.asked == 3:
                partial.write(0, BIG["big"])
                partial.finish()
            return False

    fetched = bench.fetch(peers=[lab.root], stop=MeanwhileTheOther())
    assert (fetched.files, fetched.bytes, lab.requests, bench.store.log) == (1, 0, [], [])


def test_a_partial_that_is_complete_is_hashed_without_a_request(bench: Bench, start: Start):
    put(bench, BIG)
    partial = bench.mirror.open_partial(bench.entries["big"])
    partial.write(0, BIG["big"])
    partial.close()
    lab = start(BIG)
    fetched = bench.fetch(peers=[lab.root])
    assert (fetched.files, lab.requests, bench.store.log, bench.arrived("big")) == (1, [], [], True)
    assert [tuple(each) for each in fetched.received] == [("object store", 1, 0)]


def test_wrong_bytes_of_an_earlier_run_are_not_held_against_a_peer(bench: Bench, start: Start):
    put(bench, BIG)
    bench.tune(most_faults=1)
    partial = bench.mirror.open_partial(bench.entries["big"])
    partial.write(0, bytes(SEGMENT))
    partial.close()
    fetched = bench.fetch(peers=[start(BIG).root])
    assert (fetched.failures, fetched.notes, bench.arrived("big"), bench.store.log) == ((), (), True, [])


def wrong_half(exchange: Any) -> bool:
    """Half of what was asked for, but another content."""
    size = len(exchange.server.objects[exchange.request.path.rpartition("/")[2]])
    start, end = wanted(exchange) or (0, size)
    exchange.stream(206, end - start, [b"x" * ((end - start) // 2)], {"Content-Range": f"bytes {start}-{end - 1}/*"})
    interception.cut(exchange)
    return True


def test_a_file_put_together_from_a_liar_and_the_object_store_is_not_held_against_the_store(bench: Bench, start: Start):
    bench.tune(most_mismatches=0)
    lab = start(BIG, wrong_half)
    fetched = fetch(bench, BIG, lab)
    assert fetched.notes == ()
    assert len(lab.requests) <= 5
    assert {first for first, _ in bench.store.ranges("big")} >= {0, SEGMENT // 2}  # once the rest, then all of it


def test_a_stop_keeps_what_was_received_of_a_big_file(bench: Bench, start: Start):
    never = threading.Event()

    def half(exchange: Any) -> bool:
        begin, end = wanted(exchange) or (0, 0)
        place = {"Content-Range": f"bytes {begin}-{end - 1}/*"}
        exchange.stream(206, end - begin, [BIG["big"][begin : begin + 10_000]], place)
        interception.hold(exchange, never)
        return True

    class OnceSoMuch(NeverStop):
        def requested(self) -> bool:
            return bench.tally.size == 40_000

    put(bench, {"big": BIG["big"][: 4 * SEGMENT]})
    with pytest.raises(CancelledError):
        bench.fetch(peers=[start({"big": BIG["big"][: 4 * SEGMENT]}, half).root], stop=OnceSoMuch())
    assert bench.mirror.partial_bytes(bench.entries["big"]) == 40_000


def test_what_a_peer_gives_of_a_big_file_is_recorded_on_the_way(bench: Bench, start: Start):
    never = threading.Event()

    def first_segment(exchange: Any) -> bool:
        if exchange.request.headers["range"].startswith("bytes=0-"):
            return False
        interception.hold(exchange, never)
        return True

    class OnceRecorded(NeverStop):
        def requested(self) -> bool:
            return bench.mirror.partial_bytes(bench.entries["big"]) == SEGMENT

    put(bench, BIG)
    with pytest.raises(CancelledError):
        bench.fetch(peers=[start(BIG, first_segment).root], stop=OnceRecorded())


def test_a_full_disk_ends_it(bench: Bench, start: Start, monkeypatch: pytest.MonkeyPatch):
    def full(*_: object) -> None:
        raise DiskFullError("full")

    monkeypatch.setattr("dci_downloader.mirror.partial.Partial.write", full)
    with pytest.raises(DiskFullError):
        fetch(bench, BIG, start(BIG))


def test_the_rate_of_the_run_is_kept(bench: Bench, start: Start):
    content = {"big": b"r" * 600_000}
    began = time.monotonic()
    fetch(bench, content, start(content), limit_rate=1_000_000)
    assert time.monotonic() - began >= 0.3


def test_pausing_for_the_rate_is_not_held_against_a_peer(bench: Bench, start: Start):
    bench.tune(slow_seconds=0.2)
    content = {"big": b"r" * 120_000}
    began = time.monotonic()
    assert fetch(bench, content, start(content), limit_rate=60_000).notes == ()
    assert time.monotonic() - began > 0.4


@pytest.mark.parametrize("contents", [SMALL, BIG], ids=["small", "big"])
def test_no_more_connections_than_asked_for(bench: Bench, start: Start, contents: dict[str, bytes]):
    busy, most, guard = set(), [0], threading.Lock()

    def count(exchange: Any) -> bool:
        with guard:
            busy.add(exchange.connection)
            most[0] = max(most[0], len(busy))
        type(exchange.server).respond(exchange.server, exchange)
        with guard:
            busy.discard(exchange.connection)
        return True

    fetch(bench, contents, start(contents, count), start(contents, count), connections=2)
    assert most[0] <= 2


@pytest.mark.parametrize("connections", [64, 5])
def test_no_more_than_eight_connections_to_a_peer(bench: Bench, start: Start, connections: int):
    contents = {f"{number}": b"%d" % number for number in range(200)}
    lab, sockets = start(contents), set()
    interception.intercept(lab, lambda exchange: sockets.add(exchange.connection) or False)
    fetch(bench, contents, lab, connections=connections)
    assert len(sockets) <= min(8, connections)


def test_what_another_run_brought_meanwhile_is_not_asked_for(bench: Bench, start: Start):
    put(bench, BIG)
    bench.mirror.add(bench.entries["big"], [BIG["big"]])
    lab = start(BIG)
    fetched = bench.fetch(peers=[lab.root])
    assert (fetched.files, lab.requests, bench.store.log, bench.tally.files) == (1, [], [], 1)


def test_many_big_files_from_several_bad_peers_and_a_good_one(bench: Bench, start: Start):
    contents = {f"big{number}": bytes([number]) * 150_000 for number in range(24)}
    fetch(bench, contents, *(start(contents, lie) for lie in (forge, cut, cut_in_the_middle)), start(contents))
    assert bench.store.log == []


# ranges


def shifted_once(exchange: Any) -> bool:
    """A range of the right length, and what stands there, but not the one that was asked for; from then on all."""
    lab, range_ = exchange.server, wanted(exchange)
    (content,) = lab.objects.values()
    if range_ is None or range_[0] != SEGMENT:
        return False
    start, end = range_[0] - 1, range_[1] - 1
    exchange.answer(206, content[start:end], {"Content-Range": f"bytes {start}-{end - 1}/{len(content)}"})
    return True


def test_a_range_that_a_peer_was_not_asked_for_is_noticed_before_its_bytes_are_kept(bench: Bench, start: Start):
    lab = start(BIG, shifted_once)
    fetched = fetch(bench, BIG, lab)
    assert (fetched.received[0].files, fetched.notes, bench.store.log) == (1, (), [])
    assert "" in lab.ranges()  # in one piece


def test_a_peer_that_serves_no_ranges_is_asked_for_big_files_in_one_piece(bench: Bench, start: Start):
    contents = {f"big{number}": bytes([number]) * 150_000 for number in range(5)}
    lab = start(contents)

    def whole(exchange: Any) -> bool:
        exchange.answer(200, lab.objects[exchange.request.path.rpartition("/")[2]])
        return True

    interception.intercept(lab, whole)
    fetched = fetch(bench, contents, lab)
    assert (fetched.received[0].files, fetched.notes, bench.store.log) == (5, (), [])


def test_what_a_peer_without_ranges_left_is_fetched_from_the_object_store_by_range(bench: Bench, start: Start):
    (content,) = BIG.values()

    def half_of_the_whole(exchange: Any) -> bool:
        exchange.stream(200, len(content), [content[: len(content) // 2]])
        interception.cut(exchange)
        return True

    fetched = fetch(bench, BIG, start(BIG, half_of_the_whole))
    assert [asked for asked in bench.store.ranges("big") if asked is None] == []
    assert (fetched.received[0].files, fetched.received[1].files) == (0, 1)


# the object store's troubles are not the peers'


def test_what_peers_have_is_fetched_though_the_control_server_denies_access(bench: Bench, start: Start):
    bench.tune(most_access_errors=3, peer_connections=1)
    contents = {f"{number:03}": b"%d" % number * 100 for number in range(120)}
    lacking = {path for path in contents if path.endswith("5")}
    put(bench, contents)
    bench.control.default = status(401)
    lab = start({path: content for path, content in contents.items() if path not in lacking})
    fetched = bench.fetch(peers=[lab.root])
    assert {failure.path for failure in fetched.failures} == lacking
    assert {failure.exit_code for failure in fetched.failures} == {3}
    assert fetched.files == len(contents) - len(lacking) == fetched.received[0].files
    assert all(bench.arrived(path) for path in set(contents) - lacking)


def test_a_file_that_neither_a_peer_nor_the_object_store_has_fails_once(bench: Bench, start: Start):
    put(bench, {**SMALL, **BIG})
    for path in ("small3", "big"):
        del bench.contents[path]
    fetched = bench.fetch(peers=[start(SMALL).root, start({}).root])
    assert [failure.path for failure in fetched.failures] == ["big"]
    assert fetched.failures[0].reason == "the object store does not have it (HTTP 404)"


def test_redirects_of_the_control_server_are_followed_beside_peers(bench: Bench, start: Start):
    bench.control.scripts["small3"] = iter([redirect("{here}/{path}?again=1")])
    fetch(bench, SMALL, start({}))
    assert len(bench.control.asked("small3")) == 2


# the network


@pytest.fixture
def proxy() -> Iterator[FaultServer]:
    def well(asked: Asked) -> Response:
        return forwarded(asked._replace(headers={**asked.headers, "connection": "close"}))

    server = FaultServer(well)
    yield server
    server.close()


def test_peers_are_asked_through_the_proxy_whatever_the_environment_says(
    bench: Bench, start: Start, proxy: FaultServer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("no_proxy", "*")
    lab = start(SMALL)
    fetch(bench, SMALL, lab, network=Network(proxies={"http": proxy.url}))
    assert len(proxy.log) == len(lab.requests) == len(SMALL)


def test_peers_that_need_no_proxy_are_asked_directly(bench: Bench, start: Start, proxy: FaultServer):
    fetch(bench, SMALL, start(SMALL), network=Network(proxies={"http": proxy.url}, no_proxy="127.0.0.1"))
    assert proxy.log == []


# the second process


@pytest.fixture
def shared(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> type[WatchedCoprocess]:
    """Whatever there is to fetch is shared, as on a fast line. Peers send nothing before it is."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    monkeypatch.setattr(engine, "Coprocess", WatchedCoprocess)
    bench.tune(worth_starting=0.0, worth_giving=0.0, loaded=-1.0)
    WatchedCoprocess.instances.clear()
    WatchedCoprocess.bench = bench
    bench.control.flowing.clear()
    bench.source = SourceOfOneProcess(bench.control.url)
    return WatchedCoprocess


MANY = {
    **{f"{number}.rpm": os.urandom(500 + number) for number in range(100)},
    **{f"{number}.iso": os.urandom((20 - number) * SEGMENT) for number in range(6)},
}


def test_the_second_process_fetches_from_peers_too(bench: Bench, start: Start, shared: type[WatchedCoprocess]):
    sockets: set[Any] = set()

    def once_shared(exchange: Any) -> bool:
        sockets.add(exchange.connection)
        bench.control.flowing.wait(20)
        return False

    lab = start(MANY, once_shared)
    fetched = fetch(bench, MANY, lab)
    (one,) = shared.instances
    size = sum(map(len, MANY.values()))
    assert [tuple(each) for each in fetched.received] == [(lab.root, len(MANY), size), ("object store", 0, 0)]
    assert (bench.control.log, bench.store.log) == ([], [])
    assert one.reported[0] == one.fetched.files == len(one.given) > 40
    assert any(entry.path.endswith(".iso") for entry in one.assigned)
    assert len(sockets) <= 8 + 4  # before half of them were left to the other
    assert ended(one.pid)


def test_a_peer_that_the_second_process_drops_is_reported_and_no_longer_asked_here(
    bench: Bench, start: Start, shared: type[WatchedCoprocess]
):
    lab = start(MANY)

    def bad_for_the_other(exchange: Any) -> bool:
        bench.control.flowing.wait(20)
        digest = exchange.request.path.rpartition("/")[2]
        if digest in {entry.sha256 for entry in shared.instances[0].assigned}:
            exchange.answer(500, b"oops")
            return True
        return False

    interception.intercept(lab, bad_for_the_other)
    bench.tune(peer_connections=2)
    put(bench, MANY)
    pool = PeerPool([lab.root])
    arguments: Any = bench.mirror, TransferOptions(), bench.tally, NeverStop(), pool
    fetched = engine.Engine(*arguments, tuning=bench.tuning).fetch(list(bench.entries.values()), bench.source)
    bench.assert_all_arrived(fetched)
    assert fetched.notes == (f"peer {lab.root} is not asked any more: it answers HTTP 500",)
    assert pool.dropped == (lab.root,)
    peer, store = fetched.received
    assert peer.files + store.files == len(MANY)
    assert store.files >= len(shared.instances[0].assigned) - 3


def test_a_peer_that_was_dropped_before_is_not_asked_by_the_second_process(
    bench: Bench, start: Start, shared: type[WatchedCoprocess]
):
    pool = PeerPool([dead_url(), start({}).root])
    put(bench, {"first": b"first"})
    arguments: Any = bench.mirror, TransferOptions(), bench.tally, NeverStop(), pool
    bench.control.flowing.set()
    engine.Engine(*arguments, tuning=Tuning()).fetch(list(bench.entries.values()), bench.source)
    assert len(pool.dropped) == 1
    bench.control.flowing.clear()
    put(bench, MANY)
    del bench.entries["first"]
    fetched = engine.Engine(*arguments, tuning=bench.tuning).fetch(list(bench.entries.values()), bench.source)
    assert (fetched.failures, fetched.notes) == ((), ())
    assert len(shared.instances[-1].assigned) > 40


def test_a_peer_that_is_silent_is_waited_for_in_neither_process(
    bench: Bench, start: Start, shared: type[WatchedCoprocess]
):
    bench.tune(head_start=0.05, compare_seconds=0.05, straggler_window=0.05, slow_seconds=1e6)
    bench.control.flowing.set()
    over = threading.Event()
    fetched = fetch(bench, MANY, start(MANY, lambda exchange: interception.hold(exchange, over) or True))
    over.set()
    assert fetched.received[-1].files == len(MANY)
