"""One stage of the pipeline: requests of one kind, as many under way as its width allows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import pycurl

from dci_downloader.models import TransferOptions
from dci_downloader.transfer.handles import HandlePool
from dci_downloader.transfer.loop import CurlLoop
from dci_downloader.transfer.width import Width


class Request(Protocol):
    """What a stage needs of a request: somewhere to put the answer."""

    headers: list[bytes]
    handle: Any

    def receive(self, chunk: bytes) -> int:
        """Take a chunk of the body."""


AnyRequest = TypeVar("AnyRequest", bound=Request)


class Answer(NamedTuple):
    """How a request ended.

    Attributes:
        request: the request; its handle is not its own any more.
        code: libcurl's error code, 0 for none.
        message: libcurl's words for it.
        seconds: from request to first byte, handshakes left out; 0 when none came.
    """

    request: Any
    code: int
    message: str
    seconds: float


class Stage(Generic[AnyRequest]):
    """Starts requests and tells how they ended.

    Args:
        options: how to connect.
        http_version: one of libcurl's ``CURL_HTTP_VERSION_…``.
        width: how many at once.
    """

    def __init__(self, options: TransferOptions, http_version: int, width: Width) -> None:
        self.width = width
        self.loop = CurlLoop(width.most)
        self.under_way: dict[Any, AnyRequest] = {}
        self._handles = HandlePool(options, http_version)

    @property
    def free(self) -> int:
        """How many more requests may start now."""
        return self.width.limit - len(self.under_way)

    def start(self, request: AnyRequest, url: str, headers: Sequence[str]) -> None:
        """Send a request."""
        handle = self._handles.take(url, headers, request.receive, request.headers.append)
        request.handle = handle
        self.under_way[handle] = request
        self.loop.add(handle)

    def turn(self) -> Iterator[Answer]:
        """Do what can be done without waiting; yield what ended, which ``cancel`` does not know any more."""
        ended = [(self.under_way.pop(finished.handle), finished) for finished in self.loop.turn()]
        for request, (handle, code, message) in ended:
            seconds = 0.0
            if request.headers:  # without a head, libcurl tells some time all the same
                seconds = handle.getinfo(pycurl.STARTTRANSFER_TIME) - handle.getinfo(pycurl.PRETRANSFER_TIME)
            yield Answer(request, code, message, max(0.0, seconds))
            self._handles.give_back(handle)

    def cancel(self, unwanted: Callable[[AnyRequest], bool]) -> list[AnyRequest]:
        """Abandon requests, and return them."""
        cancelled = [request for request in self.under_way.values() if unwanted(request)]
        for request in cancelled:
            del self.under_way[request.handle]
            self.loop.remove(request.handle)
            self._handles.give_back(request.handle)
        return cancelled

    def close(self) -> None:
        """Abandon what is under way and drop the connections."""
        self.cancel(lambda _: True)
        self._handles.close()
        self.loop.close()
