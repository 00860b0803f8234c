"""HTTP/2 where a control server offers it, with nginx; the object store is spoken to as ever."""

import os
import subprocess
import time
from hashlib import sha256
from urllib.parse import quote

import pytest

from dci_downloader.control.signing import SignedRequest
from dci_downloader.hooks import NeverStop, NullProgress
from dci_downloader.mirror.store import Store
from dci_downloader.models import FileEntry
from dci_downloader.options import Network, TransferOptions
from dci_downloader.transfer import engine
from dci_downloader.transfer.tuning import Tuning
from tests.faults.certificates import make_authority, server_side
from tests.integration.conftest import free_port, needs

NGINX = """
{user} daemon off; worker_processes 1; pid {root}/nginx.pid; error_log {root}/error.log;
events {{ worker_connections 256; }}
http {{
    log_format used "$server_port $server_protocol $connection";
    access_log {root}/access.log used; client_body_temp_path {root}/t1; proxy_temp_path {root}/t2;
    fastcgi_temp_path {root}/t3; uwsgi_temp_path {root}/t4; scgi_temp_path {root}/t5;
    ssl_certificate {root}/server.pem; ssl_certificate_key {root}/server.key;
    server {{ listen 127.0.0.1:{control} ssl{http2}; return 302 https://127.0.0.1:{store}$request_uri; }}
    server {{ listen 127.0.0.1:{store} ssl; root {root}/files; }}
}}
"""


class Unsigned:
    """A source that signs nothing."""

    def __init__(self, url):
        self.url = url

    def request(self, path):
        return SignedRequest(f"{self.url}/{quote(path)}", {})

    def follow(self, url):
        return None


@pytest.fixture
def fetched(tmp_path):
    """Fetches 40 files, and gives what nginx noted of each request: port, protocol, connection."""

    def fetch(http2):
        (tmp_path / "files").mkdir()
        entries = []
        for number in range(40):
            content = f"file {number}".encode()
            (tmp_path / "files" / f"{number}.rpm").write_bytes(content)
            entries.append(FileEntry(f"{number}.rpm", sha256(content).hexdigest(), len(content)))
        authority = make_authority(tmp_path, "authority")
        server_side(authority, "server")
        ports = {"control": free_port(), "store": free_port()}
        user = "user root;" if os.geteuid() == 0 else ""
        (tmp_path / "nginx.conf").write_text(
            NGINX.format(root=tmp_path, user=user, http2=" http2" if http2 else "", **ports)
        )
        command = ["nginx", "-c", tmp_path / "nginx.conf", "-p", tmp_path, "-e", tmp_path / "error.log"]
        server = subprocess.Popen(command)
        try:
            deadline = time.monotonic() + 10
            while not (tmp_path / "nginx.pid").exists() or not (tmp_path / "nginx.pid").read_text():
                assert server.poll() is None, (tmp_path / "error.log").read_text()
                assert time.monotonic() < deadline, "nginx does not start"
            store = Store(tmp_path / "mirror")
            store.prepare()
            source = Unsigned(f"https://127.0.0.1:{ports['control']}")
            options = TransferOptions(network=Network(ca_bundle=str(authority)))
            done = engine.Engine(store, options, NullProgress(), NeverStop()).fetch(entries, source)
        finally:
            server.terminate()
            server.wait(timeout=10)
        assert (done.files, done.failures) == (40, ())
        lines = [line.split() for line in (tmp_path / "access.log").read_text().splitlines()]
        kinds = {str(port): kind for kind, port in ports.items()}
        return [(kinds[port], protocol, connection) for port, protocol, connection in lines]

    return fetch


@needs("nginx", "openssl")
def test_http2_is_spoken_with_a_control_server_that_offers_it(fetched):
    noted = fetched(http2=True)
    assert {(kind, protocol) for kind, protocol, _ in noted} == {("control", "HTTP/2.0"), ("store", "HTTP/1.1")}
    assert len({connection for kind, _, connection in noted if kind == "control"}) <= 4  # those it began with


@needs("nginx", "openssl")
def test_and_http1_with_one_that_does_not(fetched):
    noted = fetched(http2=False)
    assert {protocol for _, protocol, _ in noted} == {"HTTP/1.1"}
    assert len({connection for kind, _, connection in noted if kind == "control"}) <= Tuning().most_locates
