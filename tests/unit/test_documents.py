"""The control server's documents: everything that it says is there, and nothing odd in it is a reason to fail."""

from datetime import datetime, timezone

import pytest

from dci_downloader.control import documents
from dci_downloader.control.decoding import Fields
from dci_downloader.errors import TransferError
from tests.unit.control_site import SECRET, component, topic

WHEN = "2026-11-20T10:20:30.5"
MOMENT = datetime(2026, 11, 20, 10, 20, 30, 500000, timezone.utc)
PRODUCT = {"id": "p1", "name": "RHEL", "label": "RHEL", "created_at": WHEN, "etag": "e", "members": 3}


def fields(value):
    return Fields(value, "GET http://cs/x")


def job_of(**more):
    return {"id": "j1", "status": "new", "etag": "e", "topic": topic(), "components": [component("x")], **more}


def test_a_topic_has_its_product_and_the_topic_after_it():
    read = documents.topic(
        fields(
            topic(
                state="inactive",
                product=PRODUCT,
                product_id="p1",
                next_topic=topic("RHEL-9.3"),
                next_topic_id="id-RHEL-9.3",
                export_control=False,
                data={"registry": {"login": "u", "password": SECRET}, "pull_secret": {"auth": SECRET}},
                updated_at=WHEN,
                etag="e1",
                component_types_optional=["hwcert"],
                brand_new=[1],
            )
        )
    )
    assert (read.product.name, read.product.label, read.product.created_at) == ("RHEL", "RHEL", MOMENT)
    assert read.product.extra == {"members": 3}
    assert (read.next_topic.name, read.next_topic_id, read.product_id) == ("RHEL-9.3", "id-RHEL-9.3", "p1")
    assert (read.state, read.export_control, read.updated_at, read.etag) == ("inactive", False, MOMENT, "e1")
    assert read.data["pull_secret"]["auth"] == SECRET
    assert read.extra == {"brand_new": (1,)}
    assert SECRET not in repr(read)


def test_a_component_has_everything_but_its_jobs_and_files():
    read = documents.component(
        fields(
            component(
                "RHEL-9.2.0-20261120.1",
                version="RHEL-9.2.0-20261120.1",
                display_name="RHEL 9.2 nightly",
                canonical_project_name="rhel",
                uid="u",
                url="https://example.com/compose",
                title="t",
                message="m",
                data={"arch": ["x86_64"], "channel": "nightly"},
                released_at=WHEN,
                updated_at=WHEN,
                etag="e",
                jobs=[{"id": "j"}],
                files=[],
                later="x",
            )
        )
    )
    assert (read.display_name, read.canonical_project_name, read.uid) == ("RHEL 9.2 nightly", "rhel", "u")
    assert (read.url, read.title, read.message, read.etag) == ("https://example.com/compose", "t", "m", "e")
    assert (read.released_at, read.updated_at) == (MOMENT, MOMENT)
    assert read.data == {"arch": ("x86_64",), "channel": "nightly"}
    assert read.extra == {"later": "x"}
    assert hash(read)


def test_a_job_has_everything_but_the_secret_of_its_remoteci():
    read = documents.job(
        fields(
            job_of(
                name="nightly",
                tags=["a", "b"],
                comment="c",
                configuration="two-disks",
                status_reason="no room",
                url="http://ci",
                remoteci_id="r1",
                team_id="t1",
                product_id="p1",
                previous_job_id="j0",
                pipeline_id="pl",
                duration=7,
                data={"k": 1},
                created_at=WHEN,
                updated_at=WHEN,
                client_version="v",
                user_agent="u",
                remoteci={"id": "r1", "api_secret": SECRET, "data": {"x": SECRET}},
                results=[{"total": 3}],
            )
        )
    )
    assert (read.name, read.tags, read.comment, read.configuration) == ("nightly", ("a", "b"), "c", "two-disks")
    assert (read.status_reason, read.url, read.duration, read.data) == ("no room", "http://ci", 7, {"k": 1})
    assert (read.remoteci_id, read.team_id, read.product_id) == ("r1", "t1", "p1")
    assert (read.previous_job_id, read.pipeline_id, read.update_previous_job_id) == ("j0", "pl", "")
    assert (read.created_at, read.updated_at, read.client_version, read.user_agent) == (MOMENT, MOMENT, "v", "u")
    assert read.extra == {"results": ({"total": 3},)}
    assert SECRET not in f"{vars(read)}"


@pytest.mark.parametrize("odd", [None, 1, "x", [], {}, True, "\ud800", [None], {"id": 1}])
def test_what_is_only_passed_on_may_be_anything(odd):
    keys = [*documents._TOPIC_TEXTS, "export_control", "data", "product", "next_topic", "updated_at"]
    for key in keys:
        read = documents.topic(fields(topic(**{key: odd})))
        assert read.name == "RHEL-9.2"
    for key in [*documents._COMPONENT_TEXTS, "data", "updated_at"]:
        assert documents.component(fields(component("x", **{key: odd}))).name == "x"
    for key in [*documents._JOB_TEXTS, "tags", "duration", "data", "created_at", "updated_at"]:
        assert documents.job(fields(job_of(**{key: odd}))).id == "j1"
    for key in (*documents._FILE_TEXTS, "size", "created_at"):
        assert documents.job_file(fields({"id": "f", "name": "n", key: odd})).id == "f"


def test_what_has_another_type_than_expected_is_kept_as_it_is():
    read = documents.component(fields(component("x", url=7, data=["a"])))
    assert (read.url, read.data, read.extra) == ("", {}, {"url": 7, "data": ("a",)})


@pytest.mark.parametrize("key", ["id", "name", "type", "topic_id"])
def test_what_a_sync_relies_on_is_an_error_where_it_lacks(key):
    with pytest.raises(TransferError, match=f"lacks a usable '{key}'"):
        documents.component(fields({**component("x"), key: None}))


def test_a_file_of_a_job_is_read():
    document = {"id": "f", "name": ".composeinfo", "mime": "application/json", "size": 9, "x": 1}
    read = documents.job_file(fields(document))
    assert (read.name, read.mime, read.size, read.extra) == (".composeinfo", "application/json", 9, {"x": 1})
    assert read.state == "active"


def nested(depth, value="x"):
    for _ in range(depth):
        value = {"a": [value]}
    return value


@pytest.mark.parametrize("depth", [40, 300, 900])
def test_what_is_nested_too_deep_is_left_out(depth):
    document = topic(data=nested(depth), unheard_of=nested(depth), next_topic={"next_topic": nested(depth)}, etag="e")
    read = documents.topic(fields(document))
    assert (read.etag, read.data, read.extra) == ("e", {}, {})
    assert documents.topic(fields(topic(data=nested(20)))).data["a"]


def test_a_topic_knows_the_one_after_it_and_no_further():
    chain = topic("T0")
    for number in range(1, 200):
        chain = topic(f"T{number}", next_topic=chain)
    read = documents.topic(fields(chain))
    assert (read.next_topic.name, read.next_topic.next_topic) == ("T198", None)
