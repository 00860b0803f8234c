"""The control server's calls: topics, components, jobs, and the files that it tells the way to.

What only reads is safe to repeat, and is tried again by itself while that helps and ``patience`` allows; the calls that
change a job say for themselves what a repetition does. All of them raise the errors that ``refusals`` and ``breaks``
describe: AccessError, NotFoundError, TransferError and what is below them.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Optional, overload
from urllib.parse import quote

from dci_downloader import environment
from dci_downloader.content.manifest import parse_manifest
from dci_downloader.control import decoding
from dci_downloader.control.decoding import Fields, Response
from dci_downloader.control.errors_from_response import error_from_response
from dci_downloader.control.session import Clock, Session
from dci_downloader.control.signing import ComponentFiles, Signer
from dci_downloader.errors import NotFoundError, SettingsError, StaleJobError
from dci_downloader.models import Component, Job, Manifest, Topic
from dci_downloader.options import Credentials, Network

__all__ = ["Clock", "ControlServer", "Credentials"]

_LARGEST_ANSWER = 64 * 2**20
_LARGEST_MANIFEST = 256 * 2**20
_FIRST_PAGE = 20
_PAGE = 200
"""The server gives no more than 200 at once, without saying so."""


class ControlServer:
    """One DCI control server, asked in the name of one remoteci. For one thread at a time; ``files`` for any.

    Args:
        credentials: from a ``dcirc.sh`` file.
        network: proxies, certificates, timeouts.
        patience: seconds that a call may go without success.
        api_version: ``v2`` takes files from RHDL directly; other calls are v1 in any case.
        clock: time and chance, for tests.

    Attributes:
        network: for those who fetch what it tells the way to.

    Raises:
        SettingsError: the server's address, or the path of the certificates, cannot be used.
        AccessError: the credentials cannot be right.
    """

    def __init__(
        self,
        credentials: Credentials,
        *,
        network: Network = Network(),  # noqa: B008  # frozen
        patience: float = 30.0,
        api_version: str = "v1",
        clock: Clock = Clock(),  # noqa: B008  # frozen
    ) -> None:
        self.network = network
        self._connection = Session(Signer(credentials), network, patience, clock)
        self._api_version = api_version

    @classmethod
    def from_env(cls, environ: Optional[Mapping[str, str]] = None) -> ControlServer:
        """The server, credentials and network that the environment names, as on the command line.

        Args:
            environ: in place of ``os.environ``.

        Raises:
            AccessError: ``DCI_CLIENT_ID``, ``DCI_API_SECRET`` or ``DCI_CS_URL`` is not set.
        """
        found = environment.of_process() if environ is None else environ
        return cls(environment.credentials(found), network=environment.network(found))

    def __enter__(self) -> ControlServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close idle connections. Safe to repeat."""
        self._connection.close()

    def topics(self, name: str = "", *, active: bool = True) -> Iterator[Topic]:
        """The topics that this remoteci may see, page by page.

        Args:
            name: as the server reads it: case ignored, and with a trailing ``*`` every name that holds it.
            active: leave out those that are not.
        """
        where = {"name": name, "state": "active" if active else ""}
        for fields in self._pages("/api/v1/topics", "topics", list(where.items()), "-created_at"):
            yield decoding.topic(fields)

    def components(
        self, topic_id: str, *, type: str = "", tags: Sequence[str] = (), name: str = ""
    ) -> Iterator[Component]:
        """The active components of a topic, newest created first, page by page; one's team's private ones included.

        Args:
            topic_id: of the topic.
            type: exact type, or empty for any.
            tags: all of them are on the component.
            name: exact name, or empty for any.
        """
        where = [("type", type), ("name", name), ("state", "active"), *(("tags", tag) for tag in tags)]
        path = f"/api/v1/topics/{_segment(topic_id, 'topic')}/components"
        for fields in self._pages(path, "components", where, "-created_at"):
            found = decoding.component(fields)
            # What the server may have read differently (a name that ends in "*", letter case) is sorted out here.
            fits = type in ("", found.type) and name in ("", found.name) and {*tags} <= {*found.tags}
            if fits and found.state == "active":
                yield found

    def topic(self, topic_id: str) -> Topic:
        """One topic."""
        return decoding.topic(self._read(f"/api/v1/topics/{_segment(topic_id, 'topic')}").object("topic"))

    def component(self, component_id: str) -> Component:
        """One component, active or not, private ones included."""
        path = f"/api/v1/components/{_segment(component_id, 'component')}"
        try:
            return decoding.component(self._read(path).object("component"))
        except NotFoundError:
            hint = "`dci-downloader components TOPIC` lists those there are, with --json their ids"
            raise NotFoundError(f"there is no component with the id {component_id}", hint=hint) from None

    def job(self, job_id: str) -> Job:
        """One job, with its topic and exactly the components that it was scheduled with."""
        return decoding.job(self._read(f"/api/v1/jobs/{_segment(job_id, 'job')}").object("job"))

    def create_job(self, topic: Topic, components: Sequence[Component]) -> Job:
        """Create a job with exactly these components, in state ``new``.

        Not safe to repeat, and never repeated by itself: every call that arrives creates a job, also one whose answer
        got lost.

        Args:
            topic: of the job.
            components: active ones of that topic, or private ones of one's own team.

        Raises:
            NotFoundError: there is no such topic or component.
        """
        wanted = {"topic_id": topic.id, "components": [component.id for component in components]}
        made = self._post("/api/v1/jobs", wanted).object("job")
        return Job(made.text("id"), made.text("status"), topic, tuple(components), made.text("etag"))

    def set_job_state(self, job: Job, status: str, comment: str = "") -> Job:
        """Say how far a job is.

        To repeat it adds the same state to the job's history once more; it is never repeated by itself.

        Args:
            job: as it was read, or an older state of it.
            status: ``new``, ``pre-run``, ``running``, ``post-run``, ``success``, ``failure``, ``error`` or ``killed``.
            comment: for people; what is written here can be read by everybody in the team.

        Returns:
            The job as it is now, with its new etag.

        Raises:
            NotFoundError: there is no such job.
        """
        self._post("/api/v1/jobstates", {"job_id": job.id, "status": status, "comment": comment})
        return self.job(job.id)

    def delete_job(self, job: Job) -> None:
        """Delete a job, unless it has changed since it was read. Safe to repeat: a job that is gone is a success.

        Args:
            job: as it was read last.

        Raises:
            StaleJobError: it has changed since. Nothing was deleted.
            SettingsError: the server told no etag when the job was read.
        """
        if not _header_text(job.etag):
            raise SettingsError(f"job {job.id} was read without an etag, and cannot be deleted by it")
        path = f"/api/v1/jobs/{_segment(job.id, 'job')}"
        answer = self._connection.delete(path, {"If-match": job.etag}, limit=_LARGEST_ANSWER)
        if answer.status != 404:
            self._demand(answer, 204)
            return
        try:  # the server says "not found" of a stale etag, too
            self.job(job.id)
        except NotFoundError:
            return
        raise StaleJobError(
            f"job {job.id} is not deleted: it has changed since it was read, its etag is stale",
            url=answer.call.rpartition(" ")[2],
            status=answer.status,
            hint="read it again with job(), then delete that",
        )

    def latest_component(self, topic_name: str, *, type: str, tags: Sequence[str] = ()) -> Component:
        """The newest active component of a type that is not private.

        Args:
            topic_name: exact name.
            type: exact type.
            tags: all of them are on the component.

        Raises:
            NotFoundError: there is no such topic or component.
        """
        topic = next((topic for topic in self.topics(topic_name) if topic.name == topic_name), None)
        if topic is None:
            raise NotFoundError(
                f"there is no active topic {topic_name}", hint="topics that one has no access to are not listed"
            )
        for component in self.components(topic.id, type=type, tags=tags):
            if component.team_id is None:
                return component
        tagged = f" tagged {', '.join(tags)}" if tags else ""
        raise NotFoundError(f"topic {topic_name} has no active component of type {type}{tagged}")

    @overload
    def manifest(self, component: Component) -> Manifest: ...

    @overload
    def manifest(self, component: Component, *, etag: str) -> Optional[Manifest]: ...

    def manifest(self, component: Component, *, etag: str = "") -> Optional[Manifest]:
        """What a component holds.

        Args:
            component: whose manifest.
            etag: of the manifest that is known already.

        Returns:
            The manifest, or None where ``etag`` is still that of the server's.

        Raises:
            NotFoundError: the component has no files.
            ManifestError: the manifest cannot be trusted.
        """
        answer = self._file(component, "dci_files_list.json", etag)
        if answer.status == 304 and etag:
            return None
        if answer.status == 404:
            raise NotFoundError(
                f"component {component.name} of type {component.type} has no files",
                hint="some have none, those of OpenShift for example; choose other types with --filter",
            )
        self._demand(answer)
        return parse_manifest(answer.body, component.type, etag=_header_text(answer.headers.get("etag", "")))

    def image_list(self, component: Component) -> Optional[bytes]:
        """The component's ``images_list.yaml`` as it is, or None where it has none."""
        answer = self._file(component, "images_list.yaml")
        return None if answer.status == 404 else self._demand(answer).body

    def files(self, component: Component) -> ComponentFiles:
        """Where the component's files can be asked for; may be used by any thread."""
        return ComponentFiles(self._connection.signer, self._folder(component))

    def _folder(self, component: Component) -> str:
        return f"/api/{self._api_version}/components/{_segment(component.id, 'component')}/files"

    def _file(self, component: Component, name: str, etag: str = "") -> Response:
        path = f"{self._folder(component)}/{name}"
        return self._connection.get(path, {}, limit=_LARGEST_MANIFEST, etag=_header_text(etag), leave=True)

    def _pages(self, path: str, key: str, where: Sequence[tuple[str, str]], sort: str) -> Iterator[Fields]:
        """Every item of a list, each once; ends, whatever the server says about how many there are."""
        asked = {"where": text} if (text := _where(where)) else {}
        seen: set[str] = set()
        offset, limit = 0, _FIRST_PAGE
        while True:
            page = self._read(path, {**asked, "sort": sort, "limit": str(limit), "offset": str(offset)})
            items = page.objects(key)
            # Items move to the next page when a new one appears, hence "seen".
            fresh = {item.text("id"): item for item in items if item.text("id") not in seen}
            yield from fresh.values()
            seen.update(fresh)
            offset, limit = offset + len(items), _PAGE
            if not fresh or offset >= page.object("_meta").number("count"):
                return

    def _read(self, path: str, query: Optional[dict[str, str]] = None) -> Fields:
        return decoding.read(self._demand(self._connection.get(path, query or {}, limit=_LARGEST_ANSWER)))

    def _post(self, path: str, document: Mapping[str, object]) -> Fields:
        answer = self._connection.post(path, json.dumps(document).encode(), limit=_LARGEST_ANSWER)
        return decoding.read(self._demand(answer, 201))

    def _demand(self, answer: Response, status: int = 200) -> Response:
        """The answer if it is the one hoped for, an error if not."""
        if answer.status != status:
            raise error_from_response(answer, self._connection.clock.wall())
        return answer


def _segment(given: str, what: str) -> str:
    """An id as a path segment."""
    if given in ("", ".", "..") or "/" in given or not given.isprintable():
        raise NotFoundError(f"{given!r} is no id of a {what}", hint="ids can be copied from the DCI dashboard")
    return quote(given, safe="")


def _where(pairs: Sequence[tuple[str, str]]) -> str:
    """The server's ``where``: ``key:value`` pairs in one CSV row, so that values may hold commas and quotes."""
    row = io.StringIO()
    csv.writer(row, lineterminator="").writerow([f"{key}:{value}" for key, value in pairs if value])
    where = row.getvalue()
    if not where.isprintable():  # includes what the command line could not decode
        raise SettingsError(f"{where!r}: names and tags hold printable characters only")
    return where


def _header_text(value: str) -> str:
    """The value if a header can carry it, else nothing."""
    return value if value.isascii() and value.isprintable() else ""
