"""One stage of the pipeline: requests of one kind, as many under way as its width allows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

import pycurl

from dci_downloader.network.headers import Head
from dci_downloader.options import TransferOptions
from dci_downloader.transfer.handles import HandlePool, read_answer
from dci_downloader.transfer.limits import AdaptiveLimit
from dci_downloader.transfer.loop import CurlLoop
from dci_downloader.transfer.transfers import TransferRequest

AnyRequest = TypeVar("AnyRequest", bound=TransferRequest)


class CompletedRequest(NamedTuple):
    """How a request ended.

    Attributes:
        request: the request; its handle is not its own any more.
        code: libcurl's error code, 0 for none.
        message: libcurl's words for it.
        head: of the answer; its status is 0 when none came.
        seconds: from request to first byte, handshakes left out; 0 when none came.
    """

    request: Any
    code: int
    message: str
    head: Head
    seconds: float


class Stage(Generic[AnyRequest]):
    """Starts requests and tells how they ended.

    Args:
        options: how to connect.
        http_version: one of libcurl's ``CURL_HTTP_VERSION_…``.
        width: how many at once.
        clock: seconds, monotonic.

    Attributes:
        full: whether as many requests as the width allows were under way before the last turn.
    """

    def __init__(
        self,
        options: TransferOptions,
        http_version: int,
        width: AdaptiveLimit,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.width = width
        self.full = False
        self.loop = CurlLoop(width.most)
        self.under_way: dict[Any, AnyRequest] = {}
        self._handles = HandlePool(options, http_version)
        self._clock = clock
        self._settling: set[AnyRequest] = set()
        self._changed = False

    @property
    def free(self) -> int:
        """How many more requests may start now."""
        return self.width.limit - len(self.under_way)

    def start(self, request: AnyRequest, headers: Sequence[str]) -> None:
        """Send a request."""
        request.handle = handle = self._handles.take(request, headers)
        request.moved = self._clock()
        self.under_way[handle] = request
        self.loop.add(handle)

    def turn(self, sockets: int = -1) -> Iterator[CompletedRequest]:
        """Do what can be done without waiting; yield what ended, which ``cancel`` does not know any more.

        Args:
            sockets: at how many to look at the most; see :meth:`CurlLoop.turn`.
        """
        self.full = self.free <= 0
        if self._changed:
            self._changed, self._settling = False, set(self.under_way.values())
        ended = [(self.under_way.pop(finished.handle), finished) for finished in self.loop.turn(sockets)]
        for request, (handle, code, message) in ended:
            yield self._answer(request, code, message)
            self._handles.give_back(handle)

    def note(self, answer: CompletedRequest, starving: bool) -> None:
        """Let the width learn from an answer.

        Args:
            answer: as :meth:`turn` gave it.
            starving: whether somebody waits for what more requests would bring.
        """
        if self._settling:
            self._settling.discard(answer.request)
            self._settling.intersection_update(self.under_way.values())
        if self._settling or self._changed or not answer.head.status:
            return
        limit = self.width.limit
        self.width.note(answer.seconds, wanted=self.full and starving)
        self._changed = self.width.limit != limit

    def look(self) -> int:
        """Bytes of all bodies that came so far of requests under way; notes which requests got farther."""
        now, total = self._clock(), 0
        for request in self.under_way.values():
            seen = request.received
            if seen != request.seen:
                request.seen, request.moved = seen, now
            total += seen
        return total

    def rest(self) -> None:
        """Hold nothing against the requests under way: it is this program that does not read."""
        now = self._clock()
        for request in self.under_way.values():
            request.moved = now

    def overdue(self, seconds: float) -> Iterator[CompletedRequest]:
        """End the requests that stood still for so long at the last :meth:`look`, and those that bring far too much."""
        before = self._clock() - seconds
        for request in list(self.under_way.values()):
            if self.under_way.get(request.handle) is not request:  # cancelled for what another answer meant
                continue
            if request.largest and request.seen > request.largest:  # an old libcurl notices only what was announced
                code = pycurl.E_FILESIZE_EXCEEDED
            elif request.moved < before:
                code = pycurl.E_OPERATION_TIMEDOUT
            else:
                continue
            del self.under_way[request.handle]
            self.loop.remove(request.handle)
            yield self._answer(request, code, "")
            self._handles.give_back(request.handle)

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

    def _answer(self, request: AnyRequest, code: int, message: str) -> CompletedRequest:
        handle = request.handle
        head = read_answer(handle, request.headers)
        seconds = 0.0
        if head.status:  # without a head, libcurl tells some time all the same
            seconds = handle.getinfo(pycurl.STARTTRANSFER_TIME) - handle.getinfo(pycurl.PRETRANSFER_TIME)
        return CompletedRequest(request, code, message, head, max(0.0, seconds))
