"""What the engine keeps of each file and of each request under way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Optional

from dci_downloader.mirror.partial import Partial
from dci_downloader.models import FileEntry
from dci_downloader.transfer.policy import ACCEPT, Action, Verdict, judge_end, judge_failure, judge_fetch, read_head
from dci_downloader.transfer.ranges import Range, header

IN_MEMORY = 1 << 20
"""Files of at most so many bytes are held in memory until they are complete; bigger ones go to a partial."""

WRITE_PIECE = 256 * 1024
"""Bytes of a bigger file that are written at once."""

ERROR_BODY = 16 * 1024
"""Bytes of an error's body that are read, so that its connection can be used again."""


def segment_size(size: int) -> int:
    """Bytes of the segments of a file of ``size`` bytes: 4 to 16 MiB, some sixty of them in between."""
    mebibyte = 1 << 20
    return min(16 * mebibyte, max(4 * mebibyte, -(-size // (64 * mebibyte)) * mebibyte))


@dataclass(eq=False)
class Transfer:
    """A file on its way. One that has to begin anew is over, and another takes its place.

    Attributes:
        partial: where its bytes go; None for a file that fits into memory.
        unfinished: pieces that are not written yet.
        stuck_since: when trying began, or last got farther; None before the first try.
        attempts: tries since it last got farther.
        refusals: wrong answers since it last got farther.
        came: bytes that came for it and are kept so far.
        over: it is complete, given up, or replaced.
    """

    entry: FileEntry
    partial: Optional[Partial] = None
    unfinished: int = 0
    stuck_since: Optional[float] = None
    attempts: int = 0
    refusals: int = 0
    came: int = 0
    over: bool = False

    def got_farther(self, now: float) -> None:
        """Forgive what went wrong before."""
        self.stuck_since = now
        self.attempts = 0
        self.refusals = 0


@dataclass(eq=False)
class Piece:
    """A range of a file that one request is to bring.

    Attributes:
        start: the first byte still missing; moves on as bytes are handed to the partial.
        end: the byte after the last.
        reach: the farthest byte that any try at it saw.
        hops: redirects followed since it was last signed for.
    """

    transfer: Transfer
    start: int
    end: int
    reach: int = 0
    hops: int = 0

    @property
    def wanted(self) -> Optional[Range]:
        """The range to ask for; None where it is the whole file."""
        if self.start == 0 and self.end == self.transfer.entry.size:
            return None
        return Range(self.start, self.end)


@dataclass
class Meter:
    """Bytes that came over the network, in vain or not."""

    bytes: int = 0


@dataclass(eq=False)
class Locate:
    """A request to the control server."""

    piece: Piece
    url: str
    handle: Any = None
    headers: list[bytes] = field(default_factory=list)
    body: int = 0

    def receive(self, chunk: bytes) -> int:
        """Read past the body, within reason: what counts is in the head."""
        self.body += len(chunk)
        return len(chunk) if self.body <= ERROR_BODY else 0


@dataclass(eq=False)
class Fetch:
    """A request to the object store, whose body it takes in.

    Attributes:
        url: presigned; never to be shown.
        meter: counts what comes.
        hand_over: called with the piece and its next chunks when there is enough to write.
        began: the first byte that was asked for.
        position: the byte after the last that came.
        verdict: the judgement of the head, once there is one.
    """

    piece: Piece
    url: str
    meter: Meter
    hand_over: Callable[[Piece, list[bytes]], None]
    handle: Any = None
    headers: list[bytes] = field(default_factory=list)
    chunks: list[bytes] = field(default_factory=list)
    began: int = 0
    position: int = 0
    held: int = 0
    spilt: int = 0
    verdict: Optional[Verdict] = None

    def __post_init__(self) -> None:
        self.began = self.position = self.piece.start

    def request_headers(self) -> list[str]:
        """What is sent: nothing that could tell who asks."""
        wanted = self.piece.wanted
        if wanted is None:
            return ["Accept-Encoding: identity"]
        return ["Accept-Encoding: identity", f"Range: bytes={header(wanted.start, wanted.end)}"]

    def receive(self, chunk: bytes) -> int:
        """Take a chunk in. Any number but its length makes libcurl end the request."""
        size = len(chunk)
        verdict = self.verdict or self.judge()
        if verdict.action is not Action.ACCEPT:
            self.spilt += size
            return size if self.spilt <= ERROR_BODY else 0
        if size > self.piece.end - self.position:  # more than was asked for: the hash says what the rest is worth
            chunk, size = chunk[: self.piece.end - self.position], 0
        taken = len(chunk)
        self.meter.bytes += taken
        self.position += taken
        self.chunks.append(chunk)
        self.held += taken
        if self.held >= WRITE_PIECE and self.piece.transfer.partial is not None:
            self.release()
        return size

    def release(self) -> None:
        """Hand over what is held, for writing."""
        chunks, self.chunks, self.held = self.chunks, [], 0
        self.hand_over(self.piece, chunks)

    def outcome(self, code: int, message: str) -> Verdict:
        """Judge the answer as a whole, now that it ended.

        Args:
            code: libcurl's error code, 0 for none.
            message: libcurl's words for it.
        """
        if self.verdict is None and not code:
            self.judge()
        if self.verdict is not None and self.verdict.action is not Action.ACCEPT:
            return self.verdict
        if self.verdict is not None and self.position == self.piece.end:
            return ACCEPT  # however it ended
        if code:
            return judge_failure(code, message, self.url)
        return judge_end(read_head(self.headers), self.position, self.piece.end)

    def judge(self) -> Verdict:
        """Judge the head of the answer."""
        now = datetime.now(timezone.utc)
        size = self.piece.transfer.entry.size
        self.verdict = judge_fetch(read_head(self.headers), self.url, self.piece.wanted, size, now)
        return self.verdict
