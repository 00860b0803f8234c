"""A control server and an object store that misbehave on demand, over real sockets on loopback.

A behaviour answers one request. A server follows the script of a path, one behaviour for each request, and behaves
well when the script is over: ``server.scripts["a.rpm"] = iter([cut(100), status(503)])``.
"""

from __future__ import annotations

import itertools
import re
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, suppress
from http.client import HTTPConnection
from typing import NamedTuple, Optional
from urllib.parse import quote, unquote, urlsplit

CHUNK = 16 * 1024


class Asked(NamedTuple):
    """A request as it was received; ``connection`` counts the connections of the server."""

    path: str
    target: str
    headers: Mapping[str, str]
    connection: int

    @property
    def range(self) -> Optional[tuple[int, int]]:
        """First byte and the byte after the last; None for the whole file."""
        match = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("range", ""))
        return (int(match[1]), int(match[2]) + 1) if match else None


class Response(NamedTuple):
    """What is sent back; ``framed`` adds the length."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    framed: bool = True

    def head(self) -> bytes:
        length = (("Content-Length", str(len(self.body))),) if self.framed else ()
        lines = [f"HTTP/1.1 {self.status} Status", *(f"{name}: {value}" for name, value in self.headers + length)]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")


class Exchange:
    """One request on one connection, to be answered by a behaviour."""

    def __init__(self, server: FaultServer, connection: socket.socket, asked: Asked) -> None:
        self.server = server
        self.connection = connection
        self.asked = asked
        self.over = False

    def answer(self) -> Response:
        """What a server that behaves would send."""
        return self.server.well(self.asked)

    def send(self, content: bytes) -> None:
        for start in range(0, len(content), CHUNK):
            if self.server.pause:
                self.server.closing.wait(self.server.pause)
            self.server.flowing.wait()
            self.connection.sendall(content[start : start + CHUNK])

    def cut(self, *, reset: bool = False) -> None:
        """End the connection: orderly, or with a reset that may overtake nothing (what was sent arrived)."""
        if reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.over = True

    def wait_for_the_end(self) -> None:
        """Say nothing more until the other side gives up."""
        with suppress(OSError):
            self.connection.recv(1)
        self.over = True


Behaviour = Callable[[Exchange], None]
Well = Callable[[Asked], Response]


class FaultServer:
    """HTTP/1.1 on a port of its own, one thread for each connection.

    Attributes:
        log: every request, in the order of arrival.
        scripts: by path, what is done about the next requests.
        default: what is done where there is no script.
        pause: seconds before each 16 KiB that are sent.
        flowing: cleared, nothing more is sent until it is set.
        tls: with what it serves HTTPS.
        down: whether it takes no connection.
    """

    def __init__(self, well: Well, tls: Optional[ssl.SSLContext] = None) -> None:
        self.well = well
        self.log: list[Asked] = []
        self.scripts: dict[str, Iterator[Behaviour]] = {}
        self.default: Behaviour = serve
        self.pause = 0.0
        self.closing = threading.Event()
        self.flowing = threading.Event()
        self.flowing.set()
        self.tls = tls
        self._guard = threading.Lock()
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._numbers = itertools.count()
        self._held = _bound(0)  # while it is down, no other program gets its port
        self.port = self._held.getsockname()[1]
        self.listen()
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def connections(self) -> int:
        """How many there were."""
        return len({asked.connection for asked in self.log})

    def asked(self, path: str) -> list[Asked]:
        """The requests for a path."""
        return [asked for asked in self.log if asked.path == path]

    def ranges(self, path: str) -> list[Optional[tuple[int, int]]]:
        """The ranges that were asked for."""
        return [asked.range for asked in self.asked(path)]

    def listen(self) -> None:
        """Take connections, again where it went down."""
        self._listener = _bound(self.port)
        self._listener.listen(128)
        self.down = False
        self._threads.append(threading.Thread(target=self._accept, args=(self._listener,), daemon=True))
        self._threads[-1].start()

    def refuse(self) -> None:
        """Go down: end every connection and take no new one."""
        self.down = True
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._guard:
            for connection in self._open:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.closing.set()
        self.flowing.set()
        self.refuse()
        self._held.close()
        for thread in self._threads:
            thread.join(5)
            assert not thread.is_alive()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            self._note(connection)
            thread = threading.Thread(target=self._serve, args=(connection, next(self._numbers)), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        plain = connection
        with suppress(OSError):  # the other side went away, or does not trust the certificate
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.tls is not None:
                connection = self.tls.wrap_socket(connection, server_side=True)
                self._note(connection)
            with connection.makefile("rb") as lines:
                while not self.closing.is_set() and (asked := _read(lines, number)):
                    exchange = Exchange(self, connection, asked)
                    self._behaviour(asked)(exchange)
                    if exchange.over:
                        break
        with self._guard:
            self._open -= {plain, connection}
        connection.close()
        plain.close()

    def _note(self, connection: socket.socket) -> None:
        with self._guard:
            self._open.add(connection)
            if self.down:  # since it was accepted
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def _behaviour(self, asked: Asked) -> Behaviour:
        with self._guard:
            self.log.append(asked)
            return next(self.scripts.get(asked.path, iter(())), self.default)


def _read(lines: Iterable[bytes], connection: int) -> Optional[Asked]:
    head = list(itertools.takewhile(bytes.strip, lines))
    if not head or not head[0].startswith(b"GET "):  # gone, or not HTTP at all
        return None
    target = head[0].split()[1].decode()
    headers = dict(line.decode("latin-1").strip().split(": ", 1) for line in head[1:])
    path = unquote(urlsplit(target).path).lstrip("/")
    return Asked(path, target, {name.lower(): value for name, value in headers.items()}, connection)


# behaviours


def _bound(port: int) -> socket.socket:
    """A socket at a port that others made here may share; connections go to the one that listens."""
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    bound.bind(("127.0.0.1", port))
    return bound


def serve(exchange: Exchange) -> None:
    """Answer as a server that behaves."""
    answer = exchange.answer()
    exchange.send(answer.head() + answer.body)
    if not answer.framed:
        exchange.cut()


def changed(change: Callable[[Response], Response]) -> Behaviour:
    """Answer with something else than is right."""

    def behave(exchange: Exchange) -> None:
        answer = change(exchange.answer())
        exchange.send(answer.head() + answer.body)
        if not answer.framed:
            exchange.cut()

    return behave


def status(code: int, *headers: tuple[str, str], body: bytes = b"<Error/>") -> Behaviour:
    """Answer with a status of its own."""
    return changed(lambda _: Response(code, headers, body))


def redirect(place: str) -> Behaviour:
    """Lead elsewhere; ``{here}`` stands for the server, ``{path}`` for what was asked for."""

    def behave(exchange: Exchange) -> None:
        path, _, query = exchange.asked.target.lstrip("/").partition("?")
        location = place.format(here=exchange.server.url, path=path, query=query)
        exchange.send(Response(302, (("Location", location),)).head())

    return behave


def cut(at: float, *, reset: bool = False) -> Behaviour:
    """End the connection in the body: after a share of it, or with a negative number so many bytes before its end."""

    def behave(exchange: Exchange) -> None:
        answer = exchange.answer()
        kept = len(answer.body) + int(at) if at < 0 else int(len(answer.body) * at)
        exchange.send(answer.head() + answer.body[:kept])
        exchange.cut(reset=reset)

    return behave


def drop(exchange: Exchange) -> None:
    """End the connection before a byte of the answer."""
    exchange.cut()


def stall(at: float) -> Behaviour:
    """Send a share of the body, then nothing."""

    def behave(exchange: Exchange) -> None:
        answer = exchange.answer()
        exchange.send(answer.head() + answer.body[: int(len(answer.body) * at)])
        exchange.wait_for_the_end()

    return behave


def chunked(answer: Response, *, ended: bool = True) -> Response:
    """The answer in chunked coding; without the last chunk nothing tells that it is complete."""
    body = b"%x\r\n%s\r\n" % (len(answer.body), answer.body) + (b"0\r\n\r\n" if ended else b"")
    return answer._replace(headers=(*answer.headers, ("Transfer-Encoding", "chunked")), body=body, framed=False)


def header(answer: Response, name: str, value: str) -> Response:
    """The answer with a header set or replaced."""
    others = tuple(pair for pair in answer.headers if pair[0] != name)
    return answer._replace(headers=(*others, (name, value)))


# the two servers


_PASSED_ON = frozenset({"location", "content-type", "content-range", "etag", "date", "retry-after"})


def forwarding(url: str) -> Well:
    """What another server answers: it gets the request unchanged, with its headers."""
    netloc = urlsplit(url).netloc

    def well(asked: Asked) -> Response:
        with closing(HTTPConnection(netloc, timeout=20)) as connection:
            connection.request("GET", asked.target, headers=dict(asked.headers))
            answer = connection.getresponse()
            kept = tuple((name, value) for name, value in answer.getheaders() if name.lower() in _PASSED_ON)
            return Response(answer.status, kept, answer.read())

    return well


def store_answers(contents: Mapping[str, bytes]) -> Well:
    """What an object store answers that holds these files."""

    def well(asked: Asked) -> Response:
        content = contents.get(asked.path)
        if content is None:
            return Response(404, body=b"<Code>NoSuchKey</Code>")
        if asked.range is None:
            return Response(200, body=content)
        start, end = asked.range
        if start >= len(content):
            return Response(416, (("Content-Range", f"bytes */{len(content)}"),))
        body = content[start:end]
        place = f"bytes {start}-{start + len(body) - 1}/{len(content)}"
        return Response(206, (("Content-Range", place),), body)

    return well


def control_answers(store_url: str) -> Well:
    """What a control server answers: a redirect to a presigned URL, another one each time."""
    numbers = itertools.count()

    def well(asked: Asked) -> Response:
        query = f"X-Amz-Expires=600&X-Amz-Signature=s1gnature{next(numbers)}"
        return Response(302, (("Location", f"{store_url}/{quote(asked.path)}?{query}"),))

    return well
