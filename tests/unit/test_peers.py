"""Peers, good, bad and gone; each a server on loopback that serves objects as any web server would."""

import hashlib
import socket
import threading
from collections import deque

import pytest

from dci_downloader import CancelledError, DiskFullError, TransferOptions
from dci_downloader.content import ranges
from dci_downloader.demo.http_server import LoopbackServer
from dci_downloader.hooks import NeverStop, NullProgress
from dci_downloader.mirror.store import Store
from dci_downloader.models import FileEntry
from dci_downloader.transfer import peer_request
from dci_downloader.transfer import peers as module
from dci_downloader.transfer.peers import Peers
from tests import interception

SMALL = {f"small{number}": b"%d" % number * (number + 1) for number in range(20)}
BIG = {"big": bytes(range(256)) * 20_000}
EMPTY = {"empty": b""}


def entries(contents):
    return [FileEntry(path, hashlib.sha256(content).hexdigest(), len(content)) for path, content in contents.items()]


class Lab(LoopbackServer):
    """Another lab's web server."""

    def __init__(self, contents):
        super().__init__()
        self.objects = {hashlib.sha256(content).hexdigest(): content for content in contents.values()}

    def respond(self, exchange):
        folder, _, digest = exchange.request.path.rpartition("/")
        content = self.objects.get(digest)
        if content is None or folder != f"/dci/.dci-downloader/objects/{digest[:2]}":
            exchange.answer(404, b"<html>404 Not Found" * 10)
            return
        asked = exchange.request.headers.get("range")
        if asked is None:
            exchange.answer(200, content)
            return
        start, end = (int(number) for number in asked[len("bytes=") :].split("-"))
        place = f"bytes {start}-{end}/{len(content)}"
        exchange.answer(206, content[start : end + 1], {"Content-Range": place})


class CommandResult(NullProgress):
    def __init__(self):
        self.files = self.size = 0
        self.details = []

    def detail(self, text):
        self.details.append(text)

    def advance(self, files, size):
        self.files += files
        self.size += size


@pytest.fixture
def start():
    running = []

    def start(contents, intercept=None):
        lab = Lab(contents)
        if intercept is not None:
            interception.intercept(lab, intercept)
        lab.start()
        running.append(lab)
        return lab

    yield start
    for lab in running:
        lab.stop()


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "store", boot="b")
    store.prepare()
    return store


def url(lab):
    return f"{lab.url}/dci"


def fetch(store, contents, *labs, options=TransferOptions(), told=None, stop=NeverStop()):  # noqa: B008
    peers = Peers([lab if isinstance(lab, str) else url(lab) for lab in labs], options)
    return peers.fetch(entries(contents), store, told or CommandResult(), stop)


def has(store, contents):
    return [path for path, entry in zip(contents, entries(contents)) if store.holds(entry)] == list(contents)


def dead_url():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


@pytest.mark.parametrize(
    "contents", [SMALL, BIG, EMPTY, {**SMALL, **BIG, **EMPTY}], ids=["small", "big", "empty", "all"]
)
def test_what_a_peer_has_comes_from_it(store, start, contents):
    told, lab = CommandResult(), start(contents)
    came = fetch(store, contents, lab, told=told)
    size = sum(map(len, contents.values()))
    assert (came.left, came.notes, has(store, contents)) == ((), (), True)
    assert [tuple(each) for each in came.received] == [(url(lab), len(contents), size)]
    assert (told.files, told.size) == (len(contents), size)


def test_no_credentials_and_nothing_about_the_run_reach_a_peer(store, start):
    lab = start(SMALL)
    fetch(store, SMALL, lab)
    for request in lab.requests:
        assert set(request.headers) <= {"host", "user-agent", "accept", "accept-encoding"}
        assert request.query == ""


def test_what_no_peer_has_is_left(store, start):
    first, second = start({}), start({"small3": SMALL["small3"]})
    came = fetch(store, SMALL, first, second)
    assert {entry.path for entry in came.left} == set(SMALL) - {"small3"}
    assert [(each.name, each.files) for each in came.received] == [(url(second), 1)]
    assert len(first.requests) >= len(SMALL) - 1


def test_several_peers_share_the_work(store, start):
    labs = [start(SMALL) for _ in range(3)]
    came = fetch(store, SMALL, *labs)
    assert sorted(each.files for each in came.received) == [6, 7, 7]


def test_without_peers_everything_is_left(store):
    assert fetch(store, SMALL).left == tuple(entries(SMALL))


def answering(*arguments, **headers):
    return lambda exchange: exchange.answer(*arguments, headers) or True


def cut(exchange):
    exchange.stream(200, 1000, [b"x" * 10])
    interception.cut(exchange)
    return True


def unannounced(exchange):
    exchange.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", b"y" * 5_000_000)
    exchange.open = False
    return True


def forge(exchange):
    size = len(exchange.server.objects[exchange.request.path.rpartition("/")[2]])
    exchange.answer(200, b"x" * size)
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
    "endless": unannounced,
    "closed": lambda exchange: interception.cut(exchange) or True,
    "empty": answering(200, b""),
    "a part": lambda exchange: exchange.answer(206, b"x" * 21, {"Content-Range": "bytes 0-20/21"}) or True,
}


@pytest.mark.parametrize("contents", [SMALL, BIG], ids=["small", "big"])
@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_a_bad_peer_spoils_nothing_and_is_dropped_after_three_faults(store, start, contents, lie):
    told, bad, good = CommandResult(), start(contents, lie), start(contents)
    peers = Peers([url(bad), url(good)], TransferOptions())
    came = peers.fetch(entries(contents), store, told, NeverStop())
    assert (came.left, has(store, contents)) == ((), True)
    assert (told.files, told.size) == (len(contents), sum(map(len, contents.values())))
    assert len(bad.requests) <= module.PER_PEER + 2 * module.MOST_FAULTS
    if contents is SMALL:
        (note,) = came.notes
        assert note.startswith(f"peer {url(bad)} is not asked any more: ")
        (more,) = entries({"more": b"more"})
        assert peers.fetch([more], store, told, NeverStop()).notes == ()
        assert not any(more.sha256 in request.path for request in bad.requests)


def test_a_peer_alone_with_its_lies_leaves_everything(store, start):
    bad = start(SMALL, LIES["another content"])
    came = fetch(store, SMALL, bad)
    assert len(came.left) == len(SMALL)
    assert (came.received[0].files, came.received[0].bytes > 0) == (0, True)
    assert not any(store.holds(entry) for entry in entries(SMALL))


@pytest.mark.parametrize("where", [dead_url(), "http://name.invalid/dci"], ids=["refused", "unknown"])
def test_a_peer_that_cannot_be_reached_is_dropped_at_once(store, start, where):
    good = start(SMALL)
    came = fetch(store, SMALL, where, good)
    assert (came.left, has(store, SMALL), len(came.notes)) == ((), True, 1)


@pytest.mark.parametrize("contents", [SMALL, BIG], ids=["small", "big"])
@pytest.mark.parametrize("first", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 5120000\r\n\r\n"], ids=["mute", "stalled"])
def test_a_peer_that_is_slow_is_dropped(store, start, monkeypatch, contents, first):
    monkeypatch.setattr(module, "SLOW_SECONDS", 1)
    never = threading.Event()

    def stall(exchange):
        exchange.send(first, b"z" * 100 if first else b"")
        interception.hold(exchange, never)
        return True

    came = fetch(store, contents, start(contents, stall), start(contents))
    assert (came.left, has(store, contents)) == ((), True)
    assert "slow" in came.notes[0]


def test_a_peer_without_a_hit_for_long_is_not_asked_for_the_rest(store, start, monkeypatch):
    monkeypatch.setattr(module, "MOST_MISSES", 12)
    lab = start({})
    assert len(fetch(store, SMALL, lab).left) == len(SMALL)
    assert len(lab.requests) < len(SMALL)


def test_misses_that_are_not_in_a_row_do_not_count(store, start, monkeypatch):
    monkeypatch.setattr(module, "MOST_MISSES", 3)
    lab = start({path: content for number, (path, content) in enumerate(SMALL.items()) if number % 2})
    assert fetch(store, SMALL, lab, options=TransferOptions(connections=1)).notes == ()


def test_misses_keep_the_connection(store, start):
    sockets = set()

    def note(exchange):
        sockets.add(exchange.connection.fileno())
        return False

    fetch(store, SMALL, start({}, note), options=TransferOptions(connections=1))
    assert len(sockets) == 1


def test_a_big_file_goes_on_where_another_peer_left_it(store, start):
    (content,) = BIG.values()

    def half(exchange):
        exchange.stream(200, len(content), [content[:2_000_000]])
        interception.cut(exchange)
        return True

    bad, good = start(BIG, half), start(BIG)
    came = fetch(store, BIG, bad, good)
    assert (came.left, has(store, BIG)) == ((), True)
    assert [(each.name, each.files) for each in came.received] == [(url(bad), 0), (url(good), 1)]
    assert sum(each.bytes for each in came.received) == len(content)
    assert good.requests[0].headers["range"].startswith("bytes=")


def test_the_gaps_that_an_earlier_run_left_are_asked_for_one_by_one(store, start):
    (entry,), (content,) = entries(BIG), BIG.values()
    partial = store.open_partial(entry)
    for begin in (1_000_000, 3_000_000):
        partial.write(begin, content[begin : begin + 1_000_000])
    partial.close()
    lab = start(BIG)
    came = fetch(store, BIG, lab)
    assert came.received[0].bytes == len(content) - 2_000_000
    assert [request.headers["range"] for request in lab.requests] == [
        "bytes=0-999999",
        "bytes=2000000-2999999",
        f"bytes=4000000-{len(content) - 1}",
    ]


def test_a_file_that_another_run_is_writing_is_left_to_it(store, start):
    partial = store.open_partial(entries(BIG)[0])
    assert len(fetch(store, BIG, start(BIG)).left) == 1
    partial.close()


def test_a_partial_that_is_complete_is_left_to_be_hashed(store, start):
    (entry,), (content,) = entries(BIG), BIG.values()
    partial = store.open_partial(entry)
    partial.write(0, content)
    partial.close()
    lab = start(BIG)
    assert (fetch(store, BIG, lab).left, lab.requests) == ((entry,), [])


def test_a_stop_keeps_what_came_of_a_big_file(store, start):
    (entry,), (content,) = entries(BIG), BIG.values()
    never = threading.Event()

    def half(exchange):
        exchange.stream(200, len(content), [content[:2_000_000]])
        interception.hold(exchange, never)
        return True

    told = CommandResult()

    class OnceHalf(NeverStop):
        def requested(self):
            return told.size == 2_000_000

    with pytest.raises(CancelledError):
        fetch(store, BIG, start(BIG, half), told=told, stop=OnceHalf())
    assert store.partial_bytes(entry) == 2_000_000
    assert ranges.total(store.open_partial(entry).done) == 2_000_000


def test_a_full_disk_ends_it(store, start, monkeypatch):
    def full(*_):
        raise DiskFullError("full")

    monkeypatch.setattr("dci_downloader.mirror.partial.Partial.write", full)
    with pytest.raises(DiskFullError):
        fetch(store, BIG, start(BIG))


def test_the_rate_of_the_run_is_kept(store, start):
    import time

    content = {"big": b"r" * 600_000}
    began = time.monotonic()
    fetch(store, content, start(content), options=TransferOptions(limit_rate=1_000_000))
    assert time.monotonic() - began >= 0.3


def test_no_more_connections_than_asked_for(store, start):
    busy, most, guard = set(), [0], threading.Lock()

    def count(exchange):
        with guard:
            busy.add(exchange.connection)
            most[0] = max(most[0], len(busy))
        type(lab).respond(lab, exchange)
        with guard:
            busy.discard(exchange.connection)
        return True

    lab = start(SMALL, count)
    fetch(store, SMALL, lab, options=TransferOptions(connections=2))
    assert most[0] <= 2


def test_what_another_run_brought_meanwhile_is_not_asked_for(store, start):
    (entry,), (content,) = entries(BIG), BIG.values()
    store.add(entry, [content])
    told, lab = CommandResult(), start(BIG)
    assert fetch(store, BIG, lab, told=told).left == ()
    assert (lab.requests, told.files) == ([], 1)


def test_many_big_files_from_several_bad_peers_and_a_good_one(store, start):
    contents = {f"big{number}": bytes([number]) * 1_500_000 for number in range(24)}
    told, labs = CommandResult(), [start(contents, lie) for lie in (forge, cut)] + [start(contents)]
    came = fetch(store, contents, *labs, told=told)
    assert (came.left, has(store, contents)) == ((), True)
    assert (told.files, told.size) == (len(contents), sum(map(len, contents.values())))


def test_what_a_peer_gives_of_a_big_file_is_noted_on_the_way(tmp_path, monkeypatch):
    monkeypatch.setattr(peer_request, "SAVED_BYTES", 1000)
    store = Store(tmp_path / "store")
    store.prepare()
    entry = FileEntry("big.iso", "ab" * 32, 5000)
    wanted = peer_request.Wanted(entry, deque())
    partial = store.open_partial(entry)
    request = peer_request.PeerRequest(wanted, peer_request.Peer("http://a"), partial, 0, 5000, lambda _: None)
    request.head.append(b"HTTP/1.1 200 OK\r\n")
    for _ in range(3):
        assert request.receive(bytes(600)) == 600
    assert store.partial_bytes(entry) == 1200  # as another run would find it now
    partial.close()
