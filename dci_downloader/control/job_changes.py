"""Changes of a job while it runs: states, components, files. None of these calls is repeated by itself."""

from __future__ import annotations

from typing import Union

from dci_downloader.control import documents
from dci_downloader.control.api import header_text, path_segment, unknown_id_error
from dci_downloader.control.ids import is_id
from dci_downloader.control.reader import ControlReader
from dci_downloader.errors import SettingsError, StatusError
from dci_downloader.models import Component, Job, JobFile, Topic

JOB_STATES = ("new", "pre-run", "running", "post-run", "success", "failure", "error", "killed")


class JobChanges(ControlReader):
    """The calls of an agent about a job that is there; what only reads is in its base."""

    def add_component(self, job: Union[Job, str], component: Union[Component, str]) -> Job:
        """Add a component to those of a job. Never repeated by itself.

        Args:
            job: the job to change.
            component: that it does not have yet.

        Returns:
            The job as it is now.

        Raises:
            NotFoundError: there is no such job or component.
            StatusError: the job has the component (409).
        """
        path = f"/api/v1/jobs/{path_segment(job, 'job')}/components"
        member = self._present(component)
        self._api.expect(201, self._api.send("POST", path, {"id": member.id}))
        return self.job(subject_id(job))

    def remove_component(self, job: Union[Job, str], component: Union[Component, str]) -> Job:
        """Take a component from those of a job; one that it does not have is a success. Never repeated by itself.

        Returns:
            The job as it is now.

        Raises:
            NotFoundError: there is no such job or component.
        """
        path = f"/api/v1/jobs/{path_segment(job, 'job')}/components/{path_segment(component, 'component')}"
        response = self._api.send("DELETE", path, {})
        if response.status not in (200, 204):
            self._api.expect(201, response)  # which is what servers say today
        return self.job(subject_id(job))

    def set_job_state(self, job: Union[Job, str], status: str, comment: str = "") -> Job:
        """Record how far a job is.

        A repetition adds the same state to the job's history once more; it is never repeated by itself.

        Args:
            job: the job to change; its etag does not matter.
            status: ``new``, ``pre-run``, ``running``, ``post-run``, ``success``, ``failure``, ``error`` or ``killed``.
            comment: for people; everybody in the team can read it.

        Returns:
            The job as it is now, with its new etag.

        Raises:
            NotFoundError: there is no such job.
            SettingsError: there is no such state; nothing was asked.
        """
        if status not in JOB_STATES:
            raise SettingsError(f"a job has no state {status!r}", hint=f"its states are {', '.join(JOB_STATES)}")
        job_id = subject_id(job)
        try:
            self._api.post("/api/v1/jobstates", {"job_id": job_id, "status": status, "comment": comment})
        except StatusError as error:
            if error.status == 400 and not is_id(job_id):
                raise unknown_id_error(job_id, "job") from None
            raise
        return self.job(job_id)

    def upload_file(
        self, job: Union[Job, str], name: str, content: Union[bytes, str], *, mime: str = "text/plain"
    ) -> JobFile:
        """Attach a file to a job. A repetition attaches it once more; it is never repeated by itself.

        Args:
            job: the job to change.
            name: for people; agents know some, ``.composeinfo`` for example.
            content: of the file; text is sent as UTF-8.
            mime: type of the content; ``application/junit`` for the results of tests.

        Raises:
            NotFoundError: there is no such job.
            SettingsError: a header cannot carry the name or the type.
        """
        path_segment(job, "job")
        if not name.strip() or header_text(name) != name or not mime or header_text(mime) != mime:
            hint = "both are of printable ASCII characters"
            raise SettingsError(f"a file of a job cannot be called {name!r}, of type {mime!r}", hint=hint)
        headers = {"DCI-NAME": name, "DCI-MIME": mime, "DCI-JOB-ID": subject_id(job), "Content-Type": mime}
        body = content.encode() if isinstance(content, str) else content
        created = self._api.upload("/api/v1/files", body, headers)
        return documents.job_file(created.object("file"))

    def _present(self, component: Union[Component, str]) -> Component:
        """The component; raises NotFoundError or AccessError unless it is there and one may see it."""
        path_segment(component, "component")
        present = self.component(subject_id(component))
        return present if isinstance(component, str) else component


def subject_id(subject: Union[Topic, Component, Job, str]) -> str:
    """The id of a subject, or an id as it is."""
    return subject if isinstance(subject, str) else subject.id
