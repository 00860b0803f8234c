"""What to do about a response: rules without I/O.

Two kinds of request are judged: **locate** (the control server responds with a redirect) and **fetch** (the object
store, or a peer, responds with bytes). The rules, from RFC 9110 and from what the two servers were seen to do:

* A body counts only with the right status *and* the right range: 200 for a whole file, 206 whose ``Content-Range``
  starts where the request did and names the file's size. 206 for a whole file needs no range. A server that gets ranges
  wrong in any way (200 or 416 to a ranged request, another range) is asked for the whole file instead.
* A length that contradicts the manifest is refused before the first byte is kept, unless the body is encoded.
* ``Content-Encoding`` is a hint: the digest decides. A whole body of the right length is taken as it is. One of another
  length, or of none, is decoded where that is possible; if that proves wrong, it is read the other way the next time.
  A part of a file is taken as it is; if the file proves wrong, it is asked for in one piece.
* 403 is a presigned URL past its 600 seconds: locate again.
* 408, 425, 429, 5xx (but 501 and 505) and broken connections pass; they are tried again, later each time,
  ``Retry-After`` honoured up to half of the run's patience. Other statuses are final.
* A certificate that cannot be trusted does not become better: the run ends at once.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Optional
from urllib.parse import quote, urljoin, urlsplit

import pycurl

from dci_downloader.content.ranges import Range
from dci_downloader.errors import AUTHORITY_HINT, CLOCK_HINT, HOST_NAME_HINT, AccessError, IntegrityError, TransferError
from dci_downloader.network.encoding import decodable, names_encoding
from dci_downloader.network.headers import Head, content_length, parse_content_range, retry_after
from dci_downloader.network.retries import REDIRECTS, TRANSIENT

_URL_CHARACTERS = "%:/?#[]@!$&'()*+,;=~"
"""The characters that are not quoted in a redirect: all that a URL may hold. Servers send raw spaces and UTF-8, too."""

_PLAIN_URL = re.compile(r"https?://[A-Za-z0-9.-]+(?::(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}))?/[!#-;=?-\[\]_a-z~]*", re.ASCII)
"""The form of nearly every redirect: an absolute URL that needs no joining, quoting or closer look."""

ENCODING_HINT = "does a proxy or cache compress answers on their way? Have it leave these as they are"
_UNTRUSTED = {
    pycurl.E_PEER_FAILED_VERIFICATION: "its certificate cannot be trusted",
    pycurl.E_SSL_CACERT_BADFILE: "the file of trusted certificates cannot be read",
    pycurl.E_SSL_CERTPROBLEM: "the TLS certificate cannot be used",
}
_BROKEN = {
    pycurl.E_COULDNT_RESOLVE_HOST: "its name cannot be resolved",
    pycurl.E_COULDNT_RESOLVE_PROXY: "the name of the proxy cannot be resolved",
    pycurl.E_COULDNT_CONNECT: "no connection",
    pycurl.E_OPERATION_TIMEDOUT: "it stopped answering",
    pycurl.E_SSL_CONNECT_ERROR: "TLS handshake failed",
    pycurl.E_PARTIAL_FILE: "the connection was cut",
    pycurl.E_RECV_ERROR: "the connection was cut",
    pycurl.E_SEND_ERROR: "the connection was cut",
    pycurl.E_GOT_NOTHING: "the connection was cut before an answer",
}


class Action(enum.Enum):
    """What follows from a response."""

    ACCEPT = "the body is what was asked for"
    REDIRECT = "the response names another URL"
    RETRY = "the same again, later"
    LOCATE = "a new URL is needed"
    WHOLE = "the file has to be fetched in one piece, without ranges"
    REFUSE = "wrong, but it may be right the next time"
    GIVE_UP = "final for this file"
    ABORT = "final for the whole run"
    MISS = "the peer does not have it"
    DROP = "the peer is of no use"


@dataclass(frozen=True)
class Verdict:
    """The judgement of one response.

    Attributes:
        reason: half a sentence for a person; holds no query string.
        wait: seconds that the server asked for before the next try.
        location: where a redirect leads.
        exit_code: that of the error this becomes if it is the last word.
        hint: what the user can do, where there is something.
        encoded: whether the bytes may be something else than they seem, by ``Content-Encoding``.
        codings: that are to be undone, see :func:`dci_downloader.network.encoding.decodable`.
    """

    action: Action
    reason: str = ""
    wait: float = 0.0
    location: str = ""
    exit_code: int = TransferError.exit_code
    hint: str = ""
    encoded: bool = False
    codings: tuple[str, ...] = ()


ACCEPT = Verdict(Action.ACCEPT)


def judge_locate(head: Head, url: str, now: datetime) -> Verdict:
    """Judge the control server's response to the request for a file.

    Args:
        head: of the response.
        url: that was asked for.
        now: current time, UTC.
    """
    status = head.status
    if status in REDIRECTS:
        return _judge_redirect(head, url)
    if status in TRANSIENT:
        return _later(head, now)
    if status in (401, 403, 412):
        return Verdict(
            Action.GIVE_UP,
            f"the control server refused access (HTTP {status})",
            exit_code=AccessError.exit_code,
        )
    if status == 404:
        return Verdict(Action.GIVE_UP, "the control server has no such file (HTTP 404)")
    return Verdict(Action.GIVE_UP, f"the control server answered HTTP {status} where a redirect was due")


def judge_fetch(
    head: Head, url: str, wanted: Optional[Range], size: int, now: datetime, *, otherwise: bool = False
) -> Verdict:
    """Judge the head of the object store's response, before a byte of its body is kept.

    Args:
        head: of the response.
        url: that was asked for.
        wanted: the range that was asked for, or None for the whole file.
        size: bytes of the whole file, by the manifest.
        now: current time, UTC.
        otherwise: whether to read an encoded body the other way than seems likely, for that proved wrong.
    """
    status = head.status
    if wanted is None and (status == 200 or (status == 206 and "content-range" not in head.headers)):
        return _judge_body(head.headers, size, otherwise)
    if status == 206:
        return _judge_part(head.headers, wanted or Range(0, size), size)
    if status in (200, 416):
        return Verdict(Action.WHOLE, f"the object store does not serve ranges of it (HTTP {status})")
    if status in REDIRECTS:
        return _judge_redirect(head, url)
    if status == 403:
        return Verdict(Action.LOCATE, "the object store refused the presigned URL (HTTP 403)")
    if status in TRANSIENT:
        return _later(head, now)
    if status == 404:
        return Verdict(Action.GIVE_UP, "the object store does not have it (HTTP 404)")
    return Verdict(Action.GIVE_UP, f"the object store answered HTTP {status}")


def judge_end(head: Head, position: int, end: int) -> Verdict:
    """Judge a response that ended in good order although bytes of what was asked for are missing.

    Args:
        head: of the response.
        position: the byte after the last that was received.
        end: the byte after the last that was asked for.
    """
    remark = _page(head.headers) or _encoded_as(head.headers)
    return Verdict(
        Action.REFUSE,
        f"the answer{remark} ended at byte {position}, {end - position} bytes early",
        exit_code=IntegrityError.exit_code,
    )


def judge_failure(code: int, message: str, url: str, proxy_variable: str = "HTTPS_PROXY") -> Verdict:
    """Judge a request that ended without a complete response.

    Args:
        code: libcurl's error code.
        message: libcurl's own text.
        url: that was asked for.
        proxy_variable: the environment variable that names the proxy on the way.
    """
    host = urlsplit(url).hostname
    if code in _UNTRUSTED:
        return Verdict(Action.ABORT, f"{host}: {_UNTRUSTED[code]} ({message})", hint=_certificate_hint(message))
    if code == pycurl.E_FILESIZE_EXCEEDED:
        return Verdict(Action.REFUSE, f"{host}: it sends more than it should", exit_code=IntegrityError.exit_code)
    if message.startswith("CONNECT "):  # for libcurl, a proxy's refusal is a connection that was cut
        hint = f"check {proxy_variable} and NO_PROXY: is the proxy up, does it let you in?"
        return Verdict(Action.RETRY, f"{host}: the proxy does not let it through ({message})", hint=hint)
    hint = f"check {proxy_variable}" if code == pycurl.E_COULDNT_RESOLVE_PROXY else ""
    return Verdict(Action.RETRY, f"{host}: {_BROKEN.get(code) or message or f'libcurl error {code}'}", hint=hint)


def _certificate_hint(message: str) -> str:
    """What to do about a certificate that OpenSSL, in libcurl's text, does not trust."""
    text = message.lower()
    if "expired" in text or "not yet valid" in text:
        return CLOCK_HINT
    return HOST_NAME_HINT if "subject name" in text or "host name" in text else AUTHORITY_HINT


def _judge_redirect(head: Head, url: str) -> Verdict:
    location = head.headers.get("location", "")
    if not location:
        return Verdict(Action.REFUSE, "a redirect came without a place to go")
    if _PLAIN_URL.fullmatch(location):  # urlsplit, urljoin and quote take longer than all other rules together
        return Verdict(Action.REDIRECT, location=location)
    try:
        parts = urlsplit(urljoin(url, quote(location.encode("latin-1"), safe=_URL_CHARACTERS)))
        scheme, host, port = parts.scheme, parts.hostname, parts.port
    except ValueError:
        return Verdict(Action.GIVE_UP, "a redirect led to something that is no URL")
    if scheme in ("http", "https"):
        if not host or port == 0:
            return Verdict(Action.GIVE_UP, "a redirect led to something that is no URL")
        return Verdict(Action.REDIRECT, location=parts.geturl())
    return Verdict(Action.GIVE_UP, f"a redirect to {scheme}:// was refused; only http and https are followed")


def _judge_body(headers: Mapping[str, str], size: int, otherwise: bool) -> Verdict:
    """Judge a whole file's body by its length and encoding."""
    length, encoding = content_length(headers.get("content-length", "")), headers.get("content-encoding", "")
    if not names_encoding(encoding):
        return ACCEPT if length in (None, size) else _wrong_length(headers, length, size)
    undone = decodable(encoding)
    decode = otherwise if length == size else length is not None or not otherwise
    if undone and decode:
        return Verdict(Action.ACCEPT, encoded=True, codings=undone)
    if length in (None, size):
        return Verdict(Action.ACCEPT, encoded=True)
    return Verdict(
        Action.REFUSE, f"it came encoded as {encoding[:20]!r}, which is not how its manifest has it", hint=ENCODING_HINT
    )


def _wrong_length(headers: Mapping[str, str], length: Optional[int], size: int) -> Verdict:
    return Verdict(
        Action.REFUSE,
        f"the server sends {length} bytes{_page(headers)}, the manifest says {size}",
        exit_code=IntegrityError.exit_code,
    )


def _judge_part(headers: Mapping[str, str], wanted: Range, size: int) -> Verdict:
    """Judge a part of a file by its range and encoding."""
    sent = parse_content_range(headers.get("content-range", ""))
    if sent is None or sent.start != wanted.start or sent.end > wanted.end:
        return Verdict(Action.WHOLE, "the object store sent another range than was asked for")
    if sent.size not in (None, size):
        return Verdict(
            Action.WHOLE, f"the object store says it has {sent.size} bytes, the manifest says {size}", exit_code=7
        )
    if not names_encoding(headers.get("content-encoding", "")):
        return ACCEPT
    if content_length(headers.get("content-length", "")) not in (None, sent.end - sent.start):
        return Verdict(Action.WHOLE, "a part of it came encoded", encoded=True)
    return Verdict(Action.ACCEPT, encoded=True)


def _page(headers: Mapping[str, str]) -> str:
    """A remark where the body is a web page in place of the file: a portal or proxy responds for the server."""
    return " of a web page" if headers.get("content-type", "").lower().startswith("text/html") else ""


def _encoded_as(headers: Mapping[str, str]) -> str:
    """A remark where the body is said to be encoded."""
    encoding = headers.get("content-encoding", "")
    return f", encoded as {encoding[:20]!r}," if names_encoding(encoding) else ""


def _later(head: Head, now: datetime) -> Verdict:
    wait = retry_after(head.headers.get("retry-after", ""), now)
    return Verdict(Action.RETRY, f"the server answered HTTP {head.status}", wait=wait)
