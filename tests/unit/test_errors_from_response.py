"""Responses other than the expected one: what the user can do."""

from __future__ import annotations

import json
from email.utils import formatdate

import pytest

from dci_downloader.control.decoding import Response
from dci_downloader.control.errors_from_response import error_from_response
from dci_downloader.errors import AccessError, NotFoundError, StatusError
from tests.unit.control_site import NOW, refused

ID = "5b5cbb32-4a79-4a39-9c0c-e6bb1bf7e0d5"


@pytest.mark.parametrize(
    ("status", "text", "error", "what", "hint"),
    [
        (401, "Operation not authorized.", AccessError, "has no access", "team"),
        (401, "Unknown \x1b[31mremoteci\n", AccessError, r"credentials \(Unknown \[31mremoteci\)", "DCI_CLIENT_ID"),
        (400, "HmacMechanism failed: signature is invalid", AccessError, "signature wrong", "DCI_API_SECRET"),
        (404, "remoteci not found", AccessError, r"credentials \(remoteci not found\)", "DCI_CLIENT_ID"),
        (404, "RemoteCI 66194b70 was not found", AccessError, "credentials", "dcirc.sh"),
        (412, "Team lab is not active", AccessError, "refused: Team lab is not active", "DCI contact"),
        (412, "Topic: RHEL-9.2 not active.", AccessError, "refused: Topic: RHEL-9.2 not active.", "lists"),
        (412, "Remoteci lab is disabled", AccessError, "refused: Remoteci lab is disabled", "enable the remoteci"),
        (412, "If-match header must be provided", AccessError, "If-match", "dashboard"),
        (412, "", AccessError, "condition", "dashboard"),
        (404, "topic not found", NotFoundError, r"not found \(topic not found\)", "dashboard"),
        (400, "bad where", StatusError, r"HTTP 400 \(bad where\)", ""),
        (403, "x" * 999, StatusError, "x{200}\\)", ""),
        (407, "", StatusError, "HTTP 407", "into HTTP_PROXY"),
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
    assert "(HTTP_PROXY)" in caught.value.hint


@pytest.mark.parametrize("body", [b"<html>404", b"[]", b'"x"', b"{}"])
def test_an_unknown_route_points_at_the_address(site, connect, body):
    site.answer = lambda asked: (404, {"Content-Type": "text/html"}, body)
    for ask in (lambda: connect().topic(ID), lambda: next(connect().topics())):
        with pytest.raises(StatusError, match=r"HTTP 404$") as caught:
            ask()
        assert "DCI_CS_URL" in caught.value.hint


@pytest.mark.parametrize("given", ["foo", ID[:-1], f"{ID}0", ID.replace("-", ""), f" {ID}", "é", "%2e"])
@pytest.mark.parametrize("kind", ["topic", "component", "job"])
def test_what_is_no_id_is_named_and_not_the_address_blamed(site, connect, kind, given):
    site.answer = lambda asked: (404, {"Content-Type": "text/html"}, b"<html>404 Not Found")
    with pytest.raises(NotFoundError, match="there is no") as caught:
        getattr(connect(), kind)(given)
    assert str(caught.value) == f"there is no {kind} with the id {given}"
    assert ("lists those there are" if kind == "component" else "dashboard") in caught.value.hint
    assert "DCI_CS_URL" not in caught.value.hint


@pytest.mark.parametrize(
    ("kind", "who"), [("topic", "DCI contact"), ("component", "private to another team"), ("job", "own team only")]
)
def test_a_denial_says_who_can_give_access(site, connect, kind, who):
    site.answer = lambda asked: refused("Operation not authorized.", 401)
    with pytest.raises(AccessError) as caught:
        getattr(connect(), kind)(ID)
    assert who in caught.value.hint
    assert ("topic" in caught.value.hint) == (kind == "topic")
