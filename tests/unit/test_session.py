"""Redirects, tries and outages."""

from __future__ import annotations

import logging
import socket
from email.utils import formatdate
from urllib.parse import urlsplit

import pytest

from dci_downloader.control.failures import Route, stall_failure
from dci_downloader.control.http_client import HttpClient
from dci_downloader.errors import AccessError, ServerUnreachableError, StallError, StatusError, TransferError
from dci_downloader.models import FileEntry
from tests.unit.control_site import (
    COMPONENT,
    DIGEST,
    MANIFEST,
    NOW,
    SECRET,
    as_json,
    closed_port,
    refused,
    signed,
    topic,
)


def test_the_object_store_sees_no_credentials(site, object_store, connect):
    site.answer = lambda asked: (302, {"Location": f"{object_store.url}/b/m?X-Sig=1", "Set-Cookie": "a=b"}, b"")
    object_store.answer = lambda asked: (200, {"ETag": '"e1"', "Set-Cookie": "c=d"}, MANIFEST)
    server = connect()
    for etag in ("", '"e0"', "bad\nheader"):
        manifest = server.manifest(COMPONENT, etag=etag)
        assert (manifest.files, manifest.etag, manifest.component_type) == (
            (FileEntry("x", DIGEST, 0),),
            '"e1"',
            "compose",
        )
    assert [asked.headers.get("If-None-Match") for asked in object_store.requests] == [None, '"e0"', None]
    for asked in object_store.requests:
        names = {name.lower() for name in asked.headers}
        assert not names & {"authorization", "x-dci-date", "cookie"}
        assert asked.headers["accept-encoding"] == "identity"
        assert asked.headers["host"] == urlsplit(object_store.url).netloc
    assert all("If-None-Match" not in asked.headers and "Cookie" not in asked.headers for asked in site.requests)
    assert signed(site.requests[0]) == (True, "")


def test_a_presigned_url_that_the_store_refuses_is_asked_for_anew(site, object_store, connect):
    site.answer = lambda asked: (302, {"Location": f"{object_store.url}/m"}, b"")
    refusals = iter([(403, {}, b"<Code>AccessDenied</Code>")] * 2)
    object_store.answer = lambda asked: next(refusals, (200, {}, MANIFEST))
    assert connect().manifest(COMPONENT)
    assert (len(site.requests), len(object_store.requests)) == (3, 3)
    object_store.answer = lambda asked: (403, {}, b"<Code>AccessDenied</Code>")
    with pytest.raises(StatusError, match="the object store answered HTTP 403"):
        connect().manifest(COMPONENT)
    assert (len(site.requests), len(object_store.requests)) == (6, 6)


def test_a_redirect_on_the_control_server_is_signed_again(site, connect):
    def answer(asked):
        assert signed(asked) == (True, "")
        if "v1" in asked.path:
            return 307, {"Location": asked.path.replace("v1", "v2")}, b""
        return 200, {}, MANIFEST

    site.answer = answer
    connect().manifest(COMPONENT)
    assert len(site.requests) == 2


def test_a_redirect_back_from_elsewhere_is_not_signed(site, object_store, connect):
    site.answer = lambda asked: (
        (302, {"Location": f"{object_store.url}/x"}, b"") if "files" in asked.path else refused("who?", 401)
    )
    object_store.answer = lambda asked: (302, {"Location": f"{site.url}/api/v1/jobs"}, b"")
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


def test_api_calls_are_not_redirected_away(site, object_store, connect):
    site.answer = lambda asked: (302, {"Location": f"{object_store.url}/login?token=1"}, b"")
    with pytest.raises(TransferError, match=f"redirected to {object_store.url}/login, which") as caught:
        connect().topic("t1")
    assert "DCI_CS_URL" in caught.value.hint
    assert object_store.requests == []


def test_passing_trouble_is_sat_out_with_fresh_signatures(site, object_store, connect, time):
    troubles = iter(
        [(500, {}, b"<html>"), (503, {"Retry-After": "7"}, b""), None, (302, {"Location": object_store.url}, b"")]
    )
    site.answer = lambda asked: next(troubles, (302, {"Location": f"{object_store.url}/m"}, b""))
    late = iter([(429, {}, b"")])
    object_store.answer = lambda asked: next(late, (200, {}, MANIFEST))
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


def test_an_outage_of_the_store_is_none_of_the_control_server(site, object_store, connect, time):
    server = connect(patience=30)
    site.answer = lambda asked: (302, {"Location": f"{object_store.url}/m"}, b"")
    object_store.answer = lambda asked: (503, {}, b"")
    for _ in range(3):
        with pytest.raises(StatusError):
            server.manifest(COMPONENT)
    assert time.now <= 30
    replies = iter([(503, {}, b""), (503, {}, b"")])
    site.answer = lambda asked: next(replies, as_json({"topic": topic()}))
    assert server.topic("t1").name == "RHEL-9.2"


def test_a_silent_server_that_was_waited_for_in_vain_is_looked_at_for_a_tenth_of_the_patience(connect, monkeypatch):
    asked = []

    def silent(self, request, limit, timeouts):
        asked.append(timeouts)
        raise stall_failure(Route(str(request), "h"), timeouts.read)

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


def test_a_refused_connection_is_tried_again_and_then_named(connect, time):
    with pytest.raises(ServerUnreachableError, match=r"connection refused by 127\.0\.0\.1") as caught:
        connect(f"http://127.0.0.1:{closed_port()}").topic("t1")
    assert len(time.pauses) > 4
    assert "(HTTP_PROXY)" in caught.value.hint


def test_a_name_that_does_not_exist_is_final(connect, time, monkeypatch):
    def unknown(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(ServerUnreachableError, match=r"name of api\.invalid cannot be resolved"):
        connect("http://api.invalid").topic("t1")
    assert time.pauses == []


def test_no_secret_is_logged(site, object_store, connect, caplog):
    caplog.set_level(logging.DEBUG, "dci_downloader")
    site.answer = lambda asked: (302, {"Location": f"{object_store.url}/m?X-Sig=presigned"}, b"")
    object_store.answer = lambda asked: (200, {}, MANIFEST)
    connect().manifest(COMPONENT)
    own = [record.getMessage() for record in caplog.records if record.name.startswith("dci_downloader")]
    assert [text.partition(",")[0] for text in own] == [
        f"GET {site.url}/api/v1/components/c1/files/dci_files_list.json: 302",
        f"GET {object_store.url}/m: 200",
    ]
    assert not any("presigned" in text or SECRET in text or "Signature" in text for text in own)
