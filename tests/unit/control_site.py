"""A control server on loopback that answers what a test says, and a clock that moves only when somebody sleeps."""

from __future__ import annotations

import hashlib
import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from urllib.parse import parse_qsl, unquote, urlsplit

from dciauth.v2.headers import parse_headers
from dciauth.v2.signature import is_valid

from dci_downloader.control.client import Clock
from dci_downloader.models import Component

SECRET = "s3cret" * 10
CLIENT = "remoteci/66194b70-46c5-1707-a2bb-9dde8d5d4212"
NOW = 1_800_000_000.0
COMPONENT = Component("c1", "RHEL-9.2.0-1", "compose", "t1")
DIGEST = hashlib.sha256(b"").hexdigest()
MANIFEST = json.dumps({"files": [{"path": "", "name": "x", "sha256": DIGEST, "size": 0}], "symlinks": []}).encode()


class Time:
    """A clock that moves only when somebody sleeps."""

    def __init__(self):
        self.now, self.pauses = 0.0, []

    def sleep(self, seconds):
        self.pauses.append(seconds)
        self.now += seconds

    def clock(self):
        return Clock(lambda: self.now, lambda: NOW + self.now, self.sleep, lambda: 0.0)


class Site:
    """A server on loopback that answers what the test's function says and remembers what it was asked."""

    def __init__(self):
        site, self.requests, self.answer = self, [], None

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                parts = urlsplit(self.path)
                asked = SimpleNamespace(path=parts.path, query=dict(parse_qsl(parts.query)), headers=self.headers)
                asked.target, asked.wfile = self.path, self.wfile
                site.requests.append(asked)
                reply = site.answer(asked)
                if reply is None:
                    self.close_connection = True
                    return
                status, headers, body = reply
                self.send_response(status)
                # it closes, and says so: a client that did not know might send its next request into the void
                for name, value in {"Connection": "close", "Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)
                self.close_connection = True

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def paths(self):
        return [asked.path for asked in self.requests]


def signed(asked):
    """Whether the server's own code accepts the signature, and what it says if not."""
    request = {"method": "GET", "endpoint": unquote(asked.path), "params": asked.query, "data": ""}
    return is_valid(request, {"secret_key": SECRET}, parse_headers(dict(asked.headers)))


def as_json(value, status=200, **headers):
    body = json.dumps(value).encode()
    return status, {"Content-Type": "application/json", **headers}, body


def refused(text, status):
    return as_json({"message": text, "status_code": status, "payload": {}}, status)


def topic(name="RHEL-9.2", **more):
    return {"id": f"id-{name}", "name": name, "component_types": ["compose"], "created_at": None, **more}


def component(name, **more):
    common = {"id": f"id-{name}", "type": "compose", "topic_id": "t1", "state": "active", "tags": [], "team_id": None}
    return {**common, "name": name, "created_at": "2026-11-20T10:20:30.123456", **more}


def listing(key, items):
    """A list that pages as the control server does."""

    def answer(asked):
        assert signed(asked) == (True, "")
        offset, limit = int(asked.query["offset"]), int(asked.query["limit"])
        return as_json({"_meta": {"count": len(items)}, key: items[offset : offset + limit]})

    return answer


def closed_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]
