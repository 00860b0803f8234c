"""The API as JSON: pages, conditions, ids, sizes."""

from __future__ import annotations

import pytest

from dci_downloader import __version__
from dci_downloader.control import api
from dci_downloader.errors import NotFoundError, SettingsError, StatusError, TransferError
from tests.unit.control_site import SECRET, as_json, listing, topic

JOB = {"id": "j", "status": "new", "topic": topic(), "components": []}


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


@pytest.mark.parametrize("given", ["", ".", "..", "a\nb", "\udcff"])
def test_what_is_no_id_is_not_asked_for(site, connect, given):
    with pytest.raises(NotFoundError, match="no id of a component"):
        connect().component(given)
    assert site.requests == []


def test_names_that_are_not_text_are_refused(connect):
    with pytest.raises(SettingsError, match="printable"):
        next(connect().topics("RHEL\udcff"))


def test_an_answer_has_a_largest_size(site, connect, monkeypatch):
    monkeypatch.setattr(api, "MAX_RESPONSE", 2**20)
    site.answer = lambda asked: (200, {}, b" " * (2**20 + 1))
    with pytest.raises(TransferError, match="larger than 1 MiB"):
        connect().topic("t1")


def conditional(document, etag='"e1"'):
    """A server that says 304 of what the client has; gives the statuses of its answers."""
    statuses = []

    def answer(asked):
        same = asked.headers.get("If-None-Match") == etag
        statuses.append(304 if same else 200)
        return (304, {"ETag": etag}, b"") if same else as_json(document, ETag=etag)

    return answer, statuses


def test_what_has_not_changed_is_not_sent_again_where_the_server_says_so(site, connect):
    site.answer, statuses = conditional({"topic": topic()})
    server = connect()
    assert [server.topic("t1").name for _ in range(3)] == ["RHEL-9.2"] * 3
    assert statuses == [200, 304, 304]
    assert [asked.headers.get("If-None-Match") for asked in site.requests] == [None, '"e1"', '"e1"']
    assert connect().topic("t1")
    assert statuses[-1] == 200


def test_what_has_changed_is_read_anew(site, connect):
    server = connect()
    site.answer, _ = conditional({"topic": topic("old")}, '"1"')
    assert server.topic("t1").name == "old"
    site.answer, statuses = conditional({"topic": topic("new")}, '"2"')
    assert [server.topic("t1").name for _ in range(2)] == ["new", "new"]
    assert statuses == [200, 304]


def test_a_server_that_does_not_know_etags_sends_everything_and_nothing_is_pretended(site, connect):
    names = iter(["first", "second", "third"])
    site.answer = lambda asked: as_json({"topic": topic(next(names))}, ETag='"same"')
    server = connect()
    assert [server.topic("t1").name for _ in range(3)] == ["first", "second", "third"]
    site.answer = lambda asked: (304, {}, b"")
    with pytest.raises(StatusError, match="HTTP 304"):
        connect().topic("t1")


def test_no_etag_that_a_header_cannot_carry_is_sent_back(site, connect):
    site.answer = lambda asked: as_json({"topic": topic()}, ETag="\x80")
    server = connect()
    assert server.topic("t1") == server.topic("t1")
    assert all("If-None-Match" not in asked.headers for asked in site.requests)


def test_no_more_documents_are_kept_than_a_few_and_no_secret_of_theirs(site, connect):
    site.answer, _ = conditional({"job": {**JOB, "remoteci": {"api_secret": SECRET}}})
    server = connect()
    for number in range(200):
        server.job(f"j{number}")
    known = server._api._known
    assert len(known) == 64
    assert SECRET not in str([vars(document) for _, document in known.values()])
