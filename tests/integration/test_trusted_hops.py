"""Hops to the servers: what proves the rest is not taken from https to http, and no proxy goes unverified."""

from __future__ import annotations

import json
import os
import select
import socket
import ssl
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pycurl
import pytest

from dci_downloader.demo.catalog import Catalog
from dci_downloader.demo.http_server import utc_now
from dci_downloader.demo.object_store import DemoObjectStore, presign
from dci_downloader.demo.site import DemoSite
from tests.faults.certificates import make_authority, server_side
from tests.integration.conftest import needs
from tests.interception import intercept

pytestmark = needs("openssl")

TOPIC = "RHEL-9.2"
FILES = {"a.rpm": b"a" * 1000, "b.iso": bytes(range(256)) * 9000}
HOST = "IP:127.0.0.1,DNS:localhost"


def run(site, dest, *options, **environ):
    command = [sys.executable, "-m", "dci_downloader", TOPIC, str(dest), "--all", "--patience", "20", *options]
    own = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", **site.environment(), **environ}
    done = subprocess.run(command, env=own, capture_output=True, text=True, timeout=60)
    assert "Traceback" not in done.stdout + done.stderr, done.stderr[-3000:]
    return done


def filled():
    catalog = Catalog()
    topic = catalog.add_topic(TOPIC, component_types=("compose",))
    catalog.add_component(topic, name=f"{TOPIC}.0", files=FILES)
    return catalog


@pytest.fixture
def authority(tmp_path):
    return make_authority(tmp_path, "authority")


@pytest.fixture
def secure(authority):
    """A site that is reached by https."""
    with DemoSite(filled(), ssl_context=server_side(authority, "server", host=HOST)) as site:
        yield site


@pytest.fixture
def plain(secure):
    """The same objects over http, for which nobody vouches."""
    with DemoObjectStore(secure.catalog) as store:
        yield store


def to_plain(secure, plain, suffix):
    """Have the control server send those who ask for some files to the server without https."""

    def respond(exchange):
        path = exchange.request.path
        if not path.endswith(suffix) or "/files/" not in path:
            return False
        component, _, name = path.partition("/components/")[2].partition("/files/")
        url = presign(plain.url, f"{component}/{name}", secure.catalog.signing_key, utc_now())
        exchange.answer(302, headers={"Location": url})
        return True

    intercept(secure.control, respond)


def test_a_manifest_that_is_redirected_from_https_to_http_is_5_and_names_the_place(secure, plain, authority, tmp_path):
    to_plain(secure, plain, "dci_files_list.json")
    done = run(secure, tmp_path / "dci", REQUESTS_CA_BUNDLE=str(authority))
    assert done.returncode == 5, done.stderr
    assert plain.url in done.stderr
    assert "from https to http" in done.stderr
    assert "X-Amz" not in done.stderr
    assert plain.requests == []
    assert not (tmp_path / "dci" / TOPIC / "compose").exists()


def test_an_answer_of_the_api_that_is_redirected_to_http_is_5(secure, plain, authority, tmp_path):
    def respond(exchange):
        if exchange.request.path != "/api/v1/topics":
            return False
        exchange.answer(302, headers={"Location": f"{plain.url}/api/v1/topics"})
        return True

    intercept(secure.control, respond)
    done = run(secure, tmp_path / "dci", REQUESTS_CA_BUNDLE=str(authority))
    assert done.returncode == 5, done.stderr
    assert plain.url in done.stderr
    assert plain.requests == []


def test_a_hop_over_http_in_the_middle_is_refused_too(secure, plain, authority, tmp_path):
    """https, http, https: the second hop may be changed by anybody, so where it leads says nothing."""
    to_plain(secure, plain, "dci_files_list.json")

    def back(exchange):
        exchange.answer(302, headers={"Location": f"{secure.store.url}{exchange.request.path}"})
        return True

    intercept(plain, back)
    done = run(secure, tmp_path / "dci", REQUESTS_CA_BUNDLE=str(authority))
    assert done.returncode == 5
    assert plain.requests == []


def test_files_may_come_over_http_because_their_digests_prove_them(secure, plain, authority, tmp_path):
    to_plain(secure, plain, tuple(FILES))
    done = run(secure, tmp_path / "dci", REQUESTS_CA_BUNDLE=str(authority))
    assert done.returncode == 0, done.stderr
    assert {path.name for path in (tmp_path / "dci" / TOPIC / "compose").iterdir()} == {*FILES}
    assert plain.requests


class TlsProxy:
    """An http proxy that is itself reached by https; forwards one request for each connection, or tunnels.

    Attributes:
        asked: the first line of every request, and whether it held a login.
    """

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.asked: list[str] = []
        self.url = f"https://localhost:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError, ValueError), self._context.wrap_socket(connection, server_side=True) as client:
            head = b""
            while b"\r\n\r\n" not in head:
                part = client.recv(4096)
                if not part:
                    return
                head += part
            self.asked.append(head.split(b"\r\n")[0].decode())
            method, target, version = head.split(b"\r\n")[0].decode().split()
            where = urlsplit(target if "://" in target else f"//{target}")
            assert where.hostname
            with socket.create_connection((where.hostname, where.port or 80)) as server:
                if method == "CONNECT":
                    client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                else:
                    path = f"{where.path}?{where.query}" if where.query else where.path
                    first = f"{method} {path} {version}\r\nConnection: close\r\n"
                    rest = head.partition(b"\r\n")[2]
                    lines = [line for line in rest.split(b"\r\n") if not line.lower().startswith(b"connection:")]
                    server.sendall(first.encode() + b"\r\n".join(lines))
                self._relay(client, server)

    def _relay(self, client: ssl.SSLSocket, server: socket.socket) -> None:
        """Carry bytes both ways in one thread: OpenSSL does not let two use one connection at a time."""
        sources: list[socket.socket] = [client, server]
        while server in sources:
            readable, _, _ = select.select(sources, [], [], 0 if client in sources and client.pending() else None)
            for source in readable or [client]:  # what is decrypted already does not make a socket readable
                client.settimeout(0)
                try:
                    part = source.recv(65536)
                except ssl.SSLWantReadError:  # a part of a record, or none with content
                    continue
                finally:
                    client.settimeout(30)
                if not part:
                    sources.remove(source)
                    if source is client:
                        server.shutdown(socket.SHUT_WR)
                elif source is client:
                    server.sendall(part)
                else:
                    client.sendall(part)
        client.unwrap()


@pytest.fixture
def proxy(authority):
    proxy = TlsProxy(server_side(authority, "proxy", host=HOST))
    yield proxy
    proxy.close()


@pytest.fixture(params=["http", "https"])
def site(request, authority):
    context = server_side(authority, "server", host=HOST) if request.param == "https" else None
    with DemoSite(filled(), ssl_context=context) as site:
        yield site


def through(proxy):
    return {"HTTP_PROXY": proxy.url, "HTTPS_PROXY": proxy.url}


def skip_where_libcurl_stands_still(site):
    """Its GnuTLS side overlooks what is decrypted already where TLS goes through TLS; the program tries again."""
    if "GnuTLS" in pycurl.version and site.control.url.startswith("https:"):
        pytest.skip("libcurl with GnuTLS stands still now and then in TLS through TLS")


@pytest.mark.parametrize("form", ["file", "folder"])
def test_a_proxy_reached_by_https_is_trusted_by_the_certificates_of_the_run(site, proxy, authority, tmp_path, form):
    bundle = authority
    skip_where_libcurl_stands_still(site)
    if form == "folder" and "GnuTLS" in pycurl.version:
        pytest.skip("libcurl with GnuTLS takes seconds for a folder of certificates, at each connection")
    if form == "folder":
        bundle = tmp_path / "trusted"
        bundle.mkdir()
        (bundle / "a.pem").write_bytes(authority.read_bytes())
        subprocess.run(["openssl", "rehash", bundle], check=True, capture_output=True)
    done = run(site, tmp_path / "dci", "--json", REQUESTS_CA_BUNDLE=str(bundle), **through(proxy))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["files_downloaded"] == len(FILES)
    assert {path.name for path in (tmp_path / "dci" / TOPIC / "compose").iterdir()} == {*FILES}
    assert proxy.asked


def test_a_proxy_that_nobody_vouches_for_gets_no_request_whatever_is_asked_for(site, proxy, authority, tmp_path):
    other = make_authority(tmp_path, "other")
    done = run(site, tmp_path / "dci", REQUESTS_CA_BUNDLE=str(other), **through(proxy))
    assert done.returncode == 5, done.stderr
    assert "REQUESTS_CA_BUNDLE" in done.stderr
    assert proxy.asked == []
    assert not Path(tmp_path / "dci" / TOPIC / "compose").exists()


def test_file_bytes_verify_the_proxy_as_api_calls_do(site, proxy, authority, tmp_path):
    """The network of the transfer alone has the proxy, and trusts another authority."""
    skip_where_libcurl_stands_still(site)
    bundle = tmp_path / "server.pem"
    bundle.write_bytes(authority.read_bytes())
    stranger = TlsProxy(server_side(make_authority(tmp_path, "other"), "stranger", host=HOST))
    code = f"""
from dci_downloader import ControlServer, Mirror, Network, Selection, SyncOptions, TransferOptions, sync_topic
import sys
network = Network(ca_bundle={str(bundle)!r}, proxies={{"all": sys.argv[1]}})
options = SyncOptions(transfer=TransferOptions(patience=float(sys.argv[2]), network=network))
report = sync_topic(ControlServer.from_env(), Mirror({str(tmp_path / "dci")!r}), {TOPIC!r}, Selection(all=True),
                    options=options)
print(report.exit_code, *(failure.reason for failure in report.failures))
"""
    environ = {"PATH": os.environ["PATH"], **site.environment(), "REQUESTS_CA_BUNDLE": str(bundle)}
    command = [sys.executable, "-c", code]
    try:
        said = [
            subprocess.run([*command, url, patience], env=environ, capture_output=True, text=True, timeout=100)
            for url, patience in ((stranger.url, "2"), (proxy.url, "30"))
        ]
    finally:
        stranger.close()
    assert [done.stdout[:1] for done in said] == ["5", "0"], [done.stdout + done.stderr for done in said]
    assert stranger.asked == []
    assert len(proxy.asked) >= len(FILES)


@pytest.mark.parametrize(
    ("name", "address", "command"),
    [
        ("HTTP_PROXY", "http://[bad", ()),
        ("https_proxy", "http://user:s3cr/et@127.0.0.1:1", ()),
        ("ALL_PROXY", "http://user:s3cr?et@127.0.0.1:1", ("topics",)),
        ("http_proxy", "http://x:99999", ("components", TOPIC)),
        ("HTTPS_PROXY", "ftp://user:s3cret@x", ("topics",)),
    ],
)
def test_a_variable_that_is_no_proxy_is_2_and_not_shown(tmp_path, name, address, command):
    environ = {"DCI_CLIENT_ID": "remoteci/x", "DCI_API_SECRET": "y", "DCI_CS_URL": "http://127.0.0.1:1", name: address}
    arguments = command or (TOPIC, str(tmp_path / "dci"))
    done = subprocess.run(
        [sys.executable, "-m", "dci_downloader", *arguments],
        env={"PATH": os.environ["PATH"], **environ},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2, done.stderr
    assert f"{name.upper()} is not the address of a proxy" in done.stderr
    for secret in ("s3cr", "et@", "[bad", "Traceback"):
        assert secret not in done.stdout + done.stderr
    assert not (tmp_path / "dci").exists()
