"""Start-up: a run imports what it needs, and not what another kind of run does."""

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
        ("import dci_downloader.cli.mirroring", NEVER | TRANSFER),
        ("import dci_downloader.cli.commands", NEVER | {"requests", "pycurl", "dci_downloader.sync"}),
        ("import dci_downloader.mirror.status", NEVER | {"requests", "pycurl"}),
    ],
    ids=["a sync", "the command line", "status"],
)
def test_nothing_is_imported_that_a_run_does_not_need(statement, unneeded):
    assert imported_by(statement) & unneeded == set()
