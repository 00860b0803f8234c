"""One stage of the pipeline: its requests under way, as many as a limit allows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, NamedTuple, Optional, TypeVar

import pycurl

from dci_downloader.network.headers import Head
from dci_downloader.options import TransferOptions
from dci_downloader.transfer.handles import HandlePool, read_response
from dci_downloader.transfer.limits import AdaptiveLimit
from dci_downloader.transfer.loop import CurlLoop
from dci_downloader.transfer.request import TransferRequest
from dci_downloader.transfer.tuning import Tuning

AnyRequest = TypeVar("AnyRequest", bound=TransferRequest)


class CompletedRequest(NamedTuple):
    """How a request ended.

    Attributes:
        request: the request; its handle is no longer its own.
        code: libcurl's error code, 0 for none.
        message: text for it, libcurl's own or nearly.
        head: of the response; its status is 0 when there was none.
        seconds: from request to first byte, handshakes left out; 0 without a response.
        proxy_variable: of a request that failed, the environment variable that names its proxy, or would name one.
    """

    request: Any
    code: int
    message: str
    head: Head
    seconds: float
    proxy_variable: str = ""


class Stage(Generic[AnyRequest]):
    """Starts requests and reports how they ended. Its time stands still while it is paused.

    Args:
        options: how to connect.
        http_version: one of libcurl's ``CURL_HTTP_VERSION_…``.
        limit: how many requests at once.
        tuning: buffers, and when a peer is slow.
        clock: seconds, monotonic.

    Attributes:
        full: whether as many requests as the limit allows were under way before the last turn.
    """

    def __init__(
        self,
        options: TransferOptions,
        http_version: int,
        limit: AdaptiveLimit,
        tuning: Tuning,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limit = limit
        self.full = False
        # idle connections to peers are kept beside those to the server, which else would be closed for them
        self.loop = CurlLoop(limit.most + tuning.peer_connections)
        self.under_way: dict[Any, AnyRequest] = {}
        self._handles = HandlePool(options, http_version, tuning)
        self._tuning = tuning
        self._clock = clock
        self._paused_since: Optional[float] = None
        self._paused_seconds = 0.0
        self._settling: set[AnyRequest] = set()
        self._changed = False

    @property
    def free(self) -> int:
        """How many more requests may start now."""
        return self.limit.value - len(self.under_way)

    def start(self, request: AnyRequest, headers: Sequence[str]) -> None:
        """Send a request."""
        request.handle = handle = self._handles.take(request, headers)
        request.moved, request.began_at = self.now(), self._clock()
        request.checked = (0, request.moved)
        self.under_way[handle] = request
        self.loop.add(handle)

    def turn(self, sockets: int = -1) -> Iterator[CompletedRequest]:
        """Do what can be done without waiting; yield the requests that ended; ``cancel`` no longer returns them.

        Args:
            sockets: how many are read at the most; see :meth:`CurlLoop.turn`.
        """
        self.full = self.free <= 0
        if self._changed:
            self._changed, self._settling = False, set(self.under_way.values())
        ended = [(self.under_way.pop(finished.handle), finished) for finished in self.loop.turn(sockets)]
        for request, (handle, code, message) in ended:
            yield self._completed(request, code, message)
            self._handles.give_back(handle)

    def note(self, completed: CompletedRequest, starving: bool) -> None:
        """Let the limit learn from a response.

        Args:
            completed: as :meth:`turn` yielded it.
            starving: whether something waits for what more requests would bring.
        """
        if self._settling:
            self._settling.discard(completed.request)
            self._settling.intersection_update(self.under_way.values())
        if self._settling or self._changed or not completed.head.status:
            return
        before = self.limit.value
        self.limit.note(completed.seconds, wanted=self.full and starving)
        self._changed = self.limit.value != before

    def seconds_of(self, request: AnyRequest) -> float:
        """How long a request has been under way, pauses included."""
        return self._clock() - request.began_at

    def look(self) -> int:
        """Bytes of all bodies so far of requests under way; notes which requests made progress, and which are slow."""
        now, total = self.now(), 0
        for request in self.under_way.values():
            seen = request.received
            if seen != request.seen:
                request.seen, request.moved = seen, now
            total += seen
            if request.peer is not None and now - request.checked[1] >= self._tuning.slow_seconds:
                rate = (seen - request.checked[0]) / (now - request.checked[1])
                request.slow = rate < self._tuning.slow_rate
                request.checked = (seen, now)
        return total

    def pause(self) -> None:
        """Hold nothing against requests from now on: this program does not read what they bring."""
        self._paused_since = self._clock()

    def resume(self) -> None:
        """End the pause."""
        if self._paused_since is not None:
            self._paused_seconds += self._clock() - self._paused_since
            self._paused_since = None

    def overdue(self, seconds: float) -> Iterator[CompletedRequest]:
        """End requests that were slow at the last :meth:`look`, stood still for so long, or brought far too much."""
        before = self.now() - seconds
        for request in list(self.under_way.values()):
            if self.under_way.get(request.handle) is not request:  # cancelled for what another response meant
                continue
            message = ""
            if request.largest and request.seen > request.largest:  # an old libcurl notices only what was announced
                code = pycurl.E_FILESIZE_EXCEEDED
            elif request.slow and request.peer is None:
                code, message = pycurl.E_ABORTED_BY_CALLBACK, "it is far slower than the other connections"
            elif request.slow or request.moved < before:
                code = pycurl.E_OPERATION_TIMEDOUT
            else:
                continue
            del self.under_way[request.handle]
            self.loop.remove(request.handle)
            yield self._completed(request, code, message)
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

    def now(self) -> float:
        """Seconds, monotonic, less those of pauses."""
        now = self._clock() if self._paused_since is None else self._paused_since
        return now - self._paused_seconds

    def _completed(self, request: AnyRequest, code: int, message: str) -> CompletedRequest:
        handle = request.handle
        head = read_response(handle, request.headers)
        if code:
            code, message = self._handles.failure(handle, request.url, code, message)
        seconds = 0.0
        if head.status:  # without a head, libcurl reports some time nevertheless
            seconds = handle.getinfo(pycurl.STARTTRANSFER_TIME) - handle.getinfo(pycurl.PRETRANSFER_TIME)
        variable = self._handles.proxy_variable(request.url) if code or head.status >= 400 else ""
        return CompletedRequest(request, code, message, head, max(0.0, seconds), variable)
