"""One request and its response: bounded in size and time, through proxies."""

from __future__ import annotations

import json
import threading

import pytest
from urllib3 import HTTPResponse

from dci_downloader.errors import ServerUnreachableError, StallError
from dci_downloader.options import Network
from tests.unit.control_site import as_json, closed_port, topic


def test_a_body_that_is_cut_is_fetched_again(site, connect):
    cuts = iter([(200, {"Content-Length": "500"}, b'{"topic"')])
    site.answer = lambda asked: next(cuts, as_json({"topic": topic()}))
    assert connect().topic("t1").name == "RHEL-9.2"


def test_a_cut_body_is_noticed_where_urllib3_does_not(site, connect, monkeypatch):
    parts = iter([b"{}", b""])
    monkeypatch.setattr(HTTPResponse, "read", lambda self, *_, **__: next(parts))
    site.answer = lambda asked: (200, {}, b"{}  ")
    with pytest.raises(ServerUnreachableError, match="was cut"):
        connect(patience=0).topic("t1")


@pytest.mark.parametrize("length", ["\u00b2", "9" * 5000, "-1", "odd"])
def test_a_length_that_is_no_number_does_not_count(site, connect, length):
    body = json.dumps({"topic": topic()}).encode()
    site.answer = lambda asked: (
        asked.wfile.write(
            f"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n".encode("latin-1") + body
        )
        and None
    )
    assert connect(patience=0).topic("t1").name == "RHEL-9.2"


def drip(asked):
    asked.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    gate = threading.Event()
    for _ in range(200):
        gate.wait(0.02)
        try:
            asked.wfile.write(b"1\r\n \r\n")
        except OSError:
            break


def test_an_answer_that_drips_is_given_up_and_the_next_try_succeeds(site, connect):
    network = Network(connect_timeout=0.05, read_timeout=0.1)
    replies = iter([drip])
    site.answer = lambda asked: next(replies, lambda _: as_json({"topic": topic()}))(asked)
    assert connect(network=network).topic("t1").name == "RHEL-9.2"
    site.answer = drip
    with pytest.raises(StallError, match="did not answer in good time"):
        connect(network=network, patience=0).topic("t1")


def test_an_answer_that_takes_long_but_moves_is_waited_for(site, connect):
    def slowly(asked):
        body = json.dumps({"topic": topic()}).encode().ljust(60_000)
        asked.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n")
        for start in range(0, 60_000, 10_000):
            threading.Event().wait(0.04)
            asked.wfile.write(body[start : start + 10_000])
            asked.wfile.flush()

    site.answer = slowly
    assert connect(network=Network(connect_timeout=0.02, read_timeout=0.08)).topic("t1").name == "RHEL-9.2"


def test_a_silent_server_is_a_stall(site, connect):
    site.answer = lambda asked: threading.Event().wait(0.5) or None
    with pytest.raises(StallError, match="stopped answering"):
        connect(network=Network(connect_timeout=5, read_timeout=0.05), patience=0).topic("t1")


def test_a_dead_proxy_is_named_without_its_password(site, connect):
    network = Network(proxies={"http": f"http://user:pw@127.0.0.1:{closed_port()}"})
    with pytest.raises(ServerUnreachableError, match=r"proxy http://127\.0\.0\.1") as caught:
        connect(network=network, patience=0).topic("t1")
    assert "pw" not in str(caught.value)
    assert site.requests == []


def test_requests_go_through_the_proxy(site, object_store, connect):
    object_store.answer = lambda asked: as_json({"topic": topic()})
    connect("http://api.invalid", network=Network(proxies={"http": object_store.url})).topic("t1")
    assert object_store.requests[0].target == "http://api.invalid/api/v1/topics/t1"
    assert object_store.requests[0].headers["host"] == "api.invalid"


def test_tls_to_a_port_without_it_is_final(site, connect, time):
    site.answer = lambda asked: None
    with pytest.raises(ServerUnreachableError, match=r"TLS with 127\.0\.0\.1"):
        connect(f"https{site.url[4:]}").topic("t1")
    assert time.pauses == []
