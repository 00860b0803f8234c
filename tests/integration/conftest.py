"""Real programs around the command line: nginx as the object store, the package's own control server."""

import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from dci_downloader.demo.catalog import Catalog
from dci_downloader.demo.control_server import DemoControl

NGINX = """
{user} daemon off; worker_processes 1; pid {root}/nginx.pid; error_log {root}/error.log;
events {{ worker_connections 256; }}
http {{
    access_log {root}/access.log; client_body_temp_path {root}/t1; proxy_temp_path {root}/t2;
    fastcgi_temp_path {root}/t3; uwsgi_temp_path {root}/t4; scgi_temp_path {root}/t5;
    server {{ listen unix:{root}/probe; listen {address}:{port}; {server} }}
}}
"""


def needs(*programs):
    """Skip, saying why, where a program is missing."""
    missing = [program for program in programs if shutil.which(program) is None]
    return pytest.mark.skipif(bool(missing), reason=f"not installed here: {', '.join(missing)}")


def free_port():
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def nginx(files, root, *, address="127.0.0.1", prefix=(), server=None):
    """nginx serving a folder; gives its URL. What it logged is in ``root``.

    ``server`` takes the place of what is in its block; ``prefix`` is a command that starts it somewhere else.
    """
    root.mkdir()
    port = free_port()
    user = "user root;" if os.geteuid() == 0 else ""  # its worker could not read our temporary folders otherwise
    (root / "nginx.conf").write_text(
        NGINX.format(root=root, address=address, port=port, user=user, server=server or f"root {files};")
    )
    process = subprocess.Popen(
        [*prefix, "nginx", "-c", str(root / "nginx.conf"), "-p", str(root), "-e", str(root / "error.log")]
    )
    try:
        deadline = time.monotonic() + 40
        while not (root / "nginx.pid").exists() or not (root / "nginx.pid").read_text():
            assert process.poll() is None, (root / "error.log").read_text()
            assert time.monotonic() < deadline, "nginx does not start"
        yield f"http://{address}:{port}"
    finally:
        process.terminate()
        process.wait(timeout=10)


class RealSite:
    """The embedded control server in front of files that nginx serves."""

    def __init__(self, folder):
        self.files = folder / "store"
        self.files.mkdir()
        self.log = folder / "nginx" / "access.log"
        self.catalog = Catalog()
        self.control = None

    def publish(self, topic, name, compose, symlinks=None, **more):
        """Put the files of a folder behind nginx and attach them as a component."""
        paths = {str(path.relative_to(compose)): path for path in sorted(compose.rglob("*")) if path.is_file()}
        files = {name: path.read_bytes() for name, path in paths.items()}
        component = self.catalog.add_component(topic, name=name, files=files, symlinks=symlinks or {}, **more)
        for path, source in paths.items():
            target = self.files / component.id / path
            target.parent.mkdir(parents=True, exist_ok=True)
            os.link(source, target)
        manifest = self.catalog.objects[f"{component.id}/dci_files_list.json"]
        (self.files / component.id / "dci_files_list.json").write_bytes(b"".join(manifest.chunks(0, manifest.size)))
        return component

    def run(self, *arguments, program="dci-downloader", **environ):
        """The command line, as a process."""
        remoteci = self.catalog.remoteci
        own = {
            "DCI_CLIENT_ID": remoteci.client_id,
            "DCI_API_SECRET": remoteci.api_secret,
            "DCI_CS_URL": self.control.url,
            "PATH": os.environ["PATH"],
            "LC_ALL": "C.UTF-8",
        }
        command = [str(Path(sys.executable).with_name(program))]
        if not os.access(command[0], os.X_OK):
            command = [sys.executable, "-m", "dci_downloader"]
        return subprocess.run(
            [*command, *map(str, arguments)],
            env={**own, **environ},
            capture_output=True,
            text=True,
            timeout=120,
            cwd=Path(__file__).parents[2],
        )

    def report(self, *arguments):
        """The JSON report of a run that must succeed."""
        done = self.run(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture
def real(tmp_path):
    site = RealSite(tmp_path)
    with nginx(site.files, tmp_path / "nginx") as url, DemoControl(site.catalog, url) as site.control:
        yield site
