"""A token that ends in the middle of a run is renewed once, ahead of its end, for both processes."""

import itertools
import threading
from datetime import datetime, timedelta, timezone

import pytest

from dci_downloader import ControlServer, Mirror, SsoCredentials, TransferOptions, sync_topic
from dci_downloader.control.session import Clock
from dci_downloader.demo.authentication import make_token
from dci_downloader.demo.catalog import Catalog
from dci_downloader.demo.site import DemoSite
from dci_downloader.options import SyncOptions
from dci_downloader.transfer import coprocess, engine
from dci_downloader.transfer.tuning import Tuning
from tests.interception import hold, intercept

BEGIN = datetime(2026, 11, 27, tzinfo=timezone.utc)


class Run:
    """A site whose clock, and that of its client, moves with each request to the control server.

    Attributes:
        refused: how many requests the control server did not accept.
        hold_for: requests after a renewal before the clock goes on.
        flowing: while it is not set, no file is located.
    """

    def __init__(self, site, seconds_each):
        self.site, self._each = site, seconds_each
        self._lock, self._since_renewal, self.hold_for = threading.Lock(), itertools.count(), 0
        self.passed = self.refused = 0
        self.flowing = threading.Event()
        self.flowing.set()
        topic = site.catalog.add_topic("RHEL-9.2")
        self.build = lambda files: site.catalog.add_component(topic, name="RHEL-9.2.0-1", files=files)
        intercept(site.control, self._tick)

    def _tick(self, exchange):
        if "/files/metadata" in exchange.request.path:
            hold(exchange, self.flowing)
        with self._lock:  # seconds are short here: the clock waits for the renewal, and until all have heard of it
            if self.passed < 285.0 or (len(self.site.sso.requests) > 1 and next(self._since_renewal) > self.hold_for):
                self.passed += self._each
        return False

    def now(self):
        return BEGIN + timedelta(seconds=self.passed)

    def sync(self, folder, credentials=None, behind=timedelta(), **transfer):
        user = self.site.catalog.user
        given = credentials or SsoCredentials(self.site.url, self.site.sso.url, user.login, user.password)
        clock = Clock(wall=lambda: (self.now() - behind).timestamp())
        options = SyncOptions(transfer=TransferOptions(**transfer))
        with ControlServer(given, patience=5, clock=clock) as server:
            report = sync_topic(server, Mirror(folder), "RHEL-9.2", options=options)
        self.refused = sum(request.status == 401 for request in self.site.control.requests)
        return report


@pytest.fixture
def start():
    opened = []

    def start(files, seconds_each):
        moments = [lambda: BEGIN]
        site = DemoSite(Catalog(), now=lambda: moments[-1]())
        opened.append(site.__enter__())
        run = Run(site, seconds_each)
        moments.append(run.now)
        run.build({f"metadata/{number:05}": b"%05d" % number for number in range(files)})
        return run

    yield start
    for site in opened:
        site.__exit__()


def test_a_token_that_ends_in_the_middle_of_a_run_costs_one_renewal(start, tmp_path):
    run = start(500, 1.0)
    report = run.sync(tmp_path, connections=8)
    assert (report.exit_code, report.components[0].files_downloaded) == (0, 500)
    assert run.passed > 500
    assert (len(run.site.sso.requests), run.refused) == (2, 0)


@pytest.mark.slow
def test_a_token_that_ends_in_the_middle_of_5000_files_costs_one_renewal(start, tmp_path):
    run = start(5000, 0.09)
    run.hold_for = 400
    report = run.sync(tmp_path)
    assert (report.exit_code, report.components[0].files_downloaded) == (0, 5000)
    assert (len(run.site.sso.requests), run.refused) == (2, 0)


@pytest.mark.timeout(180)  # nothing flows before the second process is there, for which a busy machine takes its time
def test_the_second_process_goes_on_with_the_token_that_the_first_obtained(start, tmp_path, monkeypatch):
    assigned = []

    class Watched(coprocess.Coprocess):
        def turn(self):
            super().turn()
            if self.working and not assigned:
                assigned.extend(self._assigned)
                run.flowing.set()

    tuning = Tuning(worth_starting=0.0, worth_giving=0.0, loaded=-1.0, report_seconds=0.01)
    monkeypatch.setattr(coprocess.os, "sched_getaffinity", lambda _: {0, 1})
    monkeypatch.setattr(engine, "Coprocess", Watched)
    monkeypatch.setattr(engine.Engine.__init__, "__kwdefaults__", {"tuning": tuning})
    run = start(1500, 0.3)
    run.hold_for = 400
    run.flowing.clear()
    report = run.sync(tmp_path, connections=8)
    assert (report.exit_code, report.components[0].files_downloaded) == (0, 1500), report.failures[:1]
    assert len(assigned) > 500
    assert run.passed > 300
    assert len(run.site.sso.requests) == 2


def test_a_given_token_that_the_server_takes_no_more_is_replaced_in_mid_run(start, tmp_path):
    run = start(200, 1.0)
    user = run.site.catalog.user
    opaque = make_token(run.site.catalog.signing_key, user.login, BEGIN + timedelta(seconds=100))
    given = SsoCredentials(run.site.url, run.site.sso.url, user.login, user.password, opaque)
    # a clock here that is far behind the server's takes the token for a good one
    run.now_here = run.now
    clock = Clock(wall=lambda: (run.now() - timedelta(hours=1)).timestamp())
    with ControlServer(given, patience=5, clock=clock) as server:
        report = sync_topic(
            server, Mirror(tmp_path), "RHEL-9.2", options=SyncOptions(transfer=TransferOptions(connections=4))
        )
    assert (report.exit_code, report.components[0].files_downloaded) == (0, 200)
    assert len(run.site.sso.requests) == 1


def test_a_token_that_nobody_can_renew_fails_what_is_left_and_keeps_what_came(start, tmp_path):
    run = start(200, 1.0)
    token = make_token(run.site.catalog.signing_key, run.site.catalog.user.login, BEGIN + timedelta(seconds=100))
    report = run.sync(tmp_path, SsoCredentials(run.site.url, token=token), connections=4)
    assert report.exit_code == 3
    assert "has ended" in str(report.failures[0])
    assert token not in repr(report)
    again = run.sync(tmp_path, connections=4)
    assert again.exit_code == 0
    assert again.components[0].files_reused > 0
