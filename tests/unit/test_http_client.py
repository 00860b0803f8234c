"""One request and its response: bounded in size and time, through proxies."""

from __future__ import annotations

import gzip
import json
import threading
import tracemalloc
import zlib

import pytest
from urllib3 import HTTPResponse

from dci_downloader.errors import ServerUnreachableError, SettingsError, StallError, TransferError
from dci_downloader.options import Network
from tests.unit.control_site import COMPONENT, as_json, closed_port, topic


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
    network = Network(connect_timeout=0.2, read_timeout=0.8)
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
            threading.Event().wait(0.25)
            asked.wfile.write(body[start : start + 10_000])
            asked.wfile.flush()

    site.answer = slowly
    assert connect(network=Network(connect_timeout=0.2, read_timeout=1.0)).topic("t1").name == "RHEL-9.2"


def test_an_answer_that_is_compressed_unasked_is_read(site, connect):
    body = json.dumps({"topic": topic()}).encode()
    for header, sent in (
        ("gzip", gzip.compress(body)),
        ("gzip, gzip", gzip.compress(gzip.compress(body))),
        ("deflate", zlib.compress(body)),
        ("gzip", body),
        ("", body),
        ("aws-chunked", body),
    ):
        site.answer = lambda asked, header=header, sent=sent: (200, {"Content-Encoding": header}, sent)
        assert connect(patience=0).topic("t1").name == "RHEL-9.2"


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_a_bomb_is_an_answer_that_is_too_large_and_takes_little_memory(site, connect, layers):
    body = bytes(80 * 2**20)
    for _ in range(layers):
        body = gzip.compress(body, mtime=0)
    site.answer = lambda asked: (200, {"Content-Encoding": ", ".join(["gzip"] * layers)}, body)
    tracemalloc.start()
    try:
        with pytest.raises(TransferError, match="larger than 64 MiB"):
            connect(patience=0).topic("t1")
        assert tracemalloc.get_traced_memory()[1] < 150 * 2**20
    finally:
        tracemalloc.stop()


def test_a_compressed_answer_that_is_damaged_names_the_request(site, connect):
    site.answer = lambda asked: (200, {"Content-Encoding": "gzip"}, gzip.compress(b"{}")[:-3])
    with pytest.raises(TransferError, match=r"GET http://.*t1: the answer came as 'gzip', and cannot be decoded: cut"):
        connect(patience=0).topic("t1")


@pytest.mark.parametrize("name", ["br", "gzip, zstd"])
def test_an_answer_in_an_encoding_that_cannot_be_undone_says_so_and_text_is_taken_as_it_is(site, connect, name):
    site.answer = lambda asked: (200, {"Content-Encoding": name}, b"\x8b\x04\x80{}\x03\xff")
    with pytest.raises(TransferError, match=f"came as '{name}', and cannot be decoded: (br|zstd) was not asked for"):
        connect(patience=0).topic("t1")
    body = json.dumps({"topic": topic()}).encode()
    site.answer = lambda asked: (200, {"Content-Encoding": name}, body)
    assert connect(patience=0).topic("t1").name


def test_interim_responses_are_passed_over(site, connect):
    body = json.dumps({"topic": topic()}).encode()
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n"

    def answer(asked):
        asked.wfile.write(hints + b"HTTP/1.1 100 Continue\r\n\r\n" + hints)
        return 200, {}, body

    site.answer = answer
    assert connect(patience=0).topic("t1").name == "RHEL-9.2"


def test_interim_responses_without_end_are_no_response(site, connect):
    site.answer = lambda asked: asked.wfile.write(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1000) and None
    with pytest.raises(ServerUnreachableError):
        connect(patience=0).topic("t1")


def test_a_chunk_size_without_end_is_refused_at_once(site, connect):
    def answer(asked):
        asked.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"0" * 2**20)

    site.answer = answer
    with pytest.raises(ServerUnreachableError, match="was cut"):
        connect(patience=0).topic("t1")


def test_a_304_may_tell_the_length_of_what_it_does_not_send(site, object_store, connect):
    site.answer = lambda asked: (302, {"Location": f"{object_store.url}/m"}, b"")
    object_store.answer = lambda asked: (304, {"Content-Length": "5000"}, b"")
    assert connect(patience=0).manifest(COMPONENT, etag='"e"') is None


@pytest.mark.parametrize("address", ["http://[bad", "http://user:pa/ss@127.0.0.1:3128", "http://127.0.0.1:99999"])
def test_a_proxy_that_is_none_is_a_settings_error_before_anything_is_asked(connect, address):
    with pytest.raises(SettingsError, match="HTTPS_PROXY is not the address of a proxy") as caught:
        connect(network=Network(proxies={"https": address}))
    assert address not in str(caught.value)
    assert "ss@" not in str(caught.value)


def test_what_ssl_refuses_before_it_connects_is_no_traceback(site, connect, monkeypatch):
    """An older urllib3, asked for a proxy that is reached by https under an address without a name."""

    def refuse(*_, **__):
        raise ValueError("check_hostname requires server_hostname")

    monkeypatch.setattr("urllib3.connectionpool.HTTPConnectionPool.urlopen", refuse)
    with pytest.raises(ServerUnreachableError):
        connect(patience=0).topic("t1")


def test_a_socks_proxy_needs_a_package_and_says_which(site, connect, monkeypatch):
    monkeypatch.setattr("dci_downloader.control.http_client.find_spec", lambda name: None)
    with pytest.raises(SettingsError, match="PySocks"):
        connect(network=Network(proxies={"all": "socks5h://127.0.0.1:1080"})).topic("t1")


def test_a_silent_server_is_a_stall(site, connect):
    over = threading.Event()
    site.answer = lambda asked: over.wait(30) and None
    with pytest.raises(StallError, match="stopped answering"):
        connect(network=Network(connect_timeout=5, read_timeout=0.05), patience=0).topic("t1")
    over.set()


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
