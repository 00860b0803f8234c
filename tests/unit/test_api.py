"""The API as JSON: pages, conditions, ids, sizes."""

from __future__ import annotations

import pytest

from dci_downloader import __version__
from dci_downloader.control import api
from dci_downloader.errors import NotFoundError, SettingsError, TransferError
from tests.unit.control_site import as_json, listing, topic


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
