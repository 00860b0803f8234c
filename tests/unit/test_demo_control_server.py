import json
from datetime import datetime, timedelta, timezone
from urllib.parse import parse_qs, quote, urlsplit

import pytest
import requests
from dciauth.signature import HmacAuthBase

from dci_downloader.demo.catalog import Catalog, Team
from dci_downloader.demo.site import DemoSite

BEGIN = datetime(2026, 11, 24, 12, tzinfo=timezone.utc)
NAMES = ["a%41.txt", "gcc-c++.rpm", "~^ #?&=;,'\"é日.rpm", "deep/er/file", "50%"]


class Client:
    """Signs as the agents of the field do, and follows no redirect."""

    def __init__(self, site, remoteci, session):
        self.site = site
        self.auth = HmacAuthBase(remoteci.client_id, remoteci.api_secret, "api", "BHS3")
        self.session = session

    def __call__(self, method, path, **options):
        options.setdefault("auth", self.auth)
        return self.session.request(method, self.site.url + path, allow_redirects=False, timeout=10, **options)

    def get(self, path, **options):
        return self("GET", f"/api/v1/{path}", **options)

    def post(self, path, document):
        return self("POST", f"/api/v1/{path}", json=document)

    def names(self, path, **query):
        answer = self.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return [item["name"] for item in answer.json()[path.rpartition("/")[2]]]


@pytest.fixture
def site():
    with DemoSite(Catalog(), now=lambda: BEGIN) as site:
        yield site


@pytest.fixture
def catalog(site):
    return site.catalog


@pytest.fixture
def sign_in(site):
    with requests.Session() as session:
        session.trust_env = False
        yield lambda remoteci=None: Client(site, remoteci or site.catalog.remoteci, session)


@pytest.fixture
def client(sign_in):
    return sign_in()


@pytest.fixture
def topic(catalog):
    return catalog.add_topic("RHEL-9.2", component_types=("compose", "hwcert"))


@pytest.fixture
def component(catalog, topic):
    return catalog.add_component(topic, name="nightly", files={name: name.encode() for name in NAMES})


def refused(answer, status, message):
    assert answer.status_code == status
    document = answer.json()
    assert (document["status_code"], document["payload"]) == (status, {})
    assert message in document["message"]
    return True


# who is asking


def test_a_wrong_secret_is_400(site, client):
    wrong = HmacAuthBase(site.client_id, "wrong", "api", "BHS3")
    assert refused(client.get("topics", auth=wrong), 400, "HmacMechanism failed: signature is invalid")


@pytest.mark.parametrize("minutes", [-16, 16])
def test_a_clock_more_than_15_minutes_off_is_400(client, monkeypatch, minutes):
    skewed = datetime.now(timezone.utc).replace(tzinfo=None) + timedelta(minutes=minutes)
    monkeypatch.setattr("dciauth.v2.signature.get_now", lambda: skewed)
    assert refused(client.get("topics"), 400, "HmacMechanism failed: signature is expired")


def test_an_unknown_or_inactive_remoteci_is_401(catalog, sign_in):
    ghost, retired = catalog.add_remoteci("ghost"), catalog.add_remoteci("retired", state="inactive")
    del catalog.remotecis[ghost.id]
    for remoteci in (ghost, retired):
        assert refused(sign_in(remoteci).get("topics"), 401, "Could not verify")


def test_an_inactive_team_is_412(catalog, sign_in):
    lab = catalog.add_remoteci("lab", team=Team("t", "sleepers", state="inactive"))
    assert refused(sign_in(lab).get("topics"), 412, "sleepers")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Basic abc"},
        {"Authorization": "Basic abc", "X-DCI-Date": "20261124T120000Z"},
        {"Authorization": "a Credential=b, SignedHeaders=host, Signature=c", "X-DCI-Date": "20261124T120000Z"},
        {
            "Authorization": "a Credential=user/b/c/d/e/dci2_request, SignedHeaders=host, Signature=c",
            "X-DCI-Date": "20261124T120000Z",
        },
        {
            "Authorization": "a Credential=remoteci/b/c/d/e/dci2_request, SignedHeaders=no, Signature=c",
            "X-DCI-Date": "20261124T120000Z",
        },
    ],
    ids=["none", "basic", "dated", "short", "user", "unsent header"],
)
def test_a_missing_or_malformed_authorization_is_401(client, headers):
    assert refused(client.get("topics", auth=None, headers=headers), 401, "Could not verify")


def test_a_date_that_is_none_is_401(client):
    def scrawl(request):
        client.auth(request)
        request.headers["x-dci-date"] = "yesterday"
        return request

    assert refused(client.get("topics", auth=scrawl), 401, "Could not verify")


@pytest.mark.parametrize("query", ["where=", "limit=1&limit=2&offset=0"])
def test_an_empty_or_repeated_key_breaks_the_signature(client, query):
    assert refused(client.get(f"topics?{query}"), 400, "signature is invalid")


@pytest.mark.parametrize("tampered", ["query", "path", "method"])
def test_the_signature_covers_the_request(client, topic, tampered):
    def tamper(request):
        client.auth(request)
        if tampered == "query":
            request.url += "?limit=1&offset=0"
        elif tampered == "path":
            request.url += f"/{topic.id}"
        else:
            request.method = "HEAD"
        return request

    assert client.get("topics", auth=tamper).status_code == 400


def test_the_signature_covers_the_body(client, topic):
    def tamper(request):
        client.auth(request)
        request.body = request.body.replace(b"pre-run", b"success")
        return request

    answer = client("POST", "/api/v1/jobstates", json={"job_id": "j", "status": "pre-run"}, auth=tamper)
    assert refused(answer, 400, "signature is invalid")


# routes


def test_an_unknown_route_and_method_are_pages(client, topic):
    for method, path, status in [("GET", "/api/v1/nothing", 404), ("PUT", "/api/v1/topics", 405), ("GET", "/", 404)]:
        answer = client(method, path)
        assert answer.status_code == status
        assert answer.headers["Content-Type"].startswith("text/html")
        assert f"<h1>{status} " in answer.text


# lists


def test_topics_are_listed_with_what_a_client_reads(client, topic):
    document = client.get("topics").json()
    assert document["_meta"] == {"count": 1}
    (shown,) = document["topics"]
    assert (shown["id"], shown["name"], shown["component_types"]) == (topic.id, "RHEL-9.2", ["compose", "hwcert"])
    assert client.get(f"topics/{topic.id}").json() == {"topic": shown}


def test_a_registry_login_is_in_the_data_of_its_topic(catalog, client):
    topic = catalog.add_topic("OSP17.1", registry={"login": "l", "password": "p"})
    assert client.get(f"topics/{topic.id}").json()["topic"]["data"] == {"registry": {"login": "l", "password": "p"}}


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("name:rhel-9.2", ["RHEL-9.2"]),
        ("name:RHEL-9.*", ["RHEL-9.2", "My RHEL-9.3"]),
        ("name:RHEL-9", []),
        ("name:*", ["RHEL-9.2", "My RHEL-9.3", "RHEL, old"]),
        ("name:*.2", []),
        ("name:RHEL-9.*,state:active", ["RHEL-9.2"]),
        ('"name:RHEL, old"', ["RHEL, old"]),
        ("state:inactive", ["My RHEL-9.3"]),
    ],
)
def test_where_matches_as_the_server_does(catalog, client, where, found):
    catalog.add_topic("RHEL-9.2")
    catalog.add_topic("My RHEL-9.3", state="inactive")
    catalog.add_topic("RHEL, old")
    assert client.names("topics", where=where, sort="created_at") == found


@pytest.mark.parametrize(
    ("tags", "found"),
    [("tags:nightly", ["b", "a"]), ("tags:nightly,tags:kernel:5.14", ["b"]), ("tags:night*", []), ("tags:Nightly", [])],
)
def test_several_tags_are_anded_and_exact(catalog, client, topic, tags, found):
    catalog.add_component(topic, name="a", tags=["nightly"])
    catalog.add_component(topic, name="b", tags=["nightly", "kernel:5.14"])
    assert client.names(f"topics/{topic.id}/components", where=tags) == found


@pytest.mark.parametrize(
    "query",
    [
        "where=colour:red",
        "where=name",
        "sort=colour",
        "limit=5",
        "offset=5",
        "limit=x&offset=0",
        "limit=0&offset=0",
        "limit=1&offset=-1",
        "query=eq(colour,x)",
        "query=eq(name)",
        "query=and(eq(name,x))",
        "query=eq(name,x",
        "query=eq(name,a~b)",
        "query=contains(export_control,x)",
        f"query={'not(' * 5000}",
        "where=name:a%0D%0A,state:active",
    ],
)
def test_a_list_query_that_makes_no_sense_is_400(client, query):
    assert client.get(f"topics?{query}").status_code == 400


def test_pages_are_20_long_at_most_200_and_count_everything(catalog, client, topic):
    for number in range(230):
        catalog.add_component(topic, name=str(number))
    path = f"topics/{topic.id}/components"
    answer = client.get(path, params={"sort": "created_at"}).json()
    assert (answer["_meta"]["count"], len(answer["components"])) == (230, 20)
    assert client.names(path, sort="created_at", limit=1000, offset=0) == [str(number) for number in range(200)]
    assert client.names(path, sort="created_at", limit=200, offset=200) == [str(number) for number in range(200, 230)]


def test_components_come_by_release_and_can_be_sorted_by_creation(catalog, client, topic):
    days = [BEGIN + timedelta(days=number) for number in range(3)]
    catalog.add_component(topic, name="released last", type="hwcert", created_at=days[0], released_at=days[2])
    catalog.add_component(topic, name="created last", created_at=days[1], released_at=days[1])
    path = f"topics/{topic.id}/components"
    assert client.names(path) == ["released last", "created last"]
    assert client.names(path, sort="-created_at") == ["created last", "released last"]
    assert client.names(path, sort="type,-created_at") == ["created last", "released last"]
    assert client.names(path, where="type:hwcert") == ["released last"]


# what a team may see


def test_a_topic_that_is_not_for_the_team_is_hidden_in_lists_and_401_by_id(catalog, client, sign_in):
    other = catalog.add_remoteci("other")
    topic = catalog.add_topic("secret", teams=[other.team.id])
    component = catalog.add_component(topic, name="c", files={"f": b"x"})
    assert client.get("topics").json() == {"_meta": {"count": 0}, "topics": []}
    for path in (f"topics/{topic.id}", f"topics/{topic.id}/components", f"components/{component.id}"):
        assert refused(client.get(path), 401, "Operation not authorized.")
        assert sign_in(other).get(path).status_code == 200
    assert refused(client.get(f"components/{component.id}/files/f"), 401, "Operation not authorized.")


def test_private_components_are_for_their_team_alone(catalog, client, topic):
    other = catalog.add_remoteci("other")
    own = catalog.add_component(topic, name="own", team_id=catalog.remoteci.team.id)
    foreign = catalog.add_component(topic, name="foreign", team_id=other.team.id)
    assert client.names(f"topics/{topic.id}/components") == ["own"]
    assert client.get(f"components/{own.id}").status_code == 200
    assert refused(client.get(f"components/{foreign.id}"), 401, "Operation not authorized.")


@pytest.mark.parametrize("path", ["topics/x", "topics/x/components", "components/x", "components/x/files/f", "jobs/x"])
def test_unknown_ids_are_404(client, path):
    unknown = "6c7b0d8c-0000-0000-0000-000000000000"
    assert refused(client.get(path.replace("x", unknown)), 404, f"{unknown} not found")
    page = client.get(path)  # what is no id is part of no route
    assert (page.status_code, page.headers["Content-Type"]) == (404, "text/html; charset=utf-8")


def test_a_component_shows_its_jobs(catalog, client, topic, component):
    job = catalog.add_job(topic, [component])
    shown = client.get(f"components/{component.id}").json()["component"]
    assert (shown["id"], shown["files"], [each["id"] for each in shown["jobs"]]) == (component.id, [], [job.id])


# files


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_file_is_a_redirect_to_the_store(site, client, component, version, name):
    def double_unquoted(request):  # the server unquotes the path twice before it checks the signature
        sent, request.url = request.url, request.url.replace("%25", "%")
        client.auth(request)
        request.url = sent
        return request

    path = f"/api/{version}/components/{component.id}/files/{quote(name)}"
    answer = client("GET", path, auth=double_unquoted)
    assert (answer.status_code, answer.content) == (302, b"")
    location = urlsplit(answer.headers["Location"])
    assert parse_qs(location.query)["X-Amz-Expires"] == ["600"]
    assert parse_qs(location.query)["X-Amz-Date"] == ["20261124T120000Z"]
    assert client.session.get(location.geturl()).content == name.encode()
    assert site.store.requests[0].path == f"/{component.id}/{quote(name)}"


def test_head_of_a_file_is_the_same_redirect(client, component):
    answer = client("HEAD", f"/api/v1/components/{component.id}/files/50%25", auth=client.auth)
    assert answer.status_code == 302
    assert client.session.get(answer.headers["Location"]).content == b"50%"


def test_a_missing_object_is_still_a_redirect_and_404_at_the_store(client, component):
    answer = client.get(f"components/{component.id}/files/nothing")
    assert answer.status_code == 302
    assert client.session.get(answer.headers["Location"]).status_code == 404


# jobs


def test_a_job_shows_its_components_and_the_secret_of_its_remoteci(catalog, client, topic, component):
    job = catalog.add_job(topic, [component])
    shown = client.get(f"jobs/{job.id}").json()["job"]
    assert (shown["topic"]["id"], [item["id"] for item in shown["components"]]) == (topic.id, [component.id])
    assert shown["remoteci"]["api_secret"] == catalog.remoteci.api_secret


def test_a_job_of_another_team_is_401(catalog, client, topic):
    job = catalog.add_job(topic, [], remoteci=catalog.add_remoteci("other"))
    assert refused(client.get(f"jobs/{job.id}"), 401, "Operation not authorized.")


def test_creating_a_job_fixes_exactly_the_components_named(catalog, client, topic, component):
    catalog.add_component(topic, name="newer")
    answer = client.post("jobs", {"topic_id": topic.id, "components": [component.id]})
    assert answer.status_code == 201
    job = client.get(f"jobs/{answer.json()['job']['id']}").json()["job"]
    assert [item["name"] for item in job["components"]] == ["nightly"]
    assert job["status"] == "new"
    assert job["created_at"] == "2026-11-24T12:00:00.000000"


def test_creating_a_job_with_something_unknown_is_404(client, topic):
    assert refused(client.post("jobs", {"topic_id": "x", "components": []}), 404, "topic x not found")
    assert refused(client.post("jobs", {"topic_id": topic.id, "components": ["y"]}), 404, "component y not found")


def test_the_scheduler_takes_the_newest_public_active_of_each_type(catalog, client, topic):
    days = [BEGIN + timedelta(days=number) for number in range(4)]
    catalog.add_component(topic, name="newest", created_at=days[1])
    catalog.add_component(topic, name="older", created_at=days[0])
    catalog.add_component(topic, name="private", created_at=days[2], team_id=catalog.remoteci.team.id)
    catalog.add_component(topic, name="retired", created_at=days[3], state="inactive")
    catalog.add_component(topic, name="cert", type="hwcert")
    catalog.add_component(catalog.add_topic("other"), name="of another topic", created_at=days[3])
    answer = client.post("jobs/schedule", {"topic_id": topic.id, "components_ids": []})
    assert answer.status_code == 201
    assert "components" not in answer.json()["job"]
    job = client.get(f"jobs/{answer.json()['job']['id']}").json()["job"]
    assert sorted(item["name"] for item in job["components"]) == ["cert", "newest"]


def test_the_scheduler_keeps_what_is_named(catalog, client, topic, component):
    catalog.add_component(topic, name="newer")
    catalog.add_component(topic, name="cert", type="hwcert")
    answer = client.post("jobs/schedule", {"topic_id": topic.id, "components_ids": [component.id]})
    job = catalog.jobs[answer.json()["job"]["id"]]
    assert sorted(item.name for item in job.components) == ["cert", "nightly"]


def test_the_scheduler_misses_only_what_is_not_optional(catalog, client, topic, component):
    assert refused(client.post("jobs/schedule", {"topic_id": topic.id}), 412, "No component of type hwcert")
    topic.optional_types = ("hwcert",)
    assert client.post("jobs/schedule", {"topic_id": topic.id}).status_code == 201


def test_a_jobstate_changes_the_status_and_the_etag(catalog, client, topic):
    job = catalog.add_job(topic, [])
    before = job.etag
    answer = client.post("jobstates", {"job_id": job.id, "status": "pre-run", "comment": "mirroring"})
    assert answer.status_code == 201
    assert answer.json()["jobstate"]["comment"] == "mirroring"
    shown = client.get(f"jobs/{job.id}").json()["job"]
    assert (shown["status"], shown["comment"]) == ("pre-run", "mirroring")
    assert shown["etag"] != before


def test_a_jobstate_that_is_none_is_400(catalog, client, topic):
    job = catalog.add_job(topic, [])
    assert refused(client.post("jobstates", {"job_id": job.id, "status": "asleep"}), 400, "status")
    assert job.status == "new"


def test_deleting_a_job_needs_its_present_etag(catalog, client, topic):
    job = catalog.add_job(topic, [])
    stale = job.etag
    client.post("jobstates", {"job_id": job.id, "status": "pre-run"})
    path = f"/api/v1/jobs/{job.id}"
    assert refused(client("DELETE", path), 412, "If-match")
    assert refused(client("DELETE", path, headers={"If-match": stale}), 404, "job not found")
    answer = client("DELETE", path, headers={"If-match": job.etag})
    assert (answer.status_code, answer.content) == (204, b"")
    assert client.get(f"jobs/{job.id}").status_code == 404


@pytest.mark.parametrize("body", [b"{", b"[]", b"{}", b'{"topic_id": 1}', b"[" * 99_999])
def test_a_document_that_is_not_what_the_call_takes_is_400(client, body):
    assert client("POST", "/api/v1/jobs", data=body).status_code == 400


def test_components_that_are_no_list_are_400(client, topic):
    assert refused(client.post("jobs", {"topic_id": topic.id, "components": "c"}), 400, "components")


# both servers together


def test_the_environment_is_what_agents_source(site):
    assert site.environment() == {
        "DCI_CLIENT_ID": site.catalog.remoteci.client_id,
        "DCI_API_SECRET": site.catalog.remoteci.api_secret,
        "DCI_CS_URL": site.url,
    }


def test_a_site_whose_port_is_taken_leaves_nothing_open(site):
    with pytest.raises(OSError, match="in use"):
        DemoSite(site.catalog, port=urlsplit(site.url).port)


def test_the_control_server_logs_every_request_with_its_body(site, client, topic):
    client.post("jobs", {"topic_id": topic.id})
    (logged,) = site.control.requests
    assert (logged.method, logged.path, logged.status) == ("POST", "/api/v1/jobs", 201)
    assert json.loads(logged.body) == {"topic_id": topic.id}
    assert logged.headers["authorization"].startswith("DCI2-HMAC-SHA256 Credential=remoteci/")
