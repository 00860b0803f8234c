"""Every fault that a line or a server can have, and what comes of it: the right content, or the designed failure."""

from __future__ import annotations

import re
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from hashlib import sha256
from itertools import repeat
from pathlib import Path
from types import SimpleNamespace

import pytest

from dci_downloader.errors import AUTHORITY_HINT, CLOCK_HINT, HOST_NAME_HINT
from dci_downloader.options import Network
from dci_downloader.results import Failure
from dci_downloader.transfer import pipeline, stage
from tests.faults.certificates import make_authority, server_side
from tests.faults.conftest import SECRETS, Bench
from tests.faults.rows import OTHERS, ROWS, SIZES, VICTIM, Row, corrupted, refusal
from tests.faults.server import (
    Exchange,
    Response,
    changed,
    cut,
    serve,
    stall,
    status,
)
from tests.faults.sizes import BIG, SEGMENT, SMALL

CASES = [pytest.param(row, size, id=f"{row.id}, {size}") for row in ROWS for size in row.sizes]


@pytest.mark.parametrize(("row", "size"), CASES)
def test_every_fault_ends_with_the_right_content_or_the_designed_failure(bench: Bench, row: Row, size: str):
    for path, length in zip(OTHERS, (SMALL, 1, 0)):
        bench.add(path, length)
    victim = bench.add(VICTIM, SIZES[size])
    bench.store.scripts[VICTIM] = row.script(row.store)
    bench.control.scripts[VICTIM] = row.script(row.control)
    held = bench.contents[VICTIM]
    if row.stored is not None:
        bench.contents[VICTIM] = row.stored(held)
    fetched = bench.fetch(patience=row.patience)
    if row.fails is None:
        bench.assert_all_arrived(fetched)
    else:
        (failure,) = fetched.failures
        assert (failure.path, failure.exit_code) == (VICTIM, row.fails)
        assert row.says in failure.reason
        assert row.hints in failure.hint
        if row.stored is corrupted:
            assert (failure.expected, failure.actual) == (victim.sha256, sha256(bench.contents[VICTIM]).hexdigest())
        assert_the_others_arrived(bench, failure)
    if row.located is not None and size == "small":
        assert len(bench.control.asked(VICTIM)) == row.located


@pytest.mark.parametrize("row", [row for row in ROWS if "gzip" in row.id or "eflate" in row.id], ids=lambda row: row.id)
def test_a_file_of_one_segment_is_decoded_too(bench: Bench, row: Row):
    bench.add(VICTIM, SEGMENT - 10_000)
    bench.store.scripts[VICTIM] = row.script(row.store)
    fetched = bench.fetch()
    if row.fails is None:
        bench.assert_all_arrived(fetched)
    else:
        assert [failure.exit_code for failure in fetched.failures] == [row.fails]


def assert_the_others_arrived(bench: Bench, failure: Failure) -> None:
    assert [path for path in OTHERS if not bench.arrived(path)] == []
    assert not bench.mirror.holds(bench.entries[VICTIM])
    assert bench.tally.files == len(OTHERS)
    assert set(bench.partials()) <= {bench.entries[VICTIM].sha256 + end for end in ("", ".json")}
    assert not any(secret in failure.reason + failure.hint.replace("?", "") for secret in SECRETS)
    bench.assert_no_credentials()


@pytest.mark.slow
def test_stalls_are_cut_and_what_they_held_up_is_asked_for_again(bench: Bench):
    """All at once: libcurl looks at the average of some seconds, so that each takes it up to eleven."""
    for path in ("redirect", "first byte", "middle"):
        bench.add(path, SMALL)
    bench.add("segment", BIG)
    bench.control.scripts["redirect"] = iter([Exchange.wait_for_the_end])
    bench.store.scripts["first byte"] = iter([Exchange.wait_for_the_end])
    for path in ("middle", "segment"):
        bench.store.scripts[path] = iter([stall(0.5)])
    bench.assert_all_arrived(bench.fetch(network=Network(read_timeout=1.0)))
    assert {path: len(bench.store.asked(path)) for path in bench.entries} == {
        "redirect": 1,
        "first byte": 2,
        "middle": 2,
        "segment": 6,
    }
    assert len(bench.control.asked("redirect")) == 2


@dataclass(frozen=True)
class Dead:
    """A fault that leaves nothing to fetch from, and what every failure says."""

    id: str
    arrange: Callable[[Bench, Path], Network]
    says: str
    code: int = 5
    hints: str = ""
    hurries: bool = True


def refused(bench: Bench, folder: Path) -> Network:
    bench.control.refuse()
    return Network()


def store_refused(bench: Bench, folder: Path) -> Network:
    bench.store.refuse()
    return Network()


def nameless(bench: Bench, folder: Path) -> Network:
    bench.source.url = "http://control.invalid"
    return Network()


def nameless_proxy(bench: Bench, folder: Path) -> Network:
    return Network(proxies={"http": "http://proxy.invalid:3128"})


def wrong_authority(bench: Bench, folder: Path) -> Network:
    bench.serve(control_tls=server_side(make_authority(folder, "authority"), "server"))
    return Network(ca_bundle=str(make_authority(folder, "other")))


def wrong_name(bench: Bench, folder: Path) -> Network:
    authority = make_authority(folder, "authority")
    bench.serve(control_tls=server_side(authority, "server", host="DNS:elsewhere.example"))
    return Network(ca_bundle=str(authority))


def expired(bench: Bench, folder: Path) -> Network:
    authority = make_authority(folder, "authority")
    bench.serve(store_tls=server_side(authority, "server", days=-1))
    return Network(ca_bundle=str(authority))


def no_tls(bench: Bench, folder: Path) -> Network:
    bench.source.url = bench.source.url.replace("http:", "https:")
    return Network()


def unauthorized(bench: Bench, folder: Path) -> Network:
    bench.control.default = refusal(401, "Unknown remoteci")
    return Network()


def skewed(bench: Bench, folder: Path) -> Network:
    bench.control.default = refusal(400, "HmacMechanism failed: signature is expired", ahead=-3600.0)
    return Network()


DEAD = [
    Dead("control server refuses connections", refused, "127.0.0.1: no connection", hurries=False),
    Dead("object store refuses connections", store_refused, "127.0.0.1: no connection", hurries=False),
    Dead("no such name", nameless, "control.invalid: its name cannot be resolved", hurries=False),
    Dead("no such proxy", nameless_proxy, "cannot be resolved", hurries=False),  # which name, not every libcurl tells
    Dead("TLS, wrong authority", wrong_authority, "127.0.0.1: its certificate cannot be trusted", hints=AUTHORITY_HINT),
    Dead("TLS, wrong name", wrong_name, "127.0.0.1: its certificate cannot be trusted", hints=HOST_NAME_HINT),
    Dead("TLS, expired", expired, "127.0.0.1: its certificate cannot be trusted", hints=CLOCK_HINT),
    Dead("plain HTTP where TLS is due", no_tls, "127.0.0.1: ", hurries=False),
    Dead("401 for every file", unauthorized, "credentials (Unknown remoteci)", code=3, hints="dcirc.sh"),
    Dead(
        "clock skew", skewed, "this machine's clock and the server's differ", code=3, hints="set this machine's clock"
    ),
]


@pytest.mark.parametrize("dead", DEAD, ids=[dead.id for dead in DEAD])
def test_a_dead_server_fails_the_run_not_file_by_file(bench: Bench, dead: Dead, tmp_path: Path):
    if "TLS," in dead.id and not shutil.which("openssl"):
        pytest.skip("makes its certificates with openssl")
    network = dead.arrange(bench, tmp_path)
    bench.add("big.iso", BIG)
    for number in range(200):
        bench.add(f"{number}.rpm", 10)
    began = time.monotonic()
    fetched = bench.fetch(patience=30.0 if dead.hurries else 1.0, network=network)
    assert time.monotonic() - began < 5
    assert {failure.path for failure in fetched.failures} == set(bench.entries)
    assert len(fetched.failures) == len(bench.entries)
    assert {failure.exit_code for failure in fetched.failures} == {dead.code}
    assert all(dead.says in failure.reason and dead.hints in failure.hint for failure in fetched.failures)
    assert not any(secret in failure.reason for failure in fetched.failures for secret in SECRETS)
    assert (fetched.files, fetched.bytes, bench.tally.size) == (0, 0, 0)
    assert len(bench.control.log) < 100 or not dead.hurries
    assert not any(sha256(b"").hexdigest() in name for name in bench.partials())


@pytest.mark.skipif(not shutil.which("openssl"), reason="makes its certificates with openssl")
def test_trusted_certificates_are_trusted_by_both_stages(bench: Bench, tmp_path: Path):
    authority = make_authority(tmp_path, "authority")
    tls = server_side(authority, "server")
    bench.serve(store_tls=tls, control_tls=tls)
    bench.add("small.rpm", SMALL)
    bench.add("big.iso", BIG)
    bench.assert_all_arrived(bench.fetch(network=Network(ca_bundle=str(authority))))


def test_a_connection_ends_without_a_goodbye_in_the_middle_of_tls(bench: Bench, tmp_path: Path):
    if not shutil.which("openssl"):
        pytest.skip("makes its certificates with openssl")
    authority = make_authority(tmp_path, "authority")
    bench.serve(store_tls=server_side(authority, "server"))
    bench.add("big.iso", BIG)
    bench.store.scripts["big.iso"] = iter([cut(0.5), changed(lambda answer: answer._replace(framed=False))])
    bench.assert_all_arrived(bench.fetch(network=Network(ca_bundle=str(authority))))


def in_an_hour() -> str:
    return formatdate(time.time() + 3600, usegmt=True)


@pytest.mark.parametrize("side", ["store", "control"])
@pytest.mark.parametrize(
    ("value", "shortest", "longest"),
    [
        ("7", 7.0, 7.0),
        (in_an_hour(), 10.0, 10.0),
        ("99999999999", 10.0, 10.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0, 1.0),
        ("soon", 0.0, 1.0),
    ],
    ids=["seconds", "a date", "absurdly long", "a date long ago", "nonsense"],
)
def test_retry_after_is_honoured_up_to_half_of_the_patience(
    bench: Bench, side: str, value: str, shortest: float, longest: float
):
    bench.add("a.rpm", SMALL)
    getattr(bench, side).scripts["a.rpm"] = iter([status(503, ("Retry-After", value))])
    bench.assert_all_arrived(bench.fetch(patience=20.0))
    ((attempt, wait),) = bench.waits
    assert attempt == 1
    assert shortest <= wait <= longest


def test_an_expired_url_is_replaced_by_a_new_one(bench: Bench):
    bench.add("a.rpm", SMALL)
    bench.store.scripts["a.rpm"] = iter([status(403)])
    bench.assert_all_arrived(bench.fetch())
    first, second = bench.store.asked("a.rpm")
    assert first.target != second.target


def test_a_url_that_grew_old_is_not_used(bench: Bench):
    """Both files are located at once; while the one is fetched, on the only connection, the URL of the other ages."""
    bench.tune(url_seconds=0.1)
    bench.add("a.rpm", 1000)
    bench.add("b.rpm", 500)

    def serve_late(exchange: Exchange) -> None:
        if len(bench.store.log) == 1:
            while len(bench.control.log) < 2:
                bench.store.closing.wait(0.01)
            bench.store.closing.wait(0.3)
        serve(exchange)

    bench.store.default = serve_late
    bench.assert_all_arrived(bench.fetch(connections=1))
    assert len(bench.control.log) >= 3
    _, asked = bench.store.log
    assert not asked.target.endswith(("s1gnature0", "s1gnature1"))


@pytest.mark.parametrize("size", [SMALL, BIG])
def test_a_control_server_that_goes_down_in_mid_run_leaves_what_came(bench: Bench, size: int):
    def last(exchange: Exchange) -> None:
        bench.control.refuse()
        exchange.cut()

    for number in range(40):
        bench.add(f"{number}", size + number)
    bench.control.scripts["15"] = iter([last])
    fetched = bench.fetch(patience=3)  # a third of it is what an answer may take
    assert {failure.path for failure in fetched.failures} == {path for path in bench.entries if not bench.arrived(path)}
    reasons = {failure.reason for failure in fetched.failures}
    assert reasons
    assert not [reason for reason in reasons if not re.search("no connection|cut", reason)]
    assert fetched.files == len(bench.entries) - len(fetched.failures) == bench.tally.files
    bench.serve()
    kept = sum(bench.mirror.partial_bytes(entry) for entry in bench.entries.values())
    missing = [entry for entry in bench.entries.values() if not bench.mirror.holds(entry)]
    bench.entries = {entry.path: entry for entry in missing}
    fetched = bench.fetch()
    assert fetched.failures == ()
    assert fetched.bytes == sum(entry.size for entry in missing) - kept


def test_requests_for_other_segments_are_progress(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    """One segment that the store is too busy for does not give up a file whose other segments make progress.

    Each time the store says that it is busy, the others have got a little farther, and five seconds have passed.
    """
    bench.tune(write_chunks=10_000)  # so that what was received is still to be taken
    entry = bench.add("big.iso", BIG)
    others = -(-entry.size // SEGMENT) - 1
    rounds, most = [0], 6
    monkeypatch.setattr(pipeline, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + 5.0 * rounds[0]))
    drops = threading.Semaphore(0)

    def drop_by_drop(exchange: Exchange) -> None:
        answer = exchange.answer()
        exchange.send(answer.head())
        for number in range(most):
            while rounds[0] < number and not bench.store.closing.is_set():
                bench.store.closing.wait(0.005)
            exchange.send(answer.body[number * 100 : number * 100 + 100])
            drops.release()
        exchange.send(answer.body[most * 100 :])

    def busy(exchange: Exchange) -> None:
        for _ in range(others):
            assert drops.acquire(timeout=20)
        while bench.tally.size < others * 100 * (rounds[0] + 1):
            bench.store.closing.wait(0.005)
        rounds[0] += 1
        status(503)(exchange)

    def store(exchange: Exchange) -> None:
        if exchange.asked.range == (0, SEGMENT):
            (busy if rounds[0] < most - 1 else serve)(exchange)
        else:
            drop_by_drop(exchange)

    bench.store.default = store
    bench.assert_all_arrived(bench.fetch(patience=20.0))
    assert 5.0 * rounds[0] > 20.0


def test_answers_at_once_of_which_the_first_discards_the_file_do_not_end_the_run(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
):
    bench.add("big.iso", BIG)
    bench.tune(write_chunks=10_000)  # so that all that was received is still to be written
    held: list[stage.CompletedRequest] = []
    turn = stage.Stage.turn

    def together(one: stage.Stage, sockets: int = -1) -> list[stage.CompletedRequest]:
        answers = list(turn(one, sockets))
        if one.limit.most == bench.tuning.most_locates:
            return answers
        held.extend(answers)
        if len(held) < 5 and len(bench.store.log) <= 5:
            return []
        answers, held[:] = sorted(held, key=lambda answer: answer.request.began), []
        return answers

    monkeypatch.setattr(stage.Stage, "turn", together)
    first = changed(lambda answer: Response(200, body=bytes(BIG)))
    bench.store.default = lambda exchange: (first if exchange.asked.range == (0, SEGMENT) else serve)(exchange)
    bench.assert_all_arrived(bench.fetch(connections=63))


def test_final_answers_count_as_answers(bench: Bench):
    """Here they all together take longer than the patience."""
    for number in range(30):
        bench.add(f"gone-{number}", 100 + number)
        bench.store.scripts[f"gone-{number}"] = repeat(status(404))
    bench.add("there", 1)
    bench.store.pause = 0.03
    done = bench.fetch(connections=1, patience=0.5)
    assert {failure.reason for failure in done.failures} == {"the object store does not have it (HTTP 404)"}
    assert (done.files, len(done.failures)) == (1, 30)
