"""Jobs, created, changed and deleted. None of it is ever repeated by itself, but the deletion, which is safe to repeat.

The rules, observed of the control server: it creates a job before it looks at the job's components; an etag that is
stale is answered with 404, like a job that is gone; only a remoteci has jobs of its own, and asking it to schedule one
ends those that it left unfinished a day ago.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Optional, Union

from dci_downloader.control import documents
from dci_downloader.control.api import header_text, path_segment
from dci_downloader.control.decoding import Response
from dci_downloader.control.ids import is_id
from dci_downloader.control.job_changes import JobChanges, subject_id
from dci_downloader.errors import NotFoundError, SettingsError, StaleJobError, TransferError
from dci_downloader.frozen_mapping import FrozenMapping
from dci_downloader.models import Component, Job, Topic
from dci_downloader.sequences import as_tuple

_STALE = (404, 409, 412)
"""Statuses by which a control server, older or newer, answers a change whose etag is no longer the job's."""


class JobCalls(JobChanges):
    """The calls that create, change and delete jobs; its base has those about states, components and files."""

    def create_job(
        self,
        topic: Union[Topic, str],
        components: Sequence[Union[Component, str]],
        *,
        name: Optional[str] = None,
        tags: Optional[Sequence[str]] = None,
        comment: Optional[str] = None,
        configuration: Optional[str] = None,
        url: Optional[str] = None,
        data: Optional[Mapping[str, Any]] = None,
        previous_job_id: Optional[str] = None,
        pipeline_id: Optional[str] = None,
    ) -> Job:
        """Create a job with exactly these components, in state ``new``.

        Not safe to repeat, and never repeated by itself: every call that arrives creates a job, also one whose response
        gets lost. Each component is read before.

        Args:
            topic: of the job.
            components: active ones of that topic, or private ones of one's own team; each once.
            name: of the kind of test that runs: jobs of one name are compared with each other.
            tags: of the job.
            comment: for people.
            configuration: which of the lab's configurations it runs on.
            url: where the lab shows it.
            data: whatever the agent wants to keep.
            previous_job_id: of the job that this one follows: an upgrade, or the stage of a pipeline before it.
            pipeline_id: of the pipeline that it is part of.

        Raises:
            NotFoundError: there is no such topic or component. No job was created.
            AccessError: one may not see the topic or a component. No job was created.
            SettingsError: a component is named twice. No job was created.
        """
        # The server refuses a component only after it has created the job, so all that may fail is found out before.
        topic = self.topic(topic) if isinstance(topic, str) else topic
        members = tuple(self._present(given) for given in as_tuple(components, "components"))
        ids = [component.id for component in members]
        if len({*ids}) < len(ids):
            raise SettingsError("a component is named twice for a job", hint="name each of them once")
        fields = _given(name=name, tags=tags, comment=comment, configuration=configuration, url=url, data=data)
        fields.update(_given(previous_job_id=previous_job_id, pipeline_id=pipeline_id))
        created = self._api.post("/api/v1/jobs", {"topic_id": topic.id, "components": ids, **fields}).object("job")
        return documents.job(created, topic, members)

    def schedule_job(
        self,
        topic: Union[Topic, str],
        components: Sequence[Union[Component, str]] = (),
        *,
        name: Optional[str] = None,
        tags: Optional[Sequence[str]] = None,
        comment: Optional[str] = None,
        configuration: Optional[str] = None,
        url: Optional[str] = None,
        data: Optional[Mapping[str, Any]] = None,
        previous_job_id: Optional[str] = None,
    ) -> Job:
        """Create a job with the newest public component of each type of its topic, which the server chooses.

        Not safe to repeat, and never repeated by itself. The server ends what this remoteci left unfinished a day ago.

        Args:
            topic: of the job.
            components: which are to be taken of their types, in place of the newest.
            name: this and the others: as for :meth:`create_job`.
            tags: of the job.
            comment: for people.
            configuration: which of the lab's configurations it runs on.
            url: where the lab shows it.
            data: whatever the agent wants to keep.
            previous_job_id: of the job that this one follows.

        Returns:
            The job with the components that were chosen.

        Raises:
            NotFoundError: there is no such topic or component. No job was created.
            AccessError: one may not see it, or its topic has no component of a type. No job was created.
        """
        ids = [self._present(given).id for given in as_tuple(components, "components")]
        fields = _given(name=name, tags=tags, comment=comment, configuration=configuration, url=url, data=data)
        fields.update(_given(previous_job_id=previous_job_id))
        path_segment(topic, "topic")
        document = {"topic_id": subject_id(topic), "components_ids": ids, **fields}
        job_id = self._api.post("/api/v1/jobs/schedule", document).object("job").text("id")
        try:
            return self.job(job_id)
        except TransferError as error:
            error.hint = f"job {job_id} was created, and can be read by its id; {error.hint}"
            raise

    def update_job(
        self,
        job: Union[Job, str],
        *,
        name: Optional[str] = None,
        tags: Optional[Sequence[str]] = None,
        comment: Optional[str] = None,
        configuration: Optional[str] = None,
        url: Optional[str] = None,
        data: Optional[Mapping[str, Any]] = None,
        status_reason: Optional[str] = None,
    ) -> Job:
        """Change fields of a job, unless it has changed since it was read. Never repeated by itself.

        Args:
            job: as it was read last; one given by its id is read first.
            name: this and the others: None to leave it as it is.
            tags: all of them; they replace those there were.
            comment: for people.
            configuration: which of the lab's configurations it runs on.
            url: where the lab shows it.
            data: replaces what there was.
            status_reason: why it ended as it did.

        Returns:
            The job as it is now, with its new etag.

        Raises:
            StaleJobError: it has changed since. Nothing was changed now.
            NotFoundError: there is no such job.
            SettingsError: the server sent no etag when the job was read.
        """
        job = self.job(job) if isinstance(job, str) else job
        fields = _given(name=name, tags=tags, comment=comment, configuration=configuration, url=url, data=data)
        fields.update(_given(status_reason=status_reason))
        path = f"/api/v1/jobs/{path_segment(job, 'job')}"
        response = self._api.send("PUT", path, fields, _etag(job.id, job.etag))
        if response.status in _STALE:
            raise self._stale_error(job.id, "changed", response)
        self._api.expect(200, response)
        return self.job(job.id)

    def delete_job(self, job: Union[Job, str], etag: str = "") -> None:
        """Delete a job, unless it has changed since it was read. Safe to repeat: a job that is gone is a success.

        Args:
            job: as it was read last; one given by its id alone is read first.
            etag: of the job as it was read, where it is given by its id.

        Raises:
            StaleJobError: it has changed since. Nothing was deleted.
            SettingsError: the server sent no etag when the job was read.
        """
        path = f"/api/v1/jobs/{path_segment(job, 'job')}"
        if isinstance(job, str) and not etag:
            given = job
            try:
                job = self.job(given)
            except NotFoundError:
                if not is_id(given):
                    raise
                return
        response = self._api.delete(path, _etag(subject_id(job), etag or ("" if isinstance(job, str) else job.etag)))
        if response.status in _STALE:
            error = self._stale_error(subject_id(job), "deleted", response)
            if isinstance(error, StaleJobError):
                raise error
            return
        self._api.expect(204, response)

    def _stale_error(self, job_id: str, done: str, response: Response) -> Union[StaleJobError, NotFoundError]:
        """The error of a change that the server refuses: a stale etag, unless the job is gone."""
        try:
            self.job(job_id)
        except NotFoundError as error:
            return error
        return StaleJobError(
            f"job {job_id} is not {done}: it has changed since it was read, its etag is stale",
            url=response.url,
            status=response.status,
            hint="read it again with job(), then decide anew",
        )


def _etag(job_id: str, etag: str) -> str:
    if not header_text(etag):
        raise SettingsError(
            f"job {job_id} was read without an etag, and cannot be changed by it", hint="read it with job()"
        )
    return etag


def _given(**fields: Any) -> dict[str, Any]:
    """The fields that are given, as JSON has them."""
    sent = {name: value for name, value in fields.items() if value is not None}
    if "tags" in sent:
        sent["tags"] = list(as_tuple(sent["tags"], "tags"))
    return {name: value.to_json() if isinstance(value, FrozenMapping) else value for name, value in sent.items()}
