"""The embedded control server: the calls that a downloader, or an agent's pre-run step, needs.

The rules, observed of a real server: 401 for what a team may not see, pages of 20 and never more than 200, HTML for an
unknown route. Who asks is the concern of :mod:`dci_downloader.demo.authentication`.
The ``query=`` language is not part of it.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Callable, NamedTuple, Optional
from urllib.parse import unquote

from dci_downloader.demo.accounts import Account, RemoteCI
from dci_downloader.demo.authentication import authenticated, unambiguous_query
from dci_downloader.demo.catalog import Catalog, CatalogComponent, CatalogJob, CatalogTopic, object_key, timestamp
from dci_downloader.demo.http_server import Exchange, LoopbackServer, Request
from dci_downloader.demo.object_store import presign
from dci_downloader.demo.queries import ApiError, list_page

JOB_STATUSES = ("new", "pre-run", "running", "post-run", "success", "failure", "error", "killed")

_HTML_PAGE = "<!doctype html>\n<html lang=en>\n<title>{0}</title>\n<h1>{0}</h1>\n"


class Reply(NamedTuple):
    """What a call returns: a document that is sent as JSON, or no body where it is None."""

    document: Optional[Mapping[str, Any]] = None
    status: int = 200
    headers: Mapping[str, str] = {}


@dataclass(frozen=True)
class Call:
    """A request whose sender is known.

    Attributes:
        query: decoded.
        parts: the variable parts of the path, ids for example.
    """

    sender: Account
    query: Mapping[str, str]
    request: Request
    parts: tuple[str, ...]

    def document(self, *required: str) -> dict[str, Any]:
        """The JSON object that was sent, with the strings that must be in it.

        Raises:
            ApiError: 400, it is something else.
        """
        try:
            document = json.loads(self.request.body)
        except ValueError:
            raise ApiError(400, "Request malformed") from None
        if not isinstance(document, dict):
            raise ApiError(400, "Request malformed")
        for name in required:
            if not isinstance(document.get(name), str):
                raise ApiError(400, f"{name}: required property")
        return document


class DemoControl(LoopbackServer):
    """Serves the API of a catalogue.

    Args:
        catalog: what there is.
        store_url: where objects are: ``<store_url>/<component id>/<path>``.
        listening: see :class:`~dci_downloader.demo.http_server.LoopbackServer`.
    """

    def __init__(self, catalog: Catalog, store_url: str, **listening: Any) -> None:
        super().__init__(**listening)
        self._catalog = catalog
        self._api = _Api(catalog, store_url, self)

    def respond(self, exchange: Exchange) -> None:
        """Answer a request."""
        request = exchange.request
        path = unquote(request.path)  # as a WSGI server hands it on; the signature check unquotes it once more
        method = "GET" if request.method == "HEAD" else request.method  # the exchange leaves the body out
        routes = [(match.groups(), calls) for pattern, calls in _ROUTES if (match := pattern.fullmatch(path))]
        call = next((calls[method] for _, calls in routes if method in calls), None)
        if call is None:
            title = "405 Method Not Allowed" if routes else "404 Not Found"
            exchange.answer(
                int(title[:3]), _HTML_PAGE.format(title).encode(), {"Content-Type": "text/html; charset=utf-8"}
            )
            return
        try:
            query = unambiguous_query(request)
            sender = authenticated(self._catalog, request, query, self.now())
            with self._catalog.lock:
                reply = call(self._api, Call(sender, query, request, routes[0][0]))
        except ApiError as error:
            reply = Reply(error.document(), error.status)
        if reply.document is None:
            exchange.answer(reply.status, b"", reply.headers)
        else:
            headers = {"Content-Type": "application/json", **reply.headers}
            exchange.answer(reply.status, json.dumps(reply.document).encode(), headers)


class _Api:
    """The API, one method for each call."""

    def __init__(self, catalog: Catalog, store_url: str, server: LoopbackServer) -> None:
        self._catalog = catalog
        self._store_url = store_url
        self._server = server

    def topics(self, call: Call) -> Reply:
        visible = [topic.document() for topic in self._catalog.topics.values() if _may_see_topic(topic, call.sender)]
        return Reply(list_page("topics", visible, call.query, "-created_at"))

    def topic(self, call: Call) -> Reply:
        return Reply({"topic": self._topic(call.parts[0], call).document()})

    def components(self, call: Call) -> Reply:
        topic = self._topic(call.parts[0], call)
        visible = [
            component.document() for component in self._attached(topic) if _may_see_component(component, call.sender)
        ]
        return Reply(list_page("components", visible, call.query, "-released_at"))

    def component(self, call: Call) -> Reply:
        component = self._component(call.parts[0], call)
        jobs = [job.document() for job in self._catalog.jobs.values() if component in job.components]
        return Reply({"component": {**component.document(), "files": [], "jobs": jobs}})

    def file(self, call: Call) -> Reply:
        component = self._component(call.parts[0], call)
        name = object_key(component, call.parts[1])
        location = presign(self._store_url, name, self._catalog.signing_key, self._server.now())
        return Reply(None, 302, {"Location": location})

    def job(self, call: Call) -> Reply:
        job = self._job(call.parts[0], call)
        related = {
            "topic": job.topic.document(),
            "components": [component.document() for component in job.components],
            "remoteci": job.remoteci.document(),
        }
        return Reply({"job": {**job.document(), **related}})

    def create_job(self, call: Call) -> Reply:
        wanted = call.document("topic_id")
        topic = self._topic(wanted["topic_id"], call)
        return self._new_job(call, topic, self._named(wanted, "components", call))

    def schedule_job(self, call: Call) -> Reply:
        wanted = call.document("topic_id")
        topic = self._topic(wanted["topic_id"], call)
        chosen = {component.type: component for component in self._named(wanted, "components_ids", call)}
        for type_ in topic.component_types:
            if type_ not in chosen:
                chosen.update(self._newest(topic, type_))
        return self._new_job(call, topic, list(chosen.values()))

    def delete_job(self, call: Call) -> Reply:
        if "if-match" not in call.request.headers:
            raise ApiError(412, "If-match header must be provided")
        job = self._job(call.parts[0], call)
        if call.request.headers["if-match"] != job.etag:
            raise ApiError(404, "job not found")
        del self._catalog.jobs[job.id]
        return Reply(None, 204)

    def create_jobstate(self, call: Call) -> Reply:
        wanted = call.document("job_id", "status")
        if wanted["status"] not in JOB_STATUSES:
            raise ApiError(400, "status: not a job status")
        job = self._job(wanted["job_id"], call)
        job.status = wanted["status"]
        job.comment = wanted.get("comment") or ""
        job.changes += 1
        state = {"id": str(uuid.uuid4()), "job_id": job.id, "status": job.status, "comment": job.comment}
        return Reply({"jobstate": {**state, "created_at": timestamp(self._server.now())}}, 201)

    def _new_job(self, call: Call, topic: CatalogTopic, components: list[CatalogComponent]) -> Reply:
        if not isinstance(call.sender, RemoteCI) or call.sender.kind != "remoteci":
            raise ApiError(400, "Only remoteci can create job")
        job = self._catalog.add_job(topic, components, remoteci=call.sender, created_at=self._server.now())
        return Reply({"job": job.document()}, 201, {"ETag": job.etag})

    def _named(self, wanted: Mapping[str, Any], name: str, call: Call) -> list[CatalogComponent]:
        ids = wanted.get(name, [])
        if not isinstance(ids, list):
            raise ApiError(400, f"{name}: not a list")
        return [self._component(str(id_), call) for id_ in ids]

    def _attached(self, topic: CatalogTopic) -> list[CatalogComponent]:
        return [component for component in self._catalog.components.values() if component.topic is topic]

    def _newest(self, topic: CatalogTopic, type_: str) -> dict[str, CatalogComponent]:
        """What the scheduler picks, by type: active, public, created last; nothing where an optional type has none."""
        wanted = (type_, "active", None)
        candidates = [item for item in self._attached(topic) if (item.type, item.state, item.team_id) == wanted]
        if not candidates and type_ not in topic.optional_types:
            raise ApiError(412, f"No component of type {type_} in topic {topic.id}")
        return {type_: max(candidates, key=lambda component: component.created_at)} if candidates else {}

    def _topic(self, id_: str, call: Call) -> CatalogTopic:
        topic = self._catalog.topics.get(id_)
        if topic is None:
            raise ApiError(404, f"topic {id_} not found")
        if not _may_see_topic(topic, call.sender):
            raise ApiError(401, "Operation not authorized.")
        return topic

    def _component(self, id_: str, call: Call) -> CatalogComponent:
        component = self._catalog.components.get(id_)
        if component is None:
            raise ApiError(404, f"component {id_} not found")
        if not _may_see_topic(component.topic, call.sender) or not _may_see_component(component, call.sender):
            raise ApiError(401, "Operation not authorized.")
        return component

    def _job(self, id_: str, call: Call) -> CatalogJob:
        job = self._catalog.jobs.get(id_)
        if job is None:
            raise ApiError(404, f"job {id_} not found")
        if job.remoteci.team is not call.sender.team:
            raise ApiError(401, "Operation not authorized.")
        return job


def _may_see_topic(topic: CatalogTopic, sender: Account) -> bool:
    return topic.teams is None or sender.team.id in topic.teams


def _may_see_component(component: CatalogComponent, sender: Account) -> bool:
    return component.team_id in (None, sender.team.id)


_ID = "([0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})"  # any other text is part of no route
_ROUTES: tuple[tuple[re.Pattern[str], dict[str, Callable[[_Api, Call], Reply]]], ...] = (
    (re.compile("/api/v1/topics"), {"GET": _Api.topics}),
    (re.compile(f"/api/v1/topics/{_ID}"), {"GET": _Api.topic}),
    (re.compile(f"/api/v1/topics/{_ID}/components"), {"GET": _Api.components}),
    (re.compile(f"/api/v1/components/{_ID}"), {"GET": _Api.component}),
    (re.compile(f"/api/v[12]/components/{_ID}/files/(.+)", re.DOTALL), {"GET": _Api.file}),
    (re.compile("/api/v1/jobs"), {"POST": _Api.create_job}),
    (re.compile("/api/v1/jobs/schedule"), {"POST": _Api.schedule_job}),
    (re.compile(f"/api/v1/jobs/{_ID}"), {"GET": _Api.job, "DELETE": _Api.delete_job}),
    (re.compile("/api/v1/jobstates"), {"POST": _Api.create_jobstate}),
)
