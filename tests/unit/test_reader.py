"""Topics, components and jobs as the control server has them."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from dci_downloader.errors import NotFoundError
from tests.unit.control_site import SECRET, as_json, component, listing, topic


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


@pytest.mark.parametrize("asked_for", ["compose", "Compose", "COMPOSE"])
@pytest.mark.parametrize("stored", ["compose", "Compose"])
def test_the_case_of_a_type_is_ignored_as_by_the_server(site, connect, asked_for, stored):
    site.answer = listing("components", [component("a", type=stored), component("b", type="hwcert")])
    assert [c.name for c in connect().components("t1", type=asked_for)] == ["a"]


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
