"""Nothing that makes a server believe who asks is ever shown, written down, or sent to anybody else."""

import base64
import contextlib
import json
import logging
import os
import subprocess
import sys
import traceback
from urllib.parse import quote

import pytest

from dci_downloader import ControlServer, DownloaderError, Mirror, environment, repair, sync_topic, verify
from dci_downloader.cli.main import main
from dci_downloader.demo.authentication import make_token
from dci_downloader.demo.catalog import Catalog
from dci_downloader.demo.http_server import utc_now
from dci_downloader.demo.site import DemoSite
from tests.interception import cut, intercept
from tests.unit.control_site import closed_port

KINDS = ["remoteci", "login", "sso", "token"]
VARIABLES = [*(name for names in environment.KINDS.values() for name in names), "DCI_CS_URL"]


class Situation:
    """A run of the program with one kind of credentials, and everything that it leaves behind.

    Attributes:
        environ: as the program gets it.
        secrets: in every form in which they could be seen.
        seen: all that anybody but the server itself can read.
    """

    def __init__(self, lab, kind, folder, capsys, monkeypatch):
        self.lab, self.kind, self.folder = lab, kind, folder
        self._capsys = capsys
        self.seen = []
        site, user = lab.site, lab.catalog.user
        password = user.password
        self.environ = {
            "remoteci": site.environment,
            "login": site.login_environment,
            "sso": site.sso_environment,
            "token": lambda: {"DCI_CS_URL": site.url, "SSO_TOKEN": self.token},
        }[kind]()
        self.secrets = {site.api_secret} if kind == "remoteci" else {password, quote(password)}
        if kind == "login":
            self.secrets.add(base64.b64encode(f"{user.login}:{password}".encode()).decode())
        for name in VARIABLES:
            monkeypatch.delenv(name, raising=False)
        for name, value in self.environ.items():
            monkeypatch.setenv(name, value)
        if kind == "token":
            self.secrets = {self.token}

    @property
    def token(self):
        end = utc_now().replace(year=2100, month=1, day=1, hour=0, minute=0, second=0, microsecond=0)
        return make_token(self.lab.catalog.signing_key, self.lab.catalog.user.login, end)

    def wrong(self, monkeypatch):
        """Have every secret be one that the server does not take."""
        self.secrets = {"wr0ngsecret"}
        for name in self.environ.keys() & environment.SECRETS:
            monkeypatch.setenv(name, "wr0ngsecret")

    def run(self, *arguments):
        """Run the command line in this process, which keeps what it prints."""
        try:
            exit_code = main([*arguments])
        finally:
            self.seen.extend(self._capsys.readouterr())
        return exit_code

    def sync(self, *arguments):
        return self.run("RHEL-9.2", str(self.folder / "dci"), "--patience", "1", *arguments)

    def connect(self):
        return ControlServer.from_env()

    def issued(self):
        """What the server was sent to know who asks: that must not be seen either."""
        for request in self.lab.site.control.requests:
            value = request.headers.get("authorization", "")
            yield value.partition("Signature=")[2] or value.partition(" ")[2]

    def check(self):
        for request in (*self.lab.site.store.requests, *self.lab.site.sso.requests):
            self.seen.append(f"{request.path}?{request.query} {dict(request.headers)}")
        for path in self.folder.rglob("*"):
            if path.is_file() and not path.is_symlink():
                self.seen.append(path.read_bytes().decode("latin-1"))
        secrets = {secret for secret in (*self.secrets, *self.issued()) if secret}
        assert secrets
        for text in self.seen:
            for secret in secrets:
                assert secret not in text


@pytest.fixture(params=KINDS)
def situation(lab, request, compose, tmp_path, capsys, monkeypatch):
    lab.build(compose)
    situation = Situation(lab, request.param, tmp_path, capsys, monkeypatch)
    yield situation
    situation.check()


def raised(function):
    """The text of an error with its traceback and all that it carries."""
    with pytest.raises(DownloaderError) as caught:
        function()
    error = caught.value
    return f"{error!r} {error.hint} {vars(error)} {''.join(traceback.format_exception(caught.type, error, None))}"


def test_a_run_that_says_all_it_can(situation, caplog):
    caplog.set_level(logging.DEBUG, "dci_downloader")
    assert situation.sync("--verbose") == 0
    situation.seen.append(caplog.text)
    assert "GET " in "".join(situation.seen)


def test_the_report(situation):
    assert situation.sync("--json") == 0
    assert json.loads(situation.seen[0])["exit_code"] == 0


def test_a_run_that_writes_nothing(situation):
    assert situation.sync("--dry-run", "--json") == 0


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_the_log(situation, log_format):
    assert situation.sync("--log-file", str(situation.folder / "log"), "--log-format", log_format) == 0
    assert (situation.folder / "log").stat().st_size > 0


def test_the_metrics(situation):
    pytest.importorskip("prometheus_client")
    assert situation.sync("--metrics-file", str(situation.folder / "dci.prom")) == 0


def test_credentials_that_are_wrong(situation, monkeypatch):
    situation.wrong(monkeypatch)
    assert situation.sync("--verbose", "--json") == 3


def test_credentials_that_cannot_be_right(situation, monkeypatch):
    situation.secrets = {"sp lit\ts3cret"}
    for name in situation.environ.keys() & environment.SECRETS - {"SSO_PASSWORD"}:
        monkeypatch.setenv(name, "sp lit\ts3cret")
    assert situation.sync("--verbose") in (0, 3)


def test_a_server_that_is_not_there(situation, monkeypatch):
    monkeypatch.setenv("DCI_CS_URL", f"http://127.0.0.1:{closed_port()}")
    assert situation.sync("--verbose") == 5


@pytest.mark.parametrize("status", [400, 401, 403, 404, 412, 418, 500, 503])
def test_a_server_that_refuses(situation, status):
    intercept(situation.lab.site.control, lambda exchange: exchange.answer(status, b"<html>no") or True)
    assert situation.sync("--verbose", "--json") in (3, 4, 5)


def test_a_server_that_hangs_up(situation):
    intercept(situation.lab.site.control, lambda exchange: cut(exchange) or True)
    assert situation.sync("--verbose") == 5


def test_a_redirect_of_a_call_to_another_host(situation):
    with DemoSite(Catalog()) as other:
        location = {"Location": f"{other.url}/api/v1/topics"}
        intercept(situation.lab.site.control, lambda exchange: exchange.answer(302, b"", location) or True)
        assert situation.sync("--verbose") == 5
        assert other.control.requests == []


def test_a_redirect_of_files_to_another_host(situation):
    with DemoSite(Catalog()) as other:

        def answer(exchange):
            elsewhere = "/files/" in exchange.request.path
            location = {"Location": f"{other.url}{exchange.request.path}"}
            return elsewhere and (exchange.answer(302, b"", location) or True)

        intercept(situation.lab.site.control, answer)
        assert situation.sync("--verbose") != 0
        assert other.control.requests
        for request in other.control.requests:
            assert "authorization" not in request.headers
            situation.seen.append(f"{dict(request.headers)} {request.query}")


def test_an_object_store_that_refuses(situation):
    def answer(exchange):
        return not exchange.request.path.endswith("json") and (exchange.answer(403, b"<Error/>") or True)

    intercept(situation.lab.site.store, answer)
    assert situation.sync("--verbose", "--json") == 5


def test_peers(situation):
    with DemoSite(Catalog()) as peer:
        assert situation.sync("--verbose", "--peer", peer.store.url) == 0
        assert peer.store.requests
        situation.seen += [f"{request.path} {dict(request.headers)}" for request in peer.store.requests]


def test_lists(situation):
    assert situation.run("topics", "--json") == 0
    assert situation.run("components", "RHEL-9.2", "--json", "--sizes") == 0


def test_a_check_of_the_settings(situation):
    (situation.folder / "s.yml").write_text("topic: RHEL-9.2\n")
    assert situation.run("settings", "check", str(situation.folder / "s.yml")) == 0
    assert "********" in situation.seen[0]


def test_usage_errors(situation):
    assert situation.sync("--no-such-option") == 2


def test_objects_that_are_printed(situation):
    with situation.connect() as server:
        component = server.latest_component("RHEL-9.2", type="compose")
        files = server.files(component)
        request = files.request("x")
        for each in (environment.credentials(os.environ), server, server._session, files, component, *vars(files)):
            situation.seen += [repr(each), str(each)]
        assert request.url.endswith("/x")


def test_errors_of_calls_with_their_tracebacks(situation):
    with situation.connect() as server:
        situation.seen.append(raised(lambda: server.topic("5b5cbb32-4a79-4a39-9c0c-e6bb1bf7e0d5")))
        situation.seen.append(raised(lambda: server.set_job_state("nothing", "running")))
        situation.seen.append(raised(lambda: server.upload_file("5b5cbb32-4a79-4a39-9c0c-e6bb1bf7e0d5", "x", b"")))
        situation.seen.append(raised(lambda: server.create_job(situation.lab.topic.id, ["x"])))


def test_a_job_from_start_to_end(situation, caplog):
    caplog.set_level(logging.DEBUG, "dci_downloader")
    with situation.connect() as server, contextlib.suppress(DownloaderError):  # a user has no jobs
        job = server.schedule_job(situation.lab.topic.id)
        server.upload_file(job, "x", b"y")
        situation.seen += [f"{vars(job)}", f"{[vars(one) for one in server.jobs()]}"]
    situation.seen.append(caplog.text)


def test_a_repair(situation):
    mirror = Mirror(situation.folder / "dci")
    with situation.connect() as server:
        sync_topic(server, mirror, "RHEL-9.2")
        for path in (situation.folder / "dci/.dci-downloader/objects").rglob("*"):
            if path.is_file():
                path.chmod(0o644)
                path.write_bytes(b"rot")
        checks = verify(mirror)
        assert any(check.damages for check in checks)
        repair(server, mirror, checks)
    situation.seen.append(repr(checks))


def test_the_list_of_processes(situation):
    program = "import os, sys, time; from dci_downloader.cli.main import main; print(flush=True); main(sys.argv[1:])"
    command = [sys.executable, "-c", program, "RHEL-9.2", str(situation.folder / "dci")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        running.stdout.readline()
        with open(f"/proc/{running.pid}/cmdline", encoding="utf-8") as file:
            situation.seen.append(file.read())
        situation.seen += running.communicate(timeout=50)
    assert running.returncode == 0


def test_an_error_that_nobody_expected(situation, monkeypatch):
    def broken(*_):
        raise RuntimeError("unexpected")

    monkeypatch.setattr("dci_downloader.control.offer.resolve_topic", broken)
    try:
        situation.sync()
    except RuntimeError:
        situation.seen.append(traceback.format_exc())


def test_an_sso_that_is_in_trouble(situation):
    intercept(situation.lab.site.sso, lambda exchange: exchange.answer(500, b"{}") or True)
    assert situation.sync("--verbose") == (5 if situation.kind == "sso" else 0)
