"""``--patience``: a dead server ends the run in about that time, whatever there is to fetch; an outage is sat out."""

from __future__ import annotations

import shutil
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dci_downloader import environment
from tests.faults.certificates import make_authority, server_side
from tests.faults.program import TOPIC, Done, Program
from tests.faults.rows import SIZES
from tests.faults.server import Exchange, FaultServer, serve, stall, status

PATIENCE = 1.0
SLACK = 2.5
"""Seconds for starting, connecting, and a last look; and four times what the run before took, on a busy machine."""

NullProgress = Callable[[FaultServer], None]


def refuses(server: FaultServer) -> None:
    server.refuse()


def says_nothing(server: FaultServer) -> None:
    server.scripts.clear()
    server.default = Exchange.wait_for_the_end


def is_busy(server: FaultServer) -> None:
    server.scripts.clear()
    server.default = status(503)


GONE = [
    ("http", refuses),
    ("http", says_nothing),
    pytest.param("https", says_nothing, marks=pytest.mark.slow),
    pytest.param("http", is_busy, marks=pytest.mark.slow),
]
DEAD = pytest.mark.parametrize(("many_files", "gone"), GONE, indirect=["many_files"])


@pytest.fixture
def many_files(
    request: pytest.FixtureRequest,
    make_program: Callable[..., Program],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Program:
    """A program with a version published before and a hundred files more to fetch, small and big."""
    if request.param == "https":
        if not shutil.which("openssl"):
            pytest.skip("makes its certificates with openssl")
        authority = make_authority(tmp_path, "authority")
        tls = server_side(authority, "server")
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority))
        program = make_program(control=tls, store=tls)
    else:
        program = make_program()
    program.two_builds()
    program.build({**program.new, **{f"more-{number}": program.content(100 + number) for number in range(100)}})
    program.old = program.visible() or {}
    return program


def timed(program: Program, *options: object, patience: float = PATIENCE) -> tuple[Done, float]:
    began = time.monotonic()
    return program.run(*options, patience=patience), time.monotonic() - began


def assert_given_up(program: Program, done: Done, took: float, least: float = 0.0) -> None:
    assert done.code == 5
    assert least <= took < PATIENCE + SLACK + 4 * program.seconds
    program.assert_old_is_visible()


@DEAD
def test_a_server_that_is_dead_from_the_start_ends_the_run_in_about_the_patience(
    many_files: Program, gone: NullProgress
):
    gone(many_files.control)
    done, took = timed(many_files)
    assert_given_up(many_files, done, took, PATIENCE / 2)
    assert "hint: " in done.words


@DEAD
@pytest.mark.parametrize("side", ["control", "store"])
def test_a_server_that_dies_in_mid_run_ends_it_in_about_the_patience_not_file_by_file(
    many_files: Program, side: str, gone: NullProgress
):
    server: FaultServer = getattr(many_files, side)

    def last(exchange: Exchange) -> None:
        gone(server)
        exchange.cut()

    many_files.control.scripts[many_files.for_file("more-50")[0]] = iter([last] if side == "control" else [])
    many_files.store.scripts[many_files.for_file("more-50")[1]] = iter([last] if side == "store" else [])
    done, took = timed(many_files)
    assert_given_up(many_files, done, took, PATIENCE / 2)
    assert 0 < done.component["files_downloaded"] < 103
    assert len(done.failures) == 103 - done.component["files_downloaded"]
    assert {failure["exit_code"] for failure in done.failures.values()} == {5}
    assert f"not published: {len(done.failures)} of " in done.words
    assert "run the same command again" in done.words


def test_a_port_that_never_shakes_hands_ends_the_run_in_about_the_patience(
    program: Program, monkeypatch: pytest.MonkeyPatch
):
    program.two_builds()
    with socket.create_server(("127.0.0.1", 0)) as nobody:  # the kernel takes the connection, and that is all
        monkeypatch.setenv("DCI_CS_URL", f"https://127.0.0.1:{nobody.getsockname()[1]}")
        done, took = timed(program)
    assert_given_up(program, done, took, PATIENCE / 2)


@pytest.mark.parametrize("gone", [refuses, pytest.param(says_nothing, marks=pytest.mark.slow)])
def test_several_topics_and_types_do_not_wait_for_a_dead_server_one_after_the_other(
    program: Program, tmp_path: Path, gone: NullProgress
):
    program.two_builds()
    settings = tmp_path / "settings.yml"
    names = [TOPIC, *(f"OSP-{number}" for number in range(3))]
    for name in names[1:]:
        topic = program.catalog.add_topic(name, component_types=("one", "two"))
        for kind in ("one", "two"):
            program.catalog.add_component(topic, name=f"{name}-{kind}", type=kind, files={"a": b"a"})
    settings.write_text(f"topics: {[{'topic': name} for name in names]}\nlocal_repo: {program.root}\n")
    gone(program.control)
    began = time.monotonic()
    done = program.run("--settings", settings, patience=PATIENCE, topic="")
    took = time.monotonic() - began
    assert done.code == 5
    assert len(done.report["topics"]) == len(names)
    looks = (len(names) - 1) * (1.0 if gone is says_nothing else 0.1)  # one for each topic
    assert took < PATIENCE + SLACK + 4 * program.seconds + looks
    program.assert_old_is_visible()


@pytest.fixture
def back_after(program: Program) -> Iterator[Callable[[FaultServer, int], None]]:
    """Has a server come back after so many tries in vain."""

    def arrange(server: FaultServer, tries: int) -> None:
        def waited() -> None:
            if len(program.waits) == tries:
                server.default = serve
                if server.down:
                    server.listen()

        program.waited = waited

    yield arrange
    program.waited = list


@pytest.mark.parametrize("gone", [refuses, is_busy])
@pytest.mark.parametrize("moment", ["from the start", "in mid-run"])
@pytest.mark.parametrize("side", ["control", "store"])
def test_a_long_patience_sits_an_outage_out(
    program: Program, back_after: Callable[[FaultServer, int], None], side: str, moment: str, gone: NullProgress
):
    small, _ = program.two_builds()
    server: FaultServer = getattr(program, side)
    if moment == "in mid-run":

        def last(exchange: Exchange) -> None:
            gone(server)
            exchange.cut()

        server.scripts[program.for_file(small)[0 if side == "control" else 1]] = iter([last])
    else:
        gone(server)
    program.waits.clear()
    back_after(server, 60)
    done = program.run(patience=3600.0)
    assert (done.code, done.component["outcome"]) == (0, "published")
    assert len(program.waits) >= 60
    program.assert_new_is_visible()


def test_stalls_are_cut_well_inside_the_patience_and_the_right_content_is_published(
    program: Program, monkeypatch: pytest.MonkeyPatch
):
    """At every place where a server may fall silent, of small and of segmented files."""
    network = environment.network
    monkeypatch.setattr(environment, "network", lambda environ: replace(network(environ), read_timeout=1.0))
    program.build({"old": b"old"})
    assert program.run().code == 0
    moments = ["locate", "before the head", "0.0", "0.5", "0.99"]
    program.build({f"{moment} {size}": program.content(SIZES[size]) for moment in moments for size in SIZES})
    for path in program.new:
        at_control, at_store = program.for_file(path)
        moment = path.rpartition(" ")[0]
        if moment == "locate":
            program.control.scripts[at_control] = iter([Exchange.wait_for_the_end])
        elif moment == "before the head":
            program.store.scripts[at_store] = iter([Exchange.wait_for_the_end])
        else:
            program.store.scripts[at_store] = iter([stall(float(moment))])
    done, took = timed(program, patience=30.0)
    assert (done.code, done.component["outcome"]) == (0, "published")
    assert took < 15
    program.assert_new_is_visible()
    for path in program.new:
        again = f"{path}: 127.0.0.1: it stopped answering; trying again"
        assert again in done.words or f"{path}, bytes" in done.words
