"""A small HTTP/1.1 server on loopback: what the embedded control server and object store have in common.

One thread per connection, keep-alive, and head and body of a small response in one packet. Headers are read without the
parser for e-mail that the standard library uses, which would take most of the time. Every request is logged before it
is answered: whoever has its response finds it in the log.
"""

from __future__ import annotations

import socket
import socketserver
import ssl
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.utils import format_datetime
from http import HTTPStatus
from typing import Any, BinaryIO, Callable, Optional

from dci_downloader.network.headers import content_length

_ONE_PACKET = 64 * 1024  # most bytes of a body that are sent together with the head


def utc_now() -> datetime:
    """The present moment, UTC."""
    return datetime.now(timezone.utc)


@dataclass
class Request:
    """A request as it arrived, and how far it is answered.

    Attributes:
        path: as sent, percent-escapes and all.
        query: as sent, without the question mark.
        headers: names in lower case.
        status: of the response; 0 as long as there is none.
        sent: bytes of the response's body that are handed to the operating system, or are just being handed to it.
    """

    method: str
    path: str
    query: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    status: int = 0
    sent: int = 0


class Exchange:
    """One request and its response.

    Attributes:
        request: as it arrived.
        connection: the socket, a TLS one where the server speaks https.
        server: the server that answers.
        open: whether the connection takes another request after this one.
    """

    def __init__(self, request: Request, connection: socket.socket, server: LoopbackServer) -> None:
        self.request = request
        self.connection = connection
        self.server = server
        self.open = request.headers.get("connection", "").lower() != "close"

    def answer(self, status: int, body: bytes = b"", headers: Optional[Mapping[str, str]] = None) -> None:
        """Send a whole response with its ``Content-Length``; to HEAD without the body."""
        self.stream(status, len(body), [body], headers)

    def stream(
        self, status: int, size: int, chunks: Iterable[bytes], headers: Optional[Mapping[str, str]] = None
    ) -> None:
        """Send a response of ``size`` bytes whose body comes in pieces; to HEAD none of them is taken."""
        head = self._head(status, size, headers or {})
        if self.request.method == "HEAD" or status in (204, 304):
            chunks = ()
        for chunk in chunks:
            if head and len(chunk) > _ONE_PACKET:
                self.send(head)
                head = b""
            self.send(head, chunk)
            head = b""
        if head:
            self.send(head)

    def send(self, head: bytes, body: bytes = b"") -> None:
        """Send raw bytes. Those of ``body`` count as sent; the first head gives the status in the log."""
        if not self.request.status and head.startswith(b"HTTP/1."):
            self.request.status = int(head[9:12])
        self.request.sent += len(body)
        self.connection.sendall(head + body if head else body)

    def _head(self, status: int, size: int, headers: Mapping[str, str]) -> bytes:
        lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", f"Date: {self.server.http_date()}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if status not in (204, 304):
            lines.append(f"Content-Length: {size}")
        if not self.open:
            lines.append("Connection: close")
        return "\r\n".join([*lines, "", ""]).encode("latin-1")


class LoopbackServer(ABC):
    """Listens on 127.0.0.1 and answers in threads while it is entered as a context.

    Args:
        now: the server's clock, for dates and expiry; UTC.
        ssl_context: for https; None for http.
        port: 0 for any that is free.

    Attributes:
        url: without a slash at its end.
        stopping: set once the server is told to stop.
    """

    def __init__(
        self,
        *,
        now: Callable[[], datetime] = utc_now,
        ssl_context: Optional[ssl.SSLContext] = None,
        port: int = 0,
    ) -> None:
        self.now = now
        self.ssl_context = ssl_context
        self.stopping = threading.Event()
        self._requests: list[Request] = []
        self._lock = threading.Lock()
        self._dated: tuple[Optional[datetime], str] = (None, "")
        self._listener = _Listener(port, self)
        scheme = "https" if ssl_context else "http"
        self.url = f"{scheme}://127.0.0.1:{self._listener.server_address[1]}"
        # Looks every 10 ms whether to stop, not every 500: tests start and stop hundreds of servers.
        self._thread = threading.Thread(target=self._listener.serve_forever, args=(0.01,), daemon=True)

    @abstractmethod
    def respond(self, exchange: Exchange) -> None:
        """Answer a request."""

    @property
    def requests(self) -> list[Request]:
        """Every request so far, oldest first; a copy of the log."""
        with self._lock:
            return list(self._requests)

    def forget(self) -> None:
        """Empty the log."""
        with self._lock:
            self._requests.clear()

    def handle(self, exchange: Exchange) -> None:
        """Log a request and have it answered."""
        with self._lock:
            self._requests.append(exchange.request)
        self.respond(exchange)

    def http_date(self) -> str:
        """The present second for a ``Date`` header; written once a second, not for each of thousands of responses."""
        second = self.now().replace(microsecond=0)
        if self._dated[0] != second:
            self._dated = (second, format_datetime(second, usegmt=True))
        return self._dated[1]

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Close the listening socket and every connection, also those whose request is being answered."""
        self.stopping.set()
        if self._thread.ident is not None:
            self._listener.shutdown()
            self._thread.join()
        self._listener.server_close()
        self._listener.disconnect()

    def __enter__(self) -> Any:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class _Listener(socketserver.ThreadingTCPServer):
    """Accepts connections, one thread each, and keeps track of them so that it can end them."""

    allow_reuse_address = True
    daemon_threads = True  # a client that keeps its connection open must not keep the program
    request_queue_size = 256  # a downloader opens 64 connections at once; the default is 5

    def __init__(self, port: int, owner: LoopbackServer) -> None:
        self.owner = owner
        self._connections: dict[threading.Thread, socket.socket] = {}
        self._guard = threading.Lock()
        super().__init__(("127.0.0.1", port), socketserver.BaseRequestHandler)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve one connection from handshake to close."""
        connection = request
        try:
            # Else the last packet of a response waits for the client's delayed acknowledgement: 40 ms.
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.owner.ssl_context is not None:
                connection = self.owner.ssl_context.wrap_socket(
                    request, server_side=True, do_handshake_on_connect=False
                )
            with self._guard:
                self._connections[threading.current_thread()] = connection
            if not self.owner.stopping.is_set():
                _serve_connection(connection, self.owner)
        except OSError:
            pass  # the client went away, or does not trust our certificate
        finally:
            with self._guard:
                self._connections.pop(threading.current_thread(), None)
                connection.close()

    def disconnect(self) -> None:
        """End every connection and wait for its thread."""
        with self._guard:
            threads = list(self._connections)
            for connection in self._connections.values():
                with suppress(OSError):  # its client may have closed it before
                    connection.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join()


def _serve_connection(connection: Any, server: LoopbackServer) -> None:
    """Answer request after request until one side closes the connection."""
    if server.ssl_context is not None:
        connection.do_handshake()  # only now that the connection is registered, so that it can be ended meanwhile
    with connection.makefile("rb", 64 * 1024) as stream:
        while True:
            try:
                request = _read_request(stream)
            except ValueError:
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                return
            if request is None:
                return
            exchange = Exchange(request, connection, server)
            server.handle(exchange)
            if not exchange.open:
                return


def _read_request(stream: BinaryIO) -> Optional[Request]:
    """Read one request; None at the end of the connection.

    Raises:
        ValueError: it is malformed, or its body has no usable ``Content-Length``.
    """
    line = stream.readline(65536)
    if not line:
        return None
    method, target, _ = line.decode("latin-1").split()
    headers: dict[str, str] = {}
    while (line := stream.readline(65536)) not in (b"\r\n", b"\n"):
        if not line:
            return None
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
    if "transfer-encoding" in headers:
        raise ValueError("a body without Content-Length")
    path, _, query = target.partition("?")
    size = content_length(headers.get("content-length", "0"))
    if size is None:
        raise ValueError("Content-Length is no number")
    body = stream.read(size)
    return Request(method, path, query, headers, body)
