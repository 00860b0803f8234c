"""A mirror's store, two servers that misbehave on demand, and what must hold after every run."""

from __future__ import annotations

import os
import random
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Optional
from urllib.parse import quote

import pytest

from dci_downloader.cli.main import main
from dci_downloader.control.signing import SignedRequest
from dci_downloader.hooks import NeverStop, NullProgress, Stop
from dci_downloader.mirror.store import Store
from dci_downloader.models import FileEntry
from dci_downloader.network import retries
from dci_downloader.options import Network, TransferOptions
from dci_downloader.transfer import engine
from dci_downloader.transfer.fetched import Fetched
from dci_downloader.transfer.sources import PeerPool
from dci_downloader.transfer.tuning import Tuning
from tests.faults.labs import start  # noqa: F401  a fixture
from tests.faults.program import TOPIC, Done, Program, ended
from tests.faults.server import FaultServer, control_answers, store_answers
from tests.faults.sizes import SMALL_SCALE

CREDENTIALS = {
    "Authorization": "DCI2-HMAC-SHA256 Credential=remoteci/stub, Signature=topsecret",
    "x-dci-date": "20221121T000000Z",
    "Cookie": "session=topsecret",
}
TEMPORARY = re.compile(r"\.json\.[0-9a-f]{8}$|\.tmp$")
SECRETS = ("topsecret", "s1gnature", "X-Amz", "?")


class StubSource:
    """Signs nothing, but sends what must never reach the object store."""

    def __init__(self, url: str) -> None:
        self.url = url

    def request(self, path: str) -> SignedRequest:
        return SignedRequest(f"{self.url}/{quote(path)}", CREDENTIALS)

    def follow(self, url: str) -> Optional[SignedRequest]:
        return SignedRequest(url, CREDENTIALS) if url.startswith(self.url + "/") else None


class Tally(NullProgress):
    """Adds up what is reported to progress."""

    def __init__(self) -> None:
        self.files = 0
        self.size = 0

    def advance(self, files: int, size: int) -> None:
        self.files += files
        self.size += size


class Bench:
    """Two servers, a store, and the files that are to be brought from here to there.

    Attributes:
        tuning: of the next fetches.
        build: the files that images may hold, beside those to bring.
        may_leave_temporaries: a process of the next fetch is killed.
    """

    def __init__(self, store: Store, tuning: Tuning = SMALL_SCALE) -> None:
        self.mirror = store
        self.tuning = tuning
        self.contents: dict[str, bytes] = {}
        self.entries: dict[str, FileEntry] = {}
        self.tally = Tally()
        self.build: list[FileEntry] = []
        self.waits: list[tuple[int, float]] = []
        self.may_leave_temporaries = False
        self._random = random.Random(20221121)
        self._closing = ExitStack()
        self.serve()

    def serve(self, *, store_tls: Any = None, control_tls: Any = None) -> None:
        """Start the servers, in place of those there were."""
        self._closing.close()
        self.store = FaultServer(store_answers(self.contents), store_tls)
        self._closing.callback(self.store.close)
        self.control = FaultServer(control_answers(self.store.url), control_tls)
        self._closing.callback(self.control.close)
        self.source = StubSource(self.control.url)

    def add(self, path: str, size: int) -> FileEntry:
        """Have the object store hold a file."""
        return self.add_content(path, self._random.randbytes(size) if size else b"")

    def add_content(self, path: str, content: bytes) -> FileEntry:
        """Have the object store hold a file with this content."""
        self.contents[path] = content
        self.entries[path] = FileEntry(path, sha256(content).hexdigest(), len(content))
        return self.entries[path]

    def tune(self, **numbers: Any) -> None:
        """Have the next fetches work by other numbers."""
        self.tuning = replace(self.tuning, **numbers)

    def fetch(
        self, *, stop: Optional[Stop] = None, patience: float = 20.0, peers: Sequence[str] = (), **options: Any
    ) -> Fetched:
        """Bring every file."""
        options.setdefault("network", Network())
        transfer = TransferOptions(patience=patience, **options)
        pool = PeerPool(peers)
        own = engine.Engine(self.mirror, transfer, self.tally, stop or NeverStop(), pool, tuning=self.tuning)
        return own.fetch(list(self.entries.values()), self.source, [*self.build, *self.entries.values()])

    def arrived(self, path: str) -> bool:
        """Whether the right content is in the store, and read-only."""
        found = self.mirror.path(self.entries[path].sha256)
        return found.is_file() and found.read_bytes() == self.contents[path] and not found.stat().st_mode & 0o222

    def partials(self) -> list[str]:
        """What is left of files on their way; without the temporary files that a killed process leaves."""
        names = sorted(os.listdir(self.mirror.partials))
        return [name for name in names if not (self.may_leave_temporaries and TEMPORARY.search(name))]

    def assert_all_arrived(self, fetched: Fetched) -> None:
        """Everything is in the store, nothing else is left, and the sums are right."""
        assert fetched.failures == ()
        assert fetched.files + fetched.assembled.files == len(self.entries) == self.tally.files
        assert [path for path in self.entries if not self.arrived(path)] == []
        assert self.partials() == []
        assert self.tally.size == sum(entry.size for entry in self.entries.values())
        assert fetched.bytes + fetched.assembled.bytes >= self.tally.size
        self.assert_no_credentials()

    def assert_no_credentials(self) -> None:
        """Nothing that tells who asks reached the object store."""
        sent = {name for asked in self.store.log for name in asked.headers}
        assert sent <= {"host", "user-agent", "accept", "accept-encoding", "range"}
        assert all(asked.headers["accept-encoding"] == "identity" for asked in self.store.log)

    def close(self) -> None:
        self._closing.close()


@pytest.fixture
def small_scale(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sizes are a hundredth of the real ones, for whoever fetches without saying otherwise."""
    monkeypatch.setitem(engine.Engine.__init__.__kwdefaults__, "tuning", SMALL_SCALE)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """At a small scale, and waits between tries are noted, not sat out."""
    store = Store(tmp_path / "mirror" / ".dci-downloader")
    store.prepare()
    bench = Bench(store)
    real_back_off = retries.back_off

    def noted(attempt: int, asked: float, patience: float, chance: float) -> float:
        bench.waits.append((attempt, real_back_off(attempt, asked, patience, chance)))
        return 0.01

    monkeypatch.setattr(retries, "back_off", noted)
    yield bench
    bench.close()


@pytest.fixture
def make_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], small_scale: None
) -> Iterator[Callable[..., Program]]:
    """Makes the program and its servers, at a small scale and nearly without waits between tries."""
    closing: list[Program] = []

    def make(**tls: Any) -> Program:
        closing.append(Program(tmp_path / "dci", **tls))
        install(closing[-1], monkeypatch, capsys)
        return closing[-1]

    yield make
    for program in closing:
        program.close()


@pytest.fixture
def program(make_program: Callable[..., Program]) -> Program:
    """The program with its servers."""
    return make_program()


def install(program: Program, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Give it a run, and an environment to run in."""
    real_back_off = retries.back_off

    def hurried(attempt: int, asked: float, patience: float, chance: float) -> float:
        program.waits.append(real_back_off(attempt, asked, patience, chance))
        program.waited()
        return min(0.01, program.waits[-1])

    monkeypatch.setattr(retries, "back_off", hurried)
    for name, value in program.environment().items():
        monkeypatch.setenv(name, value)

    def run(*options: object, patience: float = 20.0, topic: str = TOPIC) -> Done:
        given = [
            *([topic, program.root] if topic else []),
            "--all",
            "--json",
            "--verbose",
            "--patience",
            patience,
            *options,
        ]
        code = main([str(argument) for argument in given])
        out, err = capsys.readouterr()
        program.assert_no_secret(out, err)
        return ended(code, out, err)

    program.run = run
