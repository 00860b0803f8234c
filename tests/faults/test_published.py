"""Every fault from the outside: the command line, a mirror that is read, and the version that was published before."""

from __future__ import annotations

import re
from hashlib import sha256
from itertools import repeat

import pytest

from tests.faults.program import Done, Program
from tests.faults.rows import OTHERS, ROWS, Row, corrupted, refusal
from tests.faults.server import Response, changed, cut, drop, status
from tests.faults.sizes import BIG


@pytest.mark.parametrize("row", ROWS, ids=[f"{row.id}, {' and '.join(row.sizes)}" for row in ROWS])
def test_a_fault_never_shows_in_the_mirror(program: Program, row: Row):
    victims = program.two_builds(list(row.sizes))
    for path in victims:
        at_control, at_store = program.for_file(path)
        program.control.scripts[at_control] = row.script(row.control)
        program.store.scripts[at_store] = row.script(row.store)
        if row.stored is not None:
            program.catalog.put(program.newest, path, row.stored(program.new[path]))
    done = program.run(patience=row.patience)
    if row.fails is None:
        assert (done.code, done.component["outcome"], done.failures) == (0, "published", {})
        assert row.says in done.words
    else:
        program.assert_old_is_visible()
        assert_told(program, done, row, victims)
        program.heal()
        again = program.run()
        assert (again.code, again.component["files_downloaded"]) == (0, len(victims))
    program.assert_new_is_visible()
    assert all(wait <= row.patience / 2 for wait in program.waits)


def assert_told(program: Program, done: Done, row: Row, victims: list[str]) -> None:
    """What failed is in the report and in words, and nothing else failed."""
    assert (done.code, done.report["exit_code"], done.report["failed"]) == (row.fails, row.fails, len(victims))
    assert done.component["outcome"] == "failed"
    assert done.component["files_downloaded"] == 1  # "new"
    assert sorted(done.failures) == sorted(victims)
    for path, failure in done.failures.items():
        assert failure["exit_code"] == row.fails
        assert row.says in failure["reason"]
        assert row.hints in failure.get("hint", "")
        assert failure["reason"].replace(f"{path}: ", "") in done.words
        if row.stored is corrupted:
            expected, actual = (
                sha256(content).hexdigest() for content in (program.new[path], corrupted(program.new[path]))
            )
            assert (failure["expected"], failure["actual"]) == (expected, actual)
            assert (
                f"{path}: content does not match its manifest (expected sha256 {expected}, got {actual})" in done.words
            )


def test_verbose_tells_what_is_tried_again_and_why(program: Program):
    small, big = program.two_builds(["small", "big"])
    page = program.for_file("dci_files_list.json")[0]
    program.control.scripts[page] = iter([status(502)])
    program.store.scripts[program.for_file(small)[1]] = iter([status(503), changed(flawed)])
    program.control.scripts[program.for_file(big)[0]] = iter([drop])
    program.store.scripts[program.for_file(big)[1]] = iter(
        [cut(0.5), changed(lambda _: Response(200, body=bytes(BIG)))]
    )
    done = program.run("--connections", "1")
    assert done.code == 0
    for line in (
        f"GET {program.control.url}/{page}: the control server answered HTTP 502; trying again in ",
        f"GET {program.control.url}/{page}: 302, ",
        f"{small}: the server answered HTTP 503; trying again in 0.0 s",
        f"{small}: content does not match its manifest (expected sha256 ",
        "); fetching it again",
        ": 127.0.0.1: the connection was cut",
        f"{big}: the object store does not serve ranges of it (HTTP 200); asking for it in one piece",
    ):
        assert line in done.words
    assert re.search(rf"^{re.escape(big)}, bytes [\d,]+ to [\d,]+: 127\.0\.0\.1: the conn.*again in", done.words, re.M)
    quiet = program.run("--quiet")
    assert (quiet.code, quiet.words) == (0, "")


def test_verbose_tells_what_is_given_up(program: Program):
    (small,) = program.two_builds(["small"])
    program.store.scripts[program.for_file(small)[1]] = repeat(status(404))
    assert f"{small}: the object store does not have it (HTTP 404); given up" in program.run().words


def flawed(answer: Response) -> Response:
    return answer._replace(body=corrupted(answer.body))


def test_bad_files_do_not_stop_the_others_and_are_all_listed(program: Program):
    """Each bad in its own way; the exit code is that of the gravest."""
    program.two_builds()
    files = {f"{number}.rpm": program.content(100 + number) for number in range(40)}
    program.build({**program.new, **files})
    program.old = program.visible() or {}
    bad = {"3.rpm": 7, "11.rpm": 5, "20.rpm": 3, **{f"{number}.rpm": 5 for number in range(25, 35)}}
    program.catalog.put(program.newest, "3.rpm", corrupted(files["3.rpm"]))
    program.control.scripts[program.for_file("20.rpm")[0]] = repeat(refusal(401, "Operation not authorized."))
    for path, code in bad.items():
        if code == 5:
            program.catalog.drop(program.newest, path)
    done = program.run()
    program.assert_old_is_visible()
    assert (done.code, done.report["exit_code"], done.report["failed"]) == (7, 7, len(bad))
    assert {path: failure["exit_code"] for path, failure in done.failures.items()} == bad
    assert all(failure["reason"] for failure in done.failures.values())
    expected, actual = (sha256(body).hexdigest() for body in (files["3.rpm"], corrupted(files["3.rpm"])))
    assert (done.failures["3.rpm"]["expected"], done.failures["3.rpm"]["actual"]) == (expected, actual)
    assert {"expected", "actual"}.isdisjoint(done.failures["11.rpm"])
    assert done.component["files_downloaded"] == len(program.new) - len(OTHERS) - len(bad)
    assert f"not published: {len(bad)} of {len(program.new)} files failed" in done.words
    assert "is still published" in done.words
    assert f"{len(bad) - 2} files: the object store does not have it (HTTP 404)" in done.words
    program.heal()
    again = program.run()
    assert (again.code, again.component["files_downloaded"]) == (0, len(bad))
    program.assert_new_is_visible()
