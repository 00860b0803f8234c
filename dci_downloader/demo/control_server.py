"""The embedded control server: the calls that a downloader, or an author of agents, dashboards and reports needs.

Who asks is the concern of :mod:`dci_downloader.demo.authentication`, what is answered that of
:mod:`~dci_downloader.demo.catalog_calls` and :mod:`~dci_downloader.demo.job_calls`. An unknown route, and an id that is
none, are answered with a web page, as by a real server.
"""

from __future__ import annotations

import json
import re
from typing import Any, Callable
from urllib.parse import unquote

from dci_downloader.demo.authentication import authenticated, unambiguous_query
from dci_downloader.demo.calls import Call, Reply
from dci_downloader.demo.catalog import Catalog
from dci_downloader.demo.http_server import Exchange, LoopbackServer
from dci_downloader.demo.job_calls import DemoApi
from dci_downloader.demo.queries import ApiError

_HTML_PAGE = "<!doctype html>\n<html lang=en>\n<title>{0}</title>\n<h1>{0}</h1>\n"


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
        self._api = DemoApi(catalog, store_url, self)

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
            exchange.answer(reply.status, reply.content, reply.headers)
        else:
            headers = {"Content-Type": "application/json", **reply.headers}
            exchange.answer(reply.status, json.dumps(reply.document).encode(), headers)


_ID = "([0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})"  # any other text is part of no route
_ROUTES: tuple[tuple[re.Pattern[str], dict[str, Callable[[DemoApi, Call], Reply]]], ...] = (
    (re.compile("/api/v1/identity"), {"GET": DemoApi.identity}),
    (re.compile("/api/v1/products"), {"GET": DemoApi.products}),
    (re.compile("/api/v1/topics"), {"GET": DemoApi.topics}),
    (re.compile(f"/api/v1/topics/{_ID}"), {"GET": DemoApi.topic}),
    (re.compile(f"/api/v1/topics/{_ID}/components"), {"GET": DemoApi.components}),
    (re.compile("/api/v1/components"), {"GET": DemoApi.all_components}),
    (re.compile(f"/api/v1/components/{_ID}"), {"GET": DemoApi.component}),
    (re.compile(f"/api/v[12]/components/{_ID}/files/(.+)", re.DOTALL), {"GET": DemoApi.file}),
    (re.compile("/api/v1/jobs"), {"GET": DemoApi.jobs, "POST": DemoApi.create_job}),
    (re.compile("/api/v1/jobs/schedule"), {"POST": DemoApi.schedule_job}),
    (
        re.compile(f"/api/v1/jobs/{_ID}"),
        {"GET": DemoApi.job, "PUT": DemoApi.update_job, "DELETE": DemoApi.delete_job},
    ),
    (re.compile(f"/api/v1/jobs/{_ID}/components"), {"GET": DemoApi.job_components, "POST": DemoApi.add_component}),
    (re.compile(f"/api/v1/jobs/{_ID}/components/{_ID}"), {"DELETE": DemoApi.remove_component}),
    (re.compile(f"/api/v1/jobs/{_ID}/jobstates"), {"GET": DemoApi.job_states}),
    (re.compile(f"/api/v1/jobs/{_ID}/files"), {"GET": DemoApi.job_files}),
    (re.compile("/api/v1/jobstates"), {"POST": DemoApi.create_jobstate}),
    (re.compile("/api/v1/files"), {"POST": DemoApi.upload_file}),
    (re.compile(f"/api/v1/files/{_ID}/content"), {"GET": DemoApi.file_content}),
)
