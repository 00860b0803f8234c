"""Start and end: a run imports what it needs, not what another kind of run does, and ends without looking back."""

import subprocess
import sys

import pytest

NEVER = {"yaml", "asyncio", "multiprocessing"}
TRANSFER = {"dci_downloader.transfer.engine", "dci_downloader.transfer.pipeline", "dci_downloader.transfer.assembling"}


def imported_by(statement):
    """The modules that a fresh interpreter has after a statement."""
    program = f"import sys; {statement}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("statement", "unneeded"),
    [
        ("import dci_downloader.cli.mirroring", NEVER | TRANSFER | {"pycurl"}),
        ("import dci_downloader.cli.commands", NEVER | {"requests", "pycurl", "dci_downloader.sync"}),
        ("import dci_downloader.mirror.status", NEVER | {"requests", "pycurl"}),
    ],
    ids=["a sync", "the command line", "status"],
)
def test_nothing_is_imported_that_a_run_does_not_need(statement, unneeded):
    assert imported_by(statement) & unneeded == set()


@pytest.mark.parametrize(("call", "ends"), [("main()", True), ("main(['--version'])", False)], ids=["program", "call"])
def test_only_where_the_process_ends_python_is_kept_from_looking_for_cycles_once_more(call, ends):
    program = (
        "import atexit, gc, sys; from dci_downloader.cli.main import main; sys.argv[1:] = ['--version']\n"
        f"atexit.register(lambda: print(gc.get_freeze_count() > 0)); {call}"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split()[-1] == str(ends)
