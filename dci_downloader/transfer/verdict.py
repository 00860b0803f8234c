"""What to do about a response: rules without I/O.

Two kinds of request are judged: **locate** (the control server responds with a redirect) and **fetch** (the object
store, or a peer, responds with bytes). The rules, from RFC 9110 and from what the two servers were seen to do:

* A body counts only with the right status *and* the right range: 200 for a whole file, 206 whose ``Content-Range``
  starts where the request did and names the file's size. A server that gets ranges wrong in any way (200 or 416 to a
  ranged request, another range) is asked for the whole file instead.
* A length or an encoding that contradicts the manifest is refused before the first byte is kept.
* 403 is a presigned URL past its 600 seconds: locate again.
* 408, 425, 429, 5xx and broken connections pass; they are tried again, later each time, ``Retry-After`` honoured up
  to half of the run's patience. Other statuses are final.
* A certificate that cannot be trusted does not become better: the run ends at once.
* A peer is not tried again, since there are others and the object store: it lacks the object, has given a wrong
  response, or cannot be reached and is dropped. Only where it does not serve ranges it is asked for the whole file.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Optional
from urllib.parse import quote, urljoin, urlsplit

import pycurl

from dci_downloader.content.ranges import Range
from dci_downloader.errors import AUTHORITY_HINT, CLOCK_HINT, HOST_NAME_HINT, AccessError, IntegrityError, TransferError
from dci_downloader.network.headers import Head, content_length, parse_content_range, retry_after
from dci_downloader.network.retries import REDIRECTS, TRANSIENT

_URL_CHARACTERS = "%:/?#[]@!$&'()*+,;=~"
"""The characters that are not quoted in a redirect: all that a URL may hold. Servers send raw spaces and UTF-8, too."""

_PLAIN_URL = re.compile(r"https?://[A-Za-z0-9.-]+(?::(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}))?/[!#-;=?-\[\]_a-z~]*", re.ASCII)
"""The form of nearly every redirect: an absolute URL that needs no joining, quoting or closer look."""

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
    """

    action: Action
    reason: str = ""
    wait: float = 0.0
    location: str = ""
    exit_code: int = TransferError.exit_code
    hint: str = ""


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


def judge_fetch(head: Head, url: str, wanted: Optional[Range], size: int, now: datetime) -> Verdict:
    """Judge the head of the object store's response, before a byte of its body is kept.

    Args:
        head: of the response.
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
    """Judge a response that ended in good order although bytes of what was asked for are missing.

    Args:
        head: of the response.
        position: the byte after the last that was received.
        end: the byte after the last that was asked for.
    """
    return Verdict(
        Action.REFUSE,
        f"the answer{_page(head.headers)} ended at byte {position}, {end - position} bytes early",
        exit_code=IntegrityError.exit_code,
    )


def judge_failure(code: int, message: str, url: str) -> Verdict:
    """Judge a request that ended without a complete response.

    Args:
        code: libcurl's error code.
        message: libcurl's own text.
        url: that was asked for.
    """
    host = urlsplit(url).hostname
    if code in _UNTRUSTED:
        return Verdict(Action.ABORT, f"{host}: {_UNTRUSTED[code]} ({message})", hint=_certificate_hint(message))
    if code == pycurl.E_FILESIZE_EXCEEDED:
        return Verdict(Action.REFUSE, f"{host}: it sends more than it should", exit_code=IntegrityError.exit_code)
    if message.startswith("CONNECT "):  # for libcurl, a proxy's refusal is a connection that was cut
        hint = "check HTTPS_PROXY and NO_PROXY: is the proxy up, does it let you in?"
        return Verdict(Action.RETRY, f"{host}: the proxy does not let it through ({message})", hint=hint)
    return Verdict(Action.RETRY, f"{host}: {_BROKEN.get(code) or message or f'libcurl error {code}'}")


_UNREACHABLE_PEER = {
    pycurl.E_COULDNT_RESOLVE_HOST: "its name cannot be resolved",
    pycurl.E_COULDNT_RESOLVE_PROXY: "the name of the proxy cannot be resolved",
    pycurl.E_COULDNT_CONNECT: "no connection",
    pycurl.E_OPERATION_TIMEDOUT: "it is slow, or does not answer",
    pycurl.E_PEER_FAILED_VERIFICATION: "its certificate cannot be trusted",
    pycurl.E_SSL_CONNECT_ERROR: "TLS handshake failed",
}

WRONG_CONTENT = Verdict(Action.REFUSE, "what it gives is something else")
"""The judgement of a peer all of whose bytes of a file were received, but do not hash to it."""


def judge_peer_head(verdict: Verdict, head: Head) -> Verdict:
    """Judge the head of a peer's response.

    Args:
        verdict: what :func:`judge_fetch` says of it.
        head: of the response; its status is 0 when there was none.
    """
    if verdict.action is Action.ACCEPT:
        return verdict
    if verdict.action is Action.WHOLE:
        return replace(WRONG_CONTENT, action=Action.WHOLE)
    if head.status in (404, 410):
        return Verdict(Action.MISS)
    return WRONG_CONTENT if head.status in (0, 200, 206) else Verdict(Action.REFUSE, f"it answers HTTP {head.status}")


def judge_peer_failure(code: int, *, begun: bool) -> Verdict:
    """Judge a request to a peer that ended without a complete response.

    Args:
        code: libcurl's error code, 0 for a response that is too short.
        begun: whether there was a head, and it was right.
    """
    if code in _UNREACHABLE_PEER:
        return Verdict(Action.DROP, _UNREACHABLE_PEER[code])
    return Verdict(Action.REFUSE, "its answers are cut") if begun else WRONG_CONTENT


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
    """A remark where the body is a web page in place of the file: a portal or proxy responds for the server."""
    return " of a web page" if headers.get("content-type", "").lower().startswith("text/html") else ""


def _later(head: Head, now: datetime) -> Verdict:
    wait = retry_after(head.headers.get("retry-after", ""), now)
    return Verdict(Action.RETRY, f"the server answered HTTP {head.status}", wait=wait)
