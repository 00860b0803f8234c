"""Many files at once: one event loop on libcurl, a worker that writes, and one that finishes big files.

Each piece (a small file, or a segment of a big one) takes the same way:

    backlog ─► locate (signed, control server → presigned URL) ─► ready ─► fetch (object store) ─► worker ─► object

Locating runs ahead of fetching, but not far: a presigned URL lives for 600 seconds. Both stages find out by themselves
how many requests are worth having under way (:mod:`dci_downloader.transfer.limits`). What follows from an answer is
:mod:`dci_downloader.transfer.verdict`'s to say; this module only does it.
"""

from __future__ import annotations

import operator
import os
import random
import select
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from functools import partial
from typing import NamedTuple, Optional
from urllib.parse import urlsplit

import pycurl

from dci_downloader.content import ranges
from dci_downloader.control.decoding import Response
from dci_downloader.control.errors_from_response import error_from_response
from dci_downloader.errors import AccessError, CancelledError, DigestMismatchError, LockedError
from dci_downloader.hooks import Progress, Stop
from dci_downloader.mirror.store import Store
from dci_downloader.models import FileEntry, SignedRequest, Source
from dci_downloader.network import retries
from dci_downloader.network.retries import MAX_REDIRECTS, MAX_WRONG_RESPONSES
from dci_downloader.options import Network, TransferOptions
from dci_downloader.results import Failure
from dci_downloader.transfer.handles import connections, read_answer
from dci_downloader.transfer.limits import AdaptiveLimit, RateLimit
from dci_downloader.transfer.meter import Meter
from dci_downloader.transfer.queue import TransferQueue
from dci_downloader.transfer.sink import Sink
from dci_downloader.transfer.stage import CompletedRequest, Stage
from dci_downloader.transfer.transfers import (
    IN_MEMORY,
    WRITE_CHUNKS,
    FetchRequest,
    LocateRequest,
    Segment,
    Transfer,
    segment_size,
)
from dci_downloader.transfer.verdict import Action, Verdict, judge_failure, judge_locate

MOST_LOCATES = 64
"""Requests to the control server at once, at the most."""

URL_SECONDS = 300.0
"""Age at which a presigned URL is not used any more: half of its life."""

UNWRITTEN_BYTES = 4 << 20
"""Bytes that may wait for the disk before the network has to."""

SOCKETS_OF_SEGMENTS = 1
"""Sockets looked at before what came of big files goes to the writer: all at once could bring 100 MB and more."""

MOST_MISMATCHES = 2
"""How often a file whose content is wrong is fetched again."""

MOST_REFUSED = 20
"""Files in a row that the control server may refuse before the run ends: its secret was revoked, say."""

LONGEST_WAIT = 0.25
"""Seconds after which the loop looks up even if nothing happened: for a request to stop."""

LOOK_SECONDS = 0.02
"""Seconds between two looks at what requests under way have brought."""

LOAD_SECONDS = 0.1
"""Seconds over which is taken how busy the loop is."""

LOADED = 0.8
"""The part of them from which it is short of processor: the line could bring more than it can take."""


@dataclass(frozen=True)
class Fetched:
    """What came of it.

    Attributes:
        files: how many are in the store now.
        bytes: received over the network, in vain or not.
        failures: the files that are not.
    """

    files: int
    bytes: int
    failures: tuple[Failure, ...]


class Located(NamedTuple):
    """A piece and the presigned URL to fetch it from, with the time that was obtained."""

    segment: Segment
    url: str
    since: float


class Pipeline:
    """Brings files into the store. The arguments are those of :func:`dci_downloader.transfer.engine.fetch`.

    Args:
        locates: how many requests to the control server to begin with, and at the most.

    Attributes:
        loaded: whether the loop had lately no time to wait.
    """

    def __init__(
        self,
        entries: Sequence[FileEntry],
        source: Source,
        store: Store,
        options: TransferOptions,
        progress: Progress,
        locates: tuple[int, int] = (4, MOST_LOCATES),
    ) -> None:
        self._source, self._store, self._options = source, store, options
        self._clock = time.monotonic
        most = connections(options)
        self._locating: Stage[LocateRequest] = Stage(options, pycurl.CURL_HTTP_VERSION_2TLS, AdaptiveLimit(*locates))
        self._fetching: Stage[FetchRequest] = Stage(options, pycurl.CURL_HTTP_VERSION_1_1, AdaptiveLimit(most, most))
        self._detail = progress.detail
        self._meter = Meter(progress, self._clock)
        self._looked = 0.0
        self._queue_ = TransferQueue(entries, self._open, self._clock)
        self._ready: deque[Located] = deque()
        self._segments: set[Segment] = set()
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._sink = Sink(store, self._wake_write, self._entered)
        self._throttle = RateLimit(options.limit_rate, self._clock)
        self._poll = select.epoll()
        for descriptor in (self._wake_read, self._locating.loop.fileno(), self._fetching.loop.fileno()):
            self._poll.register(descriptor, select.EPOLLIN)
        self._watchers: dict[int, Callable[[], None]] = {}
        self._reading = True
        self._starving = True
        self.loaded = False
        self._load_since, self._waited = self._clock(), 0.0

        self._transfers: set[Transfer] = set()
        self._entries = self._unfinished = len(entries)
        self._failures: list[Failure] = []
        self._whole: set[str] = set()
        self._mismatches: Counter[str] = Counter()
        self._refused = 0
        self._trouble = "no answer"
        self._ending: Optional[Verdict] = None

    # the loop

    def run(self, stop: Stop) -> Fetched:
        """Bring every file.

        Args:
            stop: asked several times a second.

        Raises:
            CancelledError: ``stop`` was requested.
            DiskFullError: no room.
        """
        while self.unfinished:
            self.step(stop)
        return self.result()

    @property
    def unfinished(self) -> bool:
        """Whether there is something left that can be done."""
        return self._unfinished > 0 and not self.ended

    @property
    def ended(self) -> bool:
        """Whether it cannot go on, whatever is left."""
        return self._ending is not None

    def step(self, stop: Stop) -> None:
        """Do what can be done now, or wait a little for something to do; see :meth:`run`."""
        if stop.requested():
            raise CancelledError("interrupted")
        self._start_locates()
        self._start_fetches()
        self._turn()
        self._sink.collect()
        self._look()

    def result(self) -> Fetched:
        """What came of it, now that nothing is unfinished; where it cannot go on, every file that is left failed."""
        self._fail_the_rest()
        self._meter.look(self._fetching.look())
        return Fetched(self._entries - len(self._failures), self._meter.received, tuple(self._failures))

    # another that takes part of the work

    def watch(self, descriptor: int, readable: Callable[[], None]) -> None:
        """Have something called, at the next step, whenever a descriptor is readable."""
        self._watchers[descriptor] = readable
        self._poll.register(descriptor, select.EPOLLIN)

    def unwatch(self, descriptor: int) -> None:
        """Watch a descriptor no longer. It must not be closed before."""
        del self._watchers[descriptor]
        self._poll.unregister(descriptor)

    def halve(self) -> list[FileEntry]:
        """Give away half of the files whose turn has not come."""
        entries = self._queue_.halve()
        self._entries -= len(entries)
        self._unfinished -= len(entries)
        return entries

    def share(self) -> tuple[int, tuple[int, int]]:
        """Leave half of the requests to another.

        Returns:
            How many connections to the object store are for the other; with how many requests to the control server it
            is to begin, and how many it may have at the most.
        """
        return self._fetching.width.halve()[1], self._locating.width.halve()

    def take(self, entries: Sequence[FileEntry]) -> None:
        """Bring these files, too; that there was nothing to do until now is not held against the run."""
        self._meter.moved()
        self._queue_.add(entries)
        self._entries += len(entries)
        self._unfinished += len(entries)

    def credit(self, fetched: Fetched) -> None:
        """Count what became of files that were given away."""
        self._entries += fetched.files + len(fetched.failures)
        self._meter.elsewhere(fetched.bytes)
        self._failures.extend(fetched.failures)

    def _start_locates(self) -> None:
        ahead = max(8, self._fetching.free + self._fetching.width.limit // 2)
        while self._locating.free > 0 and len(self._locating.under_way) + len(self._ready) < ahead:
            segment = self._queue_.next(len(self._segments) * 2 < self._fetching.width.limit)
            if segment is None:
                return
            if segment.transfer.stuck_since is None:
                segment.transfer.stuck_since = self._clock()
            if segment.transfer.partial is not None:
                self._segments.add(segment)
            self._locate(segment, self._source.request(segment.transfer.entry.path))

    def _locate(self, segment: Segment, request: SignedRequest) -> None:
        headers = [f"{name}: {value}" for name, value in request.headers.items()]
        self._locating.start(LocateRequest(segment, request.url), headers)

    def _start_fetches(self) -> None:
        # a segment not yet recorded counts as under way: what a kill costs is one segment for each connection, no more
        while self._ready and self._fetching.free > self._sink.unrecorded:
            segment, url, since = self._ready.popleft()
            if segment.transfer.over:
                continue
            if self._clock() - since > URL_SECONDS:
                self._later(segment, 0.0)
                continue
            request = FetchRequest(segment, url)
            self._fetching.start(request, request.request_headers())

    def _turn(self) -> None:
        resting = self._throttle.seconds()
        reading = not resting and self._sink.unwritten <= UNWRITTEN_BYTES
        if reading != self._reading:
            self._reading = reading
            self._poll.modify(self._fetching.loop.fileno(), select.EPOLLIN if reading else 0)
        ready = self._poll.poll(0)
        if not ready:
            self._sink.flush()
            before = self._clock()
            ready = self._poll.poll(self._wait_seconds(resting))
            self._waited += self._clock() - before
        for descriptor, _ in ready:
            if descriptor in self._watchers:
                self._watchers[descriptor]()
        with suppress(BlockingIOError):
            os.read(self._wake_read, 4096)
        self._starving = not self._ready and self._fetching.free > 0  # before answers of this turn hide it
        for answer in self._locating.turn():
            self._located(answer)
        if reading:
            for answer in self._fetching.turn(SOCKETS_OF_SEGMENTS if self._segments else -1):
                self._fetched(answer)
            if self._segments:
                self._write_segments()

    def _write_segments(self) -> None:
        """Hand over what came of big files, where it is enough; end the answers that are something else."""
        for request in list(self._fetching.under_way.values()):
            if len(request.chunks) < WRITE_CHUNKS or request.segment.transfer.partial is None:
                continue
            verdict = self._take(request)
            if verdict.action is not Action.ACCEPT:
                self._break_off(partial(operator.is_, request))
                self._judged(request.segment, verdict)

    def _take(self, request: FetchRequest) -> Verdict:
        """Write what came of a segment so far; the judgement of its head."""
        head = read_answer(request.handle, request.headers)
        chunks = request.take(head)
        if chunks:
            self._sink.write(request.segment, chunks)
        return request.judge(head)

    def _wait_seconds(self, resting: float) -> float:
        longest = min(LONGEST_WAIT, resting) if resting else LONGEST_WAIT
        longest = self._locating.loop.wait_seconds(self._queue_.wait_seconds(longest))
        return self._fetching.loop.wait_seconds(longest) if self._reading else longest

    def _look(self) -> None:
        """See what requests under way have brought; end those that stand still, and the run when all does."""
        now = self._clock()
        if now - self._looked < LOOK_SECONDS and self._options.limit_rate is None:
            return
        self._looked = now
        if now - self._load_since >= LOAD_SECONDS:
            self.loaded = self._waited < (1 - LOADED) * (now - self._load_since)
            self._load_since, self._waited = now, 0.0
        under_way = self._fetching.look()
        self._throttle.spend(self._meter.look(under_way))
        self._locating.look()
        if not self._reading:
            self._fetching.rest()
        patience = self._options.patience
        stall = min((self._options.network or Network()).read_timeout, patience / 3)
        for answer in self._locating.overdue(stall):
            self._located(answer)
        for answer in self._fetching.overdue(stall):
            self._fetched(answer)
        if not self._reading or not self._sink.idle or self._queue_.blocked or not self._unfinished:
            self._meter.moved()
        elif self._meter.idle_seconds() > patience:
            reason = f"nothing arrived for {patience:g} s; last trouble: {self._trouble}"
            self._ending = Verdict(Action.ABORT, reason)

    # a file begins

    def _open(self, entry: FileEntry) -> Optional[list[Segment]]:
        """The pieces of a file whose turn has come; see :class:`TransferQueue`."""
        transfer = Transfer(entry)
        segments = [Segment(transfer, 0, entry.size)]
        if entry.size > IN_MEMORY:
            if self._store.holds(entry):
                self._complete(transfer)  # another run brought it meanwhile
                return []
            try:
                transfer.partial = self._store.open_partial(entry)
            except LockedError:
                return None
            if entry.sha256 not in self._whole:
                gaps = ranges.missing(transfer.partial.done, entry.size)
                segments = [Segment(transfer, *gap) for gap in ranges.split(gaps, segment_size(entry.size))]
        self._transfers.add(transfer)
        transfer.unfinished = len(segments)
        transfer.in_one_piece = [segment.end - segment.start for segment in segments] == [entry.size]
        if not segments:
            self._sink.finish(transfer)
        return segments

    # an answer came

    def _located(self, answer: CompletedRequest) -> None:
        segment = answer.request.segment
        if segment.transfer.over:
            return
        if answer.code and not (answer.code == pycurl.E_FILESIZE_EXCEEDED and answer.head.status):
            self._judged(segment, judge_failure(answer.code, answer.message, answer.request.url))
            return
        self._locating.note(answer, self._starving)
        verdict = judge_locate(answer.head, answer.request.url, datetime.now(timezone.utc))
        if verdict.action is Action.REDIRECT:
            self._refused = 0
            self._follow(segment, verdict.location)
            return
        if verdict.exit_code == AccessError.exit_code:
            verdict = _explained(verdict, answer)
            self._refused += 1
            if self._refused >= MOST_REFUSED:
                self._ending = verdict
        self._judged(segment, verdict)

    def _follow(self, segment: Segment, url: str) -> None:
        """Go where a redirect leads: signed on the control server, without any credential elsewhere."""
        segment.hops += 1
        signed = self._source.follow(url)
        if segment.hops > MAX_REDIRECTS:
            self._judged(segment, Verdict(Action.GIVE_UP, "redirected in a circle"))
        elif signed is not None:
            self._locate(segment, signed)
        else:
            self._ready.append(Located(segment, url, self._clock()))

    def _fetched(self, answer: CompletedRequest) -> None:
        request: FetchRequest = answer.request
        segment, transfer = request.segment, request.segment.transfer
        self._fetching.note(answer, bool(self._ready))
        chunks = request.take(answer.head) if answer.head.status else []
        if segment.reach < request.position:
            segment.reach = request.position
            transfer.got_farther(self._clock())
        if transfer.over:  # abandoned by an answer that came at the same time
            self._meter.wasted(request.came)
            return
        verdict = request.outcome(answer.code, answer.message, answer.head)
        self._keep(request, chunks)
        if verdict.action is Action.REDIRECT:
            self._follow(segment, verdict.location)
        elif verdict.action is not Action.ACCEPT:
            self._judged(segment, verdict)
        elif transfer.partial is None:
            self._sink.small_file(transfer, chunks)
        else:
            self._segments.discard(segment)
            self._sink.segment(transfer)

    def _keep(self, request: FetchRequest, chunks: list[bytes]) -> None:
        """Keep what came of a segment. Of a file in memory that is not complete, nothing can be kept."""
        transfer = request.segment.transfer
        if transfer.partial is not None or request.position == request.segment.end:
            transfer.came += request.came
            self._meter.came(request.came)
        else:
            self._meter.wasted(request.came)
        if transfer.partial is not None and chunks:
            self._sink.write(request.segment, chunks)

    def _judged(self, segment: Segment, verdict: Verdict) -> None:
        """Do what follows from an answer that did not bring what was asked for."""
        transfer = segment.transfer
        self._trouble = verdict.reason
        if verdict.action is Action.ABORT:
            self._ending = verdict
        elif verdict.action is Action.WHOLE and segment.wanted is not None:
            self._detail(f"{transfer.entry.path}: {verdict.reason}; asking for it in one piece")
            self._whole.add(transfer.entry.sha256)
            self._abandon(transfer)
            self._sink.discard(transfer, self._begin_anew)
        elif verdict.action is Action.RETRY:
            transfer.attempts += 1
            self._note_progress(transfer)
            self._retry(segment, verdict, self._clock() - (transfer.stuck_since or 0.0) > self._options.patience)
        else:
            transfer.refusals += 1
            final = verdict.action is Action.GIVE_UP or transfer.refusals >= MAX_WRONG_RESPONSES
            self._retry(segment, verdict, final)

    def _note_progress(self, transfer: Transfer) -> None:
        """While other segments of a file get farther, one that does not is no reason to give it up."""
        for request in self._fetching.under_way.values():
            if request.segment.transfer is transfer and request.chunks and transfer.partial is not None:
                self._take(request)
            if request.segment.transfer is transfer and request.position > request.segment.reach:
                request.segment.reach = request.position
                transfer.got_farther(self._clock())

    def _retry(self, segment: Segment, verdict: Verdict, give_up: bool) -> None:
        transfer = segment.transfer
        if give_up:
            if verdict.action is not Action.RETRY:
                self._meter.moved()  # an answer that is final is an answer: the server is there
            self._over(transfer, Failure(transfer.entry.path, verdict.reason, verdict.exit_code, verdict.hint))
            return
        tries = transfer.attempts + transfer.refusals
        chance = random.random()  # noqa: S311  jitter, not a secret
        if transfer.entry.sha256 in self._whole:
            self._meter.lost(transfer.came)
            segment.start = transfer.came = 0
        pause = retries.back_off(tries, verdict.wait, self._options.patience, chance)
        self._detail(f"{transfer.entry.path}{_part(segment)}: {verdict.reason}; trying again in {pause:.1f} s")
        self._later(segment, pause)

    def _later(self, segment: Segment, seconds: float) -> None:
        segment.hops = 0
        self._segments.discard(segment)
        self._queue_.later(segment, seconds)

    # a file ends

    def _entered(self, transfer: Transfer, error: Optional[Exception]) -> None:
        """A file is in the store, or its content is not what it should be."""
        if error is None:
            self._complete(transfer)
            return
        if not isinstance(error, DigestMismatchError):
            raise error
        digest = transfer.entry.sha256
        self._mismatches[digest] += 1
        self._trouble = str(error)
        if self._mismatches[digest] <= MOST_MISMATCHES:
            self._detail(f"{error}; fetching it again")
            self._begin_anew(transfer)
        else:
            found = {"expected": error.expected, "actual": error.actual}
            self._over(transfer, Failure(transfer.entry.path, str(error), error.exit_code, **found))

    def _begin_anew(self, transfer: Transfer) -> None:
        """What came of a file cannot be used; another transfer takes its place."""
        self._meter.lost(transfer.came)
        transfer.over = True
        self._transfers.discard(transfer)
        self._queue_.again(transfer.entry)

    def _complete(self, transfer: Transfer) -> None:
        transfer.over = True
        self._transfers.discard(transfer)
        self._unfinished -= 1
        self._meter.file()

    def _over(self, transfer: Transfer, failure: Failure) -> None:
        """Give a file up. What came of it stays for another run."""
        if transfer.over:
            return
        transfer.over = True
        self._abandon(transfer)
        self._transfers.discard(transfer)
        self._sink.save(transfer)
        self._unfinished -= 1
        self._failures.append(failure)
        self._detail(f"{transfer.entry.path}: {failure.reason}; given up")

    def _abandon(self, transfer: Transfer) -> None:
        """End every request for a file."""
        transfer.over = True
        self._locating.cancel(lambda request: request.segment.transfer is transfer)
        self._break_off(lambda request: request.segment.transfer is transfer)
        self._segments = {segment for segment in self._segments if segment.transfer is not transfer}

    def _break_off(self, unwanted: Callable[[FetchRequest], bool]) -> None:
        """End requests to the object store, and keep what they brought."""
        for request in self._fetching.cancel(unwanted):
            head = read_answer(request.handle, request.headers)
            self._keep(request, request.take(head) if head.status else [])

    def _fail_the_rest(self) -> None:
        """The run ends early: every file that is not complete becomes a failure."""
        if self._ending is None:
            return
        untried = [transfer.entry for transfer in self._transfers] + self._queue_.unopened
        for entry in untried:
            self._failures.append(Failure(entry.path, self._ending.reason, self._ending.exit_code, self._ending.hint))

    def close(self) -> None:
        """Save what came, end the workers, drop the connections. Afterwards nothing of the run is left."""
        self._break_off(lambda _: True)
        self._meter.look(0)
        self._sink.close(self._transfers)
        self._locating.close()
        self._fetching.close()
        self._poll.close()
        os.close(self._wake_read)
        os.close(self._wake_write)


def _part(segment: Segment) -> str:
    """Which bytes of its file a piece is, for a person; nothing where it is all of it."""
    return "" if segment.wanted is None else f", bytes {segment.wanted.start:,} to {segment.wanted.end:,}"


def _explained(verdict: Verdict, answer: CompletedRequest) -> Verdict:
    """Say of the control server's refusal what is said of one to an API call: that the clock is off, for example."""
    head, request = answer.head, answer.request
    said = Response(urlsplit(request.url).netloc, head.status, head.headers, b"".join(request.chunks))
    error = error_from_response(said, time.time())
    if not isinstance(error, AccessError):
        return verdict
    return replace(verdict, reason=str(error), hint=error.hint)
