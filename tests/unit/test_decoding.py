"""Documents of the control server: every key that is used is checked."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from dci_downloader.errors import TransferError
from tests.unit.control_site import SECRET, as_json, component, topic


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


def test_errors_show_neither_secret_nor_job(site, connect):
    site.answer = lambda asked: as_json({"job": {"id": "j", "remoteci": {"api_secret": SECRET}}})
    with pytest.raises(TransferError) as caught:
        connect().job("j")
    assert SECRET not in str(caught.value) + caught.value.hint
