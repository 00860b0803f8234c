"""Peers: other labs' web servers on loopback, each of which serves objects as any web server would."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Optional

import pytest

from dci_downloader.demo.http_server import LoopbackServer
from dci_downloader.models import FileEntry
from tests import interception
from tests.faults.sizes import SEGMENT

if TYPE_CHECKING:
    from tests.faults.conftest import Bench

SMALL = {f"small{number}": b"%d" % number * (number + 1) for number in range(20)}
BIG = {"big": os.urandom(4 * SEGMENT + 17)}


class Lab(LoopbackServer):
    """Another lab's web server."""

    def __init__(self, contents: dict[str, bytes]) -> None:
        super().__init__()
        self.objects = {hashlib.sha256(content).hexdigest(): content for content in contents.values()}

    @property
    def root(self) -> str:
        return f"{self.url}/dci"

    def respond(self, exchange: Any) -> None:
        folder, _, digest = exchange.request.path.rpartition("/")
        content = self.objects.get(digest)
        if content is None or folder != f"/dci/.dci-downloader/objects/{digest[:2]}":
            exchange.answer(404, b"<html>404 Not Found" * 10)
            return
        start, end = wanted(exchange) or (0, len(content))
        if wanted(exchange) is None:
            exchange.answer(200, content)
        else:
            exchange.answer(206, content[start:end], {"Content-Range": f"bytes {start}-{end - 1}/{len(content)}"})

    def ranges(self) -> list[str]:
        """The ranges that were asked for."""
        return [request.headers.get("range", "") for request in self.requests]


def wanted(exchange: Any) -> Optional[tuple[int, int]]:
    """The range that a request is for; None for the whole file."""
    value = exchange.request.headers.get("range")
    if value is None:
        return None
    first, last = value[len("bytes=") :].split("-")
    return int(first), int(last) + 1


Intercept = Callable[[Any], Optional[bool]]
Start = Callable[..., Lab]


@pytest.fixture
def start() -> Iterator[Start]:
    running: list[Lab] = []

    def start(contents: dict[str, bytes], intercept: Optional[Intercept] = None) -> Lab:
        lab = Lab(contents)
        if intercept is not None:
            interception.intercept(lab, intercept)
        lab.start()
        running.append(lab)
        return lab

    yield start
    for lab in running:
        lab.stop()


def put(bench: Bench, contents: dict[str, bytes]) -> None:
    """Have these files to fetch, and the object store hold them."""
    for path, content in contents.items():
        bench.contents[path] = content
        bench.entries[path] = FileEntry(path, hashlib.sha256(content).hexdigest(), len(content))


def from_store(bench: Bench) -> set[str]:
    """The files that the object store was asked for."""
    return {asked.path for asked in bench.store.log}


def forge(exchange: Any) -> bool:
    """Another content of the right size."""
    size = len(exchange.server.objects[exchange.request.path.rpartition("/")[2]])
    start, end = wanted(exchange) or (0, size)
    place = {"Content-Range": f"bytes {start}-{end - 1}/{size}"} if wanted(exchange) else {}
    exchange.answer(206 if place else 200, b"x" * (end - start), place)
    return True
