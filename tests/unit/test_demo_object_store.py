import contextlib
import http.client
import shutil
import socket
import ssl
import threading
import time
from datetime import datetime, timedelta, timezone
from urllib.parse import urlsplit
from xml.etree import ElementTree

import pytest

from dci_downloader.demo.catalog import Catalog, object_key
from dci_downloader.demo.object_store import DemoObjectStore, presign
from tests import interception
from tests.faults import certificates

CONTENT = bytes(range(256)) * 2000  # more than one chunk
NAME = "Packages/g/gcc-c++ ~^%41#é&?.rpm"
BEGIN = datetime(2026, 11, 24, 12, tzinfo=timezone.utc)


class Clock:
    def __init__(self):
        self.moment = BEGIN

    def __call__(self):
        return self.moment


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def catalog():
    catalog = Catalog()
    catalog.add_component(catalog.add_topic("RHEL-9.2"), name="c", files={NAME: CONTENT, "empty": b""})
    return catalog


@pytest.fixture
def store(catalog, clock):
    with DemoObjectStore(catalog, now=clock) as store:
        yield store


def sign(store, catalog, name=NAME, url=None):
    (component,) = catalog.components.values()
    return presign(url or store.url, object_key(component, name), catalog.signing_key, store.now())


def fetch(url, method="GET", tls=None, **headers):
    parts = urlsplit(url)
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    if tls is None:
        connection = http.client.HTTPConnection(parts.netloc, timeout=10)
    else:
        connection = http.client.HTTPSConnection(parts.netloc, timeout=10, context=tls)
    with contextlib.closing(connection):
        connection.request(method, f"{parts.path}?{parts.query}", headers=names)
        response = connection.getresponse()
        return response.status, response.headers, response.read()


def code(body):
    return ElementTree.fromstring(body).findtext("Code")


def test_a_presigned_url_gives_the_object_under_any_name(store, catalog):
    status, headers, body = fetch(sign(store, catalog))
    assert (status, body) == (200, CONTENT)
    assert headers["Content-Length"] == str(len(CONTENT))
    assert headers["Accept-Ranges"] == "bytes"


def test_an_empty_object_is_served(store, catalog):
    assert fetch(sign(store, catalog, "empty"))[::2] == (200, b"")
    assert fetch(sign(store, catalog, "empty"), Range="bytes=0-0")[0] == 416


def test_head_tells_the_size_and_sends_no_body(store, catalog):
    status, headers, body = fetch(sign(store, catalog), "HEAD")
    assert (status, headers["Content-Length"], body) == (200, str(len(CONTENT)), b"")
    assert store.requests[-1].sent == 0


@pytest.mark.parametrize(
    ("wanted", "start", "end"),
    [
        ("0-0", 0, 1),
        ("10-19", 10, 20),
        ("300000-", 300_000, 512_000),
        ("-5", 511_995, 512_000),
        ("-9999999", 0, 512_000),
        ("511999-9999999", 511_999, 512_000),
    ],
)
def test_a_range_is_answered_with_just_that_range(store, catalog, wanted, start, end):
    status, headers, body = fetch(sign(store, catalog), Range=f"bytes={wanted}")
    assert (status, body) == (206, CONTENT[start:end])
    assert headers["Content-Range"] == f"bytes {start}-{end - 1}/512000"


@pytest.mark.parametrize("wanted", ["512000-", "512000-512001", "-0"])
def test_a_range_behind_the_end_is_refused_with_the_size(store, catalog, wanted):
    status, headers, body = fetch(sign(store, catalog), Range=f"bytes={wanted}")
    assert (status, headers["Content-Range"], code(body)) == (416, "bytes */512000", "InvalidRange")


@pytest.mark.parametrize("wanted", ["bytes=-", "bytes=0-1,4-5", "lines=1-2", "bytes=20-10", "bytes=a-b"])
def test_a_range_that_is_none_gives_the_whole_object(store, catalog, wanted):
    assert fetch(sign(store, catalog), Range=wanted)[::2] == (200, CONTENT)


def test_if_range_gives_the_part_only_while_the_object_is_the_same(store, catalog):
    etag = fetch(sign(store, catalog), "HEAD")[1]["ETag"]
    assert fetch(sign(store, catalog), Range="bytes=0-9", If_Range=etag)[0] == 206
    (component,) = catalog.components.values()
    catalog.put(component, NAME, b"another")
    assert fetch(sign(store, catalog), Range="bytes=0-3", If_Range=etag)[::2] == (200, b"another")


def test_what_the_client_has_is_not_sent_again(store, catalog):
    etag = fetch(sign(store, catalog), "HEAD")[1]["ETag"]
    status, headers, body = fetch(sign(store, catalog), If_None_Match=etag)
    assert (status, headers["ETag"], headers["Content-Length"], body) == (304, etag, None, b"")
    assert fetch(sign(store, catalog), If_None_Match='"other"')[0] == 200


def test_a_presigned_url_is_good_for_600_seconds_and_no_longer(store, catalog, clock):
    url = sign(store, catalog)
    clock.moment = BEGIN + timedelta(seconds=599)
    assert fetch(url)[0] == 200
    clock.moment = BEGIN + timedelta(seconds=600)
    status, headers, body = fetch(url)
    assert (status, code(body), headers["Content-Type"]) == (403, "AccessDenied", "application/xml")


@pytest.mark.parametrize(
    "alter",
    [
        lambda url: url.replace("Expires=600", "Expires=6000"),
        lambda url: url.replace("gcc", "bash"),
        lambda url: url.replace("Date=2026", "Date=2027"),
        lambda url: url[:-1] + ("0" if url[-1] != "0" else "1"),
        lambda url: url.partition("?")[0],
    ],
    ids=["longer", "other path", "later", "signature", "no query"],
)
def test_an_altered_url_is_refused(store, catalog, alter):
    status, _, body = fetch(alter(sign(store, catalog)))
    assert (status, code(body)) == (403, "SignatureDoesNotMatch")


def test_a_host_header_of_another_server_breaks_the_signature(store, catalog):
    assert fetch(sign(store, catalog), Host="api.example.com")[0] == 403


def test_credentials_beside_a_presigned_query_are_refused(store, catalog):
    status, _, body = fetch(sign(store, catalog), Authorization="DCI2-HMAC-SHA256 …".encode())
    assert (status, code(body)) == (400, "InvalidArgument")


def test_a_missing_object_is_404_in_xml(store, catalog):
    status, headers, body = fetch(sign(store, catalog, "no <such>"))
    assert (status, code(body), headers["Content-Type"]) == (404, "NoSuchKey", "application/xml")


def test_only_get_and_head_are_served(store, catalog):
    assert fetch(sign(store, catalog), "DELETE")[0] == 405


def test_every_request_is_logged_with_its_query_and_the_bytes_sent(store, catalog):
    url = sign(store, catalog)
    fetch(url, Range="bytes=0-99")
    fetch(url)
    first, second = store.requests
    assert (first.method, first.path, first.query) == ("GET", *urlsplit(url)[2:4])
    assert (first.status, first.sent, first.headers["range"]) == (206, 100, "bytes=0-99")
    assert (second.status, second.sent) == (200, len(CONTENT))
    assert "Signature" not in repr(first)
    store.forget()
    assert store.requests == []


def test_one_connection_carries_many_requests(store, catalog):
    parts = urlsplit(sign(store, catalog))
    with contextlib.closing(http.client.HTTPConnection(parts.netloc, timeout=10)) as connection:
        sockets = set()
        for _ in range(3):
            connection.request("GET", f"{parts.path}?{parts.query}")
            assert connection.getresponse().read() == CONTENT
            sockets.add(connection.sock.getsockname())
    assert len(sockets) == 1


def test_a_client_that_asks_for_it_gets_its_connection_closed(store, catalog):
    assert fetch(sign(store, catalog), Connection="close")[1]["Connection"] == "close"


def raw(store, sent):
    with socket.create_connection(urlsplit(store.url).netloc.split(":"), timeout=10) as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        b"PUT / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
)
def test_a_malformed_request_is_400_and_ends_the_connection(store, sent):
    assert raw(store, sent).startswith(b"HTTP/1.1 400 ")
    assert store.requests == []


def test_half_a_request_is_no_request(store):
    assert raw(store, b"GET / HTTP/1.1\r\nHost:") == b""
    assert raw(store, b"") == b""
    assert store.requests == []


def test_an_interceptor_may_let_a_request_pass_or_answer_itself(store, catalog):
    def intercepted(exchange):
        if exchange.request.method == "GET":
            exchange.answer(503, b"later", {"Retry-After": "1"})
            return True
        return False

    interception.intercept(store, intercepted)
    status, headers, body = fetch(sign(store, catalog))
    assert (status, headers["Retry-After"], body) == (503, "1", b"later")
    assert fetch(sign(store, catalog), "HEAD")[0] == 200
    assert [request.status for request in store.requests] == [503, 200]


def test_an_interceptor_can_cut_a_body_short(store, catalog):
    def intercepted(exchange):
        exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", b"half")
        interception.cut(exchange)
        return True

    interception.intercept(store, intercepted)
    with pytest.raises(http.client.IncompleteRead):
        fetch(sign(store, catalog))
    assert (store.requests[0].status, store.requests[0].sent) == (200, 4)


def test_an_interceptor_can_reset_the_connection(store):
    def intercepted(exchange):
        interception.cut(exchange, reset=True)
        return True

    interception.intercept(store, intercepted)
    with socket.create_connection(urlsplit(store.url).netloc.split(":"), timeout=10) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            connection.recv(1)
    assert store.requests[0].status == 0


def test_an_interceptor_can_hold_an_answer_until_it_is_released(store, catalog):
    arrived, released = threading.Event(), threading.Event()

    def intercepted(exchange):
        arrived.set()
        interception.hold(exchange, released)
        return False

    interception.intercept(store, intercepted)
    url, answers = sign(store, catalog), []
    client = threading.Thread(target=lambda: answers.append(fetch(url)[0]))
    client.start()
    assert arrived.wait(10)
    assert answers == []
    released.set()
    client.join(10)
    assert answers == [200]


def test_stopping_ends_open_and_held_connections_at_once(catalog):
    arrived = threading.Event()

    def intercepted(exchange):
        arrived.set()
        interception.hold(exchange, threading.Event())
        return True

    with contextlib.ExitStack() as clients:
        with DemoObjectStore(catalog) as store:
            interception.intercept(store, intercepted)
            address = urlsplit(store.url).netloc.split(":")
            idle, held = (clients.enter_context(socket.create_connection(address, timeout=10)) for _ in range(2))
            held.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert arrived.wait(10)
            begin = time.monotonic()
        assert time.monotonic() - begin < 5
        for client in (idle, held):
            with contextlib.suppress(ConnectionResetError):
                assert client.recv(100) == b""
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address, timeout=10)


def test_stopping_leaves_no_thread_behind(store, catalog):
    before = set(threading.enumerate())
    with DemoObjectStore(catalog) as other:
        fetch(sign(other, catalog))
    assert set(threading.enumerate()) <= before


def test_a_server_that_never_started_can_be_stopped(catalog):
    store = DemoObjectStore(catalog)
    store.stop()
    with DemoObjectStore(catalog, port=int(store.url.rpartition(":")[2])) as again:
        assert again.url == store.url


@pytest.mark.skipif(not shutil.which("openssl"), reason="needs the openssl program")
def test_tls_serves_those_who_trust_it_and_survives_those_who_do_not(catalog, tmp_path):
    authority = certificates.make_authority(tmp_path, "authority")
    with DemoObjectStore(catalog, ssl_context=certificates.server_side(authority, "server")) as store:
        with pytest.raises(ssl.SSLCertVerificationError):
            fetch(sign(store, catalog), tls=ssl.create_default_context())
        trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        trusting.load_verify_locations(authority)
        assert fetch(sign(store, catalog), tls=trusting)[::2] == (200, CONTENT)
    assert store.url.startswith("https://")
