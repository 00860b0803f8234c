from __future__ import annotations

import hashlib
import json
import logging
import socket
import ssl
import threading
from datetime import datetime, timezone
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import pytest
import requests
from dciauth.v2.headers import parse_headers
from dciauth.v2.signature import is_valid

from dci_downloader import __version__
from dci_downloader.control import client as client_module
from dci_downloader.control.client import Clock, ControlServer
from dci_downloader.control.decoding import Response
from dci_downloader.control.errors_from_response import error_from_response
from dci_downloader.control.failures import RequestFailedError, Target, broken, stalled
from dci_downloader.control.http_client import HttpClient
from dci_downloader.control.signing import Signer
from dci_downloader.errors import (
    AccessError,
    ManifestError,
    NotFoundError,
    ServerUnreachableError,
    SettingsError,
    StallError,
    StatusError,
    TransferError,
)
from dci_downloader.models import Component, FileEntry
from dci_downloader.options import Credentials, Network

pytestmark = pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")

SECRET = "s3cret" * 10
CLIENT = "remoteci/66194b70-46c5-1707-a2bb-9dde8d5d4212"
NOW = 1_800_000_000.0
COMPONENT = Component("c1", "RHEL-9.2.0-1", "compose", "t1")
DIGEST = hashlib.sha256(b"").hexdigest()
MANIFEST = json.dumps({"files": [{"path": "", "name": "x", "sha256": DIGEST, "size": 0}], "symlinks": []}).encode()


class Time:
    """A clock that moves only when somebody sleeps."""

    def __init__(self):
        self.now, self.pauses = 0.0, []

    def sleep(self, seconds):
        self.pauses.append(seconds)
        self.now += seconds

    def clock(self):
        return Clock(lambda: self.now, lambda: NOW + self.now, self.sleep, lambda: 0.0)


class Site:
    """A server on loopback that answers what the test's function says and remembers what it was asked."""

    def __init__(self):
        site, self.requests, self.answer = self, [], None

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                parts = urlsplit(self.path)
                asked = SimpleNamespace(path=parts.path, query=dict(parse_qsl(parts.query)), headers=self.headers)
                asked.target, asked.wfile = self.path, self.wfile
                site.requests.append(asked)
                reply = site.answer(asked)
                if reply is None:
                    self.close_connection = True
                    return
                status, headers, body = reply
                self.send_response(status)
                # it closes, and says so: a client that did not know might send its next request into the void
                for name, value in {"Connection": "close", "Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)
                self.close_connection = True

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def paths(self):
        return [asked.path for asked in self.requests]


def signed(asked):
    """Whether the server's own code accepts the signature, and what it says if not."""
    request = {"method": "GET", "endpoint": unquote(asked.path), "params": asked.query, "data": ""}
    return is_valid(request, {"secret_key": SECRET}, parse_headers(dict(asked.headers)))


def as_json(value, status=200, **headers):
    body = json.dumps(value).encode()
    return status, {"Content-Type": "application/json", **headers}, body


def refused(text, status):
    return as_json({"message": text, "status_code": status, "payload": {}}, status)


@pytest.fixture
def site():
    server = Site()
    yield server
    server.close()


@pytest.fixture
def store():
    server = Site()
    yield server
    server.close()


@pytest.fixture
def time():
    return Time()


@pytest.fixture
def connect(site, time):
    opened = []

    def connect(url="", **options):
        options = {"clock": time.clock(), **options}
        opened.append(ControlServer(Credentials(CLIENT, SECRET, url or site.url), **options))
        return opened[-1]

    yield connect
    for server in opened:
        server.close()


def topic(name="RHEL-9.2", **more):
    return {"id": f"id-{name}", "name": name, "component_types": ["compose"], "created_at": None, **more}


def component(name, **more):
    common = {"id": f"id-{name}", "type": "compose", "topic_id": "t1", "state": "active", "tags": [], "team_id": None}
    return {**common, "name": name, "created_at": "2026-11-20T10:20:30.123456", **more}


def listing(key, items):
    """A list that pages as the control server does."""

    def answer(asked):
        assert signed(asked) == (True, "")
        offset, limit = int(asked.query["offset"]), int(asked.query["limit"])
        return as_json({"_meta": {"count": len(items)}, key: items[offset : offset + limit]})

    return answer


# Calls


def test_topics_are_read_from_every_page(site, connect):
    site.answer = listing("topics", [topic(f"T{n}") for n in range(250)])
    found = list(connect().topics("RHEL 9,2", active=True))
    assert [t.name for t in found] == [f"T{n}" for n in range(250)]
    assert [asked.query["offset"] for asked in site.requests] == ["0", "20", "220"]
    assert site.requests[0].query["where"] == '"name:RHEL 9,2",state:active'
    assert site.requests[0].headers["user-agent"] == f"dci-downloader/{__version__}"


def test_no_empty_where_is_sent(site, connect):
    site.answer = listing("topics", [])
    assert list(connect().topics(active=False)) == []
    assert "where" not in site.requests[0].query


def test_a_list_ends_although_the_server_repeats_itself(site, connect):
    site.answer = lambda asked: as_json({"_meta": {"count": 10**9}, "topics": [topic()]})
    assert [t.name for t in connect().topics()] == ["RHEL-9.2"]
    assert len(site.requests) == 2


def test_components_that_do_not_fit_are_left_out_whatever_the_server_sends(site, connect):
    items = [
        component("wanted", tags=["a", 'q"uo,te', "c"]),
        component("inactive", state="inactive", tags=["a", 'q"uo,te']),
        component("one-tag", tags=["a"]),
        component("other", type="hwcert", tags=["a", 'q"uo,te']),
    ]
    site.answer = listing("components", items)
    assert [c.name for c in connect().components("t1", type="compose", tags=("a", 'q"uo,te'))] == ["wanted"]
    assert site.requests[0].query["where"] == 'type:compose,state:active,tags:a,"tags:q""uo,te"'
    assert site.requests[0].query["sort"] == "-created_at"
    assert list(connect().components("t1", type="compose", name="want")) == []


def test_one_component_one_topic_and_one_job_are_read(site, connect):
    full = topic(data={"registry": {"login": "u", "password": "p", "n": 1}}, created_at="2026-11-20T10:20:30Z")
    answers = {
        "/api/v1/topics/t1": {"topic": full},
        "/api/v1/components/c1": {"component": component("x", team_id="us", tags=None, state=None)},
        "/api/v1/jobs/j1": {
            "job": {
                "id": "j1",
                "status": "new",
                "topic": full,
                "components": [component("x")],
                "remoteci": {"api_secret": SECRET},
            }
        },
    }
    site.answer = lambda asked: as_json(answers[asked.path])
    with connect() as server:
        assert server.topic("t1").created_at == datetime(2026, 11, 20, 10, 20, 30, tzinfo=timezone.utc)
        assert server.topic("t1").registry == {"login": "u", "password": "p"}
        assert (server.component("c1").team_id, server.component("c1").state) == ("us", "active")
        assert [c.name for c in server.job("j1").components] == ["x"]
        assert SECRET not in repr(server.job("j1"))


def test_the_latest_component_is_the_newest_public_one(site, connect):
    lists = {
        "/api/v1/topics": listing("topics", [topic()]),
        "/api/v1/topics/id-RHEL-9.2/components": listing("components", [component("a", team_id="us"), component("b")]),
    }
    site.answer = lambda asked: lists[asked.path](asked)
    server = connect()
    assert server.latest_component("RHEL-9.2", type="compose").name == "b"
    with pytest.raises(NotFoundError, match=r"no active topic rhel-9\.2"):
        server.latest_component("rhel-9.2", type="compose")
    with pytest.raises(NotFoundError, match="type compose tagged z"):
        server.latest_component("RHEL-9.2", type="compose", tags=("z",))
    with pytest.raises(NotFoundError, match=r"type hwcert$"):
        server.latest_component("RHEL-9.2", type="hwcert")


@pytest.mark.parametrize("given", ["", ".", "..", "a\nb", "\udcff"])
def test_what_is_no_id_is_not_asked_for(site, connect, given):
    with pytest.raises(NotFoundError, match="no id of a component"):
        connect().component(given)
    assert site.requests == []


def test_names_that_are_not_text_are_refused(connect):
    with pytest.raises(SettingsError, match="printable"):
        next(connect().topics("RHEL\udcff"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-20T10:20:30.123456", datetime(2026, 11, 20, 10, 20, 30, 123456, timezone.utc)),
        ("2026-11-20 10:20:30.5", datetime(2026, 11, 20, 10, 20, 30, 500000, timezone.utc)),
        ("2026-11-20T10:20:30+02:00", datetime(2026, 11, 20, 8, 20, 30, 0, timezone.utc)),
        ("2026-11-20T10:20:30-0130", datetime(2026, 11, 20, 11, 50, 30, 0, timezone.utc)),
    ],
)
def test_instants_are_aware_and_utc(site, connect, text, expected):
    site.answer = lambda asked: as_json({"component": component("x", created_at=text)})
    assert connect().component("c1").created_at == expected


@pytest.mark.parametrize(
    ("value", "key"),
    [
        ([], "the document"),
        ({}, "component"),
        ({"component": {}}, "id"),
        ({"component": {**component("x"), "name": ""}}, "name"),
        ({"component": {**component("x"), "name": "\ud800"}}, "name"),
        ({"component": component("x", tags="nightly")}, "tags"),
        ({"component": component("x", tags=[1])}, "tags"),
        ({"component": component("x", created_at="yesterday")}, "created_at"),
        ({"component": component("x", created_at="2026-13-20T10:20:30")}, "created_at"),
        ({"component": component("x", created_at=1)}, "created_at"),
    ],
)
def test_an_answer_of_another_shape_is_an_error_that_names_the_key(site, connect, value, key):
    site.answer = lambda asked: as_json(value)
    with pytest.raises(TransferError, match=f"GET {site.url}/api/v1/components/c1: the answer lacks a usable '{key}'"):
        connect().component("c1")


@pytest.mark.parametrize(
    "value", [{"topics": {}}, {"topics": [topic()]}, {"topics": [topic()], "_meta": {"count": "1"}}]
)
def test_a_list_of_another_shape_is_an_error(site, connect, value):
    site.answer = lambda asked: as_json(value)
    with pytest.raises(TransferError, match="usable"):
        list(connect().topics())


@pytest.mark.parametrize(
    ("kind", "body", "what"),
    [("text/html; charset=utf-8", b"<html>Log in", "a web page"), ("application/json", b"[" * 10**5, "not JSON")],
)
def test_something_else_than_json_points_at_proxies(site, connect, kind, body, what):
    site.answer = lambda asked: (200, {"Content-Type": kind}, body)
    with pytest.raises(TransferError, match=what) as caught:
        connect().topic("t1")
    assert "proxy" in caught.value.hint


# Signatures and addresses


@pytest.mark.parametrize("suffix", ["", "/", "/prefix", "/pre%20fix//"])
def test_signatures_are_valid_below_any_address(site, connect, suffix):
    site.answer = lambda asked: as_json({"topic": topic()}) if signed(asked)[0] else refused(signed(asked)[1], 400)
    assert connect(site.url + suffix).topic("t 1%41").name == "RHEL-9.2"
    assert site.paths() == [suffix.rstrip("/") + "/api/v1/topics/t%201%2541"]


NAMES = ["plain.rpm", "a%41.txt", "a%2541", "a+b~c^d", "50% #1?&=;,.rpm", "ü/é ñ", "dir/x%zz", "a%25.txt"]


@pytest.mark.parametrize("prefix", ["", "/pre%20fix"])
def test_requests_for_files_are_signed_whatever_their_names(site, connect, prefix):
    site.answer = lambda asked: (204, {}, b"")
    files = connect(site.url + prefix).files(Component("c 1", "n", "compose", "t1"))
    for name in NAMES:
        request = files.request(name)
        assert sorted(request.headers) == ["authorization", "host", "x-dci-date"]
        requests.get(request.url, headers=request.headers, timeout=5).close()
    for asked, name in zip(site.requests, NAMES):
        assert unquote(asked.path) == unquote(prefix) + "/api/v1/components/c 1/files/" + name
        assert signed(asked) == (True, ""), name


def test_redirects_on_the_control_server_are_signed_and_others_are_not(site, connect):
    site.answer = lambda asked: (204, {}, b"")
    files = connect().files(COMPONENT)
    moved = files.follow(f"{site.url}/api/v2/components/c1/files/a%2541 ü?x=1")
    requests.get(moved.url, headers=moved.headers, timeout=5).close()
    assert signed(site.requests[0]) == (True, "")
    for elsewhere in ("http://127.0.0.1:1/x", f"https{site.url[4:]}/x", "file:///etc/passwd", "http://[bad/"):
        assert files.follow(elsewhere) is None


def test_the_second_version_of_the_files_api_is_used_for_files_only(site, connect):
    server = connect(api_version="v2")
    assert server.files(COMPONENT).request("x").url == f"{site.url}/api/v2/components/c1/files/x"
    site.answer = lambda asked: as_json({"topic": topic()})
    server.topic("t1")
    assert site.paths() == ["/api/v1/topics/t1"]


@pytest.mark.parametrize(
    ("url", "base", "host"),
    [
        ("https://API.example.com:443/", "https://api.example.com", "api.example.com"),
        (" http://api.example.com:80 ", "http://api.example.com", "api.example.com"),
        ("http://api.example.com:443/x/", "http://api.example.com:443/x", "api.example.com:443"),
        ("https://[::1]:443", "https://[::1]", "[::1]"),
        ("https://bücher.example", "https://xn--bcher-kva.example", "xn--bcher-kva.example"),
    ],
)
def test_the_host_is_signed_and_sent_without_a_default_port(url, base, host):
    signer = Signer(Credentials(CLIENT, SECRET, url))
    assert signer.base == base
    assert signer.headers(f"{base}/api")["host"] == host


@pytest.mark.parametrize(
    "url", ["", "api.example.com", "ftp://x", "http://", "http://x:port", "http://u:pw@x", "http://x?q", "http://*x"]
)
def test_an_address_that_cannot_be_used_is_a_settings_error_without_secrets(url):
    with pytest.raises(SettingsError) as caught:
        Signer(Credentials(CLIENT, SECRET, url))
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize(
    ("client_id", "secret", "what"),
    [
        ("", SECRET, "DCI_CLIENT_ID"),
        ("66194b70", SECRET, "DCI_CLIENT_ID"),
        (CLIENT, "", "DCI_API_SECRET"),
        (CLIENT, "s\r", "DCI_API_SECRET"),
    ],
)
def test_credentials_that_cannot_be_right_are_refused_before_anything_is_sent(client_id, secret, what):
    with pytest.raises(AccessError, match=what):
        Signer(Credentials(client_id, secret, "http://x"))


def test_credentials_do_not_show_their_secret():
    assert SECRET not in repr(Credentials(CLIENT, SECRET, "http://x"))


# Files through redirects


def test_the_object_store_sees_no_credentials(site, store, connect):
    site.answer = lambda asked: (302, {"Location": f"{store.url}/b/m?X-Sig=1", "Set-Cookie": "a=b"}, b"")
    store.answer = lambda asked: (200, {"ETag": '"e1"', "Set-Cookie": "c=d"}, MANIFEST)
    server = connect()
    for etag in ("", '"e0"', "bad\nheader"):
        manifest = server.manifest(COMPONENT, etag=etag)
        assert (manifest.files, manifest.etag, manifest.component_type) == (
            (FileEntry("x", DIGEST, 0),),
            '"e1"',
            "compose",
        )
    assert [asked.headers.get("If-None-Match") for asked in store.requests] == [None, '"e0"', None]
    for asked in store.requests:
        names = {name.lower() for name in asked.headers}
        assert not names & {"authorization", "x-dci-date", "cookie"}
        assert asked.headers["accept-encoding"] == "identity"
        assert asked.headers["host"] == urlsplit(store.url).netloc
    assert all("If-None-Match" not in asked.headers and "Cookie" not in asked.headers for asked in site.requests)
    assert signed(site.requests[0]) == (True, "")


def test_the_files_of_a_component_are_found_by_its_id(site, connect):
    answers = {
        "/api/v1/components/c1": as_json({"component": component("x", id="c1", type="hwcert")}),
        "/api/v1/components/c1/files/dci_files_list.json": (200, {}, MANIFEST),
        "/api/v1/components/c1/files/images_list.yaml": (200, {}, b"- image"),
    }
    site.answer = lambda asked: answers[asked.path]
    server = connect()
    assert server.files("c1").request("a b") == server.files(COMPONENT).request("a b")
    assert site.requests == []
    assert server.image_list("c1") == b"- image"
    assert server.manifest("c1").component_type == "hwcert"
    assert server.manifest("c1", etag='"e"').files == (FileEntry("x", DIGEST, 0),)
    for bad in (server.files, server.image_list, server.manifest):
        with pytest.raises(NotFoundError, match="no id of a component"):
            bad("../jobs")


def test_a_manifest_that_is_known_is_not_sent_again(site, store, connect):
    site.answer = lambda asked: (302, {"Location": f"{store.url}/m"}, b"")
    store.answer = lambda asked: (304, {}, b"")
    assert connect().manifest(COMPONENT, etag='"e"') is None
    with pytest.raises(StatusError):
        connect().manifest(COMPONENT)


def test_a_component_without_files_is_not_found(site, store, connect):
    site.answer = lambda asked: refused("not found", 404)
    with pytest.raises(NotFoundError, match=r"RHEL-9\.2\.0-1 of type compose has no files"):
        connect().manifest(COMPONENT)
    site.answer = lambda asked: (302, {"Location": f"{store.url}/m"}, b"")
    store.answer = lambda asked: (404, {}, b"<Error/>")
    with pytest.raises(NotFoundError, match="no files"):
        connect().manifest(COMPONENT)
    assert connect().image_list(COMPONENT) is None


def test_a_manifest_that_is_none_is_refused(site, connect):
    site.answer = lambda asked: (200, {}, MANIFEST[:-9])
    with pytest.raises(ManifestError):
        connect().manifest(COMPONENT)


def test_the_image_list_comes_as_it_is(site, store, connect):
    site.answer = lambda asked: (302, {"Location": f"{store.url}/i"}, b"")
    store.answer = lambda asked: (200, {}, b"- image")
    assert connect().image_list(COMPONENT) == b"- image"
    assert site.paths() == ["/api/v1/components/c1/files/images_list.yaml"]


def test_the_stores_refusal_is_a_status_error_without_the_query(site, store, connect):
    site.answer = lambda asked: (302, {"Location": f"{store.url}/m?X-Sig=secret"}, b"")
    store.answer = lambda asked: (403, {}, b"<Error/>")
    with pytest.raises(StatusError, match=f"GET {store.url}/m: the object store answered HTTP 403") as caught:
        connect().manifest(COMPONENT)
    assert (caught.value.status, caught.value.url) == (403, f"{store.url}/m")
    assert "X-Sig" not in str(caught.value)


def test_a_presigned_url_that_the_store_refuses_is_asked_for_anew(site, store, connect):
    site.answer = lambda asked: (302, {"Location": f"{store.url}/m"}, b"")
    refusals = iter([(403, {}, b"<Code>AccessDenied</Code>")] * 2)
    store.answer = lambda asked: next(refusals, (200, {}, MANIFEST))
    assert connect().manifest(COMPONENT)
    assert (len(site.requests), len(store.requests)) == (3, 3)
    store.answer = lambda asked: (403, {}, b"<Code>AccessDenied</Code>")
    with pytest.raises(StatusError, match="the object store answered HTTP 403"):
        connect().manifest(COMPONENT)
    assert (len(site.requests), len(store.requests)) == (6, 6)


def test_a_redirect_on_the_control_server_is_signed_again(site, connect):
    def answer(asked):
        assert signed(asked) == (True, "")
        if "v1" in asked.path:
            return 307, {"Location": asked.path.replace("v1", "v2")}, b""
        return 200, {}, MANIFEST

    site.answer = answer
    connect().manifest(COMPONENT)
    assert len(site.requests) == 2


def test_a_redirect_back_from_elsewhere_is_not_signed(site, store, connect):
    site.answer = lambda asked: (
        (302, {"Location": f"{store.url}/x"}, b"") if "files" in asked.path else refused("who?", 401)
    )
    store.answer = lambda asked: (302, {"Location": f"{site.url}/api/v1/jobs"}, b"")
    with pytest.raises(StatusError):
        connect().manifest(COMPONENT)
    assert "Authorization" not in site.requests[-1].headers


def test_a_redirect_loop_ends(site, connect):
    site.answer = lambda asked: (302, {"Location": asked.target}, b"")
    with pytest.raises(TransferError, match="redirected more than"):
        connect().manifest(COMPONENT)


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://x/y", "http://[bad/", "http://x:y/", ""])
def test_a_redirect_to_another_scheme_or_nowhere_is_refused(site, connect, location):
    site.answer = lambda asked: (302, {"Location": location} if location else {}, b"")
    with pytest.raises(TransferError, match="nowhere"):
        connect().manifest(COMPONENT)
    assert len(site.requests) == 1


def test_api_calls_are_not_redirected_away(site, store, connect):
    site.answer = lambda asked: (302, {"Location": f"{store.url}/login?token=1"}, b"")
    with pytest.raises(TransferError, match=f"redirected to {store.url}/login, which") as caught:
        connect().topic("t1")
    assert "DCI_CS_URL" in caught.value.hint
    assert store.requests == []


def test_an_answer_has_a_largest_size(site, connect, monkeypatch):
    monkeypatch.setattr(client_module, "_LARGEST_ANSWER", 2**20)
    site.answer = lambda asked: (200, {}, b" " * (2**20 + 1))
    with pytest.raises(TransferError, match="larger than 1 MiB"):
        connect().topic("t1")


# Refusals


@pytest.mark.parametrize(
    ("status", "text", "error", "what", "hint"),
    [
        (401, "Operation not authorized.", AccessError, "has no access", "team"),
        (401, "Unknown \x1b[31mremoteci\n", AccessError, r"credentials \(Unknown \[31mremoteci\)", "DCI_CLIENT_ID"),
        (400, "HmacMechanism failed: signature is invalid", AccessError, "signature wrong", "DCI_API_SECRET"),
        (412, "team is inactive", AccessError, "not active", "DCI contact"),
        (404, "topic not found", NotFoundError, r"not found \(topic not found\)", "dashboard"),
        (400, "bad where", StatusError, r"HTTP 400 \(bad where\)", ""),
        (403, "x" * 999, StatusError, "x{200}\\)", ""),
        (407, "", StatusError, "HTTP 407", "HTTPS_PROXY"),
    ],
)
def test_a_refusal_says_what_the_user_can_do(site, connect, status, text, error, what, hint):
    site.answer = lambda asked: refused(text, status)
    with pytest.raises(error, match=what) as caught:
        connect().topic("t1")
    assert hint in caught.value.hint
    assert f"GET {site.url}/api/v1/topics/t1" in str(caught.value)


@pytest.mark.parametrize(
    ("date", "what"),
    [
        (formatdate(NOW - 1800, usegmt=True), "30 minutes ahead of"),
        (formatdate(NOW + 3600, usegmt=True), "60 minutes behind"),
        (formatdate(NOW, usegmt=True), "agrees"),
        ("", "differ"),
    ],
)
def test_an_expired_signature_tells_how_wrong_the_clock_is(date, what):
    body = json.dumps({"message": "HmacMechanism failed: signature is expired"}).encode()
    error = error_from_response(Response("GET http://x/y", 400, {"date": date} if date else {}, body), NOW)
    assert isinstance(error, AccessError)
    assert what in str(error)


def test_a_401_that_is_not_the_control_servers_own_points_at_proxies_too(site, connect):
    site.answer = lambda asked: (401, {"Content-Type": "text/html"}, b"<html>Unauthorized")
    with pytest.raises(AccessError, match="does not accept the credentials") as caught:
        connect().topic("t1")
    assert "DCI_API_SECRET" in caught.value.hint
    assert "HTTPS_PROXY" in caught.value.hint


@pytest.mark.parametrize("body", [b"<html>404", b"[]", b'"x"', b"{}"])
def test_an_unknown_route_points_at_the_address(site, connect, body):
    site.answer = lambda asked: (404, {"Content-Type": "text/html"}, body)
    with pytest.raises(StatusError, match=r"HTTP 404$") as caught:
        connect().topic("t1")
    assert "DCI_CS_URL" in caught.value.hint


# Trying again


def test_passing_trouble_is_sat_out_with_fresh_signatures(site, store, connect, time):
    troubles = iter([(500, {}, b"<html>"), (503, {"Retry-After": "7"}, b""), None, (302, {"Location": store.url}, b"")])
    site.answer = lambda asked: next(troubles, (302, {"Location": f"{store.url}/m"}, b""))
    late = iter([(429, {}, b"")])
    store.answer = lambda asked: next(late, (200, {}, MANIFEST))
    assert connect().manifest(COMPONENT)
    assert len(site.requests) == 5
    assert len(time.pauses) == 4
    assert time.pauses[1] == 7
    assert all("Authorization" in asked.headers for asked in site.requests)


def test_trouble_that_stays_ends_within_patience(site, connect, time):
    site.answer = lambda asked: (502, {}, b"<html>Bad gateway")
    with pytest.raises(StatusError, match="HTTP 502") as caught:
        connect(patience=30).topic("t1")
    assert time.now <= 30
    assert len(time.pauses) > 4
    assert caught.value.status == 502


def test_an_absurd_retry_after_does_not_hold_the_run(site, connect, time):
    site.answer = lambda asked: (503, {"Retry-After": "86400"}, b"")
    with pytest.raises(StatusError, match="HTTP 503"):
        connect(patience=30).topic("t1")
    assert time.now <= 30


def test_a_retry_after_may_be_a_date(site, connect, time):
    replies = iter([(503, {"Retry-After": formatdate(NOW + 9, usegmt=True)}, b"")])
    site.answer = lambda asked: next(replies, as_json({"topic": topic()}))
    connect().topic("t1")
    assert time.pauses == [9.0]


def test_an_hours_outage_is_sat_out_if_asked(site, connect, time):
    def back_after_an_hour(asked):
        return (503, {}, b"") if time.now < 3600 else as_json({"topic": topic()})

    site.answer = back_after_an_hour
    assert connect(patience=5000).topic("t1").name == "RHEL-9.2"
    assert 3600 <= time.now < 5000
    assert max(time.pauses) <= 205  # and it is noticed soon that the server is back


def test_a_server_that_was_waited_for_in_vain_is_only_looked_at(site, connect, time):
    server = connect(patience=30)
    site.answer = lambda asked: (503, {}, b"")
    for _ in range(9):
        with pytest.raises(StatusError, match="HTTP 503"):
            server.topic("t1")
    assert time.now <= 30
    tries = len(time.pauses) + 1
    assert len(site.requests) == tries + 8
    site.answer = lambda asked: as_json({"topic": topic()})
    assert server.topic("t1").name == "RHEL-9.2"
    replies = iter([(503, {}, b"")])
    site.answer = lambda asked: next(replies, as_json({"topic": topic()}))
    assert server.topic("t1").name == "RHEL-9.2"  # it answered since: patience begins anew


def test_an_outage_of_long_ago_is_none_any_more(site, connect, time):
    server = connect(patience=30)
    site.answer = lambda asked: (503, {}, b"")
    with pytest.raises(StatusError):
        server.topic("t1")
    time.now += 3600
    replies = iter([(503, {}, b""), (503, {}, b"")])
    site.answer = lambda asked: next(replies, as_json({"topic": topic()}))
    assert server.topic("t1").name == "RHEL-9.2"


def test_an_outage_of_the_store_is_none_of_the_control_server(site, store, connect, time):
    server = connect(patience=30)
    site.answer = lambda asked: (302, {"Location": f"{store.url}/m"}, b"")
    store.answer = lambda asked: (503, {}, b"")
    for _ in range(3):
        with pytest.raises(StatusError):
            server.manifest(COMPONENT)
    assert time.now <= 30
    replies = iter([(503, {}, b""), (503, {}, b"")])
    site.answer = lambda asked: next(replies, as_json({"topic": topic()}))
    assert server.topic("t1").name == "RHEL-9.2"


def test_a_silent_server_that_was_waited_for_in_vain_is_looked_at_for_a_tenth_of_the_patience(connect, monkeypatch):
    asked = []

    def silent(self, call, limit, timeouts):
        asked.append(timeouts)
        raise RequestFailedError(stalled(Target(str(call), "h"), timeouts.read))

    monkeypatch.setattr(HttpClient, "send", silent)
    server = connect("http://127.0.0.1:9", patience=30)
    for _ in range(2):
        with pytest.raises(StallError):
            server.topic("t1")
    assert set(asked[:-1]) == {(10.0, 15.0)}
    assert asked[-1] == (3.0, 3.0)


def test_a_refusal_is_not_tried_again(site, connect):
    site.answer = lambda asked: refused("no", 401)
    with pytest.raises(AccessError):
        connect().topic("t1")
    assert len(site.requests) == 1


def test_a_body_that_is_cut_is_fetched_again(site, connect):
    cuts = iter([(200, {"Content-Length": "500"}, b'{"topic"')])
    site.answer = lambda asked: next(cuts, as_json({"topic": topic()}))
    assert connect().topic("t1").name == "RHEL-9.2"


def test_a_cut_body_is_noticed_where_urllib3_does_not(site, connect, monkeypatch):
    monkeypatch.setattr(requests.Response, "iter_content", lambda self, size: iter([b"{}"]))
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


def closed_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def test_a_refused_connection_is_tried_again_and_then_named(connect, time):
    with pytest.raises(ServerUnreachableError, match=r"connection refused by 127\.0\.0\.1") as caught:
        connect(f"http://127.0.0.1:{closed_port()}").topic("t1")
    assert len(time.pauses) > 4
    assert "HTTPS_PROXY" in caught.value.hint


def test_a_dead_proxy_is_named_without_its_password(site, connect):
    network = Network(proxies={"http": f"http://user:pw@127.0.0.1:{closed_port()}"})
    with pytest.raises(ServerUnreachableError, match=r"proxy http://127\.0\.0\.1") as caught:
        connect(network=network, patience=0).topic("t1")
    assert "pw" not in str(caught.value)
    assert site.requests == []


def test_requests_go_through_the_proxy(site, store, connect):
    store.answer = lambda asked: as_json({"topic": topic()})
    connect("http://api.invalid", network=Network(proxies={"http": store.url})).topic("t1")
    assert store.requests[0].target == "http://api.invalid/api/v1/topics/t1"
    assert store.requests[0].headers["host"] == "api.invalid"


def test_a_name_that_does_not_exist_is_final(connect, time, monkeypatch):
    def unknown(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(ServerUnreachableError, match=r"name of api\.invalid cannot be resolved"):
        connect("http://api.invalid").topic("t1")
    assert time.pauses == []


def test_tls_to_a_port_without_it_is_final(site, connect, time):
    site.answer = lambda asked: None
    with pytest.raises(ServerUnreachableError, match=r"TLS with 127\.0\.0\.1"):
        connect(f"https{site.url[4:]}").topic("t1")
    assert time.pauses == []


def certificate_error(code, text="odd"):
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code, error.verify_message = code, text
    return requests.exceptions.SSLError(error)


@pytest.mark.parametrize(
    ("error", "what", "hint", "passing"),
    [
        (certificate_error(10), "has expired", "clock", False),
        (certificate_error(20), "authority that is not trusted", "REQUESTS_CA_BUNDLE", False),
        (certificate_error(62), "another host name", "DCI_CS_URL", False),
        (certificate_error(99), "not trusted: odd", "REQUESTS_CA_BUNDLE", False),
        (requests.exceptions.SSLError(ssl.SSLEOFError(8, "EOF")), "was cut", "", True),
        (socket.gaierror(socket.EAI_AGAIN, "try again"), "h cannot be resolved", "name servers", True),
        (requests.exceptions.ConnectTimeout(), "no connection to h", "HTTPS_PROXY", True),
        (requests.exceptions.InvalidSchema("SOCKS"), "no connection", "HTTPS_PROXY", True),
    ],
)
def test_a_break_is_explained(error, what, hint, passing):
    found = broken(error, Target("GET https://h/x", "h"))
    assert what in str(found.error)
    assert hint in found.error.hint
    assert found.passing is passing


def test_a_proxy_that_cannot_be_resolved_is_blamed():
    target = Target("GET https://h/x", "h", "http://p:3128")
    found = broken(socket.gaierror(socket.EAI_NONAME, "?"), target)
    assert "the proxy http://p:3128 cannot be resolved" in str(found.error)


# Secrets


def test_no_secret_is_logged(site, store, connect, caplog):
    caplog.set_level(logging.DEBUG, "dci_downloader")
    site.answer = lambda asked: (302, {"Location": f"{store.url}/m?X-Sig=presigned"}, b"")
    store.answer = lambda asked: (200, {}, MANIFEST)
    connect().manifest(COMPONENT)
    own = [record.getMessage() for record in caplog.records if record.name.startswith("dci_downloader")]
    assert [text.partition(",")[0] for text in own] == [
        f"GET {site.url}/api/v1/components/c1/files/dci_files_list.json: 302",
        f"GET {store.url}/m: 200",
    ]
    assert not any("presigned" in text or SECRET in text or "Signature" in text for text in own)


def test_errors_show_neither_secret_nor_job(site, connect):
    site.answer = lambda asked: as_json({"job": {"id": "j", "remoteci": {"api_secret": SECRET}}})
    with pytest.raises(TransferError) as caught:
        connect().job("j")
    assert SECRET not in str(caught.value) + caught.value.hint


def test_quoting_keeps_slashes_between_segments(connect):
    assert connect().files(COMPONENT).request("a/b c").url.endswith("/files/" + quote("a/b c"))
