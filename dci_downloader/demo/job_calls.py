"""The embedded control server's jobs, with the quirks of a real one.

* A job is created before its components are looked at: one that is refused leaves a job behind.
* An etag that is stale is answered with 404, none at all with 412.
* Adding and removing a component are answered with 201 and no body, and leave the etag as it is.
* Only a remoteci has jobs of its own; an inactive topic has none (412).
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from dci_downloader.demo.accounts import RemoteCI
from dci_downloader.demo.calls import Call, Reply
from dci_downloader.demo.catalog import CatalogComponent, CatalogJob, CatalogTopic, timestamp
from dci_downloader.demo.catalog_calls import CatalogCalls
from dci_downloader.demo.catalog_items import CatalogFile
from dci_downloader.demo.queries import ApiError, list_page

JOB_STATUSES = ("new", "pre-run", "running", "post-run", "success", "failure", "error", "killed")

_TEXTS = ("name", "comment", "configuration", "url")
# the fields that an agent may set with a new job, and later
_CREATED = (*_TEXTS, "tags", "data", "previous_job_id", "pipeline_id")
_UPDATED = (*_TEXTS, "tags", "data", "status_reason", "status")


class DemoApi(CatalogCalls):
    """One method for each call."""

    def jobs(self, call: Call) -> Reply:
        """The jobs of the sender's team."""
        mine = [job for job in self._catalog.jobs.values() if job.remoteci.team is call.sender.team]
        documents = [{**job.document(), **job.related()} for job in mine]
        return Reply(list_page("jobs", documents, call.query, "-created_at"))

    def job(self, call: Call) -> Reply:
        """One job, with all that belongs to it."""
        job = self._job(call.parts[0], call)
        files = [file.document(job) for file in job.files]
        document = {**job.document(), **job.related(), "jobstates": job.states, "files": files}
        return Reply({"job": document}, headers={"ETag": job.etag})

    def create_job(self, call: Call) -> Reply:
        """Create a job with certain components."""
        wanted = call.document("topic_id")
        topic = self._topic(wanted["topic_id"], call)
        ids = _list(wanted, "components")
        job = self._new_job(call, topic, wanted)
        for id_ in ids:
            component = self._component(id_, call)
            if component in job.components:
                raise ApiError(409, f"conflict when adding component {component.name}")
            job.components += (component,)
        return Reply({"job": job.document()}, 201, {"ETag": job.etag})

    def schedule_job(self, call: Call) -> Reply:
        """Create a job with the newest components of a topic."""
        wanted = call.document("topic_id")
        topic = self._topic(wanted["topic_id"], call)
        named = [self._component(id_, call) for id_ in _list(wanted, "components_ids")]
        chosen = {component.type: component for component in named}
        for type_ in topic.component_types:
            if type_ not in chosen:
                chosen.update(self._newest(topic, type_))
        job = self._new_job(call, topic, wanted)
        job.components = tuple(chosen.values())
        return Reply({"job": job.document()}, 201, {"ETag": job.etag})

    def update_job(self, call: Call) -> Reply:
        """Change what is said of a job; fields that it does not have are not looked at."""
        job = self._unchanged_job(call)
        wanted = call.document()
        _check_fields(wanted)
        if wanted.get("status", job.status) != job.status:
            self._set_state(job, wanted["status"], "")
        job.comment = wanted.get("comment", job.comment)
        job.fields.update({key: wanted[key] for key in _UPDATED if key in wanted and key not in ("comment", "status")})
        self._touch(job)
        return Reply({"job": job.document()}, 200, {"ETag": job.etag})

    def delete_job(self, call: Call) -> Reply:
        """Delete a job."""
        del self._catalog.jobs[self._unchanged_job(call).id]
        return Reply(None, 204)

    def create_jobstate(self, call: Call) -> Reply:
        """Say how far a job is."""
        wanted = call.document("job_id", "status")
        _check_fields(wanted)
        job = self._job(wanted["job_id"], call)
        state = self._set_state(job, wanted["status"], wanted.get("comment") or "")
        job.comment = state["comment"]
        self._touch(job)
        return Reply({"jobstate": state}, 201)

    def job_states(self, call: Call) -> Reply:
        """How far a job was, and when."""
        states = self._job(call.parts[0], call).states
        return Reply({"jobstates": states, "_meta": {"count": len(states)}})

    def job_components(self, call: Call) -> Reply:
        """The components of a job."""
        components = self._job(call.parts[0], call).components
        documents = [component.document() for component in components]
        return Reply({"components": documents, "_meta": {"count": len(documents)}})

    def add_component(self, call: Call) -> Reply:
        """Add a component to a job."""
        job = self._job(call.parts[0], call)
        component = self._component(call.document("id")["id"], call)
        if component in job.components:
            raise ApiError(409, f"Unable to associate component {component.id} to job {job.id}")
        job.components += (component,)
        return Reply(None, 201)

    def remove_component(self, call: Call) -> Reply:
        """Take a component from a job; one that it does not have is a success, too."""
        job, component = self._job(call.parts[0], call), self._component(call.parts[1], call)
        job.components = tuple(one for one in job.components if one is not component)
        return Reply(None, 201)

    def upload_file(self, call: Call) -> Reply:
        """Attach a file, which headers describe, to a job."""
        headers = call.request.headers
        for name in ("DCI-JOB-ID", "DCI-NAME"):
            if name.lower() not in headers:
                raise ApiError(400, f"HTTP header {name} must be specified")
        job = self._job(headers["dci-job-id"], call)
        mime = headers.get("dci-mime", "text/plain")
        file = CatalogFile(str(uuid.uuid4()), headers["dci-name"], mime, call.request.body, self._server.now())
        job.files.append(file)
        return Reply({"file": file.document(job)}, 201)

    def job_files(self, call: Call) -> Reply:
        """The files of a job."""
        job = self._job(call.parts[0], call)
        return Reply(list_page("files", [file.document(job) for file in job.files], call.query, "-created_at"))

    def file_content(self, call: Call) -> Reply:
        """What a file of a job holds."""
        jobs = (job for job in self._catalog.jobs.values() if job.remoteci.team is call.sender.team)
        files = (file for job in jobs for file in job.files if file.id == call.parts[0])
        file = next(files, None)
        if file is None:
            raise ApiError(404, "file not found")
        return Reply(None, headers={"Content-Type": file.mime}, content=file.content)

    def _new_job(self, call: Call, topic: CatalogTopic, wanted: Mapping[str, Any]) -> CatalogJob:
        """Create a job without components, with the fields that were sent."""
        sender = call.sender
        if not isinstance(sender, RemoteCI) or sender.kind != "remoteci":
            raise ApiError(400, "Only remoteci can create job")
        if topic.state != "active":
            raise ApiError(412, f"Topic {topic.id}:{topic.name} not active.")
        _check_fields(wanted)
        if wanted.get("previous_job_id"):
            self._job(wanted["previous_job_id"], call)
        job = self._catalog.add_job(topic, (), remoteci=sender, created_at=self._server.now())
        job.comment = wanted.get("comment", "")
        job.fields.update({key: wanted[key] for key in _CREATED if key in wanted and key != "comment"})
        return job

    def _newest(self, topic: CatalogTopic, type_: str) -> dict[str, CatalogComponent]:
        """What the scheduler picks, by type: active, public, created last; nothing where an optional type has none."""
        wanted = (type_, "active", None)
        candidates = [item for item in self._attached(topic) if (item.type, item.state, item.team_id) == wanted]
        if not candidates and type_ not in topic.optional_types:
            raise ApiError(412, f"No component of type {type_} in topic {topic.id}")
        return {type_: max(candidates, key=lambda component: component.created_at)} if candidates else {}

    def _set_state(self, job: CatalogJob, status: str, comment: str) -> dict[str, Any]:
        now = timestamp(self._server.now())
        state = {"id": str(uuid.uuid4()), "job_id": job.id, "status": status, "comment": comment, "created_at": now}
        job.status = status
        job.states.append(state)
        return state

    def _touch(self, job: CatalogJob) -> None:
        job.changes += 1
        job.updated_at = self._server.now()

    def _unchanged_job(self, call: Call) -> CatalogJob:
        """The job that a call changes by its etag."""
        if "if-match" not in call.request.headers:
            raise ApiError(412, "If-match header must be provided")
        job = self._job(call.parts[0], call)
        if call.request.headers["if-match"] != job.etag:
            raise ApiError(404, "job not found")
        return job

    def _job(self, id_: str, call: Call) -> CatalogJob:
        job = self._catalog.jobs.get(id_)
        if job is None:
            raise ApiError(404, f"job {id_} not found")
        if job.remoteci.team is not call.sender.team:
            raise ApiError(401, "Operation not authorized.")
        return job


def _list(wanted: Mapping[str, Any], name: str) -> list[str]:
    ids = wanted.get(name, [])
    if not isinstance(ids, list):
        raise ApiError(400, f"{name}: not a list")
    return [str(id_) for id_ in ids]


def _check_fields(wanted: Mapping[str, Any]) -> None:
    """Raise ApiError for a field of another type than the server stores."""
    texts = (*_TEXTS, "status_reason", "previous_job_id", "pipeline_id")
    if any(not isinstance(wanted.get(name) or "", str) for name in texts):
        raise ApiError(400, "Request malformed")
    tags = wanted.get("tags", [])
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise ApiError(400, "Request malformed")
    if not isinstance(wanted.get("data", {}), dict):
        raise ApiError(400, "Request malformed")
    if wanted.get("status", "new") not in JOB_STATUSES:
        raise ApiError(400, "status: not a job status")
