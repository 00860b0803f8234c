"""What to do about an answer: rules without I/O.

Two kinds of request are judged: **locate** (control server, answers with a redirect) and **fetch** (object store,
answers with bytes). The rules, from RFC 9110 and from what the two servers were seen to do:

* A body counts only under the right status *and* the right place: 200 for a whole file, 206 whose ``Content-Range``
  starts where the request did and names the file's size. A server that gets ranges wrong in any way (200 or 416 to a
  ranged request, another range) is asked for the whole file instead.
* A length or an encoding that cannot be the manifest's is refused before its first byte is kept.
* 403 is a presigned URL past its 600 seconds: locate again.
* 408, 425, 429, 5xx and broken connections pass; they are tried again, later each time, ``Retry-After`` honoured up
  to half of the run's patience. Other statuses are answers and final.
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
from dci_downloader.network.headers import Head, content_length, parse_content_range, retry_after
from dci_downloader.network.retries import REDIRECTS, TRANSIENT

_URL_CHARACTERS = "%:/?#[]@!$&'()*+,;=~"
"""What stays as it is in a redirect: all that may stand in a URL. Servers send raw spaces and UTF-8 besides."""

_PLAIN_URL = re.compile(r"https?://[A-Za-z0-9.-]+(?::(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}))?/[!#-;=?-\[\]_a-z~]*", re.ASCII)
"""What nearly every redirect looks like: an absolute URL in which nothing is to be joined, quoted or doubted."""

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
    """What follows from an answer."""

    ACCEPT = "the body is what was asked for"
    REDIRECT = "the answer names another place"
    RETRY = "the same again, later"
    LOCATE = "a new URL is needed"
    WHOLE = "the file has to come in one piece, without ranges"
    REFUSE = "wrong, but it may be right the next time"
    GIVE_UP = "final for this file"
    ABORT = "final for the whole run"


@dataclass(frozen=True)
class Verdict:
    """The judgement of one answer.

    Attributes:
        reason: half a sentence for a person; holds no query string.
        wait: seconds that the server asked for before the next try.
        location: where a redirect leads.
        exit_code: that of the error this becomes if it is the last word.
        hint: what the user can do, where there is something.
    """

    action: Action
    reason: str = ""
    wait: float = 0.0
    location: str = ""
    exit_code: int = TransferError.exit_code
    hint: str = ""


ACCEPT = Verdict(Action.ACCEPT)


def judge_locate(head: Head, url: str, now: datetime) -> Verdict:
    """Judge the control server's answer to the request for a file.

    Args:
        head: of the answer.
        url: that was asked for.
        now: current time, UTC.
    """
    status = head.status
    if status in REDIRECTS:
        return _judge_redirect(head, url)
    if status in TRANSIENT:
        return _later(head, now)
    if status in (400, 401, 403, 412):
        return Verdict(
            Action.GIVE_UP,
            f"the control server refused access (HTTP {status})",
            exit_code=AccessError.exit_code,
        )
    if status == 404:
        return Verdict(Action.GIVE_UP, "the control server has no such file (HTTP 404)")
    return Verdict(Action.GIVE_UP, f"the control server answered HTTP {status} where a redirect was due")


def judge_fetch(head: Head, url: str, wanted: Optional[Range], size: int, now: datetime) -> Verdict:
    """Judge the head of the object store's answer, before a byte of its body is kept.

    Args:
        head: of the answer.
        url: that was asked for.
        wanted: the range that was asked for, or None for the whole file.
        size: bytes of the whole file, by the manifest.
        now: current time, UTC.
    """
    status = head.status
    if status == 200 and wanted is None:
        return _judge_body(head.headers, size)
    if status == 206 and wanted is not None:
        return _judge_part(head.headers, wanted, size)
    if status in (200, 206, 416):
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
    """Judge an answer that ended in good order although bytes of what was asked for are missing.

    Args:
        head: of the answer.
        position: the byte after the last that came.
        end: the byte after the last that was asked for.
    """
    return Verdict(
        Action.REFUSE,
        f"the answer{_page(head.headers)} ended at byte {position}, {end - position} bytes early",
        exit_code=IntegrityError.exit_code,
    )


def judge_failure(code: int, message: str, url: str) -> Verdict:
    """Judge a request that ended without a complete answer.

    Args:
        code: libcurl's error code.
        message: libcurl's own words.
        url: that was asked for.
    """
    host = urlsplit(url).hostname
    if code in _UNTRUSTED:
        return Verdict(Action.ABORT, f"{host}: {_UNTRUSTED[code]} ({message})", hint=_certificate_hint(message))
    if code == pycurl.E_FILESIZE_EXCEEDED:
        return Verdict(Action.REFUSE, f"{host}: it sends more than it should", exit_code=IntegrityError.exit_code)
    if message.startswith("CONNECT "):  # libcurl calls what the proxy answered a connection that was cut
        hint = "check HTTPS_PROXY and NO_PROXY: is the proxy up, does it let you in?"
        return Verdict(Action.RETRY, f"{host}: the proxy does not let it through ({message})", hint=hint)
    return Verdict(Action.RETRY, f"{host}: {_BROKEN.get(code) or message or f'libcurl error {code}'}")


def _certificate_hint(message: str) -> str:
    """What to do about a certificate that OpenSSL, in libcurl's words, does not trust."""
    said = message.lower()
    if "expired" in said or "not yet valid" in said:
        return CLOCK_HINT
    return HOST_NAME_HINT if "subject name" in said or "host name" in said else AUTHORITY_HINT


def _judge_redirect(head: Head, url: str) -> Verdict:
    place = head.headers.get("location", "")
    if not place:
        return Verdict(Action.REFUSE, "a redirect came without a place to go")
    if _PLAIN_URL.fullmatch(place):
        return Verdict(Action.REDIRECT, location=place)
    try:
        parts = urlsplit(urljoin(url, quote(place.encode("latin-1"), safe=_URL_CHARACTERS)))
        scheme, host, port = parts.scheme, parts.hostname, parts.port
    except ValueError:
        return Verdict(Action.GIVE_UP, "a redirect led to something that is no URL")
    if scheme in ("http", "https"):
        if not host or port == 0:
            return Verdict(Action.GIVE_UP, "a redirect led to something that is no URL")
        return Verdict(Action.REDIRECT, location=parts.geturl())
    return Verdict(Action.GIVE_UP, f"a redirect to {scheme}:// was refused; only http and https are followed")


def _judge_body(headers: Mapping[str, str], size: int) -> Verdict:
    encoding = headers.get("content-encoding", "identity").lower()
    if encoding != "identity":
        return Verdict(Action.REFUSE, f"it came encoded as {encoding[:20]!r} although none was asked for")
    length = content_length(headers.get("content-length", ""))
    if length not in (None, size):
        return Verdict(
            Action.REFUSE,
            f"the server sends {length} bytes{_page(headers)}, the manifest says {size}",
            exit_code=IntegrityError.exit_code,
        )
    return ACCEPT


def _judge_part(headers: Mapping[str, str], wanted: Range, size: int) -> Verdict:
    encoding = headers.get("content-encoding", "identity").lower()
    if encoding != "identity":
        return Verdict(Action.REFUSE, f"it came encoded as {encoding[:20]!r} although none was asked for")
    sent = parse_content_range(headers.get("content-range", ""))
    if sent is None or sent.start != wanted.start or sent.end > wanted.end:
        return Verdict(Action.WHOLE, "the object store sent another range than was asked for")
    if sent.size not in (None, size):
        return Verdict(
            Action.WHOLE, f"the object store says it has {sent.size} bytes, the manifest says {size}", exit_code=7
        )
    return ACCEPT


def _page(headers: Mapping[str, str]) -> str:
    """A remark where a web page came in place of a file: a portal or proxy answers for the server."""
    return " of a web page" if headers.get("content-type", "").lower().startswith("text/html") else ""


def _later(head: Head, now: datetime) -> Verdict:
    wait = retry_after(head.headers.get("retry-after", ""), now)
    return Verdict(Action.RETRY, f"the server answered HTTP {head.status}", wait=wait)
