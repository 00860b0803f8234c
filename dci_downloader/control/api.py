"""The control server's API as JSON: documents, lists in pages, files. The client knows what each call means.

* The server gives 20 items of a list where none are asked for, and never more than 200, without saying so.
* Ids and names become segments of a path: what could change the path is refused before anything is sent.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Optional, Union
from urllib.parse import quote

from dci_downloader.control import decoding
from dci_downloader.control.conditions import Listing
from dci_downloader.control.decoding import Fields, Response
from dci_downloader.control.errors_from_response import error_from_response, server_message
from dci_downloader.control.ids import is_id
from dci_downloader.control.session import Session
from dci_downloader.errors import NotFoundError, SettingsError, StatusError
from dci_downloader.models import Component, Job, Topic

MAX_RESPONSE = 64 * 2**20  # bytes of any other answer
MAX_FILE = 128 * 2**20
"""Bytes of a file that is read through the API: a manifest, or a list of images."""

_MOST_KNOWN = 64
_LARGEST_KNOWN = 256 * 1024
"""How many documents are kept for servers that say 304 of what has not changed, and bytes of the largest."""

_FIRST_PAGE = 20  # of most lists only the first items are used
_NEXT_PAGES = 200


class Api:
    """Calls of one control server. Lists and files may be asked for by any thread, other calls by one at a time.

    What only reads is safe to repeat, and is tried again by itself while that helps and patience lasts. Every method
    raises AccessError, NotFoundError, or TransferError and what is below it.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._known: OrderedDict[str, tuple[str, Fields]] = OrderedDict()

    def get(self, path: str, query: Optional[Mapping[str, str]] = None) -> Fields:
        """Read a document."""
        return decoding.fields(self.expect(200, self._session.get(path, query or {}, limit=MAX_RESPONSE)))

    def get_known(self, path: str, kind: str) -> Fields:
        """Read a document about one subject; one that was read before is not sent again where the server says 304.

        Today's control servers do not, and send everything.

        Args:
            path: of the document.
            kind: key under which the subject stands.
        """
        etag, known = self._known.pop(path, ("", None))
        response = self._session.get(path, {}, limit=MAX_RESPONSE, etag=etag)
        if response.status != 304 or known is None:
            known = decoding.fields(self.expect(200, response)).object(kind)
            known.drop("remoteci")  # which holds a secret
            etag = header_text(response.headers.get("etag", ""))
        if etag and len(response.body) <= _LARGEST_KNOWN:
            self._known[path] = etag, known
            if len(self._known) > _MOST_KNOWN:
                self._known.popitem(last=False)
        return known

    def subject(self, kind: str, subject_id: str, hint: str = "") -> Fields:
        """Read one topic, component or job.

        Args:
            kind: ``topic``, ``component`` or ``job``.
            subject_id: its id.
            hint: of the error where there is none; empty for that of the server.

        Raises:
            NotFoundError: there is none.
        """
        path = f"/api/v1/{kind}s/{path_segment(subject_id, kind)}"
        try:
            return self.get_known(path, kind)
        except NotFoundError:
            if not hint:
                raise
            raise unknown_id_error(subject_id, kind, hint) from None
        except StatusError as error:
            if error.status == 404 and not is_id(subject_id):
                raise unknown_id_error(subject_id, kind, hint) from None
            raise

    def pages(self, path: str, key: str, listing: Listing = Listing()) -> Iterator[Fields]:  # noqa: B008  # frozen
        """Read a list page by page as its items are asked for.

        Each item comes once, and the list ends, whatever the server says about how many there are.

        Args:
            path: of the list.
            key: under which a page has its items.
            listing: which items, and in which order.

        Raises:
            SettingsError: the conditions cannot be sent, or the server refuses them.
        """
        query, seen, offset, size = listing.query(), set[str](), 0, _FIRST_PAGE
        while True:
            page = self._page(path, {**query, "limit": str(size), "offset": str(offset)}, listing.form())
            items = page.objects(key)
            # An item that is created meanwhile pushes others to the next page, where they come again.
            fresh = {item.text("id"): item for item in items if item.text("id") not in seen}
            yield from fresh.values()
            seen.update(fresh)
            offset, size = offset + len(items), _NEXT_PAGES
            if not fresh or offset >= page.object("_meta").number("count"):
                return

    def _page(self, path: str, query: Mapping[str, str], form: str) -> Fields:
        """Read a page. Where the server says that it is badly asked for, that is about what the user wrote, if any."""
        response = self._session.get(path, query, limit=MAX_RESPONSE)
        try:
            return decoding.fields(self.expect(200, response))
        except StatusError as error:
            message = server_message(response)
            if error.status != 400 or not message or not form:
                raise
            text = f"{response.request}: the control server refuses the conditions ({message})"
            raise SettingsError(text, hint=form) from None

    def file(self, path: str, etag: str = "") -> Response:
        """Read a file of a component by way of the redirect to the object store; any final status."""
        return self._session.get(path, {}, limit=MAX_FILE, etag=header_text(etag), other_servers=True)

    def post(self, path: str, document: Mapping[str, object]) -> Fields:
        """Create something. Not safe to repeat, and never repeated by itself."""
        return decoding.fields(self.expect(201, self.send("POST", path, document)))

    def send(self, method: str, path: str, document: Mapping[str, object], etag: str = "") -> Response:
        """Change something; any final status. Never repeated by itself.

        Args:
            method: ``POST``, ``PUT`` or ``DELETE``.
            path: of what is changed.
            document: sent as JSON; nothing is where it is empty.
            etag: of what is changed, as it was read; empty to change it however it is.
        """
        headers = {**({"Content-Type": "application/json"} if document else {}), **({"If-match": etag} if etag else {})}
        body = json.dumps(document).encode() if document else b""
        return self._session.change(method, path, body, headers=headers, limit=MAX_RESPONSE)

    def upload(self, path: str, content: bytes, headers: Mapping[str, str]) -> Fields:
        """Create something whose content is no JSON. Not safe to repeat, and never repeated by itself."""
        response = self._session.change("POST", path, content, headers=headers, limit=MAX_RESPONSE)
        return decoding.fields(self.expect(201, response))

    def delete(self, path: str, etag: str) -> Response:
        """Delete something unless it has changed; any final status. Tried again by itself."""
        return self._session.repeat("DELETE", path, b"", headers={"If-match": etag}, limit=MAX_RESPONSE)

    def expect(self, status: int, response: Response) -> Response:
        """The response if it has this status; raises the error that it stands for if not."""
        if response.status != status:
            raise error_from_response(response, self._session.clock.wall())
        return response


def path_segment(subject: Union[Topic, Component, Job, str], name: str) -> str:
    """The id of a subject, or an id as it is, as a segment of a path.

    Args:
        subject: whose id.
        name: what the subject is called in messages.

    Raises:
        NotFoundError: it cannot be an id.
    """
    given = subject if isinstance(subject, str) else subject.id
    if given in ("", ".", "..") or "/" in given or not given.isprintable():
        raise NotFoundError(f"{given!r} is no id of a {name}", hint="ids can be copied from the DCI dashboard")
    return quote(given, safe="")


def unknown_id_error(text: str, name: str, hint: str = "") -> NotFoundError:
    """The error where nothing has this id, or where the text cannot be an id."""
    form = "an id is like 5b5cbb32-4a79-4a39-9c0c-e6bb1bf7e0d5"
    hint = hint or f"{form}, and can be copied from the DCI dashboard"
    return NotFoundError(f"there is no {name} with the id {text}", hint=hint)


def header_text(value: str) -> str:
    """The value if a header can carry it, else an empty string."""
    return value if value.isascii() and value.isprintable() else ""
