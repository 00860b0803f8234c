"""Through a real proxy and with certificates of one's own: API calls and file bytes act alike."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from dci_downloader.demo.catalog import Catalog
from dci_downloader.demo.http_server import Exchange
from dci_downloader.demo.site import DemoSite
from tests.faults.certificates import make_authority, server_side
from tests.integration.conftest import free_port, needs
from tests.interception import intercept
from tests.pages import README, blocks, section

pytestmark = needs("tinyproxy", "openssl")

TOPIC = "RHEL-9.2"
FILES = {"small": b"small" * 100, "big.iso": bytes(range(256)) * 40_000}  # 10 MB: it comes in segments
USER, PASSWORD = "lab", "pr0xy-p4ss"
CONFIG = """
Port {port}
Listen 127.0.0.1
Bind 127.0.0.2
Timeout 60
LogFile "{folder}/log"
LogLevel Connect
MaxClients 100
ConnectPort {control}
ConnectPort {store}
{more}
"""


class Proxy:
    """A tinyproxy process.

    Attributes:
        log: every request that it took, as method and host with port.
    """

    def __init__(self, folder: Path, site: DemoSite, *, password: bool = False) -> None:
        folder.mkdir()
        self._log = folder / "log"
        self.port = free_port()
        ports = [urlsplit(url).port for url in (site.url, site.store.url)]
        more = f"BasicAuth {USER} {PASSWORD}" if password else ""
        text = CONFIG.format(port=self.port, folder=folder, control=ports[0], store=ports[1], more=more)
        (folder / "tinyproxy.conf").write_text(text)
        self._log.touch()
        command = ["tinyproxy", "-d", "-c", folder / "tinyproxy.conf"]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)

    def wait(self) -> None:
        """Until it takes connections."""
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            assert self._process.poll() is None, self._log.read_text()
            with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", self.port)):
                return
        raise AssertionError(self._log.read_text())

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def with_password(self) -> str:
        return f"http://{USER}:{PASSWORD}@127.0.0.1:{self.port}"

    @property
    def asked(self) -> set[tuple[str, str]]:
        """Method and target of every request."""
        return set(re.findall(r"Request \(file descriptor \d+\): (\w+) (?:http://)?([\w.:]+)", self._log.read_text()))

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(timeout=10)


class Lab:
    """A site, with or without TLS, and the program as a process."""

    def __init__(self, folder: Path, tls: bool) -> None:
        self.folder = folder
        self.authority = make_authority(folder, "authority") if tls else None
        context = (
            None if self.authority is None else server_side(self.authority, "server", host="IP:127.0.0.1,DNS:localhost")
        )
        self.site = DemoSite(Catalog(), ssl_context=context)
        topic = self.site.catalog.add_topic(TOPIC, component_types=("compose",))
        self.site.catalog.add_component(topic, name=f"{TOPIC}.0", files=FILES)
        self.dest = folder / "dci"
        self.seen: set[tuple[str, str]] = set()  # which server saw whom: the proxy comes from 127.0.0.2
        for name in ("control", "store"):
            intercept(getattr(self.site, name), partial(self._look, name))

    def _look(self, name: str, exchange: Exchange) -> bool:
        self.seen.add((name, exchange.connection.getpeername()[0]))
        return False

    def run(self, *options: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """The command line."""
        command = ["-m", "dci_downloader", TOPIC, str(self.dest), "--all", "--verbose", "--json"]
        return self._python(*command, *options, **environ)

    def run_library(self, code: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """A program of a Python user."""
        return self._python("-W", "error", "-c", code, **environ)

    def _python(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        own = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", **self.site.environment(), **environ}
        done = subprocess.run([sys.executable, *arguments], env=own, capture_output=True, text=True, timeout=60)
        for secret in (self.site.api_secret, PASSWORD, "X-Amz", "Signature", "Traceback"):
            assert secret not in done.stdout + done.stderr
        return done

    def assert_mirrored(self, done: subprocess.CompletedProcess[str]) -> None:
        assert done.returncode == 0, done.stderr
        published = self.dest / TOPIC / "compose"
        assert {path.name: path.read_bytes() for path in published.iterdir()} == FILES
        assert not any("authorization" in request.headers for request in self.site.store.requests)
        assert not any("proxy-authorization" in request.headers for request in self.requests)

    @property
    def requests(self):
        return self.site.control.requests + self.site.store.requests

    @property
    def hosts(self) -> set[str]:
        """Both servers."""
        return {urlsplit(url).netloc for url in (self.site.url, self.site.store.url)}


@pytest.fixture(params=["http", "https"])
def lab(request, tmp_path):
    lab = Lab(tmp_path, request.param == "https")
    with lab.site:
        yield lab


@pytest.fixture
def tls_lab(tmp_path):
    lab = Lab(tmp_path, True)
    with lab.site:
        yield lab


@pytest.fixture
def make_proxy(tmp_path):
    running = []

    def make(site, **more):
        running.append(Proxy(tmp_path / f"proxy{len(running)}", site, **more))
        running[-1].wait()
        return running[-1]

    yield make
    for proxy in running:
        proxy.close()


def trusting(lab):
    """The environment variable that makes the lab's certificates trusted."""
    return {"REQUESTS_CA_BUNDLE": str(lab.authority)} if lab.authority else {}


def variables(lab):
    """The variables that name a proxy for the lab's scheme, and the method that the proxy is to see."""
    return (["HTTPS_PROXY", "https_proxy", "ALL_PROXY"], "CONNECT") if lab.authority else (["HTTP_PROXY"], "GET")


def test_api_calls_and_file_bytes_go_through_the_proxy(lab, make_proxy):
    names, method = variables(lab)
    for name in names:
        shutil.rmtree(lab.dest, ignore_errors=True)
        proxy = make_proxy(lab.site)
        lab.assert_mirrored(lab.run(**{name: proxy.url}, **trusting(lab)))
        assert proxy.asked == {(method, host) for host in lab.hosts}
        assert lab.seen == {("control", "127.0.0.2"), ("store", "127.0.0.2")}


@pytest.mark.parametrize("no_proxy", ["127.0.0.1", "127.0.0.0/8", "example.com, 127.0.0.1", "*"])
def test_hosts_of_no_proxy_are_reached_directly(lab, make_proxy, no_proxy):
    proxy = make_proxy(lab.site)
    lab.assert_mirrored(lab.run(ALL_PROXY=proxy.url, NO_PROXY=no_proxy, **trusting(lab)))
    assert proxy.asked == set()
    assert lab.seen == {("control", "127.0.0.1"), ("store", "127.0.0.1")}


def test_one_of_both_may_be_reached_directly(lab, make_proxy):
    proxy = make_proxy(lab.site)
    by_name = lab.site.url.replace("127.0.0.1", "localhost")
    lab.assert_mirrored(lab.run(ALL_PROXY=proxy.url, NO_PROXY="localhost", DCI_CS_URL=by_name, **trusting(lab)))
    assert lab.seen == {("control", "127.0.0.1"), ("store", "127.0.0.2")}


def test_a_proxy_that_wants_a_password_gets_it_and_nobody_else(lab, make_proxy):
    proxy = make_proxy(lab.site, password=True)
    lab.assert_mirrored(lab.run(ALL_PROXY=proxy.with_password, **trusting(lab)))
    assert lab.seen == {("control", "127.0.0.2"), ("store", "127.0.0.2")}


def test_a_proxy_that_refuses_is_named_without_its_password(lab, make_proxy):
    proxy = make_proxy(lab.site, password=True)
    for url in (proxy.url, f"http://{USER}:{PASSWORD}wrong@127.0.0.1:{proxy.port}"):
        done = lab.run("--patience", "1", ALL_PROXY=url, **trusting(lab))
        # tinyproxy takes the signature of a plain request for a wrong password, and says 401 rather than 407
        assert done.returncode == json.loads(done.stdout)["exit_code"]
        assert done.returncode == 5 or (done.returncode, lab.authority) == (3, None)
        assert "proxy" in done.stderr
        assert "ALL_PROXY" in done.stderr
        assert not lab.dest.exists()
    assert lab.requests == []


def test_a_dead_proxy_is_named_by_its_variable_and_without_its_password(lab):
    for name in (variables(lab)[0][0], "ALL_PROXY"):
        address = f"http://{USER}:{PASSWORD}@127.0.0.1:{free_port()}"
        done = lab.run("--patience", "1", **{name: address}, **trusting(lab))
        assert done.returncode == 5
        assert "proxy http://127.0.0.1" in done.stderr
        assert f"check {name} and NO_PROXY" in done.stderr


def test_the_variable_of_a_proxy_that_refuses_transfers_alone_is_named(tls_lab, make_proxy):
    proxy = make_proxy(tls_lab.site, password=True)
    control = urlsplit(tls_lab.site.url).netloc
    done = tls_lab.run("--patience", "1", ALL_PROXY=proxy.url, NO_PROXY=control, **trusting(tls_lab))
    assert done.returncode == 5
    assert "check ALL_PROXY and NO_PROXY" in done.stderr


# the library


def first_example(dest):
    """The README's first example in Python, with another folder and without a selection of variants."""
    (code,) = blocks(section(README, "## From Python"), "python")
    return code.replace("/srv/dci", str(dest)).replace('variants=("BaseOS",)', "all=True")


@pytest.mark.parametrize("proxied", [False, True], ids=["direct", "proxy"])
def test_a_library_user_whose_server_comes_from_the_environment_gets_the_files(lab, make_proxy, proxied):
    proxy = make_proxy(lab.site)
    environ = {variables(lab)[0][0]: proxy.url} if proxied else {}
    lab.assert_mirrored(lab.run_library(first_example(lab.dest), **environ, **trusting(lab)))
    peer = "127.0.0.2" if proxied else "127.0.0.1"
    assert lab.seen == {("control", peer), ("store", peer)}


def test_a_network_of_the_transfer_options_counts_for_files_alone(lab, make_proxy):
    proxy = make_proxy(lab.site)
    code = first_example(lab.dest)
    code = code.replace(
        "all=True)",
        "all=True), options=SyncOptions(transfer=TransferOptions(network=Network("
        f"ca_bundle={str(lab.authority or '')!r}, proxies={{'all': {proxy.url!r}}})))",
    )
    lab.assert_mirrored(
        lab.run_library("from dci_downloader import Network, SyncOptions, TransferOptions\n" + code, **trusting(lab))
    )
    assert ("control", "127.0.0.1") in lab.seen
    assert ("store", "127.0.0.2") in lab.seen


# certificates


@pytest.mark.parametrize("form", ["file", "folder"])
@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_certificates_are_trusted_by_api_calls_and_file_bytes(tls_lab, name, form):
    bundle = tls_lab.authority
    if form == "folder":
        bundle = tls_lab.folder / "trusted"
        bundle.mkdir()
        shutil.copy(tls_lab.authority, bundle)
        subprocess.run(["openssl", "rehash", bundle], check=True, capture_output=True)
    tls_lab.assert_mirrored(tls_lab.run(**{name: str(bundle)}))


def test_without_them_nothing_is_sent(tls_lab):
    other = make_authority(tls_lab.folder, "other")
    for environ in ({}, {"REQUESTS_CA_BUNDLE": str(other)}):
        done = tls_lab.run(**environ)
        assert done.returncode == 5
        assert "is not trusted here" in done.stderr or "is not trusted: " in done.stderr
        assert "REQUESTS_CA_BUNDLE" in done.stderr
    assert tls_lab.requests == []


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_certificates_that_are_not_there_are_2(tls_lab, name):
    done = tls_lab.run(**{name: str(tls_lab.folder / "no.pem")})
    assert done.returncode == 2
    assert "no.pem" in done.stderr
    assert name in done.stderr
