"""What some cases need beside nginx: a line with a delay, a control server that is soon full, one that never answers.

    python -m tests.benchmarks.servers delay LISTEN TARGET SECONDS BYTES_PER_SECOND FIGURES
    python -m tests.benchmarks.servers limited LISTEN FOLDER STORE_URL
    python -m tests.benchmarks.servers silent LISTEN

They run as processes of their own, until they are terminated.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
import time
from collections import deque
from pathlib import Path
from typing import Optional

ALONE = 110.0
"""Redirects per second that the limited server answers on one connection."""

TOGETHER = 240.0
"""Redirects per second that it answers at its best: with four to eight requests under way."""

_NO_FIGURES = {"redirects": 0, "first": 0.0, "last": 0.0, "connections": 0}

CROWD = 8
CROWDED = 0.015
"""How much longer each request takes for every one beyond ``CROWD``."""


class _Capacity:
    """What all connections together may carry in one direction.

    Attributes:
        carried: bytes, and when the first and the last of them were handed on, seconds since the epoch.
    """

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._free_at = 0.0
        self.carried = (0, 0.0, 0.0)

    def count(self, size: int) -> None:
        """Count bytes that are handed on."""
        total, first, _ = self.carried
        now = time.time()
        self.carried = (total + size, first or now, now)

    def due(self, now: float, size: int) -> float:
        """When so many bytes are through that are handed in now."""
        self._free_at = max(self._free_at, now) + (size / self._rate if self._rate else 0.0)
        return self._free_at


_TELL_SECONDS = 0.1

_MOST_QUEUED = 0.2
"""Seconds of the line's time that may wait in its queues, before their senders have to wait."""


class _Delayed(asyncio.Protocol):
    """One direction of a connection: what comes in goes out a little later."""

    def __init__(self, seconds: float, first: float, capacity: _Capacity) -> None:
        self._capacity = capacity
        self.other: Optional[asyncio.Transport] = None
        self.transport: Optional[asyncio.Transport] = None
        self._seconds = seconds
        self._wait = first
        self._queue: deque[tuple[float, Optional[bytes]]] = deque()
        self._timer: Optional[asyncio.TimerHandle] = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._later(data)

    def connection_lost(self, error: Optional[Exception]) -> None:
        self._later(None)

    def release(self) -> None:
        """Send what is due, now that there is somewhere to send it to."""
        loop = asyncio.get_running_loop()
        self._timer = None
        while self._queue and self.other is not None:
            due, data = self._queue[0]
            if due > loop.time():
                self._timer = loop.call_at(due, self.release)
                return
            self._queue.popleft()
            if data is None:
                self.other.close()
            elif not self.other.is_closing():
                self._capacity.count(len(data))
                self.other.write(data)

    def _resume(self) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.resume_reading()

    def _later(self, data: Optional[bytes]) -> None:
        loop = asyncio.get_running_loop()
        due = self._capacity.due(loop.time(), len(data or b""))
        self._queue.append((due + self._wait, data))
        if data and due - loop.time() > _MOST_QUEUED and self.transport is not None:
            self.transport.pause_reading()
            loop.call_at(due - _MOST_QUEUED / 2, self._resume)
        self._wait = self._seconds
        if self._timer is None:
            self.release()


async def _tell(figures: Path, capacity: _Capacity) -> None:
    """Keep a file up to date with what was carried; once somebody removes it, count anew."""
    told = capacity.carried
    while True:
        await asyncio.sleep(_TELL_SECONDS)
        if told[0] and not figures.exists():
            capacity.carried = told = (0, 0.0, 0.0)
        if told != capacity.carried:
            told = capacity.carried
            temporary = figures.with_suffix(".new")
            temporary.write_text(json.dumps(told))
            temporary.replace(figures)


async def delay(listen: int, target: int, seconds: float, rate: float, figures: Path) -> None:
    """A line to a port of loopback. Opening a connection takes a round trip.

    Args:
        listen: the port of its near end.
        target: the port that it leads to.
        seconds: of a round trip.
        rate: bytes per second in each direction, of all connections together; 0 for no limit.
        figures: a file that says how many bytes came back, and when the first and the last did.
    """
    loop = asyncio.get_running_loop()
    one_way = seconds / 2
    there, back = _Capacity(rate), _Capacity(rate)

    def accepted() -> asyncio.Protocol:
        near = _Delayed(one_way, one_way + seconds, there)
        far = _Delayed(one_way, one_way, back)

        async def connect() -> None:
            await loop.create_connection(lambda: far, "127.0.0.1", target)
            near.other, far.other = far.transport, near.transport
            near.release()
            far.release()

        loop.create_task(connect())  # noqa: RUF006  the loop never ends before it
        return near

    server = await loop.create_server(accepted, "127.0.0.1", listen, backlog=256)
    await asyncio.gather(server.serve_forever(), _tell(figures, back))


class Limited:
    """A control server with the speed of a real one: a queue with one place to be served at, and crowding.

    Args:
        folder: of the site: its answers, certificate and key.
        store_url: where it redirects to.
    """

    def __init__(self, folder: Path, store_url: str) -> None:
        self._topics = (folder / "topics.json").read_bytes()
        self._components = (folder / "components.json").read_bytes()
        self._store_url = store_url
        self._free_at = 0.0
        self._waiting = 0
        self._open: set[asyncio.StreamWriter] = set()
        self._figures = dict(_NO_FIGURES)

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        try:
            while request := await reader.readuntil(b"\r\n\r\n"):
                target = request.split(None, 2)[1].decode()
                if _is_package(target):
                    self._open.add(writer)
                    self._figures["connections"] = max(self._figures["connections"], len(self._open))
                writer.write(await self._answer(target))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._open.discard(writer)
            writer.close()

    async def _answer(self, target: str) -> bytes:
        path = target.partition("?")[0]
        if path == "/figures":
            figures, self._figures = self._figures, dict(_NO_FIGURES)
            return _ok(json.dumps(figures).encode())
        if path.endswith("/topics"):
            return _ok(self._topics)
        _, _, name = path.partition("/files/")
        if not name:
            return _ok(self._components)
        await self._serve()
        if _is_package(target):
            now = time.monotonic()
            self._figures["redirects"] += 1
            self._figures["first"] = self._figures["first"] or now
            self._figures["last"] = now
        place = f"{self._store_url}/{name}?X-Amz-Signature=0"
        return f"HTTP/1.1 302 Found\r\nLocation: {place}\r\nContent-Length: 0\r\n\r\n".encode()

    async def _serve(self) -> None:
        """Wait in the queue, be served, and wait for what does not keep others from being served."""
        self._waiting += 1
        now = time.monotonic()
        takes = (1 + CROWDED * max(0, self._waiting - CROWD)) / TOGETHER
        self._free_at = max(self._free_at, now) + takes
        await asyncio.sleep(self._free_at - now + 1 / ALONE - 1 / TOGETHER)
        self._waiting -= 1


def _is_package(target: str) -> bool:
    """Whether a request is for a file of the component, not for what tells of them."""
    name = target.partition("/files/")[2]
    return bool(name) and not name.startswith(("dci_files_list", "images_list"))


def _ok(body: bytes) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def limited(listen: int, folder: Path, store_url: str) -> None:
    """Serve a site's answers with the speed of a real control server."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(folder / "server.pem", folder / "server.key")
    server = await asyncio.start_server(Limited(folder, store_url).converse, "127.0.0.1", listen, ssl=tls)
    await server.serve_forever()


async def silent(listen: int) -> None:
    """Take connections, and never answer."""

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1 << 16):
            pass
        writer.close()

    server = await asyncio.start_server(converse, "127.0.0.1", listen)
    await server.serve_forever()


if __name__ == "__main__":
    kind, port, *rest = sys.argv[1:]
    if kind == "silent":
        asyncio.run(silent(int(port)))
    elif kind == "delay":
        asyncio.run(delay(int(port), int(rest[0]), float(rest[1]), float(rest[2]), Path(rest[3])))
    else:
        asyncio.run(limited(int(port), Path(rest[0]), rest[1]))
