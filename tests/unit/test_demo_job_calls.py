"""The embedded control server's jobs as an agent of the field meets them: with the quirks of a real one."""

import base64

import pytest
import requests

from tests.unit.test_demo_control_server import catalog, client, refused, sign_in, site, topic

__all__ = ["catalog", "client", "sign_in", "site", "topic"]  # fixtures


@pytest.fixture
def component(catalog, topic):
    return catalog.add_component(topic, name="nightly")


@pytest.fixture
def job(catalog, topic, component):
    return catalog.add_job(topic, [component])


def test_a_job_is_there_although_its_component_is_refused(catalog, client, topic):
    nowhere = "5b5cbb32-4a79-4a39-9c0c-e6bb1bf7e0d5"
    assert refused(client.post("jobs", {"topic_id": topic.id, "components": [nowhere]}), 404, "not found")
    assert len(catalog.jobs) == 1


def test_an_inactive_topic_has_no_new_jobs(catalog, client, topic):
    topic.state = "inactive"
    assert refused(client.post("jobs", {"topic_id": topic.id, "components": []}), 412, "not active")
    assert catalog.jobs == {}


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_a_change_needs_the_etag_that_the_job_has(client, job, method):
    path = f"/api/v1/jobs/{job.id}"
    assert refused(client(method, path, json={"name": "x"}), 412, "If-match")
    assert refused(client(method, path, json={"name": "x"}, headers={"If-match": "stale"}), 404, "job not found")
    assert client(method, path, json={"name": "x"}, headers={"If-match": job.etag}).status_code in (200, 204)


def test_an_update_gives_the_job_another_etag_and_leaves_out_what_it_does_not_know(client, job):
    before = job.etag
    document = {"name": "n", "tags": ["a"], "status": "running", "remoteci_id": "somebody", "colour": "red"}
    answer = client("PUT", f"/api/v1/jobs/{job.id}", json=document, headers={"If-match": before})
    shown = answer.json()["job"]
    assert (shown["name"], shown["tags"], shown["status"]) == ("n", ["a"], "running")
    assert (shown["remoteci_id"], "colour" in shown) == (job.remoteci.id, False)
    assert before != shown["etag"] == answer.headers["ETag"]
    states = client.get(f"jobs/{job.id}/jobstates").json()
    assert ([state["status"] for state in states["jobstates"]], states["_meta"]) == (["running"], {"count": 1})


@pytest.mark.parametrize(
    "document",
    [{"tags": "a"}, {"name": 1}, {"data": []}, {"status": "asleep"}, {"tags": [1]}, {"previous_job_id": [1]}],
)
def test_a_field_of_another_type_is_400(client, job, topic, document):
    headers = {"If-match": job.etag}
    assert client("PUT", f"/api/v1/jobs/{job.id}", json=document, headers=headers).status_code == 400
    assert client.post("jobs", {"topic_id": topic.id, **document}).status_code == 400


def test_components_come_and_go_with_201_and_no_body_and_leave_the_etag(catalog, client, topic, job):
    other, etag = catalog.add_component(topic, name="other"), job.etag
    path = f"jobs/{job.id}/components"
    added = client.post(path, {"id": other.id})
    assert (added.status_code, added.content, job.etag) == (201, b"", etag)
    assert [one["name"] for one in client.get(path).json()["components"]] == ["nightly", "other"]
    assert refused(client.post(path, {"id": other.id}), 409, "Unable to associate")
    for _ in range(2):
        assert client("DELETE", f"/api/v1/{path}/{other.id}").status_code == 201
    assert job.components[-1].name == "nightly"


def test_a_file_is_described_by_headers_and_can_be_read_again(client, job):
    headers = {"DCI-JOB-ID": job.id, "DCI-NAME": "a b", "DCI-MIME": "application/x"}
    answer = client("POST", "/api/v1/files", data=b"\x00\xff", headers=headers)
    file = answer.json()["file"]
    assert (answer.status_code, file["name"], file["size"], file["mime"]) == (201, "a b", 2, "application/x")
    listed = client.get(f"jobs/{job.id}/files").json()
    assert (listed["files"], listed["_meta"]) == ([file], {"count": 1})
    content = client.get(f"files/{file['id']}/content")
    assert (content.content, content.headers["Content-Type"]) == (b"\x00\xff", "application/x")
    assert client.get(f"files/{job.id}/content").status_code == 404
    for name in ("DCI-JOB-ID", "DCI-NAME"):
        lacking = {key: value for key, value in headers.items() if key != name}
        assert refused(client("POST", "/api/v1/files", data=b"", headers=lacking), 400, name)


def test_who_asks_is_told_so(catalog, client):
    shown = client.get("identity").json()["identity"]
    assert (shown["name"], list(shown["teams"])) == ("demo-lab", [catalog.remoteci.team.id])
    user = catalog.user
    basic = client.get("identity", auth=(user.login, user.password)).json()["identity"]
    assert (basic["name"], list(basic["teams"])) == ("demo-user", [user.team.id])


@pytest.mark.parametrize("value", ["Basic !", f"Basic {base64.b64encode(b'demo-user:no').decode()}", "Bearer a.b.c"])
def test_another_password_or_token_is_401(client, value):
    assert refused(client.get("topics", auth=None, headers={"Authorization": value}), 401, "Could not verify")


def test_components_are_listed_across_topics(catalog, client, component):
    catalog.add_component(catalog.add_topic("OCP-4.18"), name="other")
    catalog.add_component(catalog.add_topic("hidden", teams=[]), name="unseen")
    assert client.names("components", sort="name") == ["nightly", "other"]


def test_what_was_created_before_a_moment_is_left_out(catalog, client, topic):
    for number in range(3):
        catalog.add_component(topic, name=str(number))
    path, second = f"topics/{topic.id}/components", list(catalog.components.values())[1]
    assert client.names(path, created_after=second.document()["created_at"], sort="name") == ["1", "2"]
    assert client.names(path, created_after=int(second.created_at.timestamp() * 1000), sort="name") == ["1", "2"]
    for moment in ("yesterday", "9" * 30, "253402300800000"):
        assert len(client.names(path, updated_after=moment)) == 3


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("eq(name,b)", ["b"]),
        ("ne(name,b)", ["a", "c"]),
        ("or(lt(name,b),ge(name,c))", ["a", "c"]),
        ("and(gt(name,a),le(name,b))", ["b"]),
        ("not(eq(name,a))", ["b", "c"]),
        ("contains(tags,x)", ["a", "b"]),
        ("contains(tags,x,y)", ["b"]),
        ("not_contains(tags,x)", ["c"]),
        ("like(version,B%)", []),
        ("ilike(version,B%)", ["b"]),
        ("null(team_id)", ["a", "b", "c"]),
        ("and(eq(type,compose), or(eq(name,a), eq(name,c)))", ["a", "c"]),
    ],
)
def test_an_expression_narrows_a_list(catalog, client, topic, query, found):
    for name, tags in (("a", ["x"]), ("b", ["x", "y"]), ("c", [])):
        catalog.add_component(topic, name=name, tags=tags)
    assert client.names(f"topics/{topic.id}/components", query=query, sort="name") == found


def test_a_where_makes_that_an_expression_is_not_looked_at(catalog, client, topic):
    catalog.add_component(topic, name="a")
    assert client.names(f"topics/{topic.id}/components", where="name:a", query="eq(name,b)") == ["a"]


def test_nothing_is_304(client, topic):
    answer = client.get(f"topics/{topic.id}")
    again = client.get(f"topics/{topic.id}", headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.json()) == (200, answer.json())


def test_an_older_server_does_not_know_a_remoteci_by_404(catalog, sign_in):
    catalog.older = True
    ghost = catalog.add_remoteci("ghost")
    del catalog.remotecis[ghost.id]
    assert refused(sign_in(ghost).get("topics"), 404, "remoteci not found")


@pytest.mark.parametrize(
    ("path", "form", "status", "error"),
    [
        ("/elsewhere", {}, 404, "RESTEASY003210: Could not find resource for full path"),
        ("", {"client_id": "other"}, 401, "invalid_client"),
        ("", {"grant_type": "code"}, 400, "unsupported_grant_type"),
        ("", {"password": "wrong"}, 401, "invalid_grant"),
    ],
)
def test_the_sso_answers_as_keycloak_does(site, path, form, status, error):
    user = site.catalog.user
    right = {"client_id": "dci", "grant_type": "password", "username": user.login, "password": user.password}
    url = f"{site.sso.url}/auth/realms/redhat-external/protocol/openid-connect/token"
    with requests.Session() as session:
        session.trust_env = False
        answer = session.post(url, data=right, timeout=10).json()
        assert (answer["token_type"], answer["expires_in"]) == ("Bearer", 300)
        assert len(answer["access_token"].split(".")) == 3
        refusal = session.post(url + path, data={**right, **form}, timeout=10)
        assert (refusal.status_code, refusal.json()["error"]) == (status, error)
        assert session.get(url, timeout=10).status_code == 405
