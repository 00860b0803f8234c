"""The second process gives signs of life, and ends with the first."""

import pickle
import socket
import subprocess
import sys
from types import SimpleNamespace

import pytest

from dci_downloader.control.authorization import authorization_for
from dci_downloader.control.session import Clock
from dci_downloader.control.signing import ComponentFiles, Token
from dci_downloader.options import Network, SsoCredentials
from dci_downloader.transfer import coprocess_main
from dci_downloader.transfer.channel import Advance, Channel


def test_it_starts_without_importing_requests():
    program = "import sys, dci_downloader.transfer.coprocess_main; print('requests' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout == b"False\n"


@pytest.fixture
def now(monkeypatch):
    now = SimpleNamespace(seconds=100.0)
    monkeypatch.setattr(coprocess_main, "time", SimpleNamespace(monotonic=lambda: now.seconds))
    return now


@pytest.fixture
def ends():
    ours, theirs = map(Channel, socket.socketpair())
    yield ours, theirs
    ours.close()
    theirs.close()


def progress_of(theirs, patience=30.0):
    tuning = SimpleNamespace(report_seconds=0.05, life_seconds=1.0)
    return coprocess_main._CoprocessProgress(
        theirs, SimpleNamespace(tuning=tuning, options=SimpleNamespace(patience=patience))
    )


@pytest.mark.parametrize(("patience", "seconds"), [(30.0, 1.0), (0.8, 0.2)])
def test_there_is_a_sign_of_life_though_there_is_nothing_to_report(ends, now, patience, seconds):
    ours, theirs = ends
    progress = progress_of(theirs, patience)
    now.seconds += seconds - 0.01
    assert not progress.requested()
    assert ours.receive() == []
    now.seconds += 0.06
    assert not progress.requested()
    assert ours.receive() == [Advance(0, 0)]


def test_what_was_received_is_reported_in_sums(ends, now):
    ours, theirs = ends
    progress = progress_of(theirs)
    progress.advance(1, 5)
    progress.advance(0, 6)
    assert not progress.requested()
    assert ours.receive() == []
    now.seconds += 0.06
    assert not progress.requested()
    assert ours.receive() == [Advance(1, 11)]


def test_the_end_of_the_connection_is_a_request_to_stop(ends, now):
    ours, theirs = ends
    progress = progress_of(theirs)
    ours.close()
    now.seconds += 0.06
    assert progress.requested()


def test_a_token_that_comes_meanwhile_is_used_from_then_on(ends, now):
    ours, theirs = ends
    progress = progress_of(theirs)
    given = SsoCredentials("http://cs", token="first")
    source = ComponentFiles(authorization_for(given, Network(), 1.0, Clock()), "/files")
    progress._setup.source = pickle.loads(pickle.dumps(source))
    ours.send(Token("second", 2.0, 3.0))
    now.seconds += 0.06
    assert not progress.requested()
    assert progress._setup.source.request("x").headers == {"authorization": "Bearer second"}
    assert source.request("x").headers == {"authorization": "Bearer first"}
