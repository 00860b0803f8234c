"""The embedded object store: presigned URLs, ranges, conditional requests, as S3 and its kin do them.

The rules (RFC 9110 for ranges and conditions, the S3 manual for the rest):

* A presigned URL is valid for 600 s, for one path and one host. Altered or expired: 403.
* A request that carries an ``Authorization`` header beside the presigned query is refused with 400.
* One range is answered with 206; one that begins behind the end with 416. Several ranges, or a range that is
  malformed, or an ``If-Range`` that does not hold, give the whole object.
* Errors are XML.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from datetime import datetime, timedelta, timezone
from typing import Any, Optional
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.sax.saxutils import escape

from dci_downloader.demo.catalog import Catalog
from dci_downloader.demo.http_server import Exchange, LoopbackServer, Request
from dci_downloader.demo.payloads import Payload

VALID_SECONDS = 600

_TIMESTAMP = "%Y%m%dT%H%M%SZ"
_RANGE = re.compile(r"bytes=(\d{0,19})-(\d{0,19})", re.ASCII)


def presign(store_url: str, key: str, signing_key: bytes, now: datetime) -> str:
    """The URL of an object, valid for 600 s from ``now``."""
    url = f"{store_url.rstrip('/')}/{quote(key)}"
    parts = urlsplit(url)
    timestamp = now.strftime(_TIMESTAMP)
    signature = _signature(signing_key, parts.netloc, unquote(parts.path), timestamp, str(VALID_SECONDS))
    return (
        f"{url}?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date={timestamp}&X-Amz-Expires={VALID_SECONDS}"
        f"&X-Amz-SignedHeaders=host&X-Amz-Signature={signature}"
    )


class DemoObjectStore(LoopbackServer):
    """Serves the objects of a catalogue at ``/<component id>/<path>`` to whoever holds a presigned URL."""

    def __init__(self, catalog: Catalog, **listening: Any) -> None:
        super().__init__(**listening)
        self._catalog = catalog

    def respond(self, exchange: Exchange) -> None:
        """Answer a request for an object."""
        request = exchange.request
        if request.method not in ("GET", "HEAD"):
            return _refuse(exchange, 405, "MethodNotAllowed", "The specified method is not allowed.")
        if "authorization" in request.headers:
            return _refuse(exchange, 400, "InvalidArgument", "Only one auth mechanism allowed.")
        error = self._presign_error(request)
        if error is not None:
            return _refuse(exchange, 403, *error)
        item = self._catalog.objects.get(unquote(request.path)[1:])
        if item is None:
            return _refuse(exchange, 404, "NoSuchKey", "The specified key does not exist.")
        return _serve(exchange, item)

    def _presign_error(self, request: Request) -> Optional[tuple[str, str]]:
        """Code and message of what is wrong with a presigned query; None where nothing is."""
        query = {name: values[0] for name, values in parse_qs(request.query).items()}
        timestamp, seconds = query.get("X-Amz-Date", ""), query.get("X-Amz-Expires", "")
        signed = (request.headers.get("host", ""), unquote(request.path), timestamp, seconds)
        expected = _signature(self._catalog.signing_key, *signed)
        # Compared before the date is read: what is signed was written here, and need not be doubted.
        if not hmac.compare_digest(expected, query.get("X-Amz-Signature", "")):
            return "SignatureDoesNotMatch", "The request signature we calculated does not match."
        begin = datetime.strptime(timestamp, _TIMESTAMP).replace(tzinfo=timezone.utc)
        if self.now() >= begin + timedelta(seconds=int(seconds)):
            return "AccessDenied", "Request has expired"
        return None


def _serve(exchange: Exchange, item: Payload) -> None:
    wanted = exchange.request.headers
    etag = f'"{item.sha256[:32]}"'
    headers = {"ETag": etag, "Accept-Ranges": "bytes", "Content-Type": "application/octet-stream"}
    if wanted.get("if-none-match", "") in (etag, "*"):
        return exchange.answer(304, headers=headers)
    part = _requested_range(wanted.get("range", ""), item.size) if wanted.get("if-range", etag) == etag else None
    if part is None:
        return exchange.stream(200, item.size, item.chunks(0, item.size), headers)
    start, end = part
    if start >= item.size:
        extra = {"Content-Range": f"bytes */{item.size}"}
        return _refuse(exchange, 416, "InvalidRange", "The requested range is not satisfiable", extra)
    headers["Content-Range"] = f"bytes {start}-{end - 1}/{item.size}"
    return exchange.stream(206, end - start, item.chunks(start, end), headers)


def _requested_range(wanted: str, size: int) -> Optional[tuple[int, int]]:
    """Start and end of the bytes that a ``Range`` header asks for; None where the whole object is due."""
    match = _RANGE.fullmatch(wanted)
    if match is None or wanted == "bytes=-":
        return None
    first, last = match.groups()
    if not first:  # the last so many bytes
        return max(size - int(last), 0), size
    if last and int(last) < int(first):
        return None
    return int(first), min(int(last) + 1, size) if last else size


def _refuse(exchange: Exchange, status: int, code: str, message: str, headers: Optional[dict[str, str]] = None) -> None:
    path = escape(unquote(exchange.request.path))
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>{code}</Code><Message>{escape(message)}</Message><Resource>{path}</Resource></Error>"
    )
    exchange.answer(status, body.encode(), {"Content-Type": "application/xml", **(headers or {})})


def _signature(signing_key: bytes, host: str, path: str, timestamp: str, seconds: str) -> str:
    return hmac.new(signing_key, "\n".join((host, path, timestamp, seconds)).encode(), hashlib.sha256).hexdigest()
