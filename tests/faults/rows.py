"""The table of faults: what the servers do, and what comes of it. Two tests run through it: one drives the engine
with small and with segmented files (``test_faults``), one the whole program (``test_published``).
"""

from __future__ import annotations

import gzip
import json
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from email.utils import formatdate
from itertools import chain, repeat
from typing import Any, Optional

from tests.faults.server import (
    Behaviour,
    Exchange,
    Response,
    changed,
    chunked,
    cut,
    drop,
    header,
    redirect,
    status,
)
from tests.faults.sizes import BIG, SMALL

VICTIM = "BaseOS/x86_64/os/Packages/c++~1^2 %41 ü.rpm"
OTHERS = ("other-1.rpm", "other-2.rpm", "empty")
SIZES = {"small": SMALL, "big": BIG}


@dataclass(frozen=True)
class Row:
    """A fault and its outcome.

    Attributes:
        store: what the object store does about the first requests for the victim.
        control: what the control server does about them.
        stored: what the object store holds in place of the victim.
        for_ever: the behaviours are repeated again and again.
        fails: exit code of the victim's failure; None where it arrives after all.
        says: what the reason holds; where it arrives after all, what ``--verbose`` tells.
        hints: what the hint holds.
        located: how often the small victim is asked for at the control server; None where that is a matter of time, or
            of whether pycurl is too old to read of a head only what is needed.
    """

    id: str
    store: Sequence[Behaviour] = ()
    control: Sequence[Behaviour] = ()
    stored: Optional[Callable[[bytes], bytes]] = None
    for_ever: bool = False
    fails: Optional[int] = None
    says: str = ""
    hints: str = ""
    located: Optional[int] = 2
    sizes: Sequence[str] = ("small", "big")
    patience: float = 20.0

    def script(self, behaviours: Sequence[Behaviour]) -> Iterator[Behaviour]:
        """What a server does about one request after the other."""
        return chain.from_iterable(repeat(behaviours)) if self.for_ever and behaviours else iter(behaviours)


def body(change: Callable[[bytes], bytes]) -> Behaviour:
    return changed(lambda answer: answer._replace(body=change(answer.body)))


def corrupted(content: bytes) -> bytes:
    return content[:-1] + bytes([content[-1] ^ 1])


def shorter(content: bytes) -> bytes:
    return content[:-7]


def longer(content: bytes) -> bytes:
    return content + b"one more"


def place(shift_start: int, shift_end: int, shift_size: int = 0) -> Behaviour:
    """A 206 that claims, and sends, another range than was asked for."""

    def behave(exchange: Exchange) -> None:
        start, end = exchange.asked.range or (0, SMALL)
        start, end = start + shift_start, end + shift_end
        value = f"bytes {start}-{end - 1}/{BIG + shift_size}"
        exchange.send((answer := Response(206, (("Content-Range", value),), bytes(end - start))).head() + answer.body)

    return behave


def less(exchange: Exchange) -> None:
    """Half of the range, as a server may (RFC 9110, 15.3.7)."""
    answer = exchange.answer()
    start, end = exchange.asked.range or (0, 0)
    end = (start + end) // 2
    answer = header(answer, "Content-Range", f"bytes {start}-{end - 1}/{BIG}")._replace(body=answer.body[: end - start])
    exchange.send(answer.head() + answer.body)


def whole_part(*, named: bool) -> Behaviour:
    """A 206 to every request for the whole file."""

    def behave(exchange: Exchange) -> None:
        answer = exchange.answer()._replace(status=206)
        if named and exchange.asked.range is None:
            size = len(answer.body)
            answer = header(answer, "Content-Range", f"bytes 0-{size - 1}/{size}")
        elif not named:
            answer = answer._replace(headers=())
        exchange.send(answer.head() + answer.body)

    return behave


def rangeless(exchange: Exchange) -> None:
    """The whole file, whatever was asked for; the first request for the whole is cut."""
    wholes = exchange.server.ranges(exchange.asked.path).count(None)
    rest = {name: value for name, value in exchange.asked.headers.items() if name != "range"}
    whole = Response(200, body=exchange.server.well(exchange.asked._replace(headers=rest)).body)
    if exchange.asked.range is None and wholes == 1:
        whole = whole._replace(body=whole.body[: BIG // 2])
        exchange.send(whole.head().replace(b"%d" % (BIG // 2), b"%d" % BIG) + whole.body)
        exchange.cut()
    else:
        exchange.send(whole.head() + whole.body)


def refusal(code: int, text: str, *, ahead: float = 0.0) -> Behaviour:
    """A refusal in the control server's own form; its clock is so many seconds ahead of this machine's."""
    body = json.dumps({"message": text, "status_code": code, "payload": {}}).encode()

    def answer(_: Response) -> Response:
        return Response(code, (("Date", formatdate(time.time() + ahead, usegmt=True)),), body)

    return changed(answer)


def labelled(value: str, *more: str) -> Behaviour:
    """The right bytes, said to be encoded."""
    headers = tuple(("Content-Encoding", each) for each in (value, *more))
    return changed(lambda answer: answer._replace(headers=(*answer.headers, *headers)))


def raw_deflate(content: bytes) -> bytes:
    deflater = zlib.compressobj(wbits=-15)
    return deflater.compress(content) + deflater.flush()


def encoded(value: str, encode: Callable[[bytes], bytes], *, whole: bool = True, in_chunks: bool = False) -> Behaviour:
    """Compressed on the fly: the whole file, whatever was asked for, or what was asked for."""

    def behave(exchange: Exchange) -> None:
        rest = {name: text for name, text in exchange.asked.headers.items() if whole is False or name != "range"}
        answer = exchange.server.well(exchange.asked._replace(headers=rest))
        answer = header(answer._replace(body=encode(answer.body)), "Content-Encoding", value)
        answer = chunked(answer) if in_chunks else answer
        exchange.send(answer.head() + answer.body)

    return behave


def interim(*codes: int, ended: bool = True) -> Behaviour:
    """Interim responses, and then the final one, or the end of the connection."""

    def behave(exchange: Exchange) -> None:
        for code in codes:
            exchange.send(Response(code, (("Link", "</style.css>; rel=preload"),), framed=False).head())
        if ended:
            answer = exchange.answer()
            exchange.send(answer.head() + answer.body)
        else:
            exchange.cut()

    return behave


def cut_in_coding(exchange: Exchange) -> None:
    """Compressed on the fly, and cut in the middle."""
    rest = {name: text for name, text in exchange.asked.headers.items() if name != "range"}
    answer = exchange.server.well(exchange.asked._replace(headers=rest))
    answer = header(answer._replace(body=gzip.compress(answer.body)), "Content-Encoding", "gzip")
    exchange.send(answer.head() + answer.body[: len(answer.body) // 2])
    exchange.cut()


def bomb(_: bytes) -> bytes:
    """Two layers, of which the outer one alone is a thousand times larger than it seems."""
    return gzip.compress(gzip.compress(bytes(50_000_000)))


ENCODINGS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "Deflate": raw_deflate,
    "aws-chunked,gzip": gzip.compress,
    "gzip, gzip": lambda content: gzip.compress(gzip.compress(content)),
    "deflate, gzip": lambda content: gzip.compress(zlib.compress(content)),
}

HTML = Response(200, (("Content-Type", "text/html; charset=utf-8"),), b"<html>Sign in to the guest network</html>")
BROKEN_PLACES = ["http://[::1", "http://127.0.0.1:port/a"]

CLOSED = "http://127.0.0.1:9/{path}"
NAMELESS = "http://store.invalid/{path}"
GONE: dict[str, Any] = {"for_ever": True, "fails": 5, "located": None, "patience": 1.0}
PIECE = "asking for it in one piece"

ROWS = [
    Row("no fault", located=1),
    # broken connections
    Row("cut at 0 %", [cut(0.0)]),
    Row("cut before the head", [drop], located=None),
    Row("cut in the middle", [cut(0.5)]),
    Row("cut one byte before the end", [cut(-1)]),
    Row("reset at 0 %", [cut(0.0, reset=True)]),
    Row("reset in the middle", [cut(0.5, reset=True)]),
    Row("reset one byte before the end", [cut(-1, reset=True)]),
    Row("cut again and again, a little farther each time", [cut(0.1), cut(0.3), cut(0.6), cut(0.9)], located=5),
    Row("cut before the redirect", control=[drop], located=None),
    Row("refused connection", control=[redirect(CLOSED)]),
    Row("refused connection for ever", control=[redirect(CLOSED)], **GONE, says="127.0.0.1: no connection"),
    Row("no such name", control=[redirect(NAMELESS)]),
    Row("no such name for ever", control=[redirect(NAMELESS)], **GONE, says="store.invalid: its name cannot be res"),
    # busy and broken servers
    Row("503 with Retry-After in seconds", [status(503, ("Retry-After", "3"))]),
    Row("503 with Retry-After as a date", [status(503, ("Retry-After", "Wed, 21 Oct 2076 07:28:00 GMT"))]),
    Row("503 with an absurd Retry-After", [status(503, ("Retry-After", "9" * 12))]),
    Row("500 twice", [status(500), status(500)], located=3),
    Row("502 twice", [status(502), status(502)], located=3),
    Row("500 and 502 of the control server", control=[status(500), status(502)], located=3),
    *(Row(f"{code}", [status(code)]) for code in (507, 509, 520, 522, 530, 598, 599)),
    *(Row(f"{code} of the control server", control=[status(code)]) for code in (507, 509, 525, 598, 599)),
    *(
        Row(f"{code} for ever", [status(code)], for_ever=True, fails=5, says=f"HTTP {code}", located=1)
        for code in (501, 505)
    ),
    Row("429", [status(429)]),
    Row("429 of the control server", control=[status(429)]),
    Row("503 for ever", [status(503)], for_ever=True, fails=5, says="HTTP 503", located=None, patience=1.0),
    Row("interim responses", [interim(103), interim(100, 102, 103, 103)], for_ever=True, located=1),
    Row("interim responses of the control server", control=[interim(103, 103)], for_ever=True, located=1),
    Row("a cut after an interim response", [interim(103, ended=False)], located=None),
    Row("a cut after an interim response of the control server", control=[interim(103, ended=False)], located=None),
    # answers that are final, or not
    Row("presigned URL expired", [status(403)]),
    Row("403 for ever", [status(403)], for_ever=True, fails=5, says="refused the presigned URL", located=3),
    Row("404", [status(404)], for_ever=True, fails=5, says="does not have it (HTTP 404)", located=1),
    Row("404 of the control server", control=[status(404)], fails=5, says="no such file (HTTP 404)", located=1),
    Row(
        "401 of the control server",
        control=[refusal(401, "Operation not authorized.")],
        fails=3,
        says="has no access to it",
        hints="team",
        located=1,
    ),
    Row("401 of something else", control=[status(401)], fails=3, says="does not accept the credentials", located=1),
    Row("a long 403 page", control=[status(403, body=bytes(100_000))], fails=3, says="(HTTP 403)", located=1),
    Row("400 of the control server", control=[status(400)], fails=5, says="answered HTTP 400", located=1),
    Row("400 for one file", control=[refusal(400, "Request malformed")], fails=5, says="Request malformed", located=1),
    Row(
        "404 of an older control server for an unknown remoteci",
        control=[refusal(404, "remoteci not found")],
        fails=3,
        says="does not accept the credentials (remoteci not found)",
        hints="DCI_CLIENT_ID",
        located=1,
    ),
    Row("412", control=[refusal(412, "Team lab is inactive")], fails=3, says="Team lab is inactive", located=1),
    Row(
        "clock skew",
        control=[refusal(400, "HmacMechanism failed: signature is expired", ahead=1800.0)],
        fails=3,
        says="the signature counts as expired: this machine's clock and the server's differ",
        hints="set this machine's clock",
        located=1,
    ),
    Row(
        "wrong secret",
        control=[refusal(400, "HmacMechanism failed: signature is invalid")],
        fails=3,
        says="finds the signature wrong",
        hints="DCI_API_SECRET",
        located=1,
    ),
    Row("an odd status", [status(418)], fails=5, says="HTTP 418", located=1),
    Row("200 of the control server", control=[status(200)], fails=5, says="where a redirect was due", located=1),
    Row("a long error page", [status(500, body=bytes(100_000))]),
    Row("a long redirect page", control=[status(503, body=bytes(100_000))]),
    # ranges
    Row("200 instead of 206", [changed(lambda _: Response(200, body=bytes(BIG)))], says=PIECE, sizes=["big"]),
    Row("no ranges, and a cut", [rangeless], for_ever=True, sizes=["big"]),
    Row("206 of another range", [place(1, 1)], says=PIECE, sizes=["big"]),
    Row("206 of a longer range", [place(0, 1)], says=PIECE, sizes=["big"]),
    Row("206 of a bigger file", [place(0, 0, 1)], says=PIECE, sizes=["big"]),
    Row("206 without Content-Range", [changed(lambda answer: answer._replace(headers=()))], says=PIECE, sizes=["big"]),
    Row(
        "206 with a bad Content-Range",
        [changed(lambda a: header(a, "Content-Range", "bytes 9-1/0"))],
        says=PIECE,
        sizes=["big"],
    ),
    Row("206 of half of the range", [less], sizes=["big"]),
    Row("206 to a request for the whole", [place(0, 0)], sizes=["small"]),
    Row("206 of the whole", [whole_part(named=True)], for_ever=True, located=1),
    Row("206 of the whole that names no range", [whole_part(named=False)], for_ever=True, located=1),
    Row("416", [status(416)], says=PIECE, sizes=["big"]),
    # lengths
    Row("body shorter", [body(shorter)]),
    Row("body longer", [body(longer)]),
    Row(
        "body shorter for ever", stored=shorter, fails=7, says=f"the manifest says {SMALL}", located=3, sizes=["small"]
    ),
    Row("body shorter for ever", stored=shorter, fails=7, says=f"the manifest says {BIG}", sizes=["big"]),
    Row("body longer for ever", stored=longer, fails=7, says=f"the manifest says {SMALL}", located=3, sizes=["small"]),
    Row("body longer for ever", stored=longer, fails=7, says=f"the manifest says {BIG}", sizes=["big"]),
    Row("nothing in place of the file", stored=lambda _: b"", fails=7, says="sends 0 bytes", located=3),
    Row("no Content-Length", [changed(lambda answer: answer._replace(framed=False))], located=1),
    Row("chunked", [changed(chunked)], located=1),
    Row("chunked, cut at the very end", [changed(lambda answer: chunked(answer, ended=False))], located=1),
    Row("chunked and shorter", [changed(lambda answer: chunked(answer._replace(body=answer.body[:-7])))]),
    Row("chunked and longer", [changed(lambda answer: chunked(answer._replace(body=answer.body + b"x")))], located=1),
    # content
    # encodings
    *(
        Row(f"said to be {', '.join(values) or 'nothing'}, but right", [labelled(*values)], for_ever=True, located=1)
        for values in (
            ("",),
            ("identity",),
            ("aws-chunked",),
            ("utf-8",),
            ("gzip",),
            ("br",),
            ("x-gzip", "aws-chunked"),
        )
    ),
    *(
        Row(f"{name}, {form}", [encoded(name, encode, in_chunks=form == "chunked")], for_ever=True, located=None)
        for name, encode in ENCODINGS.items()
        for form in ("with its length", "chunked")
    ),
    Row("gzip once", [encoded("gzip", gzip.compress)], located=None),
    Row("gzip of each part", [encoded("gzip", gzip.compress, whole=False)], for_ever=True, located=None),
    Row(
        "gzip of each part, chunked",
        [encoded("gzip", gzip.compress, whole=False, in_chunks=True)],
        for_ever=True,
        located=None,
    ),
    Row("said to be gzip, chunked, but right", [encoded("gzip", bytes, in_chunks=True)], for_ever=True, located=None),
    Row("gzip, cut", [cut_in_coding], located=None),
    Row("br for ever", [encoded("br", gzip.compress)], for_ever=True, fails=5, says="encoded as 'br'", located=3),
    Row(
        "gzip of something else",
        [encoded("gzip", lambda content: gzip.compress(corrupted(content)))],
        for_ever=True,
        fails=7,
        says="does not match its manifest",
        located=None,
    ),
    Row("a bomb", [encoded("gzip, gzip", bomb)], for_ever=True, fails=7, says="longer than", located=3),
    Row("an HTML page", [changed(lambda _: HTML)]),
    Row("an HTML page for ever", [changed(lambda _: HTML)], for_ever=True, fails=7, says="a web page", located=3),
    Row("a chunked HTML page", [changed(lambda _: chunked(HTML))], for_ever=True, fails=7, says="web page", located=3),
    Row("corrupted once", [body(corrupted)], says="; fetching it again"),
    Row("corrupted twice", [body(corrupted), body(corrupted)], located=3, sizes=["small"]),
    Row("corrupted always", stored=corrupted, fails=7, says="does not match its manifest", located=3),
    # redirects
    Row("redirect on the control server", control=[redirect("{here}/{path}?again=1")]),
    Row("relative redirect on the control server", control=[redirect("/{path}")]),
    Row("redirect loop", control=[redirect("{here}/{path}")], for_ever=True, fails=5, says="in a circle", located=6),
    Row("redirect in the object store", [redirect("/{path}?{query}")], located=1),
    Row(
        "redirect loop in the object store",
        [redirect("/{path}?{query}")],
        for_ever=True,
        fails=5,
        says="circle",
        located=1,
    ),
    Row("redirect to a file", control=[redirect("file:///etc/passwd")], fails=5, says="file://", located=1),
    Row("redirect of the store to a file", [redirect("file:///etc/passwd")], fails=5, says="file://", located=1),
    Row("redirect to ftp", control=[redirect("ftp://127.0.0.1/{path}")], fails=5, says="ftp://", located=1),
    Row("redirect to nowhere", control=[status(302)]),
    *(
        Row(f"redirect to {place}", control=[redirect(place)], for_ever=True, fails=5, says="no URL", located=1)
        for place in BROKEN_PLACES
    ),
    Row("redirect with raw characters", control=[redirect("{here}/{path}?name=ü x")]),
]
