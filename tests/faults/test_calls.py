"""Faults of the calls before any file is fetched: topics, components, manifest. The whole program, from the outside."""

from __future__ import annotations

import gzip
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path

import pytest

from dci_downloader.errors import AUTHORITY_HINT, CLOCK_HINT, HOST_NAME_HINT
from tests.faults.certificates import make_authority, server_side
from tests.faults.program import MANIFEST, Program
from tests.faults.rows import HTML, encoded, interim, refusal
from tests.faults.server import Behaviour, changed, chunked, cut, drop, header, redirect, status


@dataclass(frozen=True)
class Call:
    """A fault of one call.

    Attributes:
        at: which call: ``topics``, ``manifest`` at the control server, or ``store`` for its bytes.
        fails: the exit code; 0 where the run succeeds after all.
        says: what standard error holds.
    """

    id: str
    at: str
    does: Sequence[Behaviour]
    for_ever: bool = False
    fails: int = 0
    says: str = ""
    patience: float = 20.0


def after(seconds: float) -> tuple[str, str]:
    return ("Retry-After", formatdate(time.time() + seconds, usegmt=True))


EVERYWHERE = [
    ("cut at 0 %", [cut(0.0)]),
    ("cut before the head", [drop]),
    ("cut in the middle", [cut(0.5)]),
    ("cut one byte before the end", [cut(-1)]),
    ("reset at 0 %", [cut(0.0, reset=True)]),
    ("reset in the middle", [cut(0.5, reset=True)]),
    ("reset one byte before the end", [cut(-1, reset=True)]),
    ("500 and 502", [status(500), status(502)]),
    ("429", [status(429)]),
    ("503 with seconds", [status(503, ("Retry-After", "1"))]),
    ("503 with a date", [status(503, after(3600))]),
    ("503, absurdly long", [status(503, ("Retry-After", "99999999999"))]),
    *((f"{code}", [status(code)]) for code in (507, 520, 599)),
    ("interim responses", [interim(103), interim(100, 102, 103, 103)]),
    ("a cut after an interim response", [interim(103, ended=False)]),
]
SKEWED = refusal(400, "HmacMechanism failed: signature is expired", ahead=1800.0)
CALLS = [
    *(Call(f"{what}, {at}", at, does) for what, does in EVERYWHERE for at in ("topics", "manifest", "store")),
    Call("503 for ever", "topics", [status(503)], True, 5, "HTTP 503", patience=1.0),
    Call("403 of a presigned URL", "store", [status(403)]),
    Call("403 for ever", "store", [status(403)], True, 5, "the object store answered HTTP 403"),
    Call("clock skew", "topics", [SKEWED], True, 3, "this machine's clock is 30 minutes behind the server's"),
    Call("clock skew", "manifest", [SKEWED], True, 3, "this machine's clock is 30 minutes behind the server's"),
    Call("no access", "manifest", [refusal(401, "Operation not authorized.")], True, 3, "has no access"),
    Call("no file list", "manifest", [refusal(404, "not found")], True, 4, "has no files"),
    Call("no file list", "store", [status(404)], True, 4, "has no files"),
    Call("truncated once", "store", [changed(lambda a: a._replace(body=a.body[:-9]))]),
    Call("an HTML page once", "store", [changed(lambda _: HTML)]),
    Call("an inactive team", "topics", [refusal(412, "Team lab is not active")], True, 3, "Team lab is not active"),
    Call("an unknown remoteci", "topics", [refusal(404, "remoteci not found")], True, 3, "DCI_CLIENT_ID"),
    Call("an HTML page", "topics", [changed(lambda _: HTML)], True, 5, "DCI_CS_URL"),
    Call("an HTML page", "store", [changed(lambda _: HTML)], True, 7, "HTML"),
    Call("truncated", "store", [changed(lambda a: a._replace(body=a.body[:-9]))], True, 7, "truncated"),
    Call("chunked", "store", [changed(chunked)]),
    Call("chunked, cut at the very end", "store", [changed(lambda answer: chunked(answer, ended=False))]),
    Call("no Content-Length", "store", [changed(lambda answer: answer._replace(framed=False))]),
    Call("gzip although identity was asked", "store", [encoded("gzip", gzip.compress)]),
    Call("no gzip, whatever it says", "store", [changed(lambda a: header(a, "Content-Encoding", "gzip"))] * 2),
    Call("redirect loop", "manifest", [redirect("{here}/{path}")], True, 5, "redirected more than"),
    Call("redirect loop", "store", [redirect("/{path}?{query}")], True, 5, "redirected more than"),
    Call("redirect to a file", "manifest", [redirect("file:///etc/passwd")], True, 5, "neither http nor https"),
    Call("redirect to ftp", "store", [redirect("ftp://127.0.0.1/{path}")], True, 5, "neither http nor https"),
    Call("redirect elsewhere", "topics", [redirect("http://127.0.0.1:9/{path}")], True, 5, "is not the control server"),
]


@pytest.mark.parametrize("call", CALLS, ids=[f"{call.id}, {call.at}" for call in CALLS])
def test_a_fault_of_a_call_never_shows_in_the_mirror(program: Program, call: Call):
    program.two_builds()
    at_control, at_store = program.for_file(MANIFEST)
    place = {"topics": "api/v1/topics", "manifest": at_control, "store": at_store}[call.at]
    server = program.store if call.at == "store" else program.control
    server.scripts[place] = iter(call.does * (1000 if call.for_ever else 1))
    done = program.run(patience=call.patience)
    assert done.code == call.fails
    assert call.says in done.words
    if call.fails:
        program.assert_old_is_visible()
        assert done.report["exit_code"] == call.fails
        program.heal()
        assert program.run().code == 0
    program.assert_new_is_visible()
    assert all(wait <= call.patience / 2 for wait in program.waits)


def test_a_wait_that_a_server_asks_for_is_kept(program: Program):
    program.two_builds()
    program.control.scripts["api/v1/topics"] = iter([status(503, ("Retry-After", "7")), status(503, after(3600))])
    assert program.run(patience=20.0).code == 0
    assert program.waits == [7.0, 10.0]


# certificates

TLS = [
    ("wrong authority", {"host": "IP:127.0.0.1"}, "is signed by an authority that is not trusted here", AUTHORITY_HINT),
    ("wrong name", {"host": "DNS:elsewhere.example"}, "is for another host name", HOST_NAME_HINT),
    ("expired", {"days": -1}, "has expired", CLOCK_HINT),
]


@pytest.mark.skipif(not shutil.which("openssl"), reason="makes its certificates with openssl")
@pytest.mark.parametrize("side", ["control", "store"])
@pytest.mark.parametrize(("fault", "certificate", "says", "hint"), TLS, ids=[row[0] for row in TLS])
def test_a_certificate_that_cannot_be_trusted_ends_the_run_at_once(
    make_program: Callable[..., Program],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    side: str,
    fault: str,
    certificate: dict[str, object],
    says: str,
    hint: str,
):
    authority, other = make_authority(tmp_path, "authority"), make_authority(tmp_path, "other")
    # both, because a file list is not taken from a hop without TLS
    program = make_program(control=server_side(authority, "control"), store=server_side(authority, "store"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority))
    program.two_builds()
    program.restart(side, server_side(other if fault == "wrong authority" else authority, "wrong", **certificate))
    began = time.monotonic()
    done = program.run(patience=30.0)
    assert time.monotonic() - began < 5
    assert (done.code, "trying again" in done.words) == (5, False)
    assert f"the certificate of 127.0.0.1:{getattr(program, side).port} {says}" in done.words
    assert f"hint: {hint}" in done.words
    program.assert_old_is_visible()
    program.restart(side, server_side(authority, "again"))
    assert program.run().code == 0
    program.assert_new_is_visible()


def test_a_control_server_without_an_address_ends_the_run_at_once(program: Program, monkeypatch: pytest.MonkeyPatch):
    program.two_builds()
    monkeypatch.setenv("DCI_CS_URL", "http://control.invalid")
    began = time.monotonic()
    done = program.run(patience=30.0)
    assert time.monotonic() - began < 10
    assert done.code == 5
    assert "the name of control.invalid cannot be resolved" in done.words
    assert "DCI_CS_URL" in done.words
    program.assert_old_is_visible()
