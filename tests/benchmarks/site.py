"""nginx as control server and object store over TLS, and the contents that it serves.

The control server is as much of one as a downloader needs: a topic with one component whose manifest lists the files.
It checks no signature, for the programs that are compared with send none.
"""

from __future__ import annotations

import json
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from tests.faults.certificates import make_authority, server_side

TOPIC_ID = "f0d0c57f-4632-54ed-846e-da30fb6f9fc7"
COMPONENT_ID = "84a8dbea-8e6a-5dbd-983a-419d9408a468"
PRESIGNED = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date=20221121T000000Z&X-Amz-Expires=600&X-Amz-Signature=" + "0" * 64

_SERVERS = (sys.executable, "-m", "tests.benchmarks.servers")
_NGINX = """
{user} daemon off; worker_processes 2; pid {root}/nginx.pid; error_log {root}/error.log;
worker_rlimit_nofile 4096;
events {{ worker_connections 2048; }}
http {{
    access_log off; client_body_temp_path {root}/t1; proxy_temp_path {root}/t2;
    fastcgi_temp_path {root}/t3; uwsgi_temp_path {root}/t4; scgi_temp_path {root}/t5;
    sendfile on; tcp_nopush on; keepalive_requests 1000000; keepalive_timeout 300s;
    ssl_certificate {root}/server.pem; ssl_certificate_key {root}/server.key; ssl_session_cache shared:tls:4m;
    map $request_uri $object {{ "~^/api/v1/components/[^/]+/files/(?<path>[^?]*)" $path; }}
    server {{
        listen 127.0.0.1:{control} ssl;
        default_type application/json;
        location = /api/v1/topics {{ alias {root}/topics.json; }}
        location ~ ^/api/v1/topics/[^/]+/components$ {{ alias {root}/components.json; }}
        location /api/v1/components/ {{ return 302 {store_url}/$object?{presigned}; }}
    }}
    server {{
        listen 127.0.0.1:{store} ssl;
        root {root}/store;
        {limit}
    }}
    server {{
        listen 127.0.0.1:{peer} ssl;
        root {root}/peer;
        {peer_limit}
    }}
}}
"""


class File(NamedTuple):
    """A file that is served."""

    path: str
    sha256: str
    size: int


def rpm_sizes(count: int, total: int, seed: int = 9) -> list[int]:
    """Sizes spread as those of a compose's packages: a median of tens of kilobytes, some of many megabytes."""
    chances = random.Random(seed)
    drawn = [chances.lognormvariate(0, 1.6) for _ in range(count)]
    scale = total / sum(drawn)
    return [int(one * scale) + 1 for one in drawn]


def make_files(folder: Path, sizes: Sequence[int]) -> list[File]:
    """Write files of random content, laid out as a compose is."""
    files = []
    chances = random.Random(21)
    for number, size in enumerate(sizes):
        path = f"BaseOS/x86_64/os/Packages/{chr(97 + number % 26)}/package-{number}-1.el9.x86_64.rpm"
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        digest = sha256()
        with target.open("wb") as out:
            for start in range(0, size, 1 << 24):
                chunk = chances.randbytes(min(1 << 24, size - start))
                digest.update(chunk)
                out.write(chunk)
        files.append(File(path, digest.hexdigest(), size))
    return files


@dataclass(frozen=True)
class Site:
    """Where the files of a case are served.

    Attributes:
        files: what there is.
        control: URL of the control server.
        store: URL of the component's folder in the object store, to be asked without a presigned query too.
        authority: path of the certificate to trust.
        folder: where the files are.
        peer: URL of another mirror that has them.
    """

    files: list[File]
    control: str
    store: str
    authority: Path
    folder: Path
    peer: str

    def offer(self, files: Sequence[File]) -> None:
        """Have the manifest list these files from now on."""
        write_manifest(self.folder, files)

    def direct(self, file: File) -> str:
        """The URL of a file in the object store."""
        return f"{self.store}/{file.path}"

    def redirected(self, file: File) -> str:
        """The URL of a file at the control server."""
        return f"{self.control}/api/v1/components/{COMPONENT_ID}/files/{file.path}"


def free_port() -> int:
    """A port of loopback that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serve(
    root: Path,
    sizes: Sequence[int],
    *,
    connection_rate: str = "",
    round_trip: float = 0.0,
    line_rate: float = 0.0,
    limited: bool = False,
    peer_rate: str = "",
) -> Iterator[Site]:
    """nginx with files of these sizes, until the block ends.

    Args:
        root: an empty folder for everything.
        sizes: bytes of each file.
        connection_rate: bytes per second of each connection to the object store, as nginx writes it.
        round_trip: seconds of the lines to both servers.
        line_rate: bytes per second of each of these lines; 0 for no limit.
        limited: whether the control server has the speed of a real one.
        peer_rate: bytes per second of each connection to the peer, as nginx writes it.
    """
    root.mkdir(parents=True)
    control, store, near_control, near_store, peer = (free_port() for _ in range(5))
    if not round_trip:
        near_control, near_store = control, store
    store_url = f"https://127.0.0.1:{store}/{COMPONENT_ID}"
    files = make_files(root / "store" / COMPONENT_ID, sizes)
    _write_answers(root, files)
    _link_objects(root / "store" / COMPONENT_ID, files, root / "peer" / ".dci-downloader" / "objects")
    authority = make_authority(root, "authority")
    server_side(authority, "server")
    (root / "nginx.conf").write_text(
        _NGINX.format(
            root=root,
            user="user root;" if os.geteuid() == 0 else "",
            control=free_port() if limited else near_control,
            store=near_store,
            store_url=store_url,
            presigned=PRESIGNED,
            limit=f"limit_rate {connection_rate};" if connection_rate else "",
            peer=peer,
            peer_limit=f"limit_rate {peer_rate};" if peer_rate else "",
        )
    )
    with ExitStack() as running:
        running.enter_context(_started("nginx", "-c", root / "nginx.conf", "-p", root, "-e", root / "error.log"))
        if limited:
            running.enter_context(_started(*_SERVERS, "limited", near_control, root, store_url))
        if round_trip:
            for name, port, near in (("control", control, near_control), ("store", store, near_store)):
                line = "delay", port, near, round_trip, line_rate, root / f"{name}-line.json"
                running.enter_context(_started(*_SERVERS, *line))
        for port in (near_control, near_store, control, store, peer):
            _wait_for(port)
        folder, control_url, peer_url = (
            root / "store" / COMPONENT_ID,
            f"https://127.0.0.1:{control}",
            f"https://127.0.0.1:{peer}",
        )
        yield Site(files, control_url, store_url, authority, folder, peer_url)


@contextmanager
def silent_server() -> Iterator[str]:
    """The URL of a server that takes connections and never answers, until the block ends."""
    port = free_port()
    with _started(*_SERVERS, "silent", port):
        _wait_for(port)
        yield f"http://127.0.0.1:{port}"


@contextmanager
def _started(*command: object) -> Iterator[None]:
    process = subprocess.Popen([str(part) for part in command], stdin=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=10)


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 10
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if time.monotonic() > deadline:
            raise RuntimeError(f"nothing listens on port {port}")
        time.sleep(0.02)


def _write_answers(root: Path, files: Sequence[File]) -> None:
    topic = {"id": TOPIC_ID, "name": "RHEL-9.2", "component_types": ["compose"], "state": "active", "data": {}}
    component = {
        "id": COMPONENT_ID,
        "name": "RHEL-9.2.0-1",
        "display_name": "RHEL-9.2.0-1",
        "type": "compose",
        "tags": [],
        "state": "active",
        "topic_id": TOPIC_ID,
        "team_id": None,
        "created_at": "2022-11-21T00:00:00",
    }
    answers = {
        root / "topics.json": {"_meta": {"count": 1}, "topics": [topic]},
        root / "components.json": {"_meta": {"count": 1}, "components": [component]},
    }
    for path, answer in answers.items():
        path.write_text(json.dumps(answer))
    write_manifest(root / "store" / COMPONENT_ID, files)


def _link_objects(folder: Path, files: Sequence[File], objects: Path) -> None:
    """Have a peer hold the files."""
    for file in files:
        target = objects / file.sha256[:2] / file.sha256
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            os.link(folder / file.path, target)


def write_manifest(folder: Path, files: Sequence[File]) -> None:
    """Write the manifest of a component."""
    entries = [
        {
            "path": os.path.dirname(file.path),
            "name": os.path.basename(file.path),
            "sha256": file.sha256,
            "size": file.size,
        }
        for file in files
    ]
    manifest = {"directories": [], "symlinks": [], "files": entries}
    (folder / "dci_files_list.json").write_text(json.dumps(manifest))
