import select
import socket

import pycurl
import pytest

from dci_downloader.transfer import loop as module
from dci_downloader.transfer.loop import CurlLoop
from tests.faults.server import FaultServer, Response, cut


@pytest.fixture
def server():
    server = FaultServer(lambda asked: Response(200, body=asked.path.encode()))
    yield server
    server.close()


@pytest.fixture
def loop():
    loop = CurlLoop(4)
    yield loop
    loop.close()


def handle_for(url):
    handle = pycurl.Curl()
    handle.body = []
    handle.setopt(pycurl.URL, url)
    handle.setopt(pycurl.PROXY, "")
    handle.setopt(pycurl.WRITEFUNCTION, handle.body.append)
    return handle


def finished(loop, count):
    """Turn the loop, woken by its own descriptor as a poll around it would be, until so many transfers ended."""
    outer = select.epoll()
    outer.register(loop.fileno(), select.EPOLLIN)
    ended = []
    for _ in range(2000):
        if len(ended) >= count:
            break
        outer.poll(loop.wait_seconds(5))
        ended += loop.turn()
    outer.close()
    return ended


def test_many_transfers_end_well_and_share_connections(loop, server):
    for turn in range(3):
        handles = [handle_for(f"{server.url}/{turn}-{number}") for number in range(4)]
        for handle in handles:
            loop.add(handle)
        ended = finished(loop, 4)
        assert {end.handle for end in ended} == set(handles)
        assert [(end.code, end.message) for end in ended] == [(0, "")] * 4
        assert [handle.body for handle in handles] == [[f"{turn}-{number}".encode()] for number in range(4)]
        for handle in handles:
            handle.close()
    assert server.connections <= 4


def test_a_transfer_that_fails_says_why(loop, server):
    server.scripts["a"] = iter([cut(0.5)])
    handle = handle_for(f"{server.url}/a")
    loop.add(handle)
    ((ended, code, message),) = finished(loop, 1)
    assert ended is handle
    assert code == pycurl.E_PARTIAL_FILE
    assert message
    handle.close()


def test_a_refused_connection_ends_the_transfer_and_the_next_works(loop, server):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    bad, good = handle_for(f"http://127.0.0.1:{port}/"), handle_for(f"{server.url}/ok")
    loop.add(bad)
    assert finished(loop, 1)[0].code == pycurl.E_COULDNT_CONNECT
    loop.add(good)
    assert finished(loop, 1)[0].code == 0
    bad.close()
    good.close()


def test_a_removed_transfer_is_not_reported(loop, server):
    removed, kept = handle_for(f"{server.url}/removed"), handle_for(f"{server.url}/kept")
    loop.add(removed)
    loop.add(kept)
    loop.turn()
    loop.remove(removed)
    assert [end.handle for end in finished(loop, 1)] == [kept]
    assert loop.turn() == []
    removed.close()
    kept.close()


def test_a_name_that_does_not_resolve_ends_the_transfer(loop):
    handle = handle_for("http://nowhere.invalid/")
    loop.add(handle)
    assert finished(loop, 1)[0].code == pycurl.E_COULDNT_RESOLVE_HOST
    handle.close()


def test_one_waits_no_longer_than_until_the_timer_is_due(loop, monkeypatch):
    monkeypatch.setattr(module.time, "monotonic", lambda: 100.0)
    loop._set_timer(-1)
    assert loop.wait_seconds(3.0) == 3.0
    loop._set_timer(500)
    assert loop.wait_seconds(3.0) == 0.5
    assert loop.wait_seconds(0.1) == 0.1
    monkeypatch.setattr(module.time, "monotonic", lambda: 101.0)
    assert loop.wait_seconds(3.0) == 0.0


def test_a_socket_that_was_closed_and_is_another_now_is_watched_again(loop):
    one, other = socket.socketpair()
    descriptor = one.fileno()
    loop._watch(pycurl.POLL_IN, descriptor, None, None)
    loop._watch(pycurl.POLL_REMOVE, descriptor, None, None)
    one.close()
    other.close()
    third, fourth = socket.socketpair()
    assert descriptor in (third.fileno(), fourth.fileno())
    loop._watch(pycurl.POLL_OUT, descriptor, None, None)
    assert select.select([loop], [], [], 5)[0]
    third.close()
    fourth.close()


def test_a_server_that_ends_an_idle_connection_wakes_nobody_for_long(loop):
    one, other = socket.socketpair()
    loop._watch(pycurl.POLL_IN, one.fileno(), None, None)
    loop._watch(pycurl.POLL_REMOVE, one.fileno(), None, None)
    other.close()
    assert loop.turn() == []
    assert not select.select([loop], [], [], 0)[0]
    loop._watch(pycurl.POLL_IN, one.fileno(), None, None)
    assert select.select([loop], [], [], 5)[0]
    one.close()


def test_a_descriptor_that_was_never_watched_may_be_let_go_of(loop):
    loop._watch(pycurl.POLL_REMOVE, 0, None, None)
    assert loop._idle == set()


def test_a_descriptor_to_watch_for_nothing_is_not_watched(loop):
    loop._watch(pycurl.POLL_NONE, 0, None, None)
    assert loop._watched == set()


def test_where_too_many_files_are_open_the_error_says_so(monkeypatch):
    def refuse():
        raise pycurl.error("initializing curl-multi failed")

    monkeypatch.setattr(module.pycurl, "CurlMulti", refuse)
    with pytest.raises(OSError, match="Too many open files"):
        CurlLoop(4)
