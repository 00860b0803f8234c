"""The second process gives signs of life, and ends with the first."""

import ctypes
import pickle
import signal
import socket
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest

from dci_downloader.control.authorization import authorization_for
from dci_downloader.control.session import Clock
from dci_downloader.control.signing import ComponentFiles, Token
from dci_downloader.options import Network, SsoCredentials, TransferOptions
from dci_downloader.transfer import coprocess_main
from dci_downloader.transfer.channel import Advance, Channel, Done, Setup
from dci_downloader.transfer.sources import Peer
from dci_downloader.transfer.tuning import Tuning
from tests.unit.samples import entry_of


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


def test_details_are_passed_on(ends, now):
    ours, theirs = ends
    progress_of(theirs).detail("peer: dropped")
    assert ours.receive() == ["peer: dropped"]


def test_a_first_process_that_is_gone_when_there_is_something_to_report_is_a_request_to_stop(ends, now):
    ours, theirs = ends
    progress = progress_of(theirs)
    ours.close()
    progress.advance(1, 5)
    progress.send()
    assert progress.requested()


class FirstProcess(threading.Thread):
    """Sends lists of messages, one after the other, and ends the connection; before an event, it waits for that."""

    def __init__(self, *lists):
        super().__init__()
        self.messages = []
        self._lists = lists
        ours, theirs = socket.socketpair()
        self._channel, self.descriptor = Channel(ours), theirs.detach()

    def run(self):
        for messages in self._lists:
            for message in messages:
                if isinstance(message, threading.Event):
                    message.wait(30)
                else:
                    self._channel.send(message)
            self._wait_for(Done)
        self._channel.close()

    def _wait_for(self, kind):
        before = len(self.messages)
        while not any(isinstance(message, kind) for message in self.messages[before:]):
            self.messages += self._channel.wait()

    def of(self, kind):
        return [message for message in self.messages if isinstance(message, kind)]

    def beside_the_second(self):
        self.start()
        coprocess_main.main(self.descriptor)
        self.join()


@pytest.fixture
def setup(lab, store):
    """How the second process is to work, and the files that it may be given."""
    contents = {f"metadata/{number}": b"%d" % number * 1000 for number in range(10)} | {"big": bytes(3 << 20)}
    lab.build(contents)
    topic = next(topic for topic in lab.server.topics())
    (component,) = lab.server.components(topic, type="compose")
    options = TransferOptions(network=lab.server.network)
    setup = Setup(lab.server.files(component), store.root, store.marker_path(), options, (), Tuning())
    return setup, [entry_of(path, content) for path, content in contents.items()]


def test_the_second_process_fetches_what_it_is_given_and_says_so(setup, store):
    how, entries = setup
    first = FirstProcess([how, entries[:4]], [entries[4:]])
    first.beside_the_second()
    assert all(map(store.holds, entries))
    assert first.messages[0] is None
    assert [(done.fetched.files, done.fetched.failures, done.dropped) for done in first.of(Done)] == [
        (4, (), {}),
        (len(entries), (), {}),
    ]
    reported = first.of(Advance)
    assert sum(each.files for each in reported) == len(entries)
    assert sum(each.size for each in reported) == sum(entry.size for entry in entries)


def test_what_the_second_process_cannot_fetch_it_says(setup, store, lab):
    how, entries = setup
    (component,) = lab.catalog.components.values()
    lab.catalog.drop(component, "metadata/3")
    first = FirstProcess([how, entries])
    first.beside_the_second()
    (done,) = first.of(Done)
    assert [failure.path for failure in done.fetched.failures] == ["metadata/3"]
    assert [entry.path for entry in entries if not store.holds(entry)] == ["metadata/3"]


def test_the_second_process_says_which_peers_it_dropped(setup, store):
    how, entries = setup
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unheard.getsockname()[1]}"
        first = FirstProcess([how._replace(peers=(Peer(url),)), entries])
        first.beside_the_second()
    (done,) = first.of(Done)
    assert list(done.dropped) == [url]
    assert all(map(store.holds, entries))


def test_tokens_without_files_are_taken_and_files_waited_for(setup, store, monkeypatch):
    how, entries = setup
    taken, both = [], threading.Event()

    def take(_, token):
        taken.append(token)
        if len(taken) == 2:
            both.set()

    monkeypatch.setattr(coprocess_main._CoprocessProgress, "take", take)
    tokens = [Token("first", 1.0, 2.0), Token("second", 2.0, 3.0)]
    first = FirstProcess([how, *tokens, both, entries])
    first.beside_the_second()
    assert taken == tokens
    assert [done.fetched.files for done in first.of(Done)] == [len(entries)]


def test_with_a_first_process_that_is_gone_before_it_gave_anything_the_second_ends():
    first = FirstProcess()
    first.beside_the_second()
    assert first.messages == []


def test_the_second_process_leaves_signals_to_the_first_and_goes_on_when_that_dies(monkeypatch):
    asked = []
    monkeypatch.setattr(ctypes, "CDLL", lambda _: SimpleNamespace(prctl=lambda *arguments: asked.append(arguments)))
    FirstProcess().beside_the_second()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    assert asked == [(1, signal.SIGCONT)]
