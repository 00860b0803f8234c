"""Jobs, created, moved on and deleted: against the embedded control server, which checks signatures for real."""

import json
import logging

import pytest

from dci_downloader import (
    AccessError,
    Credentials,
    LoginCredentials,
    Mirror,
    NotFoundError,
    RemoteciCredentials,
    SettingsError,
    StaleJobError,
    StatusError,
    SyncOptions,
    sync_topic,
)
from dci_downloader.control.client import Clock, ControlServer
from dci_downloader.control.resolver import resolve_job
from dci_downloader.errors import ServerUnreachableError, TransferError
from dci_downloader.models import Job
from tests.interception import cut, intercept


@pytest.fixture
def pauses():
    return []


@pytest.fixture
def server(lab, pauses):
    credentials = Credentials(lab.site.client_id, lab.site.api_secret, lab.site.url)
    with ControlServer(credentials, patience=5, clock=Clock(sleep=pauses.append, chance=lambda: 0.0)) as server:
        yield server


@pytest.fixture
def topic(lab, server):
    lab.build({"x": b"1"}, number=1, name="older – é")
    lab.build({"x": b"2"}, number=2)
    return server.topic(lab.topic.id)


@pytest.fixture
def older(server, topic):
    return list(server.components(topic.id, type="compose"))[-1]


def trouble(*answers):
    """An intercepting function that answers the first requests, and leaves the others to the server."""
    left = list(answers)

    def troubled(exchange):
        if not left or exchange.request.method == "GET":  # what a change needs to know is read before it
            return False
        answer = left.pop(0)
        answer(exchange)
        return True

    return troubled


def status(number, body=b"", **headers):
    return lambda exchange: exchange.answer(number, body, headers)


def after(exchange):
    """The request arrives and is done; the answer gets lost."""
    type(exchange.server).respond(exchange.server, _Mute(exchange))
    cut(exchange)


class _Mute:
    def __init__(self, exchange):
        self.request = exchange.request

    def answer(self, *_):
        pass


def test_a_job_has_exactly_the_components_it_was_created_with(server, topic, older):
    job = server.create_job(topic, [older])
    assert (job.status, job.topic, job.components) == ("new", topic, (older,))
    assert server.job(job.id) == job


def test_an_unknown_component_creates_nothing(lab, server, topic, older):
    removed = lab.build({"x": b"3"}, number=3)
    unknown = server.component(removed.id)
    del lab.catalog.components[removed.id]
    with pytest.raises(NotFoundError, match=f"no component with the id {removed.id}"):
        server.create_job(topic, [older, unknown])
    assert lab.catalog.jobs == {}
    assert not [request for request in lab.site.control.requests if request.method == "POST"]


def test_a_state_and_its_comment_arrive_and_give_the_job_another_etag(lab, server, topic, older):
    job = server.create_job(topic, [older])
    now = server.set_job_state(job, "error", 'no room on "/srv/dci" – 5 GB')
    (there,) = lab.catalog.jobs.values()
    assert (there.status, there.comment) == ("error", 'no room on "/srv/dci" – 5 GB')
    assert (now.status, now.etag) == ("error", there.etag)
    assert now.etag != job.etag


@pytest.mark.parametrize("state", ["asleep", "", "Running", "pre_run", None])
def test_a_state_that_is_none_is_refused_before_anything_is_asked(lab, server, topic, older, state):
    job = server.create_job(topic, [older])
    lab.site.control.forget()
    with pytest.raises(SettingsError, match="no state") as caught:
        server.set_job_state(job, state)
    assert "pre-run, running" in caught.value.hint
    assert lab.site.control.requests == []


def test_what_is_no_id_is_not_taken_for_a_malformed_state(lab, server):
    intercept(lab.site.control, trouble(status(400, b'{"message": "Request malformed"}')))
    with pytest.raises(NotFoundError, match="no job with the id foo"):
        server.set_job_state("foo", "running")


def test_a_job_that_cannot_exist_does_not_count_as_deleted(server):
    with pytest.raises(NotFoundError):
        server.delete_job("foo")


def test_a_job_is_deleted_by_its_present_etag(lab, server, topic, older):
    job = server.set_job_state(server.create_job(topic, [older]), "pre-run")
    server.delete_job(job)
    assert lab.catalog.jobs == {}
    with pytest.raises(NotFoundError):
        server.job(job.id)


def test_a_stale_etag_deletes_nothing_and_says_so(lab, server, topic, older):
    job = server.create_job(topic, [older])
    server.set_job_state(job, "running")
    with pytest.raises(StaleJobError, match="changed since it was read") as caught:
        server.delete_job(job)
    assert (list(lab.catalog.jobs), caught.value.status) == ([job.id], 404)
    assert "read it again" in caught.value.hint
    server.delete_job(server.job(job.id))
    assert lab.catalog.jobs == {}


def test_a_job_that_is_gone_counts_as_deleted(lab, server, topic, older):
    job = server.create_job(topic, [older])
    for given in (job, job, job.id):
        server.delete_job(given)
        assert lab.catalog.jobs == {}
    asked = [request for request in lab.site.control.requests if request.path.endswith(job.id)]
    assert [(request.method, request.status) for request in asked] == [
        ("DELETE", 204),
        ("DELETE", 404),  # the server says so of a stale etag, too: the job is read to tell the one from the other
        ("GET", 404),
        ("GET", 404),
    ]


def test_ids_do_as_well_as_objects(lab, server, topic, older):
    job = server.create_job(topic.id, [older.id])
    assert (job.topic, job.components, job.status) == (topic, (older,), "new")
    assert server.job(job.id) == job
    assert server.set_job_state(job.id, "running", "by id").status == "running"
    server.delete_job(job.id)
    assert lab.catalog.jobs == {}


@pytest.mark.parametrize("given", ["", "..", "a/b"])
def test_what_is_no_id_of_a_job_is_not_taken_for_a_job_that_is_gone(server, given):
    with pytest.raises(NotFoundError, match="no id of a job"):
        server.delete_job(given)


def test_ids_and_objects_may_be_mixed(lab, server, topic, older):
    newer = next(server.components(topic, type="compose"))
    job = server.create_job(topic, [older.id, newer])
    assert job.components == (older, newer) == server.job(job.id).components


def test_a_job_deleted_by_its_id_is_deleted_by_the_etag_it_has_now(lab, server, topic, older):
    job = server.create_job(topic, [older])
    now = server.set_job_state(job, "pre-run")
    server.delete_job(job.id)
    (deletion,) = [request for request in lab.site.control.requests if request.method == "DELETE"]
    assert deletion.headers["if-match"] == now.etag != job.etag


@pytest.mark.parametrize("unknown", ["no-such-id", "", "a/b"])
def test_an_unknown_id_creates_nothing(lab, server, topic, older, unknown):
    for given in ((unknown, [older]), (topic, [older, unknown])):
        with pytest.raises(NotFoundError):
            server.create_job(*given)
    with pytest.raises(NotFoundError):
        server.set_job_state(unknown, "running")
    assert lab.catalog.jobs == {}
    assert not [request for request in lab.site.control.requests if request.path == "/api/v1/jobs"]


def test_a_job_without_an_etag_is_not_deleted(lab, server, topic, older):
    job = server.create_job(topic, [older])
    with pytest.raises(SettingsError, match="etag"):
        server.delete_job(Job(job.id, job.status, topic, job.components))
    assert list(lab.catalog.jobs) == [job.id]


def test_another_team_has_no_access(lab, server, topic, older):
    theirs = lab.catalog.add_job(lab.topic, [], remoteci=lab.catalog.add_remoteci("others"))
    with pytest.raises(AccessError):
        server.set_job_state(Job(theirs.id, "new", topic, ()), "running")
    with pytest.raises(AccessError):
        server.delete_job(Job(theirs.id, "new", topic, (), theirs.etag))
    assert list(lab.catalog.jobs) == [theirs.id]


@pytest.mark.parametrize("answer", [status(503, **{"Retry-After": "1"}), status(502), cut])
def test_creating_a_job_is_never_repeated(lab, server, topic, older, pauses, answer):
    lab.site.control.forget()
    intercept(lab.site.control, trouble(answer))
    with pytest.raises(TransferError) as caught:
        server.create_job(topic, [older])
    assert "not tried again" in caught.value.hint
    assert [request.method for request in lab.site.control.requests] == ["GET", "POST"]
    assert pauses == []


def test_a_job_whose_answer_gets_lost_is_there_once(lab, server, topic, older):
    intercept(lab.site.control, trouble(after))
    with pytest.raises(ServerUnreachableError):
        server.create_job(topic, [older])
    assert len(lab.catalog.jobs) == 1


@pytest.mark.parametrize("answer", [status(503), after])
def test_deleting_a_job_is_repeated_until_it_is_gone(lab, server, topic, older, pauses, answer):
    job = server.create_job(topic, [older])
    intercept(lab.site.control, trouble(answer))
    server.delete_job(job)
    assert (lab.catalog.jobs, len(pauses)) == ({}, 1)


def test_a_redirect_is_not_followed(lab, server, topic, older):
    intercept(lab.site.control, trouble(status(307, Location="/api/v1/jobs")))
    with pytest.raises(TransferError, match="redirected"):
        server.create_job(topic, [older])
    assert lab.catalog.jobs == {}


def test_the_secret_in_answers_about_jobs_is_never_kept_or_logged(lab, server, topic, older, caplog):
    caplog.set_level(logging.DEBUG)
    secret = lab.site.api_secret
    leaky = json.dumps({"job": {"id": "j", "remoteci": {"api_secret": secret}}}).encode()
    job = server.set_job_state(server.create_job(topic, [older]), "pre-run")
    assert secret not in repr(vars(job))
    for number in (201, 400, 500):
        intercept(lab.site.control, trouble(status(number, leaky)))
        with pytest.raises(TransferError) as caught:
            server.create_job(topic, [older])
        assert secret not in f"{caught.value!r} {caught.value.hint} {vars(caught.value)}"
    assert caplog.text
    assert secret not in caplog.text


# what a job was created with


def test_a_job_gives_its_own_components_however_old_they_are(lab, server, older, topic, tmp_path):
    job = server.create_job(topic, [older])
    (done,) = sync_topic(server, Mirror(tmp_path), options=SyncOptions(job=job)).components
    assert (done.name, (tmp_path / "RHEL-9.2/compose/x").read_bytes()) == (older.name, b"1")


def test_a_job_of_another_topic_than_expected_is_refused(server, topic, older, tmp_path):
    job = server.create_job(topic, [older])
    assert resolve_job(job, "rhel-9.*") == (topic, (older,), {})
    with pytest.raises(SettingsError, match=r"of topic RHEL-9\.2, not of RHEL-9\.3"):
        sync_topic(server, Mirror(tmp_path / "dci"), "RHEL-9.3", options=SyncOptions(job=job))
    assert not (tmp_path / "dci").exists()


def test_a_job_without_components_is_an_error(server, topic):
    with pytest.raises(NotFoundError, match="no components"):
        resolve_job(server.create_job(topic, []))


def test_two_components_of_one_type_cannot_share_a_folder(server, topic, tmp_path):
    job = server.create_job(topic, list(server.components(topic.id, type="compose")))
    report = sync_topic(server, Mirror(tmp_path), options=SyncOptions(job=job))
    assert [failure.exit_code for failure in report.failures] == [2, 2]
    assert all("both be published" in failure.reason for failure in report.failures)


def test_neither_topic_nor_component_nor_job_is_an_error(server, tmp_path):
    with pytest.raises(SettingsError, match="neither"):
        sync_topic(server, Mirror(tmp_path))


# what an agent says of its job


def test_a_job_is_created_with_all_that_is_said_of_it(lab, server, topic, older):
    first = server.create_job(topic, [older])
    said = {"name": "nightly é", "tags": ("a", "b"), "comment": 'two "disks"', "configuration": "c", "url": "http://ci"}
    job = server.create_job(topic, [older], **said, data={"k": [1]}, previous_job_id=first.id, pipeline_id=first.id)
    assert {name: getattr(job, name) for name in said} == said
    assert (job.data, job.previous_job_id, job.pipeline_id) == ({"k": (1,)}, first.id, first.id)
    assert (job.remoteci_id, job.team_id) == (lab.catalog.remoteci.id, lab.catalog.remoteci.team.id)
    assert job.created_at.tzinfo is not None
    assert server.job(job.id) == job


def test_the_server_creates_the_job_before_it_looks_at_components_so_they_are_looked_at_here(lab, server, topic, older):
    lab.catalog.components[older.id].team_id = "somebody else's"
    with pytest.raises(AccessError):
        server.create_job(topic, [older])
    assert lab.catalog.jobs == {}
    document = {"topic_id": topic.id, "components": [older.id]}
    with pytest.raises(AccessError):
        server._api.post("/api/v1/jobs", document)
    assert len(lab.catalog.jobs) == 1


def test_a_component_that_is_named_twice_creates_nothing(lab, server, topic, older):
    with pytest.raises(SettingsError, match="twice"):
        server.create_job(topic, [older, older.id])
    assert lab.catalog.jobs == {}


def test_only_a_remoteci_has_jobs(lab, topic, older):
    user = lab.catalog.user
    credentials = LoginCredentials(user.login, user.password, lab.site.url)
    with ControlServer(credentials) as server, pytest.raises(StatusError, match="Only remoteci can create job"):
        server.create_job(topic, [older])


def test_the_server_chooses_the_newest_of_each_type(lab, server, topic):
    job = server.schedule_job(topic, name="nightly", tags=["a"], comment="c", configuration="x")
    (component,) = job.components
    assert (component.name, job.name, job.tags, job.comment) == ("RHEL-9.2.0-2", "nightly", ("a",), "c")
    older = next(component for component in server.components(topic) if component.name == "older – é")
    assert server.schedule_job(topic.id, [older], previous_job_id=job.id).components == (older,)
    assert server.job(job.id) == job


@pytest.mark.slow
def test_a_job_that_was_scheduled_and_cannot_be_read_is_named(lab, server, topic):
    def answer(exchange):
        reads_job = exchange.request.method == "GET" and "/jobs/" in exchange.request.path
        return reads_job and (exchange.answer(500) or True)

    intercept(lab.site.control, answer)
    with pytest.raises(TransferError) as caught:
        server.schedule_job(topic)
    (job,) = lab.catalog.jobs
    assert f"job {job} was created" in caught.value.hint


def test_what_is_said_of_a_job_can_be_changed(lab, server, topic, older):
    job = server.create_job(topic, [older], name="a", tags=["x"])
    now = server.update_job(job, tags=("y", "z"), comment="c", status_reason="no room", data={"k": 1}, url="http://x")
    assert (now.name, now.tags, now.comment, now.status_reason) == ("a", ("y", "z"), "c", "no room")
    assert (now.data, now.url, now.components) == ({"k": 1}, "http://x", (older,))
    assert now.etag != job.etag
    assert server.update_job(job.id, configuration="by id").configuration == "by id"
    assert server.update_job(now.id, name="").name == ""


def test_a_change_by_a_stale_etag_changes_nothing(lab, server, topic, older):
    job = server.create_job(topic, [older])
    server.set_job_state(job, "running")
    with pytest.raises(StaleJobError, match="is not changed: it has changed since"):
        server.update_job(job, name="new")
    assert server.job(job.id).name == ""
    lab.catalog.jobs.clear()
    with pytest.raises(NotFoundError):
        server.update_job(job, name="new")


@pytest.mark.parametrize("said", [409, 412])
def test_servers_of_any_age_say_that_an_etag_is_stale(lab, server, topic, older, said):
    job = server.create_job(topic, [older])
    refusal = json.dumps({"message": "conflict", "status_code": said}).encode()
    for change in (lambda: server.update_job(job, name="x"), lambda: server.delete_job(job)):
        intercept(lab.site.control, trouble(status(said, refusal)))
        with pytest.raises(StaleJobError):
            change()


def test_components_are_added_and_taken_away(lab, server, topic, older):
    newer = next(server.components(topic))
    job = server.create_job(topic, [older])
    assert server.add_component(job, newer).components == (older, newer)
    with pytest.raises(StatusError, match="Unable to associate"):
        server.add_component(job, newer.id)
    assert server.remove_component(job.id, older).components == (newer,)
    assert server.remove_component(job, older.id).components == (newer,)
    with pytest.raises(NotFoundError):
        server.add_component(job, "5b5cbb32-4a79-4a39-9c0c-e6bb1bf7e0d5")


def test_files_are_attached_and_listed(lab, server, topic, older):
    job = server.create_job(topic, [older])
    binary = bytes(range(256))
    attached = server.upload_file(job, ".composeinfo", '{"é": 1}', mime="application/json")
    server.upload_file(job.id, "core dump", binary)
    assert (attached.name, attached.mime, attached.size, attached.job_id) == (
        ".composeinfo",
        "application/json",
        9,
        job.id,
    )
    assert {file.name: file.size for file in server.job_files(job)} == {".composeinfo": 9, "core dump": 256}
    assert [file.content for file in lab.catalog.jobs[job.id].files] == [b'{"\xc3\xa9": 1}', binary]


@pytest.mark.parametrize(("name", "mime"), [("", "a/b"), ("a\nb", "a/b"), ("é", "a/b"), ("a", ""), ("a", "b\r\nc: d")])
def test_a_name_that_no_header_can_carry_is_refused(lab, server, topic, older, name, mime):
    job = server.create_job(topic, [older])
    with pytest.raises(SettingsError, match="cannot be called"):
        server.upload_file(job, name, b"", mime=mime)
    assert lab.catalog.jobs[job.id].files == []


def test_a_job_is_deleted_by_its_id_and_an_etag(lab, server, topic, older):
    job = server.create_job(topic, [older])
    with pytest.raises(StaleJobError):
        server.delete_job(job.id, "stale")
    server.delete_job(job.id, job.etag)
    assert lab.catalog.jobs == {}
    server.delete_job(job.id, job.etag)


CHANGES = {
    "schedule": lambda server, job, component: server.schedule_job(job.topic),
    "update": lambda server, job, component: server.update_job(job, name="x"),
    "add": lambda server, job, component: server.add_component(job, component),
    "remove": lambda server, job, component: server.remove_component(job, component),
    "state": lambda server, job, component: server.set_job_state(job, "running"),
    "upload": lambda server, job, component: server.upload_file(job, "x", b"y"),
}


@pytest.mark.parametrize("answer", [status(503), status(502), cut, after], ids=["503", "502", "cut", "lost"])
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_no_change_is_ever_repeated_by_itself(lab, server, topic, older, pauses, change, answer):
    newer = next(server.components(topic))
    job = server.create_job(topic, [older])
    lab.site.control.forget()
    intercept(lab.site.control, trouble(answer))
    with pytest.raises(TransferError) as caught:
        change(server, job, newer)
    assert "not tried again" in caught.value.hint
    assert len([request for request in lab.site.control.requests if request.method != "GET"]) == 1
    assert pauses == []


def test_an_older_server_says_not_found_of_a_remoteci_that_it_does_not_know(lab):
    lab.catalog.older = True
    unknown = RemoteciCredentials("remoteci/5b5cbb32", "x", lab.site.url)
    with ControlServer(unknown) as server, pytest.raises(AccessError, match="remoteci not found"):
        next(server.topics())
