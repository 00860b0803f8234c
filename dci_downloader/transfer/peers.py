"""Other mirrors, asked for what is missing before the object store is.

The rules:

* An object is a static file, ``<peer>/.dci-downloader/objects/ab/ab34…``, whatever web server serves it. Its name is
  its digest, so a peer needs no trust; it gets no credentials, and learns nothing but which digests are wanted.
* An answer that is not the object (404, any error, another size or content) makes the next peer be asked, and after the
  last of them the object store. What came of a big file stays for whoever is asked next.
* A peer that cannot be reached, stalls or is slow is dropped for the run, as is one that gave three answers that are no
  answers, or did not have 200 objects in a row.
* Files come whole, one connection each; which peer is asked first changes from file to file.
"""

from __future__ import annotations

import os
import select
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple, Optional

import pycurl

from dci_downloader import __version__
from dci_downloader.content import ranges
from dci_downloader.errors import CancelledError, DigestMismatchError, DownloaderError, LockedError
from dci_downloader.hooks import Progress, Stop
from dci_downloader.mirror.partial import Partial
from dci_downloader.mirror.store import Store
from dci_downloader.models import FileEntry
from dci_downloader.network.headers import read_head
from dci_downloader.network.proxies import ca_bundle, proxy_for
from dci_downloader.network.urls import redact_url
from dci_downloader.options import Network, TransferOptions
from dci_downloader.results import SourceTotals
from dci_downloader.transfer.handles import connections
from dci_downloader.transfer.limits import RateLimit
from dci_downloader.transfer.loop import CurlLoop
from dci_downloader.transfer.peer_request import Peer, PeerRequest, Wanted

IN_MEMORY = 1 << 20
"""Files of at most so many bytes are held in memory until they are complete; bigger ones go to a partial."""

RECEIVE_BUFFER = 256 * 1024
PER_PEER = 8
CONNECT_SECONDS = 3.0
SLOW_SECONDS = 5
SLOW_RATE = 64 * 1024
"""Bytes per second on one connection, below which a peer is slow if it lasts for ``SLOW_SECONDS``."""

MOST_FAULTS = 3
MOST_MISSES = 200
LONGEST_WAIT = 0.1
_GONE = (404, 410)
_UNREACHABLE = {
    pycurl.E_COULDNT_RESOLVE_HOST: "its name cannot be resolved",
    pycurl.E_COULDNT_RESOLVE_PROXY: "the name of the proxy cannot be resolved",
    pycurl.E_COULDNT_CONNECT: "no connection",
    pycurl.E_OPERATION_TIMEDOUT: "it is slow, or does not answer",
    pycurl.E_PEER_FAILED_VERIFICATION: "its certificate cannot be trusted",
    pycurl.E_SSL_CONNECT_ERROR: "TLS handshake failed",
}


class FromPeers(NamedTuple):
    """What came of asking peers.

    Attributes:
        left: the files that none of them has.
        received: how much came from each that gave something.
        notes: which were dropped meanwhile, a line each.
    """

    left: tuple[FileEntry, ...]
    received: tuple[SourceTotals, ...] = ()
    notes: tuple[str, ...] = ()


class Peers:
    """The peers of a run, which remembers those that are of no use.

    Args:
        urls: of the roots of other mirrors.
        options: connections, rate and network of the run.
    """

    def __init__(self, urls: Sequence[str], options: TransferOptions) -> None:
        self._peers = [Peer(url.rstrip("/")) for url in urls]
        self._options = options

    @property
    def dropped(self) -> tuple[str, ...]:
        """URLs of those that are not asked any more."""
        return tuple(peer.url for peer in self._peers if peer.dropped)

    def fetch(self, entries: Sequence[FileEntry], store: Store, progress: Progress, stop: Stop) -> FromPeers:
        """Bring what peers have of some files into the store. Safe to repeat.

        Args:
            entries: the files, each content once.
            store: where they go; prepared, and its lock held by the caller.
            progress: told of files and bytes as they come.
            stop: asked several times a second.

        Raises:
            CancelledError: ``stop`` was requested; what came stays.
            DiskFullError: no room; what came stays.
        """
        alive = [peer for peer in self._peers if not peer.dropped]
        if not alive:
            return FromPeers(tuple(entries))
        asking = _Asking(alive, entries, store, self._options, progress)
        try:
            return asking.run(stop)
        finally:
            asking.close()


class _Asking:
    """One round: some files, asked for until each has come or been refused by all."""

    def __init__(
        self,
        peers: Sequence[Peer],
        entries: Sequence[FileEntry],
        store: Store,
        options: TransferOptions,
        progress: Progress,
    ) -> None:
        self._peers, self._store, self._options, self._progress = peers, store, options, progress
        self._queue: deque[Wanted] = deque()
        for number, entry in enumerate(entries):
            ask = deque(peers)
            ask.rotate(-number)
            self._queue.append(Wanted(entry, ask))
        self._left: list[FileEntry] = []
        self._received = {peer: [0, 0] for peer in peers}
        self._throttle = RateLimit(options.limit_rate, time.monotonic)
        self._most = connections(options)
        share = (options.limit_rate or 1 << 40) // self._most
        self._buffer = max(
            1024, min(RECEIVE_BUFFER, share // 100)
        )  # libcurl may fill it ten times before it is counted
        self._slow = max(1, min(SLOW_RATE, share // 4))
        self._network = options.network or Network()
        self._ca_bundle = ca_bundle(self._network)
        self._loop = CurlLoop(self._most)
        self._poll = select.poll()
        self._poll.register(self._loop.fileno(), select.POLLIN)
        self._under_way: dict[Any, PeerRequest] = {}
        self._idle: list[Any] = []

    def run(self, stop: Stop) -> FromPeers:
        while self._queue or self._under_way:
            if stop.requested():
                raise CancelledError("interrupted")
            self._start()
            resting = self._throttle.seconds()
            if resting:
                time.sleep(min(resting, LONGEST_WAIT))
                continue
            # all at once, so that none of them is withdrawn with a peer that is dropped for another
            for request, code in [(self._take(handle), code) for handle, code, _ in self._loop.turn()]:
                self._ended(request, code)
            if self._under_way:
                self._poll.poll(1000 * self._loop.wait_seconds(LONGEST_WAIT))
        return FromPeers(
            tuple(self._left),
            tuple(SourceTotals(peer.url, *came) for peer, came in self._received.items() if any(came)),
            tuple(f"peer {peer.url} is not asked any more: {peer.dropped}" for peer in self._peers if peer.dropped),
        )

    def close(self) -> None:
        """Save what came, and drop the connections."""
        for handle, request in [*self._under_way.items()]:
            self._withdraw(handle)
            with suppress(DownloaderError):
                self._let_go(request)
        for handle in self._idle:
            handle.close()
        self._loop.close()

    # asking

    def _start(self) -> None:
        """Ask for as many files as there is room for; those that everybody was asked for are left."""
        waiting: list[Wanted] = []
        while self._queue and len(self._under_way) < self._most:
            wanted = self._queue.popleft()
            while wanted.ask and wanted.ask[0].dropped:
                wanted.ask.popleft()
            if not wanted.ask:
                self._left.append(wanted.entry)
            elif wanted.ask[0].under_way >= PER_PEER:
                waiting.append(wanted)
                if len(waiting) >= PER_PEER * len(self._peers):
                    break
            else:
                self._ask(wanted)
        self._queue.extendleft(reversed(waiting))

    def _ask(self, wanted: Wanted) -> None:
        entry, partial, gap = wanted.entry, None, (0, wanted.entry.size)
        if entry.size > IN_MEMORY:
            if self._store.holds(entry):
                self._progress.advance(1, 0)  # another run brought it meanwhile
                return
            try:
                partial = self._store.open_partial(entry)
            except LockedError:
                self._left.append(entry)
                return
            gaps = ranges.missing(partial.done, entry.size)
            if not gaps:
                partial.close()  # hashing it is the business of those who brought it
                self._left.append(entry)
                return
            gap = gaps[0]
            wanted.mixed = bool(partial.done)
        self._send(wanted, wanted.ask[0], partial, *gap)

    def _send(self, wanted: Wanted, peer: Peer, partial: Optional[Partial], start: int, end: int) -> None:
        def came(size: int) -> None:
            self._received[peer][1] += size
            wanted.came += size
            self._throttle.spend(size)
            self._progress.advance(0, size)

        request = PeerRequest(wanted, peer, partial, start, end, came)
        handle = self._idle.pop() if self._idle else self._handle()
        digest = wanted.entry.sha256
        url = f"{peer.url}/.dci-downloader/objects/{digest[:2]}/{digest}"
        handle.setopt(pycurl.URL, url)
        handle.setopt(pycurl.PROXY, proxy_for(url, self._network))
        headers = ["Accept-Encoding: identity"]
        headers += [] if request.whole else [f"Range: bytes={ranges.header(start, end)}"]
        handle.setopt(pycurl.HTTPHEADER, headers)
        handle.setopt(pycurl.WRITEFUNCTION, request.receive)
        handle.setopt(pycurl.HEADERFUNCTION, request.head.append)
        peer.under_way += 1
        self._under_way[handle] = request
        self._loop.add(handle)

    def _handle(self) -> Any:
        handle = pycurl.Curl()
        handle.setopt(pycurl.NOSIGNAL, 1)
        handle.setopt(pycurl.FOLLOWLOCATION, 0)
        handle.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
        handle.setopt(pycurl.USERAGENT, f"dci-downloader/{__version__}")
        handle.setopt(pycurl.BUFFERSIZE, self._buffer)
        handle.setopt(pycurl.CONNECTTIMEOUT_MS, int(1000 * min(CONNECT_SECONDS, self._network.connect_timeout)))
        handle.setopt(pycurl.LOW_SPEED_LIMIT, self._slow)
        handle.setopt(pycurl.LOW_SPEED_TIME, SLOW_SECONDS)
        handle.setopt(pycurl.CAPATH if os.path.isdir(self._ca_bundle) else pycurl.CAINFO, self._ca_bundle)
        return handle

    def _withdraw(self, handle: Any) -> PeerRequest:
        self._loop.remove(handle)
        return self._take(handle)

    def _take(self, handle: Any) -> PeerRequest:
        request = self._under_way.pop(handle)
        self._idle.append(handle)
        request.peer.under_way -= 1
        return request

    # an answer came

    def _ended(self, request: PeerRequest, code: int) -> None:
        if request.error is not None:
            self._let_go(request)
            raise request.error
        status = read_head(request.head).status
        if request.complete or (not code and request.judge() and request.complete):  # without a body, nothing judged it
            self._complete(request)
        elif status in _GONE:
            request.peer.misses += 1
            if request.peer.misses >= MOST_MISSES:
                self._drop(request.peer, f"it does not have {MOST_MISSES} objects in a row")
            self._next(request)
        elif code in _UNREACHABLE:
            self._drop(request.peer, _UNREACHABLE[code])
            self._next(request)
        else:
            wrong = "its answers are cut" if request.right else "what it gives is something else"
            self._fault(request, wrong if status in (0, 200, 206) else f"it answers HTTP {status}")

    def _complete(self, request: PeerRequest) -> None:
        entry, partial = request.wanted.entry, request.partial
        try:
            if partial is None:
                self._store.add(entry, request.chunks)
            else:
                gaps = ranges.missing(partial.done, entry.size)
                if gaps:
                    self._send(request.wanted, request.peer, partial, *gaps[0])
                    return
                partial.finish()
        except DigestMismatchError:
            request.partial = None  # it is discarded
            if request.wanted.mixed:  # by whose fault is not known: the same once more, from the start
                self._let_go(request)
                self._queue.appendleft(request.wanted)
            else:
                self._fault(request, "what it gives is something else")
            return
        request.peer.misses = 0
        self._received[request.peer][0] += 1
        self._progress.advance(1, 0)

    def _fault(self, request: PeerRequest, reason: str) -> None:
        request.peer.faults += 1
        if request.peer.faults >= MOST_FAULTS:
            self._drop(request.peer, reason)
        self._next(request)

    def _next(self, request: PeerRequest) -> None:
        """Ask the next peer for a file that this one did not bring."""
        self._let_go(request)
        with suppress(ValueError):
            request.wanted.ask.remove(request.peer)
        self._queue.appendleft(request.wanted)

    def _let_go(self, request: PeerRequest) -> None:
        """Keep what came of a big file; of one in memory nothing can be kept."""
        if request.partial is not None:
            request.partial.close()
        else:
            self._progress.advance(0, -request.wanted.came)
            request.wanted.came = 0

    def _drop(self, peer: Peer, reason: str) -> None:
        if peer.dropped:
            return
        peer.dropped = reason
        self._progress.detail(f"peer {redact_url(peer.url)} is not asked any more: {reason}")
        for handle, request in [*self._under_way.items()]:
            if request.peer is peer and not request.complete:
                self._withdraw(handle)
                self._next(request)
