"""A web server in front of a mirror, which can be told to answer something else."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

import pytest


class MirrorServer(ThreadingHTTPServer):
    """Serves a folder on loopback, without ranges.

    Attributes:
        requests: paths that were asked for, with the headers.
        answers: by path, or by the beginning of one before a ``*``: status, headers and body; in place of the file.
    """

    daemon_threads = True

    def __init__(self, root):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.root = Path(root)
        self.requests = []
        self.answers = {}
        self.url = f"http://127.0.0.1:{self.server_port}"

    def paths(self):
        return [path for path, _ in self.requests]

    def answer_to(self, path):
        for key, answer in self.answers.items():
            if path == key or (key.endswith("*") and path.startswith(key[:-1])):
                return answer() if callable(answer) else answer
        file = self.root / unquote(path).lstrip("/")
        return (200, {}, file.read_bytes()) if file.is_file() else (404, {}, b"")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.requests.append((self.path, dict(self.headers)))
        status, headers, body = self.server.answer_to(self.path)
        self.send_response(status)
        for name, value in {"Content-Length": len(body), **headers}.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextmanager
def serving(root):
    """A mirror behind a web server, for a block."""
    with MirrorServer(root) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def serve():
    """Starts web servers in front of mirrors."""
    from contextlib import ExitStack

    with ExitStack() as running:
        yield lambda root: running.enter_context(serving(root))
