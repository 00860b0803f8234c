"""Topics, components and jobs as the control server has them."""

from __future__ import annotations

from datetime import datetime, timezone
from functools import partial

import pytest

from dci_downloader import where
from dci_downloader.errors import NotFoundError, SettingsError
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


# lists, against the embedded control server


def named(items):
    return [item.name for item in items]


def test_topics_are_narrowed_by_conditions_of_any_form(lab):
    product = lab.catalog.add_product("OpenShift", "OCP")
    lab.catalog.add_topic("OCP-4.18", product=product)
    lab.catalog.add_topic("OCP, old", product=product, state="inactive")
    topics = lab.server.topics
    assert named(topics(where={"product_id": product.id})) == ["OCP-4.18"]
    assert named(topics(where=where(product_id=product.id, state="inactive"))) == ["OCP, old"]
    assert named(topics(active=False, where=where(name="OCP, old"))) == ["OCP, old"]
    assert named(topics("ocp*", active=False, sort="name")) == ["OCP, old", "OCP-4.18"]
    assert named(topics(query="like(name,RHEL%)")) == ["RHEL-9.2"]
    assert named(topics(active=False, limit=1)) == ["OCP, old"]


@pytest.mark.parametrize(
    ("conditions", "message", "form"),
    [
        ({"query": "x"}, "Invalid query: .*x", "and(eq(type,compose)"),
        ({"where": "colour:red"}, "Invalid where key: colour", "where is made of column:value"),
        ({"sort": "colour"}, "Invalid sort key: colour", "sort is made of columns"),
    ],
)
def test_conditions_that_the_server_refuses_are_the_users_fault(lab, conditions, message, form):
    for items in (lab.server.topics, partial(lab.server.components, lab.topic), lab.server.jobs, lab.server.products):
        with pytest.raises(SettingsError, match=message) as caught:
            next(items(**conditions))
        assert form in caught.value.hint


def test_components_are_narrowed_and_sorted(lab):
    for number in range(30):
        lab.build({}, number=number, tags=("third",) if number % 3 == 0 else (), type="compose" if number else "hwcert")
    components = lab.server.components
    begin = datetime(2026, 11, 29, tzinfo=timezone.utc)
    assert named(components(lab.topic.id, created_after=begin)) == ["RHEL-9.2.0-29", "RHEL-9.2.0-28"]
    assert named(components(lab.topic.id, created_after="2026-11-29", sort="created_at")) == [
        "RHEL-9.2.0-28",
        "RHEL-9.2.0-29",
    ]
    assert named(components(lab.topic.id, limit=2, sort="name")) == ["RHEL-9.2.0-0", "RHEL-9.2.0-1"]
    assert named(components(lab.topic.id, type="HWCERT")) == ["RHEL-9.2.0-0"]
    query = "or(eq(name,RHEL-9.2.0-3),eq(name,RHEL-9.2.0-0))"
    assert named(components(lab.topic.id, type="Compose", tags=["third"], query=query)) == ["RHEL-9.2.0-3"]
    assert named(components(lab.topic.id, where=where(name="RHEL-9.2.0-4", type="compose"))) == ["RHEL-9.2.0-4"]


def test_components_of_all_topics_are_listed_where_no_topic_is_named(lab):
    lab.build({}, number=1)
    other = lab.catalog.add_topic("OCP-4.18")
    lab.build({}, number=2, name="other", topic=other, type="ocp")
    assert named(lab.server.components()) == ["other", "RHEL-9.2.0-1"]
    assert named(lab.server.components(where=where(topic_id=other.id))) == ["other"]
    assert named(lab.server.components(created_after="2026-11-03")) == ["other"]


def test_what_an_expression_cannot_hold_is_looked_at_here(lab):
    lab.build({}, number=1, name="a+b~c", tags=("x(y)",))
    lab.build({}, number=2, name="other")
    query = "eq(type,compose)"
    assert named(lab.server.components(lab.topic.id, name="a+b~c", query=query)) == ["a+b~c"]
    assert named(lab.server.components(lab.topic.id, tags=["x(y)"], query=query)) == ["a+b~c"]


def test_components_of_another_state_are_listed_where_conditions_name_it(lab):
    lab.build({}, number=1, name="gone", state="inactive")
    lab.build({}, number=2, name="here")
    assert named(lab.server.components(lab.topic.id)) == ["here"]
    assert named(lab.server.components(lab.topic.id, where={"state": "inactive"})) == ["gone"]


def test_the_jobs_of_the_team_are_listed_page_by_page(lab):
    build = lab.catalog.components[lab.build({}, number=1).id]
    for number in range(25):
        job = lab.catalog.add_job(lab.topic, [build], created_at=datetime(2026, 11, 1 + number, tzinfo=timezone.utc))
        job.fields.update(name=f"job-{number}", tags=["a"] if number % 2 else [])
    lab.catalog.add_job(lab.topic, [], remoteci=lab.catalog.add_remoteci("others"))
    jobs = list(lab.server.jobs())
    assert (len(jobs), jobs[0].name, jobs[-1].name) == (25, "job-24", "job-0")
    assert (jobs[0].topic.name, named(jobs[0].components)) == ("RHEL-9.2", ["RHEL-9.2.0-1"])
    assert lab.site.api_secret not in f"{[vars(job) for job in jobs]}"
    assert named(lab.server.jobs(where=where(name="job-7"))) == ["job-7"]
    assert named(lab.server.jobs(where={"tags": "a", "status": "new"}, limit=1)) == ["job-23"]
    assert named(lab.server.jobs(created_after="2026-11-25")) == ["job-24"]
    assert named(lab.server.jobs(query="eq(name,job-3)")) == ["job-3"]


def test_products_are_listed(lab):
    lab.catalog.add_product("OpenShift", "OCP")
    assert sorted(product.label for product in lab.server.products()) == ["OCP", "RHEL"]
    assert named(lab.server.products(where=where(label="ocp"))) == ["OpenShift"]
    assert len(list(lab.server.products(sort="name", limit=1))) == 1
